"""TLS: settings from files, the layer over bytes that somebody else carries, and a bank behind TLS."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path

import pytest
from bank_lab import HERE, Ear, FakeBank, Papers, framed, issue_papers, play, taker
from hypothesis import given
from hypothesis import strategies as st

from smartsale_emu.emulator.doors import HostBytes
from smartsale_emu.errors import ChannelError, SetupError
from smartsale_emu.runtime.bank_link import TcpBank
from smartsale_emu.runtime.ports import BankAddress
from smartsale_emu.runtime.tls import TlsLayer, client_tls, server_tls
from smartsale_emu.terminal.events import BankAsked, BankUnreachable

QUESTION, ANSWER = framed(b"0200 money"), framed(b"0210 00")
PLAIN, SECURE = BankAddress(HERE, 1), BankAddress(HERE, 1, tls=True)
versions = pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Papers:
    return issue_papers(tmp_path_factory.mktemp("papers"))


def pinpad_tls(papers: Papers, *, ca: Path | None = None, cert: Path | None = None) -> ssl.SSLContext:
    context = client_tls([SECURE], ca=ca or papers.ca, cert=cert)
    assert context is not None
    return context


def bank_tls(
    papers: Papers, *, cert: Path | None = None, ca: Path | None = None, version: int | None = None
) -> ssl.SSLContext:
    context = server_tls(SECURE, cert=cert or papers.cert, key=None if cert else papers.key, ca=ca)
    assert context is not None
    if version is not None:
        context.minimum_version = context.maximum_version = ssl.TLSVersion(version)
    return context


class TestFiles:
    def test_plain_banks_need_none(self) -> None:
        assert client_tls([PLAIN, PLAIN]) is None
        assert server_tls(PLAIN) is None

    def test_one_tls_address_is_enough(self, papers: Papers) -> None:
        assert client_tls([PLAIN, SECURE], ca=papers.ca) is not None

    def test_certificate_and_host_name_are_always_checked(self, papers: Papers) -> None:
        for context in (pinpad_tls(papers), client_tls([SECURE])):
            assert context is not None
            assert context.verify_mode is ssl.CERT_REQUIRED
            assert context.check_hostname

    def test_nothing_older_than_tls_1_2(self, papers: Papers) -> None:
        assert pinpad_tls(papers).minimum_version is ssl.TLSVersion.TLSv1_2
        assert bank_tls(papers).minimum_version is ssl.TLSVersion.TLSv1_2

    def test_a_ca_file_replaces_the_systems(self, papers: Papers) -> None:
        assert pinpad_tls(papers).cert_store_stats()["x509_ca"] == 1

    def test_session_keys_are_never_logged(
        self, papers: Papers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
        assert pinpad_tls(papers).keylog_filename is None
        assert bank_tls(papers).keylog_filename is None

    @pytest.mark.parametrize("option", ["ca", "cert", "key"])
    def test_a_file_without_a_tls_address_is_refused(self, option: str, tmp_path: Path) -> None:
        file = tmp_path / "x"
        with pytest.raises(SetupError, match="is of use only with --host tls:"):
            client_tls([PLAIN], **{option: file})
        with pytest.raises(SetupError, match="is of use only with --listen tls:"):
            server_tls(PLAIN, **{option: file})

    def test_a_bank_needs_a_certificate(self) -> None:
        with pytest.raises(SetupError, match="needs --tls-cert FILE and --tls-key FILE"):
            server_tls(SECURE)

    @pytest.mark.parametrize(
        ("given", "said"),
        [
            ({"ca": "none"}, "--ca {none}: no such file or device"),
            ({"ca": "text"}, "--ca {text}: there is no PEM certificate in it"),
            ({"ca": "key"}, "--ca {key}: there is no PEM certificate in it"),
            ({"ca": "broken"}, "--ca {broken}: a certificate in it cannot be read"),
            ({"ca": "directory"}, "--ca {directory}: is a directory"),
            ({"key": "key"}, "--client-key is of use only with --client-cert"),
            ({"cert": "none"}, "--client-cert {none}: no such file or device"),
            ({"cert": "text"}, "--client-cert {text}: there is no PEM certificate in it"),
            ({"cert": "cert"}, "--client-cert {cert}: holds no private key, so --client-key is needed"),
            ({"cert": "cert", "key": "none"}, "--client-key {none}: no such file or device"),
            ({"cert": "cert", "key": "text"}, "--client-key {text}: there is no PEM private key in it"),
            (
                {"cert": "cert", "key": "client"},
                "--client-key {client}: the key does not belong to the certificate",
            ),
            (
                {"cert": "broken", "key": "key"},
                "--client-cert {broken}, --client-key {key}: certificate or key cannot be read",
            ),
            (
                {"cert": "cert", "key": "locked"},
                "--client-key {locked}: the key is under a passphrase; give one without",
            ),
        ],
        ids=str,
    )
    def test_a_wrong_file_is_one_line_that_names_option_and_file(
        self, given: dict[str, str], said: str, papers: Papers, tmp_path: Path
    ) -> None:
        files = {name: tmp_path / name for name in ("none", "text", "broken", "directory", "locked")}
        files |= {"cert": papers.cert, "key": papers.key, "client": papers.client}
        files["text"].write_text("hello\n", encoding="utf-8")
        files["broken"].write_text(pem("CERTIFICATE", "AAAA"), encoding="utf-8")
        files["locked"].write_text(pem("ENCRYPTED PRIVATE KEY", "AAAA"), encoding="utf-8")
        files["directory"].mkdir()
        with pytest.raises(SetupError) as caught:
            client_tls([SECURE], **{option: files[name] for option, name in given.items()})
        assert str(caught.value) == said.format(**files)

    def test_the_banks_options_have_their_names(self, papers: Papers, tmp_path: Path) -> None:
        with pytest.raises(SetupError, match=r"--tls-key .*does not belong"):
            server_tls(SECURE, cert=papers.cert, key=papers.client)
        with pytest.raises(SetupError, match=r"--tls-ca .*no such file"):
            server_tls(SECURE, cert=papers.cert, key=papers.key, ca=tmp_path / "none")


def pem(label: str, body: str) -> str:
    return f"-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"


class Opposite:
    """The bank's end of the layer, out of the standard library's own TLS."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._in, self._out = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._in, self._out, server_side=True)
        self.established = False
        self.plain = b""

    def take(self, data: bytes) -> bytes:
        """Take bytes of the pinpad, return those for it."""
        self._in.write(data)
        try:
            if not self.established:
                self.tls.do_handshake()
                self.established = True
            self.plain += self.tls.read(65_536)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            if self.established:
                raise
        return self._out.read()

    def say(self, plain: bytes) -> bytes:
        self.tls.write(plain)
        return self._out.read()

    def goodbye(self) -> bytes:
        with pytest.raises(ssl.SSLWantReadError):
            self.tls.unwrap()
        return self._out.read()


def introduce(layer: TlsLayer, bank: Opposite) -> None:
    """Carry out the handshake and bring what is left of it to its place."""
    to_bank = layer.start()
    while to_bank:
        plain, to_bank, _ = layer.feed(bank.take(to_bank))
        assert plain == b""
    assert layer.established
    assert bank.established


def pair(papers: Papers, version: int | None = None) -> tuple[TlsLayer, Opposite]:
    layer = TlsLayer(pinpad_tls(papers), HERE)
    bank = Opposite(bank_tls(papers, version=version))
    introduce(layer, bank)
    return layer, bank


class TestLayer:
    @versions
    def test_question_and_answer(self, papers: Papers, version: int) -> None:
        layer, bank = pair(papers, version)
        sealed = layer.seal(QUESTION)
        assert QUESTION not in sealed
        bank.take(sealed)
        assert bank.plain == QUESTION
        assert layer.feed(bank.say(ANSWER)) == (ANSWER, b"", True)

    @versions
    @given(cuts=st.lists(st.integers(1, 700), max_size=40))
    def test_any_slicing_is_the_same(self, papers: Papers, version: int, cuts: list[int]) -> None:
        layer, bank = TlsLayer(pinpad_tls(papers), HERE), Opposite(bank_tls(papers, version=version))
        slices = iter(cuts)

        def sliced(data: bytes) -> list[bytes]:
            parts = []
            while data:
                size = next(slices, len(data))
                parts.append(data[:size])
                data = data[size:]
            return parts

        to_bank, said, heard = layer.start(), False, b""
        while to_bank or not said:
            for_us = b"".join(bank.take(part) for part in sliced(to_bank))
            if bank.established and not said:
                for_us, said = for_us + bank.say(ANSWER), True
            to_bank = b""
            for part in sliced(for_us):
                plain, more, _ = layer.feed(part)
                heard, to_bank = heard + plain, to_bank + more
        assert heard == ANSWER

    def test_much_at_once(self, papers: Papers) -> None:
        layer, bank = pair(papers)
        much = bytes(range(256)) * 400
        records = bank.say(much) + bank.say(b"and more")
        assert layer.feed(records) == (much + b"and more", b"", True)

    def test_nothing_is_sealed_before_the_handshake_is_done(self, papers: Papers) -> None:
        layer = TlsLayer(pinpad_tls(papers), HERE)
        layer.start()
        with pytest.raises(ChannelError):
            layer.seal(QUESTION)

    def test_feeding_nothing_changes_nothing(self, papers: Papers) -> None:
        layer = TlsLayer(pinpad_tls(papers), HERE)
        assert layer.start()
        assert layer.feed(b"") == (b"", b"", False)

    @versions
    def test_goodbye_from_us(self, papers: Papers, version: int) -> None:
        layer, bank = pair(papers, version)
        bank.take(layer.close())
        assert bank.tls.read(1) == b""

    @versions
    def test_goodbye_of_the_bank_comes_after_its_last_bytes(self, papers: Papers, version: int) -> None:
        layer, bank = pair(papers, version)
        assert layer.feed(bank.say(ANSWER) + bank.goodbye())[0] == ANSWER
        for _ in range(2):
            with pytest.raises(ChannelError, match=r"^the bank closed the TLS connection$"):
                layer.feed(b"")

    def test_a_damaged_record_after_a_good_one(self, papers: Papers) -> None:
        layer, bank = pair(papers)
        bad = bytearray(bank.say(ANSWER))
        bad[-1] ^= 1
        with pytest.raises(ChannelError, match=r"^TLS failed: "):
            layer.feed(bytes(bad))
        layer, bank = pair(papers)
        good, bad = bank.say(ANSWER), bytearray(bank.say(ANSWER))
        bad[-1] ^= 1
        assert layer.feed(good + bytes(bad))[0] == ANSWER
        with pytest.raises(ChannelError, match=r"^TLS failed: "):
            layer.feed(b"")

    @pytest.mark.parametrize(
        ("pinpad", "bank", "version", "said"),
        [
            (
                {"ca": "stranger_ca"},
                {},
                0,
                "the bank's certificate is not accepted: unable to get local issuer",
            ),
            ({}, {"cert": "elsewhere"}, 0, "the bank's certificate is not accepted: IP address mismatch"),
            (
                {},
                {"ca": "ca"},
                ssl.TLSVersion.TLSv1_2,
                "the bank refuses the handshake; it may demand a client",
            ),
            ({}, {"ca": "ca"}, ssl.TLSVersion.TLSv1_3, "the bank demands a client certificate"),
            (
                {"cert": "stranger"},
                {"ca": "ca"},
                ssl.TLSVersion.TLSv1_2,
                "the bank does not know the CA of our",
            ),
            (
                {"cert": "stranger"},
                {"ca": "ca"},
                ssl.TLSVersion.TLSv1_3,
                "the bank does not know the CA of our",
            ),
        ],
    )
    def test_no_agreement(
        self, pinpad: dict[str, str], bank: dict[str, str], version: int, said: str, papers: Papers
    ) -> None:
        ours = pinpad_tls(papers, **{option: getattr(papers, name) for option, name in pinpad.items()})
        theirs = {option: getattr(papers, name) for option, name in bank.items()}
        layer = TlsLayer(ours, HERE)
        with pytest.raises(ChannelError) as caught:
            introduce(layer, Opposite(bank_tls(papers, version=version or None, **theirs)))
        assert str(caught.value).startswith(said)
        assert "\n" not in str(caught.value)
        assert caught.value.__cause__ is None

    def test_no_common_version(self, papers: Papers) -> None:
        ours = pinpad_tls(papers)
        ours.maximum_version = ssl.TLSVersion.TLSv1_2
        with pytest.raises(ChannelError, match=r"^no TLS version that both sides speak$"):
            introduce(TlsLayer(ours, HERE), Opposite(bank_tls(papers, version=ssl.TLSVersion.TLSv1_3)))

    def test_a_bank_without_tls(self, papers: Papers) -> None:
        layer = TlsLayer(pinpad_tls(papers), HERE)
        layer.start()
        with pytest.raises(ChannelError, match=r"^the bank does not speak TLS there$"):
            layer.feed(framed(b"0210 not a TLS record"))

    def test_after_a_failure_the_bank_is_told_why(self, papers: Papers) -> None:
        layer = TlsLayer(pinpad_tls(papers, ca=papers.stranger_ca), HERE)
        bank = Opposite(bank_tls(papers))
        with pytest.raises(ChannelError):
            layer.feed(bank.take(layer.start()))
        bank._in.write(layer.close())
        with pytest.raises(ssl.SSLError, match="UNKNOWN_CA"):
            bank.tls.do_handshake()


async def unreachable(
    papers: Papers, bank: FakeBank, *, ca: Path | None = None, within: float = 5.0
) -> tuple[str, list[object]]:
    link, ear = TcpBank([bank.address], connect_timeout=within, tls=pinpad_tls(papers, ca=ca)), Ear()
    link.call(1, QUESTION, ear)
    event = await ear.next()
    assert isinstance(event, BankUnreachable), event
    head = f"the bank at {bank.address.url}: "
    assert event.because.startswith(head)
    return event.because.removeprefix(head), [await visit.rest() for visit in bank.visits]


class TestBankBehindTls:
    @versions
    @pytest.mark.parametrize("keep", [False, True])
    def test_question_and_answer(self, papers: Papers, version: int, keep: bool) -> None:
        async def story() -> None:
            async with FakeBank(bank_tls(papers, version=version)) as bank:
                link = TcpBank([bank.address], connect_timeout=5, keep=keep, tls=pinpad_tls(papers))
                for number in range(4):
                    ear = taker(link, ANSWER)
                    link.call(number, QUESTION, ear)
                    visit = await bank.visit() if not keep or number == 0 else bank.visits[0]
                    assert await visit.read(len(QUESTION)) == QUESTION
                    visit.write(ANSWER)
                    assert [await ear.next(), await ear.next()] == [
                        BankAsked(number),
                        HostBytes(number, ANSWER),
                    ]
                    if not keep:
                        assert await visit.rest() == b""
                link.close()
                assert await bank.visits[0].rest() == b""
                assert len(bank.visits) == (1 if keep else 4)

        play(story)

    @versions
    def test_a_client_certificate_that_is_demanded_and_given(self, papers: Papers, version: int) -> None:
        async def story() -> None:
            async with FakeBank(bank_tls(papers, ca=papers.ca, version=version)) as bank:
                tls = pinpad_tls(papers, cert=papers.client)
                link = TcpBank([bank.address], connect_timeout=5, tls=tls)
                link.call(1, QUESTION, ear := Ear())
                visit = await bank.visit()
                assert await visit.read(len(QUESTION)) == QUESTION
                assert visit.writer.get_extra_info("peercert")["subjectAltName"] == (
                    ("DNS", "pinpad.example"),
                )
                link.hang_up(1)
                assert ear.told == [BankAsked(1)]

        play(story)

    @versions
    def test_a_client_certificate_that_is_demanded_and_absent(self, papers: Papers, version: int) -> None:
        """In TLS 1.3 our handshake is done before the bank refuses: still the message stays here."""

        async def story() -> None:
            async with FakeBank(bank_tls(papers, ca=papers.ca, version=version)) as bank:
                because, arrived = await unreachable(papers, bank)
                assert "the bank may demand a client certificate" in because
                assert arrived == []

        play(story)

    @versions
    def test_the_banks_own_word_about_our_certificate_is_told(self, papers: Papers, version: int) -> None:
        """The server of asyncio leaves without a word; others send an alert."""

        async def story() -> None:
            async with FakeBank() as bank:
                secure = BankAddress(HERE, bank.address.port, tls=True)
                link, ear = TcpBank([secure], connect_timeout=5, tls=pinpad_tls(papers)), Ear()
                opposite = Opposite(bank_tls(papers, ca=papers.ca, version=version))
                link.call(1, QUESTION, ear)
                visit = await bank.visit()
                while not ear.told:
                    visit.write(opposite.take(await visit.some()))
                event = await ear.next()
                assert isinstance(event, BankUnreachable)
                assert "demand" in event.because
                assert "a client" in event.because
                assert "TLS handshake;" not in event.because
                assert opposite.plain == b""

        play(story)

    def test_a_wrong_ca(self, papers: Papers) -> None:
        async def story() -> None:
            async with FakeBank(bank_tls(papers)) as bank:
                because, arrived = await unreachable(papers, bank, ca=papers.stranger_ca)
                assert because == (
                    "the bank's certificate is not accepted: unable to get local issuer certificate"
                )
                assert arrived == []

        play(story)

    def test_a_wrong_name(self, papers: Papers) -> None:
        async def story() -> None:
            async with FakeBank(bank_tls(papers, cert=papers.elsewhere)) as bank:
                because, arrived = await unreachable(papers, bank)
                assert because.startswith("the bank's certificate is not accepted: IP address mismatch")
                assert arrived == []

        play(story)

    def test_a_bank_that_does_not_speak_tls(self, papers: Papers) -> None:
        async def story() -> None:
            async with FakeBank() as bank:
                secure = BankAddress(HERE, bank.address.port, tls=True)
                link, ear = TcpBank([secure], connect_timeout=5, tls=pinpad_tls(papers)), Ear()
                link.call(1, QUESTION, ear)
                (await bank.visit()).write(framed(b"what is this?"))
                assert await ear.next() == BankUnreachable(
                    1, f"the bank at {secure.url}: the bank does not speak TLS there"
                )

        play(story)

    @pytest.mark.parametrize(
        ("act", "said"),
        [(lambda visit: None, "no connection in time"), (lambda visit: visit.close(), "the TLS handshake")],
        ids=["silent", "closes"],
    )
    def test_a_handshake_without_an_end(
        self, papers: Papers, act: Callable[[object], None], said: str
    ) -> None:
        """The message stays here, and the backup has its turn."""

        async def story() -> None:
            async with FakeBank() as bank, FakeBank(bank_tls(papers)) as backup:
                secure = BankAddress(HERE, bank.address.port, tls=True)
                tls = pinpad_tls(papers)
                TcpBank([secure], connect_timeout=0.2, tls=tls).call(1, QUESTION, ear := Ear())
                visit = await bank.visit()
                act(visit)
                event = await ear.next()
                assert isinstance(event, BankUnreachable)
                assert said in event.because
                assert QUESTION not in await visit.rest()
                link = TcpBank([secure, backup.address], connect_timeout=0.2, tls=tls)
                link.call(2, QUESTION, ear := Ear())
                assert await (await backup.visit()).read(len(QUESTION)) == QUESTION
                link.close()

        play(story)

    def test_a_bank_of_tls_1_3_that_sends_no_tickets_is_asked_too(self, papers: Papers) -> None:
        async def story() -> None:
            tls = bank_tls(papers, version=ssl.TLSVersion.TLSv1_3)
            tls.num_tickets = 0
            async with FakeBank(tls) as bank:
                link = TcpBank([bank.address], connect_timeout=0.2, tls=pinpad_tls(papers))
                link.call(1, QUESTION, ear := Ear())
                assert await (await bank.visit()).read(len(QUESTION)) == QUESTION
                assert ear.told == [BankAsked(1)]
                link.close()

        play(story)

    @versions
    @pytest.mark.parametrize("moments", range(0, 40, 3))
    def test_hanging_up_at_any_moment(self, papers: Papers, version: int, moments: int) -> None:
        """Nothing of the message arrives unless the bank was asked; nothing is told afterwards."""

        async def story() -> None:
            async with FakeBank(bank_tls(papers, version=version)) as bank:
                link = TcpBank([bank.address], connect_timeout=5, tls=pinpad_tls(papers))
                link.call(1, QUESTION, ear := Ear())
                for _ in range(moments):
                    await asyncio.sleep(0)
                link.hang_up(1)
                told = list(ear.told)
                link.call(2, ANSWER, following := Ear())
                assert isinstance(await following.next(), BankAsked)
                while not bank.visits or await bank.visits[-1].peek() != ANSWER:
                    await bank.visit()
                link.hang_up(2)
                got = b"".join([await visit.rest() for visit in bank.visits])
                assert got == (QUESTION if told else b"") + ANSWER
                assert ear.told == told

        play(story)

    def test_a_late_answer_never_meets_the_next_call(self, papers: Papers) -> None:
        async def story() -> None:
            async with FakeBank(bank_tls(papers)) as bank:
                link = TcpBank([bank.address], connect_timeout=5, keep=True, tls=pinpad_tls(papers))
                link.call(1, QUESTION, ear := Ear())
                late = await bank.visit()
                assert await late.read(len(QUESTION)) == QUESTION
                link.hang_up(1)
                late.write(ANSWER)
                link.call(2, QUESTION, following := Ear())
                visit = await bank.visit()
                assert await visit.read(len(QUESTION)) == QUESTION
                visit.write(framed(b"0210 05"))
                assert [await following.next(), await following.next()] == [
                    BankAsked(2),
                    HostBytes(2, framed(b"0210 05")),
                ]
                assert ear.told == [BankAsked(1)]
                link.close()

        play(story)

    def test_a_kept_connection_that_the_bank_left_is_replaced(self, papers: Papers) -> None:
        async def story() -> None:
            async with FakeBank(bank_tls(papers)) as bank:
                link = TcpBank([bank.address], connect_timeout=5, keep=True, tls=pinpad_tls(papers))
                for number in range(3):
                    ear = taker(link, ANSWER)
                    link.call(number, QUESTION, ear)
                    visit = await bank.visit()
                    assert await visit.read(len(QUESTION)) == QUESTION
                    visit.write(ANSWER)
                    assert [await ear.next(), await ear.next()] == [
                        BankAsked(number),
                        HostBytes(number, ANSWER),
                    ]
                    visit.finish()
                link.close()

        play(story)
