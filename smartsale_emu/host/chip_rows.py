"""What a bank does with chip cards, as rows of a bank profile."""

from dataclasses import dataclass
from enum import StrEnum

from smartsale_emu.profile_rows import Rows


class Scrutiny(StrEnum):
    """Whether the bank looks at something."""

    CHECK = "check"
    IGNORE = "ignore"


@dataclass(frozen=True, slots=True)
class ChipRows:
    """A bank's habits with chip cards.

    ``arqc``: all of field 55; ignored, it is neither read nor answered. ``counter``: the ATC must rise; to be
    ignored where several pinpads share one card, each with its own count. ``chip_by_stripe``: a chip card
    whose stripe was read, and not because its chip had failed, is taken.
    """

    arqc: Scrutiny
    counter: Scrutiny
    chip_by_stripe: bool

    @classmethod
    def read(cls, rows: Rows) -> "ChipRows":
        """Read the table ``chip`` of a bank profile.

        Raises:
            ProfileError: a row is missing or has a bad value.
        """
        return cls(
            arqc=Scrutiny(rows.choice("chip", "arqc", Scrutiny)),
            counter=Scrutiny(rows.choice("chip", "counter", Scrutiny)),
            chip_by_stripe=rows.flag("chip", "chip_by_stripe"),
        )
