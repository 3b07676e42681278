"""The tests of the acquisition study: methods against random groups, and NTC against the others."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.acquisition.rows import POINTS, Collected
from neurotopo.studies.groupings import METHODS, control_of
from neurotopo.studies.statistics import holm, independent, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["controls", "controls_table", "has_control", "table7", "table7_paired"]


def has_control(found: Collected) -> list[str]:
    """Return the methods that random groups in their sizes stand beside."""
    names = found.names
    return [name for name in names if name in METHODS and control_of(name) in names]


def controls(found: Collected) -> pd.DataFrame:
    """Compare every method with random groups in its sizes, over the facts where both count.

    The columns are ``method`` and ``measure``: ``"all potential"`` is the jump of all potential
    components, before the filter, and ``"components"`` that of those that passed; the facts
    ``n``; the mean jump of the method (``jump``) and of its ``random`` groups, their
    ``difference`` with its 95 % interval ``low`` to ``high``, all in points; the ``p`` of
    Wilcoxon's signed-rank test, Holm-corrected over the methods; and Cohen's ``d``.
    """
    import pandas as pd

    measures: tuple[tuple[str, Callable[[str], pd.Series]], ...] = (
        ("all potential", lambda name: found.of(name)["potential_jump"].dropna()),
        ("components", lambda name: found.counted(name)["jump"]),
    )
    frames = []
    for measure, values in measures:
        rows = []
        for method in has_control(found):
            jumps = _joined(values(method), values(control_of(method))) * POINTS
            result = paired(jumps[:, 0], jumps[:, 1])
            rows.append(
                {
                    "method": method,
                    "measure": measure,
                    "n": result.n,
                    "jump": result.mean_a,
                    "random": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
        frame = pd.DataFrame(rows)
        if len(frame):
            frame["p"] = holm(frame["p"].to_numpy(dtype=np.float64))
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def _joined(one: pd.Series, other: pd.Series) -> Any:
    """Return the values of the facts that both have, shape (n, 2)."""
    import pandas as pd

    both = pd.concat([one, other], axis=1, join="inner").to_numpy(dtype=np.float64)
    return both[np.isfinite(both).all(axis=1)]


def controls_table(found: Collected) -> Table:
    """Return the table of :func:`controls`."""
    return Table(
        controls(found),
        "Every method against random groups in its sizes",
        "Jumps in points, paired by fact. 'all potential': the jump of all clusters before the "
        "filter, over the facts with two or more of them. 'components': the jump of those that "
        "passed, over the facts where both sides have at least two; it favours random groups, of "
        "which only those are left that happen to work. The random groups are drawn from the same "
        "neurons and go through the same filter; those of the oracle from the neurons of its "
        "groups. p: Wilcoxon's signed-rank test, Holm-corrected over the methods; d: mean "
        "difference / its standard deviation. Columns potential_jump and jump of rows.csv.",
        {"p": "p"},
    )


def table7(found: Collected) -> Table:
    """Return the paper's Table 7."""
    import pandas as pd

    rows = []
    ours = _ratios(found, "ntc")
    for method in _others(found):
        result = independent(ours, _ratios(found, method))
        rows.append(
            {
                "NTC against": method,
                "n NTC": result.n_a,
                "n other": result.n_b,
                "GCR NTC": result.mean_a,
                "GCR other": result.mean_b,
                "t": result.t,
                "p": result.p,
                "d": result.d,
                "Welch t": result.welch_t,
                "Welch p": result.welch_p,
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Table 7. Independent t-tests of GCR, as in the paper",
        "All facts with a GCR, any number of components together. It treats the same facts as "
        "different ones, mixes the differences of n = 2 with the ratios of n >= 3, and is not "
        "corrected for many tests; the table of paired tests mends all three.",
        {"p": "p", "Welch p": "p"},
    )


def table7_paired(found: Collected) -> Table:
    """Return what Table 7 should be: tests paired by fact, corrected for their number."""
    import pandas as pd

    rows: list[dict[str, Any]] = []
    measures: tuple[tuple[str, Callable[[str], pd.Series]], ...] = (
        ("jump (points)", lambda name: found.counted(name)["jump"] * POINTS),
        ("GCR, n >= 3", lambda name: _ratios(found, name, least=3)),
        ("GCR, n = 2", lambda name: _ratios(found, name, most=2)),
    )
    for measure, values in measures:
        part = []
        for method in _others(found):
            both = _joined(values("ntc"), values(method))
            result = paired(both[:, 0], both[:, 1])
            part.append(
                {
                    "measure": measure,
                    "NTC against": method,
                    "n": result.n,
                    "NTC": result.mean_a,
                    "other": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "t": result.t,
                    "p of t": result.p_t,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
        for column in ("p of t", "p"):
            adjusted = holm(np.array([row[column] for row in part], dtype=np.float64))
            for row, value in zip(part, adjusted.tolist(), strict=True):
                row[column] = value
        rows.extend(part)
    return Table(
        pd.DataFrame(rows),
        "NTC against the other methods, paired by fact",
        "Over the facts where both methods count. Intervals are 95 %; p is Wilcoxon's signed-rank "
        "test, 'p of t' the paired t-test, each Holm-corrected within a measure; d: mean "
        "difference / standard deviation of the differences.",
        {"p of t": "p", "p": "p"},
    )


def _ratios(found: Collected, method: str, least: int = 2, most: float = math.inf) -> pd.Series:
    rows = found.counted(method)
    return rows.loc[(rows["n"] >= least) & (rows["n"] <= most), "gcr"].dropna()


def _others(found: Collected) -> list[str]:
    """Return what NTC is compared with: methods and controls that are in the run."""
    if "ntc" not in found.names:
        return []
    return [
        name
        for name in found.names
        if name != "ntc" and (name in METHODS or name in (control_of("ntc"), "anywhere"))
    ]
