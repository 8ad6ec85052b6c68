"""Marked card, PIN and keys go through everything; none of them may come out anywhere, in any dress.

What may come out: the card number masked 6/4. A register and a bank are told what they must be told; the
trace, the files, the screens, the receipts and the texts of errors never.
"""

import base64
import json
import shutil
import subprocess
import sys
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from canary_marks import (
    CARD,
    CARD_TOML,
    EPOCH,
    LONG_PIN,
    PAN,
    PIN_KEY,
    SHORT_PIN,
    TRACK2,
    assert_clean,
    clear_pin_block,
    found_in,
    keys,
    pin_block,
)
from e2e.e2e_kit import bank, environment, pinpad, settled, until
from e2e.foreign_till import ACK, EOT, Till, Wire

import smartsale_emu
from smartsale_emu.cli import main
from smartsale_emu.emulator import CallHost, Effect, Emulator, Event, Trace
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.card import Account, Card, EntryMode, TestCard, luhn_valid
from smartsale_emu.payment.cardholder import Cardholder, wrong_pin
from smartsale_emu.register.session import FinalHabit, Habits
from smartsale_emu.runtime import DEFAULT_BANK_PROFILE, DEFAULT_TERMINAL_PROFILE
from smartsale_emu.runtime.assembly import (
    build_emulator,
    load_bank_profile,
    load_terminal_profile,
)
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.till import SessionTill
from smartsale_emu.scenario.virtual import Delivery, World
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import decrypt_pin_block
from smartsale_emu.units import MinorUnits

# --- the test can fail ------------------------------------------------------------------------------------


def test_the_marks_are_what_they_should_be() -> None:
    assert luhn_valid(PAN)
    block = SecretBytes(pin_block(LONG_PIN))
    assert decrypt_pin_block(block, PAN, key=SecretBytes(PIN_KEY)).reveal() == LONG_PIN


@pytest.mark.parametrize(
    "secret", [PAN, LONG_PIN, TRACK2, PIN_KEY, pin_block(LONG_PIN), clear_pin_block(SHORT_PIN)], ids=str
)
@pytest.mark.parametrize("before", range(4))
def test_a_planted_canary_is_seen_in_every_dress(secret: str | bytes, before: int) -> None:
    data = secret.encode() if isinstance(secret, str) else secret
    around = b"\xc1" * before
    assert found_in(around + data + around)
    assert found_in(json.dumps({"field": data.hex()}))
    assert found_in(f"… {data.hex().upper()} …")
    assert found_in(base64.b64encode(around + data + around))
    assert found_in(repr(around + data))
    if isinstance(secret, str):
        packed = bytes.fromhex(secret.replace("=", "D") + "F" * (len(secret) % 2))
        assert found_in(around + packed)
        assert found_in(base64.b64encode(around + packed))


def test_what_may_be_shown_is_not_taken_for_a_canary() -> None:
    assert found_in(f"{CARD.masked} {CARD!r} {Secret(LONG_PIN)} {SecretBytes(PIN_KEY)!r}") == set()
    assert found_in(f"PIN {SHORT_PIN}.") == {"short PIN"}


# --- on virtual time --------------------------------------------------------------------------------------


class OpenWorld(World):
    """A world that writes down everything that can be logged, the repr of every effect and event too."""

    reprs: list[str]
    traced: list[str]
    to_bank: bytes

    def __init__(self, card: Card, pin: str, account_pin: str) -> None:
        self.reprs, self.traced, self.to_bank, self.to_till = [], [], b"", b""
        profile, bank_profile = (
            load_terminal_profile(DEFAULT_TERMINAL_PROFILE),
            load_bank_profile(DEFAULT_BANK_PROFILE),
        )
        account = Account(balance=MinorUnits(10_000_000), pin=Secret(account_pin))
        self.ledger = MemoryLedger()
        bank = Bank(bank_profile, [TestCard(card, account)], self.ledger, keys())

        def boot(saved: str | None) -> Emulator:
            return build_emulator(
                profile,
                bank_profile,
                keys(),
                memory_text=saved,
                memory_origin="memory",
                epoch=EPOCH,
                traced=True,
            )

        holder = Cardholder(card, Secret(pin))
        super().__init__(
            boot, lambda: BankSession(bank, Dialect(bank_profile)), cardholder=holder, epoch=EPOCH
        )
        self.on_wire = self._overhear

    def _overhear(self, data: bytes, to_register: bool) -> bytes:
        self.to_till += data if to_register else b""
        return data

    def _carry_out(self, effect: Effect) -> None:
        self.reprs.append(repr(effect))
        if isinstance(effect, CallHost):
            self.to_bank += effect.payload
        if isinstance(effect, Trace):
            self.traced.append(json.dumps([effect.because, effect.details], ensure_ascii=False, default=str))
        super()._carry_out(effect)

    def tell(self, event: Event) -> None:
        self.reprs.append(repr(event))
        super().tell(event)

    def ask(self, request: Message, final: FinalHabit = FinalHabit.ACK) -> None:
        till = SessionTill(request, Habits(final=final))
        self.plug(till)
        self.run(lambda: till.outcome is not None and not self.emulator.serving, within=300_000)
        self.rest(60_000)
        assert till.outcome is not None
        self.reprs.append(repr(till.told))

    def all_seen(self) -> dict[str, str | bytes]:
        return {
            "trace": "\n".join(self.traced),
            "repr of effects and events": "\n".join(self.reprs),
            "memory": self.saved or "",
            "screen": "\n".join(self.screens),
            "line to the register, receipts too": self.to_till,
            "ledger": repr((self.ledger.operations(), self.ledger.accounts())),
            "core": repr((self.emulator, self.emulator.memory, self.cardholder)),
        }


SALE = Message.of({0: 1200, 4: "643", 25: 1})
TALKATIVE_SALE = Message.of(
    {
        0: 1200,
        4: "643",
        10: PAN,
        12: TRACK2,
        16: pin_block(LONG_PIN),
        17: PIN_KEY,
        25: 1,
        44: f"B{PAN}^CANARY^3012",
    }
)


@pytest.mark.parametrize("pin", [LONG_PIN, wrong_pin(Secret(LONG_PIN)).reveal()], ids=["right", "wrong"])
@pytest.mark.parametrize("final", [FinalHabit.ACK, FinalHabit.NONE, FinalHabit.EOT])
@pytest.mark.parametrize("request_", [SALE, TALKATIVE_SALE], ids=["sale", "talkative sale"])
def test_no_canary_on_virtual_time(request_: Message, final: FinalHabit, pin: str) -> None:
    world = OpenWorld(CARD, pin, LONG_PIN)
    world.ask(request_, final)
    world.ask(Message.of({0: 1200, 4: "643", 25: 53}))
    assert {"PAN", "track 2"} <= found_in(world.to_bank), (
        "the bank must have been told, or this test proves nothing"
    )
    assert_clean(world.all_seen())


@pytest.mark.parametrize("delivery", [kind for kind in Delivery if kind is not Delivery.FINE])
def test_no_canary_when_the_way_to_the_bank_fails(delivery: Delivery) -> None:
    world = OpenWorld(CARD, LONG_PIN, LONG_PIN)
    world.delivery = lambda _: delivery
    world.ask(SALE)
    assert world.to_bank
    assert_clean(world.all_seen())


@pytest.mark.parametrize("entry_mode", list(EntryMode))
def test_no_canary_with_any_kind_of_card(entry_mode: EntryMode) -> None:
    world = OpenWorld(replace(CARD, entry_mode=entry_mode, service_code="101"), LONG_PIN, LONG_PIN)
    world.ask(SALE)
    assert "PAN" in found_in(world.to_bank)
    assert_clean(world.all_seen())


# --- the command line and its files -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def marked_checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package with the marked card and the marked keys in it."""
    package, root = Path(smartsale_emu.__file__).parent, tmp_path_factory.mktemp("marked")
    shutil.copytree(package, root / "smartsale_emu", ignore=shutil.ignore_patterns("__pycache__", "data"))
    (root / "smartsale_emu" / "payment" / "cards" / "canary.toml").write_text(CARD_TOML, encoding="utf-8")
    (root / "keys").mkdir()
    for slot in ("terminal-pin", "terminal-storage"):
        usage, algorithm, key = keys().get(slot).usage, keys().get(slot).algorithm, keys().get(slot).value
        lines = {"name": slot, "usage": usage, "algorithm": algorithm, "value": key.reveal().hex().upper()}
        lines |= {"kcv": keys().get(slot).kcv, "source": "self-made for this test"}
        text = "\n".join(f'{name} = "{value}"' for name, value in lines.items())
        (root / "keys" / f"{slot}.toml").write_text(text, encoding="utf-8")
    return root


@pytest.mark.skipif(sys.platform == "win32", reason="ends its processes by SIGTERM")
@pytest.mark.parametrize("own_bank", [False, True], ids=["embedded bank", "bank over TCP"])
@pytest.mark.parametrize("pin", [SHORT_PIN, LONG_PIN], ids=["right PIN", "wrong PIN"])
def test_no_canary_in_the_files_and_outputs_of_real_processes(
    marked_checkout: Path, tmp_path: Path, pin: str, *, own_bank: bool
) -> None:
    outputs: dict[str, str | bytes] = {}
    state, read = tmp_path / "state", b""
    with ExitStack() as stack:
        options = ["--card", "canary", "--pin", pin, "--card-delay", "0", "--pin-delay", "0", "--speed", "50"]
        options += ["--trace", str(tmp_path / "trace.jsonl")]
        if own_bank:
            host = stack.enter_context(
                bank(
                    tmp_path / "bank", "--trace", str(tmp_path / "bank.jsonl"), package_parent=marked_checkout
                )
            )
            options += ["--host", host.port]
        server = stack.enter_context(
            pinpad(state, *options, port="tcp:127.0.0.1:0", package_parent=marked_checkout)
        )
        for farewell, fields in (
            (ACK, TILL_SALE),
            (b"", TILL_SALE),
            (EOT, TILL_SALE),
            (ACK, TALKATIVE_FIELDS),
        ):
            till = Till(Wire(server.port), farewell=farewell)
            assert till.ask(fields)[39] == (b"1" if pin == SHORT_PIN else b"16")
            till.wire.close()
            read += b"".join(till.seen)
        until(lambda: settled(state), "the reversals")
    for file in sorted(tmp_path.rglob("*")):
        if file.is_file():
            outputs[file.name] = file.read_bytes()
    outputs |= {"line": read, "standard output": server.rest}
    for extra in ([], ["--json"]):
        command = ["ledger", "--state", str(state), *extra]
        outputs[f"ledger {extra}"] = told_by_command(marked_checkout, *command)
    assert {"memory.json", "bank.sqlite", "trace.jsonl"} <= outputs.keys()
    assert CARD.masked.encode() in b"".join(out for out in outputs.values() if isinstance(out, bytes))
    assert_clean(outputs)


TILL_SALE = {0: b"1200", 4: b"643", 25: b"1"}
TALKATIVE_FIELDS = {record.tag: record.value for record in TALKATIVE_SALE.records}


def told_by_command(checkout: Path, *arguments: str) -> bytes:
    """Return both outputs of a command of the marked copy."""
    command = [sys.executable, "-m", "smartsale_emu", *arguments]
    done = subprocess.run(
        command, capture_output=True, env=environment(checkout), cwd=checkout, timeout=30, check=False
    )
    assert b"Traceback" not in done.stderr
    return done.stdout + done.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["run", "--headless", "--port", "tcp:127.0.0.1:0", "--card", PAN],
        ["run", "--headless", "--port", "tcp:127.0.0.1:0", "--card", TRACK2],
        ["run", "--headless", "--pin", LONG_PIN + "x"],
        ["run", "--headless", "--pin", LONG_PIN * 2],
        ["decode", encode_frame(TALKATIVE_SALE.encode()).hex()],
        ["decode", "--json", encode_frame(TALKATIVE_SALE.encode()).hex()],
        ["decode", encode_frame(TALKATIVE_SALE.encode()).hex()[:-2]],
        ["decode", encode_frame(TALKATIVE_SALE.encode()).hex()[:-4] + "0000"],
        ["decode", PIN_KEY.hex()],
        ["decode", TRACK2.encode().hex()],
    ],
    ids=str,
)
def test_no_canary_is_echoed_by_a_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    if arguments[0] == "run":
        arguments = [*arguments, "--state", str(tmp_path / "state")]
    with suppress(SystemExit):
        main(arguments)
    out = capsys.readouterr()
    assert out.out or out.err
    assert found_in(out.out + out.err) == set()
