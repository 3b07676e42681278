"""The stored results of the study of languages as tables, and the neurons by fact and language."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.studies.acquisition.rows import EXCLUDED, POINTS
from neurotopo.studies.acquisition.rows import Collected as Acquired
from neurotopo.studies.acquisition.rows import collect as collect_acquired
from neurotopo.studies.rows import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Collected", "Stated", "collect", "known_only"]

_FACTS = ("fact", "relation", "missing", "left_out", "known", "answers", "error")
_BY_LANGUAGE = ("fact", "language", "known", "probability", "n_neurons", "n_degenerate")
_ARMS = (
    "fact",
    "first",
    "second",
    "scale",
    "neurons",
    "arm",
    "asked",
    "n_neurons",
    "before",
    "after",
    "change",
    "success",
    "reason",
)
_MATCHED = (
    "fact",
    "first",
    "second",
    "edited",
    "asked",
    "scale",
    "n_neurons",
    "before",
    "shared",
    "others",
    "reason",
)
_EITHER = ("excluded", "wanted", "known", "answers")

Neurons = frozenset[tuple[int, int]]


@dataclass(frozen=True)
class Stated:
    """What a fact states.

    Attributes
    ----------
    relation, subject : str or None
        As in the first language.
    answers : dict of str to frozenset
        The answers by language, in small letters.
    """

    relation: str | None
    subject: str | None
    answers: Mapping[str, frozenset[str]]


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all facts of a run, in the order of their keys.

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
        What the acquisition study measures, by language.
    stated : dict of str to Stated
        What each fact states.
    neurons, degenerate : dict of str to dict
        Knowledge neurons and degenerate ones by fact and language.
    arms : DataFrame
        A row per fact, two languages, scale, kind of neurons, arm and language of the question.
        ``wanted`` is the change in points in the direction wanted: the fall for scales below 1,
        the rise for others; ``excluded`` tells that any arm of the fact at this scale has a
        ``reason`` not to count.
    matched : DataFrame
        A row per fact, direction and scale: as many ``shared`` neurons and ``others`` of one
        language edited, asked in the other.
    shape : tuple of int
        Number of layers of the model and of neurons in each; (0, 0) without results.
    """

    languages: tuple[str, ...]
    facts: pd.DataFrame
    by_language: pd.DataFrame
    acquired: dict[str, Acquired]
    stated: dict[str, Stated]
    neurons: dict[str, dict[str, Neurons]]
    degenerate: dict[str, dict[str, Neurons]]
    arms: pd.DataFrame
    matched: pd.DataFrame
    shape: tuple[int, int]

    @property
    def known(self) -> set[str]:
        """The facts that the model answers correctly in every language."""
        return set(self.facts.loc[self.facts["known"] == True, "fact"])  # noqa: E712


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed facts and missing ones do no harm."""
    import pandas as pd

    ordered = sorted(rows, key=lambda row: row.fact)  # so that sums do not depend on the order
    languages = _languages(ordered)
    facts: list[tuple[Any, ...]] = []
    by_language: list[tuple[Any, ...]] = []
    arms, matched = [], []
    acquired: dict[str, list[Row]] = {language: [] for language in languages}
    stated: dict[str, Stated] = {}
    neurons: dict[str, dict[str, Neurons]] = {}
    degenerate: dict[str, dict[str, Neurons]] = {}
    shape = (0, 0)
    for row in ordered:
        about = _stated(row.content)
        if row.error is not None:
            facts.append((row.fact, about.relation, "", False, None, None, row.error))
            continue
        known, missing = row.stages["fact"]["known"], row.stages["fact"]["missing"]
        results = row.stages["languages"]
        facts.append(
            (
                row.fact,
                about.relation,
                ", ".join(missing),
                not results and not missing,
                all(known.values()) if known else None,
                _likeness(about),
                None,
            )
        )
        if not results:
            by_language += [(row.fact, x, known[x], np.nan, np.nan, np.nan) for x in known]
            continue
        stated[row.fact] = about
        neurons[row.fact], degenerate[row.fact] = {}, {}
        for language, result in results.items():
            shape = (int(result["fact"]["shape"][0]), int(result["fact"]["shape"][1]))
            own = [(int(layer), int(index)) for layer, index in result["fact"]["neurons"]]
            neurons[row.fact][language] = frozenset(own)
            degenerate[row.fact][language] = _degenerate(own, result["methods"].get("ntc"))
            by_language.append(
                (
                    row.fact,
                    language,
                    known[language],
                    result["fact"]["probability"],
                    len(own),
                    len(degenerate[row.fact][language]),
                )
            )
            acquired[language].append(replace(row, stages={**result, "sweep": {}}))
        arms.append(pd.DataFrame({"fact": row.fact, **row.stages["edits"]["arms"]}))
        matched.append(pd.DataFrame({"fact": row.fact, **row.stages["edits"]["matched"]}))
    frame = pd.DataFrame(facts, columns=list(_FACTS))
    return Collected(
        languages=languages,
        facts=frame,
        by_language=pd.DataFrame(by_language, columns=list(_BY_LANGUAGE)),
        acquired={language: collect_acquired(found) for language, found in acquired.items()},
        stated=stated,
        neurons=neurons,
        degenerate=degenerate,
        arms=_arms(arms, frame),
        matched=_matched(matched, frame),
        shape=shape,
    )


def known_only(found: Acquired, known: set[str]) -> Acquired:
    """Return what was acquired about some facts only."""
    return replace(
        found,
        facts=found.facts[found.facts["fact"].isin(known)],
        methods=found.methods[found.methods["fact"].isin(known)],
    )


def _languages(rows: Iterable[Row]) -> tuple[str, ...]:
    """Return the languages in their order; a fact that lacks one has not all of them."""
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


def _with_fact(frame: pd.DataFrame, facts: pd.DataFrame) -> pd.DataFrame:
    return frame.merge(facts[["fact", "known", "answers"]], on="fact", how="left")


def _arms(frames: list[pd.DataFrame], facts: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    if not frames:
        return pd.DataFrame(columns=[*_ARMS, *_EITHER])
    frame = _with_fact(pd.concat(frames, ignore_index=True), facts)
    frame["change"] = _relative(frame["before"], frame["after"])
    frame["wanted"] = _wanted(frame["change"], frame["scale"])
    bad = frame["reason"].notna()
    by = [frame[name] for name in ("fact", "first", "second", "scale")]
    frame["excluded"] = bad.groupby(by).transform("any")
    return frame[[*_ARMS, *_EITHER]]


def _matched(frames: list[pd.DataFrame], facts: pd.DataFrame) -> pd.DataFrame:
    import pandas as pd

    wanted = ("wanted_shared", "wanted_others", "known", "answers")
    if not frames:
        return pd.DataFrame(columns=[*_MATCHED, *wanted])
    frame = _with_fact(pd.concat(frames, ignore_index=True), facts)
    for name in ("shared", "others"):
        change = _relative(frame["before"], frame[name])
        frame[f"wanted_{name}"] = _wanted(change, frame["scale"])
    return frame[[*_MATCHED, *wanted]]


def _relative(before: pd.Series, after: pd.Series) -> NDArray[np.float64]:
    b, a = before.to_numpy(np.float64), after.to_numpy(np.float64)
    return np.divide(a - b, b, out=np.full(len(b), np.nan), where=b > 0)


def _wanted(change: Any, scale: pd.Series) -> NDArray[np.float64]:
    """Return changes in points, those in the direction of the edit being positive."""
    sign = np.where(scale.to_numpy(np.float64) > 1, 1.0, -1.0)
    return np.asarray(sign * np.asarray(change, np.float64) * POINTS)
