"""One hash of all rows of a file of results, kept up to date with every change."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

__all__ = [
    "DIGEST_TABLE",
    "NO_ROWS",
    "TABLES",
    "add_digest",
    "count",
    "digest_in",
    "hash_sum",
    "stored",
]

TABLES = {
    "runs": "run, study, options, created",
    "facts": "run, fact, content, error, seconds",
    "results": "run, fact, stage, payload, crc",
    "asked": "run, place, fact",
}
DIGEST_TABLE = "CREATE TABLE digest (name TEXT PRIMARY KEY, value TEXT NOT NULL)"
NO_ROWS = f"INSERT INTO digest VALUES ('rows', '{0:064x}')"
_BITS = 256


def stored(connection: sqlite3.Connection, table: str, *key: str) -> Iterator[tuple[Any, ...]]:
    """Yield the rows of a table, of a run or of a fact; each begins with the name of the table."""
    where = " AND ".join(f"{name} = ?" for name in ("run", "fact")[: len(key)])
    query = f"SELECT {TABLES[table]} FROM {table}" + (f" WHERE {where}" if where else "")
    for row in connection.execute(query, key):
        yield (table, *row)


def hash_sum(start: int, added: Iterable[Any], removed: Iterable[Any] = ()) -> int:
    """Return the sum of the hashes of rows: it changes with each row, and not with their order."""
    total = start
    for sign, rows in ((1, added), (-1, removed)):
        for row in rows:
            digest = hashlib.sha256(json.dumps(row, default=repr).encode()).digest()
            total += sign * int.from_bytes(digest, "big")
    return total % 2**_BITS


def count(
    connection: sqlite3.Connection, added: Iterable[Any] = (), removed: Iterable[Any] = ()
) -> None:
    """Count rows that were added and removed in the digest, in their transaction."""
    total = hash_sum(digest_in(connection), added, removed)
    connection.execute("UPDATE digest SET value = ? WHERE name = 'rows'", (f"{total:064x}",))


def digest_in(connection: sqlite3.Connection) -> int:
    """Return the stored digest."""
    found = connection.execute("SELECT value FROM digest WHERE name = 'rows'").fetchall()
    try:
        return int(found[0][0], 16)
    except (IndexError, TypeError, ValueError):
        raise sqlite3.DatabaseError("malformed digest") from None


def add_digest(connection: sqlite3.Connection) -> None:
    """Give a file of version 1 a digest."""
    connection.execute(DIGEST_TABLE)
    total = hash_sum(0, (row for table in TABLES for row in stored(connection, table)))
    connection.execute("INSERT INTO digest VALUES ('rows', ?)", (f"{total:064x}",))
