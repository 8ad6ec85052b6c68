"""A bank over TCP: who is called, what is told, what leaves; a connection per call, or one that is kept."""

import asyncio
import socket
from pathlib import Path

import pytest
from bank_lab import HERE, Ear, FakeBank, Visit, framed, nobodys_address, play, taker

from smartsale_emu.cli.parser import build_parser
from smartsale_emu.emulator.doors import Event, HostBytes
from smartsale_emu.errors import PortError
from smartsale_emu.host.framing import Framing, Wire
from smartsale_emu.runtime.bank_link import TcpBank
from smartsale_emu.runtime.ports import BankAddress, bank_address
from smartsale_emu.terminal.events import BankAsked, BankFailed, BankUnreachable

QUESTION, ANSWER = framed(b"0200 money"), framed(b"0210 00")
WIRES = [
    Wire(framing, bytes.fromhex("6000010000") if framing is Framing.WITH_TPDU else b"") for framing in Framing
]


def pinpad(*banks: FakeBank | BankAddress, keep: bool = False, within: float = 5.0) -> TcpBank:
    addresses = [bank.address if isinstance(bank, FakeBank) else bank for bank in banks]
    return TcpBank(addresses, connect_timeout=within, keep=keep)


async def ask(
    link: TcpBank,
    bank: FakeBank,
    number: int,
    *,
    on: Visit | None = None,
    question: bytes = QUESTION,
    answer: bytes = ANSWER,
) -> Visit:
    """Carry out one good call, over a new connection or ``on`` the one that is known; the answer is taken."""
    ear = taker(link, answer)
    link.call(number, question, ear)
    visit = on or await bank.visit()
    assert await visit.read(len(question)) == question
    visit.write(answer)
    assert [await ear.next(), await ear.next()] == [BankAsked(number), HostBytes(number, answer)]
    return visit


def because(event: Event) -> str:
    assert isinstance(event, BankUnreachable | BankFailed), event
    return event.because


class TestOneCall:
    def test_question_and_answer_and_the_connection_ends_with_the_call(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank)
                for number in (1, 2):
                    visit = await ask(link, bank, number)
                    assert await visit.rest() == b""

        play(story)

    def test_an_answer_in_single_bytes(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank)
                ear = taker(link, ANSWER)
                link.call(1, QUESTION, ear)
                visit = await bank.visit()
                assert isinstance(await ear.next(), BankAsked)
                for byte in ANSWER:
                    visit.write(bytes([byte]))
                    assert await ear.next() == HostBytes(1, bytes([byte]))
                assert await visit.rest() == QUESTION

        play(story)

    def test_nobody_listens(self) -> None:
        async def story() -> None:
            ear = Ear()
            pinpad(await nobodys_address()).call(7, b"x", ear)
            event = await ear.next()
            assert isinstance(event, BankUnreachable)
            assert event.call == 7
            assert "nobody listens" in event.because

        play(story)

    def test_an_unknown_host(self) -> None:
        async def story() -> None:
            ear = Ear()
            pinpad(BankAddress("bank.invalid", 1)).call(7, b"x", ear)
            assert because(await ear.next()) == "the bank at tcp:bank.invalid:1: unknown host"

        play(story)

    def test_asked_is_told_before_a_byte_leaves_and_hanging_up_then_sends_nothing(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank)
                ear = Ear(lambda event: link.hang_up(1))
                link.call(1, b"money", ear)
                assert await (await bank.visit()).rest() == b""
                assert ear.told == [BankAsked(1)]

        play(story)

    def test_the_bank_closes_without_an_answer(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                ear = Ear()
                pinpad(bank).call(1, b"money", ear)
                visit = await bank.visit()
                await visit.read(5)
                visit.finish()
                assert isinstance(await ear.next(), BankAsked)
                assert because(await ear.next()) == "the bank closed the connection"

        play(story)

    def test_the_bank_breaks_the_connection(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                ear = Ear()
                pinpad(bank).call(1, b"money", ear)
                visit = await bank.visit()
                await visit.read(5)
                reset = b"\x01\0\0\0\0\0\0\0"  # SO_LINGER of no seconds: the system sends RST
                visit.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, reset)
                visit.close()
                assert isinstance(await ear.next(), BankAsked)
                assert because(await ear.next()).startswith("the connection to the bank broke: ")

        play(story)

    def test_a_bank_that_speaks_first_is_given_no_message(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                visit = await ask(link, bank, 1)
                visit.write(b"?")
                ear = taker(link, ANSWER)
                link.call(2, QUESTION, ear)
                assert await visit.rest() == b""
                assert isinstance(await ear.next(), BankAsked)
                link.close()

        play(story)

    def test_a_new_call_gives_up_the_one_before(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link, forgotten = pinpad(bank), Ear()
                link.call(1, QUESTION, forgotten)
                first = await bank.visit()
                assert await first.read(len(QUESTION)) == QUESTION
                await ask(link, bank, 2)
                first.write(ANSWER)
                assert await first.rest() == b""
                assert forgotten.told == [BankAsked(1)]

        play(story)


class TestHangingUp:
    @pytest.mark.parametrize("moments", range(8))
    def test_before_the_bank_was_asked_nothing_of_the_call_leaves(self, moments: int) -> None:
        """However far the call has come: either ``BankAsked`` was told, or the bank gets nothing."""

        async def story() -> None:
            async with FakeBank() as bank:
                link, ear = pinpad(bank), Ear()
                link.call(1, QUESTION, ear)
                for _ in range(moments):
                    await asyncio.sleep(0)
                link.hang_up(1)
                told = list(ear.told)
                last = await self._served(link, bank)
                got = [await visit.rest() for visit in bank.visits if visit is not last]
                assert b"".join(got) == (QUESTION if told else b"")
                assert ear.told == told, "nothing is told of a call that was hung up"

        play(story)

    async def _served(self, link: TcpBank, bank: FakeBank) -> Visit:
        """Carry out a call of another kind; return the visit that brought it."""
        link.call(2, framed(b"the next"), ear := Ear())
        assert isinstance(await ear.next(), BankAsked)
        while True:
            visit = await bank.visit()
            if await visit.peek() == framed(b"the next"):
                link.hang_up(2)
                return visit

    def test_not_one_more_byte_leaves(self) -> None:
        """A message that the system cannot take at once stops where it is."""

        async def story() -> None:
            async with FakeBank() as bank:
                link, much = pinpad(bank), bytes(64_000_000)
                link.call(1, much, ear := Ear())
                visit = await bank.visit()
                assert isinstance(await ear.next(), BankAsked)
                link.hang_up(1)
                assert len(await visit.rest()) < len(much)
                assert ear.told == [BankAsked(1)]

        play(story)

    def test_while_the_answer_is_awaited(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank)
                link.call(1, QUESTION, ear := Ear())
                visit = await bank.visit()
                assert await visit.read(len(QUESTION)) == QUESTION
                link.hang_up(1)
                visit.write(ANSWER)
                assert await visit.rest() == b""
                assert ear.told == [BankAsked(1)]

        play(story)

    def test_unknown_and_finished_calls_are_fine(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                link.hang_up(5)
                visit = await ask(link, bank, 1)
                link.hang_up(1)
                await ask(link, bank, 2, on=visit)
                link.close()

        play(story)

    def test_close_ends_a_call_wherever_it_is(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                for moments in range(8):
                    link, ear = pinpad(bank), Ear()
                    link.call(1, QUESTION, ear)
                    for _ in range(moments):
                        await asyncio.sleep(0)
                    link.close()

        play(story)


class TestBackup:
    def test_the_primary_serves_while_it_answers(self) -> None:
        async def story() -> None:
            async with FakeBank() as primary, FakeBank() as backup:
                await ask(pinpad(primary, backup), primary, 1)
                assert backup.visits == []

        play(story)

    def test_the_backup_serves_while_the_primary_is_down_and_no_longer(self) -> None:
        async def story() -> None:
            async with FakeBank() as backup:
                down = await nobodys_address()
                link = pinpad(down, backup)
                await ask(link, backup, 1)
                async with FakeBank(port=down.port) as primary:
                    await ask(link, primary, 2)

        play(story)

    def test_a_primary_that_does_not_take_connections_has_its_time_and_no_more(self) -> None:
        async def story() -> None:
            with socket.socket() as full, socket.socket() as first, socket.socket() as second:
                full.bind((HERE, 0))
                full.listen(0)
                for filler in (first, second):  # the queue of one is full: further SYNs go unanswered
                    filler.setblocking(False)
                    filler.connect_ex(full.getsockname())
                async with FakeBank() as backup:
                    link = pinpad(BankAddress(*full.getsockname()), backup, within=0.2)
                    await ask(link, backup, 1)

        play(story)

    def test_both_down_names_both_and_why(self) -> None:
        async def story() -> None:
            primary, backup = await nobodys_address(), BankAddress("bank.invalid", 1)
            pinpad(primary, backup).call(1, QUESTION, ear := Ear())
            assert because(await ear.next()) == (
                f"the bank at {primary.url}: nobody listens there; "
                "the bank at tcp:bank.invalid:1: unknown host"
            )
            assert len(ear.told) == 1

        play(story)


class TestKeptConnection:
    def test_one_connection_for_all_calls(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                visit = await ask(link, bank, 1)
                for number in range(2, 6):
                    await ask(link, bank, number, on=visit)
                assert len(bank.visits) == 1
                link.close()
                assert await visit.rest() == b""

        play(story)

    @pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.framing)
    def test_one_connection_however_the_bank_delimits_messages(self, wire: Wire) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = TcpBank([bank.address], connect_timeout=5, wire=wire, keep=True)
                question, answer = wire.frame(b"0200 money"), wire.frame(b"0210 00")
                visit = await ask(link, bank, 1, question=question, answer=answer)
                await ask(link, bank, 2, on=visit, question=question, answer=answer)
                await ask(link, bank, 3, on=visit, question=question, answer=answer + b"?")
                assert await visit.rest() == b""
                link.close()

        play(story)

    def test_an_answer_that_was_refused_takes_its_connection_along(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                ear = Ear(lambda event: link.hang_up(1) if isinstance(event, HostBytes) else None)
                link.call(1, QUESTION, ear)
                visit = await bank.visit()
                assert await visit.read(len(QUESTION)) == QUESTION
                visit.write(ANSWER)
                await ask(link, bank, 2)
                assert len(bank.visits) == 2
                link.close()

        play(story)

    def test_dead_before_the_message_is_replaced_in_silence(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                for number in range(3):
                    visit = await ask(link, bank, number)
                    visit.finish()  # our event loop has not seen it when the next call begins
                assert len(bank.visits) == 3
                link.close()

        play(story)

    def test_dead_long_before_the_message_too(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                visit = await ask(link, bank, 1)
                visit.finish()
                assert await visit.rest() == b""  # our side has seen it and closed
                await ask(link, bank, 2)
                assert len(bank.visits) == 2
                link.close()

        play(story)

    def test_dead_after_the_message_is_a_failure_and_the_next_call_connects_anew(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                visit = await ask(link, bank, 1)
                link.call(2, QUESTION, ear := Ear())
                await visit.read(len(QUESTION))
                visit.finish()
                assert isinstance(await ear.next(), BankAsked)
                assert because(await ear.next()) == "the bank closed the connection"
                await ask(link, bank, 3)
                link.close()

        play(story)

    def test_a_late_answer_never_meets_the_next_call(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                visit = await ask(link, bank, 1)
                link.call(2, QUESTION, late := Ear())
                await visit.read(len(QUESTION))
                link.hang_up(2)
                visit.write(ANSWER)
                ear = taker(link, ANSWER)
                link.call(3, QUESTION, ear)
                new = await bank.visit()
                assert await new.read(len(QUESTION)) == QUESTION
                new.write(framed(b"0210 05"))
                assert [await ear.next(), await ear.next()] == [
                    BankAsked(3),
                    HostBytes(3, framed(b"0210 05")),
                ]
                assert late.told == [BankAsked(2)]
                link.close()

        play(story)

    @pytest.mark.parametrize(
        "said", [ANSWER + ANSWER, ANSWER + b"\x00", ANSWER[:-1], b"\x00", b"\x00\x00"], ids=repr
    )
    def test_only_one_whole_message_leaves_a_connection_that_may_be_kept(self, said: bytes) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                ear = taker(link, said)
                link.call(1, QUESTION, ear)
                visit = await bank.visit()
                assert await visit.read(len(QUESTION)) == QUESTION
                visit.write(said)
                assert await visit.rest() == b""
                await ask(link, bank, 2)
                link.close()

        play(story)

    def test_an_answer_that_nobody_took_is_still_owed(self) -> None:
        """A misdirected answer: the pinpad goes on waiting, gives up, and the right one may still come."""

        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                link.call(1, QUESTION, ear := Ear())
                visit = await bank.visit()
                assert await visit.read(len(QUESTION)) == QUESTION
                visit.write(framed(b"0210 for somebody else"))
                assert isinstance(await ear.next(), BankAsked)
                assert isinstance(await ear.next(), HostBytes)
                link.hang_up(1)
                await ask(link, bank, 2)
                visit.write(ANSWER)
                assert await visit.rest() == b""
                link.close()

        play(story)

    def test_bytes_on_an_idle_connection_end_it(self) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                link = pinpad(bank, keep=True)
                visit = await ask(link, bank, 1)
                visit.write(ANSWER)
                assert await visit.rest() == b""
                await ask(link, bank, 2)
                assert len(bank.visits) == 2
                link.close()

        play(story)

    def test_a_dead_connection_to_the_backup_leads_to_the_primary_again(self) -> None:
        async def story() -> None:
            async with FakeBank() as backup:
                down = await nobodys_address()
                link = pinpad(down, backup, keep=True)
                visit = await ask(link, backup, 1)
                async with FakeBank(port=down.port) as primary:
                    await ask(link, backup, 2, on=visit)
                    visit.finish()
                    await ask(link, primary, 3)
                    link.close()

        play(story)


class TestOptions:
    def test_a_pinpad_calls_one_bank_or_its_backup_or_its_own(self) -> None:
        parse = build_parser().parse_args
        assert parse(["run"]).host is None
        args = parse(["run", "--host", "tcp:a:1", "--host", "tls:b:2", "--ca", "ca.pem", "--scheme", "pkh"])
        assert args.host == ["tcp:a:1", "tls:b:2"]
        assert (args.ca, args.client_cert, args.client_key) == (Path("ca.pem"), None, None)
        assert (args.scheme, args.keep_connection) == ("pkh", False)


class TestAddresses:
    @pytest.mark.parametrize("url", ["tcp:127.0.0.1:1", "tls:[::1]:65535", "tls:bank.example:8583"])
    def test_good_ones_come_back(self, url: str) -> None:
        assert bank_address(url, "--host").url == url

    @pytest.mark.parametrize(
        "url", ["pty:", "ssl:host:1", "host:1", "tls:host", "tls:host:65536", "tls:.x:1"]
    )
    def test_bad_ones_are_one_line(self, url: str) -> None:
        with pytest.raises(PortError) as caught:
            bank_address(url, "--host")
        assert "\n" not in str(caught.value)
        assert url in str(caught.value)

    def test_a_bank_needs_an_address(self) -> None:
        with pytest.raises(ValueError, match="needs an address"):
            TcpBank([], connect_timeout=1)
        with pytest.raises(ValueError, match="TLS settings"):
            TcpBank([BankAddress(HERE, 1, tls=True)], connect_timeout=1)
