"""Bank profiles by name, some with other rows, and both ends of the line to a bank."""

import json
from collections.abc import Callable
from dataclasses import replace

from bank_kit import CARDS, KEYS, NOW, PACKAGE

from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder
from smartsale_emu.host.ledger import Ledger, MemoryLedger
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest
from smartsale_emu.security.masking import Secret
from smartsale_emu.security.protection import NOTHING_HELD, KeysHeld
from smartsale_emu.security.safe import TerminalSafe

FOLDER = PACKAGE / "host" / "profiles"
NAMES = sorted(file.stem for file in FOLDER.glob("*.toml"))


def text_of(name: str) -> tuple[str, str]:
    return (FOLDER / f"{name}.toml").read_text(encoding="utf-8"), f"{name}.toml"


def load(name: str) -> BankProfile:
    return BankProfile.parse(*text_of(name), base=text_of)


def changed(name: str, **rows: object) -> BankProfile:
    """A profile that extends another; ``wire__bitmap="hex"`` is the row bitmap of the table wire."""
    lines = ['title = "Changed"', f'extends = "{name}"']
    for key, value in rows.items():
        table, _, row = key.partition("__")
        lines += [f"[{table}.{row}]", f'value = {json.dumps(value)}\nmark = "assumed"\nsource = ""']
    return BankProfile.parse("\n".join(lines), "mine.toml", base=text_of)


def entropy(start: int = 1) -> Callable[[int], bytes]:
    """Bytes that never repeat."""
    drawn = iter(range(start, 1_000_000))
    return lambda count: (next(drawn).to_bytes(4) * (count // 4 + 1))[:count]


def bank_of(profile: BankProfile, ledger: Ledger | None = None) -> Bank:
    """A bank with all cards and keys."""
    return Bank(
        profile, CARDS.values(), MemoryLedger() if ledger is None else ledger, KEYS, entropy=entropy()
    )


class Line:
    """A pinpad's safe, its bank, and a stream between them. ``held``: what the pinpad holds of its keys.

    ``exchange``: what the bank says of the last message.
    """

    def __init__(self, profile: BankProfile, ledger: Ledger | None = None) -> None:
        self.profile, self.dialect = profile, Dialect(profile)
        self.ledger = MemoryLedger() if ledger is None else ledger
        self.bank = bank_of(profile, self.ledger)
        self.session = BankSession(self.bank, self.dialect, self.bank.guard(self.dialect))
        self.safe, self.held = TerminalSafe(KEYS, entropy(7000), profile.protection), NOTHING_HELD
        self.exchange: Exchange | None = None

    def message(self, request: AuthorizationRequest, *, pin: str = "", held: KeysHeld | None = None) -> bytes:
        """Return a request as it travels, under the next keys or those of ``held``."""
        if held is None:
            held = self.held = self.safe.for_next_message(self.held)
        request = replace(request, ksn=bytes.fromhex(held.ksn), pin_block=None)
        if pin and request.card is not None:
            request = replace(request, pin_block=self.safe.pin_block(Secret(pin), request.card.pan, held))
        seal = (lambda data: self.safe.mac(data, held)) if self.dialect.is_sealed(request.step) else None
        return self.dialect.wire.frame(self.dialect.encode_request(request, seal))

    def send(self, message: bytes) -> AuthorizationAnswer:
        """Hand a message to the bank and read what it answers, the response code in the bank's own words."""
        reply, (self.exchange,) = self.session.receive(message, NOW)
        (packet,) = StreamDecoder(self.dialect.wire).feed(reply)
        answer = self.dialect.decode_answer(self.dialect.wire.open_answer(packet), NOW.date())
        code = self.profile.wire.responses.from_host(answer.response_code) or "?"
        return replace(answer, response_code=code)

    def ask(self, request: AuthorizationRequest, *, pin: str = "", held: KeysHeld | None = None) -> str:
        """Send a request and return the bank's own response code; the answer's MAC must be right."""
        message = self.message(request, pin=pin, held=held)
        answer = self.send(message)
        if answer.sealed is not None:
            used = self.held if held is None else held
            assert self.safe.mac_is_right(answer.sealed.covered.reveal(), answer.sealed.mac, used)
        return answer.response_code
