"""Frames of the study ``crosslingual``: facts, languages, edits, and overlaps of neurons."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import hypergeom

from neurotopo.studies.acquisition import frames as acquisition
from neurotopo.studies.acquisition.frames import EXCLUDED, POINTS
from neurotopo.studies.compare import frame_of
from neurotopo.studies.rows import Row

__all__ = [
    "CONTROLS",
    "DRAWS",
    "KINDS",
    "LanguageFrames",
    "Stated",
    "chance_jaccard",
    "collect",
    "known_only",
    "overlaps",
]

KINDS: Mapping[str, str] = {"knowledge": "knowledge neurons", "degenerate": "DKNs"}

CONTROLS: Mapping[str, str] = {
    "other": "other facts of the same relation",
    "same_answer": "other facts with the same answer",
    "same_subject": "other answers of the same subject",
    "random": "random neurons",
    "random_layers": "random neurons by layer",
}
"""The controls of the overlap of a fact, by name."""

DRAWS: Mapping[str, str] = {
    "own": "the neurons of the fact",
    "random": "as many random neurons, overlapping as much",
    "random_layers": "random neurons, as many in each layer, overlapping as much",
}
"""The neurons that are edited, by name: those of a fact, and two random controls."""

_FACTS = "fact, relation, missing, left_out, known, answers, error"
_BY_LANGUAGE = "fact, language, known, probability, n_neurons, n_degenerate"
_AT = "fact, first, second, scale, "
_ARMS = (
    f"{_AT}neurons, arm, asked, n_neurons, before, after, change, success, reason, excluded, "
    "wanted, known, answers"
)
_MATCHED = (
    "fact, first, second, edited, asked, scale, n_neurons, before, shared, others, reason, "
    "wanted_shared, wanted_others, known, answers"
)
_OVERLAPS = "first, second, kind, fact, known, answers, n_first, n_second, shared, jaccard"

Neurons = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Stated:
    """The content of a fact.

    Attributes
    ----------
    relation, subject : str or None
        As in the first language.
    answers : dict of str to frozenset
        The answers by language, in lower case.
    """

    relation: str | None
    subject: str | None
    answers: Mapping[str, frozenset[str]]


@dataclass(frozen=True, eq=False)
class LanguageFrames:
    """Results of all facts of a run, in the order of their keys.

    Attributes
    ----------
    languages : tuple of str
        The languages that are compared.
    facts : DataFrame
        A row per fact: its ``relation``, the languages that are ``missing``, whether it was
        ``left_out`` because the model does not know it, whether it is ``known`` in every language,
        whether the ``answers`` are ``"alike"`` (a word in common between any two languages) or
        ``"different"``, and the ``error`` of one that failed.
    by_language : DataFrame
        A row per fact and language.
    acquired : dict of str to Collected
        The frames of the acquisition study by language.
    stated : dict of str to Stated
        The content of each fact.
    neurons, degenerate : dict of str to dict
        Knowledge neurons and degenerate ones by fact and language.
    arms : DataFrame
        A row per fact, two languages, scale, kind of neurons, arm and language of the question.
        ``wanted`` is the change in points in the direction wanted: the fall for scales below 1,
        the rise for others; ``excluded`` is True where any arm of the fact at this scale has a
        ``reason`` to be left out.
    matched : DataFrame
        A row per fact, direction and scale: as many ``shared`` neurons and ``others`` of one
        language edited, asked in the other.
    shape : tuple of int
        Number of layers of the model and of neurons in each; (0, 0) without results.
    """

    languages: tuple[str, ...]
    facts: pd.DataFrame
    by_language: pd.DataFrame
    acquired: dict[str, acquisition.Collected]
    stated: dict[str, Stated]
    neurons: dict[str, dict[str, Neurons]]
    degenerate: dict[str, dict[str, Neurons]]
    arms: pd.DataFrame
    matched: pd.DataFrame
    shape: tuple[int, int]

    @property
    def known(self) -> set[str]:
        """The facts that the model answers correctly in every language."""
        return set(self.facts.loc[self.facts["known"].eq(True), "fact"])

    @cached_property
    def overlaps(self) -> pd.DataFrame:
        """The result of :func:`overlaps`."""
        return overlaps(self)


def collect(rows: Iterable[Row]) -> LanguageFrames:
    """Return the frames of stored rows. Rows may have failed, and there may be none."""
    ordered = sorted(rows, key=lambda row: row.fact)  # so that sums do not depend on the order
    languages = _languages(ordered)
    facts: list[dict[str, Any]] = []
    by_language: list[dict[str, Any]] = []
    arms, matched = [], []
    acquired: dict[str, list[Row]] = {language: [] for language in languages}
    stated: dict[str, Stated] = {}
    neurons: dict[str, dict[str, Neurons]] = {}
    degenerate: dict[str, dict[str, Neurons]] = {}
    shape = (0, 0)
    for row in ordered:
        about = _stated(row.content)
        head = {"fact": row.fact, "relation": about.relation, "missing": "", "left_out": False}
        facts.append({**head, "known": None, "answers": None, "error": row.error})
        if row.error is not None:
            continue
        known, missing = row.stages["fact"]["known"], row.stages["fact"]["missing"]
        results = row.stages["languages"]
        facts[-1] |= {"missing": ", ".join(missing), "left_out": not results and not missing}
        facts[-1] |= {"known": all(known.values()) if known else None, "answers": _likeness(about)}
        if not results:
            by_language += [{"fact": row.fact, "language": x, "known": known[x]} for x in known]
            continue
        stated[row.fact] = about
        neurons[row.fact], degenerate[row.fact] = {}, {}
        for language, result in results.items():
            shape = (int(result["fact"]["shape"][0]), int(result["fact"]["shape"][1]))
            own = [(int(layer), int(index)) for layer, index in result["fact"]["neurons"]]
            neurons[row.fact][language] = frozenset(own)
            degenerate[row.fact][language] = _degenerate(own, result["methods"].get("ntc"))
            by_language.append(
                {
                    "fact": row.fact,
                    "language": language,
                    "known": known[language],
                    "probability": result["fact"]["probability"],
                    "n_neurons": len(own),
                    "n_degenerate": len(degenerate[row.fact][language]),
                }
            )
            acquired[language].append(replace(row, stages={**result, "sweep": {}}))
        arms.append(pd.DataFrame({"fact": row.fact, **row.stages["edits"]["arms"]}))
        matched.append(pd.DataFrame({"fact": row.fact, **row.stages["edits"]["matched"]}))
    frame = frame_of(facts, _FACTS)
    return LanguageFrames(
        languages=languages,
        facts=frame,
        by_language=frame_of(by_language, _BY_LANGUAGE),
        acquired={language: acquisition.collect(own) for language, own in acquired.items()},
        stated=stated,
        neurons=neurons,
        degenerate=degenerate,
        arms=_arms(arms, frame),
        matched=_matched(matched, frame),
        shape=shape,
    )


def known_only(found: acquisition.Collected, known: set[str]) -> acquisition.Collected:
    """Return the acquisition results of some facts only."""
    return replace(
        found,
        facts=found.facts[found.facts["fact"].isin(known)],
        methods=found.methods[found.methods["fact"].isin(known)],
    )


def _languages(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the languages in their order, from a fact that has all of them."""
    for row in rows:
        if row.error is None and row.stages["fact"]["languages"]:
            return tuple(row.stages["fact"]["languages"])
    return ()


def _stated(content: Mapping[str, Any]) -> Stated:
    facts = content.get("facts", {})
    first: Mapping[str, Any] = next(iter(facts.values()), {})
    answers = {
        language: frozenset(answer.casefold() for answer in fact["answers"])
        for language, fact in facts.items()
    }
    return Stated(first.get("relation"), first.get("subject"), answers)


def _likeness(about: Stated) -> str:
    """Tell whether the answers in any two languages have a word in common."""
    words = [
        {word for answer in answers for word in re.findall(r"\w+", answer)}
        for answers in about.answers.values()
    ]
    alike = any(a & b for k, a in enumerate(words) for b in words[k + 1 :])
    return "alike" if alike else "different"


def _degenerate(own: list[tuple[int, int]], result: Mapping[str, Any] | None) -> Neurons:
    """Return the neurons of NTC's components, where there are at least two that count."""
    if result is None or sum(result["passed"]) < 2 or result["reason"] in EXCLUDED:
        return frozenset()
    groups = [g for g, kept in zip(result["groups"], result["passed"], strict=True) if kept]
    return frozenset(own[at] for group in groups for at in group)


def _with_fact(parts: list[pd.DataFrame], facts: pd.DataFrame) -> pd.DataFrame:
    frame = pd.concat(parts, ignore_index=True)
    return frame.merge(facts[["fact", "known", "answers"]], on="fact", how="left")


def _arms(parts: list[pd.DataFrame], facts: pd.DataFrame) -> pd.DataFrame:
    if not parts:
        return frame_of([], _ARMS)
    frame = _with_fact(parts, facts)
    frame["change"] = _relative(frame["before"], frame["after"])
    frame["wanted"] = _wanted(frame["change"], frame["scale"])
    by = [frame[name] for name in ("fact", "first", "second", "scale")]
    frame["excluded"] = frame["reason"].notna().groupby(by).transform("any")
    return frame[_ARMS.split(", ")]


def _matched(parts: list[pd.DataFrame], facts: pd.DataFrame) -> pd.DataFrame:
    if not parts:
        return frame_of([], _MATCHED)
    frame = _with_fact(parts, facts)
    for name in ("shared", "others"):
        change = _relative(frame["before"], frame[name])
        frame[f"wanted_{name}"] = _wanted(change, frame["scale"])
    return frame[_MATCHED.split(", ")]


def _relative(before: pd.Series, after: pd.Series) -> NDArray[np.float64]:
    b, a = before.to_numpy(np.float64), after.to_numpy(np.float64)
    return np.divide(a - b, b, out=np.full(len(b), np.nan), where=b > 0)


def _wanted(change: Any, scale: pd.Series) -> NDArray[np.float64]:
    """Return changes in points, positive in the direction of the edit."""
    sign = np.where(scale.to_numpy(np.float64) > 1, 1.0, -1.0)
    return np.asarray(sign * np.asarray(change, np.float64) * POINTS)


def overlaps(frames: LanguageFrames) -> pd.DataFrame:
    """Return the overlap of every fact in any two languages, and that of its controls.

    A row per fact, two languages and kind of neurons, where the fact has such neurons in both:
    how many (``n_first``, ``n_second``), how many are ``shared``, the Jaccard index
    ``jaccard``, and a column for each of :data:`CONTROLS`. ``other`` is the mean index of the
    fact in one language with all other facts of its relation, about other subjects, in the other
    language, in both directions; ``same_answer`` that of those among them which have an answer in
    common with it in both languages; ``same_subject`` that with facts of the relation about the
    same subject, in other years, which have no answer in common. nan where there is none.
    """
    parts = [pd.DataFrame(columns=[*_OVERLAPS.split(", "), *CONTROLS])]
    for kind in KINDS:
        sets = frames.neurons if kind == "knowledge" else frames.degenerate
        for first, second in combinations(frames.languages, 2):
            names = [name for name, own in sets.items() if own[first] and own[second]]
            if names:
                part = _of_pair(frames, sets, names, first, second)
                part.insert(2, "kind", kind)
                parts.append(part)
    kept = [frame for frame in parts if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else parts[0]


def _of_pair(
    frames: LanguageFrames,
    sets: Mapping[str, Mapping[str, Neurons]],
    names: Sequence[str],
    first: str,
    second: str,
) -> pd.DataFrame:
    one, other = [sets[n][first] for n in names], [sets[n][second] for n in names]
    n_layers, n_neurons = frames.shape
    known = frames.known
    means = {name: np.full(len(names), np.nan) for name in ("other", "same_answer", "same_subject")}
    # a relation at a time, as facts of two relations are never compared
    own = np.zeros(len(names))
    stated = [frames.stated[name] for name in names]
    for some in _by_relation(stated):
        masks = _related([stated[i] for i in some], first, second)
        index = _jaccard([one[i] for i in some], [other[i] for i in some], frames.shape)
        own[some] = np.diag(index)
        both = (index + index.T) / 2
        for name, mask in zip(means, masks, strict=True):
            count = mask.sum(axis=1)
            total = np.where(mask, both, 0.0).sum(axis=1)
            means[name][some] = np.divide(
                total, count, out=np.full(len(some), np.nan), where=count > 0
            )
    answers = dict(zip(frames.facts["fact"], frames.facts["answers"], strict=True))
    rows = []
    for i, name in enumerate(names):
        a, b = one[i], other[i]
        by_layer = [np.bincount([pair[0] for pair in s], minlength=n_layers) for s in (a, b)]
        head = (first, second, name, name in known, answers[name], len(a), len(b), len(a & b))
        chance = chance_jaccard([len(a)], [len(b)], n_layers * n_neurons)
        by_chance = (chance, chance_jaccard(by_layer[0], by_layer[1], n_neurons))
        rows.append((*head, own[i], *(each[i] for each in means.values()), *by_chance))
    columns = [name for name in _OVERLAPS.split(", ") if name != "kind"]
    return pd.DataFrame(rows, columns=[*columns, *CONTROLS])


def chance_jaccard(a: ArrayLike, b: ArrayLike, n: int) -> float:
    """Return the mean Jaccard index of random sets, drawn without replacement in each part.

    Parameters
    ----------
    a, b : array-like of int, shape (n_parts,)
        Sizes of the two sets in each part (layer).
    n : int
        Number of neurons to draw from in each part.

    Returns
    -------
    float
        The exact mean; nan for two empty sets.

    Examples
    --------
    Two draws of one neuron out of two are the same in half of the cases.

    >>> from neurotopo.studies.crosslingual.frames import chance_jaccard
    >>> chance_jaccard([1], [1], 2)
    0.5
    """
    sizes = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    total = int(sizes[0].sum() + sizes[1].sum())
    if not total:
        return math.nan
    chances = np.ones(1)
    for x, y in zip(*sizes, strict=True):
        if x and y:
            chances = np.convolve(chances, hypergeom.pmf(np.arange(min(x, y) + 1), n, x, y))
    common = np.arange(len(chances))
    return float((chances * common / (total - common)).sum())


def _by_relation(stated: Sequence[Stated]) -> list[NDArray[np.intp]]:
    """Return the positions of the facts of each relation; no relation is one of them."""
    places: dict[str, list[int]] = {}
    for i, each in enumerate(stated):
        places.setdefault(each.relation or "", []).append(i)
    return [np.array(own, dtype=np.intp) for own in places.values()]


def _related(
    stated: Sequence[Stated], first: str, second: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Return masks of pairs: with other subjects, with the same answers, with one subject only."""
    n = len(stated)
    other, answer, subject = (np.zeros((n, n), dtype=bool) for _ in range(3))
    for (i, a), (j, b) in combinations(enumerate(stated), 2):
        common = [bool(a.answers[x] & b.answers[x]) for x in (first, second)]
        if a.subject is not None and a.subject == b.subject:
            # the same subject with the same answer in another year is nearly the same fact
            subject[i, j] = subject[j, i] = not any(common)
        else:
            other[i, j] = other[j, i] = True
            answer[i, j] = answer[j, i] = all(common)
    return other, answer, subject


def _jaccard(
    one: Sequence[Neurons], other: Sequence[Neurons], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the Jaccard index of every set with every other one, none of them empty."""
    rows = [_members(sets, shape) for sets in (one, other)]
    common = np.asarray((rows[0] @ rows[1].T).toarray(), dtype=np.float64)
    sizes = [np.array([len(s) for s in sets], dtype=np.float64) for sets in (one, other)]
    return np.asarray(common / (sizes[0][:, None] + sizes[1][None, :] - common))


def _members(sets: Sequence[Neurons], shape: tuple[int, int]) -> csr_array:
    columns = [layer * shape[1] + index for own in sets for layer, index in own]
    starts = np.cumsum([0, *(len(own) for own in sets)])
    values = np.ones(len(columns), dtype=np.int64)
    return csr_array((values, columns, starts), shape=(len(sets), shape[0] * shape[1]))
