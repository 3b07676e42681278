"""Measures of clean and faulty prompts, and the frames of the robustness study."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from neurotopo.datasets.perturbation import PERTURBATIONS
from neurotopo.studies.neurons import ARM_LABELS
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean

__all__ = [
    "ARMS",
    "AVERAGE",
    "EXTREME",
    "KINDS",
    "LABELS",
    "MEASURES",
    "MOST",
    "NONE",
    "NOT_KNOWN",
    "NO_OTHER",
    "NO_PROMPT",
    "OPERATIONS",
    "WHERE",
    "ZERO",
    "Collected",
    "collect",
    "log_odds",
    "measures",
]

MEASURES = {
    "dprob": "dProb: (Prob(Q) - Prob(Q*)) / Prob(Q), both under the edit",
    "dprob_ref": "dProb_ref: (Prob(Q) without edit - Prob(Q*) under it) / Prob(Q) without edit",
    "log_odds": "extra fall: the fall of the log-odds of Q* minus that of Q",
    "gained": "of Q* answered wrongly without edit, the share answered rightly under it",
    "lost": "of Q* answered rightly without edit, the share answered wrongly under it",
    "net": "accuracy on all Q* under the edit, minus that without",
}
"""What each measure is, by name."""

_LEAST = 1e-6  # the least distance of a probability from 0 and 1; below it is rounding


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), with p clipped to a millionth away from 0 and 1.

    Examples
    --------
    >>> from neurotopo.studies.robustness.frames import log_odds
    >>> log_odds([0.5, 0.75])
    array([0.   , 1.099])
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p) - np.log1p(-p))


def measures(
    base: ArrayLike, base_right: ArrayLike, edited: ArrayLike, edited_right: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    r"""Return the measures of one edit for each faulty prompt.

    Parameters
    ----------
    base, edited : array-like, shape (1 + m,)
        The answer's probability without the edit and under it, after the clean prompt Q and then
        after each faulty prompt Q*.
    base_right, edited_right : array-like of bool, shape (1 + m,)
        Whether the answer is given.

    Returns
    -------
    dict of str to ndarray of float64, shape (m,)
        By the names of :data:`MEASURES`. nan where there is nothing to measure: a probability of
        0 to divide by, a prompt that was right before (``"gained"``) or wrong (``"lost"``).

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, section 5 and appendix I.

    Examples
    --------
    >>> from neurotopo.studies.robustness.frames import measures
    >>> values = measures([0.8, 0.4], [True, True], [0.4, 0.1], [True, False])
    >>> values["dprob"], values["dprob_ref"], values["lost"]
    (array([0.75]), array([0.875]), array([1.]))
    """
    before, after = np.asarray(base, dtype=np.float64), np.asarray(edited, dtype=np.float64)
    was = np.asarray(base_right, dtype=bool)[1:]
    is_ = np.asarray(edited_right, dtype=bool)[1:].astype(np.float64)
    fall = log_odds(before) - log_odds(after)
    return {
        "dprob": _relative(after[0], after[1:]),
        "dprob_ref": _relative(before[0], after[1:]),
        "log_odds": fall[1:] - fall[0],
        "gained": np.where(was, np.nan, is_),
        "lost": np.where(was, 1 - is_, np.nan),
        "net": is_ - was,
    }


def _relative(clean: float, faulty: NDArray[np.float64]) -> NDArray[np.float64]:
    if not clean > 0:
        return np.full(len(faulty), np.nan)
    with np.errstate(over="ignore"):  # of a probability that is all but 0
        return np.asarray((clean - faulty) / clean)


NONE = "none"
LABELS = {**ARM_LABELS, NONE: "no edit (the paper's empty set)"}
"""The description of each arm."""

ARMS = tuple(LABELS)
KINDS = PERTURBATIONS
AVERAGE = "Avg."
WHERE = ("values", "weights")
OPERATIONS = {"suppress": 0.0, "enhance": 2.0}
"""The factor of the values in each of the paper's two operations."""

MOST = 8
"""Subsets are suppressed of at most so many components."""

ZERO, EXTREME = "probability zero", "extreme change"
"""The reasons for which the probabilities of a fact do not count (Eq 21)."""

NOT_KNOWN, NO_PROMPT = "not known", "prompt too short"
NO_OTHER = "no other fact of the relation"

_FACTS = (
    "fact, known, probability, probability_faulty, right_faulty, n_prompts, too_short, n_neurons, "
    "n_components, n_degenerate, topped_up, max_change, ablation, reason, error"
)
_EDITS = ("fact", "arm", "operation", "where", "kind", "q_drop", *MEASURES)
_DOSES = ("fact", "arm", "scale", "prob_q", "prob_faulty", "right_q", "right_faulty")
_CHANGES = ("fact", "arm", "zero", "largest", "largest_up")
_SUBSETS = ("fact", "grouping", "n", "k", "Q", "Q*")
_SIZES = ("fact", "grouping", "n")
_LASTS = ("fact", "grouping", "n", "prompt", "all", "proper", "change")


@dataclass(frozen=True, eq=False)
class Collected:
    """The stored results of all facts of a run, in the order of their keys.

    Attributes
    ----------
    facts : DataFrame
        A row per fact: whether it is ``known``, the answer's ``probability`` after the clean and
        the faulty prompts, the share of these with a right answer, the numbers of prompts and
        neurons, the ``reason`` why nothing is compared, and the ``error`` if the fact failed.
    edits : DataFrame
        A row per fact, arm, operation, where it acts and kind of perturbation (``"Avg."``: all
        prompts together): ``q_drop``, the relative fall of Prob(Q), and the means of
        :data:`MEASURES` over the faulty prompts.
    doses : DataFrame
        A row per fact, arm and factor of the values, with means over the faulty prompts.
    changes : DataFrame
        A row per fact and arm: whether a probability to divide by is ``zero`` under suppression,
        and the ``largest`` |dProb| of any prompt, ``largest_up`` the largest signed one.
    subsets : DataFrame
        A row per fact, grouping and number k of n suppressed components: the mean relative fall
        after the clean prompt ``Q`` and after the faulty ones ``Q*``.
    sizes : DataFrame
        A row per fact and grouping: its number ``n`` of components.
    lasts : DataFrame
        A row per fact, grouping and prompt (``"Q"``, ``"Q*"``): the fall with ``all`` components
        suppressed, the largest with any ``proper`` subset of them, and the largest ``change`` of
        any subset in either direction.
    """

    facts: pd.DataFrame
    edits: pd.DataFrame
    doses: pd.DataFrame
    changes: pd.DataFrame
    subsets: pd.DataFrame
    sizes: pd.DataFrame
    lasts: pd.DataFrame

    def of(
        self, arm: str, operation: str, where: str, measure: str, kind: str = AVERAGE
    ) -> pd.Series:
        """Return a measure of one arm with the facts as index."""
        own = self._by_edit.get((arm, operation, where, kind))
        return self.edits.iloc[:0].set_index("fact")[measure] if own is None else own[measure]

    def ways(self, operation: str) -> tuple[str, ...]:
        """Return how an operation was done, of :data:`WHERE`; all if there was none."""
        done = set(self.edits.loc[self.edits["operation"] == operation, "where"])
        return tuple(where for where in WHERE if where in done) or WHERE

    @cached_property
    def _by_edit(self) -> dict[Any, pd.DataFrame]:
        keys = ["arm", "operation", "where", "kind"]
        return {key: own.set_index("fact") for key, own in self.edits.groupby(keys)}

    @property
    def limited(self) -> pd.DataFrame:
        """The changes, with the limit of Eq 21."""
        limits = self.facts[["fact", "max_change"]]
        changes = self.changes.merge(limits, on="fact", how="left")
        for name in ("largest", "largest_up", "max_change"):
            changes[name] = changes[name].astype(float)
        return changes.assign(zero=changes["zero"].astype(bool))

    @cached_property
    def excluded(self) -> pd.Series:
        """For each fact that was compared, why its probabilities do not count; None if they do.

        A fact for which any arm, under suppression, has a probability of 0 to divide by or a
        |dProb| of any faulty prompt above the limit (Eq 21) is left out for all arms.
        """
        changes = self.limited
        extreme = changes["largest"] > changes["max_change"]
        by_fact = changes.assign(extreme=extreme).groupby("fact")[["zero", "extreme"]].any()
        reasons = by_fact["zero"].map({True: ZERO, False: None}).astype(object)
        return reasons.where(by_fact["zero"] | ~by_fact["extreme"], EXTREME)


def collect(rows: Iterable[Row]) -> Collected:
    """Return the stored rows of a run as frames; rows may have failed, and there may be none."""
    columns = {
        "facts": _FACTS.split(", "),
        "edits": _EDITS,
        "doses": _DOSES,
        "changes": _CHANGES,
        "subsets": _SUBSETS,
        "sizes": _SIZES,
        "lasts": _LASTS,
    }
    tables: dict[str, list[Any]] = {name: [] for name in columns}
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        if row.error is not None:
            tables["facts"].append({"fact": row.fact, "error": row.error})
            continue
        about = row.stages["fact"]
        tables["facts"].append(_fact(row.fact, about))
        arms = row.stages["arms"]
        for arm in (*(arm for arm in ARMS if arm in arms), *([NONE] if arms else [])):
            result = arms.get(arm, {"where": [], "scale": [], "probability": [], "right": []})
            tables["edits"].extend(_edits(row.fact, arm, about, result))
            tables["doses"].extend(_doses(row.fact, arm, about, result))
            tables["changes"].append(_change(row.fact, arm, about, result))
        for grouping, result in row.stages["subsets"].items():
            tables["sizes"].append((row.fact, grouping, result["n"]))
            if "k" in result:
                tables["subsets"].extend(_by_size(row.fact, grouping, result))
                tables["lasts"].extend(_last(row.fact, grouping, result))
    return Collected(
        **{name: pd.DataFrame(tables[name], columns=list(own)) for name, own in columns.items()}
    )


def _fact(key: str, about: Mapping[str, Any]) -> dict[str, Any]:
    probability, right = _numbers(about["probability"]), _numbers(about["right"])
    return {
        "fact": key,
        **{name: about[name] for name in ("known", "topped_up", "max_change", "reason")},
        "ablation": about.get("ablation", "zero"),
        "probability": probability[0],
        "probability_faulty": finite_mean(probability[1:]),
        "right_faulty": finite_mean(right[1:]),
        "n_prompts": len(right) - 1,
        "too_short": ", ".join(about["too_short"]),
        "n_neurons": len(about["neurons"]),
        "n_components": about["components"],
        "n_degenerate": len(about["degenerate"]),
    }


def _numbers(values: Any) -> Any:
    return np.asarray(values, dtype=np.float64)


def _under(
    about: Mapping[str, Any], result: Mapping[str, Any], where: str, scale: float
) -> tuple[Any, Any] | None:
    """Return probabilities and right answers under an edit; without one where there is none."""
    if not len(result["where"]):
        return about["probability"], about["right"]
    if scale == 0.0:
        where = "values"  # by weights it is the same model
    for way, factor, probability, right in zip(
        result["where"], result["scale"], result["probability"], result["right"], strict=True
    ):
        if (way, factor) == (where, scale):
            return probability, right
    return None


def _edits(
    key: str, arm: str, about: Mapping[str, Any], result: Mapping[str, Any]
) -> Iterator[tuple[Any, ...]]:
    kinds = np.asarray(about["kinds"])
    base = _numbers(about["probability"])
    for operation, scale in OPERATIONS.items():
        for where in WHERE:
            if (operation, where) == ("suppress", "weights") and _by_means(about):
                continue
            under = _under(about, result, where, scale)
            assert under is not None  # the paper's operations are always there
            of_prompts = measures(base, about["right"], *under)
            fall = (base[0] - under[0][0]) / base[0] if base[0] > 0 else math.nan
            for kind in (*KINDS, AVERAGE):
                chosen = np.ones(len(kinds), dtype=bool) if kind == AVERAGE else kinds == kind
                means = [finite_mean(of_prompts[name][chosen]) for name in MEASURES]
                yield (key, arm, operation, where, kind, fall, *means)


def _by_means(about: Mapping[str, Any]) -> bool:
    """Tell whether suppressed neurons have means instead of 0."""
    return bool(about.get("ablation", "zero") != "zero")


def _doses(
    key: str, arm: str, about: Mapping[str, Any], result: Mapping[str, Any]
) -> Iterator[tuple[Any, ...]]:
    scales = {
        float(scale)
        for way, scale in zip(result["where"], result["scale"], strict=True)
        if way == "values" and (scale or not _by_means(about))
    }
    for scale in sorted(scales | {1.0}):
        without = about["probability"], about["right"]
        under = without if scale == 1.0 else _under(about, result, "values", scale)
        assert under is not None
        sides = map(_numbers, under)
        means = (each for side in sides for each in (side[0], finite_mean(side[1:])))
        yield (key, arm, scale, *means)


def _change(
    key: str, arm: str, about: Mapping[str, Any], result: Mapping[str, Any]
) -> tuple[Any, ...]:
    under = _under(about, result, "values", 0.0)
    assert under is not None
    of_prompts = measures(about["probability"], about["right"], *under)
    both = np.concatenate([of_prompts["dprob"], of_prompts["dprob_ref"]])
    zero = bool(np.isnan(both).any())
    if zero or not len(both):
        return key, arm, zero, math.nan, math.nan
    return key, arm, zero, float(np.abs(both).max()), float(both.max())


def _falls(values: Any) -> Any:
    """Return the relative fall from the first value, which is that of no edit."""
    values = _numbers(values)
    if not len(values) or not values[0] > 0:
        return None
    return (values[0] - values[1:]) / values[0]


def _by_size(key: str, grouping: str, result: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    sizes = np.asarray(result["k"], dtype=np.int64)
    falls = [_falls(result[prompt]) for prompt in ("clean", "faulty")]
    for k in range(1, result["n"] + 1):
        means = [math.nan if f is None else finite_mean(f[sizes == k]) for f in falls]
        yield (key, grouping, result["n"], k, *means)


def _last(key: str, grouping: str, result: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    proper = np.asarray(result["k"], dtype=np.int64) < result["n"]
    for prompt, name in (("clean", "Q"), ("faulty", "Q*")):
        falls = _falls(result[prompt])
        if falls is not None:
            values = (falls[~proper][0], falls[proper].max(), np.abs(falls).max())
            yield (key, grouping, result["n"], name, *map(float, values))
