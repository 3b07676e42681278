"""Results in one SQLite file; stored results survive the end of the process."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

from neurotopo._codec import difference, from_text, to_text
from neurotopo.studies.rows import Row, Run, StoreError, sentences

__all__ = ["Rows", "Store"]

_APPLICATION = 0x6E74_7374  # in the header of the file: "ntst"
_VERSION = 1
_SCHEMA = (
    "CREATE TABLE runs (run TEXT PRIMARY KEY, study TEXT NOT NULL, options TEXT NOT NULL,"
    " created REAL NOT NULL)",
    "CREATE TABLE facts (run TEXT NOT NULL REFERENCES runs, fact TEXT NOT NULL,"
    " content TEXT NOT NULL, error TEXT, seconds REAL NOT NULL, PRIMARY KEY (run, fact))",
    "CREATE TABLE results (run TEXT NOT NULL, fact TEXT NOT NULL, stage TEXT NOT NULL,"
    " payload TEXT NOT NULL, crc INTEGER NOT NULL, PRIMARY KEY (run, fact, stage))",
    "CREATE TABLE asked (run TEXT NOT NULL REFERENCES runs, place INTEGER NOT NULL,"
    " fact TEXT NOT NULL, PRIMARY KEY (run, place)) WITHOUT ROWID",
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
        self._lock: sqlite3.Connection | None = None
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
        for connection in (self._open, self._lock):
            if connection is not None:
                if connection is self._lock:
                    with suppress(OSError):  # Windows cannot delete an open file
                        self._lock_path.unlink()
                with suppress(sqlite3.Error):  # a full disk: the log is merged next time
                    connection.close()
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
            connection.execute(
                "INSERT OR IGNORE INTO runs VALUES (?, ?, ?, ?)", (key, study, text, time.time())
            )
        return key

    def ask(self, run: str, facts: Iterable[str]) -> None:
        """Store the facts of the run, in order; they replace earlier ones."""
        with self._writing() as connection:
            connection.execute("DELETE FROM asked WHERE run = ?", (run,))
            connection.executemany(
                "INSERT INTO asked VALUES (?, ?, ?)",
                ((run, place, fact) for place, fact in enumerate(facts)),
            )

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

    def _all(self, query: str, *values: Any) -> list[Any]:
        with self._sentences():
            return self._connection.execute(query, values).fetchall()

    @property
    def _connection(self) -> sqlite3.Connection:
        if self._open is None:
            raise ValueError("the store is closed.")
        return self._open

    @property
    def _lock_path(self) -> Path:
        assert self.path is not None
        return self.path.with_name(f"{self.path.name}.lock")

    def _start(self) -> None:
        if self.path is None:
            self._open = sqlite3.connect(":memory:", isolation_level=None)
        elif self.read_only:
            self._open = self._connect_to_read(self.path)
        else:
            self._take_lock()
            self._open = sqlite3.connect(self.path, isolation_level=None, timeout=self._patience)
        empty = self._check_kind(self._open)
        if self.read_only:
            return
        self._open.execute("PRAGMA journal_mode = WAL")
        # a stored row survives a loss of power
        self._open.execute("PRAGMA synchronous = FULL")
        with self._writing() as connection:  # fails at once if nothing can be written
            for statement in _SCHEMA if empty else ():
                connection.execute(statement)

    def _connect_to_read(self, path: Path) -> sqlite3.Connection:
        uri = path.absolute().as_uri()
        connection = sqlite3.connect(
            f"{uri}?mode=ro", uri=True, isolation_level=None, timeout=self._patience
        )
        try:
            connection.execute("SELECT count(*) FROM sqlite_master")
        except sqlite3.OperationalError:
            log = path.with_name(f"{path.name}-wal")
            if log.exists() and log.stat().st_size:
                raise
            # Readers of a log need to write beside it. In a read-only folder no process writes to
            # the file, so it can be read without a log.
            connection.close()
            connection = sqlite3.connect(f"{uri}?immutable=1", uri=True, isolation_level=None)
        return connection

    def _take_lock(self) -> None:
        # SQLite's own lock lasts for one row only, and two runs at once would do all work twice.
        # The lock of an open transaction ends with the process in any case.
        self._lock = sqlite3.connect(self._lock_path, isolation_level=None, timeout=0)
        try:
            self._lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            self._lock.close()
            self._lock = None  # not ours, so it is not deleted
            if "locked" in str(error):
                raise StoreError(
                    f"another run is writing to {self.path}; wait until it is done, or give "
                    "another folder."
                ) from error
            raise

    def _check_kind(self, connection: sqlite3.Connection) -> bool:
        """Return whether the file is empty."""
        (application,) = connection.execute("PRAGMA application_id").fetchone()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        (n_tables,) = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not n_tables and not application and not self.read_only:
            return True
        if application != _APPLICATION:
            raise ValueError(f"{self.path} was not written by a study, so it is left alone.")
        if version != _VERSION:
            raise ValueError(f"{self.path} is of version {version}; only {_VERSION} can be read.")
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
        with self._writing() as connection:
            connection.execute("DELETE FROM results WHERE run = ? AND fact = ?", (run, fact))
            connection.executemany(
                "INSERT INTO results VALUES (?, ?, ?, ?, ?)",
                [(run, fact, name, text, _crc(text)) for name, text in texts.items()],
            )
            connection.execute(
                "INSERT OR REPLACE INTO facts VALUES (?, ?, ?, ?, ?)",
                (run, fact, to_text(content, "fact"), error, seconds),
            )

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
            value: dict[str, Any] = from_text(text)
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


class Rows:
    """What is stored about the facts of a run, in their order; may be gone through repeatedly.

    Facts that nothing is stored about are left out; those that failed have an
    :attr:`~neurotopo.studies.Row.error`.

    Parameters
    ----------
    store : Store
        The store.
    run : str
        The key of the run.
    keys : sequence of str
        The keys of the facts.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.studies import Rows, Store
    >>> with Store(Path(tempfile.mkdtemp()) / "results.sqlite") as store:
    ...     run = store.begin("sizes", {})
    ...     store.put(run, "peru", {"prompt": "..."}, {"result": {"n": 3}})
    ...     found = [(row.fact, row.payload) for row in Rows(store, run, ["peru", "chile"])]
    >>> found
    [('peru', {'n': 3})]
    """

    def __init__(self, store: Store, run: str, keys: Sequence[str]) -> None:
        self._store, self._run, self._keys = store, run, keys

    def __iter__(self) -> Iterator[Row]:
        for key in self._keys:
            row = self._store.get(self._run, key)
            if row is not None:
                yield row
