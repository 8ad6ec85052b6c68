"""The bank's ledger in an SQLite file: one transaction per message, on disk before the bank answers."""

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

from smartsale_emu.errors import StateError
from smartsale_emu.host.ledger import (
    FROM_THE_START,
    AccountState,
    BatchKey,
    Changes,
    ClosedBatch,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.runtime import ledger_rows
from smartsale_emu.security.protection import SessionKey

_LOCK_TIMEOUT_S = 2.0


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
        found = self._operations(ledger_rows.BY_KEY, ledger_rows.key_values(key))
        return found[0] if found else None

    def operations(self) -> Sequence[Operation]:
        return self._operations(f"{ledger_rows.SELECT} ORDER BY number")

    def by_rrn(self, merchant_id: str, rrn: str) -> Sequence[Operation]:
        return self._operations(ledger_rows.BY_RRN, (merchant_id, rrn))

    def followers(self, key: OperationKey) -> Sequence[Operation]:
        return self._operations(
            ledger_rows.FOLLOWERS, (*ledger_rows.key_values(key), str(OperationState.APPROVED))
        )

    def of_batch(self, key: BatchKey) -> Sequence[Operation]:
        return self._operations(ledger_rows.OF_BATCH, (key.terminal_id, key.merchant_id, key.number))

    def of_day(self, account: str, day: date) -> Sequence[Operation]:
        end = day + timedelta(days=1)
        return self._operations(ledger_rows.OF_DAY, (account, day.isoformat(), end.isoformat()))

    def account(self, name: str) -> AccountState | None:
        rows = self._rows("SELECT * FROM accounts WHERE name = ?", (name,))
        return ledger_rows.account_of(rows[0]) if rows else None

    def accounts(self) -> Sequence[AccountState]:
        rows = self._rows("SELECT * FROM accounts ORDER BY name")
        return tuple(ledger_rows.account_of(row) for row in rows)

    def forget_last(self) -> None:
        """Lose the last approved operation, as a bank does that is put back to its backup."""
        last = self._operations(ledger_rows.LAST_OF_STATE, (str(OperationState.APPROVED),))
        if not last:
            return
        with _one_clear_line(self._path), _transaction(self._database):
            self._database.execute(ledger_rows.FORGET, ledger_rows.key_values(last[0].key))
            self._database.execute(ledger_rows.TAKE_BACK, (last[0].effect, last[0].account))

    def forget_all(self) -> None:
        """Lose everything: a bank on its first day."""
        with _one_clear_line(self._path), _transaction(self._database):
            for table in ledger_rows.TABLES:
                self._database.execute(f"DELETE FROM {table}")

    def closed_batch(self, key: BatchKey) -> ClosedBatch | None:
        query = f"{ledger_rows.SELECT_BATCH} WHERE terminal_id = ? AND merchant_id = ? AND number = ?"
        found = self._batches(query, (key.terminal_id, key.merchant_id, key.number))
        return found[0] if found else None

    def closed_batches(self) -> Sequence[ClosedBatch]:
        return self._batches(f"{ledger_rows.SELECT_BATCH} ORDER BY position")

    def authorizations(self) -> int:
        rows = self._rows("SELECT count FROM counters WHERE name = 'authorizations'")
        return int(rows[0]["count"]) if rows else 0

    def rule_count(self, name: str) -> int:
        rows = self._rows("SELECT count FROM rule_counts WHERE name = ?", (name,))
        return int(rows[0]["count"]) if rows else 0

    def offers(self, terminal_id: str) -> Sequence[tuple[SessionKey, ...]]:
        rows = self._rows(ledger_rows.OFFERS, (terminal_id,))
        with _one_clear_line(self._path):
            return tuple(ledger_rows.offer_of(row) for row in rows) or FROM_THE_START

    def commit(self, changes: Changes) -> None:
        with _one_clear_line(self._path), _transaction(self._database):
            if changes.offer is not None:
                terminal = {"terminal": changes.offer.terminal_id}
                self._database.execute(ledger_rows.PUT_FIRST_OFFER, terminal)
                self._database.execute(ledger_rows.PUT_OFFER, ledger_rows.offer_values(changes.offer))
            if changes.taken is not None:
                taken = dict(zip(("terminal", "keys"), ledger_rows.offer_values(changes.taken), strict=True))
                self._database.execute(ledger_rows.TAKE_OFFER, taken)
            for operation in changes.operations:
                self._database.execute(ledger_rows.PUT_OPERATION, ledger_rows.operation_values(operation))
            if changes.account is not None:
                self._database.execute(ledger_rows.PUT_ACCOUNT, ledger_rows.account_values(changes.account))
            if changes.closed is not None:
                self._database.execute(ledger_rows.PUT_BATCH, ledger_rows.batch_values(changes.closed))
            if changes.authorizations is not None:
                self._database.execute(
                    "REPLACE INTO counters VALUES ('authorizations', ?)", (changes.authorizations,)
                )
            self._database.executemany("REPLACE INTO rule_counts VALUES (?, ?)", changes.rule_counts)

    def _operations(self, query: str, values: Sequence[object] = ()) -> tuple[Operation, ...]:
        rows = self._rows(query, values)
        with _one_clear_line(self._path):
            return tuple(ledger_rows.operation_of(row) for row in rows)

    def _batches(self, query: str, values: Sequence[object] = ()) -> tuple[ClosedBatch, ...]:
        rows = self._rows(query, values)
        with _one_clear_line(self._path):
            return tuple(ledger_rows.closed_batch_of(row) for row in rows)

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
            for statement in ledger_rows.SCHEMA.split(";"):
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {ledger_rows.SCHEMA_VERSION}")


def _check_version(path: Path, database: sqlite3.Connection) -> None:
    version = database.execute("PRAGMA user_version").fetchone()[0]
    if version != ledger_rows.SCHEMA_VERSION:
        raise StateError(
            f"{path}: is a ledger of version {version},"
            f" this program reads version {ledger_rows.SCHEMA_VERSION}; start anew with another --state DIR"
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
