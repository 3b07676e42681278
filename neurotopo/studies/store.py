"""Results in one SQLite file; stored results survive the end of the process."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from neurotopo._codec import difference, from_text, to_text
from neurotopo._files import refuse_links
from neurotopo.studies.digest import (
    DIGEST_TABLE,
    NO_ROWS,
    TABLES,
    add_digest,
    count,
    digest_in,
    hash_sum,
    stored,
)
from neurotopo.studies.lock import FileLock
from neurotopo.studies.rows import Row, Run, StoreError, sentences

__all__ = ["Store"]

_APPLICATION = 0x6E74_7374  # in the header of the file: "ntst"
_VERSION = 2  # version 1 has no digest; it is read, and gets one when it is written to
_BESIDE = ("-wal", "-shm", "-journal", ".lock")
_SCHEMA = (
    "CREATE TABLE runs (run TEXT PRIMARY KEY, study TEXT NOT NULL, options TEXT NOT NULL,"
    " created REAL NOT NULL)",
    "CREATE TABLE facts (run TEXT NOT NULL REFERENCES runs, fact TEXT NOT NULL,"
    " content TEXT NOT NULL, error TEXT, seconds REAL NOT NULL, PRIMARY KEY (run, fact))",
    "CREATE TABLE results (run TEXT NOT NULL, fact TEXT NOT NULL, stage TEXT NOT NULL,"
    " payload TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (run, fact, stage))",
    "CREATE TABLE asked (run TEXT NOT NULL REFERENCES runs, place INTEGER NOT NULL,"
    " fact TEXT NOT NULL, PRIMARY KEY (run, place)) WITHOUT ROWID",
    DIGEST_TABLE,
    NO_ROWS,
    f"PRAGMA application_id = {_APPLICATION}",
    f"PRAGMA user_version = {_VERSION}",
)


class Store:
    """A file of results: a row for each run, fact and stage.

    Results of other options have another run, so they never mix. A fact is stored as a whole and
    is on the disk when :meth:`put` returns. One process writes; others may read at the same time.

    Parameters
    ----------
    path : path-like or None
        The file; a missing one is created. None: keep all in memory.
    read_only : bool, default=False
        Only read an existing file.
    patience : float, default=10.0
        Seconds to wait for another program that locks the file.

    Raises
    ------
    StoreError
        If the disk is full, or the file is locked, broken, or cannot be written.
    ValueError
        If the file belongs to another program, or to a later version of this one.

    Notes
    -----
    While the file is open for writing, three files beside it end in ``-wal``, ``-shm`` and
    ``.lock``. The folder should be on a disk of this machine, since locks are not safe on many
    network drives.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.studies import Store
    >>> path = Path(tempfile.mkdtemp()) / "results.sqlite"
    >>> with Store(path) as store:
    ...     run = store.begin("sizes", {"tau": 0.5})
    ...     store.put(run, "paris", {"prompt": "..."}, {"result": {"n": 3, "gcr": float("nan")}})
    >>> with Store(path, read_only=True) as store:
    ...     [row.payload for row in store.rows(run)]
    [{'gcr': nan, 'n': 3}]
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None,
        *,
        read_only: bool = False,
        patience: float = 10.0,
    ) -> None:
        self.path = None if path is None else Path(path)
        self.read_only = read_only
        self._patience = patience
        self._lock: FileLock | None = None
        self._open: sqlite3.Connection | None = None
        if read_only and (self.path is None or not self.path.is_file()):
            raise FileNotFoundError(f"there is no file {self.path}.")
        try:
            with self._sentences():
                self._start()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def __repr__(self) -> str:
        return f"Store({str(self.path) if self.path else 'in memory'!r})"

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._open is not None and self._lock is not None:
            with suppress(sqlite3.Error):  # others read it, or the disk is full
                self._open.execute("PRAGMA busy_timeout = 0")
                # one file without a log can be read in a read-only folder
                self._open.execute("PRAGMA journal_mode = DELETE")
        if self._open is not None:
            with suppress(sqlite3.Error):  # a full disk: the log is merged next time
                self._open.close()
        if self._lock is not None:
            self._lock.release()
        self._open = self._lock = None

    def begin(self, study: str, options: Mapping[str, Any], *, alone: bool = False) -> str:
        """Return the key of the run with these options; create the run if it is missing.

        Parameters
        ----------
        study : str
            Name of the study.
        options : mapping
            Everything but the facts that the results depend on, in types that JSON can hold.
        alone : bool, default=False
            Refuse a file with results of another run.

        Raises
        ------
        ValueError
            If the file has such results; the message names an option that differs.
        """
        text = to_text(options, "options")
        key = hashlib.sha256(to_text([study, text]).encode()).hexdigest()[:16]
        if alone:
            for run in self.runs():
                if run.key != key and any(self.counts(run.key)):
                    if run.study != study:
                        how = f"study was {run.study!r} and is {study!r}"
                    else:
                        how = difference(run.options, from_text(text))
                    raise ValueError(
                        f"{self.path} was made with other options ({how}); give another folder, "
                        "or delete this one."
                    )
        with self._writing() as connection:
            row = (key, study, text, time.time())
            if connection.execute("INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", row).rowcount:
                count(connection, added=[("runs", *row)])
        return key

    def ask(self, run: str, facts: Iterable[str]) -> None:
        """Store the facts of the run, in order; they replace earlier ones."""
        with self._writing() as connection:
            before = list(stored(connection, "asked", run))
            rows = [(run, place, fact) for place, fact in enumerate(facts)]
            connection.execute("DELETE FROM asked WHERE run = ?", (run,))
            connection.executemany("INSERT INTO asked VALUES (?, ?, ?)", rows)
            count(connection, removed=before, added=[("asked", *row) for row in rows])

    def asked(self, run: str) -> list[str]:
        """Return the keys of the facts that the run was last asked for."""
        return [
            fact
            for (fact,) in self._all("SELECT fact FROM asked WHERE run = ? ORDER BY place", run)
        ]

    def put(
        self,
        run: str,
        fact: str,
        content: Mapping[str, Any],
        stages: Mapping[str, Mapping[str, Any]],
        seconds: float = 0.0,
    ) -> None:
        """Store the results of a fact, all stages at once; they replace earlier ones.

        Parameters
        ----------
        run : str
            The run, from :meth:`begin`.
        fact : str
            The key of the fact.
        content : mapping
            The fact itself.
        stages : mapping of str to mapping
            The results by stage.
        seconds : float, default=0.0
            The seconds of the work.

        Raises
        ------
        TypeError, ValueError
            If JSON cannot hold the results.
        """
        texts = {name: to_text(payload, name) for name, payload in stages.items()}
        self._replace(run, fact, content, texts, None, seconds)

    def fail(
        self, run: str, fact: str, content: Mapping[str, Any], error: str, seconds: float = 0.0
    ) -> None:
        """Store the error of a fact that failed."""
        self._replace(run, fact, content, {}, error, seconds)

    def state(self, run: str, fact: str) -> tuple[dict[str, Any], str | None] | None:
        """Return the stored fact and its error or None; None if it is not stored."""
        for content, error in self._all(
            "SELECT content, error FROM facts WHERE run = ? AND fact = ?", run, fact
        ):
            return self._read(content, fact), error
        return None

    def get(self, run: str, fact: str) -> Row | None:
        """Return the row of a fact, or None."""
        return next(self._rows("WHERE run = ? AND fact = ?", (run, fact)), None)

    def rows(self, run: str) -> Iterator[Row]:
        """Return the rows of a run in the order of their keys, failed facts included."""
        return self._rows("WHERE run = ?", (run,))

    def runs(self) -> list[Run]:
        """Return the runs, the latest first."""
        rows = self._all(
            "SELECT run, study, options, created FROM runs ORDER BY created DESC, rowid DESC"
        )
        return [Run(key, study, self._read(text, key), at) for key, study, text, at in rows]

    def counts(self, run: str) -> tuple[int, int]:
        """Return the numbers of facts of a run that are done and that failed."""
        query = "SELECT count(*), count(error) FROM facts WHERE run = ?"
        ((n_all, n_failed),) = self._all(query, run)
        return n_all - n_failed, n_failed

    def verify(self) -> None:
        """Check the whole file: its structure, and that no row was lost or changed.

        Raises
        ------
        StoreError
            If the file was damaged after it was written.
        """
        with self._sentences():
            ((found,),) = self._connection.execute("PRAGMA integrity_check(1)").fetchall()
            rows = (row for table in TABLES for row in stored(self._connection, table))
            damage = None if found == "ok" else found.splitlines()[0]
            if damage is None and self._digest() not in (None, hash_sum(0, rows)):
                damage = "rows were lost or changed"
        if damage is not None:
            raise StoreError(
                f"{self.path} is damaged ({damage}); restore a copy, or delete it to start again."
            )

    def _digest(self) -> int | None:
        """Return the stored digest of all rows; None for a file of version 1."""
        ((version,),) = self._connection.execute("PRAGMA user_version").fetchall()
        return None if version == 1 else digest_in(self._connection)

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._sentences():
            return self._connection.execute(query, values).fetchall()

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            raise ValueError("the store is closed.")
        return self._open

    def _start(self) -> None:
        if self.path is None:
            self._open = sqlite3.connect(":memory:", isolation_level=None)
        elif self.read_only:
            self._open = self._connect_to_read(self.path)
        else:
            own = (self.path.name, *(f"{self.path.name}{end}" for end in _BESIDE))
            refuse_links(self.path.parent, own)
            self._lock = self._take_lock(self.path)
            self._open = sqlite3.connect(self.path, isolation_level=None, timeout=self._patience)
        empty = self._check_kind(self._open)
        if self.read_only:
            return
        ((version,),) = self._open.execute("PRAGMA user_version").fetchall()
        self._open.execute("PRAGMA journal_mode = WAL")
        # a stored row survives a loss of power
        self._open.execute("PRAGMA synchronous = FULL")
        with self._writing() as connection:  # fails at once if nothing can be written
            for statement in _SCHEMA if empty else ():
                connection.execute(statement)
            if not empty and version == 1:
                add_digest(connection)
                connection.execute(f"PRAGMA user_version = {_VERSION}")

    def _connect_to_read(self, path: Path) -> sqlite3.Connection:
        uri = path.absolute().as_uri()
        connection = sqlite3.connect(
            f"{uri}?mode=ro", uri=True, isolation_level=None, timeout=self._patience
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            with suppress(FileNotFoundError):
                if path.with_name(f"{path.name}-wal").stat().st_size:
                    raise
            # Readers of a log need to write beside it. In a read-only folder no process writes to
            # the file, so it can be read without a log.
            connection.close()
            connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
        return connection

    def _take_lock(self, path: Path) -> FileLock:
        # SQLite's own lock lasts for one row only, and two runs at once would do all work twice.
        place = path.with_name(f"{path.name}.lock")
        try:
            return FileLock(place)
        except BlockingIOError as error:
            raise StoreError(
                f"another run is writing to {path}; wait until it is done, or give another folder."
            ) from error
        except OSError as error:
            raise StoreError(
                f"cannot open {place}: its folder is missing, read-only or full ({error.strerror})."
            ) from error

    def _check_kind(self, connection: sqlite3.Connection) -> bool:
        """Return whether the file is empty."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not n_tables and not application and not self.read_only:
            return True
        if application != _APPLICATION:
            raise ValueError(f"{self.path} was not written by a study, so it is left alone.")
        if version not in (1, _VERSION):
            raise ValueError(
                f"{self.path} is of version {version}; only versions up to {_VERSION} can be read."
            )
        return False

    def _replace(
        self,
        run: str,
        fact: str,
        content: Mapping[str, Any],
        texts: Mapping[str, str],
        error: str | None,
        seconds: float,
    ) -> None:
        results = [(run, fact, name, text, _crc(text)) for name, text in texts.items()]
        about = (run, fact, to_text(content, "fact"), error, float(seconds))
        with self._writing() as connection:
            before = [
                row
                for table in ("results", "facts")
                for row in stored(connection, table, run, fact)
            ]
            connection.execute("DELETE FROM results WHERE run = ? AND fact = ?", (run, fact))
            connection.executemany("INSERT INTO results VALUES (?, ?, ?, ?, ?)", results)
            connection.execute("INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)", about)
            added = [*(("results", *row) for row in results), ("facts", *about)]
            count(connection, removed=before, added=added)

    def _rows(self, where: str, values: Iterable[Any]) -> Iterator[Row]:
        with self._sentences():
            cursor = self._connection.execute(
                "SELECT fact, content, error, seconds, stage, payload, crc FROM facts"
                f" LEFT JOIN results USING (run, fact) {where} ORDER BY fact, results.rowid",
                tuple(values),
            )
            row: Row | None = None
            for fact, content, error, seconds, stage, payload, crc in cursor:
                if row is None or row.fact != fact:
                    if row is not None:
                        yield row
                    row = Row(fact, self._read(content, fact), {}, error, seconds)
                if stage is not None:
                    row.stages[stage] = self._read(payload, fact, crc)
            if row is not None:
                yield row

    def _read(self, text: str, name: str, crc: int | None = None) -> dict[str, Any]:
        try:
            if crc is not None and crc != _crc(text):
                raise ValueError("its checksum is wrong")
            value = from_text(text)
            if not isinstance(value, dict):
                raise ValueError("it is no object")
            return value
        except (ValueError, TypeError, AttributeError) as error:
            raise StoreError(f"{self.path} is broken at {name!r} ({error}).") from error

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with self._sentences():
            connection = self._connection
            try:
                connection.execute("BEGIN IMMEDIATE")
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise

    def _sentences(self) -> AbstractContextManager[None]:
        return sentences(self.path)


def _crc(text: str) -> int:
    return zlib.crc32(text.encode())
