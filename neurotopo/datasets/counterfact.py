"""CounterFact: facts with a false answer, other wordings and similar facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from neurotopo.datasets.dataset import Dataset, Skipped
from neurotopo.datasets.files import (
    FactCollector,
    Faults,
    PathLike,
    Record,
    object_of,
    read_records,
    text_of,
    texts_of,
)
from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.knowledge.words import normalized

__all__ = ["CounterFact", "load_counterfact"]

_WITHIN = "requested_rewrite."


@dataclass(frozen=True)
class _Case:
    fact: Fact
    wrong: str
    paraphrases: tuple[Fact, ...]
    neighbours: tuple[Fact, ...]


class CounterFact(Dataset):
    """True facts with false answers, paraphrases and similar prompts: :func:`load_counterfact`.

    Attributes
    ----------
    wrong : FactSet
        The same prompts with a false answer, in the same order.
    paraphrases : dict of str to tuple of Fact
        Other wordings, by :attr:`~neurotopo.Fact.key`.
    neighbours : dict of str to tuple of Fact
        Prompts on other subjects with the same true answer, by key.

    Examples
    --------
    >>> from neurotopo.datasets import CounterFact
    >>> CounterFact([])
    CounterFact of 0 facts, 0 relations
    """

    def __init__(self, cases: Sequence[_Case], skipped: Sequence[Skipped] = ()) -> None:
        super().__init__((case.fact for case in cases), skipped=skipped)
        self.wrong = FactSet(
            replace(case.fact, answers=(case.wrong,), id=f"{case.fact.key}~wrong") for case in cases
        )
        self.paraphrases = {case.fact.key: case.paraphrases for case in cases}
        self.neighbours = {case.fact.key: case.neighbours for case in cases}


def load_counterfact(path: PathLike, on_error: str = "raise") -> CounterFact:
    """Read CounterFact, or a file of the same format.

    Parameters
    ----------
    path : path-like
        A JSON list, or a JSON object a line, with ``case_id`` and ``requested_rewrite``
        (``prompt`` with ``{}`` for the subject, ``subject``, ``relation_id``, ``target_true`` and
        ``target_new``), and optionally ``paraphrase_prompts`` and ``neighborhood_prompts``.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of an invalid case.

    Returns
    -------
    CounterFact

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.datasets import load_counterfact
    >>> rewrite = {"prompt": "{} was born in", "subject": "Ada Brünn", "relation_id": "P19"}
    >>> rewrite |= {"target_true": {"str": "Marly"}, "target_new": {"str": "São Peko"}}
    >>> case = {"case_id": 7, "requested_rewrite": rewrite, "paraphrase_prompts": ["Ada is from"]}
    >>> file = Path(tempfile.mkdtemp(), "counterfact.json")
    >>> _ = file.write_text(json.dumps([case]))
    >>> facts = load_counterfact(file)
    >>> facts[0].prompt, facts[0].answers, facts.wrong[0].answers
    ('Ada Brünn was born in', ('Marly',), ('São Peko',))
    >>> facts.paraphrases["7"][0].prompt
    'Ada is from'
    """
    faults = Faults(on_error)
    collected = FactCollector(faults)
    cases = []
    for record in read_records(path, faults):
        with faults.at(record.file, record.line):
            case = _case(record)
            fact = collected.add(case.fact, record.line)
            cases.append(case if fact is case.fact else _case(record, fact.key))
    if not cases:
        raise faults.nothing(path, "cases")
    return CounterFact(cases, faults.skipped)


def _case(record: Record, name: str | None = None) -> _Case:
    values = record.values
    rewrite = object_of(values, "requested_rewrite")
    template = text_of(rewrite, "prompt", _WITHIN)
    if template.count("{}") != 1:
        raise ValueError(f"field '{_WITHIN}prompt' must have {{}} once, got {template!r}")
    subject = text_of(rewrite, "subject", _WITHIN).strip()
    true, false = (_target(rewrite, field) for field in ("target_true", "target_new"))
    if normalized(true) == normalized(false):
        raise ValueError(f"field '{_WITHIN}target_new.str' is the true answer, {true!r}")
    relation = text_of(rewrite, "relation_id", _WITHIN)
    key = _case_id(values) if name is None else name
    fact = Fact(template.replace("{}", subject), true, relation, id=key, subject=subject)
    return _Case(
        fact,
        false.strip(),
        tuple(
            replace(fact, prompt=prompt, id=f"{key}~paraphrase{i}")
            for i, prompt in enumerate(_prompts(values, "paraphrase_prompts"), 1)
        ),
        tuple(
            replace(fact, prompt=prompt, id=f"{key}~neighbour{i}", subject=None)
            for i, prompt in enumerate(_prompts(values, "neighborhood_prompts"), 1)
        ),
    )


def _target(rewrite: Mapping[str, Any], field: str) -> str:
    return text_of(object_of(rewrite, field, _WITHIN), "str", f"{_WITHIN}{field}.")


def _prompts(values: Mapping[str, Any], field: str) -> list[str]:
    return texts_of(values, field) if values.get(field) is not None else []


def _case_id(values: Mapping[str, Any]) -> str:
    if "case_id" not in values:
        raise ValueError("field 'case_id' is missing")
    number = values["case_id"]
    if isinstance(number, bool) or not isinstance(number, int | str) or not str(number).strip():
        raise TypeError(f"field 'case_id' must be a number or a string, got {number!r}")
    return str(number)
