"""What the terminal has found out about a payment: TVR and TSI (EMV Book 3, annexes C5 and C6)."""

from enum import KEEP, Flag
from typing import Self


class _Bits(Flag, boundary=KEEP):
    """Named bits in a fixed number of bytes; bits without a name are kept."""

    @classmethod
    def size(cls) -> int:
        """Return the number of bytes."""
        raise NotImplementedError

    @classmethod
    def parse(cls, data: bytes) -> Self:
        """Read the bits.

        Raises:
            ValueError: there are more or fewer bytes.
        """
        if len(data) != cls.size():
            raise ValueError(f"{cls.__name__}: {cls.size()} bytes are needed")
        return cls(int.from_bytes(data, "big"))

    def encode(self) -> bytes:
        """Return the bytes."""
        return self.value.to_bytes(self.size(), "big")

    def words(self) -> tuple[str, ...]:
        """Return the names of the bits that are set, first byte and highest bit first."""
        named = sorted(self, key=lambda bit: -bit.value)
        return tuple((bit.name or "").lower().replace("_", " ") for bit in named)


class Tvr(_Bits):
    """Terminal verification results (95), five bytes: what failed, or what the issuer should know.

    >>> found = Tvr.ODA_NOT_PERFORMED | Tvr.ONLINE_PIN_ENTERED | Tvr.FLOOR_LIMIT_EXCEEDED
    >>> found.encode().hex(), found.words()
    ('8000048000', ('oda not performed', 'online pin entered', 'floor limit exceeded'))
    """

    ODA_NOT_PERFORMED = 0x80_00_00_00_00
    SDA_FAILED = 0x40_00_00_00_00
    DATA_MISSING = 0x20_00_00_00_00
    ON_EXCEPTION_FILE = 0x10_00_00_00_00
    DDA_FAILED = 0x08_00_00_00_00
    CDA_FAILED = 0x04_00_00_00_00
    VERSION_DIFFERS = 0x00_80_00_00_00
    EXPIRED = 0x00_40_00_00_00
    NOT_YET_EFFECTIVE = 0x00_20_00_00_00
    SERVICE_NOT_ALLOWED = 0x00_10_00_00_00
    NEW_CARD = 0x00_08_00_00_00
    CVM_FAILED = 0x00_00_80_00_00
    CVM_UNKNOWN = 0x00_00_40_00_00
    PIN_TRY_LIMIT = 0x00_00_20_00_00
    PIN_PAD_MISSING = 0x00_00_10_00_00
    PIN_NOT_ENTERED = 0x00_00_08_00_00
    ONLINE_PIN_ENTERED = 0x00_00_04_00_00
    FLOOR_LIMIT_EXCEEDED = 0x00_00_00_80_00
    LOWER_CONSECUTIVE_LIMIT = 0x00_00_00_40_00
    UPPER_CONSECUTIVE_LIMIT = 0x00_00_00_20_00
    RANDOM_ONLINE = 0x00_00_00_10_00
    FORCED_ONLINE = 0x00_00_00_08_00
    DEFAULT_TDOL = 0x00_00_00_00_80
    ISSUER_AUTHENTICATION_FAILED = 0x00_00_00_00_40
    SCRIPT_FAILED_BEFORE = 0x00_00_00_00_20  # before the second GENERATE AC
    SCRIPT_FAILED_AFTER = 0x00_00_00_00_10

    @classmethod
    def size(cls) -> int:
        """Return five."""
        return 5


class Tsi(_Bits):
    """Transaction status information (9B), two bytes: which steps were taken, whatever came of them.

    >>> (Tsi.CVM_DONE | Tsi.TERMINAL_RISK_DONE).encode().hex()
    '4800'
    """

    ODA_DONE = 0x80_00
    CVM_DONE = 0x40_00
    CARD_RISK_DONE = 0x20_00
    ISSUER_AUTHENTICATION_DONE = 0x10_00
    TERMINAL_RISK_DONE = 0x08_00
    SCRIPT_DONE = 0x04_00

    @classmethod
    def size(cls) -> int:
        """Return two."""
        return 2


NO_FINDINGS = Tvr(0)
"""Nothing found."""

NO_STEPS = Tsi(0)
"""Nothing done."""
