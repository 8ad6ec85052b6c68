"""What a story says about the bank: what it heard, answers to other messages, the last keys, own cards."""

import asyncio
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest

from smartsale_emu.errors import ProfileError, ScenarioError
from smartsale_emu.host.shown import shown_request
from smartsale_emu.payment.authorization import (
    AuthorizationRequest,
    CardData,
    Original,
    Sealed,
    Step,
    Totals,
    Transaction,
)
from smartsale_emu.payment.card import EntryMode, PinRule
from smartsale_emu.runtime.library import FileLibrary
from smartsale_emu.runtime.live_bank import FaultyBank
from smartsale_emu.scenario.bank_answers import last_bit
from smartsale_emu.scenario.key_counters import held_near_the_end
from smartsale_emu.scenario.loader import load_cases
from smartsale_emu.scenario.model import BankMessage
from smartsale_emu.scenario.player import Played, Player
from smartsale_emu.scenario.stage import Props, build_stage
from smartsale_emu.scenario.virtual import Delivery, Fate
from smartsale_emu.security.masking import Secret, SecretBytes
from smartsale_emu.security.protection import KeysHeld
from smartsale_emu.security.safe import TerminalSafe
from smartsale_emu.units import RUB, Millis, MinorUnits

LIBRARY = FileLibrary()
NOON = datetime(2026, 11, 23, 12, 0)
SALE = "customer: {card: mir-contactless}\nsteps:\n  - register: sale 100.00\n"


def play(text: str) -> Played:
    (case,) = load_cases(f"format: 1\ntitle: A bank\n{text}", origin="x.yaml", library=LIBRARY)
    stage = build_stage(case.scenario, LIBRARY, seed=1, traced=False)
    return Player(case.scenario, stage, seed=1).play()


def problem(text: str) -> str:
    failure = play(text).failure
    return failure.problem if failure else ""


class TestHeard:
    def test_its_names_are_those_of_the_trace(self) -> None:
        everything = AuthorizationRequest(
            step=Step.REVERSAL,
            transaction=Transaction.VOID,
            stan=7,
            sent_at=NOON,
            terminal_id="00060056",
            merchant_id="111111111",
            amount=MinorUnits(1),
            currency=RUB,
            card=CardData("2200123456789019", "3012", EntryMode.CHIP, track2=Secret("x"), sequence="01"),
            pin_block=SecretBytes(bytes(8)),
            original=Original(Transaction.PURCHASE, 6, NOON, rrn="1", authorization_code="1"),
            attempt=1,
            batch=1,
            totals=Totals(),
            follows="1",
            icc=SecretBytes(b"1"),
            ksn=b"1",
            sealed=Sealed(SecretBytes(b""), b""),
        )
        assert set(BankMessage.model_fields) == {*shown_request(everything), "cryptogram"}

    @pytest.mark.parametrize(
        ("heard", "told"),
        [
            ("[{step: financial, amount: 100.00, card: any, pin_block: missing, sent_at: /^2026/}]", ""),
            ("[]", "the bank heard 1 messages, not 0: also step financial, transaction purchase"),
            ("[{step: financial}, {step: reversal}]", "the bank heard 1 messages, not 2"),
            (
                "[{step: reversal, amount: 90.00}]",
                "of the bank's message 1 step is financial, not reversal, amount is 100.00, not 90.00; it ",
            ),
            ("[{original_rrn: any}]", "of the bank's message 1 original_rrn is missing, not any"),
        ],
    )
    def test_what_is_not_as_expected(self, heard: str, told: str) -> None:
        found = problem(f"{SALE}  - expect: {{bank: {{heard: {heard}}}}}\n")
        assert found.startswith(told)
        assert bool(found) is bool(told)

    def test_a_wrong_name_is_told_with_its_place(self) -> None:
        with pytest.raises(
            ScenarioError, match=r"x.yaml:6: .*heard\[1\].stpe: is no key here; is step meant"
        ):
            play(f"{SALE}  - expect: {{bank: {{heard: [{{stpe: network}}]}}}}\n")

    def test_an_earlier_answer_must_have_been(self) -> None:
        with pytest.raises(ScenarioError, match="no step before this one is named sold"):
            play(f"{SALE}  - expect: {{bank: {{heard: [{{follows: '${{sold.rrn}}'}}]}}}}\n")


class TestAnswers:
    def test_spoilt(self) -> None:
        assert (last_bit(b"\x10\x20"), last_bit(b"")) == (b"\x10\x21", b"")

    @pytest.mark.parametrize("part", ["STAN", "time", "terminal", "kind", "operation", "amount", "currency"])
    @pytest.mark.parametrize("message", ["money", "reversal", "settlement", "upload", "test", "key change"])
    @pytest.mark.parametrize("profile", ["generic-ascii", "nac-bcd", "tbank-style", "dukpt-aes"])
    def test_every_message_can_have_any(self, profile: str, message: str, part: str) -> None:
        """Whatever the pinpad makes of it, nothing breaks and all books agree in the end."""
        steps = "".join(
            f"  - register: {asks}\n" for asks in ("settlement", "test", "key-change", "sale 50.00")
        )
        head = f"bank: {{profile: {profile}}}\n"
        lost = "  - bank: no answer to 2nd money\n  - bank: forgets\n    when: pinpad rests\n"
        text = f"{head}{SALE}  - bank: answer another {part} to {message}\n{lost}{steps}"
        assert problem(text) == ""

    def test_no_mac_where_none_is(self) -> None:
        told = problem("steps:\n  - bank: no MAC\n  - register: test\n")
        assert told == "the messages of this bank have no MAC"

    def test_a_register_that_connects_says_how_long(self) -> None:
        told = problem("scheme: pkh\nsteps:\n  - bank: hangs\n  - register: test\n")
        assert told.startswith("here the register connects")

    def test_a_connection_that_hangs_on_a_real_port(self) -> None:
        told: list[Any] = []
        bank = FaultyBank(
            lambda: pytest.fail("it was asked"), lambda _: Fate(Delivery.HANGS), lambda: NOON, delay=Millis(0)
        )

        async def call() -> None:
            bank.call(1, b"", told.append)

        asyncio.run(call())
        assert (told, bank.messages) == ([], 1)


class TestKeys:
    @pytest.mark.parametrize("profile", ["dukpt-tdes", "dukpt-aes"])
    @pytest.mark.parametrize("left", [0, 1, 2, 13])
    def test_so_many_are_left(self, profile: str, left: int) -> None:
        protection = LIBRARY.bank_profile(profile, {}).protection
        safe = TerminalSafe(LIBRARY.keys(), bytes, protection)
        held, used = held_near_the_end(left, protection, LIBRARY.keys()), set[KeysHeld]()
        for _ in range(left):
            assert not safe.is_used_up(held)
            held = safe.for_next_message(held)
            used.add(held)
        assert safe.is_used_up(held)
        assert len(used) == left

    def test_keys_without_serial_numbers(self) -> None:
        (case,) = load_cases(
            "format: 1\ntitle: A bank\nterminal: {keys_left: 1}\nsteps:\n  - register: test\n",
            origin="x.yaml",
        )
        with pytest.raises(ProfileError, match=r"terminal\.keys_left: the keys of this bank have no serial"):
            Props(case.scenario, LIBRARY, seed=1, traced=False)


class TestCards:
    @pytest.mark.parametrize("expires", ["2026-02", "2602"])
    def test_one_of_our_own(self, expires: str) -> None:
        rows = f'expires: "{expires}", service_code: "206", pin_rule: never, usage_control: "C100"'
        text = (
            f"format: 1\ntitle: A card\ncards: {{own: {{like: mir-chip, {rows}}}}}\nsteps:\n  - clock: +1s\n"
        )
        (case,) = load_cases(text, origin="x.yaml", library=LIBRARY)
        card = build_stage(case.scenario, LIBRARY, seed=1, traced=False).card("own")
        assert (card.expiry, card.service_code, card.pin_rule) == ("2602", "206", PinRule.NEVER)
        assert card.chip_rows is not None
        assert card.chip_rows.profile.usage_control == 0xC100
        like = LIBRARY.cards()["mir-chip"].card
        assert replace(card, name=like.name, expiry=like.expiry).pan == like.pan

    @pytest.mark.parametrize("expires", ["2026-13", "26", "13-2026", "2613"])
    def test_no_month(self, expires: str) -> None:
        text = f"format: 1\ntitle: A card\ncards: {{own: {{like: mir-chip, expires: '{expires}'}}}}\n"
        with pytest.raises(ScenarioError, match=r"x.yaml:3: cards.own.expires: must look like"):
            load_cases(f"{text}steps:\n  - clock: +1s\n", origin="x.yaml")
