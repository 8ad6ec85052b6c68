"""Faults of line and bank, how often they happen, and those who listen: each part by itself."""

import re
from datetime import datetime

import pytest

from smartsale_emu.emulator.doors import Event, HostBytes, LineClosed, LineOpened, Trace, WriteLine
from smartsale_emu.host.ledger import OperationState
from smartsale_emu.payment.authorization import AuthorizationRequest, CardData, Step, Transaction
from smartsale_emu.register.effects import Answered, Because, NoAnswer
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.sa.framing import Control, encode_blocks, encode_frame
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.commands import PHRASES, BankApprovesPart, BankDeclines, BankDoes, LineDoes
from smartsale_emu.scenario.line_faults import LineFaults
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.meter import Meter
from smartsale_emu.scenario.model import Register
from smartsale_emu.scenario.overheard import Overheard
from smartsale_emu.scenario.phrases import read_phrase
from smartsale_emu.scenario.player import Player
from smartsale_emu.scenario.recording import Recorder
from smartsale_emu.scenario.registers import ForeignRegister, our_register
from smartsale_emu.scenario.requests import Ask, read_register
from smartsale_emu.scenario.stage import Stage, build_stage
from smartsale_emu.scenario.virtual import TOO_LATE, Delivery
from smartsale_emu.security.masking import Secret
from smartsale_emu.terminal.events import CancelPressed, CardPresented, CardPulled, PaperChanged, PinEntered
from smartsale_emu.terminal.table import State
from smartsale_emu.units import RUB, Millis, MinorUnits

LIBRARY = FileLibrary()
CARDS = LIBRARY.cards()
NOON = datetime(2026, 11, 23, 12, 0)
ACK, NAK, EOT = Control.ACK.wire, Control.NAK.wire, Control.EOT.wire
ASKED = Message.of({0: "10000", 25: "1"})
ANSWER = Message.of({0: "10000", 14: "601510000001", 13: "314159", 25: "1", 39: "1"})
REQUEST, WAIT = encode_frame(ASKED.encode()), encode_frame(Message.of({25: "21"}).encode())
FINAL = encode_frame(ANSWER.encode())
QUESTION = encode_frame(Message.of({25: "52", 19: "RRN?"}).encode())
TUNNEL = encode_frame(Message.of({25: "63", 65: "16"}).encode())


class TestMeter:
    @pytest.mark.parametrize(
        ("which", "met", "spent"),
        [
            (1, "x....", True),
            (3, "..x..", True),
            (0, "xxxxx", False),
            (-1, "xxxxx", False),
            (-2, ".x.x.", False),
        ],
    )
    def test_which_of_five_are_met(self, which: int, met: str, spent: bool) -> None:
        meter = Meter(which)
        assert "".join(".x"[meter.meets()] for _ in range(5)) == met
        assert meter.spent is spent

    def test_what_is_not_allowed_is_not_counted(self) -> None:
        allowed = iter([False, True, False, True, True])
        meter = Meter(2, lambda: next(allowed))
        assert [meter.meets() for _ in range(5)] == [False, False, False, True, False]

    def test_one_that_is_spent_asks_nobody(self) -> None:
        asked = []
        meter = Meter(1, lambda: not asked.append(1))
        assert [meter.meets() for _ in range(3)] == [True, False, False]
        assert len(asked) == 1


class Line:
    """A line with its faults, at a time that stands still until a test moves it."""

    def __init__(self, *phrases: str) -> None:
        self.now = Millis(0)
        self.told: list[Trace] = []
        self.watched: list[tuple[str, bool]] = []
        self.faults = LineFaults(lambda: self.now, self.told.append, watch=self._watch)
        for phrase in phrases:
            command = read_phrase(phrase, PHRASES["line"])
            assert isinstance(command, LineDoes)
            self.faults.arm(command)

    def _watch(self, name: str, data: bytes, *, to_register: bool) -> None:
        self.watched.append((name, to_register))

    def pinpad(self, data: bytes) -> list[tuple[int, bytes]]:
        return list(self.faults(data, to_register=True))

    def register(self, data: bytes) -> list[tuple[int, bytes]]:
        return list(self.faults(data, to_register=False))

    @property
    def names(self) -> list[str]:
        return [name for _, _, name, _ in self.faults.seen]


class TestLine:
    def test_every_unit_has_the_name_of_its_place(self) -> None:
        line = Line()
        first, last = encode_blocks(ANSWER.encode() * 20)[::2][:1], encode_blocks(ANSWER.encode())
        line.register(REQUEST)
        line.pinpad(ACK)
        line.pinpad(WAIT)
        line.register(ACK)
        line.pinpad(QUESTION)
        line.register(ACK)
        line.register(QUESTION)
        line.pinpad(ACK)
        line.pinpad(TUNNEL)
        line.register(ACK)
        line.pinpad(first[0])
        line.register(ACK)
        line.pinpad(last[-1])
        line.register(ACK + EOT)
        line.pinpad(encode_frame(Message.of({0: "100"}).encode()))
        line.register(ACK)
        line.register(NAK)
        line.pinpad(EOT)
        line.register(b"\x7f")
        assert line.names == [
            *("request", "ack of request", "wait", "ack of wait", "question", "ack of question"),
            *("reply", "ack of reply", "tunnel request", "ack of tunnel request"),
            *("block", "ack of block", "final", "ack of final", "session frame", "ack of session frame"),
            *("NAK", "EOT", "bytes"),
        ]
        assert [name for name, _ in line.watched] == line.names

    def test_a_line_without_faults_changes_nothing(self) -> None:
        line = Line()
        assert line.register(REQUEST) == [(0, REQUEST)]
        assert line.pinpad(ACK) == [(0, ACK)]
        assert [trace.details["fate"] for trace in line.told] == ["arrives", "arrives"]

    @pytest.mark.parametrize(
        ("phrase", "pieces", "fate"),
        [
            ("drop final", [], "lost"),
            ("repeat final", [(0, FINAL), (0, FINAL)], "twice"),
            ("repeat final by 2s", [(0, FINAL), (2000, FINAL)], "twice, 2 s late"),
            ("delay final by 2s", [(2000, FINAL)], "arrives, 2 s late"),
            ("split final", [(0, FINAL[:27]), (20, FINAL[27:])], "in 2 pieces, 0.02 s late"),
            ("split final after 3 bytes by 1s", [(0, FINAL[:3]), (1000, FINAL[3:])], "in 2 pieces, 1 s late"),
            ("truncate final after 4 bytes", [(0, FINAL[:4])], "damaged"),
            ("spoil CRC of final", [(0, FINAL[:-1] + bytes([FINAL[-1] ^ 255]))], "damaged"),
            ("noise before final", [(0, b"\xff\x00\x55" + FINAL)], "behind 3 bytes more"),
            ("flip bit 9 of final", [(0, FINAL[:1] + bytes([FINAL[1] ^ 2]) + FINAL[2:])], "damaged"),
        ],
    )
    def test_what_becomes_of_a_unit(self, phrase: str, pieces: list[tuple[int, bytes]], fate: str) -> None:
        if phrase == "split final":
            middle = len(FINAL) // 2
            pieces = [(0, FINAL[:middle]), (20, FINAL[middle:])]
        line = Line(phrase)
        line.register(REQUEST)
        assert line.pinpad(WAIT) == [(0, WAIT)], "another unit is left alone"
        assert line.pinpad(FINAL) == pieces
        assert line.told[-1].details["fate"] == fate
        assert line.pinpad(FINAL) == [(0, FINAL)], "the first one only"

    @pytest.mark.parametrize(("word", "byte"), [("NAK", NAK), ("EOT", EOT)])
    def test_an_ack_becomes_something_else(self, word: str, byte: bytes) -> None:
        line = Line(f"{word} for final")
        assert line.pinpad(FINAL) == [(0, FINAL)]
        assert line.register(ACK) == [(0, byte)]
        assert line.told[-1].details["fate"] == f"becomes {word}"
        assert line.names[-1] == "ack of final"

    def test_two_units_in_one_go(self) -> None:
        line = Line("glue wait")
        assert line.pinpad(WAIT) == []
        assert line.told[-1].details["fate"] == "held back"
        assert line.register(ACK) == [(0, ACK)], "the other direction goes on"
        assert line.pinpad(FINAL) == [(0, WAIT + FINAL)]

    def test_the_n_th_every_and_every_n_th(self) -> None:
        line = Line("drop 2nd wait", "drop every ack of wait", "drop every 2nd request")
        assert [bool(line.pinpad(WAIT)) for _ in range(3)] == [True, False, True]
        assert [bool(line.register(ACK)) for _ in range(3)] == [False] * 3
        assert [bool(line.register(REQUEST)) for _ in range(4)] == [True, False, True, False]

    def test_two_faults_of_one_unit(self) -> None:
        line = Line("repeat final", "delay final by 1s")
        assert line.pinpad(FINAL) == [(1000, FINAL), (1000, FINAL)]

    def test_faults_that_somebody_allows(self) -> None:
        line, allowed = Line(), [False]
        command = read_phrase("drop every wait", PHRASES["line"])
        assert isinstance(command, LineDoes)
        line.faults.arm(command, lambda: allowed[0])
        assert line.pinpad(WAIT) == [(0, WAIT)]
        allowed[0] = True
        assert line.pinpad(WAIT) == []

    def test_a_slow_line_and_its_recovery(self) -> None:
        line = Line("drop every final")
        line.faults.slow(read_phrase("slow 1000 baud", PHRASES["line"]))  # type: ignore[arg-type]
        slow = line.register(REQUEST)
        assert slow == [(10 * place, REQUEST[place - 1 : place]) for place in range(1, len(REQUEST) + 1)]
        assert line.register(ACK)[0][0] == 10 * (len(REQUEST) + 1), "it stands behind what was sent before"
        line.faults.recover()
        assert line.register(REQUEST) == [(0, REQUEST)]
        assert line.pinpad(FINAL) == [(0, FINAL)]

    def test_fingerprints(self) -> None:
        """One of all that passed, with its moments; one of the pinpad's bytes alone, however they are cut."""
        one, other, late = Line(), Line("drop final"), Line()
        for line in (one, other):
            line.register(REQUEST)
            line.pinpad(FINAL)
        late.now = Millis(5)
        late.pinpad(FINAL[:9])
        late.pinpad(FINAL[9:])
        assert one.faults.digest() == other.faults.digest() != late.faults.digest()
        assert one.faults.written() == other.faults.written() == late.faults.written()
        assert re.fullmatch(r"[0-9a-f]{16}", one.faults.written())
        assert Line().faults.written() != one.faults.written()


STORY = "format: 1\ntitle: A bank\nsteps:\n  - expect: {agree: yes}\n"


class Errant:
    """A bank that errs, with its books."""

    def __init__(self, *phrases: str, profile: str = "generic-ascii") -> None:
        (case,) = load_cases(f"{STORY}bank: {{profile: {profile}}}\n", origin="bank.yaml", library=LIBRARY)
        self.stage: Stage = build_stage(case.scenario, LIBRARY, seed=1, traced=False)
        self.faults = self.stage.bank_faults
        self.told: list[Trace] = []
        self.faults.tell = self.told.append
        self.stan = 0
        for phrase in phrases:
            self.says(phrase)

    def says(self, phrase: str) -> None:
        command = read_phrase(phrase, PHRASES["bank"])
        assert isinstance(command, BankDoes | BankDeclines | BankApprovesPart)
        self.faults.arm(command)

    def request(self, step: Step = Step.FINANCIAL, **more: object) -> AuthorizationRequest:
        self.stan += 1
        card = CARDS["mastercard-magstripe"].card
        rows: dict[str, object] = {
            "step": step,
            "transaction": Transaction.PURCHASE,
            "stan": self.stan,
            "sent_at": NOON,
            "terminal_id": "00060056",
            "merchant_id": "111111111",
            "amount": MinorUnits(10_000),
            "currency": RUB,
            "card": CardData(card.pan, card.expiry, card.entry_mode, track2=card.track2),
        }
        return AuthorizationRequest(**{**rows, **more})  # type: ignore[arg-type]

    def test(self, transaction: Transaction = Transaction.ECHO) -> AuthorizationRequest:
        nothing = {"amount": MinorUnits(0), "currency": None, "card": None}
        return self.request(Step.NETWORK, transaction=transaction, **nothing)

    def fate(self, request: AuthorizationRequest) -> Delivery:
        dialect = self.faults._dialect
        return self.faults.fate(dialect.wire.frame(dialect.encode_request(request))).delivery


class TestBank:
    def test_a_bank_without_faults(self) -> None:
        bank = Errant()
        request = bank.request()
        assert bank.fate(request) is Delivery.FINE
        assert bank.faults.handle(request, NOON).response_code == "00"
        assert bank.faults.heard == [request]
        assert bank.told == []

    @pytest.mark.parametrize(
        ("phrase", "delivery"),
        [
            ("unreachable", Delivery.UNREACHABLE),
            ("never arrives", Delivery.LOST_THERE),
            ("no answer", Delivery.LOST_BACK),
            ("late answer 35s", Delivery.LATE),
            ("late arrival 40s", Delivery.OVERTAKEN),
            ("garbage", Delivery.GARBAGE),
            ("close", Delivery.CLOSED),
        ],
    )
    def test_what_becomes_of_a_message(self, phrase: str, delivery: Delivery) -> None:
        bank = Errant(phrase)
        assert bank.fate(bank.request()) is delivery
        assert bank.fate(bank.request()) is Delivery.FINE, "the first one only"
        assert len(bank.told) == 1

    def test_it_says_how_late(self) -> None:
        bank = Errant("late answer 35s", "answer twice")
        dialect = bank.faults._dialect
        fate = bank.faults.fate(dialect.wire.frame(dialect.encode_request(bank.request())))
        assert (fate.delivery, fate.late, fate.copies) == (Delivery.LATE, 35_000, 2)
        assert TOO_LATE > 30_000

    def test_a_spoilt_mac(self) -> None:
        bank = Errant("wrong MAC")
        dialect = bank.faults._dialect
        fate = bank.faults.fate(dialect.wire.frame(dialect.encode_request(bank.request())))
        assert fate.spoil(b"\x10\x20") == b"\x10\x21"
        assert fate.spoil(b"") == b""

    def test_a_fault_meets_the_messages_that_it_names(self) -> None:
        bank = Errant("unreachable to money", "garbage to 2nd test")
        assert bank.fate(bank.test()) is Delivery.FINE
        assert bank.fate(bank.test()) is Delivery.GARBAGE
        assert bank.fate(bank.request()) is Delivery.UNREACHABLE

    def test_it_declines_money_with_a_code_of_its_own(self) -> None:
        bank = Errant("decline 61")
        assert bank.faults.handle(bank.test(), NOON).response_code == "00"
        assert bank.faults.handle(bank.request(), NOON).response_code == "61"
        assert bank.faults.handle(bank.request(), NOON).response_code == "00"
        states = [row.state for row in bank.stage.ledger.operations()]
        assert states == [OperationState.DECLINED, OperationState.APPROVED]

    def test_a_decline_of_something_else_moves_nothing(self) -> None:
        bank = Errant("decline 91 to test")
        answer = bank.faults.handle(bank.test(), NOON)
        assert (answer.response_code, answer.because) == ("91", "the scenario says so")
        assert not bank.stage.ledger.operations()

    def test_a_decline_that_comes_late(self) -> None:
        bank = Errant("decline 51 after 20s")
        request = bank.request()
        assert bank.fate(request) is Delivery.LATE
        assert bank.faults.handle(request, NOON).response_code == "51"

    def test_part_of_the_money(self) -> None:
        bank = Errant("approve only 60.00")
        answer = bank.faults.handle(bank.request(), NOON)
        assert (answer.response_code, answer.amount) == ("10", 6000)

    def test_the_answer_to_another_message(self) -> None:
        bank = Errant("answer another STAN")
        request = bank.request()
        assert bank.faults.handle(request, NOON).stan != request.stan

    def test_down_for_a_time(self) -> None:
        bank = Errant("down for 1h")
        assert [bank.fate(bank.request()) for _ in range(2)] == [Delivery.UNREACHABLE] * 2
        assert not bank.faults.reachable()
        bank.stage.world.rest(3_600_000)
        assert bank.faults.reachable()
        assert bank.fate(bank.request()) is Delivery.FINE

    def test_down_until_it_recovers(self) -> None:
        bank = Errant("down")
        bank.stage.world.rest(36_000_000)
        assert bank.fate(bank.request()) is Delivery.UNREACHABLE
        bank.faults.recover()
        assert bank.fate(bank.request()) is Delivery.FINE

    def test_bytes_that_are_no_message_are_left_alone(self) -> None:
        assert Errant("unreachable").faults.fate(b"\x00\x04????").delivery is Delivery.FINE


def told(overheard: Overheard, *units: tuple[str, bytes]) -> None:
    """Let it hear units; ``>``: of the pinpad, ``<``: of the register."""
    line = LineFaults(lambda: Millis(0), watch=overheard.see)
    for arrow, data in units:
        line(data, to_register=arrow == ">")


class TestOverheard:
    def test_an_answer_counts_when_it_is_acknowledged(self) -> None:
        overheard = Overheard()
        assert overheard.over
        told(overheard, ("<", REQUEST), (">", ACK), (">", WAIT), ("<", ACK), (">", WAIT), ("<", ACK))
        assert not overheard.over
        told(overheard, (">", FINAL))
        assert overheard.heard().answer is None
        told(overheard, (">", FINAL), ("<", ACK))
        heard = overheard.heard()
        assert overheard.over
        assert heard.outcome == Answered(ANSWER)
        assert (heard.waits, heard.text(39)) == (2, "1")
        assert heard.values() == {"rrn": "601510000001", "code": "314159", "amount": "100.00"}

    def test_an_answer_in_blocks_with_a_copy_among_them(self) -> None:
        overheard = Overheard()
        long = Message.of({**dict.fromkeys((25, 39), "1"), 90: "x" * 900})
        blocks = encode_blocks(long.encode())
        told(
            overheard,
            ("<", REQUEST),
            (">", blocks[0]),
            (">", blocks[0]),
            ("<", ACK),
            (">", blocks[1]),
            ("<", ACK),
        )
        assert overheard.heard().answer == long

    @pytest.mark.parametrize("farewell", [NAK, EOT, b""])
    def test_anything_else_is_no_ack(self, farewell: bytes) -> None:
        overheard = Overheard()
        told(overheard, ("<", REQUEST), (">", FINAL), ("<", farewell))
        assert overheard.heard().answer is None

    def test_a_register_that_closes(self) -> None:
        overheard = Overheard()
        overheard.closed()
        assert overheard.heard().outcome is None, "nothing was under way"
        told(overheard, ("<", REQUEST), (">", FINAL))
        overheard.closed()
        assert overheard.heard().outcome == NoAnswer(Because.VANISHED)

    def test_every_exchange_is_kept(self) -> None:
        overheard = Overheard()
        told(overheard, ("<", REQUEST), (">", ACK), ("<", REQUEST))
        assert len(overheard.exchanges()) == 1, "a repeat is no request of its own"
        told(overheard, ("<", REQUEST), (">", FINAL), ("<", ACK), ("<", REQUEST), (">", WAIT))
        first, second = overheard.exchanges()
        assert (first.text(39), second.text(39), second.waits) == ("1", None, 1)

    def test_nonsense_is_passed_over(self) -> None:
        overheard = Overheard()
        told(overheard, ("<", b"\xff\x02\x00"), (">", encode_frame(b"\x19\xff\xffx")), (">", b"\x7f"))
        assert overheard.over


class TestRecorder:
    def recorder(self) -> Recorder:
        head: dict[str, object] = {"terminal": {"profile": "unipos-2023"}}
        return Recorder(datetime(2026, 11, 23, 9, 30, 0, 123_000), 1, head)

    def test_what_came_in_is_a_scenario(self) -> None:
        recorder = self.recorder()
        happened: list[Event] = [
            LineOpened(),
            CardPresented(CARDS["mir-contactless"].card),
            CardPresented(CARDS["mir-chip"].card),
            CardPulled(),
            CardPresented(CARDS["mastercard-magstripe"].card),
            PinEntered(Secret("0123")),
            CancelPressed(),
            PaperChanged(loaded=False),
            HostBytes(1, b"an answer"),
            LineClosed("gone"),
        ]
        for moment, event in enumerate(happened):
            recorder.happened(event, Millis(100 * moment))
        recorder.received(b"\x02\x00\xff", Millis(2000))
        (case,) = load_cases(recorder.text(), origin="recorded.yaml", library=LIBRARY)
        said = [
            next(
                f"{verb}: {text}"
                for verb in ("asks", "card", "pin", "key", "paper")
                if (text := getattr(step, verb)) is not None
            )
            for step in case.scenario.steps
        ]
        assert said == [
            "asks: opens",
            "card: tap mir-contactless",
            "card: insert mir-chip",
            "card: remove",
            "card: swipe mastercard-magstripe",
            "pin: 0123",
            "key: cancel",
            "paper: out",
            "asks: leaves",
            "asks: sends 02 00 ff",
        ]
        assert [step.at for step in case.scenario.steps] == [*range(0, 800, 100), 900, 2000]
        assert {step.when for step in case.scenario.steps} == {"now"}
        assert (case.scenario.date, case.scenario.latency) == (recorder.epoch, 0)
        assert case.scenario.terminal.profile == "unipos-2023"

    def test_the_fingerprint_is_that_of_the_line(self) -> None:
        recorder, line = self.recorder(), Line()
        recorder.happened(LineOpened(), Millis(0))
        for data in (ACK, WAIT, FINAL):
            recorder.see(WriteLine(data), Millis(7))
            recorder.see(Trace("screen", "no byte"), Millis(7))
            line.pinpad(data)
        assert f'wrote: "{line.faults.written()}"' in recorder.text().splitlines()

    def test_one_that_ends_in_the_middle_ends_with_a_register_that_leaves(self) -> None:
        recorder = self.recorder()
        recorder.happened(LineOpened(), Millis(10))
        recorder.received(REQUEST, Millis(20))
        recorder.see(WriteLine(WAIT), Millis(30))
        (case,) = load_cases(recorder.text(), origin="recorded.yaml", library=LIBRARY)
        last = case.scenario.steps[-1]
        assert (len(case.scenario.steps), last.asks, last.at) == (3, "leaves", 30)

    def test_nothing_at_all_came(self) -> None:
        """A session in which nothing happened is a file that can be read all the same."""
        (case,) = load_cases(self.recorder().text(), origin="recorded.yaml", library=LIBRARY)
        assert case.scenario.wrote


def ask(text: str) -> Ask:
    command = read_register(text)
    assert isinstance(command, Ask)
    return command


class TestRegisters:
    def stage(self) -> Stage:
        (case,) = load_cases(STORY, origin="story.yaml", library=LIBRARY)
        return build_stage(case.scenario, LIBRARY, seed=1, traced=False)

    def test_ours_asks_when_it_is_told(self) -> None:
        stage = self.stage()
        ours = our_register(stage)
        assert ours.comes() is None
        assert ours.over
        assert ours.ask(ask("short-report"), Register(), {}) == ""
        assert not ours.over
        stage.world.run(lambda: ours.over)
        assert isinstance(ours.heard().outcome, Answered)
        assert ours.heard() == stage.overheard.heard(), "it hears what the line shows"

    def test_ours_gives_up(self) -> None:
        stage = self.stage()
        ours = our_register(stage)
        ours.ask(ask("sale 1.00"), Register(), {})
        stage.world.rest(10)
        ours.cancel()
        assert ours.heard().outcome == NoAnswer(Because.CANCELLED)
        ours.leave()
        ours.come_back()
        assert ours.over

    @pytest.mark.parametrize(("goes", "forgotten"), [("crash", False), ("leave", True)])
    def test_only_a_crash_is_unseen(self, goes: str, *, forgotten: bool) -> None:
        stage = self.stage()
        ours = our_register(stage)
        ours.ask(ask("sale 1.00"), Register(), {})
        stage.world.rest(10)
        getattr(ours, goes)()
        assert ours.over
        assert (stage.world.emulator.state is State.IDLE) is forgotten
        ours.come_back()
        assert (stage.world.emulator.state is State.IDLE) is forgotten
        ours.ask(ask("sale 2.00"), Register(), {})
        stage.world.rest(10)
        assert [name for _, _, name, _ in stage.line.seen].count("request") == 2

    @pytest.mark.parametrize("keeps", [False, True])
    def test_a_port_that_is_kept_is_no_new_line(self, *, keeps: bool) -> None:
        """The pinpad forgets the operation before when the line is new."""
        stage = self.stage()
        ours = our_register(stage)
        for amount in ("1.00", "2.00"):
            ours.ask(ask(f"sale {amount}"), Register(keeps_port=keeps), {})
            state_at_once = stage.world.emulator.state
            stage.world.rest(10)
        assert (state_at_once is State.CARD_PROMPT) is keeps

    def test_ours_leaves_in_the_middle(self) -> None:
        stage = self.stage()
        ours = our_register(stage)
        ours.ask(ask("sale 1.00"), Register(), {})
        stage.world.rest(10)
        ours.leave()
        assert isinstance(ours.heard().outcome, NoAnswer)
        assert ours.over

    def test_a_foreign_one_is_waited_for_and_compared(self) -> None:
        overheard = Overheard()
        foreign = ForeignRegister(overheard)
        assert not foreign.comes()
        told(overheard, ("<", REQUEST))
        assert foreign.comes()
        assert foreign.ask(ask("sale 100.00"), Register(), {}) == ""
        assert not foreign.comes()
        assert not foreign.over
        told(overheard, (">", FINAL), ("<", ACK))
        assert foreign.over
        assert foreign.heard().text(14) == "601510000001"

    @pytest.mark.parametrize(
        ("said", "problem"),
        [
            ("sale 99.99", "the register asked with field 0 = 10000, not 9999"),
            ("cash 100.00", "the register asked with field 25 = 1, not 2"),
        ],
    )
    def test_a_foreign_one_that_asks_for_something_else(self, said: str, problem: str) -> None:
        overheard = Overheard()
        told(overheard, ("<", REQUEST))
        assert ForeignRegister(overheard).ask(ask(said), Register(), {}) == problem

    def test_nobody_tells_a_foreign_one_what_to_do(self) -> None:
        foreign = ForeignRegister(Overheard())
        for act in (foreign.cancel, foreign.leave, foreign.crash, foreign.unplug, foreign.come_back):
            with pytest.raises(ValueError, match="does what it likes"):
                act()
        with pytest.raises(ValueError, match="does what it likes"):
            foreign.answer_cashier("")
        assert not foreign.cashier_asked

    def test_a_foreign_one_that_has_asked_again_already(self) -> None:
        """What a step expects is of the request that the story is at."""
        overheard = Overheard()
        foreign = ForeignRegister(overheard)
        told(overheard, ("<", REQUEST), (">", FINAL))
        assert foreign.ask(ask("sale 100.00"), Register(), {}) == ""
        told(overheard, (">", FINAL), ("<", ACK), ("<", encode_frame(Message.of({25: "26"}).encode())))
        assert foreign.heard().text(39) == "1"
        assert foreign.heard().values()["rrn"] == "601510000001"


@pytest.mark.parametrize("seed", range(8))
def test_a_late_decline_by_chance_is_late_when_it_declines(seed: int) -> None:
    """The chance is taken once: never an approval that is late, nor a decline that is not."""
    text = (
        "format: 1\ntitle: By chance\ncustomer: {card: mir-contactless}\nsteps:\n"
        "  - {bank: decline 51 to every money after 20s, chance: 50%}\n"
        "  - register: sale 100.00\n"
    )
    (case,) = load_cases(text, origin="x.yaml")
    stage = build_stage(case.scenario, LIBRARY, seed=seed, traced=False)
    played = Player(case.scenario, stage, seed=seed).play()
    (row,) = stage.ledger.operations()
    assert played.passed
    assert (row.state is OperationState.DECLINED) == (played.took > 20_000)
