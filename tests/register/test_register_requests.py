"""The bytes of every request, and what a request must not say."""

import pytest

from smartsale_emu.register.requests import MODEL, OPERATIONS, Argument, Arguments, operation_request
from smartsale_emu.sa.framing import encode_frame
from smartsale_emu.security.masking import Secret
from smartsale_emu.units import CurrencyCode, MinorUnits

TWELVE = MinorUnits(1200)
TRACK = Secret("2200123456789019=30122010000000000")
REFERENCE = {"rrn": "000000000012", "code": "123456"}


def fields_of(name: str, arguments: Arguments | None = None) -> dict[int, str]:
    records = operation_request(name, arguments).records
    assert [record.tag for record in records] == sorted({record.tag for record in records})
    return {record.tag: record.value.decode("ascii") for record in records}


MONEY = {0: "1200", 4: "643"}


@pytest.mark.parametrize(
    ("name", "arguments", "fields"),
    [
        ("sale", Arguments(amount=TWELVE), MONEY | {25: "1", 89: MODEL}),
        ("cash", Arguments(amount=TWELVE), MONEY | {25: "2", 89: MODEL}),
        ("top-up", Arguments(amount=TWELVE), MONEY | {25: "19", 89: MODEL}),
        ("void", Arguments(amount=TWELVE), MONEY | {25: "4"}),
        (
            "void",
            Arguments(amount=TWELVE, original_amount=MinorUnits(5000), **REFERENCE, slip="17", number=3),
            MONEY | {1: "5000", 13: "123456", 14: "000000000012", 25: "4", 26: "3", 108: "17"},
        ),
        (
            "return",
            Arguments(amount=TWELVE, **REFERENCE),
            MONEY | {13: "123456", 14: "000000000012", 25: "29", 89: MODEL},
        ),
        ("return-without-reference", Arguments(amount=TWELVE), MONEY | {25: "71", 89: MODEL}),
        ("preauth", Arguments(amount=TWELVE), MONEY | {25: "15", 89: MODEL}),
        (
            "raise",
            Arguments(amount=TWELVE, **REFERENCE),
            MONEY | {13: "123456", 14: "000000000012", 25: "15", 89: MODEL},
        ),
        (
            "completion",
            Arguments(amount=TWELVE, **REFERENCE, model=None),
            MONEY | {13: "123456", 14: "000000000012", 25: "16"},
        ),
        ("balance", None, {4: "643", 25: "13"}),
        ("card-data", Arguments(card_within=20), {25: "57", 57: "20"}),
        ("settlement", Arguments(terminal_id="00266286"), {25: "59", 27: "00266286", 89: MODEL}),
        ("short-report", None, {25: "63", 65: "20", 89: MODEL}),
        ("full-report", None, {25: "63", 65: "21", 89: MODEL}),
        ("copy", None, {25: "63", 64: "1", 65: "22"}),
        ("copy", Arguments(slip="7"), {25: "63", 64: "0", 65: "22", 108: "7"}),
        ("copy", Arguments(code="123456"), {13: "123456", 25: "63", 64: "0", 65: "22"}),
        ("copy", Arguments(rrn="12"), {14: "12", 25: "63", 64: "0", 65: "22"}),
        ("test", None, {25: "26", 27: ""}),
        ("reversal", None, {4: "643", 25: "53"}),
        ("reversal", Arguments(amount=TWELVE, currency=None), {0: "1200", 25: "53"}),
        (
            "sale",
            Arguments(amount=TWELVE, currency=CurrencyCode("933"), track2=TRACK, card_within=1, model=None),
            {0: "1200", 4: "933", 8: "2", 12: TRACK.reveal(), 25: "1", 57: "1"},
        ),
    ],
)
def test_what_a_request_says(name: str, arguments: Arguments | None, fields: dict[int, str]) -> None:
    assert fields_of(name, arguments) == fields


def test_requests_as_recorded() -> None:
    settlement = operation_request("settlement", Arguments(model=None))
    assert encode_frame(settlement.encode()).hex(" ") == "02 08 00 19 02 00 35 39 1b 00 00 c4 94"
    link_test = operation_request("test")
    assert encode_frame(link_test.encode()).hex(" ") == "02 08 00 19 02 00 32 36 1b 00 00 89 ff"


def test_every_operation_of_the_document_is_there() -> None:
    asked = {(int(row.code), row.mode and int(row.mode)) for row in OPERATIONS.values()}
    plain = {1, 2, 4, 13, 15, 16, 19, 26, 29, 53, 57, 59, 66, 71}
    assert asked == {(code, None) for code in plain} | {(63, 20), (63, 21), (63, 22)}
    assert len({row.title.russian for row in OPERATIONS.values()}) == len(OPERATIONS)


@pytest.mark.parametrize("name", OPERATIONS)
def test_what_an_operation_needs_is_not_left_out(name: str) -> None:
    row = OPERATIONS[name]
    whole = {"amount": TWELVE, **REFERENCE}
    needed = {argument.value: whole[argument.value] for argument in row.needs}
    operation_request(name, Arguments(**needed))  # type: ignore[arg-type]
    for argument in row.needs:
        less = {key: value for key, value in needed.items() if key != argument.value}
        with pytest.raises(ValueError, match=f"^{name} needs .*{argument.value}"):
            operation_request(name, Arguments(**less))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "arguments", "surplus"),
    [
        ("settlement", Arguments(amount=TWELVE), "amount"),
        ("sale", Arguments(amount=TWELVE, rrn="12"), "rrn"),
        ("preauth", Arguments(amount=TWELVE, code="1", rrn="12"), "code, rrn"),
        ("short-report", Arguments(slip="1"), "slip"),
        ("test", Arguments(track2=TRACK), "track2"),
        ("return", Arguments(amount=TWELVE, original_amount=TWELVE), "original_amount"),
    ],
)
def test_what_an_operation_has_no_place_for(name: str, arguments: Arguments, surplus: str) -> None:
    with pytest.raises(ValueError, match=f"^{name} has no place for {surplus}$"):
        operation_request(name, arguments)


def test_an_unknown_operation() -> None:
    with pytest.raises(ValueError, match=r"^no operation 'dance'; there is: sale, "):
        operation_request("dance")


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        ({"amount": 0}, "an amount is"),
        ({"original_amount": 10**12}, "an amount is"),
        ({"currency": "RUB"}, "a currency is"),
        ({"rrn": "1234567890123"}, "a reference number"),
        ({"rrn": ""}, "a reference number"),
        ({"code": "123456789"}, "an authorization code"),
        ({"slip": "12a"}, "the number of a slip"),
        ({"number": -1}, "the number of an operation"),
        ({"terminal_id": "123456789"}, "a terminal id"),
        ({"terminal_id": "Ж"}, "a terminal id"),
        ({"card_within": 0}, "a card is awaited"),
        ({"track2": Secret("2200123456789019")}, "a track 2 is"),
        ({"model": "x" * 257}, "a model"),
    ],
)
def test_values_out_of_range(given: dict[str, object], limits: str) -> None:
    with pytest.raises(ValueError, match=limits) as caught:
        Arguments(**given)  # type: ignore[arg-type]
    assert "2200" not in str(caught.value)


def test_every_argument_has_its_limits_and_its_field() -> None:
    assert {argument.value for argument in Argument} == set(Arguments.__dataclass_fields__)


def test_no_card_in_a_repr() -> None:
    arguments = Arguments(amount=TWELVE, track2=TRACK)
    assert "2200" not in repr(arguments) + repr(operation_request("sale", arguments))
