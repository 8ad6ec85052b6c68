"""How a bank protects PINs and messages, as rows of its profile; what does not go together is refused."""

from dataclasses import replace

import bank_kit as kit
import profile_kit
import pytest

from smartsale_emu.errors import KeySlotError, ProfileError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import MemoryLedger
from smartsale_emu.payment.authorization import Transaction
from smartsale_emu.security.mac import MacAlgorithm
from smartsale_emu.security.pin_block import PinFormat
from smartsale_emu.security.protection import KeyScheme, MacRule, Protection, SlotNames
from smartsale_emu.security.safe import TerminalSafe

RETAIL = MacRule(MacAlgorithm.RETAIL)
AES_SLOTS = SlotNames(initial="terminal-dukpt-aes", base="bank-dukpt-aes")
SHIPPED = {
    "generic-ascii": Protection(),
    "nac-bcd": Protection(mac=RETAIL),
    "tbank-style": Protection(mac=RETAIL),
    "dukpt-tdes": Protection(KeyScheme.DUKPT_TDES, PinFormat.ISO_3, RETAIL),
    "dukpt-aes": Protection(KeyScheme.DUKPT_AES, PinFormat.ISO_4, MacRule(MacAlgorithm.AES_CMAC), AES_SLOTS),
}


def test_every_shipped_profile_is_here() -> None:
    assert sorted(SHIPPED) == profile_kit.NAMES


@pytest.mark.parametrize("name", SHIPPED)
def test_what_a_shipped_profile_says(name: str) -> None:
    assert profile_kit.load(name).protection == SHIPPED[name]


@pytest.mark.parametrize("name", SHIPPED)
def test_the_keys_that_are_shipped_are_enough_for_it(name: str) -> None:
    profile_kit.Line(profile_kit.load(name))


BAD = [
    ({"keys__scheme": "3des"}, "keys.scheme: must be one of master-session, dukpt-tdes, dukpt-aes"),
    ({"keys__pin_format": "2"}, "keys.pin_format: must be one of 0, 1, 3, 4"),
    ({"keys__pin_format": 0}, "keys.pin_format"),
    ({"keys__master": 7}, "keys.master"),
    ({"keys__colour": "red"}, "keys.colour"),
    (
        {"keys__pin_format": "4"},
        "keys.pin_format: a block of format 4 needs an element of its own: pin.field",
    ),
    ({"keys__scheme": "dukpt-tdes"}, "keys.scheme: its serial numbers need an element: pin.ksn_field"),
    (
        {"keys__scheme": "dukpt-tdes", "keys__pin_format": "4", "pin__field": 63, "pin__ksn_field": 53},
        "keys.pin_format: format 4 goes with AES keys, the others with triple DES",
    ),
    (
        {"keys__scheme": "dukpt-aes", "pin__ksn_field": 53},
        "keys.pin_format: format 4 goes with AES keys, the others with triple DES",
    ),
    (
        {"keys__scheme": "dukpt-tdes", "pin__ksn_field": 53, "mac__algorithm": "aes-cmac"},
        "mac.algorithm: does not go with keys.scheme dukpt-tdes",
    ),
    (
        {
            "keys__scheme": "dukpt-aes",
            "keys__pin_format": "4",
            "pin__field": 63,
            "pin__ksn_field": 53,
            "mac__algorithm": "retail",
        },
        "mac.algorithm: does not go with keys.scheme dukpt-aes",
    ),
    ({"pin__ksn_field": 62}, "places.batch"),
    ({"pin__ksn_field": 48}, "places.batch"),
    ({"pin__ksn_field": 4}, "pin.ksn_field: 4 is not an element that is free for this"),
    ({"places__keys": 62}, "places.batch"),
]


@pytest.mark.parametrize(("rows", "said"), BAD, ids=lambda value: str(value)[:60])
def test_a_bad_row_is_told_in_one_clear_line(rows: dict[str, object], said: str) -> None:
    with pytest.raises(ProfileError) as caught:
        profile_kit.changed("generic-ascii", **rows)
    line = str(caught.value)
    assert "\n" not in line
    assert line.startswith("mine.toml")
    assert said in line


GOOD = [
    {"keys__pin_format": "1"},
    {"keys__pin_format": "3"},
    {"keys__pin_format": "4", "pin__field": 63},
    {"keys__scheme": "dukpt-tdes", "pin__ksn_field": 53, "keys__pin_format": "0"},
    {"keys__scheme": "dukpt-tdes", "pin__ksn_field": 53, "mac__algorithm": "tdes-cmac", "mac__size": 4},
]


@pytest.mark.parametrize("rows", GOOD, ids=str)
def test_what_goes_together_is_taken(rows: dict[str, object]) -> None:
    profile = profile_kit.changed("generic-ascii", **rows)
    assert profile.protection.pin_format.value == rows.get("keys__pin_format", "0")


@pytest.mark.parametrize("slot", ["pin", "mac"])
def test_a_slot_that_is_empty_is_named_at_the_start(slot: str) -> None:
    profile = profile_kit.changed("nac-bcd", **{f"keys__{slot}": "nowhere"})
    with pytest.raises(KeySlotError, match="nowhere"):
        profile_kit.Line(profile)


@pytest.mark.parametrize(
    ("name", "row", "slot"),
    [
        ("nac-bcd", "pin", "terminal-mac"),
        ("nac-bcd", "mac", "terminal-pin"),
        ("dukpt-tdes", "base", "bank-dukpt-aes"),
        ("dukpt-aes", "base", "terminal-dukpt-aes"),
        ("dukpt-tdes", "base", "terminal-pin"),
    ],
)
def test_a_slot_with_a_key_for_something_else_is_named_by_the_bank_at_the_start(
    name: str, row: str, slot: str
) -> None:
    profile = profile_kit.changed(name, **{f"keys__{row}": slot})
    with pytest.raises(KeySlotError, match=slot):
        Bank(profile, kit.CARDS.values(), MemoryLedger(), kit.KEYS)


@pytest.mark.parametrize(
    "rows",
    [{"keys__pin_format": "4", "pin__field": 63}, {"mac__algorithm": "aes-cmac"}],
    ids=["PIN block", "MAC"],
)
def test_a_slot_with_a_key_of_another_algorithm_is_named_at_the_start(rows: dict[str, object]) -> None:
    profile = profile_kit.changed("generic-ascii", **rows)
    with pytest.raises(KeySlotError, match=r"^key slot terminal-(pin|mac): .* needs a key of AES here$"):
        Bank(profile, kit.CARDS.values(), MemoryLedger(), kit.KEYS)
    with pytest.raises(KeySlotError, match=r"^key slot terminal-(pin|mac): .* needs a key of AES here$"):
        TerminalSafe(kit.KEYS, bytes, profile.protection)


@pytest.mark.parametrize(
    ("name", "slot"), [("dukpt-tdes", "terminal-dukpt-aes"), ("dukpt-aes", "terminal-dukpt-tdes")]
)
def test_an_initial_key_of_the_other_dukpt_is_named_at_the_start(name: str, slot: str) -> None:
    profile = profile_kit.changed(name, keys__initial=slot)
    with pytest.raises(KeySlotError, match=f"^key slot {slot}: "):
        TerminalSafe(kit.KEYS, bytes, profile.protection)


@pytest.mark.parametrize("slot", ["nowhere", "terminal-pin"])
def test_a_bank_without_a_master_key_declines_key_changes_and_lives(slot: str) -> None:
    line = profile_kit.Line(profile_kit.changed("generic-ascii", keys__master=slot))
    asked = replace(kit.echo(), transaction=Transaction.KEY_CHANGE)
    assert line.ask(asked) == "96"
    assert line.exchange is not None
    assert line.exchange.because.startswith(f"no new keys can be made: key slot {slot}: ")
    assert line.ask(kit.sale(2, 100), pin="1234") == "00"
