"""The chip of a Mir card with published test data, and the key of its issuer."""

from smartsale_emu.security.masking import SecretBytes

ISSUER_KEY = SecretBytes(bytes.fromhex("0123456789ABCDEFFEDCBA9876543210"))
PAN = "2200000000000004"
ROWS: dict[str, object] = {
    "aid": "A0000006581010",
    "label": "MIR",
    "aip": "3900",
    "cvm_list": "000000000000000042031E031F03",
    "usage_control": "FF00",
    "sequence": "01",
    "cvn": 18,
    "application_data": "0601120300B800",
}
