"""Rulebooks: how they are read, which rule decides, how rules count, and partial approvals to the kopeck."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import bank_kit as kit
import pytest

from smartsale_emu.errors import ProfileError
from smartsale_emu.host.bank import Bank
from smartsale_emu.host.ledger import Ledger, MemoryLedger, OperationState
from smartsale_emu.host.rulebook import Rulebook
from smartsale_emu.payment.authorization import AuthorizationRequest, Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.totals import Tally, Totals
from smartsale_emu.runtime.ledger_file import open_ledger
from smartsale_emu.units import MinorUnits

FOLDER = kit.PACKAGE / "host" / "rulebooks"
FILES = {file.stem: file.read_text(encoding="utf-8") for file in sorted(FOLDER.glob("*.toml"))}


@pytest.fixture(params=["memory", "file"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    with ExitStack() as stack:
        if request.param == "memory":
            yield MemoryLedger()
        else:
            yield stack.enter_context(open_ledger(tmp_path / "bank.sqlite"))


def book(text: str) -> Rulebook:
    return Rulebook.parse(f'title = "T"\n{text}', "x.toml")


def ruled(text: str, ledger: Ledger | None = None) -> Bank:
    held = MemoryLedger() if ledger is None else ledger
    return Bank(kit.PROFILE, kit.CARDS.values(), held, kit.KEYS, book(text))


def rule(words: str, *, name: str = "r") -> str:
    return f'[[rule]]\nname = "{name}"\n{words}\n'


MIR = '[[issuer]]\nname = "mir"\nbins = ["220"]\n'

# --- conditions ---


def by_contactless(stan: int = 1) -> AuthorizationRequest:
    request = kit.sale(stan, 1200)
    assert request.card is not None
    return replace(request, card=replace(request.card, entry_mode=EntryMode.CONTACTLESS))


SALE = kit.sale(1, 1200)
CONDITIONS: list[tuple[str, str, AuthorizationRequest, AuthorizationRequest]] = [
    ("card", 'cards = ["mir-chip"]', SALE, kit.sale(1, 1200, "visa-chip")),
    ("pan", 'pans = ["22001", "4761"]', SALE, kit.sale(1, 1200, "mir-contactless")),
    ("operation", 'operations = ["cash"]', kit.ask(Transaction.CASH, 1, 1200, pin="1234"), SALE),
    ("entry mode", 'entry_modes = ["contactless"]', by_contactless(), SALE),
    ("terminal", 'terminals = ["00060056"]', SALE, replace(SALE, terminal_id="00060057")),
    ("merchant", 'merchants = ["111111111"]', SALE, replace(SALE, merchant_id="111111112")),
    ("at the least amount", "amount_from = 1200", SALE, kit.sale(1, 1199)),
    ("at the most amount", "amount_to = 1200", SALE, kit.sale(1, 1201)),
]


@pytest.mark.parametrize(
    ("words", "meant", "other"), [row[1:] for row in CONDITIONS], ids=[row[0] for row in CONDITIONS]
)
def test_a_rule_answers_what_it_describes_and_nothing_else(
    words: str, meant: AuthorizationRequest, other: AuthorizationRequest
) -> None:
    text = rule(f'{words}\ncode = "79"\nbecause = "so it is"')
    told = ruled(text).handle(meant, kit.NOW)
    assert told.response_code == "79"
    assert told.because == 'mir-chip: rule "r" (x.toml:2: rule 1): so it is'
    assert ruled(text).handle(other, kit.NOW).response_code == "00"


def test_a_rule_may_ask_for_the_issuer() -> None:
    visa = '[[issuer]]\nname = "visa"\nbins = ["4"]\n'
    bank = ruled(MIR + visa + rule('issuers = ["visa"]\ncode = "91"'))
    assert bank.handle(SALE, kit.NOW).response_code == "00"
    assert bank.handle(kit.sale(2, 1200, "visa-chip"), kit.NOW).response_code == "91"


def test_all_conditions_of_a_rule_must_hold() -> None:
    bank = ruled(rule('cards = ["mir-chip"]\namount_from = 1000\namount_to = 2000\ncode = "05"'))
    assert [bank.handle(kit.sale(stan, amount), kit.NOW).response_code for stan, amount in
            ((1, 999), (2, 1000), (3, 2000), (4, 2001))] == ["00", "05", "05", "00"]  # fmt: skip


CLOCK: list[tuple[str, str, bool]] = [
    ("time_from = 09:30:00", "2026-11-23T09:30:00", True),
    ("time_from = 09:30:00", "2026-11-23T09:29:59", False),
    ("time_to = 09:30:00", "2026-11-23T09:29:59", True),
    ("time_to = 09:30:00", "2026-11-23T09:30:00", False),
    ("time_from = 23:00:00\ntime_to = 01:00:00", "2026-11-23T23:00:00", True),
    ("time_from = 23:00:00\ntime_to = 01:00:00", "2026-11-23T00:59:59", True),
    ("time_from = 23:00:00\ntime_to = 01:00:00", "2026-11-23T01:00:00", False),
    ("time_from = 09:00:00\ntime_to = 10:00:00", "2026-11-23T10:00:00", False),
    ("date_from = 2026-11-23", "2026-11-23T00:00:00", True),
    ("date_from = 2026-11-23", "2026-11-22T23:59:59", False),
    ("date_to = 2026-11-23", "2026-11-23T23:59:59", True),
    ("date_to = 2026-11-23", "2026-11-24T00:00:00", False),
]


@pytest.mark.parametrize(("words", "at", "holds"), CLOCK)
def test_a_rule_has_its_hours_and_days_by_the_clock_of_the_bank(words: str, at: str, holds: bool) -> None:
    bank = ruled(rule(f'{words}\ncode = "91"'))
    told = bank.handle(kit.sale(1, 1200), datetime.fromisoformat(at))
    assert told.response_code == ("91" if holds else "00")


def test_the_first_rule_that_matches_decides() -> None:
    words = (
        rule('amount_to = 100\ncode = "05"', name="small")
        + rule('code = "57"', name="all")
        + rule('code = "91"', name="never reached")
    )
    bank = ruled(words)
    assert bank.handle(kit.sale(1, 100), kit.NOW).response_code == "05"
    assert bank.handle(kit.sale(2, 101), kit.NOW).response_code == "57"


def test_a_rule_without_a_reason_still_names_itself() -> None:
    told = ruled(rule('code = "62"')).handle(SALE, kit.NOW)
    assert told.because == 'mir-chip: rule "r" (x.toml:2: rule 1)'


# --- yes and no ---


def test_a_rule_that_declines_moves_nothing_and_asks_for_no_pin() -> None:
    bank = ruled(rule('code = "43"'))
    assert bank.handle(kit.sale(1, 1200, pin="9999"), kit.NOW).response_code == "43"
    account = bank.account("mir-chip")
    assert account is not None
    assert (kit.moved(bank), account.pin_tries_left) == (0, 3)


def test_a_rule_that_approves_leaves_card_pin_and_money_to_the_issuer() -> None:
    bank = ruled(rule('code = "00"'))
    asked = [
        kit.sale(1, 1200, pin="9999"),
        kit.sale(2, 1200, "mir-blocked"),
        kit.sale(3, 1001, "mir-poor"),
        kit.sale(4, 1200, "mir-issuer-down"),
        kit.sale(5, 1200),
    ]
    assert [bank.handle(one, kit.NOW).response_code for one in asked] == ["55", "41", "51", "91", "00"]
    assert kit.moved(bank) == -1200


def test_a_rule_may_approve_with_a_condition() -> None:
    bank = ruled(rule('code = "08"\nbecause = "show a passport"'))
    told = bank.handle(SALE, kit.NOW)
    assert (told.response_code, told.authorization_code) == ("08", "314159")
    assert told.because == ('mir-chip: approved, 9998800 left, rule "r" (x.toml:2: rule 1): show a passport')
    assert kit.moved(bank) == -1200


def test_rules_ask_before_the_card_file_forces_its_answer() -> None:
    bank = ruled(rule('cards = ["mir-issuer-down"]\ncode = "57"'))
    assert bank.handle(kit.sale(1, 1200, "mir-issuer-down"), kit.NOW).response_code == "57"
    halved = ruled(rule("approve_share = 50"))
    assert halved.handle(kit.sale(1, 1200, "mir-issuer-down"), kit.NOW).response_code == "91"


def test_an_approval_that_a_card_file_forces_is_of_the_whole() -> None:
    card = kit.CARDS["mir-chip"]
    forced = replace(card, account=replace(card.account, force="00"))
    bank = Bank(kit.PROFILE, [forced], MemoryLedger(), kit.KEYS, book(rule("approve_share = 50")))
    told = bank.handle(SALE, kit.NOW)
    assert (told.response_code, told.amount, kit.moved(bank)) == ("00", None, -1200)
    assert "forces" in told.because


def test_a_rule_may_refuse_a_void_and_nothing_is_given_back() -> None:
    bank = ruled(rule('operations = ["void"]\ncode = "57"'))
    paid = bank.handle(SALE, kit.NOW)
    told = bank.handle(kit.follow(Transaction.VOID, 2, 1200, SALE, paid), kit.NOW)
    assert (told.response_code, kit.moved(bank)) == ("57", -1200)


def test_a_reversal_is_never_ruled() -> None:
    text = rule('amount_from = 1300\ncode = "05"')
    bank = ruled(text)
    bank.handle(SALE, kit.NOW)
    assert bank.handle(kit.reversal(SALE), kit.NOW).response_code == "00"
    assert kit.moved(bank) == 0


# --- counts ---


def codes(bank: Bank, stans: range, **changes: object) -> list[str]:
    return [bank.handle(kit.sale(stan, 1200), kit.NOW).response_code for stan in stans]


def test_the_nth_time_is_one_time(ledger: Ledger) -> None:
    assert codes(ruled(rule('nth = 2\ncode = "91"'), ledger), range(1, 6)) == ["00", "91", "00", "00", "00"]


def test_every_nth_time_comes_again(ledger: Ledger) -> None:
    bank = ruled(rule('every = 2\ncode = "91"'), ledger)
    assert codes(bank, range(1, 6)) == ["00", "91", "00", "91", "00"]
    assert ledger.rule_count("r") == 5


def test_only_what_the_rule_describes_is_counted() -> None:
    bank = ruled(rule('cards = ["mir-chip"]\nnth = 2\ncode = "91"'))
    assert codes(bank, range(1, 2)) == ["00"]
    assert bank.handle(kit.sale(2, 1200, "visa-chip"), kit.NOW).response_code == "00"
    assert codes(bank, range(3, 4)) == ["91"]


def test_a_repeat_is_not_counted_twice() -> None:
    bank = ruled(rule('nth = 2\ncode = "91"'))
    first = kit.sale(1, 1200)
    assert [bank.handle(first, kit.NOW).response_code for _ in range(3)] == ["00", "00", "00"]
    assert codes(bank, range(2, 3)) == ["91"]


def test_two_rules_count_for_themselves_and_a_later_one_only_what_reaches_it() -> None:
    text = rule('nth = 1\ncode = "91"', name="one") + rule('nth = 1\ncode = "96"', name="two")
    assert codes(ruled(text), range(1, 4)) == ["91", "96", "00"]


def test_counts_outlive_the_bank(tmp_path: Path) -> None:
    text = rule('nth = 2\ncode = "91"')
    with open_ledger(tmp_path / "bank.sqlite") as ledger:
        assert codes(ruled(text, ledger), range(1, 2)) == ["00"]
    with open_ledger(tmp_path / "bank.sqlite") as ledger:
        assert codes(ruled(text, ledger), range(2, 4)) == ["91", "00"]


# --- partial approval ---


@pytest.mark.parametrize(
    ("words", "code", "approved", "moved"),
    [
        ("approve_amount = 1000", "10", 1000, -1000),
        ("approve_amount = 1201", "00", None, -1201),
        ("approve_amount = 5000", "00", None, -1201),
        ("approve_share = 50", "10", 600, -600),
        ("approve_share = 99", "10", 1188, -1188),
    ],
)
def test_the_account_moves_by_what_is_approved(
    words: str, code: str, approved: int | None, moved: int, ledger: Ledger
) -> None:
    bank, request = ruled(rule(words), ledger), kit.sale(1, 1201)
    for _ in range(2):  # and the repeat gets the same answer
        told = bank.handle(request, kit.NOW)
        assert (told.response_code, told.amount, kit.moved(bank)) == (code, approved, moved)
        assert told.authorization_code == "314159"
    (held,) = ledger.operations()
    assert (held.amount, held.approved, held.money) == (1201, approved, -moved)


def test_a_partial_approval_says_how_much_of_what() -> None:
    told = ruled(rule('approve_amount = 1000\nbecause = "no more"')).handle(kit.sale(1, 1201), kit.NOW)
    assert told.because == (
        'mir-chip: approved, 9999000 left, rule "r" (x.toml:2: rule 1): no more: 1000 of 1201'
    )


def test_a_share_that_is_nothing_is_declined() -> None:
    bank = ruled(rule("approve_share = 50"))
    assert bank.handle(kit.sale(1, 1), kit.NOW).response_code == "51"
    assert kit.moved(bank) == 0


def test_a_poor_card_may_be_approved_in_part_within_its_balance() -> None:
    bank = ruled(rule("approve_amount = 1000"))
    told = bank.handle(kit.sale(1, 5000, "mir-poor"), kit.NOW)
    assert (told.response_code, told.amount, kit.balance(bank, "mir-poor")) == ("10", 1000, 0)
    again = bank.handle(kit.sale(2, 5000, "mir-poor"), kit.NOW)
    assert (again.response_code, again.amount) == ("51", None)


def test_a_limit_is_asked_about_the_approved_part() -> None:
    bank = ruled(rule("approve_amount = 100_000"))
    told = bank.handle(kit.sale(1, 100_001, "mir-limited"), kit.NOW)
    assert (told.response_code, told.amount) == ("10", 100_000)


@pytest.mark.parametrize("amount", [1201, 1000], ids=["asked", "approved"])
def test_a_reversal_of_a_part_gives_back_the_part(amount: int) -> None:
    bank, request = ruled(rule("approve_amount = 1000")), kit.sale(1, 1201)
    bank.handle(request, kit.NOW)
    undone = replace(kit.reversal(request), amount=MinorUnits(amount))
    assert bank.handle(undone, kit.NOW).response_code == "00"
    assert kit.moved(bank) == 0


def test_a_reversal_of_a_third_amount_is_refused() -> None:
    bank, request = ruled(rule("approve_amount = 1000")), kit.sale(1, 1201)
    bank.handle(request, kit.NOW)
    other = replace(kit.reversal(request), amount=MinorUnits(1100))
    assert bank.handle(other, kit.NOW).response_code == "94"
    assert kit.moved(bank) == -1000


def test_a_void_gives_back_no_more_than_the_approved_part() -> None:
    bank, request = ruled(rule("approve_amount = 1000")), kit.sale(1, 1201)
    paid = bank.handle(request, kit.NOW)
    assert bank.handle(kit.follow(Transaction.VOID, 2, 1201, request, paid), kit.NOW).response_code == "13"
    assert bank.handle(kit.follow(Transaction.VOID, 3, 1000, request, paid), kit.NOW).response_code == "00"
    assert kit.moved(bank) == 0


def test_a_hold_of_a_part_holds_the_part() -> None:
    bank = ruled(rule("approve_amount = 1000"))
    hold = kit.ask(Transaction.PREAUTHORIZATION, 1, 1201, pin="1234")
    held = bank.handle(hold, kit.NOW)
    over = kit.follow(Transaction.COMPLETION, 2, 1001, hold, held)
    assert bank.handle(over, kit.NOW).response_code == "13"
    done = kit.follow(Transaction.COMPLETION, 3, 1000, hold, held)
    assert bank.handle(done, kit.NOW).response_code == "00"
    assert kit.moved(bank) == -1000


def test_a_hold_of_a_part_is_released_as_that_part() -> None:
    bank = ruled(rule("approve_amount = 1000"))
    hold = kit.ask(Transaction.PREAUTHORIZATION, 1, 1201, pin="1234")
    held = bank.handle(hold, kit.NOW)
    for stan, amount, code in ((2, 1201, "13"), (3, 1000, "00")):
        release = kit.follow(Transaction.VOID_OF_HOLD, stan, amount, hold, held)
        assert bank.handle(release, kit.NOW).response_code == code
    assert kit.moved(bank) == 0


def test_where_only_the_whole_is_voided_the_part_is_the_whole() -> None:
    profile = replace(kit.PROFILE, partial_void=False)
    halved = book(rule("approve_amount = 1000"))
    bank = Bank(profile, kit.CARDS.values(), MemoryLedger(), kit.KEYS, halved)
    request = kit.sale(1, 1201)
    paid = bank.handle(request, kit.NOW)
    for stan, amount, code in ((2, 1201, "13"), (3, 999, "13"), (4, 1000, "00")):
        void = kit.follow(Transaction.VOID, stan, amount, request, paid)
        assert bank.handle(void, kit.NOW).response_code == code


def test_a_batch_counts_the_approved_part() -> None:
    bank = ruled(rule("approve_amount = 1000"))
    bank.handle(replace(kit.sale(1, 1201), batch=7), kit.NOW)
    asked = kit.reconciliation(2, 7, Totals(debit=Tally(1, 1000)))
    assert bank.handle(asked, kit.NOW).response_code == "00"


def test_only_what_takes_money_and_follows_nothing_is_approved_in_part() -> None:
    bank = ruled(rule("approve_amount = 1000"))
    told = bank.handle(kit.ask(Transaction.TOP_UP, 1, 1201), kit.NOW)
    assert (told.response_code, told.amount, kit.moved(bank)) == ("00", None, 1201)


# --- reading ---


@pytest.mark.parametrize("name", FILES)
def test_every_rulebook_that_comes_along_reads_whole(name: str) -> None:
    rulebook = Rulebook.parse(FILES[name], f"{name}.toml")
    rulebook.check_cards(kit.CARDS)
    assert rulebook.title


def test_the_default_rulebook_only_lists_issuers_and_every_card_has_one() -> None:
    rulebook = Rulebook.parse(FILES["default"], "default.toml")
    assert (rulebook.rules, rulebook.merchants) == ((), ())
    keys = {}
    for name, card in kit.CARDS.items():
        issuer = rulebook.issuer_of(card.card.pan)
        assert issuer is not None, name
        assert (issuer.operation_limit, issuer.day_limit, issuer.day_count) == (None, None, None)
        assert (issuer.currency, issuer.pin_tries) == (None, None)
        keys[name] = issuer.key
    assert keys["mir-chip"] == "issuer-mir"
    assert (keys["visa-chip"], keys["mastercard-magstripe"]) == ("issuer-visa", "issuer-mastercard")


def test_the_default_rulebook_changes_no_decision() -> None:
    plain = kit.bank()
    shipped = Rulebook.parse(FILES["default"], "default.toml")
    with_book = Bank(kit.PROFILE, kit.CARDS.values(), MemoryLedger(), kit.KEYS, shipped)
    for stan, (name, transaction) in enumerate(
        [(name, transaction) for name in kit.CARDS for transaction in Transaction], start=1
    ):
        request = kit.ask(transaction, stan, 1200, name, pin=kit.CARDS[name].account.pin.reveal())
        one, other = plain.handle(request, kit.NOW), with_book.handle(request, kit.NOW)
        assert (one, one.amount) == (other, other.amount)


@pytest.mark.parametrize(
    ("kopecks", "answers"),
    [
        (4300, ["43"]),
        (6200, ["62"]),
        (1010, ["10"]),
        (5050, ["10"]),
        (9100, ["00", "91", "00"]),
        (9600, ["00", "00", "96", "00", "00", "96"]),
        (1200, ["00"]),
    ],
)
def test_the_accidents_happen_as_their_file_says(kopecks: int, answers: list[str]) -> None:
    accidents = Rulebook.parse(FILES["accidents"], "accidents.toml")
    bank = Bank(kit.PROFILE, kit.CARDS.values(), MemoryLedger(), kit.KEYS, accidents)
    told = [bank.handle(kit.sale(stan, kopecks), kit.NOW) for stan in range(1, len(answers) + 1)]
    assert [one.response_code for one in told] == answers


WRONG: list[tuple[str, str, str]] = [
    ("no TOML", "[[rule]", "x.toml: "),
    ("no array", "[rule]\nname = 'r'", "x.toml: rule: must be written as [[rule]]"),
    ("unknown table", "[[rules]]\nname = 'r'", "x.toml: rules: is not known here"),
    ("no name", "[[rule]]\ncode = '05'", "x.toml:2: rule 1: name: is missing"),
    ("unknown key", rule('code = "05"\namount = 3'), "x.toml:2: rule 1: amount: is not a key"),
    ("no outcome", rule("amount_to = 3"), "rule 1: code: there must be one of"),
    ("two outcomes", rule('code = "05"\napprove_share = 3'), "rule 1: code: there must be one of"),
    ("bad code", rule('code = "005"'), "rule 1: code: must be a response code"),
    ("share of all", rule("approve_share = 100"), "rule 1: approve_share: must be a whole number"),
    ("part of nothing", rule("approve_amount = 0"), "rule 1: approve_amount: must be a whole"),
    ("part of a void", rule('approve_amount = 9\noperations = ["void"]'), "rule 1: operations: only"),
    ("no such operation", rule('code = "05"\noperations = ["theft"]'), "rule 1: operations: must be"),
    ("an echo", rule('code = "05"\noperations = ["echo"]'), "rule 1: operations: only these ask"),
    ("empty list", rule('code = "05"\ncards = []'), "rule 1: cards: must be a list of texts"),
    ("prefix of letters", rule('code = "05"\npans = ["22x"]'), "rule 1: pans: must be beginnings"),
    ("a whole number", rule('code = "05"\npans = ["22001234567"]'), "rule 1: pans: must be beginnings"),
    ("no mode", rule('code = "05"\nentry_modes = ["voice"]'), "rule 1: entry_modes: must be of chip"),
    ("amounts crossed", rule('code = "05"\namount_from = 2\namount_to = 1'), "rule 1: amount_to: is less"),
    (
        "dates crossed",
        rule('code = "05"\ndate_from = 2026-11-24\ndate_to = 2026-11-23'),
        "rule 1: date_to: is before",
    ),
    (
        "no time",
        rule('code = "05"\ntime_from = 09:00:00\ntime_to = 09:00:00'),
        "rule 1: time_to: is the same",
    ),
    ("time in quotes", rule('code = "05"\ntime_from = "09:00"'), "rule 1: time_from: must be a time"),
    ("a moment", rule('code = "05"\ndate_from = 2026-11-24T09:00:00'), "rule 1: date_from: must be a date"),
    ("nth and every", rule('code = "05"\nnth = 1\nevery = 2'), "rule 1: every: is of no use"),
    ("zeroth", rule('code = "05"\nnth = 0'), "rule 1: nth: must be a whole number from 1"),
    ("one name twice", rule('code = "05"') + rule('code = "05"'), "x.toml:5: rule 2: name: another"),
    ("unknown issuer", MIR + rule('code = "05"\nissuers = ["visa"]'), "issuers: one is not known; there is"),
    ("issuer without bins", '[[issuer]]\nname = "mir"', "issuer 1: bins: is missing"),
    ("one bin twice", MIR + MIR.replace('"mir"', '"rim"'), "issuer 2: bins: another"),
    ("one issuer twice", MIR + MIR.replace("220", "221"), "issuer 2: name: another"),
    ("currency", MIR + 'currency = "RUB"', "issuer 1: currency: must be a currency"),
    ("one merchant twice", '[[merchant]]\nname = "m"\nid = "1"\n' * 2, "merchant 2: id: another"),
    ("merchant without id", '[[merchant]]\nname = "m"', "merchant 1: id: must be 1 to 15"),
    ("long terminal", '[[merchant]]\nname = "m"\nid = "1"\nterminals = ["123456789"]', "terminals: must be"),
    ("merchant's currency", '[[merchant]]\nname = "m"\nid = "1"\ncurrencies = ["x"]', "currencies: must be"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "says"), [row[1:] for row in WRONG], ids=[row[0] for row in WRONG])
def test_a_wrong_rulebook_is_refused_by_file_table_and_key(text: str, says: str) -> None:
    with pytest.raises(ProfileError) as caught:
        book(text)
    assert says in str(caught.value)
    assert str(caught.value).startswith("x.toml")


def test_a_title_is_needed() -> None:
    with pytest.raises(ProfileError, match=r"x\.toml: title: is missing"):
        Rulebook.parse(rule('code = "05"'), "x.toml")


def test_a_rule_for_a_card_that_does_not_exist_is_refused() -> None:
    with pytest.raises(
        ProfileError, match=r"x\.toml:2: rule 1: cards: one is not known; there is: .*mir-chip"
    ):
        book(rule('code = "05"\ncards = ["mir-chop"]')).check_cards(kit.CARDS)


PAN = "2200123456789019"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda: book(rule(f'code = "05"\nbecause = "card {PAN}"')),
        lambda: book(rule('code = "05"\nbecause = "card 2200 1234 5678 9019"')),
        lambda: book(rule(f'code = "05"\npans = ["{PAN}"]')),
        lambda: book(rule(f'code = "{PAN}"')),
        lambda: book(rule('code = "05"', name=PAN)),
        lambda: book(rule(f'code = "05"\n{PAN} = 1')),
        lambda: book(f"{PAN} = 1"),
        lambda: book(f"[{PAN}]\n[{PAN}]"),
        lambda: book(rule(f'code = "05"\ncards = ["{PAN}"]')).check_cards(kit.CARDS),
        lambda: book(rule(f"code = {PAN}")),
    ],
)
def test_no_error_about_a_rulebook_quotes_a_card_number(spoil: Callable[[], object]) -> None:
    with pytest.raises(ProfileError) as caught:
        spoil()
    told = str(caught.value) + repr(caught.value.__context__) + repr(caught.value.__cause__)
    assert PAN not in told
    assert "2200 1234" not in told


def test_a_header_inside_a_text_leaves_the_place_without_a_line() -> None:
    text = "[[rule]]\nname = 'r'\nbecause = '''\n[[rule]]'''\ncode = '5'"
    with pytest.raises(ProfileError, match=r"x\.toml: rule 1: "):
        book(text)


def test_what_a_rule_declined_stays_declined_for_its_repeat_after_the_hour() -> None:
    bank = ruled(rule('time_to = 10:00:00\ncode = "91"'))
    assert bank.handle(SALE, kit.NOW).response_code == "91"
    assert bank.handle(SALE, kit.NOW + timedelta(hours=2)).response_code == "91"


def test_a_ruled_decline_is_kept_with_its_reason(ledger: Ledger) -> None:
    ruled(rule('code = "62"\nbecause = "restricted"'), ledger).handle(SALE, kit.NOW)
    (held,) = ledger.operations()
    assert (held.state, held.response_code, held.effect) == (OperationState.DECLINED, "62", 0)
    assert held.because == 'mir-chip: rule "r" (x.toml:2: rule 1): restricted'
