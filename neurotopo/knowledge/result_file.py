"""A file of results that grows line by line, so that interrupted work can be resumed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from neurotopo._files import read_bytes

__all__ = ["ResultFile"]

_FIELDS = ("key", "prompts", "neurons", "scores", "shares", "gap")


class ResultFile:
    """JSON objects, one per line, below a header line with the options.

    The format is separate from the store of the studies, which is in a layer above: one line per
    fact, readable while the work runs.

    Parameters
    ----------
    path : Path
        The file. The complete records of an existing file are read; an incomplete last line is
        removed.
    options : mapping
        Everything the results depend on, as JSON values.
    kind : str, default="locate"
        Name of the work that writes the file.
    fields : sequence of str, optional
        Fields that every record has. Default: those of locate.

    Attributes
    ----------
    records : list of dict
        The records of the existing file.

    Raises
    ------
    ValueError
        If the file has another format, is broken, or was made with other options.
    """

    def __init__(
        self,
        path: Path,
        options: Mapping[str, Any],
        kind: str = "locate",
        fields: Sequence[str] = _FIELDS,
    ) -> None:
        self.path, self._work, self._fields = path, kind, frozenset(fields)
        self.records: list[dict[str, Any]] = []
        content = json.loads(json.dumps(options, default=repr))
        digest = hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:16]
        self._header = {
            "kind": f"neurotopo.{kind}",
            "version": 1,
            "hash": digest,
            "options": content,
        }
        self._file: IO[bytes] | None = None

    def __enter__(self) -> ResultFile:
        data = read_bytes(self.path) if self.path.exists() else b""
        complete = data[: data.rfind(b"\n") + 1]
        first = _line(self._header)
        if complete:
            self._read(complete.split(b"\n")[:-1])
        elif not first.startswith(data):  # not an incomplete header either
            raise self._foreign()
        self._file = open(self.path, "r+b" if self.path.exists() else "xb")
        self._file.truncate(len(complete))
        self._file.seek(len(complete))
        if not complete:
            self._write(first)
        return self

    def __exit__(self, *exception: object) -> None:
        if self._file is not None:
            self._file.close()

    def append(self, record: Mapping[str, Any]) -> None:
        """Add a record and flush it to disk."""
        self._write(_line(record))

    def _foreign(self) -> ValueError:
        return ValueError(f"{self.path} was not written by {self._work}; it stays unchanged.")

    def _write(self, line: bytes) -> None:
        if self._file is None:
            raise ValueError("the file is not open; use it in a with statement.")
        self._file.write(line)
        self._file.flush()
        os.fsync(self._file.fileno())

    def _read(self, lines: list[bytes]) -> None:
        try:
            header = json.loads(lines[0])
            written, options = header["hash"], header["options"]
            known = header["kind"] == self._header["kind"] and header["version"] == 1
        except (ValueError, TypeError, KeyError, RecursionError):
            known = False
        if not known:
            raise self._foreign()
        if written != self._header["hash"]:
            raise ValueError(
                f"{self.path} was made with other options ({_difference(options, self._header)}); "
                "give another file, or delete this one."
            )
        for number, line in enumerate(lines[1:], start=2):
            try:
                record = json.loads(line)
                if not self._fields <= record.keys():
                    raise ValueError("a field is missing")
            except (ValueError, AttributeError, RecursionError) as error:
                raise ValueError(f"{self.path}, line {number}: broken ({error}).") from None
            self.records.append(record)


def _line(record: Mapping[str, Any]) -> bytes:
    return json.dumps(record, ensure_ascii=False, allow_nan=False).encode() + b"\n"


def _difference(there: Any, header: Mapping[str, Any]) -> str:
    """Return the first option that differs, in words."""
    here = header["options"]
    if isinstance(there, dict):
        for name in [*here, *there]:
            if there.get(name) != here.get(name):
                return f"{name} was {there.get(name)!r} and is {here.get(name)!r}"
    return "its first line changed"
