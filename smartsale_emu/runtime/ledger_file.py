"""The bank's ledger in an SQLite file: one transaction per message, on disk before the bank answers."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from smartsale_emu.errors import StateError
from smartsale_emu.host.ledger import AccountState, Changes, Operation, OperationKey, OperationState
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.units import CurrencyCode, MinorUnits

_SCHEMA_VERSION = 1
_LOCK_TIMEOUT_S = 2.0

_SCHEMA = """
CREATE TABLE operations (
    number INTEGER PRIMARY KEY,
    terminal_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    stan INTEGER NOT NULL,
    sent_at TEXT NOT NULL,
    step TEXT NOT NULL,
    kind TEXT NOT NULL,
    amount INTEGER NOT NULL,
    currency TEXT,
    card_masked TEXT NOT NULL,
    account TEXT NOT NULL,
    content TEXT NOT NULL,
    state TEXT NOT NULL,
    response_code TEXT NOT NULL,
    rrn TEXT NOT NULL,
    authorization_code TEXT NOT NULL,
    received_at TEXT NOT NULL,
    because TEXT NOT NULL,
    reversal_code TEXT NOT NULL,
    reversal_count INTEGER NOT NULL,
    reversed_at TEXT,
    UNIQUE (terminal_id, merchant_id, stan, sent_at)
);
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    balance INTEGER NOT NULL,
    pin_tries_left INTEGER NOT NULL,
    blocked INTEGER NOT NULL
);
CREATE TABLE counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""

_KEY_COLUMNS = ("terminal_id", "merchant_id", "stan", "sent_at")
_COLUMNS = (
    *_KEY_COLUMNS,
    *(
        "step",
        "kind",
        "amount",
        "currency",
        "card_masked",
        "account",
        "content",
        "state",
        "response_code",
        "rrn",
    ),
    *("authorization_code", "received_at", "because", "reversal_code", "reversal_count", "reversed_at"),
)
_SELECT = f"SELECT {', '.join(_COLUMNS)} FROM operations"
_BY_KEY = f"{_SELECT} WHERE {' AND '.join(f'{column} = ?' for column in _KEY_COLUMNS)}"
_PUT_OPERATION = (
    f"INSERT INTO operations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    f" ON CONFLICT ({', '.join(_KEY_COLUMNS)}) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS if column not in _KEY_COLUMNS)
)


def open_ledger(path: Path) -> "LedgerFile":
    """Open the ledger at ``path`` for the bank; make it if there is none.

    Raises:
        StateError: the file is no ledger, is damaged, is of another version, or is in use.
    """
    with _one_clear_line(path):
        database = _connect(path.resolve().as_uri())
        try:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = FULL")
            _create_if_new(database)
            _check_version(path, database)
        except BaseException:
            database.close()
            raise
    return LedgerFile(path, database)


def read_ledger(path: Path) -> "LedgerFile":
    """Open the ledger at ``path`` for reading only, even while a bank is writing it.

    Raises:
        StateError: there is no such file, or it is no ledger.
    """
    if not path.is_file():
        raise StateError(f"{path}: there is no ledger here")
    with _one_clear_line(path):
        database = _connect(f"{path.resolve().as_uri()}?mode=ro")
        try:
            _check_version(path, database)
        except BaseException:
            database.close()
            raise
    return LedgerFile(path, database)


class LedgerFile:
    """A :class:`smartsale_emu.host.ledger.Ledger` in a file. One caller at a time."""

    def __init__(self, path: Path, database: sqlite3.Connection) -> None:
        self._path = path
        self._database = database

    def __enter__(self) -> "LedgerFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file; closing it again does nothing."""
        self._database.close()

    def operation(self, key: OperationKey) -> Operation | None:
        rows = self._rows(_BY_KEY, _key_values(key))
        with _one_clear_line(self._path):
            return _operation(rows[0]) if rows else None

    def operations(self) -> Sequence[Operation]:
        rows = self._rows(f"{_SELECT} ORDER BY number")
        with _one_clear_line(self._path):
            return tuple(_operation(row) for row in rows)

    def account(self, name: str) -> AccountState | None:
        rows = self._rows("SELECT * FROM accounts WHERE name = ?", (name,))
        return _account(rows[0]) if rows else None

    def accounts(self) -> Sequence[AccountState]:
        return tuple(_account(row) for row in self._rows("SELECT * FROM accounts ORDER BY name"))

    def authorizations(self) -> int:
        rows = self._rows("SELECT count FROM counters WHERE name = 'authorizations'")
        return int(rows[0]["count"]) if rows else 0

    def commit(self, changes: Changes) -> None:
        with _one_clear_line(self._path), _transaction(self._database):
            self._database.execute(_PUT_OPERATION, _operation_values(changes.operation))
            if changes.account is not None:
                account = changes.account
                self._database.execute(
                    "REPLACE INTO accounts VALUES (?, ?, ?, ?)",
                    (account.name, account.balance, account.pin_tries_left, account.blocked),
                )
            if changes.authorizations is not None:
                self._database.execute(
                    "REPLACE INTO counters VALUES ('authorizations', ?)", (changes.authorizations,)
                )

    def _rows(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        with _one_clear_line(self._path):
            return self._database.execute(query, values).fetchall()


def _connect(uri: str) -> sqlite3.Connection:
    database = sqlite3.connect(
        uri, uri=True, timeout=_LOCK_TIMEOUT_S, isolation_level=None, check_same_thread=False
    )
    database.row_factory = sqlite3.Row
    return database


def _create_if_new(database: sqlite3.Connection) -> None:
    with _transaction(database):
        if database.execute("PRAGMA user_version").fetchone()[0] == 0:
            for statement in _SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != _SCHEMA_VERSION:
        raise StateError(
            f"{path}: is a ledger of version {version}, this program reads version {_SCHEMA_VERSION};"
            " start anew with another --state DIR"
        )


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[None]:
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise


@contextmanager
def _one_clear_line(path: Path) -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StateError(f"{path}: {_problem(error)}") from error
    except ValueError as error:  # a row holds a word that no ledger of ours has
        raise StateError(f"{path}: is damaged: {error}") from None


def _problem(error: sqlite3.Error) -> str:
    match getattr(error, "sqlite_errorcode", 0) & 0xFF:  # the rest of an extended code is detail
        case sqlite3.SQLITE_NOTADB | sqlite3.SQLITE_CORRUPT:
            return "is damaged, or is no ledger"
        case sqlite3.SQLITE_BUSY | sqlite3.SQLITE_LOCKED:
            return "is in use by another program"
        case sqlite3.SQLITE_CANTOPEN:
            return "cannot be opened"
        case _:
            return f"the ledger cannot be used ({error})"


def _key_values(key: OperationKey) -> tuple[object, ...]:
    return key.terminal_id, key.merchant_id, key.stan, key.sent_at.isoformat()


def _operation_values(operation: Operation) -> tuple[object, ...]:
    undone = operation.reversed_at
    return (
        *_key_values(operation.key),
        str(operation.step),
        str(operation.transaction),
        operation.amount,
        operation.currency,
        operation.card_masked,
        operation.account,
        operation.content,
        str(operation.state),
        operation.response_code,
        operation.rrn,
        operation.authorization_code,
        operation.received_at.isoformat(),
        operation.because,
        operation.reversal_code,
        operation.reversal_count,
        undone.isoformat() if undone is not None else None,
    )


def _operation(row: sqlite3.Row) -> Operation:
    sent_at = datetime.fromisoformat(row["sent_at"])
    return Operation(
        key=OperationKey(row["terminal_id"], row["merchant_id"], row["stan"], sent_at),
        step=Step(row["step"]),
        transaction=Transaction(row["kind"]),
        amount=MinorUnits(row["amount"]),
        currency=CurrencyCode(row["currency"]) if row["currency"] is not None else None,
        card_masked=row["card_masked"],
        account=row["account"],
        content=row["content"],
        state=OperationState(row["state"]),
        response_code=row["response_code"],
        rrn=row["rrn"],
        authorization_code=row["authorization_code"],
        received_at=datetime.fromisoformat(row["received_at"]),
        because=row["because"],
        reversal_code=row["reversal_code"],
        reversal_count=row["reversal_count"],
        reversed_at=datetime.fromisoformat(row["reversed_at"]) if row["reversed_at"] is not None else None,
    )


def _account(row: sqlite3.Row) -> AccountState:
    return AccountState(row["name"], MinorUnits(row["balance"]), row["pin_tries_left"], bool(row["blocked"]))
