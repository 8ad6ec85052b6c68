"""TLS made by the pinpad inside the tunnel: the register carries bytes that it cannot read (section 9.2)."""

import re
import ssl
from collections.abc import Callable
from datetime import datetime

import pytest
import trustme
from emulator_kit import DIALECT, Step, assert_agreed, sale, text
from operation_kit import settlement
from play_kit import forget
from tunnel_kit import Ask, Deed, TunnelShop, settle_and_agree

from smartsale_emu.host.session import BankSession, Exchange
from smartsale_emu.runtime.tls import TlsLayer
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.terminal.profile import Screen

HOST = "192.0.2.10"
VERSIONS = [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3]


class TlsBank(BankSession):
    """A bank's end of one connection under TLS."""

    def __init__(self, shop: "TlsShop", context: ssl.SSLContext) -> None:
        super().__init__(shop.bank, DIALECT)
        self._shop = shop
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._established = False

    def receive(self, data: bytes, at: datetime) -> tuple[bytes, list[Exchange]]:
        self._incoming.write(data)
        try:
            return self._receive(at)
        except ssl.SSLWantReadError:
            return self._outgoing.read(), []
        except ssl.SSLError as error:
            self.closed = str(error.reason)
            return self._outgoing.read(), []

    def _receive(self, at: datetime) -> tuple[bytes, list[Exchange]]:
        if not self._established:
            self._tls.do_handshake()
            self._established = True
        reply, exchanges = super().receive(self._tls.read(16_384), at)
        if reply:
            self._tls.write(reply)
        sent = self._outgoing.read()
        if reply and self._shop.to_be_harmed:
            self._shop.to_be_harmed -= 1
            sent = sent[:-1] + bytes([sent[-1] ^ 1])
        return sent, exchanges


class TlsShop(TunnelShop):
    """A shop in scheme ПКХ whose bank speaks TLS. ``stranger``: the pinpad knows another CA than the bank's.

    ``name``: in the bank's certificate. ``to_be_harmed``: so many answers of the bank are changed on the way.
    """

    def __init__(
        self,
        *,
        version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3,
        stranger: bool = False,
        name: str = HOST,
        bank_delay: int = 300,
    ) -> None:
        self.to_be_harmed = 0
        ca = trustme.CA()
        self._server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        ca.issue_cert(name).configure_cert(self._server)
        self._server.minimum_version = self._server.maximum_version = version
        client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        (trustme.CA() if stranger else ca).configure_trust(client)
        super().__init__(layer=lambda: TlsLayer(client, HOST), bank_delay=bank_delay)

    def _answer_the_phone(self) -> BankSession:
        return TlsBank(self, self._server)


def asked(shop: TunnelShop) -> str:
    return "".join(step.name[0] for step in shop.last.steps)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_sale_passes_under_tls(version: ssl.TLSVersion) -> None:
    shop = TlsShop(version=version)
    assert text(shop.serve(sale()), 39) == "1"
    assert re.fullmatch("OSF+SF*SF+C", asked(shop)), "hello, finished, the message"
    settle_and_agree(shop)
    assert shop.kept_count == 1


@pytest.mark.parametrize("make", [TlsShop, TunnelShop])
def test_the_register_sees_nothing_of_the_message_under_tls(make: type[TunnelShop]) -> None:
    shop, carried = make(), bytearray()

    def overhear(data: bytes, *, to_register: bool) -> bytes:
        carried.extend(data)
        return data

    shop.world.on_wire = overhear
    shop.serve(sale())
    (heard,) = shop.bank.heard
    assert (DIALECT.encode_request(heard) in carried) == (make is TunnelShop)


def test_its_data_go_in_blocks_of_500_bytes() -> None:
    """As recorded; the answer's blocks have 512 (section 1)."""
    shop = TlsShop()
    shop.serve(sale())
    sizes = [len(wire) for wire in shop.last.frames_heard if wire[0] == 1]
    assert sizes[0] == 500
    assert 500 in sizes
    assert 512 in sizes
    assert max(sizes) == 512


def test_one_handshake_serves_a_whole_settlement() -> None:
    shop = TlsShop()
    shop.serve(sale())
    shop.serve(sale(300))
    forget(shop, shop.operations[:1])
    assert text(shop.serve(settlement()), 39) == "1"
    assert shop.last.steps.count(Ask.OPEN) == shop.last.steps.count(Ask.CLOSE) == 1
    assert shop.steps[2:] == [Step.RECONCILIATION, Step.UPLOAD, Step.UPLOAD, Step.RECONCILIATION]


@pytest.mark.parametrize(
    "untrusted", [{"stranger": True}, {"name": "192.0.2.11"}], ids=["another CA", "another name"]
)
@pytest.mark.parametrize("version", VERSIONS)
def test_a_bank_that_cannot_be_trusted_is_not_asked(
    version: ssl.TLSVersion, untrusted: dict[str, object]
) -> None:
    """39 = 34, and there is nothing to reverse: not one byte of the message has left (section 0.2)."""
    shop = TlsShop(version=version, **untrusted)  # type: ignore[arg-type]
    final = shop.serve(sale())
    assert text(final, 39) == "34"
    assert asked(shop)[0] == "O"
    assert asked(shop)[-1] == "C", "the register closes what it opened"
    assert shop.memory.pending is None
    assert shop.world.screen == shop.profile.screen(Screen.IDLE, None)
    shop.settle()
    assert shop.steps == []
    assert_agreed(shop)


@pytest.mark.parametrize("delivery", [kind for kind in Delivery if kind is not Delivery.FINE])
@pytest.mark.parametrize("at", [0, 1, 2])
def test_the_bank_fails_at_any_message_of_the_channel(delivery: Delivery, at: int) -> None:
    shop = TlsShop()
    shop.world.delivery = lambda number: delivery if number == at else Delivery.FINE
    final = text(shop.serve(sale()), 39)
    assert final in ("1", "34", "53")
    assert Step.FINANCIAL in shop.steps or final in ("34", "53")
    assert final != "34" or shop.steps == []
    shop.world.delivery = lambda _: Delivery.FINE
    settle_and_agree(shop)
    assert shop.kept_count == (final == "1")


DEEDS = [deed for deed in Deed if deed is not Deed.OTHER_REQUEST]


@pytest.mark.parametrize("deed", DEEDS)
def test_a_register_does_something_wrong_at_every_step(deed: Deed) -> None:
    for step in range(12):
        shop = TlsShop()
        till = shop.misbehave(sale(), {step: deed})
        final = text(till.final, 39)
        owed = shop.memory.pending is not None
        assert final != "34" or not owed
        settle_and_agree(shop)
        assert shop.kept_count == (final == "1"), step
        if len(till.steps) < step:
            break
    assert step > 4


@pytest.mark.parametrize("version", VERSIONS)
def test_the_power_fails_before_every_single_effect(version: ssl.TLSVersion) -> None:
    for cut in range(1000):
        shop = TlsShop(version=version)
        shop.ask(sale())
        was_cut = shop.run_with_cut(_resting(shop), cut)
        settle_and_agree(shop)
        if not was_cut:
            break
    assert 30 < cut < 1000


def _resting(shop: TunnelShop) -> Callable[[], None]:
    return lambda: shop.rest(60_000)


def test_a_changed_bit_of_the_banks_answer_is_noticed() -> None:
    """Whoever sits on the way cannot change an approval: 53, and the sale is reversed."""
    shop = TlsShop()
    shop.to_be_harmed = 1
    assert text(shop.serve(sale()), 39) == "53"
    assert shop.to_be_harmed == 0
    settle_and_agree(shop)
    assert shop.steps == [Step.FINANCIAL, Step.REVERSAL]
