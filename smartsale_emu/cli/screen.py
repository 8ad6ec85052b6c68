"""The pinpad as a person sees it: the line decoded above, its screen and keys below."""

import sys
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from datetime import datetime, timedelta
from pathlib import Path

from rich.align import Align
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from smartsale_emu.cli.keyboard import keys
from smartsale_emu.cli.signals import on_stop_signal
from smartsale_emu.cli.told import told
from smartsale_emu.emulator.doors import Effect, Trace
from smartsale_emu.payment.card import Card
from smartsale_emu.payment.cardholder import Cardholder
from smartsale_emu.payment.receipt import Form, format_amount
from smartsale_emu.runtime.driver import Driver
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.effects import Display, EnterPin, HandsOff, Print, ReadCard, Remember
from smartsale_emu.terminal.events import CancelPressed, CardPresented, PaperChanged, PinEntered
from smartsale_emu.terminal.journal import Entry, EntryState
from smartsale_emu.terminal.memory import Memory
from smartsale_emu.terminal.operations import OPERATIONS
from smartsale_emu.units import Millis

CANCEL_KEYS = ("\x1b",)
ENTER_KEYS = ("\r", "\n")
ERASE_KEYS = ("\x7f", "\b")
ENTRIES_SHOWN = 5


class Screen:
    """Watches a driver and gives it hands. ``cards``: those that lie at hand."""

    def __init__(self, state: Path, cardholder: Cardholder, cards: Iterable[Card], epoch: datetime) -> None:
        self._console = Console(highlight=False)
        self._state_dir, self._cardholder, self._epoch = state, cardholder, epoch
        self._cards = {chr(ord("a") + place): card for place, card in enumerate(cards)}
        self._driver: Driver | None = None
        self._live: Live | None = None
        self._port, self._text, self._asks = "", "", ""
        self._pin: list[str] = []
        self._paper = True

    async def serve(self, driver: Driver, told: Callable[[str], None]) -> None:
        """Run the driver with this screen until it is stopped; ``told`` is told the port."""
        self._driver = driver
        on_stop_signal(driver.stop)

        def ready(port: str) -> None:
            told(port)
            self._ready(port)

        interactive = self._console.is_terminal
        self._live = Live(console=self._console, auto_refresh=False, transient=True) if interactive else None
        with keys(self._press), self._live or nullcontext():
            await driver.run(ready)

    def _ready(self, port: str) -> None:
        self._port = port
        for line in (
            f"The pinpad is on {port}  (memory in {self._state_dir})",
            f"In another window:  {_this_command()} register sale 12.00 --port {port}",
            _readiness(self._cardholder),
        ):
            self._console.print(line, soft_wrap=True, markup=False)
        self._refresh()

    # --- what is seen ------------------------------------------------------------------------------------

    def see(self, effect: Effect, now: Millis) -> None:
        """Show one effect."""
        match effect:
            case Display(text):
                self._text = text
            case ReadCard():
                self._asks = "card"
            case EnterPin():
                self._asks, self._pin = "pin", []
            case HandsOff():
                self._asks, self._pin = "", []
            case Remember():
                pass  # the journal below the glass may have changed
            case Print(text):
                self._console.print(Panel(Text(text.rstrip()), title="printer", expand=False))
            case Trace("frame", _, {"direction": "in"}):
                return  # its message, or what was acknowledged, is told by itself
            case Trace():
                self._console.print(self._trace_line(effect, now), soft_wrap=True)
                if effect.kind != "state":
                    return
            case _:
                return
        self._refresh()

    def _trace_line(self, trace: Trace, now: Millis) -> Text:
        stamp = (self._epoch + timedelta(milliseconds=now)).strftime("%H:%M:%S.%f")[:-3]
        return Text(f"{stamp}  {trace.kind:<9}").append_text(told(trace))

    def _refresh(self) -> None:
        if self._live and self._port:
            self._live.update(self._panel(), refresh=True)

    def _panel(self) -> RenderableType:
        lines = self._text.split("\n") + (["*" * len(self._pin)] if self._asks == "pin" else [])
        glass = Panel(
            Align.center(Text("\n".join(lines), justify="center")), width=40, style="black on green"
        )
        state = self._driver.emulator.state if self._driver else ""
        return Panel(
            Group(
                glass,
                Text(f"state: {state}   port: {self._port}", style="dim"),
                *([day_table(self._driver.emulator.memory)] if self._driver else []),
                self._keys(),
            ),
            title="pinpad",
            expand=False,
        )

    def _keys(self) -> RenderableType:
        if self._asks == "card":
            table = Table.grid(padding=(0, 2))
            cells = [f"[bold]{key}[/] {card.name}" for key, card in self._cards.items()]
            for start in range(0, len(cells), 3):
                table.add_row(*cells[start : start + 3])
            return Group(Text("Present a card (Esc cancels):"), table)
        if self._asks == "pin":
            return Text("Type the PIN, then Enter (Backspace erases, Esc cancels)")
        if self._driver and self._driver.emulator.serving:
            return Text("Esc cancels.")
        printer = self._driver is not None and self._driver.emulator.prints
        paper = f" p {'takes the paper out' if self._paper else 'loads paper'}." if printer else ""
        return Text(f"Waiting for the register. q ends the pinpad.{paper}")

    # --- hands -------------------------------------------------------------------------------------------

    def _press(self, key: str) -> None:
        driver = self._driver
        if driver is None:
            return
        if key in CANCEL_KEYS:
            driver.tell(CancelPressed())
        elif self._asks == "pin":
            self._pin_key(driver, key)
        elif self._asks == "card" and key in self._cards:
            driver.tell(CardPresented(self._cards[key]))
        elif key == "q":
            driver.stop()
        elif key == "p" and driver.emulator.prints:
            self._paper = not self._paper
            driver.tell(PaperChanged(self._paper))
        self._refresh()

    def _pin_key(self, driver: Driver, key: str) -> None:
        if key.isascii() and key.isdigit() and len(self._pin) < 12:
            self._pin.append(key)
        elif key in ERASE_KEYS and self._pin:
            self._pin.pop()
        elif key in ENTER_KEYS and len(self._pin) >= 4:
            pin, self._pin = Secret("".join(self._pin)), []
            driver.tell(PinEntered(pin))


def day_table(memory: Memory) -> RenderableType:
    """Return the operating day at a glance: its totals and its last slips."""
    entries = tuple(memory.journal.entries.values())
    debt = "   settlement owed" if memory.settling else "   reversal owed" if memory.pending else ""
    kept, net = len(tuple(memory.journal.kept())), format_amount(memory.journal.totals().net)
    table = Table.grid(padding=(0, 2))
    for entry in entries[-ENTRIES_SHOWN:]:
        table.add_row(*_entry_cells(entry), style="" if entry.kept else "dim")
    return Group(Text(f"day {memory.day}: {kept} kept, net {net}{debt}", style="bold"), table)


def _entry_cells(entry: Entry) -> tuple[str, ...]:
    amount = format_amount(entry.amount) if entry.request else ""
    return (
        f"{entry.number:04d}",
        OPERATIONS[entry.operation].title,
        amount,
        entry.rrn,
        _moved_nothing(entry),
    )


def _moved_nothing(entry: Entry) -> str:
    """Why an entry does not count, in a word; empty if it does, or is not about money."""
    if entry.state is EntryState.UNDONE:
        return "undone"
    return entry.form if entry.form in (Form.DECLINED, Form.INTERRUPTED) else ""


def _readiness(cardholder: Cardholder) -> str:
    if cardholder.card is None:
        return "The customer is you: keys to present a card appear when the register asks for money."
    pin = "and its PIN is typed" if cardholder.pin else "and its PIN is typed by you"
    return f"The card {cardholder.card.name} is ready: it presents itself when asked for, {pin}."


def _this_command() -> str:
    """How this program was called, to be called again."""
    called = Path(sys.argv[0])
    return "python -m smartsale_emu" if called.name == "__main__.py" else sys.argv[0]
