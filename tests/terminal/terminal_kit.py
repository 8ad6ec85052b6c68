"""What several tests of the terminal start from."""

from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.transaction import Transaction
from smartsale_emu.terminal.journal import Entry, EntryState
from smartsale_emu.terminal.kept import KeptRequest
from smartsale_emu.terminal.operations import Name

KEPT = KeptRequest(
    transaction=Transaction.PURCHASE,
    terminal_id="00060056",
    merchant_id="111111111",
    stan=7,
    sent_at="2026-11-23T09:30:00",
    amount=1200,
    currency="643",
    masked_pan="220012******9019",
    sealed_pan="c2VhbGVk",
    expiry="3012",
    sequence="01",
    entry_mode=EntryMode.CHIP,
    pin_capable=True,
    batch=1,
)
"""A sale of 12.00 as the memory keeps it."""

ENTRY = Entry(
    number=1,
    operation=Name.SALE,
    state=EntryState.KEPT,
    request=KEPT,
    rrn="632709000007",
    authorization_code="314159",
    form="approved",
    values={"title": "ОПЛАТА", "amount": "12.00"},
)
"""That sale in the journal."""
