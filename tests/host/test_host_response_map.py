"""Response codes: the bank's two characters, and what hosts write for them."""

import bank_kit as kit
import profile_kit
import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.host.dialect import Dialect
from smartsale_emu.host.profile import BankProfile
from smartsale_emu.host.response_map import ResponseMap
from smartsale_emu.payment.authorization import AuthorizationAnswer, Step
from smartsale_emu.payment.response_codes import approves, moves_money
from smartsale_emu.terminal import money
from smartsale_emu.terminal.profile import TerminalProfile

TODAY = kit.NOW.date()
PAIRS = {
    "00": "000", "01": "107", "03": "109", "04": "200", "05": "100", "10": "002", "12": "902", "13": "110",
    "14": "111", "25": "914", "30": "904", "41": "208", "43": "209", "51": "116", "54": "101", "55": "117",
    "57": "119", "58": "120", "61": "121", "62": "104", "65": "123", "75": "106", "91": "907", "94": "913",
    "95": "501", "96": "909", "81": "920", "A0": "916",
}  # fmt: skip


def read_back(profile: BankProfile, code: str) -> str:
    dialect = Dialect(profile)
    said = AuthorizationAnswer(Step.NETWORK, 7, code)
    return dialect.decode_answer(dialect.encode_answer(kit.echo(7), said), TODAY).response_code


@pytest.mark.parametrize(("own", "written"), PAIRS.items())
def test_every_pair_goes_there_and_back(own: str, written: str) -> None:
    profile = profile_kit.load("tbank-style")
    assert read_back(profile, own) == written, "the terminal sees what the host wrote"
    assert profile.wire.responses.from_host(written) == own


def test_no_pair_is_missing_or_added() -> None:
    assert profile_kit.load("tbank-style").wire.responses.written == PAIRS


@pytest.mark.parametrize(("own", "written"), PAIRS.items())
def test_both_forms_mean_the_same_to_the_terminal(own: str, written: str) -> None:
    assert (approves(own), moves_money(own)) == (approves(written), moves_money(written))
    for verdict in (money.bank_verdict, money.reversal_verdict, money.settlement_verdict):
        assert verdict(own) is verdict(written)


def test_a_host_of_two_characters_writes_them_as_they_are() -> None:
    for code in (*PAIRS, "A7"):
        assert read_back(kit.PROFILE, code) == code


def test_a_code_that_no_row_names_is_written_if_it_fits_and_else_as_a_system_error() -> None:
    profile = profile_kit.load("tbank-style")
    assert read_back(profile, "A7") == "909"
    assert read_back(profile, "203") == "203"
    assert read_back(kit.PROFILE, "203") == "96"


def test_a_row_may_be_for_one_kind_of_message() -> None:
    profile = profile_kit.changed("tbank-style", **{"response_codes__00-reversal": "400"})
    dialect = Dialect(profile)
    request = kit.reversal(kit.sale(1, 1))
    wire = dialect.encode_answer(request, AuthorizationAnswer(Step.REVERSAL, 1, "00"), lambda data: bytes(8))
    assert dialect.decode_answer(wire, TODAY).response_code == "400"
    assert read_back(profile, "00") == "000"
    assert profile.wire.responses.from_host("400") == "00"


def test_a_refusal_is_written_in_the_hosts_codes() -> None:
    dialect = Dialect(profile_kit.load("tbank-style"))
    wire = dialect.encode_request(kit.sale(123, 1200), lambda data: bytes(8))
    refused = dialect.refusal(wire.replace(b"000000001200", b"00000000120O"), "96")
    assert refused == b"0210" + bytes.fromhex("0020000002800000") + b"000123" + b"909" + b"00060056"


def test_what_was_never_written_has_no_word() -> None:
    assert ResponseMap(3, {"00": "000"}).from_host("777") is None
    assert ResponseMap().from_host("77") == "77"
    assert ResponseMap().from_host("777") is None


def test_a_long_code_is_field_15_as_it_is() -> None:
    file = kit.PACKAGE / "terminal" / "profiles" / "unipos-2023.toml"
    terminal = TerminalProfile.parse(file.read_text(encoding="utf-8"), origin=file.name)
    assert (terminal.host_code("116"), terminal.host_code("05")) == ("116", "005")


def test_a_host_that_packs_its_codes_gets_no_letters() -> None:
    """What has none of its own there is a system error."""
    packed = profile_kit.changed("nac-bcd", wire__response_code="packed").wire.responses
    assert [packed.to_host(code, "financial") for code in ("00", "51", "A0", "B7")] == [
        "00",
        "51",
        "96",
        "96",
    ]


def test_a_row_with_letters_for_a_host_that_packs_its_codes_is_refused() -> None:
    with pytest.raises(ProfileError, match=r"response_codes\.A0: must be digits where"):
        profile_kit.changed("nac-bcd", wire__response_code="packed", response_codes__A0="N7")
