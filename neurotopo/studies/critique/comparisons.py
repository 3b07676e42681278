"""The tests of the critique study, paired by pair or edit and corrected for their number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.critique.rows import MODES, Collected
from neurotopo.studies.statistics import Paired, finite_mean, holm, independent, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["edit_tests", "generalisation", "kinds_table", "shift_tests"]

_AGAINST = (
    ("own", "before"),
    ("own", "own_random"),
    ("own", "own_random_layers"),
    ("dkn", "before"),
    ("dkn", "kn"),
    ("dkn", "random"),
    ("dkn", "random_layers"),
)
_EDIT_MEASURES = (
    ("synonym", "says it in other words"),
    ("locality", "other facts kept"),
    ("steps", "steps needed"),
)


def shift_tests(found: Collected) -> Table:
    """Return how far the log-odds move, against before and against sets of the same size."""
    rows = []
    for kind in found.kinds:
        for mode in MODES:
            for arm, other in _AGAINST:
                ours = found.of(kind, mode, arm)
                theirs = None if other == "before" else found.of(kind, mode, other)
                rows.append(
                    {
                        "kind": kind,
                        "mode": mode,
                        "set": arm,
                        "against": other,
                        **_numbers(_tested(ours, theirs, "push")),
                    }
                )
    return Table(
        _corrected(rows),
        "Tests. How far the log-odds move, by set of neurons",
        "Log-odds: log P(fits) - log P(does not). 'shift' is their mean movement in the expected "
        "direction (down when suppressed, up when enhanced), 'other' that under the other set, 0 "
        "for before: with nothing done. Paired by pair; 95 % intervals; p: Wilcoxon's signed-rank "
        "test, 'p of t': the paired t-test of the critique, each Holm-corrected over all rows; d: "
        "mean difference / standard deviation of the differences. Neurons are chosen by the very "
        "probability that is measured here, so that they move it more than before or more than "
        "random ones is no evidence of knowledge: it happens in a random model. D against N "
        "compares two sets chosen alike. Pairs of one paradigm share words, so p-values are "
        "smaller than they should be. Columns push of the stored effects.",
        {"p": "p", "p of t": "p"},
    )


def _tested(ours: pd.DataFrame, theirs: pd.DataFrame | None, column: str) -> Paired:
    if theirs is None:
        return paired(ours[column], np.zeros(len(ours)))
    both = ours[[column]].join(theirs[column].rename("other"), how="inner")
    return paired(both[column], both["other"])


def _numbers(result: Paired) -> dict[str, Any]:
    return {
        "n": result.n,
        "shift": result.mean_a,
        "other": result.mean_b,
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        "t": result.t,
        "p of t": result.p_t,
        "p": result.p_wilcoxon,
        "d": result.d,
    }


def _corrected(rows: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Return a table of tests with p-values corrected for the number of rows."""
    import pandas as pd

    frame = pd.DataFrame(rows)
    for column in ("p", "p of t"):
        if column in frame:
            frame[column] = holm(frame[column].to_numpy(dtype=np.float64))
    return frame


def generalisation(found: Collected) -> Table:
    """Return what neurons common to one half of a paradigm do to the other half."""
    rows = []
    held = found.held_out
    for kind in found.kinds:
        for source in ("own", "dkn"):
            here = held[(held["kind"] == kind) & (held["source"] == source)]
            by = {arm: part.set_index("pair") for arm, part in here.groupby("arm")}
            halves = found.halves[found.halves["kind"] == kind]
            ours = by.get("shared")
            for other in ("random_layers", "random"):
                row: dict[str, Any] = {
                    "kind": kind,
                    "source": source,
                    "against": other,
                    "groups": len(halves),
                    "without neurons": int((halves[source] == 0).sum()),
                    "neurons": finite_mean(halves.loc[halves[source] > 0, source]),
                }
                if ours is None:
                    result = paired([], [])
                    flips = (np.nan, np.nan)
                else:
                    result = _tested(ours, by[other], "push")
                    flips = (finite_mean(ours["flip"]), finite_mean(by[other]["flip"]))
                rows.append({**row, **_numbers(result), "flips": flips[0], "flips other": flips[1]})
    return Table(
        _corrected(rows),
        "Generalisation. Neurons common to half of a paradigm, suppressed on the other half",
        "Neurons of more than a share (option share) of the pairs in one half, drawn by the seed, "
        "of a paradigm or relation; source own: of all their knowledge neurons, dkn: of their "
        "degenerate ones. 'without neurons': groups with no common neuron, which say nothing. The "
        "held-out pairs had no part in the choice, but have words in common with the others, so "
        "neurons of a word pass for neurons of a rule. 'flips': share of held-out preferences "
        "lost. Other columns as in the table of tests; p Holm-corrected over all rows.",
        {"p": "p", "p of t": "p"},
    )


def kinds_table(found: Collected) -> Table:
    """Return grammar and facts side by side."""
    import pandas as pd

    rows = []
    for mode in MODES:
        for arm in ("own", "dkn"):
            sides = [found.of(kind, mode, arm) for kind in ("grammar", "facts")]
            for column, name in (
                ("push", "shift of the log-odds"),
                ("dprob", "dProb"),
                ("flip", "share of flips"),
            ):
                values = [
                    side.loc[~side["extreme"].astype(bool), column]
                    if column == "dprob"
                    else side[column]
                    for side in sides
                ]
                result = independent(*values)
                rows.append(
                    {
                        "mode": mode,
                        "set": arm,
                        "measure": name,
                        "n grammar": result.n_a,
                        "n facts": result.n_b,
                        "grammar": result.mean_a,
                        "facts": result.mean_b,
                        "t": result.t,
                        "p of t": result.p,
                        "Welch t": result.welch_t,
                        "p": result.welch_p,
                        "d": result.d,
                    }
                )
    frame = pd.DataFrame(rows)
    for column in ("p", "p of t"):
        frame[column] = holm(frame[column].to_numpy(dtype=np.float64))
    return Table(
        frame,
        "Grammar beside facts",
        "If neurons of grammar behave as neurons of facts do, what is found is no store of facts: "
        "the point of the critique. Independent tests, as no pair is in both: p is Welch's, 'p of "
        "t' Student's, each Holm-corrected over all rows; d in pooled standard deviations. The "
        "words differ in length and kind, so a difference need not be one of knowledge.",
        {"p": "p", "p of t": "p"},
    )


def edit_tests(found: Collected) -> Table:
    """Return D against the other sets of neurons, edit by edit."""
    rows = []
    by = {arm: part.set_index("case") for arm, part in found.edits.groupby("arm")}
    if "dkn" in by:
        for column, name in _EDIT_MEASURES:
            for other in ("kn", "random", "all"):
                numbers = _numbers(_tested(by["dkn"], by[other], column))
                rows.append({"measure": name, "dkn against": other, **numbers})
    frame = _corrected(rows).rename(columns={"shift": "dkn"})
    return Table(
        frame,
        "Edits in D against edits in other neurons",
        "Paired by edit, over those where both have a value. p: Wilcoxon's signed-rank test, 'p of "
        "t' the paired t-test, each Holm-corrected over all rows. Columns as in the table edits.",
        {"p": "p", "p of t": "p"},
    )
