"""What stands on a slip, as values for a receipt layout (PROTOCOL.md, section 8), and field 90 made of it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from smartsale_emu.payment.authorization import Totals
from smartsale_emu.payment.card import Card, EntryMode
from smartsale_emu.payment.receipt import Form, ReceiptLayout, format_amount
from smartsale_emu.payment.totals import Bucket
from smartsale_emu.payment.verification import Tvr
from smartsale_emu.sa.receipt_data import ReceiptRecord, ReceiptTag, build_receipt
from smartsale_emu.terminal.chip_reading import ALWAYS_FOUND
from smartsale_emu.terminal.journal import Entry, EntryState
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.operations import OPERATIONS, Operation
from smartsale_emu.terminal.profile import TerminalProfile
from smartsale_emu.units import RUB

CLIENT, CASHIER, DUPLICATE = "ЧЕК КЛИЕНТА", "ЧЕК КАССИРА", "КОПИЯ"
TWO_COPIES = frozenset({Form.APPROVED, Form.REVERSED})
"""Forms of which the cashier keeps a copy."""

_ENTRIES = {
    EntryMode.CHIP: "ЧИП",
    EntryMode.CONTACTLESS: "БЕСКОНТАКТНО",
    EntryMode.MAGSTRIPE: "МАГНИТНАЯ ПОЛОСА",
    EntryMode.MANUAL: "",
    EntryMode.FALLBACK: "МАГНИТНАЯ ПОЛОСА",
}


@dataclass(frozen=True, slots=True)
class Slip:
    """A slip that can be printed. ``rows``: of a full report."""

    form: Form
    values: Mapping[str, str]
    rows: tuple[Mapping[str, str], ...] = ()

    @classmethod
    def of_entry(cls, entry: Entry) -> "Slip":
        """Return the slip of a journal entry again, marked as a copy; what was undone since says so."""
        form = Form(entry.form)
        if entry.state is EntryState.UNDONE and form is Form.APPROVED:
            form = Form.REVERSED
        return cls(form, {**entry.values, "duplicate": DUPLICATE})

    def kept_values(self) -> dict[str, str]:
        """Return what the journal keeps of it: the values that are not empty."""
        return {name: value for name, value in self.values.items() if value}

    def client(self, layout: ReceiptLayout) -> str:
        """Return the text of the client's copy: the only one of most forms."""
        copy = CLIENT if self.form in TWO_COPIES else ""
        return layout.render(self.form, {**self.values, "copy": copy}, self.rows)

    def cashier(self, layout: ReceiptLayout) -> str | None:
        """Return the text of the cashier's copy, None where there is none."""
        if self.form not in TWO_COPIES:
            return None
        return layout.render(self.form, {**self.values, "copy": CASHIER, "signature": "1"}, self.rows)

    def field_90(self, layout: ReceiptLayout) -> str:
        """Return field 90: slips, then the card's details where they are known."""
        texts = {
            ReceiptTag.SLIP: self.client(layout),
            ReceiptTag.CASHIER_COPY: self.cashier(layout),
            ReceiptTag.CARD_TYPE: self.values.get("card_label"),
            ReceiptTag.AID: self.values.get("aid"),
            ReceiptTag.TVR: self.values.get("tvr"),
        }
        return build_receipt(ReceiptRecord(tag, "", text) for tag, text in texts.items() if text)


def terminal_values(profile: TerminalProfile, memory: Memory, at: datetime) -> dict[str, str]:
    """Return the values that stand on every slip."""
    return {
        "date": at.strftime("%d.%m.%Y"),
        "time": at.strftime("%H:%M:%S"),
        "terminal_id": profile.terminal_id,
        "merchant_id": profile.merchant_id,
        "batch": f"{memory.day:06d}",
    }


def day_values(
    operation: Operation, totals: Totals, profile: TerminalProfile, memory: Memory, at: datetime
) -> dict[str, str]:
    """Return the values of a slip about the operating day: a report or a settlement."""
    named = {"title": operation.title, "currency": profile.currency(RUB)}
    return terminal_values(profile, memory, at) | totals_values(totals) | named


def card_values(card: Card, tvr: Tvr | None, *, pin_entered: bool) -> dict[str, str]:
    """Return the values of a card that was read just now. ``tvr``: of a chip that made cryptograms."""
    told = tvr.encode().hex().upper() if tvr is not None else _tvr(card, pin_entered=pin_entered)
    return {"entry": _ENTRIES[card.entry_mode], "tvr": told}


def _tvr(card: Card, *, pin_entered: bool) -> str:
    """Of a chip that makes no cryptograms: what is always found, online PIN or not."""
    if not card.aid:
        return ""
    tvr = ALWAYS_FOUND | Tvr.ONLINE_PIN_ENTERED if pin_entered else ALWAYS_FOUND
    return tvr.encode().hex().upper()


def totals_values(totals: Totals, prefix: str = "") -> dict[str, str]:
    """Return the values of the four buckets and the net."""
    values = {f"{prefix}net": format_amount(totals.net)}
    for bucket in Bucket:
        tally = getattr(totals, bucket)
        values[f"{prefix}{bucket}_count"] = str(tally.count)
        values[f"{prefix}{bucket}_amount"] = format_amount(tally.amount)
    return values


def report_rows(kept: Iterable[Entry]) -> tuple[Mapping[str, str], ...]:
    """Return a row for every entry of the day that counts."""
    return tuple(
        {
            "row_number": f"{entry.number:04d}",
            "row_time": entry.values.get("time", ""),
            "row_title": OPERATIONS[entry.operation].title,
            "row_card": entry.values.get("card_number", "")[-4:],
            "row_amount": format_amount(entry.amount),
            "row_rrn": entry.rrn,
            "row_code": entry.authorization_code,
        }
        for entry in kept
    )
