"""A rulebook: what a mock bank decides beyond the accounts of its cards, as data in one TOML file.

``[[rule]]`` answers what its conditions describe, the first that matches decides; ``[[merchant]]`` lists who
may ask, ``[[issuer]]`` whose cards there are. What a rulebook does not list is allowed. Keys of a rule:

* conditions, all of which must hold: ``cards`` (names), ``pans`` (beginnings of card numbers), ``issuers``,
  ``operations``, ``entry_modes``, ``terminals``, ``merchants``; ``amount_from`` and ``amount_to`` (kopecks,
  both included); ``date_from`` and ``date_to`` (both included); ``time_from`` (included) and ``time_to``
  (excluded), over midnight when the first is the later one; then ``nth`` (only that time) or ``every``
  (each so-manieth time) that all the others hold;
* one outcome: ``code`` (DE39), ``approve_amount`` (kopecks) or ``approve_share`` (per cent);
* ``name``, under which the ledger counts, and ``because`` for the trace.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, time

from smartsale_emu.errors import ProfileError
from smartsale_emu.host.merchants import Merchant
from smartsale_emu.host.response_map import ResponseMap
from smartsale_emu.host.rules import RULES
from smartsale_emu.host.tables import Table, read_tables
from smartsale_emu.payment.authorization import Transaction
from smartsale_emu.payment.card import EntryMode
from smartsale_emu.payment.response_codes import is_bank_code
from smartsale_emu.units import MAX_AMOUNT, CurrencyCode, MinorUnits

PARTIAL = frozenset({Transaction.PURCHASE, Transaction.CASH, Transaction.PREAUTHORIZATION})
"""What may be approved in part: what takes money and follows nothing."""

_MOST_TIMES = 999_999


@dataclass(frozen=True, slots=True)
class Conditions:
    """When a rule holds. An empty set, or None, asks nothing. Amounts in minor units."""

    cards: frozenset[str] = frozenset()
    pans: frozenset[str] = frozenset()
    issuers: frozenset[str] = frozenset()
    operations: frozenset[Transaction] = frozenset()
    entry_modes: frozenset[EntryMode] = frozenset()
    terminals: frozenset[str] = frozenset()
    merchants: frozenset[str] = frozenset()
    amount_from: int | None = None
    amount_to: int | None = None
    date_from: date | None = None
    date_to: date | None = None
    time_from: time | None = None
    time_to: time | None = None


@dataclass(frozen=True, slots=True)
class BookRule:
    """One rule. ``place``: file, line and index. One of ``code``, ``amount``, ``share`` (per cent) is set."""

    name: str
    place: str
    conditions: Conditions
    code: str = ""
    amount: MinorUnits | None = None
    share: int | None = None
    nth: int | None = None
    every: int | None = None
    because: str = ""

    @property
    def counted(self) -> bool:
        """Tell whether the ledger must count how often it held."""
        return self.nth is not None or self.every is not None


@dataclass(frozen=True, slots=True)
class Issuer:
    """Whose cards they are. ``bins``: how their numbers begin; ``key``: slot of its master key, or empty;
    ``place``: where it stands in its file.

    ``operation_limit`` and ``day_limit`` in minor units: above them 61; ``day_count``: so many operations of
    one card a day, then 65. ``currency``: of its accounts. ``pin_tries``: in place of the card file's.
    """

    name: str
    bins: frozenset[str]
    key: str = ""
    operation_limit: MinorUnits | None = None
    day_limit: MinorUnits | None = None
    day_count: int | None = None
    currency: CurrencyCode | None = None
    pin_tries: int | None = None
    place: str = ""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """All of it; the empty one asks nothing and refuses nobody."""

    title: str = "nothing is ruled"
    origin: str = ""
    rules: tuple[BookRule, ...] = ()
    merchants: tuple[Merchant, ...] = ()
    issuers: tuple[Issuer, ...] = ()

    @classmethod
    def parse(cls, text: str, origin: str) -> "Rulebook":
        """Read the TOML text of a rulebook; ``origin`` names the file in errors.

        Raises:
            ProfileError: broken TOML, a key that is unknown, missing or has a bad value, two rules, merchants
                or issuers of one name, or an issuer that is not listed; names file, table and key.
        """
        title, tables = read_tables(text, origin, ("rule", "merchant", "issuer"))
        issuers = tuple(map(_issuer, tables["issuer"]))
        _refuse_twins(tables["issuer"], "name", [one.name for one in issuers])
        _refuse_shared_bins(tables["issuer"], issuers)
        merchants = tuple(map(_merchant, tables["merchant"]))
        _refuse_twins(tables["merchant"], "id", [one.number for one in merchants])
        rules = tuple(map(_rule, tables["rule"]))
        _refuse_twins(tables["rule"], "name", [one.name for one in rules])
        _refuse_strangers(rules, "issuers", {one.name for one in issuers})
        return cls(title, origin, rules, merchants, issuers)

    def check_cards(self, names: Iterable[str]) -> None:
        """Compare the cards that the rules name with those there are.

        Raises:
            ProfileError: a rule names a card that does not exist.
        """
        _refuse_strangers(self.rules, "cards", set(names))

    def check_codes(self, responses: ResponseMap) -> None:
        """Compare the codes of the rules with those that a host can write.

        Raises:
            ProfileError: a rule answers with a code that would become another one.
        """
        for rule in self.rules:
            if rule.code and not responses.has(rule.code):
                raise ProfileError(f"{rule.place}: code: the bank profile has no way to write {rule.code}")

    def issuer_of(self, pan: str) -> Issuer | None:
        """Return whose card a number belongs to: the longest beginning wins. None: nobody's.

        >>> short, long = Issuer("a", frozenset({"4"})), Issuer("b", frozenset({"4761"}))
        >>> book = Rulebook(issuers=(short, long))
        >>> book.issuer_of("4761739001010119").name, book.issuer_of("5413330089020011")
        ('b', None)
        """
        found = ((bin_, one) for one in self.issuers for bin_ in one.bins if pan.startswith(bin_))
        return max(found, key=lambda pair: len(pair[0]), default=("", None))[1]


NO_RULES = Rulebook()


def _issuer(table: Table) -> Issuer:
    bins = table.prefixes("bins")
    if not bins:
        raise table.error("bins", "is missing")
    issuer = Issuer(
        name=table.text("name"),
        bins=bins,
        key=table.text("key", ""),
        operation_limit=_amount(table, "operation_limit"),
        day_limit=_amount(table, "day_limit"),
        day_count=table.number("day_count", least=1, most=_MOST_TIMES),
        currency=_currency(table, table.text("currency", "") or None, "currency"),
        pin_tries=table.number("pin_tries", least=1, most=15),
        place=table.place,
    )
    table.refuse_unknown()
    return issuer


def _merchant(table: Table) -> Merchant:
    currencies = (_currency(table, one, "currencies") for one in table.texts("currencies"))
    merchant = Merchant(
        number=table.identifier("id", most=15),
        name=table.text("name"),
        terminals=table.identifiers("terminals", most=8),
        currencies=frozenset(one for one in currencies if one is not None),
        operations=_operations(table),
    )
    table.refuse_unknown()
    return merchant


def _rule(table: Table) -> BookRule:
    rule = BookRule(
        name=table.text("name"),
        place=table.place,
        conditions=_conditions(table),
        code=_code(table),
        amount=_amount(table, "approve_amount"),
        share=table.number("approve_share", least=1, most=99),
        nth=table.number("nth", least=1, most=_MOST_TIMES),
        every=table.number("every", least=1, most=_MOST_TIMES),
        because=table.text("because", ""),
    )
    table.refuse_unknown()
    if sum((bool(rule.code), rule.amount is not None, rule.share is not None)) != 1:
        raise table.error("code", "there must be one of code, approve_amount and approve_share, and only one")
    if rule.nth is not None and rule.every is not None:
        raise table.error("every", "is of no use beside nth")
    if not rule.code and not rule.conditions.operations <= PARTIAL:
        raise table.error("operations", f"only these are approved in part: {', '.join(sorted(PARTIAL))}")
    return rule


def _conditions(table: Table) -> Conditions:
    conditions = Conditions(
        cards=table.texts("cards"),
        pans=table.prefixes("pans"),
        issuers=table.texts("issuers"),
        operations=_operations(table),
        entry_modes=table.words("entry_modes", EntryMode),
        terminals=table.identifiers("terminals", most=8),
        merchants=table.identifiers("merchants", most=15),
        amount_from=table.number("amount_from", least=0, most=MAX_AMOUNT),
        amount_to=table.number("amount_to", least=0, most=MAX_AMOUNT),
        date_from=table.day("date_from"),
        date_to=table.day("date_to"),
        time_from=table.clock("time_from"),
        time_to=table.clock("time_to"),
    )
    _refuse_never(table, conditions)
    return conditions


def _refuse_never(table: Table, conditions: Conditions) -> None:
    """Refuse ranges in which nothing lies."""
    least, most = conditions.amount_from, conditions.amount_to
    if least is not None and most is not None and least > most:
        raise table.error("amount_to", "is less than amount_from")
    first, last = conditions.date_from, conditions.date_to
    if first is not None and last is not None and first > last:
        raise table.error("date_to", "is before date_from")
    if conditions.time_from is not None and conditions.time_from == conditions.time_to:
        raise table.error("time_to", "is the same as time_from")


def _operations(table: Table) -> frozenset[Transaction]:
    found = table.words("operations", Transaction)
    if not found <= RULES.keys():
        raise table.error("operations", f"only these ask something of an account: {', '.join(RULES)}")
    return found


def _code(table: Table) -> str:
    code = table.text("code", "")
    if code and not is_bank_code(code):
        raise table.error("code", "must be a response code of two characters")
    return code


def _amount(table: Table, key: str) -> MinorUnits | None:
    value = table.number(key, least=1, most=MAX_AMOUNT)
    return None if value is None else MinorUnits(value)


def _currency(table: Table, value: str | None, key: str) -> CurrencyCode | None:
    if value is None:
        return None
    if not (len(value) == 3 and value.isascii() and value.isdigit()):
        raise table.error(key, "must be a currency of three digits (ISO 4217)")
    return CurrencyCode(value)


def _refuse_twins(tables: Sequence[Table], key: str, names: Sequence[str]) -> None:
    for index, name in enumerate(names):
        if name in names[:index]:
            raise tables[index].error(key, "another table has the same")


def _refuse_shared_bins(tables: Sequence[Table], issuers: Sequence[Issuer]) -> None:
    taken: set[str] = set()
    for table, issuer in zip(tables, issuers, strict=True):
        if issuer.bins & taken:
            raise table.error("bins", "another issuer has one of these")
        taken |= issuer.bins


def _refuse_strangers(rules: Iterable[BookRule], key: str, known: set[str]) -> None:
    for rule in rules:
        named: frozenset[str] = getattr(rule.conditions, key)
        if not named <= known:
            there_is = ", ".join(sorted(known)) or "none"
            raise ProfileError(f"{rule.place}: {key}: one is not known; there is: {there_is}")
