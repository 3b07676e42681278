"""Records of JSON and JSON Lines files, with the line of each, and what to do with bad ones."""

from __future__ import annotations

import gzip
import json
import os
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from neurotopo.datasets.dataset import Skipped
from neurotopo.knowledge.facts import Fact, distinct_fields, same_key

__all__ = [
    "Faults",
    "Found",
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
    """Raises at the first fault, or skips what is faulty and remembers why.

    Parameters
    ----------
    on_error : {"raise", "skip"}
        Which of the two.
    """

    def __init__(self, on_error: str) -> None:
        if on_error not in ("raise", "skip"):
            raise ValueError(f"on_error must be 'raise' or 'skip', got {on_error!r}.")
        self._raises = on_error == "raise"
        self.skipped: list[Skipped] = []

    @contextmanager
    def at(self, file: PathLike, line: int | None) -> Iterator[None]:
        """Say of a mistake made inside where it is; leave out the rest of the block."""
        try:
            yield
        except (TypeError, ValueError) as error:
            fault = Skipped(os.fspath(file), line, str(error))
            if self._raises:
                raise ValueError(str(fault)) from None
            self.skipped.append(fault)

    def nothing(self, file: PathLike, what: str = "facts") -> ValueError:
        """Return the error for a file of which nothing is left."""
        n = len(self.skipped)
        reason = f" ({n} skipped; the first: {self.skipped[0]})" if n else ""
        return ValueError(f"{os.fspath(file)} holds no {what}{reason.replace('.)', ')')}.")


@dataclass(frozen=True)
class Record:
    """An object of a file.

    Attributes
    ----------
    file : str
        The file.
    line : int
        The line where it begins, counted from 1.
    values : dict
        Its fields.
    """

    file: str
    line: int
    values: Mapping[str, Any]


class Found:
    """Facts as they are read, each with a name of its own.

    Parameters
    ----------
    repeat : bool, default=True
        Keep a fact whose name another has, and number it; otherwise that is a mistake.
    """

    def __init__(self, repeat: bool = True) -> None:
        self.facts: list[Fact] = []
        self._repeat = repeat
        self._lines: dict[str, int] = {}
        self._copies: dict[str, int] = {}

    def add(self, fact: Fact, line: int) -> Fact:
        """Take a fact in and return it, with its number where it is a repetition."""
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


def data_files(folder: PathLike) -> list[Path]:
    """Return the JSON and JSON Lines files of a folder, packed or not, in order of their names."""
    found = (path for path in Path(folder).iterdir() if path.is_file())
    return sorted(
        path
        for path in found
        if path.name.endswith(_SUFFIXES) and not path.name.startswith((".", "_"))
    )


def read_bytes(path: PathLike) -> bytes:
    """Return the content of a file, unpacked if it is packed, without a byte order mark."""
    data = Path(path).read_bytes()
    if data.startswith(_GZIP):
        try:
            data = gzip.decompress(data)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise ValueError(f"{os.fspath(path)}: the gzip file is damaged ({error}).") from None
    return data.removeprefix(_BOM)


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

    Parameters
    ----------
    path : path-like
        The file.
    faults : Faults
        What to do with lines that are no object. A list that is not JSON ends in an error in any
        case, because nobody knows where its next member begins.

    Yields
    ------
    Record
    """
    name = os.fspath(path)
    data = read_bytes(path)
    if data.lstrip()[:1] == b"[":
        yield from _members(name, read_text(path), faults)
        return
    # Only these are line ends: a JSON string may hold any other that Unicode knows.
    for number, line in enumerate(data.split(b"\n"), start=1):
        if not line.strip():
            continue
        values = None
        with faults.at(name, number):
            values = _object(line)
        if values is not None:
            yield Record(name, number, values)


def _object(line: bytes) -> dict[str, Any]:
    try:
        text = line.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from None
    try:
        value = json.loads(text, object_pairs_hook=distinct_fields)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return _as_object(value)


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
        values = None
        with faults.at(name, line):
            values = _as_object(value)
        if values is not None:
            yield Record(name, line, values)
        position = _after_space(text, position)
        separated = text[position : position + 1] == ","
        position += separated
    rest = _after_space(text, position + 1)
    if rest < len(text):
        line += text.count("\n", counted, rest)
        raise ValueError(f"{name}, line {line}: not JSON (there is more behind the list).")


def _after_space(text: str, position: int) -> int:
    while text[position : position + 1] in (" ", "\t", "\r", "\n"):
        position += 1
    return position


def text_of(values: Mapping[str, Any], field: str, within: str = "") -> str:
    """Return a field that has to be a text, and not a blank one.

    Parameters
    ----------
    values : mapping
        The fields.
    field : str
        Name of the field.
    within : str, default=""
        Name of what the fields belong to, for messages.
    """
    return _text(_value(values, field, within), within + field)


def object_of(values: Mapping[str, Any], field: str, within: str = "") -> Mapping[str, Any]:
    """Return a field that has to be an object."""
    value = _value(values, field, within)
    if not isinstance(value, dict):
        raise TypeError(f"field {within + field!r} must be an object, got {_shown(value)}")
    return value


def array_of(values: Mapping[str, Any], field: str, within: str = "") -> Sequence[Any]:
    """Return a field that has to be a list."""
    value = _value(values, field, within)
    if not isinstance(value, list):
        raise TypeError(f"field {within + field!r} must be a list, got {_shown(value)}")
    return value


def texts_of(values: Mapping[str, Any], field: str, within: str = "") -> list[str]:
    """Return a field that has to be a list of texts."""
    members: Iterable[Any] = array_of(values, field, within)
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
