"""Own files: CSV with a column for each field of a fact, and JSON Lines."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from neurotopo._files import abridged
from neurotopo.datasets.dataset import Dataset
from neurotopo.datasets.files import FactCollector, Faults, PathLike, read_bytes, read_text
from neurotopo.datasets.lama import Reworded, worded
from neurotopo.knowledge.facts import Fact, fact_and_extras, numbered_lines

__all__ = ["load_csv", "load_jsonl"]

_FIELDS = tuple(field.name for field in fields(Fact))
_Row = tuple[int, list[str]]


def load_jsonl(path: PathLike, on_error: str = "raise") -> Dataset:
    """Read a JSON Lines file of facts, as :meth:`neurotopo.FactSet.to_jsonl` writes it.

    Parameters
    ----------
    path : path-like
        A UTF-8 file, also compressed with gzip. The fields are those of :class:`~neurotopo.Fact`;
        ``prompt`` and ``answers`` are required.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of a line that is not a valid fact, or repeats one.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> from neurotopo.datasets import load_jsonl
    >>> from neurotopo.models.builtin_models import find
    >>> load_jsonl(find("planted") / "facts.jsonl")
    Dataset of 322 facts, 12 relations
    """
    faults = Faults(on_error)
    collected = FactCollector(faults, repeat=False)
    extras: dict[str, dict[str, Any]] = {}
    for number, line in numbered_lines(read_bytes(path)):
        with faults.at(path, number):
            fact, more = fact_and_extras(line)
            collected.add(fact, number)
            if more:
                extras[fact.key] = more
    facts = collected.dataset(path)
    if not extras:
        return facts
    prompts = {fact.key: extras.get(fact.key, {}).get("wordings") for fact in facts}
    return Reworded(
        {fact.key: worded(fact, prompts[fact.key] or [fact.prompt]) for fact in facts},
        facts.skipped,
        known={key: more["known"] for key, more in extras.items() if "known" in more},
    )


def load_csv(
    path: PathLike,
    on_error: str = "raise",
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    separator: str = "|",
) -> Dataset:
    r"""Read a table with one fact a row.

    Parameters
    ----------
    path : path-like
        A UTF-8 file, also compressed with gzip. The first row names the columns, after the fields
        of :class:`~neurotopo.Fact`; others are ignored. ``prompt`` and ``answers`` (or
        ``answer``) are required. An empty cell is a missing field.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of a row that is not a valid fact, or repeats one.
    columns : mapping of str to str, optional
        Other column names by field: ``{"prompt": "query"}``.
    delimiter : str, optional
        Separator of cells. Default: a tab for a ``.tsv`` file, else a comma.
    separator : str, default="|"
        Separator of several valid answers.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.datasets import load_csv
    >>> file = Path(tempfile.mkdtemp(), "facts.csv")
    >>> _ = file.write_text("query,answers\nWho owns Peko Motor Works?,Ilse Krone|Ada Vèze\n")
    >>> load_csv(file, columns={"prompt": "query"})[0].answers
    ('Ilse Krone', 'Ada Vèze')
    """
    faults = Faults(on_error)
    collected = FactCollector(faults, repeat=False)
    rows = _rows(path, _delimiter(path, delimiter))
    line, header = next(rows, (1, []))
    with Faults("raise").at(path, line):
        places = _places(header, columns or {})
    for line, cells in rows:
        with faults.at(path, line):
            if len(cells) != len(header):
                raise ValueError(f"has {len(cells)} cells, but there are {len(header)} columns")
            collected.add(_fact(cells, places, separator), line)
    return collected.dataset(path)


def _rows(path: PathLike, delimiter: str) -> Iterator[_Row]:
    """Yield the rows that are not blank, with the first line of each."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # The start of the next row is unknown.
            raise ValueError(f"{os.fspath(path)}, line {line}: not CSV ({error}).") from None
        if any(cell.strip() for cell in cells):
            yield line, cells


def _delimiter(path: PathLike, delimiter: str | None) -> str:
    if delimiter is not None:
        return delimiter
    return "\t" if os.fspath(path).removesuffix(".gz").endswith(".tsv") else ","


def _places(header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return the column number of each field."""
    names = [name.strip() for name in header]
    for field in columns:
        if field not in _FIELDS:
            raise ValueError(f"columns: a fact has no field {field!r}")
    wanted = {field: columns.get(field, field) for field in _FIELDS}
    if "answers" not in columns and "answers" not in names:
        wanted["answers"] = "answer"
    for field, name in wanted.items():
        if names.count(name) > 1:
            raise ValueError(f"column {abridged(name)!r} occurs twice")
        if name not in names and (field in columns or field in ("prompt", "answers")):
            name = "answers" if name == "answer" else name
            there = abridged(", ".join(names)) or "none"
            raise ValueError(f"column {name!r} is missing; there are {there}")
    return {field: names.index(name) for field, name in wanted.items() if name in names}


def _fact(cells: list[str], places: Mapping[str, int], separator: str) -> Fact:
    values = {field: cells[place] for field, place in places.items()}
    prompt, answers = values.pop("prompt"), values.pop("answers")
    for field, text in (("prompt", prompt), ("answers", answers)):
        if not text.strip():
            raise ValueError(f"field {field!r} is blank")
    given = {field: text.strip() for field, text in values.items() if text.strip()}
    return Fact(prompt, answers.split(separator), **given)
