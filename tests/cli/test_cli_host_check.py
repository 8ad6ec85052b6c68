"""``host check`` as its user meets it: what it tells, its status, and that it leaves no purchase behind."""

import asyncio
import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import count
from pathlib import Path

import pytest

import smartsale_emu
from smartsale_emu.cli import main
from smartsale_emu.cli.code_words import meaning
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.framing import StreamDecoder
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.host.session import BankSession
from smartsale_emu.payment.authorization import AuthorizationAnswer, AuthorizationRequest, CardData, Step
from smartsale_emu.runtime import host_probe
from smartsale_emu.runtime.assembly import build_bank, load_bank_profile, load_card, load_keys
from smartsale_emu.runtime.bank_link import EmbeddedBank
from smartsale_emu.runtime.host_probe import HostProbe, Shopper, Tried
from smartsale_emu.security.key_slot import KeyUsage
from smartsale_emu.security.protection import KeyScheme, Protection, SlotNames, dukpt_keys, next_ksn
from smartsale_emu.security.safe import TerminalSafe, keys_to_begin_with
from smartsale_emu.units import MinorUnits

PAN, PIN = "2200123456789019", "1234"
DEADLINE = 20.0
SILENCE = b""

Deed = Callable[[AuthorizationRequest, bytes], bytes | None]
"""What a host does about a message: sends bytes, is silent, or closes (None). It gets the right answer."""


def silent(_: AuthorizationRequest, __: bytes) -> bytes:
    return SILENCE


def closes(_: AuthorizationRequest, __: bytes) -> None:
    return None


def garbage(_: AuthorizationRequest, __: bytes) -> bytes:
    return b"\x00\x04HTTP"


def spoilt(_: AuthorizationRequest, right: bytes) -> bytes:
    """The last byte, that of a MAC where there is one, is another."""
    return right[:-1] + bytes([right[-1] ^ 1])


@dataclass
class Host:
    """A real bank behind a port, which does to one kind of message, again and again, what a test says."""

    profile: str
    deeds: dict[Step, Deed]
    heard: list[tuple[str, AuthorizationRequest]] = field(default_factory=list)
    arrived: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def __post_init__(self) -> None:
        self.ledger = MemoryLedger()
        profile = load_bank_profile(self.profile)
        self.dialect = Dialect(profile)
        self.parts = build_bank(profile, self.ledger, load_keys())
        self.opening = self.balance

    @property
    def balance(self) -> MinorUnits:
        account = self.parts.bank.account("mir-chip")
        assert account is not None
        return account.balance

    @property
    def steps(self) -> list[str]:
        return [mti for mti, _ in self.heard]

    def serve(self, server: socket.socket) -> None:
        while True:
            try:
                client, _ = server.accept()
            except OSError:
                return
            with client, contextlib.suppress(ConnectionError):
                self._converse(client, self.parts.connect(), StreamDecoder(self.dialect.wire))

    def _converse(self, client: socket.socket, session: BankSession, stream: StreamDecoder) -> None:
        while data := client.recv(4096):
            for packet in stream.feed(data):
                message, _ = self.dialect.wire.open_request(packet)
                now = datetime.now().replace(microsecond=0)
                request = self.dialect.decode_request(message, now.date())
                packed = self.dialect._codec.read(message).mti
                self.heard.append((packed, request))
                right, _ = session.receive(len(packet).to_bytes(2, "big") + packet, now)
                deed = self.deeds.get(request.step)
                reply = deed(request, right) if deed else right
                if request.step is Step.FINANCIAL:
                    self.arrived.set()
                if reply is None:
                    return
                client.sendall(reply)


@contextmanager
def host(profile: str = "generic-ascii", **deeds: Deed) -> Iterator[Host]:
    made = Host(profile, {Step(name): deed for name, deed in deeds.items()})
    server = socket.create_server(("127.0.0.1", 0))
    made.url = f"tcp:127.0.0.1:{server.getsockname()[1]}"
    thread = threading.Thread(target=made.serve, args=(server,))
    thread.start()
    try:
        yield made
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(DEADLINE)
        assert not thread.is_alive()


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_probe, "PAUSE_S", 0.0)


def check(host: Host, *more: str, timeout: str = "5") -> int:
    return main(["host", "check", "--to", host.url, "--profile", host.profile, "--timeout", timeout, *more])


class TestOfASoundHost:
    @pytest.mark.parametrize("profile", ["generic-ascii", "nac-bcd", "tbank-style"])
    def test_every_profile_talks_to_its_own_bank(
        self, profile: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with host(profile) as bank:
            assert check(bank) == 0
        printed = capsys.readouterr().out
        assert bank.steps == ["0800", "0200", "0400"]
        assert bank.balance == bank.opening
        assert printed.count("  passed: ") == 3
        assert "DE39 00" in printed
        assert "approved" in printed
        assert "rrn=" in printed
        assert "Host and profile understand each other." in printed

    def test_the_purchase_is_for_one_rouble_with_a_pin_and_the_reversal_names_it(self) -> None:
        with host("nac-bcd") as bank:
            check(bank, "--terminal-id", "T7", "--merchant-id", "SHOP 1")
        purchase, reversal = bank.heard[1][1], bank.heard[2][1]
        assert (purchase.amount, purchase.currency) == (100, "643")
        assert (purchase.terminal_id, purchase.merchant_id) == ("T7", "SHOP 1")
        assert purchase.pin_block is not None
        assert purchase.sealed is not None
        assert reversal.sealed is not None
        assert (reversal.stan, reversal.amount, reversal.attempt) == (purchase.stan, 100, 0)
        assert reversal.original is not None
        assert (reversal.original.stan, reversal.original.sent_at) == (purchase.stan, purchase.sent_at)
        assert reversal.original.rrn

    def test_neither_card_number_nor_pin_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        with host() as bank:
            assert check(bank, "--pin", PIN) == 0
        printed = capsys.readouterr()
        assert "220012******9019" in printed.out
        for secret in (PAN, f"{PAN}=", f"pin={PIN}", f"={PIN}"):
            assert secret not in printed.out + printed.err

    def test_a_card_that_wants_no_pin_sends_none(self) -> None:
        with host() as bank:
            assert check(bank, "--card", "mastercard-magstripe") == 0
        assert bank.heard[1][1].pin_block is None


class TestTheReversalFollows:
    @pytest.mark.parametrize(
        ("deed", "because"),
        [
            (silent, "no answer in time"),
            (closes, "the bank closed the connection"),
            (garbage, "the bank's answer is of no use"),
            (spoilt, "its MAC is wrong"),
        ],
        ids=["silence", "closing", "garbage", "wrong MAC"],
    )
    def test_an_answer_that_is_lost_or_of_no_use(
        self, deed: Deed, because: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        """The bank has taken the money each time."""
        with host("nac-bcd", financial=deed) as bank:
            assert check(bank, timeout="1") == 1
        assert bank.steps == ["0800", "0200", "0400"]
        assert bank.balance == bank.opening
        assert because in capsys.readouterr().out

    def test_a_decline(self, capsys: pytest.CaptureFixture[str]) -> None:
        with host() as bank:
            assert check(bank, "--card", "visa-do-not-honour") == 1
        printed = capsys.readouterr().out
        assert bank.steps == ["0800", "0200", "0400"]
        assert "DE39 05: do not honour" in printed
        assert "FAILED: the host understands us, and declines" in printed

    def test_an_approval_of_other_money(self, capsys: pytest.CaptureFixture[str]) -> None:
        def other(request: AuthorizationRequest, _: bytes) -> bytes:
            yes = AuthorizationAnswer(Step.FINANCIAL, request.stan, "00", amount=MinorUnits(99))
            return bank.dialect.wire.frame(bank.dialect.encode_answer(request, yes))

        with host(financial=other) as bank:
            assert check(bank) == 1
        assert bank.steps == ["0800", "0200", "0400"]
        assert "approves another amount" in capsys.readouterr().out

    def test_is_repeated_as_such_until_it_is_answered(self) -> None:
        sendings = count(1)
        with host(reversal=lambda _, right: right if next(sendings) == 3 else SILENCE) as bank:
            assert check(bank, timeout="1") == 0
        assert bank.steps == ["0800", "0200", "0400", "0401", "0401"]

    def test_is_given_up_after_three_with_what_must_be_undone_by_hand(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        with host(reversal=silent) as bank:
            assert check(bank, timeout="1") == 1
        assert bank.steps == ["0800", "0200", "0400", "0401", "0401"]
        purchase = bank.heard[1][1]
        told = next(line for line in capsys.readouterr().out.splitlines() if "may still hold" in line)
        assert "1.00" in told
        assert f"STAN {purchase.stan:06d}" in told
        assert "RRN" in told

    @pytest.mark.parametrize(("code", "times"), [("91", 3), ("05", 1), ("25", 1)])
    def test_is_repeated_for_a_host_that_asks_for_it_and_for_no_other(
        self, code: str, times: int, capsys: pytest.CaptureFixture[str]
    ) -> None:
        def says(request: AuthorizationRequest, _: bytes) -> bytes:
            answer = AuthorizationAnswer(Step.REVERSAL, request.stan, code)
            return bank.dialect.wire.frame(bank.dialect.encode_answer(request, answer))

        with host(reversal=says) as bank:
            assert check(bank) == (0 if code == "25" else 1)
        assert len(bank.steps) == 2 + times
        assert ("may still hold" in capsys.readouterr().out) is (code != "25")

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
    def test_an_interrupt_while_the_purchase_is_under_way(self, number: signal.Signals) -> None:
        with host(financial=silent) as bank:
            process = started(bank)
            assert bank.arrived.wait(DEADLINE)
            process.send_signal(number)
            said, _ = process.communicate(timeout=DEADLINE)
        assert process.returncode == 1, said
        assert bank.steps == ["0800", "0200", "0400"]
        assert bank.balance == bank.opening
        assert "it was interrupted" in said

    def test_an_interrupt_while_it_is_under_way_itself(self) -> None:
        sent = threading.Event()

        def late(_: AuthorizationRequest, right: bytes) -> bytes:
            sent.set()
            return right if len(bank.heard) > 3 else SILENCE

        with host(reversal=late) as bank:
            process = started(bank, timeout="2")
            assert sent.wait(DEADLINE)
            process.send_signal(signal.SIGINT)
            said, _ = process.communicate(timeout=DEADLINE)
        assert bank.steps == ["0800", "0200", "0400", "0401"], said
        assert bank.balance == bank.opening

    def test_a_reader_of_the_output_that_has_gone(self) -> None:
        with host() as bank:
            reader, writer = os.pipe()
            os.close(reader)
            process = started(bank, stdout=writer)
            os.close(writer)
            process.wait(DEADLINE)
        assert bank.steps == ["0800", "0200", "0400"]

    def test_an_error_of_whoever_watches(self) -> None:
        """It comes out, after the reversal."""
        told: list[str] = []

        def watch(tried: Tried) -> None:
            told.append(tried.name)
            if tried.name == "purchase":
                raise RuntimeError("no more")

        bank = Host("generic-ascii", {})
        with pytest.raises(RuntimeError, match="no more"):
            asyncio.run(probe(bank, watch).run())
        assert told == ["echo", "purchase", "reversal"]
        assert bank.balance == bank.opening


class TestOfNoHost:
    def test_nobody_listens(self, capsys: pytest.CaptureFixture[str]) -> None:
        with host() as bank:
            pass
        assert check(bank) == 1
        printed = capsys.readouterr().out
        assert "0800 was not sent" in printed
        assert "nobody listens there" in printed
        assert "purchase" not in printed.replace("may still hold", "")

    @pytest.mark.parametrize("deed", [silent, closes, garbage], ids=["silence", "closing", "garbage"])
    def test_a_host_that_cannot_be_read_is_asked_for_no_money(self, deed: Deed) -> None:
        with host(network=deed) as bank:
            assert check(bank, timeout="1") == 1
        assert bank.steps == ["0800"]

    def test_a_host_that_declines_the_link_test_alone_fails_the_check_and_is_asked_on(self) -> None:
        def says(request: AuthorizationRequest, _: bytes) -> bytes:
            no = AuthorizationAnswer(Step.NETWORK, request.stan, "12")
            return bank.dialect.wire.frame(bank.dialect.encode_answer(request, no))

        with host(network=says) as bank:
            assert check(bank) == 1
        assert bank.steps == ["0800", "0200", "0400"]


class TestOptions:
    def test_a_card_that_is_no_known_test_card_is_refused_and_never_shown(
        self, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ) -> None:
        live = "2200990000000004"
        own = Path(smartsale_emu.__file__).parent / "payment" / "cards" / "mir-chip.toml"
        file = tmp_path / "mine.toml"
        file.write_text(own.read_text(encoding="utf-8").replace(PAN, luhn(live)), encoding="utf-8")
        with host() as bank:
            assert check(bank, "--card", str(file)) == 2
            refused = capsys.readouterr()
            assert bank.steps == []
            assert check(bank, "--card", str(file), "--allow-live-cards") == 1  # this bank has no such card
            assert bank.steps == ["0800", "0200", "0400"]
        assert "--allow-live-cards" in refused.err
        assert luhn(live) not in refused.err + "".join(capsys.readouterr())

    @pytest.mark.parametrize(
        "words",
        [
            ["host", "check"],
            ["host", "check", "--to", "tcp:h:1", "--timeout", "0"],
            ["host", "check", "--to", "tcp:h:1", "--pin", "12"],
            ["host", "check", "--to", "tcp:h:1", "--merchant-id", "1234567890123456"],
            ["host", "chek"],
        ],
    )
    def test_bad_options_end_with_status_2(
        self, words: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        with pytest.raises(SystemExit) as ended:
            main(words)
        assert ended.value.code == 2
        assert "smartsale-emu" in capsys.readouterr().err

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["--to", "pty:"], "--to 'pty:'"),
            (["--to", "tcp:h:1", "--profile", "none"], "bank profile 'none'"),
            (["--to", "tcp:h:1", "--ca", "x.pem"], "--ca is of use only with --to tls:"),
        ],
    )
    def test_a_setup_that_cannot_work_is_one_line(
        self, words: list[str], said: str, capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["host", "check", *words]) == 2
        error = capsys.readouterr().err
        assert said in error
        assert error.count("\n") == 1

    def test_what_stands_before_check_counts(self, capsys: pytest.CaptureFixture[str]) -> None:
        with host("nac-bcd") as bank:
            assert (
                main(["host", "--bank-profile", "nac-bcd", "check", "--to", bank.url, "--timeout", "5"]) == 0
            )
        assert main(["host", "--keys", "nowhere", "check", "--to", "tcp:127.0.0.1:1"]) == 2
        assert "nowhere: is no directory" in capsys.readouterr().err

    @pytest.mark.parametrize(
        "options", [["--listen", "tcp:127.0.0.1:5"], ["--headless"], ["--card", "x.toml"]]
    )
    def test_options_of_the_mock_bank_are_refused(
        self, options: list[str], capsys: pytest.CaptureFixture[str]
    ) -> None:
        assert main(["host", *options, "check", "--to", "tcp:127.0.0.1:1"]) == 2
        words = "is an option of the mock bank, and changes nothing here"
        assert capsys.readouterr().err == f"smartsale-emu: {options[0]} before check: {words}\n"


class TestKeysToBeginWith:
    def test_session_keys_have_no_serial_number(self) -> None:
        assert keys_to_begin_with(Protection(), load_keys(), os.urandom).ksn == ""

    @pytest.mark.parametrize("drawn", [b"\x00\x00\x00", b"\xff\xff\xff", b"\x0a\xbc\xde"])
    @pytest.mark.parametrize("scheme", [KeyScheme.DUKPT_TDES, KeyScheme.DUKPT_AES])
    def test_each_talk_begins_at_a_serial_number_of_the_pinpad_with_keys_behind_it(
        self, scheme: KeyScheme, drawn: bytes
    ) -> None:
        slot = f"terminal-{scheme}"
        keys, protection = load_keys(), Protection(scheme, slots=SlotNames(initial=slot))
        held = keys_to_begin_with(protection, keys, lambda _: drawn)
        own = keys.get(slot, KeyUsage.INITIAL)
        following = next_ksn(scheme, bytes.fromhex(held.ksn))
        dukpt_keys(scheme, own.value, following)
        assert following[:7] == own.ksn[:7]
        again = keys_to_begin_with(protection, keys, lambda _: b"\x01\x02\x04")
        assert held != again


@pytest.mark.parametrize(
    ("code", "own", "words"),
    [
        ("00", None, "approved"),
        ("51", None, "not enough money"),
        ("116", "51", "not enough money"),
        ("001", None, "approved, perhaps in part or with a condition"),
        ("909", None, "not carried out, an error"),
        ("Z9", None, "a code of this host"),
        ("0", None, "a code of this host"),
    ],
)
def test_a_code_has_its_words(code: str, own: str | None, words: str) -> None:
    assert meaning(code, own) == words


def luhn(digits: str) -> str:
    """The same number with its check digit right."""
    total = sum(
        sum(divmod(int(digit) * (2 if place % 2 == 0 else 1), 10))
        for place, digit in enumerate(reversed(digits[:-1]))
    )
    return digits[:-1] + str(-total % 10)


def started(bank: Host, timeout: str = "15", stdout: int = subprocess.PIPE) -> "subprocess.Popen[str]":
    """``host check`` in a process of its own."""
    words = ["host", "check", "--to", bank.url, "--profile", bank.profile, "--timeout", timeout]
    package = Path(smartsale_emu.__file__).resolve().parents[1]
    return subprocess.Popen(
        [sys.executable, "-m", "smartsale_emu", *words],
        stdout=stdout,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONPATH": str(package)},
    )


def probe(bank: Host, watch: Callable[[Tried], None]) -> HostProbe:
    profile, card = load_bank_profile(bank.profile), load_card("mir-chip")
    data = CardData(card.card.pan, card.card.expiry, card.card.entry_mode, card.card.track2)
    return HostProbe(
        profile,
        TerminalSafe(load_keys(), os.urandom, profile.protection),
        EmbeddedBank(bank.parts.connect, today=datetime.now),
        Shopper("00060056", "111111111", data, card.account.pin),
        timeout=5.0,
        now=lambda: datetime.now().replace(microsecond=0),
        stan=17,
        held=keys_to_begin_with(profile.protection, load_keys(), os.urandom),
        watch=watch,
    )
