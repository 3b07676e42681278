"""The tests of the study of languages: jumps, overlaps, and edits that cross, against controls."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import norm

from neurotopo.knowledge.languages import ARMS
from neurotopo.studies.acquisition import comparisons as acquired
from neurotopo.studies.crosslingual.draws import KINDS as DRAWS
from neurotopo.studies.crosslingual.overlaps import CONTROLS
from neurotopo.studies.crosslingual.rows import Collected, known_only
from neurotopo.studies.statistics import Paired, finite_mean, holm, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "AGAINST",
    "ANSWERS",
    "SCOPES",
    "changes",
    "controls",
    "crossing",
    "jumps",
    "overlap",
    "share_interval",
    "shared_or_not",
    "successes",
]

SCOPES = ("all", "known")
"""Facts that are compared: all of them, and those that the model knows in every language."""

ANSWERS = ("all", "different", "alike")
"""Facts by their answers in two languages: ``"different"`` ones have no word in common."""

AGAINST = tuple(name for name in DRAWS if name != "own")
_TESTS = ("n", "own", "control", "difference", "low", "high", "p", "d")


def controls(found: Collected) -> pd.DataFrame:
    """Compare the jumps of every method with those of random groups, in each language.

    The columns are those of :func:`neurotopo.studies.acquisition.comparisons.controls` after the
    ``language`` and the facts it is ``over``; ``"known"`` are those known in this language. The
    p-values, Holm-corrected over the methods, are multiplied by the number of languages.
    """
    return _stacked(found, acquired.controls)


def jumps(found: Collected) -> pd.DataFrame:
    """Compare NTC with the other methods by fact in each language, as :func:`controls` does."""
    return _stacked(found, lambda part: acquired.table7_paired(part).frame)


def _stacked(found: Collected, compare: Callable[[Any], pd.DataFrame]) -> pd.DataFrame:
    import pandas as pd

    frames = []
    for language, own in found.acquired.items():
        in_it = found.by_language[found.by_language["language"] == language]
        known = set(in_it.loc[in_it["known"] == True, "fact"])  # noqa: E712
        for scope in SCOPES:
            frame = compare(own if scope == "all" else known_only(own, known))
            frame.insert(0, "language", language)
            frame.insert(1, "over", scope)
            for column in [name for name in ("p", "p of t") if name in frame]:
                frame[column] = np.minimum(frame[column] * len(found.acquired), 1.0)
            frames.append(frame)
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()


def overlap(values: pd.DataFrame) -> pd.DataFrame:
    """Compare the overlap of a fact's neurons across languages with that of every control.

    Parameters
    ----------
    values : DataFrame
        What :func:`~neurotopo.studies.crosslingual.overlaps.overlaps` returns.

    Returns
    -------
    DataFrame
        A row per kind of neurons, facts, two languages, answers (:data:`ANSWERS`) and control; p
        is Wilcoxon's, corrected by Holm over all rows of a kind over the same facts.
    """
    rows = []
    for kind, over, pairs in _families(values, "kind"):
        family = []
        for (first, second), pair in pairs:
            for answers in ANSWERS:
                some = pair if answers == "all" else pair[pair["answers"] == answers]
                for control in CONTROLS:
                    result = paired(some["jaccard"], some[control])
                    head = {
                        "neurons": kind,
                        "over": over,
                        "languages": f"{first} & {second}",
                        "answers": answers,
                        "against": control,
                    }
                    family.append({**head, **_numbers(result)})
        rows += _corrected(family)
    return _frame(rows, ("neurons", "over", "languages", "answers", "against", *_TESTS))


def successes(arms: pd.DataFrame) -> pd.DataFrame:
    """Compare how often an edit changes the answers in both languages as wanted: Succ.

    Parameters
    ----------
    arms : DataFrame
        :attr:`~neurotopo.studies.crosslingual.rows.Collected.arms`.

    Returns
    -------
    DataFrame
        A row per facts, two languages, scale, arm and control. ``own`` and ``control`` are Succ
        with the fact's neurons and with random ones; ``in first`` and ``in second`` the shares in
        one language, with the fact's neurons. p is that of the sign test on facts where only one
        of both succeeds, corrected by Holm over arms, languages and controls of a scale.
    """
    rows = []
    for scale, over, pairs in _families(_counted(arms), "scale"):
        family = []
        for (first, second), pair in pairs:
            for arm in ARMS:
                share = _by_fact(pair, arm, "success", (first, second))
                both = {kind: table.min(axis=1) for kind, table in share.items()}
                for control in AGAINST:
                    result = _paired_by_fact(both["own"], both[control])
                    numbers = {**_numbers(result), "p": result.p_sign}
                    head = {
                        "over": over,
                        "languages": f"{first} & {second}",
                        "scale": scale,
                        "arm": arm,
                        "against": control,
                    }
                    each = {
                        "in first": finite_mean(share["own"][first]),
                        "in second": finite_mean(share["own"][second]),
                    }
                    family.append({**head, **numbers, **each})
        rows += _corrected(family)
    columns = ("over", "languages", "scale", "arm", "against", *_TESTS, "in first", "in second")
    return _frame(rows, columns)


def _by_fact(
    arms: pd.DataFrame, arm: str, value: str, languages: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return a value of one arm by kind of neurons, a row per fact, a column per language asked."""
    found = {}
    for kind in DRAWS:
        rows = arms[(arms["arm"] == arm) & (arms["neurons"] == kind)]
        table = rows.pivot(index="fact", columns="asked", values=value)
        found[kind] = table.reindex(columns=list(languages)).astype(float)
    return found


def changes(arms: pd.DataFrame) -> pd.DataFrame:
    """Compare the changes of the answers, in points and as wanted, by arm and language asked."""
    rows = []
    for scale, over, pairs in _families(_counted(arms), "scale"):
        family = []
        for (first, second), pair in pairs:
            for arm in ARMS:
                moved = _by_fact(pair, arm, "wanted", (first, second))
                for asked in (first, second):
                    for control in AGAINST:
                        result = _paired_by_fact(moved["own"][asked], moved[control][asked])
                        head = {
                            "over": over,
                            "languages": f"{first} & {second}",
                            "scale": scale,
                            "arm": arm,
                            "asked": asked,
                            "against": control,
                        }
                        family.append({**head, **_numbers(result)})
        rows += _corrected(family)
    return _frame(rows, ("over", "languages", "scale", "arm", "asked", "against", *_TESTS))


def crossing(arms: pd.DataFrame) -> pd.DataFrame:
    """Compare what editing one language's neurons does to the answer in the other.

    Only the question in one language chose the neurons. Where the answers in both languages have
    a word in common (``"alike"``) it chose them for the other language's answer too; where they
    have none (``"different"``), it did not.
    """
    rows = []
    for scale, over, pairs in _families(_counted(arms), "scale"):
        family = []
        for (first, second), pair in pairs:
            for arm, edited, asked in (("first", first, second), ("second", second, first)):
                for answers in ANSWERS[1:]:
                    some = pair[pair["answers"] == answers]
                    moved = _by_fact(some, arm, "wanted", (first, second))
                    for control in AGAINST:
                        result = _paired_by_fact(moved["own"][asked], moved[control][asked])
                        head = {
                            "over": over,
                            "scale": scale,
                            "edited": edited,
                            "asked": asked,
                            "answers": answers,
                            "against": control,
                        }
                        family.append({**head, **_numbers(result)})
        rows += _corrected(family)
    columns = ("over", "scale", "edited", "asked", "answers", "against", *_TESTS)
    return _frame(rows, columns)


def shared_or_not(matched: pd.DataFrame) -> pd.DataFrame:
    """Compare shared neurons of a language with as many of its others, asked in the other one."""
    rows = []
    kept = matched[matched["reason"].isna()]
    for scale, over, pairs in _families(kept, "scale", ("edited", "asked")):
        family = []
        for (edited, asked), pair in pairs:
            result = paired(pair["wanted_shared"], pair["wanted_others"])
            head = {"over": over, "scale": scale, "edited": edited, "asked": asked}
            family.append({**head, **_numbers(result)})
        rows += _corrected(family)
    frame = _frame(rows, ("over", "scale", "edited", "asked", *_TESTS))
    return frame.rename(columns={"own": "shared", "control": "others"})


def share_interval(n_true: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    Examples
    --------
    >>> from neurotopo.studies.crosslingual.comparisons import share_interval
    >>> share_interval(5, 10)
    (0.237, 0.763)
    """
    if not n:
        return math.nan, math.nan
    z, p = float(norm.ppf(0.975)), n_true / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def _counted(arms: pd.DataFrame) -> pd.DataFrame:
    return arms[arms["excluded"] == False]  # noqa: E712


def _families(
    frame: pd.DataFrame, by: str, pair: tuple[str, str] = ("first", "second")
) -> Iterator[tuple[Any, str, list[tuple[Any, pd.DataFrame]]]]:
    """Yield a value of a column, a scope, and the rows of every two languages for these.

    There may be none in a scope; they are handed out all the same, so that every table says so.
    """
    for value, part in frame.groupby(by, sort=True):
        for scope in SCOPES:
            pairs = [
                (names, some if scope == "all" else some[some["known"] == True])  # noqa: E712
                for names, some in part.groupby(list(pair))
            ]
            yield value, scope, pairs


def _paired_by_fact(own: pd.Series, control: pd.Series) -> Paired:
    return paired(own, control.reindex(own.index))


def _numbers(result: Paired) -> dict[str, Any]:
    return {
        "n": result.n,
        "own": result.mean_a,
        "control": result.mean_b,
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        "p": result.p_wilcoxon,
        "d": result.d,
    }


def _corrected(family: list[dict[str, Any]]) -> list[dict[str, Any]]:
    adjusted: NDArray[np.float64] = holm(_column(family))
    return [{**row, "p": p} for row, p in zip(family, adjusted.tolist(), strict=True)]


def _column(family: Sequence[dict[str, Any]]) -> ArrayLike:
    return np.array([row["p"] for row in family], dtype=np.float64)


def _frame(rows: list[dict[str, Any]], columns: Sequence[str]) -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame(rows, columns=list(columns))
