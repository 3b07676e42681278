"""Records of JSON and JSON Lines files with their lines, and the treatment of invalid ones."""

from __future__ import annotations

import gzip
import io
import json
import os
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neurotopo._files import abridged
from neurotopo._files import read_bytes as read_file
from neurotopo._memory import require_memory, unpack_limit
from neurotopo.datasets.dataset import Dataset, Skipped
from neurotopo.knowledge.facts import Fact, decoded_json, distinct_fields, numbered_lines, same_key
from neurotopo.knowledge.truth import Truth

__all__ = [
    "FactCollector",
    "Faults",
    "PathLike",
    "Record",
    "array_of",
    "data_files",
    "object_of",
    "read_bytes",
    "read_records",
    "read_text",
    "text_of",
]

PathLike = str | os.PathLike[str]
_SUFFIXES = (".jsonl", ".json", ".jsonl.gz", ".json.gz")
_GZIP = b"\x1f\x8b"
_BOM = b"\xef\xbb\xbf"


class Faults:
    """Treatment of invalid records: ``"raise"`` at the first one, or ``"skip"`` and list them."""

    def __init__(self, on_error: str) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
        self._raises = on_error == "raise"
        self.skipped: list[Skipped] = []

    @contextmanager
    def at(self, file: PathLike, line: int | None) -> Iterator[None]:
        """Add the place to an error of the block, or skip the rest of the block."""
        try:
            yield
        except (TypeError, ValueError) as error:
            fault = Skipped(os.fspath(file), line, abridged(error))
            if self._raises:
                raise ValueError(str(fault)) from None
            self.skipped.append(fault)

    def nothing(self, file: PathLike, what: str = "facts") -> ValueError:
        """Return the error for a file without a valid record."""
        n = len(self.skipped)
        reason = f" ({n} skipped; the first: {self.skipped[0]})" if n else ""
        return ValueError(f"{os.fspath(file)} holds no {what}{reason.replace('.)', ')')}.")


@dataclass(frozen=True)
class Record:
    """An object of a file: its first line, counted from 1, and its fields."""

    file: str
    line: int
    values: Mapping[str, Any]


class FactCollector:
    """The facts of a file, each with a unique key.

    Parameters
    ----------
    faults : Faults
        Treatment of invalid records.
    repeat : bool, default=True
        Number a fact whose key occurred before; otherwise it is invalid.
    """

    def __init__(self, faults: Faults, repeat: bool = True) -> None:
        self.facts: list[Fact] = []
        self._faults = faults
        self._repeat = repeat
        self._lines: dict[str, int] = {}
        self._copies: dict[str, int] = {}

    def add(self, fact: Fact, line: int) -> Fact:
        """Add a fact and return it, numbered if it is a repetition."""
        key = fact.key
        if key in self._lines:
            if not self._repeat:
                other = self._lines[key]
                raise ValueError(f"this fact and that of line {other} {same_key(fact)}")
            while key in self._lines:
                self._copies[fact.key] = self._copies.get(fact.key, 1) + 1
                key = f"{fact.key}#{self._copies[fact.key]}"
            fact = replace(fact, id=key)
        self._lines[key] = line
        self.facts.append(fact)
        return fact

    def dataset(self, path: PathLike, truth: Truth | None = None) -> Dataset:
        """Return the facts as a data set; raise an error if there are none."""
        if not self.facts:
            raise self._faults.nothing(path)
        return Dataset(self.facts, skipped=self._faults.skipped, truth=truth)


def data_files(folder: PathLike) -> list[Path]:
    """Return the JSON and JSON Lines files of a folder, also compressed ones, sorted by name."""
    return sorted(
        path
        for path in Path(folder).iterdir()
        if path.name.endswith(_SUFFIXES) and path.name[0] not in "._" and path.is_file()
    )


def read_bytes(path: PathLike) -> bytes:
    """Return the content of a file, decompressed, without a byte order mark."""
    data = read_file(path)
    if data.startswith(_GZIP):
        try:
            data = _decompressed(data, path)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{os.fspath(path)}: the gzip file is damaged ({error}).") from None
    return data.removeprefix(_BOM)


def _decompressed(data: bytes, path: PathLike) -> bytes:
    """Return the content of a gzip file; no more of it is read than the limit."""
    limit = unpack_limit()
    with gzip.GzipFile(fileobj=io.BytesIO(data)) as file:
        content = file.read(limit + 1)
    require_memory(len(content), f"the contents of {os.fspath(path)}", limit=limit)
    return content


def read_text(path: PathLike) -> str:
    """Return the text of a file; the error of one that is not UTF-8 names the line."""
    data = read_bytes(path)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ValueError(f"{os.fspath(path)}, line {line}: not UTF-8 ({error.reason}).") from None


def read_records(path: PathLike, faults: Faults) -> Iterator[Record]:
    """Yield the objects of a file: one a line, or the members of one list.

    A list that is not JSON always raises an error, because the start of its next member is unknown.
    """
    name = os.fspath(path)
    data = read_bytes(path)
    if data.lstrip()[:1] == b"[":
        yield from _members(name, read_text(path), faults)
        return
    for number, line in numbered_lines(data):
        with faults.at(name, number):
            yield Record(name, number, _as_object(decoded_json(line)))


def _as_object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"must be a JSON object, got {_shown(value)}")
    return value


def _members(name: str, text: str, faults: Faults) -> Iterator[Record]:
    decoder = json.JSONDecoder(object_pairs_hook=distinct_fields)
    position, line, counted = text.index("[") + 1, 1, 0
    separated = True
    while True:
        position = _after_space(text, position)
        line, counted = line + text.count("\n", counted, position), position
        if text[position : position + 1] == "]":
            break
        if not separated:
            raise ValueError(f"{name}, line {line}: not JSON (',' or ']' is missing).")
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            raise ValueError(
                f"{name}, line {error.lineno}: not JSON ({error.msg} at column {error.colno})."
            ) from None
        except (ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, ValueError) else "nested too deeply"
            raise ValueError(f"{name}, line {line}: {reason}.") from None
        with faults.at(name, line):
            yield Record(name, line, _as_object(value))
        position = _after_space(text, position)
        separated = text[position : position + 1] == ","
        position += separated
    rest = _after_space(text, position + 1)
    if rest < len(text):
        line += text.count("\n", counted, rest)
        raise ValueError(f"{name}, line {line}: not JSON (text after the list).")


def _after_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def text_of(values: Mapping[str, Any], field: str, within: str = "") -> str:
    """Return a field that must be a text and not blank; ``within`` precedes it in messages."""
    return _text(_value(values, field, within), within + field)


def object_of(values: Mapping[str, Any], field: str, within: str = "") -> Mapping[str, Any]:
    """Return a field that must be an object."""
    value = _value(values, field, within)
    if not isinstance(value, dict):
        raise TypeError(f"field {within + field!r} must be an object, got {_shown(value)}")
    return value


def array_of(values: Mapping[str, Any], field: str, within: str = "") -> Sequence[Any]:
    """Return a field that must be a list."""
    value = _value(values, field, within)
    if not isinstance(value, list):
        raise TypeError(f"field {within + field!r} must be a list, got {_shown(value)}")
    return value


def texts_of(values: Mapping[str, Any], field: str, within: str = "") -> list[str]:
    """Return a field that must be a list of texts."""
    members = array_of(values, field, within)
    return [_text(value, f"{within}{field}[{i}]") for i, value in enumerate(members)]


def _value(values: Mapping[str, Any], field: str, within: str) -> Any:
    if field not in values:
        raise ValueError(f"field {within + field!r} is missing")
    return values[field]


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise TypeError(f"field {name!r} must be a string, got {_shown(value)}")
    if not value.strip():
        raise ValueError(f"field {name!r} is blank")
    return value


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
