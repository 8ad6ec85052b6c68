"""The operations of the terminal: one row each (PROTOCOL.md, sections 0.3, 5.4 and 5.5).

Everything by which operations differ stands in these rows: what the request must hold, what is asked of the
customer, what is said to the bank, what it may follow, and what it means for the money.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.receipt import Form
from smartsale_emu.sa.codes import CommandMode, OperationCode
from smartsale_emu.sa.fields import Tag
from smartsale_emu.sa.tlv import Message


class Name(StrEnum):
    """The operations by name: also the keys by which a profile speaks of them."""

    SALE = "sale"
    VOID = "void"
    RETURN = "return"
    RETURN_WITHOUT_REFERENCE = "return-without-reference"
    SETTLEMENT = "settlement"
    FULL_REPORT = "full-report"
    SHORT_REPORT = "short-report"
    RECEIPT_COPY = "receipt-copy"
    LINK_TEST = "link-test"
    KEY_CHANGE = "key-change"
    REVERSAL = "reversal"
    PREAUTHORIZATION = "preauthorization"
    RAISE = "raise"
    COMPLETION = "completion"
    TOP_UP = "top-up"
    CASH = "cash"
    BALANCE = "balance"
    CARD_DATA = "card-data"


class Undo(StrEnum):
    """What an interruption means for the money (0.3, first table)."""

    BY_REVERSAL = "0400 until answered"
    NEVER = "never reversed, repeated until answered"  # 53 asked by the register, settlement
    NOTHING = "nothing to undo"


class Flow(StrEnum):
    """Which way an operation goes through the table."""

    PAYMENT = "card if any, PIN if any, bank"
    CARD_ONLY = "card, no bank"
    MEMORY = "answered from the pinpad's memory"
    REVERSAL = "emergency reversal"
    SETTLEMENT = "settlement"


class CardNeed(StrEnum):
    """Which card is asked for."""

    NONE = "none"
    ANY = "any"
    ORIGINAL = "original"  # the one that the original operation was made with


class PinNeed(StrEnum):
    """Whether the PIN is asked for."""

    NEVER = "never"
    BY_CARD = "by-card"
    ALWAYS = "always"


class Day(StrEnum):
    """Until when the original of an operation may be followed."""

    OPEN = "the operating day in which it was made"
    LATER = "operating days after it"
    ANY = "any operating day"


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One operation.

    ``codes``: field 25, aliases behind the first. ``mode``: field 65. ``of_original``: told apart from the
    other operation of this code by naming an original (13 or 14). ``needs``: mandatory request fields beside
    25; ``optional``: fields that may be absent but not malformed. ``card`` and ``pin``: unless the profile
    says otherwise. ``follows``: the operations that its original may be, ``day``: until when. ``voided_as``:
    what a void of this operation is to the bank, None: it cannot be voided. ``answer``: the profile's list
    of answer fields. ``title``: as the receipt names it.
    """

    name: Name
    codes: tuple[OperationCode, ...]
    title: str
    flow: Flow
    answer: str
    mode: CommandMode | None = None
    of_original: bool | None = None
    needs: tuple[int, ...] = ()
    optional: tuple[int, ...] = ()
    card: CardNeed = CardNeed.NONE
    pin: PinNeed = PinNeed.NEVER
    follows: frozenset[Name] = frozenset()
    day: Day = Day.ANY
    step: Step = Step.FINANCIAL
    transaction: Transaction = Transaction.ECHO
    undo: Undo = Undo.NOTHING
    voided_as: Transaction | None = None
    form: Form = field(default=Form.APPROVED)

    @property
    def asks_bank(self) -> bool:
        """Whether it needs the bank."""
        return self.flow not in (Flow.CARD_ONLY, Flow.MEMORY)

    @property
    def leaves_slip(self) -> bool:
        """Whether it leaves a slip in the journal when the bank has answered it."""
        return self.flow is Flow.PAYMENT and self.step is Step.FINANCIAL

    @property
    def moves_money(self) -> bool:
        """Whether it moves money or holds it, and so stands in the journal."""
        return self.undo is Undo.BY_REVERSAL


_MONEY = (Tag.AMOUNT, Tag.CURRENCY_CODE)
_READ_CARD = (Tag.TRACK2,)
_REFERENCE = (Tag.REFERENCE_NUMBER, Tag.AUTHORIZATION_CODE, Tag.RECEIPT_NUMBER, Tag.SLIP_NUMBER_52)
_C, _T, _N = OperationCode, Transaction, Name

_ROWS = (
    Operation(
        name=_N.SALE,
        codes=(_C.SALE,),
        title="ОПЛАТА",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=_READ_CARD,
        card=CardNeed.ANY,
        pin=PinNeed.BY_CARD,
        transaction=_T.PURCHASE,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID,
    ),
    Operation(
        name=_N.VOID,
        codes=(_C.VOID,),
        title="ОТМЕНА",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=(*_REFERENCE, *_READ_CARD, Tag.ADDITIONAL_AMOUNT),
        card=CardNeed.ORIGINAL,
        follows=frozenset(
            {
                _N.SALE,
                _N.CASH,
                _N.COMPLETION,
                _N.TOP_UP,
                _N.RETURN,
                _N.RETURN_WITHOUT_REFERENCE,
                _N.PREAUTHORIZATION,
            }
        ),
        day=Day.OPEN,
        transaction=_T.VOID,
        undo=Undo.BY_REVERSAL,
    ),
    Operation(
        name=_N.RETURN,
        codes=(_C.RETURN, _C.REFUND),
        title="ВОЗВРАТ",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=(*_REFERENCE, *_READ_CARD, Tag.ADDITIONAL_AMOUNT),
        card=CardNeed.ORIGINAL,
        follows=frozenset({_N.SALE, _N.COMPLETION}),
        day=Day.LATER,
        transaction=_T.RETURN,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID_OF_CREDIT,
    ),
    Operation(
        name=_N.RETURN_WITHOUT_REFERENCE,
        codes=(_C.CREDIT_VOUCHER,),
        title="ВОЗВРАТ БЕЗ ССЫЛКИ",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=_READ_CARD,
        card=CardNeed.ANY,
        transaction=_T.RETURN,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID_OF_CREDIT,
    ),
    Operation(
        name=_N.PREAUTHORIZATION,
        codes=(_C.PREAUTHORIZATION, _C.AUTHORIZATION),
        of_original=False,
        title="ПРЕДАВТОРИЗАЦИЯ",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=_READ_CARD,
        card=CardNeed.ANY,
        pin=PinNeed.BY_CARD,
        transaction=_T.PREAUTHORIZATION,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID_OF_HOLD,
    ),
    Operation(
        name=_N.RAISE,
        codes=(_C.PREAUTHORIZATION, _C.AUTHORIZATION),
        of_original=True,
        title="ДОАВТОРИЗАЦИЯ",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=(*_REFERENCE, *_READ_CARD),
        card=CardNeed.ORIGINAL,
        follows=frozenset({_N.PREAUTHORIZATION}),
        transaction=_T.RAISE,
        undo=Undo.BY_REVERSAL,
    ),
    Operation(
        name=_N.COMPLETION,
        codes=(_C.COMPLETION,),
        title="ЗАВЕРШЕНИЕ ПРЕДАВТОРИЗАЦИИ",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=(*_REFERENCE, *_READ_CARD),
        follows=frozenset({_N.PREAUTHORIZATION}),
        transaction=_T.COMPLETION,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID,
    ),
    Operation(
        name=_N.TOP_UP,
        codes=(_C.TOP_UP,),
        title="ПОПОЛНЕНИЕ СЧЕТА",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=_READ_CARD,
        card=CardNeed.ANY,
        transaction=_T.TOP_UP,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID_OF_CREDIT,
    ),
    Operation(
        name=_N.CASH,
        codes=(_C.CASH,),
        title="ВЫДАЧА НАЛИЧНЫХ",
        flow=Flow.PAYMENT,
        answer="money",
        needs=_MONEY,
        optional=_READ_CARD,
        card=CardNeed.ANY,
        pin=PinNeed.ALWAYS,
        transaction=_T.CASH,
        undo=Undo.BY_REVERSAL,
        voided_as=_T.VOID,
    ),
    Operation(
        name=_N.BALANCE,
        codes=(_C.BALANCE,),
        title="ЗАПРОС БАЛАНСА",
        flow=Flow.PAYMENT,
        answer="balance",
        needs=(Tag.CURRENCY_CODE,),
        optional=_READ_CARD,
        card=CardNeed.ANY,
        pin=PinNeed.ALWAYS,
        transaction=_T.BALANCE,
        form=Form.BALANCE,
    ),
    Operation(
        name=_N.CARD_DATA,
        codes=(_C.CARD_DATA,),
        title="ДАННЫЕ КАРТЫ",
        flow=Flow.CARD_ONLY,
        answer="card-data",
        card=CardNeed.ANY,
    ),
    Operation(
        name=_N.SETTLEMENT,
        codes=(_C.SETTLEMENT,),
        title="СВЕРКА ИТОГОВ",
        flow=Flow.SETTLEMENT,
        answer="settlement",
        step=Step.RECONCILIATION,
        transaction=_T.SETTLEMENT,
        undo=Undo.NEVER,
        form=Form.SETTLEMENT,
    ),
    Operation(
        name=_N.SHORT_REPORT,
        codes=(_C.USER_COMMAND,),
        mode=CommandMode.SHORT_REPORT,
        title="КРАТКИЙ ОТЧЕТ",
        flow=Flow.MEMORY,
        answer="report",
        form=Form.SHORT_REPORT,
    ),
    Operation(
        name=_N.FULL_REPORT,
        codes=(_C.USER_COMMAND,),
        mode=CommandMode.FULL_REPORT,
        title="ПОЛНЫЙ ОТЧЕТ",
        flow=Flow.MEMORY,
        answer="report",
        form=Form.FULL_REPORT,
    ),
    Operation(
        name=_N.RECEIPT_COPY,
        codes=(_C.USER_COMMAND,),
        mode=CommandMode.RECEIPT_COPY,
        title="КОПИЯ ЧЕКА",
        flow=Flow.MEMORY,
        answer="report",
        optional=(*_REFERENCE, Tag.COMMAND_MODE),
    ),
    Operation(
        name=_N.LINK_TEST,
        codes=(_C.TEST_CONNECTION,),
        title="ПРОВЕРКА СОЕДИНЕНИЯ",
        flow=Flow.PAYMENT,
        answer="link-test",
        step=Step.NETWORK,
        transaction=_T.ECHO,
    ),
    Operation(
        name=_N.KEY_CHANGE,
        codes=(_C.LOAD_KEYS, _C.DYNAMIC_KEY_CHANGE),
        title="СМЕНА КЛЮЧЕЙ",
        flow=Flow.PAYMENT,
        answer="link-test",
        step=Step.NETWORK,
        transaction=_T.KEY_CHANGE,
    ),
    Operation(
        name=_N.REVERSAL,
        codes=(_C.EMERGENCY_REVERSAL,),
        title="АВАРИЙНАЯ ОТМЕНА",
        flow=Flow.REVERSAL,
        answer="money",
        optional=(*_MONEY, Tag.REFERENCE_NUMBER, Tag.AUTHORIZATION_CODE),
        step=Step.REVERSAL,
        undo=Undo.NEVER,
        form=Form.REVERSED,
    ),
)

OPERATIONS: dict[Name, Operation] = {row.name: row for row in _ROWS}
CODES: frozenset[int] = frozenset(int(code) for row in _ROWS for code in row.codes)
"""Every number that field 25 of a request may have."""

CODE_DIGITS = 9
"""Fields 25 and 65 may have leading zeros, up to so many digits in all."""

_REFERS = (Tag.REFERENCE_NUMBER, Tag.AUTHORIZATION_CODE)


def find_operation(message: Message) -> Operation | None:
    """Return the operation that a request asks for, or None.

    >>> find_operation(Message.of({25: 63, 65: 21})).name
    <Name.FULL_REPORT: 'full-report'>
    >>> [find_operation(Message.of({25: 15, 14: rrn})).name.value for rrn in ("", "632708000001")]
    ['preauthorization', 'raise']
    """
    code = message.number(Tag.OPERATION_CODE, most_digits=CODE_DIGITS)
    mode = message.number(Tag.COMMAND_MODE2, most_digits=CODE_DIGITS)
    refers = any((message.text(tag) or "").strip() for tag in _REFERS)
    for row in _ROWS:
        if code not in row.codes or row.mode not in (None, mode):
            continue
        if row.of_original is None or row.of_original is refers:
            return row
    return None
