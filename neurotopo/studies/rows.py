"""Rows of a file of results, and the error of a file that cannot be used."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

__all__ = ["Row", "Rows", "Run", "StoreError", "sentences"]

_SENTENCES = (
    # part of SQLite's message, and the sentence for the user; Python 3.10 has no error codes
    ("locked", "{path} is locked by another program; try again when that is done."),
    ("is full", "cannot write to {path}: the disk is full. Earlier results are kept."),
    (
        "disk I/O error",
        "cannot read or write {path}: the disk is full or fails. Earlier results are kept.",
    ),
    ("readonly", "cannot write to {path}: it, or its folder, is read-only."),
    ("unable to open", "cannot open {path}: its folder is missing, read-only or full."),
    ("too big", "cannot write to {path}: the results of one fact are too large for it."),
    ("not a database", "{path} is broken, or no file of results; it is not changed."),
    ("malformed", "{path} is broken ({error}); delete it to start again, or restore a copy."),
    ("no such", "{path} is broken ({error}); delete it to start again, or restore a copy."),
)


class StoreError(OSError):
    """A file of results that cannot be read or written, in one sentence.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.studies import Store, StoreError
    >>> path = Path(tempfile.mkdtemp()) / "results.sqlite"
    >>> _ = path.write_text("something else")
    >>> try:
    ...     Store(path)
    ... except StoreError as error:
    ...     print(str(error).replace(str(path), "results.sqlite"))
    results.sqlite is broken, or no file of results; it is not changed.
    """


@dataclass(frozen=True)
class Run:
    """A run: its study and options.

    Attributes
    ----------
    key : str
        A hash of the study and its options.
    study : str
        Name of the study.
    options : dict
        Everything but the facts that the results depend on.
    created : float
        Time of its beginning, in seconds since 1970.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.studies import Store
    >>> with Store(Path(tempfile.mkdtemp()) / "results.sqlite") as store:
    ...     key = store.begin("sizes", {"tau": 0.5})
    ...     run = store.runs()[0]
    >>> run.study, run.options, run.key == key
    ('sizes', {'tau': 0.5}, True)
    """

    key: str
    study: str
    options: dict[str, Any]
    created: float


@dataclass(frozen=True)
class Row:
    """The stored results of one fact.

    Attributes
    ----------
    fact : str
        The key of the fact.
    content : dict
        The fact itself.
    stages : dict of str to dict
        The results by stage; empty for a fact that failed.
    error : str or None
        The error, if it failed.
    seconds : float
        The seconds of the work.

    Examples
    --------
    >>> from neurotopo.studies import Row
    >>> Row("paris", {"prompt": "..."}, {"result": {"n": 3}}, error=None, seconds=0.2).payload
    {'n': 3}
    """

    fact: str
    content: dict[str, Any]
    stages: dict[str, dict[str, Any]]
    error: str | None
    seconds: float

    @property
    def payload(self) -> dict[str, Any]:
        """The results of the only stage."""
        if len(self.stages) != 1:
            raise ValueError(f"fact {self.fact!r} has {len(self.stages)} stages, not one.")
        return next(iter(self.stages.values()))


class _Stored(Protocol):
    def get(self, run: str, fact: str) -> Row | None: ...


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

    def __init__(self, store: _Stored, run: str, keys: Sequence[str]) -> None:
        self._store, self._run, self._keys = store, run, keys

    def __iter__(self) -> Iterator[Row]:
        for key in self._keys:
            row = self._store.get(self._run, key)
            if row is not None:
                yield row


@contextmanager
def sentences(path: Path | None) -> Iterator[None]:
    """Raise errors of SQLite as :class:`StoreError`."""
    try:
        yield
    except sqlite3.Error as error:
        text = str(error)
        for part, sentence in _SENTENCES:
            if part in text:
                raise StoreError(sentence.format(path=path, error=text)) from error
        raise StoreError(f"cannot use {path}: {text}.") from error
