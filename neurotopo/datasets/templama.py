"""TempLAMA: facts that change from year to year."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from neurotopo.datasets.dataset import Dataset
from neurotopo.datasets.files import (
    FactCollector,
    Faults,
    PathLike,
    Record,
    array_of,
    data_files,
    object_of,
    read_records,
    text_of,
)
from neurotopo.datasets.prompts import causal_fact, check_prompts, subject_in
from neurotopo.datasets.relations import TEMPLAMA
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.truth import Truth
from neurotopo.models.prompts import Template, split_prompt

__all__ = ["load_templama"]

_KINDS = ("statements", "questions")
_OTHER_TIMES = ("most_frequent_answer", "most_recent_answer")


def load_templama(
    path: PathLike,
    year: int | str | Collection[int | str] | None = None,
    on_error: str = "raise",
    *,
    kind: str | None = None,
    prompts: str = "causal",
    templates: Mapping[str, Template] | None = None,
) -> Dataset:
    """Read TempLAMA, or a file of the same format.

    A row is ``{"query": ..., "answer": [{"name": ...}, ...], "date": ..., "id": ...,
    "relation": ...}``. All valid answers and repeated rows are kept.

    Parameters
    ----------
    path : path-like
        A file or a folder of files, also compressed with gzip.
    year : int, str or several, optional
        Only the facts of these years. :attr:`Dataset.truth` includes all years.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of a row that is not a valid fact; ``skipped`` lists those skipped.
    kind : {"statements", "questions"}, optional
        Queries with a placeholder, or without. Default: the statements of a folder, or all rows
        of a file.
    prompts : {"causal", "original"}, default="causal"
        ``"causal"``: prompts end where the answer begins; those of P6, P286 and P488, which begin
        with the answer, are reworded. ``"original"``: as in the file.
    templates : mapping, optional
        Rewordings for other relations, see :func:`neurotopo.models.prompts.turned_round`.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        If a row is invalid; names file, line and field.

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.datasets import load_templama
    >>> row = {"query": "_X_ is the chair of Peko Motors.", "answer": [{"name": "Émile Vèze"}]}
    >>> row |= {"date": "2018", "id": "Q1_P488_2018", "relation": "P488"}
    >>> file = Path(tempfile.mkdtemp(), "train.jsonl")
    >>> _ = file.write_text(json.dumps(row))
    >>> facts = load_templama(file, year=2018)
    >>> facts[0].prompt, facts[0].answers, facts[0].subject
    ('The chair of Peko Motors is', ('Émile Vèze',), 'Peko Motors')
    """
    check_prompts(prompts)
    if kind not in (None, *_KINDS):
        raise ValueError(f"kind must be 'statements' or 'questions', got {kind!r}.")
    years = _years(year)
    faults = Faults(on_error)
    if kind is None and Path(path).is_dir():
        kind = "statements"
    collected, truth, dates = FactCollector(faults), Truth(), set()
    for file in _files_of(path, kind):
        for record in read_records(file, faults):
            with faults.at(record.file, record.line):
                fact = _fact(record, prompts, templates)
                if kind is not None and kind != _kind_of(fact, record):
                    raise ValueError(f"field 'query' is not one of the {kind}")
                dates.add(fact.date)
                truth.add(fact, _at_other_times(record.values))
                if years is None or years & _years_in(fact.date):
                    collected.add(fact, record.line)
    if dates and not collected.facts:
        raise _none_of(path, years, dates)
    return collected.dataset(path, truth)


def _fact(record: Record, prompts: str, templates: Mapping[str, Template] | None) -> Fact:
    values = record.values
    query = text_of(values, "query")
    fact = Fact(
        query,
        _answers(values),
        relation=text_of(values, "relation"),
        date=text_of(values, "date"),
        id=text_of(values, "id"),
        subject=_subject(query, text_of(values, "relation")),
    )
    return causal_fact(fact, templates) if prompts == "causal" else fact


def _answers(values: Mapping[str, Any]) -> list[str]:
    answers = []
    for i, answer in enumerate(array_of(values, "answer")):
        if not isinstance(answer, dict):
            raise TypeError(f"field 'answer[{i}]' must be an object, got {answer!r}")
        answers.append(text_of(answer, "name", f"answer[{i}]."))
    if not answers:
        raise ValueError("field 'answer' is empty")
    return list(dict.fromkeys(answers))


def _subject(query: str, relation: str) -> str | None:
    known = TEMPLAMA.get(relation)
    if known is None:
        return None
    return subject_in(query, known.statement) or subject_in(query, known.question)


def _at_other_times(values: Mapping[str, Any]) -> list[str]:
    """Return answers in the row that may belong to another year."""
    named = [field for field in _OTHER_TIMES if values.get(field) is not None]
    return [text_of(object_of(values, field), "name", f"{field}.") for field in named]


def _kind_of(fact: Fact, record: Record) -> str:
    return _KINDS[split_prompt(record.values["query"]) is None]


def _files_of(path: PathLike, kind: str | None) -> list[Path]:
    """Return the file, or the files of a folder with queries of that kind."""
    if not Path(path).is_dir():
        return [Path(path)]
    files = data_files(path)
    fitting = [file for file in files if _first_kind(file) == kind]
    if not fitting:
        there = ", ".join(file.name for file in files) or "nothing that ends in .json or .jsonl"
        raise ValueError(f"{os.fspath(path)} holds no {kind} of TempLAMA; there is {there}.")
    return fitting


def _first_kind(file: Path) -> str | None:
    """Return the kind of the first query, or None if there is none."""
    for record in read_records(file, Faults("skip")):
        query = record.values.get("query")
        if isinstance(query, str):
            return _KINDS["_X_" not in query]
    return None


def _years(year: int | str | Collection[int | str] | None) -> frozenset[str] | None:
    if year is None:
        return None
    several = list(year) if isinstance(year, Collection) and not isinstance(year, str) else [year]
    for one in several:
        if isinstance(one, bool) or not re.fullmatch(r"\d{4}", str(one)):
            raise ValueError(f"year must be a year such as 2018, or several, got {one!r}.")
    return frozenset(map(str, several))


def _years_in(date: str | None) -> frozenset[str]:
    """Return the years in a date: 2018 of "2018" and of "September 2018"."""
    return frozenset(re.findall(r"(?<!\d)\d{4}(?!\d)", date or ""))


def _none_of(
    path: PathLike, years: frozenset[str] | None, dates: Collection[str | None]
) -> ValueError:
    there = sorted({year for date in dates for year in _years_in(date)})
    wanted = ", ".join(sorted(years or ()))
    return ValueError(
        f"{os.fspath(path)} holds no facts of {wanted or 'any year'}; its years are "
        f"{', '.join(there) or 'not given'}."
    )
