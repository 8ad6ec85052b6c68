"""The numbers of the protocol as enums and tables (PROTOCOL.md, sections 2, 5, 6 and 11.2).

Pure data. A number that stands in no enum is legal on the line; look it up with ``title`` or compare as int.
"""

from collections.abc import Mapping
from enum import IntEnum
from types import MappingProxyType
from typing import Final, NamedTuple


class ControlByte(IntEnum):
    """Control bytes (section 2). ENQ and ETX have names but no known use."""

    SOH = 0x01
    STX = 0x02
    ETX = 0x03
    EOT = 0x04
    ENQ = 0x05
    ACK = 0x06
    NAK = 0x15


class OperationCode(IntEnum):
    """Field 25 (sections 5.1 and 5.4)."""

    SALE = 1
    CASH = 2
    REFUND = 3
    VOID = 4
    BALANCE = 13
    AUTHORIZATION = 14
    PREAUTHORIZATION = 15
    COMPLETION = 16
    TRANSACTION_LOG = 18
    TOP_UP = 19
    WAIT = 21
    MAIL_ORDER = 22
    LOGON = 24
    LOGOFF = 25
    TEST_CONNECTION = 26
    RETURN = 29
    SESSION_OPEN = 31
    SET_SESSION_KEY = 32
    SESSION_CLOSE = 33
    SEND_ENCRYPTED = 34
    FILE_OPEN = 35
    FILE_SIZE = 36
    FILE_WRITE = 37
    FILE_READ = 38
    FILE_CLOSE = 39
    CLEAR_DIRECTORY = 40
    MESSAGE = 41
    FILE_SEEK = 42
    SET_DATE = 43
    COMPUTE_MAC = 44
    GET_PIN = 45
    UNLOAD_CRYPTOGRAM = 46
    SALE_WITH_CASH = 47
    SERVICES = 49
    EXCHANGE_FIELD_55 = 51
    CASHIER_QUESTION = 52
    EMERGENCY_REVERSAL = 53
    FILE_DELETE = 54
    FILE_FIND = 55
    FILE_RENAME = 56
    CARD_DATA = 57
    BILL_PAYMENT_AUTHORIZATION = 58
    SETTLEMENT = 59
    MINI_STATEMENT = 60
    PAYMENT = 61
    BILL_PAYMENT = 62
    USER_COMMAND = 63
    ENCRYPTION_MODE = 64
    SET_FILE_SIZE = 65
    LOAD_KEYS = 66
    REMOTE_PREAUTHORIZATION = 67
    REMOTE_COMPLETION = 68
    START_LOADING = 69
    COMPUTE_DES = 70
    CREDIT_VOUCHER = 71
    XML_COMMAND = 72
    PIN_CHANGE = 73
    UNBLOCK_APPLICATION = 74
    LOYALTY_REQUEST = 75
    DYNAMIC_KEY_CHANGE = 76
    KEY_INFO = 77
    LOAD_PIN_KEY = 78
    UNBLOCK_OFFLINE_PIN = 79
    BILL_PAYMENT_COMPLETION = 80
    SAM_SERIAL_NUMBERS = 81
    ACTIVATE_CARD = 82
    RETURN_CARD = 83


OLD_FORMS: Final = frozenset((5, 6, 7, 8, 9, 10, 11, 12, 17, 23, 28, 30, 48, 50))
"""Voids and offline twins of earlier terminals; their single meanings are not known (section 5.4)."""


class Title(NamedTuple):
    """The name of an operation for people."""

    english: str
    russian: str


_C = OperationCode
TITLES: Final[Mapping[int, Title]] = MappingProxyType(
    {
        _C.SALE: Title("sale", "Оплата товаров и услуг"),
        _C.CASH: Title("cash withdrawal", "Снятие наличных"),
        _C.REFUND: Title("refund", "Возврат оплаты"),
        _C.VOID: Title("void", "Отмена оплаты"),
        _C.BALANCE: Title("balance inquiry", "Запрос баланса"),
        _C.AUTHORIZATION: Title("authorization", "Авторизация"),
        _C.PREAUTHORIZATION: Title("pre-authorization", "Преавторизация"),
        _C.COMPLETION: Title("pre-authorization completion", "Завершение преавторизации"),
        _C.TRANSACTION_LOG: Title("transaction log", "Журнал операций"),
        _C.TOP_UP: Title("top-up", "Пополнение счёта"),
        _C.WAIT: Title("wait", "Ожидание"),
        _C.MAIL_ORDER: Title("mail order", "Заказ по почте"),
        _C.LOGON: Title("logon", "Вход"),
        _C.LOGOFF: Title("logoff", "Выход"),
        _C.TEST_CONNECTION: Title("test connection", "Проверка соединения"),
        _C.RETURN: Title("return", "Возврат оплаты"),
        _C.SESSION_OPEN: Title("session open", "Открытие сеанса"),
        _C.SET_SESSION_KEY: Title("set session key", "Установка сеансового ключа"),
        _C.SESSION_CLOSE: Title("session close", "Закрытие сеанса"),
        _C.SEND_ENCRYPTED: Title("send encrypted data", "Передача шифрованных данных"),
        _C.FILE_OPEN: Title("file open", "Открытие файла"),
        _C.FILE_SIZE: Title("file size", "Размер файла"),
        _C.FILE_WRITE: Title("file write", "Запись в файл"),
        _C.FILE_READ: Title("file read", "Чтение файла"),
        _C.FILE_CLOSE: Title("file close", "Закрытие файла"),
        _C.CLEAR_DIRECTORY: Title("clear directory", "Очистка каталога"),
        _C.MESSAGE: Title("message on the screen", "Сообщение на экране"),
        _C.FILE_SEEK: Title("file seek", "Позиция в файле"),
        _C.SET_DATE: Title("set date", "Установка даты"),
        _C.COMPUTE_MAC: Title("compute MAC", "Вычисление MAC"),
        _C.GET_PIN: Title("get PIN", "Ввод ПИН"),
        _C.UNLOAD_CRYPTOGRAM: Title("unload cryptogram", "Выгрузка криптограммы"),
        _C.SALE_WITH_CASH: Title("sale with cash", "Оплата с выдачей наличных"),
        _C.SERVICES: Title("services", "Услуги"),
        _C.EXCHANGE_FIELD_55: Title("exchange of field 55", "Обмен полем 55"),
        _C.CASHIER_QUESTION: Title("question to the cashier", "Запрос кассиру"),
        _C.EMERGENCY_REVERSAL: Title("emergency reversal", "Аварийная отмена"),
        _C.FILE_DELETE: Title("file delete", "Удаление файла"),
        _C.FILE_FIND: Title("file find", "Поиск файла"),
        _C.FILE_RENAME: Title("file rename", "Переименование файла"),
        _C.CARD_DATA: Title("card data", "Получение данных карты"),
        _C.BILL_PAYMENT_AUTHORIZATION: Title("bill payment authorization", "Авторизация оплаты счёта"),
        _C.SETTLEMENT: Title("settlement", "Сверка итогов"),
        _C.MINI_STATEMENT: Title("mini statement", "Мини-выписка"),
        _C.PAYMENT: Title("payment", "Платёж"),
        _C.BILL_PAYMENT: Title("bill payment", "Оплата счёта"),
        _C.USER_COMMAND: Title("user command", "Команда пользователя"),
        _C.ENCRYPTION_MODE: Title("encryption mode", "Режим шифрования"),
        _C.SET_FILE_SIZE: Title("set file size", "Установка размера файла"),
        _C.LOAD_KEYS: Title("load keys", "Загрузка ключей"),
        _C.REMOTE_PREAUTHORIZATION: Title("remote pre-authorization", "Удалённая преавторизация"),
        _C.REMOTE_COMPLETION: Title("remote completion", "Удалённое завершение преавторизации"),
        _C.START_LOADING: Title("start loading the device", "Начало загрузки устройства"),
        _C.COMPUTE_DES: Title("compute DES", "Вычисление DES"),
        _C.CREDIT_VOUCHER: Title("return without reference", "Возврат без ссылки на оплату"),
        _C.XML_COMMAND: Title("XML command", "Команда XML"),
        _C.PIN_CHANGE: Title("PIN change", "Смена ПИН"),
        _C.UNBLOCK_APPLICATION: Title("unblock application", "Разблокировка приложения"),
        _C.LOYALTY_REQUEST: Title("loyalty request", "Запрос лояльности"),
        _C.DYNAMIC_KEY_CHANGE: Title("dynamic key change", "Смена ключей"),
        _C.KEY_INFO: Title("key information", "Сведения о ключах"),
        _C.LOAD_PIN_KEY: Title("load PIN key", "Загрузка ключа ПИН"),
        _C.UNBLOCK_OFFLINE_PIN: Title("unblock offline PIN", "Разблокировка офлайн-ПИН"),
        _C.BILL_PAYMENT_COMPLETION: Title("bill payment completion", "Завершение оплаты счёта"),
        _C.SAM_SERIAL_NUMBERS: Title("SAM serial numbers", "Серийные номера SAM"),
        _C.ACTIVATE_CARD: Title("activate card", "Активация карты"),
        _C.RETURN_CARD: Title("return card", "Возврат карты"),
    }
)
"""English and Russian names; those of the fifteen documented operations are the vendor's own."""


def title(code: int) -> Title:
    """Return the names of an operation code, also of one that is not known.

    >>> title(53).english, title(200).english
    ('emergency reversal', 'unknown operation 200')
    """
    if code in OLD_FORMS:
        return Title(f"old operation {code}", f"устаревшая операция {code}")
    return TITLES.get(code, Title(f"unknown operation {code}", f"неизвестная операция {code}"))


class Status(IntEnum):
    """Field 39 (section 6). Only ``DONE`` is success. 100 to 104 and -1 are made by register software."""

    NOT_PERFORMED = 0
    DONE = 1
    DONE_WITH_CONDITIONS = 2
    DONE_AND_REVERSED = 13
    DECLINED = 16
    DONE_OFFLINE = 17
    NO_CONNECTION = 34
    ABORTED = 53
    GENERAL_ERROR = 100
    VOICE_CALL_NEEDED = 101  # the console program gives 101 another meaning: client library not loaded
    CHANNEL_PARAMETERS = 102
    EXCHANGE_ERROR = 103
    REPORT_FILES_NOT_DELETED = 104
    NO_VALUE = -1


class CommandMode(IntEnum):
    """Field 65 of a user command, operation 63 (section 5.2)."""

    HOST_CONNECTION = 16  # asked by the pinpad: 64 = 1 opens, 0 closes
    HOST_DATA = 17  # asked by the pinpad: 64 = 0 sends field 70, 1 fetches
    HOST_TLS_KEYS = 18  # asked by the pinpad; seen once, not needed
    SHORT_REPORT = 20
    FULL_REPORT = 21
    RECEIPT_COPY = 22  # 64 = 0 chosen by 13, 14, 108 or 52; 1 the last one


class CommandResult(IntEnum):
    """Field 67 (sections 5.2 and 6)."""

    OK = 0
    ERROR = 1  # also: nothing to fetch yet
    PASSWORD_NEEDED = 2
    NO_OPERATOR_WINDOW = 3


class ConnectorError(IntEnum):
    """Error codes of the vendor's DualConnector library (section 11.2)."""

    OK = 0
    TIMEOUT = 1
    LOG_ERROR = 2
    SYSTEM_ERROR = 3
    REQUEST_ERROR = 4
    CONFIG_REDIRECT = 5
    CONFIG_NOT_FOUND = 6
    CONFIG_ERROR_FORMAT = 7
    CONFIG_ERROR_LOG = 8
    CONFIG_ERROR_DEVICES = 9
    CONFIG_ERROR_DUBLCOMPORTS = 10
    CONFIG_ERROR_OUTPUT = 11
    PRINT_ERROR = 12
    ERROR_CONNECT = 13
    CONFIG_ERROR_GUI = 14
    CANCEL_OPERATION = 15
    DEVICE_BUSY = 16
    UNKNOWN = 255
