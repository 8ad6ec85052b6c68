"""The tables of the ledger file, the statements on them, and the values of the bank to rows and back."""

import sqlite3
from datetime import datetime

from smartsale_emu.host.ledger import (
    AccountState,
    BatchKey,
    Claim,
    ClosedBatch,
    KeyOffer,
    Operation,
    OperationKey,
    OperationState,
)
from smartsale_emu.payment.authorization import Step, Transaction
from smartsale_emu.payment.totals import Bucket, Tally, Totals
from smartsale_emu.security.key_slot import KeyUsage
from smartsale_emu.security.masking import SecretBytes
from smartsale_emu.security.protection import SessionKey
from smartsale_emu.units import CurrencyCode, MinorUnits

SCHEMA_VERSION = 4
"""Of another version a ledger is not read."""

_TOTALS_COLUMNS = tuple(
    f"{whose}_{bucket}_{what}"
    for whose in ("claimed", "counted")
    for bucket in Bucket
    for what in ("count", "amount")
)
SCHEMA = f"""
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
    batch INTEGER NOT NULL,
    original_terminal_id TEXT,
    original_merchant_id TEXT,
    original_stan INTEGER,
    original_sent_at TEXT,
    effect INTEGER NOT NULL,
    balance INTEGER,
    claim TEXT NOT NULL,
    approved INTEGER,
    icc TEXT,
    UNIQUE (terminal_id, merchant_id, stan, sent_at)
);
CREATE INDEX operations_by_rrn ON operations (merchant_id, rrn);
CREATE INDEX operations_by_batch ON operations (terminal_id, merchant_id, batch);
CREATE INDEX operations_by_day ON operations (account, received_at);
CREATE INDEX operations_by_original ON operations (original_stan, original_sent_at);
CREATE TABLE key_offers (
    number INTEGER PRIMARY KEY,
    terminal_id TEXT NOT NULL,
    keys TEXT NOT NULL
);
CREATE INDEX key_offers_by_terminal ON key_offers (terminal_id);
CREATE TABLE accounts (
    name TEXT PRIMARY KEY,
    balance INTEGER NOT NULL,
    pin_tries_left INTEGER NOT NULL,
    blocked INTEGER NOT NULL,
    counter INTEGER
);
CREATE TABLE batches (
    position INTEGER PRIMARY KEY,
    terminal_id TEXT NOT NULL,
    merchant_id TEXT NOT NULL,
    number INTEGER NOT NULL,
    response_code TEXT NOT NULL,
    closed_at TEXT NOT NULL,
    because TEXT NOT NULL,
    {", ".join(f"{column} INTEGER NOT NULL" for column in _TOTALS_COLUMNS)},
    UNIQUE (terminal_id, merchant_id, number)
);
CREATE TABLE counters (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
CREATE TABLE rule_counts (name TEXT PRIMARY KEY, count INTEGER NOT NULL);
"""

_KEY_COLUMNS = ("terminal_id", "merchant_id", "stan", "sent_at")
_ORIGINAL_COLUMNS = tuple(f"original_{column}" for column in _KEY_COLUMNS)
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
    *("batch", *_ORIGINAL_COLUMNS, "effect", "balance", "claim", "approved", "icc"),
)
SELECT = f"SELECT {', '.join(_COLUMNS)} FROM operations"
BY_KEY = f"{SELECT} WHERE {' AND '.join(f'{column} = ?' for column in _KEY_COLUMNS)}"
BY_RRN = f"{SELECT} WHERE merchant_id = ? AND rrn = ? ORDER BY number"
FOLLOWERS = (
    f"{SELECT} WHERE {' AND '.join(f'{column} = ?' for column in _ORIGINAL_COLUMNS)}"
    " AND state = ? ORDER BY number"
)
OF_DAY = f"{SELECT} WHERE account = ? AND received_at >= ? AND received_at < ? ORDER BY number"
LAST_OF_STATE = f"{SELECT} WHERE state = ? ORDER BY number DESC LIMIT 1"
FORGET = f"DELETE FROM operations WHERE {' AND '.join(f'{column} = ?' for column in _KEY_COLUMNS)}"
TAKE_BACK = "UPDATE accounts SET balance = balance - ? WHERE name = ?"
TABLES = ("operations", "key_offers", "accounts", "batches", "counters", "rule_counts")
PUT_ACCOUNT = "REPLACE INTO accounts VALUES (?, ?, ?, ?, ?)"
OF_BATCH = f"{SELECT} WHERE terminal_id = ? AND merchant_id = ? AND batch = ? ORDER BY number"
_BATCH_COLUMNS = (
    *("terminal_id", "merchant_id", "number", "response_code", "closed_at", "because"),
    *_TOTALS_COLUMNS,
)
SELECT_BATCH = f"SELECT {', '.join(_BATCH_COLUMNS)} FROM batches"
PUT_BATCH = (
    f"INSERT INTO batches ({', '.join(_BATCH_COLUMNS)}) VALUES ({', '.join('?' * len(_BATCH_COLUMNS))})"
)
PUT_OPERATION = (
    f"INSERT INTO operations ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"
    f" ON CONFLICT ({', '.join(_KEY_COLUMNS)}) DO UPDATE SET "
    + ", ".join(f"{column} = excluded.{column}" for column in _COLUMNS if column not in _KEY_COLUMNS)
)


def key_values(key: OperationKey) -> tuple[object, ...]:
    """Return a key as the values of its four columns."""
    return key.terminal_id, key.merchant_id, key.stan, key.sent_at.isoformat()


def operation_values(operation: Operation) -> tuple[object, ...]:
    """Return an operation as the values of PUT_OPERATION."""
    undone = operation.reversed_at
    return (
        *key_values(operation.key),
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
        operation.batch,
        *(key_values(operation.original) if operation.original is not None else (None,) * 4),
        operation.effect,
        operation.balance,
        str(operation.claim),
        operation.approved,
        operation.icc.reveal().hex() if operation.icc is not None else None,
    )


def operation_of(row: sqlite3.Row) -> Operation:
    """Return the operation of a row.

    Raises:
        ValueError: it holds a word that no ledger of ours has.
    """
    return Operation(
        key=_key(row),
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
        batch=row["batch"],
        original=_key(row, "original_") if row["original_stan"] is not None else None,
        effect=row["effect"],
        balance=MinorUnits(row["balance"]) if row["balance"] is not None else None,
        claim=Claim(row["claim"]),
        approved=MinorUnits(row["approved"]) if row["approved"] is not None else None,
        icc=SecretBytes(bytes.fromhex(row["icc"])) if row["icc"] is not None else None,
    )


def _key(row: sqlite3.Row, whose: str = "") -> OperationKey:
    return OperationKey(
        terminal_id=row[f"{whose}terminal_id"],
        merchant_id=row[f"{whose}merchant_id"],
        stan=row[f"{whose}stan"],
        sent_at=datetime.fromisoformat(row[f"{whose}sent_at"]),
    )


def account_of(row: sqlite3.Row) -> AccountState:
    """Return the account of a row."""
    return AccountState(
        row["name"], MinorUnits(row["balance"]), row["pin_tries_left"], bool(row["blocked"]), row["counter"]
    )


def account_values(account: AccountState) -> tuple[object, ...]:
    """Return an account as the values of PUT_ACCOUNT."""
    return account.name, account.balance, account.pin_tries_left, account.blocked, account.counter


def batch_values(batch: ClosedBatch) -> tuple[object, ...]:
    """Return a closed batch as the values of PUT_BATCH."""
    tallies: list[Tally] = [
        getattr(totals, bucket) for totals in (batch.claimed, batch.counted) for bucket in Bucket
    ]
    return (
        *(batch.key.terminal_id, batch.key.merchant_id, batch.key.number),
        *(batch.response_code, batch.closed_at.isoformat(), batch.because),
        *(number for tally in tallies for number in (tally.count, tally.amount)),
    )


def closed_batch_of(row: sqlite3.Row) -> ClosedBatch:
    """Return the closed batch of a row.

    Raises:
        ValueError: it holds a word that no ledger of ours has.
    """
    return ClosedBatch(
        key=BatchKey(row["terminal_id"], row["merchant_id"], row["number"]),
        claimed=_totals(row, "claimed"),
        counted=_totals(row, "counted"),
        response_code=row["response_code"],
        closed_at=datetime.fromisoformat(row["closed_at"]),
        because=row["because"],
    )


def _totals(row: sqlite3.Row, whose: str) -> Totals:
    tallies = {
        bucket.value: Tally(row[f"{whose}_{bucket}_count"], row[f"{whose}_{bucket}_amount"])
        for bucket in Bucket
    }
    return Totals(**tallies)


OFFERS = "SELECT keys FROM key_offers WHERE terminal_id = ? ORDER BY number DESC"
PUT_OFFER = "INSERT INTO key_offers (terminal_id, keys) VALUES (?, ?)"
PUT_FIRST_OFFER = """INSERT INTO key_offers (terminal_id, keys)
    SELECT :terminal, '' WHERE NOT EXISTS (SELECT 1 FROM key_offers WHERE terminal_id = :terminal)"""
TAKE_OFFER = """DELETE FROM key_offers WHERE terminal_id = :terminal AND number < (
    SELECT max(number) FROM key_offers WHERE terminal_id = :terminal AND keys = :keys)"""


def offer_of(row: sqlite3.Row) -> tuple[SessionKey, ...]:
    """Return the session keys of an offer. Raises ValueError if the row is damaged."""
    words = [key.split() for key in row["keys"].splitlines()]
    return tuple(SessionKey(KeyUsage(usage), blob, kcv) for usage, blob, kcv in words)


def offer_values(offer: KeyOffer) -> tuple[str, str]:
    """Return the row of an offer: its keys line by line, under the master key; empty for the slots' own."""
    lines = (f"{key.usage} {key.cryptogram} {key.kcv}" for key in offer.keys)
    return offer.terminal_id, "\n".join(lines)
