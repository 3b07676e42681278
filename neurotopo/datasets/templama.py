"""TempLAMA: facts that change from year to year."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from neurotopo.datasets.dataset import Dataset
from neurotopo.datasets.files import (
    Faults,
    Found,
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
from neurotopo.datasets.truth import Truth
from neurotopo.knowledge.facts import Fact
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
    """Read TempLAMA, or any file of its form.

    A row is ``{"query": ..., "answer": [{"name": ...}, ...], "date": ..., "id": ...,
    "relation": ...}``. All valid answers are kept, and so is a row that is there twice.

    Parameters
    ----------
    path : path-like
        A file, or a folder of files; ``.gz`` too.
    year : int, str or several, optional
        Only the facts of these years. What was true in other years is still known, see
        :attr:`Dataset.truth`.
    on_error : {"raise", "skip"}, default="raise"
        What to do with a row that is no fact. What was skipped is counted and explained in
        ``skipped``.
    kind : {"statements", "questions"}, optional
        What to read: queries with a placeholder, or without. None: the statements of a folder,
        and of a file whatever is in it.
    prompts : {"causal", "original"}, default="causal"
        ``"causal"``: prompts end where the answer begins, and those of P6, P286 and P488, where it
        comes first, are turned round. ``"original"``: as in the file.
    templates : mapping, optional
        How to turn prompts of other relations round, see
        :func:`neurotopo.models.prompts.turned_round`.

    Returns
    -------
    Dataset

    Raises
    ------
    ValueError
        With file, line and field.

    Examples
    --------
    >>> import json
    >>> row = {
    ...     "query": "_X_ is the chair of Peko Motor Works.",
    ...     "answer": [{"name": "Émile Vèze"}, {"name": "Ilse Krone"}],
    ...     "date": "2018",
    ...     "id": "Q1_P488_2018",
    ...     "relation": "P488",
    ... }
    >>> import tempfile
    >>> from pathlib import Path
    >>> file = Path(tempfile.mkdtemp()) / "train.jsonl"
    >>> _ = file.write_text(json.dumps(row), encoding="utf-8")
    >>> from neurotopo.datasets import load_templama
    >>> facts = load_templama(file, year=2018)
    >>> facts[0].prompt, facts[0].answers, facts[0].subject
    ('The chair of Peko Motor Works is', ('Émile Vèze', 'Ilse Krone'), 'Peko Motor Works')
    """
    check_prompts(prompts)
    if kind not in (None, *_KINDS):
        raise ValueError(f"kind must be 'statements' or 'questions', got {kind!r}.")
    years = _years(year)
    faults = Faults(on_error)
    if kind is None and Path(path).is_dir():
        kind = "statements"
    files = _files_of(path, kind)
    found, truth, dates = Found(), Truth(), set()
    for file in files:
        for record in read_records(file, faults):
            with faults.at(record.file, record.line):
                fact = _fact(record, prompts, templates)
                if kind is not None and kind != _kind_of(fact, record):
                    raise ValueError(f"field 'query' is not one of the {kind}")
                dates.add(fact.date)
                truth.add(fact, _at_other_times(record.values))
                if years is None or years & _years_in(fact.date):
                    found.add(fact, record.line)
    if not found.facts:
        raise _none_of(path, years, dates) if dates else faults.nothing(path)
    return Dataset(found.facts, skipped=faults.skipped, truth=truth)


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
    """Return answers that the row names though they may belong to another year."""
    named = [field for field in _OTHER_TIMES if values.get(field) is not None]
    return [text_of(object_of(values, field), "name", f"{field}.") for field in named]


def _kind_of(fact: Fact, record: Record) -> str:
    return _KINDS[split_prompt(record.values["query"]) is None]


def _files_of(path: PathLike, kind: str | None) -> list[Path]:
    """Return the file, or those of a folder that hold what is asked for."""
    if not Path(path).is_dir():
        return [Path(path)]
    files = data_files(path)
    fitting = [file for file in files if _first_kind(file) == kind]
    if not fitting:
        there = ", ".join(file.name for file in files) or "nothing that ends in .json or .jsonl"
        raise ValueError(f"{os.fspath(path)} holds no {kind} of TempLAMA; there is {there}.")
    return fitting


def _first_kind(file: Path) -> str | None:
    """Return what the first row with a query is, or None where there is none."""
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
