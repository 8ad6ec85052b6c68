"""Keys of one's own for the tests of keys."""

from smartsale_emu.security.keys import Algorithm, KeyForm, KeySlot, KeyUsage, SealedKey, check_value
from smartsale_emu.security.masking import SecretBytes

VALUE = "0123456789ABCDEFFEDCBA9876543210"
TEXT = f"""
name = "terminal-pin"
usage = "pin"
algorithm = "TDES"
value = "{VALUE}"
kcv = "08D7B4"
source = "published"
"""
SESSION, CRYPTOGRAM, SESSION_KCV = (
    "A1B3C2D5E5F70719293B4A5D6D7F8F91",
    "541B3C01A778416611C2E290748628CC",
    "76CDB5",
)
KSN, KEY_ID = "FFFF9876543210E00000", "1234567890123456"


def slot(
    name: str, usage: KeyUsage, value: str = VALUE, algorithm: Algorithm = Algorithm.TDES, **more: object
) -> KeySlot:
    key = SecretBytes(bytes.fromhex(value))
    return KeySlot(name, usage, algorithm, key, check_value(algorithm, key), **more)  # type: ignore[arg-type]


MASTER = slot("master", KeyUsage.MASTER)
WRAPPING = slot("wrapping", KeyUsage.WRAPPING, "DD7515F2BFC17F85CE48F3CA25CB21F6")
AES_MASTER = slot("aes-master", KeyUsage.MASTER, "3F419E1CB7079442AA37474C2EFBF8B8", Algorithm.AES)
SEALED = SealedKey(
    "session",
    KeyUsage.PIN,
    Algorithm.TDES,
    KeyForm.CRYPTOGRAM,
    CRYPTOGRAM,
    "master",
    SESSION_KCV,
    origin="session.toml",
)
