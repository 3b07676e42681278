"""Facts: prompts with their valid answers."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from neurotopo._files import abridged, atomic_write, read_bytes
from neurotopo.models.prompts import describe_fact, split_prompt

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Fact", "FactSet"]

EXTRAS = ("wordings", "known")
"""Fields of a JSONL file besides those of a fact: all its prompts, and how a model knows them."""


@dataclass(frozen=True, init=False)
class Fact:
    """A sentence or question about one subject, with its valid answers.

    Parameters
    ----------
    prompt : str
        One placeholder ``_X_`` (or ``[MASK]``, ``<mask>``, ``___``) marks the place of the answer.
        Without it the answer follows the prompt.
    answers : str or sequence of str
        The valid answers, the preferred one first. Surrounding space is removed.
    relation : str, optional
        Name of the relation, for example ``"P36"``. Templates of prompts need it.
    date : str, optional
        Time at which the answers are valid.
    id : str, optional
        Name of the fact, unique in a :class:`FactSet`.
    subject : str, optional
        Name of the subject.
    language : str, default="en"
        Code of the language of the prompt, for example ``"zh"`` or ``"zh-Hans"``.

    Attributes
    ----------
    answers : tuple of str
        The answers; the other attributes are as the parameters.

    Raises
    ------
    TypeError
        If a field has the wrong type.
    ValueError
        If the prompt is blank or contains two placeholders, ``[X]`` or ``[Y]``, or if there is no
        answer or a blank one.

    Examples
    --------
    >>> from neurotopo.knowledge import Fact
    >>> Fact("The capital of Zúnia is _X_.", "São Peko", relation="P36").answers
    ('São Peko',)
    >>> Fact("Who owns Peko Motor Works?", ["Ilse Krone", ""])
    Traceback (most recent call last):
        ...
    ValueError: Fact 'Who owns Peko Motor Works?': field 'answers' holds a blank answer.
    """

    prompt: str
    answers: tuple[str, ...]
    relation: str | None = None
    date: str | None = None
    id: str | None = None
    subject: str | None = None
    language: str = "en"

    def __init__(
        self,
        prompt: str,
        answers: str | Sequence[str],
        relation: str | None = None,
        date: str | None = None,
        id: str | None = None,
        subject: str | None = None,
        language: str = "en",
    ) -> None:
        values = (prompt, _as_tuple(answers), relation, date, id, subject, language)
        for field, value in zip(fields(self), values, strict=True):
            object.__setattr__(self, field.name, value)
        self._check()

    @property
    def key(self) -> str:
        """The ``id``, or else a reproducible name made from all other fields."""
        if self.id is not None:
            return self.id
        content = json.dumps(asdict(self), sort_keys=True, ensure_ascii=True)
        return f"fact-{hashlib.sha256(content.encode()).hexdigest()[:16]}"

    def to_dict(self) -> dict[str, Any]:
        """Return the fields that are not None as a dictionary of JSON values.

        Returns
        -------
        dict
        """
        values = {name: value for name, value in asdict(self).items() if value is not None}
        return {**values, "answers": list(self.answers)}

    def _check(self) -> None:
        _check_text("prompt", self.prompt)
        if not self.prompt.strip():
            raise ValueError("A fact needs a prompt: field 'prompt' is blank.")
        name = describe_fact(self) if isinstance(self.id, str | None) else f"Fact {self.prompt!r}"
        try:
            for answer in self.answers:
                _check_text("answers", answer)
            for field in ("relation", "date", "id", "subject"):
                if getattr(self, field) is not None:
                    _check_text(field, getattr(self, field), "a string or None")
                    _check_not_blank(field, getattr(self, field))
            _check_text("language", self.language)
            _check_not_blank("language", self.language)
            if not self.answers:
                raise ValueError("field 'answers' is empty")
            if not all(self.answers):
                raise ValueError("field 'answers' holds a blank answer")
            split_prompt(self.prompt)
            for mark in ("[X]", "[Y]"):
                if mark in self.prompt:
                    advice = "write the subject's name and, for the answer, _X_"
                    raise ValueError(f"the prompt {self.prompt!r} holds {mark}: {advice}")
        except (TypeError, ValueError) as error:
            raise type(error)(f"{name}: {error}.") from None


def _as_tuple(answers: str | Sequence[str]) -> tuple[str, ...]:
    if isinstance(answers, str):
        answers = (answers,)
    if not isinstance(answers, Sequence) or isinstance(answers, bytes | bytearray):
        got = type(answers).__name__
        raise TypeError(f"field 'answers' must be a string or a sequence of strings, got {got}")
    return tuple(answer.strip() if isinstance(answer, str) else answer for answer in answers)


def _check_text(field: str, value: object, wanted: str = "a string") -> None:
    if not isinstance(value, str):
        what = "strings" if field == "answers" else wanted
        raise TypeError(f"field {field!r} must be {what}, got {value!r}")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"field {field!r} holds half a character: {value!r}") from None


def _check_not_blank(field: str, value: str) -> None:
    if not value.strip():
        raise ValueError(f"field {field!r} is blank")


class FactSet(Sequence[Fact]):
    """A sequence of facts with distinct keys.

    Parameters
    ----------
    facts : iterable of Fact
        The facts, in order.

    Raises
    ------
    TypeError
        If an item is not a fact.
    ValueError
        If two facts have the same :attr:`Fact.key`: the same ``id``, or no ``id`` and the same
        content.

    Examples
    --------
    >>> from neurotopo.knowledge import Fact, FactSet
    >>> capital = Fact("The capital of Zúnia is _X_.", "São Peko", relation="P36")
    >>> facts = FactSet([capital, Fact("Ada Brünn plays for _X_.", "Marly United", "P54", "2010")])
    >>> facts
    FactSet of 2 facts, 2 relations
    >>> facts.filter(relation="P36")[0].answers, facts.relations
    (('São Peko',), ('P36', 'P54'))
    """

    def __init__(self, facts: Iterable[Fact]) -> None:
        self._facts = tuple(facts)
        first: dict[str, int] = {}
        for i, fact in enumerate(self._facts):
            if not isinstance(fact, Fact):
                raise TypeError(f"facts[{i}] must be a Fact, got {fact!r}.")
            j = first.setdefault(fact.key, i)
            if j != i:
                raise ValueError(f"facts[{j}] and facts[{i}] {same_key(fact)}.")

    @overload
    def __getitem__(self, index: int) -> Fact: ...
    @overload
    def __getitem__(self, index: slice) -> FactSet: ...
    def __getitem__(self, index: int | slice) -> Fact | FactSet:
        if isinstance(index, slice):
            return FactSet(self._facts[index])
        return self._facts[index]

    def __len__(self) -> int:
        return len(self._facts)

    def __iter__(self) -> Iterator[Fact]:
        return iter(self._facts)

    def __eq__(self, other: object) -> bool:
        return self._facts == other._facts if isinstance(other, FactSet) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._facts)

    def __add__(self, other: Iterable[Fact]) -> FactSet:
        return FactSet([*self, *other])

    def __repr__(self) -> str:
        return f"FactSet of {len(self)} facts, {len(self.relations)} relations"

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations, in order of their first fact."""
        named = (fact.relation for fact in self if fact.relation is not None)
        return tuple(dict.fromkeys(named))

    def by_relation(self) -> dict[str | None, FactSet]:
        """Return the facts by relation; the key None is for facts without one.

        Returns
        -------
        dict of str or None to FactSet
            In order of the first fact of each relation.
        """
        groups: dict[str | None, list[Fact]] = {}
        for fact in self:
            groups.setdefault(fact.relation, []).append(fact)
        return {relation: FactSet(facts) for relation, facts in groups.items()}

    def filter(
        self,
        *,
        relation: str | Collection[str] | None = None,
        language: str | Collection[str] | None = None,
        date: str | Collection[str] | None = None,
        predicate: Callable[[Fact], bool] | None = None,
    ) -> FactSet:
        """Return the facts that satisfy all conditions, in order.

        Parameters
        ----------
        relation, language, date : str or collection of str, optional
            Accepted value or values of the field.
        predicate : callable, optional
            Function of a fact; True keeps the fact.

        Returns
        -------
        FactSet
        """
        accepted = {"relation": relation, "language": language, "date": date}
        wanted = {k: _collection(k, values) for k, values in accepted.items() if values is not None}
        return FactSet(
            fact
            for fact in self
            if all(getattr(fact, name) in values for name, values in wanted.items())
            and (predicate is None or predicate(fact))
        )

    def sample(self, n: int, seed: int = 0) -> FactSet:
        """Return n facts, drawn without replacement, in their original order.

        Parameters
        ----------
        n : int
            Number of facts.
        seed : int, default=0
            Seed of the draw.

        Returns
        -------
        FactSet
        """
        if not 0 <= n <= len(self):
            raise ValueError(f"Cannot draw {n} of {len(self)} facts without replacement.")
        drawn = np.random.default_rng(seed).choice(len(self), size=n, replace=False)
        return FactSet(self._facts[i] for i in np.sort(drawn))

    def to_pandas(self) -> pd.DataFrame:
        """Return a table of the fields, a row for each fact, indexed by :attr:`Fact.key`.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        names = [field.name for field in fields(Fact)]
        columns = {name: [getattr(fact, name) for fact in self] for name in names}
        index = pd.Index([fact.key for fact in self], name="key", dtype=object)
        return pd.DataFrame(columns, index=index, dtype=object)

    @classmethod
    def from_jsonl(cls, path: str | os.PathLike[str]) -> FactSet:
        """Read facts from a file with one JSON object a line.

        Parameters
        ----------
        path : path-like
            A UTF-8 file. The fields are those of :class:`Fact`; ``prompt`` and ``answers`` are
            required. ``wordings`` and ``known`` are ignored;
            :func:`neurotopo.datasets.load_facts` reads them. Blank lines, Windows line ends and
            a byte order mark are accepted.

        Returns
        -------
        FactSet

        Raises
        ------
        ValueError
            If a line is invalid, if two lines have the same :attr:`Fact.key`, or if there is no
            fact. The message names file, line and field.
        """
        facts: list[Fact] = []
        first: dict[str, int] = {}
        for number, line in numbered_lines(read_bytes(path).removeprefix(b"\xef\xbb\xbf")):
            where = f"{os.fspath(path)}, line {number}"
            try:
                fact = fact_of_line(line)
            except (TypeError, ValueError) as error:
                raise ValueError(f"{where}: {abridged(error).rstrip('.')}.") from None
            other = first.setdefault(fact.key, number)
            if other != number:
                same = abridged(same_key(fact))
                raise ValueError(f"{where}: this fact and that of line {other} {same}.")
            facts.append(fact)
        if not facts:
            raise ValueError(f"{os.fspath(path)} holds no facts.")
        return cls(facts)

    def to_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write the facts to a file, one JSON object a line.

        An existing file is replaced only after all facts are written.

        Parameters
        ----------
        path : path-like
            The file.
        """
        with atomic_write(Path(os.path.realpath(path))) as file:  # a link keeps pointing to it
            for fact in self:
                file.write(json.dumps(fact.to_dict(), ensure_ascii=False).encode() + b"\n")


def same_key(fact: Fact) -> str:
    """Describe what two facts with the same key share."""
    if fact.id is not None:
        return f"have the same id {fact.id!r}"
    return f"are the same and have no id: {describe_fact(fact)}"


def _collection(name: str, values: str | Collection[str]) -> frozenset[str]:
    collection = frozenset([values] if isinstance(values, str) else values)
    for value in collection:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string or several, got {value!r}.")
    return collection


def numbered_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield the lines that are not blank, numbered from 1.

    Only a line feed ends a line: a JSON string may contain the other line ends of Unicode.
    """
    lines = enumerate(data.split(b"\n"), start=1)
    return ((number, line) for number, line in lines if line.strip())


def decoded_json(line: bytes) -> Any:
    """Return the JSON value of a line; errors name the byte or the column."""
    try:
        return json.loads(line.decode(), object_pairs_hook=distinct_fields)
    except UnicodeDecodeError as error:
        raise ValueError(f"not UTF-8 ({error.reason} at byte {error.start})") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON ({error.msg} at column {error.colno})") from None
    except RecursionError:
        raise ValueError("nested too deeply") from None


def fact_of_line(line: bytes) -> Fact:
    """Return the fact in a line of a JSONL file."""
    return fact_and_extras(line)[0]


def fact_and_extras(line: bytes) -> tuple[Fact, dict[str, Any]]:
    """Return the fact in a line of a JSONL file, and those of :data:`EXTRAS` in it."""
    record = decoded_json(line)
    if not isinstance(record, dict):
        text = line.decode()
        raise ValueError(f"must be a JSON object with the fields of a fact, got {text[:60]!r}")
    extras = {name: record.pop(name) for name in EXTRAS if name in record}
    known = [field.name for field in fields(Fact)]
    for name in record:
        if name not in known:
            raise ValueError(f"unknown field {name!r}; the fields are {', '.join(known)}")
    for name in ("prompt", "answers"):
        if name not in record:
            raise ValueError(f"field {name!r} is missing")
    if record.get("language", "en") is None:
        del record["language"]
    fact = Fact(**record)
    _check_wordings(fact, extras.get("wordings", [fact.prompt]))
    if not isinstance(extras.get("known", {}), dict):
        raise TypeError(f"field 'known' must be an object, got {extras['known']!r}")
    return fact, extras


def _check_wordings(fact: Fact, wordings: Any) -> None:
    texts = isinstance(wordings, list) and all(isinstance(each, str) for each in wordings)
    if not texts or wordings[:1] != [fact.prompt]:
        raise ValueError("field 'wordings' must be a list of prompts that begins with 'prompt'")
    for prompt in wordings:
        Fact(prompt, fact.answers)


def distinct_fields(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object; raise an error if a field occurs twice."""
    record = dict(pairs)
    if len(record) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"field {twice!r} occurs twice")
    return record
