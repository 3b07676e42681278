"""Files of one's own: CSV with a column for each field of a fact, and JSON Lines."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterator, Mapping
from dataclasses import fields

from neurotopo.datasets.dataset import Dataset
from neurotopo.datasets.files import Faults, Found, PathLike, read_bytes, read_text
from neurotopo.knowledge.facts import Fact, fact_of_line

__all__ = ["load_csv", "load_jsonl"]

_FIELDS = tuple(field.name for field in fields(Fact))
_Row = tuple[int, list[str]]


def load_jsonl(path: PathLike, on_error: str = "raise") -> Dataset:
    r"""Read what :meth:`neurotopo.FactSet.to_jsonl` writes: a JSON object for a fact a line.

    Parameters
    ----------
    path : path-like
        A UTF-8 file; packed with gzip too. The fields are those of :class:`~neurotopo.Fact`;
        ``prompt`` and ``answers`` are needed.
    on_error : {"raise", "skip"}, default="raise"
        What to do with a line that is no fact, or whose fact is there already.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "facts.jsonl"
    >>> _ = file.write_text('{"prompt": "The capital of Zunia is _X_", "answers": ["Marly"]}\n{}')
    >>> from neurotopo.datasets import load_jsonl
    >>> facts = load_jsonl(file, on_error="skip")
    >>> facts, facts.skipped[0].reason
    (Dataset of 1 fact, 0 relations, 1 skipped, "field 'prompt' is missing")
    """
    faults, found = Faults(on_error), Found(repeat=False)
    # Only these are line ends: a JSON string may hold any other that Unicode knows.
    for number, line in enumerate(read_bytes(path).split(b"\n"), start=1):
        if line.strip():
            with faults.at(path, number):
                found.add(fact_of_line(line), number)
    if not found.facts:
        raise faults.nothing(path)
    return Dataset(found.facts, skipped=faults.skipped)


def load_csv(
    path: PathLike,
    on_error: str = "raise",
    *,
    columns: Mapping[str, str] | None = None,
    delimiter: str | None = None,
    separator: str = "|",
) -> Dataset:
    r"""Read a table with a fact in each row.

    Parameters
    ----------
    path : path-like
        A UTF-8 file whose first row names the columns; packed with gzip too. A column serves if
        its name is that of a field of :class:`~neurotopo.Fact`; ``prompt`` and ``answers`` are
        needed, and ``answer`` is as good as ``answers``. An empty cell leaves the field out.
    on_error : {"raise", "skip"}, default="raise"
        What to do with a row that is no fact, or whose fact is there already.
    columns : mapping of str to str, optional
        The column of a field, where it has another name: ``{"prompt": "query"}``.
    delimiter : str, optional
        What stands between cells. None: a tab where the name of the file ends in ``.tsv``, a
        comma otherwise.
    separator : str, default="|"
        What stands between several valid answers.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "facts.csv"
    >>> _ = file.write_text(
    ...     "query,answers,date\nWho owns Peko Motor Works?,Ilse Krone|Ada Brünn,2018\n",
    ...     encoding="utf-8",
    ... )
    >>> from neurotopo.datasets import load_csv
    >>> load_csv(file, columns={"prompt": "query"})[0].answers
    ('Ilse Krone', 'Ada Brünn')
    """
    faults, found = Faults(on_error), Found(repeat=False)
    rows = _rows(path, _delimiter(path, delimiter))
    line, header = next(rows, (1, []))
    with Faults("raise").at(path, line):
        places = _places(header, columns or {})
    for line, cells in rows:
        with faults.at(path, line):
            if len(cells) != len(header):
                raise ValueError(f"has {len(cells)} cells, but there are {len(header)} columns")
            found.add(_fact(cells, places, separator), line)
    if not found.facts:
        raise faults.nothing(path)
    return Dataset(found.facts, skipped=faults.skipped)


def _rows(path: PathLike, delimiter: str) -> Iterator[_Row]:
    """Yield the rows that are not blank, with the line where each begins."""
    reader = csv.reader(io.StringIO(read_text(path), newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            # Nobody knows where the next row begins.
            raise ValueError(f"{os.fspath(path)}, line {line}: not CSV ({error}).") from None
        if any(cell.strip() for cell in cells):
            yield line, cells


def _delimiter(path: PathLike, delimiter: str | None) -> str:
    if delimiter is not None:
        return delimiter
    return "\t" if os.fspath(path).removesuffix(".gz").endswith(".tsv") else ","


def _places(header: list[str], columns: Mapping[str, str]) -> dict[str, int]:
    """Return the number of the column of each field."""
    names = [name.strip() for name in header]
    for field in columns:
        if field not in _FIELDS:
            raise ValueError(f"columns: a fact has no field {field!r}")
    wanted = {field: columns.get(field, field) for field in _FIELDS}
    if "answers" not in columns and "answers" not in names:
        wanted["answers"] = "answer"
    for field, name in wanted.items():
        if names.count(name) > 1:
            raise ValueError(f"column {name!r} occurs twice")
        if name not in names and (field in columns or field in ("prompt", "answers")):
            name = "answers" if name == "answer" else name
            raise ValueError(f"column {name!r} is missing; there are {', '.join(names) or 'none'}")
    return {field: names.index(name) for field, name in wanted.items() if name in names}


def _fact(cells: list[str], places: Mapping[str, int], separator: str) -> Fact:
    values = {field: cells[place] for field, place in places.items()}
    prompt, answers = values.pop("prompt"), values.pop("answers")
    for field, text in (("prompt", prompt), ("answers", answers)):
        if not text.strip():
            raise ValueError(f"field {field!r} is blank")
    given = {field: text.strip() for field, text in values.items() if text.strip()}
    return Fact(prompt, answers.split(separator), **given)
