"""Marked card, PIN and keys go through everything; none of them may come out anywhere, in any dress.

What may come out: the card number masked 6/4. A register and a bank are told what they must be told; the
trace, the files, the screens, the receipts and the texts of errors never.
"""

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from canary_marks import (
    CARD,
    CHIP_CARD,
    LONG_PIN,
    PAN,
    PIN_KEY,
    SHORT_PIN,
    TRACK2,
    assert_clean,
    clear_pin_block,
    found_in,
    pin_block,
    recorded_in,
)
from canary_world import OpenWorld, whole_day

import smartsale_emu
from smartsale_emu.payment.card import Card, EntryMode, luhn_valid
from smartsale_emu.payment.cardholder import wrong_pin
from smartsale_emu.register.habits import FinalHabit
from smartsale_emu.register.requests import Arguments, operation_request
from smartsale_emu.sa.fields import FIELDS, Tag
from smartsale_emu.sa.tlv import Message
from smartsale_emu.scenario.virtual import Delivery
from smartsale_emu.security.keys import KeyUsage
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.pin_block import decrypt_pin_block
from smartsale_emu.security.protection import KeyScheme
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


def test_any_other_card_number_is_seen_too() -> None:
    for out in ("pan=2200123456789019", b"\xff4761739001010119=3012", '"5413330089020011"'):
        with pytest.raises(AssertionError, match=r"'here': \{'a card number'\}"):
            assert_clean({"here": out})
    assert_clean({"here": "220012******9019 2200123456789018 20261123144820 632714000003 A2200123456789019"})


# --- on virtual time --------------------------------------------------------------------------------------

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
    assert_clean({**world.all_seen(), "line": world.to_till})


@pytest.mark.parametrize("delivery", [kind for kind in Delivery if kind is not Delivery.FINE])
def test_no_canary_when_the_way_to_the_bank_fails(delivery: Delivery) -> None:
    world = OpenWorld(CARD, LONG_PIN, LONG_PIN)
    world.delivery = lambda _: delivery
    world.ask(SALE)
    assert world.to_bank
    assert_clean({**world.all_seen(), "line": world.to_till})


@pytest.mark.parametrize("entry_mode", list(EntryMode))
def test_no_canary_with_any_kind_of_card(entry_mode: EntryMode) -> None:
    world = OpenWorld(replace(CARD, entry_mode=entry_mode, service_code="101"), LONG_PIN, LONG_PIN)
    world.ask(SALE)
    assert "PAN" in found_in(world.to_bank)
    assert_clean({**world.all_seen(), "line": world.to_till})


@pytest.mark.parametrize("printer", [False, True], ids=["pinpad", "own printer"])
@pytest.mark.parametrize("through_register", [False, True], ids=["kph", "pkh"])
def test_no_canary_in_a_day_of_every_operation(*, through_register: bool, printer: bool) -> None:
    world = OpenWorld(CARD, LONG_PIN, LONG_PIN, through_register=through_register, printer=printer)
    whole_day(world)
    assert {"PAN", "track 2"} <= found_in(world.to_bank)
    assert bool(world.printed) is printer
    assert_clean(world.all_seen())
    through = {"PAN", "track 2", "track 2 tail", "hidden digits of the PAN", "PIN block 0"}
    assert found_in(world.to_till) == (through if through_register else set())


PROFILES = sorted(file.stem for file in Path(smartsale_emu.__file__).parent.glob("host/profiles/*.toml"))


REVERSAL_BEGINS = bytes.fromhex("9505")  # the TVR comes first
STRIPE_CARD = replace(CARD, entry_mode=EntryMode.MAGSTRIPE, service_code="101")


@pytest.fixture
def secrets(monkeypatch: pytest.MonkeyPatch) -> set[str | bytes]:
    """Every key, PIN block, PIN and track that is made while the test runs: those of one message too.

    Field 55 of a reversal is kept as it is: it holds TVR, counter and cryptogram, and nothing of the card.
    """
    made: set[str | bytes] = set()
    for kind in (Secret, SecretBytes):

        def keep(self: Secret | SecretBytes, value: Any, first: Any = kind.__init__) -> None:
            first(self, value)
            if not isinstance(value, bytes) or not value.startswith(REVERSAL_BEGINS):
                made.add(value)

        monkeypatch.setattr(kind, "__init__", keep)
    return made


@pytest.mark.parametrize("card", [CHIP_CARD, STRIPE_CARD], ids=["chip", "stripe"])
@pytest.mark.parametrize("bank_profile", PROFILES)
def test_no_secret_under_any_scheme_of_keys(bank_profile: str, card: Card, secrets: set[str | bytes]) -> None:
    """Session keys and their change, DUKPT, PIN formats, MACs: all that these make is a secret."""
    world = OpenWorld(card, LONG_PIN, LONG_PIN, bank_profile=bank_profile)
    dukpt = world.protection.scheme is not KeyScheme.MASTER_SESSION
    if not dukpt:
        world.done("key-change")
        held = world.emulator.memory.keys.session
        assert {key.usage for key in held} >= {KeyUsage.PIN}, "no key was changed"
    whole_day(world)
    world.ask(SALE, FinalHabit.NONE)
    assert "PAN" in found_in(world.to_bank)
    assert_clean({**world.all_seen(), "line": world.to_till})
    blocks = recorded_in(world.to_bank, {secret for secret in secrets if isinstance(secret, bytes)})
    assert blocks, "no PIN block was sent, or none was recorded"
    seen = {place: recorded_in(out, secrets) for place, out in world.all_seen().items()}
    assert not any(seen.values()), f"secrets came out: { {place for place, found in seen.items() if found} }"


def test_track_2_leaves_the_pinpad_by_request_only_and_only_to_the_register() -> None:
    """Operation 57 with ``card_data_track2``: it stands in field 12 of the answer and nowhere else."""
    world = OpenWorld(CARD, LONG_PIN, LONG_PIN, card_data_track2=True)
    answer = world.done("card-data")
    assert answer.get(12) == TRACK2.encode()
    assert found_in(Message(tuple(record for record in answer.records if record.tag != 12)).encode()) == set()
    assert_clean(world.all_seen())
    world.done("sale", amount=MinorUnits(100))
    assert world.to_till.count(TRACK2.encode()) == 1


@pytest.mark.parametrize("said", [PAN, TRACK2, f";{TRACK2}?", PAN[:4] + " " + PAN[4:]], ids=range(4))
def test_no_canary_when_the_cashier_types_a_card_number_for_a_reference(said: str) -> None:
    world = OpenWorld(CARD, LONG_PIN, LONG_PIN)
    world.done("sale", amount=MinorUnits(1200))
    void = operation_request("void", Arguments(amount=MinorUnits(1200)))
    for says in ((said, said), ("632700000001", said)):
        answer = world.ask(void, says=says, as_="void")
        assert answer is not None
        assert answer.text(39) != "1"
    assert "".join(world.reprs).count("AskCashier(") >= 4, "the cashier was not asked"
    assert_clean({**world.all_seen(), "line": world.to_till})


@pytest.mark.parametrize("secret", [PAN, TRACK2], ids=["PAN", "track 2"])
@pytest.mark.parametrize("operation", [1, 4, 16, 22, 53])
def test_no_canary_from_a_field_where_it_does_not_belong(operation: int, secret: str) -> None:
    """Whatever field a register puts a card into, and whether or not the pinpad knows the field."""
    world = OpenWorld(CARD, LONG_PIN, LONG_PIN)
    for tag in {*FIELDS, 200} - {Tag.OPERATION_CODE}:
        world.ask(Message.of({0: 1200, 4: "643", 25: operation, tag: secret}))
    assert_clean(world.all_seen())
