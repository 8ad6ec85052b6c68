"""What several tests of the terminal start from."""

from smartsale_emu.terminal.memory import KeptRequest

KEPT = KeptRequest(
    transaction="purchase",
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
    entry_mode="chip",
    pin_capable=True,
)
"""A sale of 12.00 as the memory keeps it."""
