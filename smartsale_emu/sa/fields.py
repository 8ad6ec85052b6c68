"""The field table, and what of a field may be shown (PROTOCOL.md, section 4).

Showing is denied by default: a field that is not in the table, a field with a secret, a value that breaks the
field's limits, all appear as their length. Digits that could be a card number are masked 6/4 everywhere.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, IntEnum
from types import MappingProxyType
from typing import Final

from smartsale_emu.pan import mask_pan, mask_text
from smartsale_emu.sa.tlv import ENCODING, Record


class Tag(IntEnum):
    """Field numbers by name. Numbers that no source uses, 20, 22, 35, 38, 45, 58 and others, have no name."""

    AMOUNT = 0
    ADDITIONAL_AMOUNT = 1
    CURRENCY_CODE = 4
    SETTLEMENT_CURRENCY = 5
    DATE_TIME_HOST = 6
    SETTLEMENT_DATE_TIME = 7
    CARD_ENTRY_MODE = 8
    PIN_CODING_MODE = 9
    PAN = 10
    CARD_EXPIRY_DATE = 11
    TRACK2 = 12
    AUTHORIZATION_CODE = 13
    REFERENCE_NUMBER = 14
    RESPONSE_CODE_HOST = 15
    PIN_BLOCK = 16
    PIN_KEY = 17
    WORK_KEY = 18
    TEXT_RESPONSE = 19
    TERMINAL_DATE_TIME = 21
    TRX_ID = 23
    HOST_TERMINAL_ID = 24
    OPERATION_CODE = 25
    TERMINAL_TRX_ID = 26
    TERMINAL_ID = 27
    MERCHANT_ID = 28
    DEBIT_AMOUNT = 29
    DEBIT_COUNT = 30
    CREDIT_AMOUNT = 31
    CREDIT_COUNT = 32
    BATCH_NUMBER = 33
    ORIG_OPERATION = 34
    MAC = 36
    HOST_ID = 37
    STATUS = 39
    ADMIN_TRACK2 = 40
    ADMIN_PIN_BLOCK = 41
    ADMIN_PAN = 42
    ADMIN_EXPIRY_DATE = 43
    TRACK1 = 44
    ADMIN_CARD_ENTRY_MODE = 46
    CVV2 = 47
    ENCRYPTION_ALGORITHM = 48
    VOID_DEBIT_AMOUNT = 49
    VOID_DEBIT_COUNT = 50
    VOID_CREDIT_AMOUNT = 51
    SLIP_NUMBER_52 = 52
    PROCESSING_FLAG = 53
    HOST_TRX_ID = 54
    EMV_DATA = 55
    RECIPIENT_ADDRESS = 56
    CARD_WAIT_TIMEOUT = 57
    ENCRYPTED_DATA = 59
    FILE_NAME = 60
    FILE_ID = 61
    DEVICE_TYPE = 62
    SERIAL_NUMBER = 63
    COMMAND_MODE = 64
    COMMAND_MODE2 = 65
    COMMAND_MODE3 = 66
    COMMAND_RESULT = 67
    DATA_LENGTH = 68
    DATA_MD5 = 69
    FILE_DATA = 70
    SCREEN_MESSAGE = 71
    RANDOM = 72
    DATA_TYPE = 73
    FILE_DATE_TIME = 74
    MASTER_KEY_ID = 75
    CASHIER_REQUEST = 76
    CASHIER_RESPONSE = 77
    EMV_FLAG = 78
    ACCOUNT_TYPE = 79
    COMMODITY_CODE = 80
    PAYMENT_DETAILS = 81
    PROVIDER_CODE = 82
    ACQUIRER = 83
    PHYSICAL_NUMBER = 84
    LOG_FILE_COMMAND = 85
    ADDITIONAL_DATA = 86
    RESULT_FILE = 87
    REPORT_FILE = 88
    MODEL_NO = 89
    RECEIPT_DATA = 90
    PULSAR_TAGS = 91
    CURRENT_TIME = 94
    NEW_PIN = 95
    PROCESSING_STEP = 96
    TRACK3 = 97
    APPLICATION_SETTING = 102
    OS_VERSION = 103
    BANK_TERMINAL_ID = 104
    BANK_NAME = 105
    CONNECTOR_STATUS = 106
    COMPLETION_STATUS = 107
    RECEIPT_NUMBER = 108
    HOST_PRIVATE_253 = 253
    HOST_PRIVATE_255 = 255


class Kind(Enum):
    """How a value is written."""

    TEXT = "S"
    INTEGER = "I"  # decimal text, may be -1
    BINARY = "B"
    UNKNOWN = "?"


class Direction(Enum):
    """Who sends the field."""

    TO_PINPAD = "→"
    TO_REGISTER = "←"
    BOTH = "↔"
    UNKNOWN = "?"


class Policy(Enum):
    """What a trace or a person may see of a value."""

    SHOW = "show"  # as text, digits that could be a card number masked
    DATE = "date"  # as text if it is a date and time, else the length
    MASK = "mask"  # a card number, 6/4
    LENGTH = "length"  # binary or bulky: the length
    HIDE = "hide"  # a secret: the length


@dataclass(frozen=True, slots=True)
class Field:
    """One row of the table. ``max_length``: bytes, None when not known. ``mark``: as in PROTOCOL.md."""

    tag: Tag
    kind: Kind
    meaning: str
    direction: Direction
    mark: str
    max_length: int | None = None
    policy: Policy = Policy.SHOW

    @property
    def number(self) -> int:
        """The field number, 0 to 255."""
        return int(self.tag)

    @property
    def name(self) -> str:
        """The name in capitals, ``CARD_EXPIRY_DATE``."""
        return self.tag.name


_S, _I, _B, _U = Kind.TEXT, Kind.INTEGER, Kind.BINARY, Kind.UNKNOWN
_IN, _OUT, _BOTH, _ANY = Direction.TO_PINPAD, Direction.TO_REGISTER, Direction.BOTH, Direction.UNKNOWN
_DATE, _MASK, _LENGTH, _HIDE = Policy.DATE, Policy.MASK, Policy.LENGTH, Policy.HIDE

_ROWS = (
    Field(Tag.AMOUNT, _S, "amount in minor units", _BOTH, "[10+] [log]", 12),
    Field(Tag.ADDITIONAL_AMOUNT, _S, "original amount of a partial void", _IN, "[4]", 12),
    Field(Tag.CURRENCY_CODE, _S, "currency, ISO 4217 numeric", _BOTH, "[10+] [log]", 3),
    Field(Tag.SETTLEMENT_CURRENCY, _S, "settlement currency", _ANY, "[1]", 3),
    Field(Tag.DATE_TIME_HOST, _S, "host date and time", _OUT, "[8] [log]", 14, _DATE),
    Field(Tag.SETTLEMENT_DATE_TIME, _S, "settlement date and time", _ANY, "[1]", 14, _DATE),
    Field(Tag.CARD_ENTRY_MODE, _I, "card entry mode, 3 = by the pinpad", _BOTH, "[4]", 3),
    Field(Tag.PIN_CODING_MODE, _I, "PIN coding mode", _ANY, "[3]", 3),
    Field(Tag.PAN, _S, "masked card number", _OUT, "[8] [log]", 19, _MASK),
    Field(Tag.CARD_EXPIRY_DATE, _S, "card expiry, YYMM", _OUT, "[6] [log]", 4),
    Field(Tag.TRACK2, _S, "track 2 of a card read by the register", _IN, "[4]", None, _HIDE),
    Field(Tag.AUTHORIZATION_CODE, _S, "authorization code", _BOTH, "[10] [log]", 8),
    Field(Tag.REFERENCE_NUMBER, _S, "reference number (RRN)", _BOTH, "[10] [log]", 12),
    Field(Tag.RESPONSE_CODE_HOST, _S, "response code of the host", _OUT, "[9] [log]", 8),
    Field(Tag.PIN_BLOCK, _S, "PIN block", _ANY, "[3]", None, _HIDE),
    Field(Tag.PIN_KEY, _S, "PIN key", _ANY, "[3]", None, _HIDE),
    Field(Tag.WORK_KEY, _S, "work key (MAC key)", _ANY, "[3]", None, _HIDE),
    Field(Tag.TEXT_RESPONSE, _S, "text for the cashier", _OUT, "[9] [log]"),
    Field(Tag.TERMINAL_DATE_TIME, _S, "terminal date and time", _BOTH, "[7] [log]", 14, _DATE),
    Field(Tag.TRX_ID, _I, "id in the communication server, -1 or 0", _OUT, "[7] [log]", 12),
    Field(Tag.HOST_TERMINAL_ID, _S, "host terminal id", _ANY, "[1]", 16),
    Field(Tag.OPERATION_CODE, _I, "operation code", _BOTH, "[all] [log]", 3),
    Field(Tag.TERMINAL_TRX_ID, _I, "number given by the register", _BOTH, "[8] [log]", 6),
    Field(Tag.TERMINAL_ID, _S, "terminal id, may be empty in a request", _BOTH, "[10] [log]", 8),
    Field(Tag.MERCHANT_ID, _S, "merchant id, 0 when the host was not reached", _OUT, "[8] [log]", 15),
    Field(Tag.DEBIT_AMOUNT, _S, "total of debits", _ANY, "[4]", 12),
    Field(Tag.DEBIT_COUNT, _S, "number of debits", _ANY, "[4]", 12),
    Field(Tag.CREDIT_AMOUNT, _S, "total of credits", _ANY, "[4]", 12),
    Field(Tag.CREDIT_COUNT, _S, "number of credits", _ANY, "[4]", 12),
    Field(Tag.BATCH_NUMBER, _S, "batch number", _ANY, "[1]", 12),
    Field(Tag.ORIG_OPERATION, _I, "operation being voided", _IN, "[4]", 3),
    Field(Tag.MAC, _S, "MAC", _ANY, "[3]", None, _HIDE),
    Field(Tag.HOST_ID, _U, "host id", _ANY, "[1]", 12),
    Field(Tag.STATUS, _I, "status", _OUT, "[all] [log]", 3),
    Field(Tag.ADMIN_TRACK2, _S, "track 2 of the merchant card", _IN, "[3]", None, _HIDE),
    Field(Tag.ADMIN_PIN_BLOCK, _S, "PIN block of the merchant card", _IN, "[3]", None, _HIDE),
    Field(Tag.ADMIN_PAN, _S, "number of the merchant card", _IN, "[3]", 19, _MASK),
    Field(Tag.ADMIN_EXPIRY_DATE, _S, "expiry of the merchant card", _IN, "[3]", 4),
    Field(Tag.TRACK1, _S, "track 1", _ANY, "[2]", None, _HIDE),
    Field(Tag.ADMIN_CARD_ENTRY_MODE, _I, "entry mode of the merchant card", _ANY, "[3]", 3),
    Field(Tag.CVV2, _S, "card verification value", _ANY, "[3]", None, _HIDE),
    Field(Tag.ENCRYPTION_ALGORITHM, _U, "encryption algorithm", _ANY, "[1]", None, _LENGTH),
    Field(Tag.VOID_DEBIT_AMOUNT, _S, "total of voided debits", _ANY, "[4]", 12),
    Field(Tag.VOID_DEBIT_COUNT, _S, "number of voided debits; newer: response status", _ANY, "[3]", 12),
    Field(Tag.VOID_CREDIT_AMOUNT, _S, "total of voided credits; newer: completion status", _ANY, "[3]", 12),
    Field(Tag.SLIP_NUMBER_52, _S, "number of voided credits; newer: slip number", _BOTH, "[3]", 12),
    Field(Tag.PROCESSING_FLAG, _I, "processing flag; SBP step", _IN, "[3]", 12),
    Field(Tag.HOST_TRX_ID, _I, "STAN on the host", _ANY, "[3]", 12),
    Field(Tag.EMV_DATA, _B, "EMV data", _ANY, "[2]", None, _LENGTH),
    Field(Tag.RECIPIENT_ADDRESS, _I, "recipient address", _ANY, "[3]", 12),
    Field(Tag.CARD_WAIT_TIMEOUT, _I, "card wait or screen time, seconds", _IN, "[3]", 6),
    Field(Tag.ENCRYPTED_DATA, _B, "encrypted data", _ANY, "[2] [log]", None, _LENGTH),
    Field(Tag.FILE_NAME, _S, "file name", _ANY, "[2]"),
    Field(Tag.FILE_ID, _S, "file id", _ANY, "[2]", 12),
    Field(Tag.DEVICE_TYPE, _S, "device type", _ANY, "[2]"),
    Field(Tag.SERIAL_NUMBER, _S, "serial number", _ANY, "[2]"),
    Field(Tag.COMMAND_MODE, _I, "sub-mode of field 65", _BOTH, "[7] [log]", 3),
    Field(Tag.COMMAND_MODE2, _I, "user command", _BOTH, "[9] [log]", 3),
    Field(Tag.COMMAND_MODE3, _U, "mode 3", _ANY, "[1]", 3),
    Field(Tag.COMMAND_RESULT, _I, "result of a user command", _BOTH, "[6] [log]", 3),
    Field(Tag.DATA_LENGTH, _U, "data length", _ANY, "[1]", 12),
    Field(Tag.DATA_MD5, _B, "MD5 of data; RSA exponent", _IN, "[1] [obs]", None, _LENGTH),
    Field(Tag.FILE_DATA, _B, "host address or raw bytes", _BOTH, "[5] [log]", None, _LENGTH),
    Field(Tag.SCREEN_MESSAGE, _S, "message to the screen, header LF footer", _IN, "[3]"),
    Field(Tag.RANDOM, _U, "random bytes", _ANY, "[1]", None, _HIDE),
    Field(Tag.DATA_TYPE, _U, "data type", _ANY, "[1]", 12),
    Field(Tag.FILE_DATE_TIME, _U, "file date and time", _ANY, "[1]", 14, _DATE),
    Field(Tag.MASTER_KEY_ID, _U, "master key id", _ANY, "[1]", None, _LENGTH),
    Field(Tag.CASHIER_REQUEST, _S, "question for the cashier, parts split by ^", _OUT, "[4]"),
    Field(Tag.CASHIER_RESPONSE, _S, "answer of the cashier", _IN, "[3]", None, _LENGTH),
    Field(Tag.EMV_FLAG, _U, "EMV flag", _ANY, "[1]", 3),
    Field(Tag.ACCOUNT_TYPE, _S, "account type", _ANY, "[2]", 12),
    Field(Tag.COMMODITY_CODE, _S, "commodity code", _IN, "[3]"),
    Field(Tag.PAYMENT_DETAILS, _S, "payment details", _ANY, "[2]"),
    Field(Tag.PROVIDER_CODE, _S, "provider code", _ANY, "[2]"),
    Field(Tag.ACQUIRER, _S, "acquirer", _ANY, "[1]"),
    Field(Tag.PHYSICAL_NUMBER, _U, "device physical number", _ANY, "[1]", None, _LENGTH),
    Field(Tag.LOG_FILE_COMMAND, _U, "log file command", _ANY, "[1]", None, _LENGTH),
    Field(Tag.ADDITIONAL_DATA, _B, "additional data", _OUT, "[6] [log]", None, _LENGTH),
    Field(Tag.RESULT_FILE, _S, "result file", _ANY, "[2]"),
    Field(Tag.REPORT_FILE, _S, "report file", _ANY, "[2]"),
    Field(Tag.MODEL_NO, _S, "register software", _IN, "[5] [log] [obs]"),
    Field(Tag.RECEIPT_DATA, _S, "receipt data", _BOTH, "[all] [log]"),
    Field(Tag.PULSAR_TAGS, _B, "PULSAR tags, e.g. a CA certificate", _OUT, "[3] [log 1]", None, _LENGTH),
    Field(Tag.CURRENT_TIME, _U, "current time", _ANY, "[1]", 14, _DATE),
    Field(Tag.NEW_PIN, _U, "new PIN", _ANY, "[1]", None, _HIDE),
    Field(Tag.PROCESSING_STEP, _B, "processing step", _ANY, "[1]", None, _LENGTH),
    Field(Tag.TRACK3, _S, "track 3", _ANY, "[1]", None, _HIDE),
    Field(Tag.APPLICATION_SETTING, _U, "application setting", _ANY, "[1]", None, _LENGTH),
    Field(Tag.OS_VERSION, _U, "terminal OS version", _ANY, "[1]"),
    Field(Tag.BANK_TERMINAL_ID, _U, "bank host terminal id", _ANY, "[1]", 16),
    Field(Tag.BANK_NAME, _U, "bank name", _ANY, "[1]"),
    Field(Tag.CONNECTOR_STATUS, _I, "response status of DualConnector", _ANY, "[2]", 12),
    Field(Tag.COMPLETION_STATUS, _I, "completion status from the cash register", _ANY, "[2]", 12),
    Field(Tag.RECEIPT_NUMBER, _S, "number of the slip", _BOTH, "[3]", 12),
    Field(Tag.HOST_PRIVATE_253, _B, "in host messages only", _ANY, "[1] [log]", None, _LENGTH),
    Field(Tag.HOST_PRIVATE_255, _B, "in host messages only", _ANY, "[1] [log]", None, _LENGTH),
)

FIELDS: Final[Mapping[int, Field]] = MappingProxyType({row.number: row for row in _ROWS})
"""One row per known field number (section 4)."""

DATE_TIME: Final = re.compile(
    r"(?:(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])[0-2]\d[0-5]\d[0-5]\d)?"
)
"""A date and time, ``YYYYMMDDHHMMSS``, or nothing."""

MASKED_PAN: Final = re.compile(r"[0-9*]{4,19}")
"""A card number, clear or masked."""


def display(record: Record) -> tuple[str, str]:
    """Return the name of a field and what may be shown of its value, on one line.

    >>> display(Record(25, b"53")), display(Record(10, b"2200123456789019"))
    (('OPERATION_CODE', '53'), ('PAN', '220012******9019'))
    >>> display(Record(12, b"2200123456789019=3012")), display(Record(200, b"?"))
    (('TRACK2', '‹21 bytes›'), ('FIELD_200', '‹1 bytes›'))
    """
    row = FIELDS.get(record.tag)
    if row is None:
        return f"FIELD_{record.tag}", _length(record.value)
    return row.name, _shown(row, record.value)


def _shown(row: Field, value: bytes) -> str:
    text = value.decode(ENCODING, errors="replace")
    match row.policy:
        case Policy.SHOW if row.max_length is None or len(value) <= row.max_length:
            return _one_line(mask_text(text))
        case Policy.DATE if DATE_TIME.fullmatch(text):
            return text
        case Policy.MASK if MASKED_PAN.fullmatch(text):
            return mask_pan(text)
        case _:
            return _length(value)


def _length(value: bytes) -> str:
    return f"‹{len(value)} bytes›"


def _one_line(text: str) -> str:
    """Escape control characters: a receipt stays on one line, and no peer drives the screen."""
    return "".join(char if char.isprintable() else _escape(char) for char in text)


def _escape(char: str) -> str:
    return {"\r": "\\r", "\n": "\\n", "\t": "\\t"}.get(char, f"\\x{ord(char):02x}")
