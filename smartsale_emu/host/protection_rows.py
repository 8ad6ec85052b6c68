"""How a bank protects PINs and messages, as rows of its profile: scheme, PIN format, key slots."""

from smartsale_emu.host.wire_rows import PIN_BLOCK
from smartsale_emu.profile_rows import Rows
from smartsale_emu.security.mac import MacAlgorithm
from smartsale_emu.security.pin_block import PinFormat
from smartsale_emu.security.protection import KeyScheme, MacRule, Protection, SlotNames

_TABLE = "keys"


def protection(rows: Rows, mac: MacRule | None, *, pin_field: int, ksn_field: int) -> Protection:
    """Read the table ``keys``. ``pin_field``, ``ksn_field``: where long PIN blocks and serial numbers go.

    Raises:
        ProfileError: a row is missing, has a bad value, or does not go with another.
    """
    scheme = KeyScheme(rows.choice(_TABLE, "scheme", KeyScheme))
    pin_format = PinFormat(rows.choice(_TABLE, "pin_format", PinFormat))
    long_block, aes = pin_format is PinFormat.ISO_4, scheme is KeyScheme.DUKPT_AES
    dukpt = scheme is not KeyScheme.MASTER_SESSION
    if long_block and pin_field == PIN_BLOCK:
        raise rows.error(_TABLE, "pin_format", "a block of format 4 needs an element of its own: pin.field")
    if dukpt and not ksn_field:
        raise rows.error(_TABLE, "scheme", "its serial numbers need an element: pin.ksn_field")
    if dukpt and long_block is not aes:
        raise rows.error(_TABLE, "pin_format", "format 4 goes with AES keys, the others with triple DES")
    if dukpt and mac is not None and (mac.algorithm is MacAlgorithm.AES_CMAC) is not aes:
        raise rows.error("mac", "algorithm", f"does not go with keys.scheme {scheme}")
    slots = {name: rows.text(_TABLE, name) for name in SlotNames.__dataclass_fields__}
    return Protection(scheme, pin_format, mac, SlotNames(**slots))
