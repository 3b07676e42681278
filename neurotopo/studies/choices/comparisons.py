"""The tests of the choices study: against random groups, the default, and planted groups."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.studies.choices.rows import POINTS, Collected
from neurotopo.studies.choices.variations import DEFAULT
from neurotopo.studies.statistics import finite_mean, holm, mean_interval, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["MEASURES", "agreement", "changes", "controls", "recovered"]

MEASURES = ("all clusters", "known facts", "common facts", "components")
"""Over which clusters and facts the jump is compared with that of random groups."""


def controls(found: Collected) -> pd.DataFrame:
    """Compare every variation with random groups in its sizes, paired by fact.

    The columns are ``variation``, ``choice`` and ``measure``: ``"all clusters"`` is the jump of
    all clusters, before the filter; ``"known facts"`` the same over the facts that the model
    answers correctly, ``"common facts"`` over those where every variation has two clusters; and
    ``"components"`` that of the clusters that passed. Then the number of facts ``n``, the mean
    ``jump`` and that of ``random`` groups, their ``difference`` with its 95 % interval, in points,
    the ``p`` of Wilcoxon's signed-rank test, Holm-corrected over all variations, and Cohen's
    ``d``.
    """
    import pandas as pd

    known = set(found.facts.loc[found.facts["known"] == True, "fact"])  # noqa: E712
    common = _common(found)
    frames = []
    for measure in MEASURES:
        rows = []
        for name in found.names:
            counted = found.counted(name)
            held = {"known facts": known, "common facts": common}.get(measure)
            if held is not None:
                counted = counted[counted.index.isin(held)]
            column = "jump" if measure == "components" else "potential_jump"
            both = counted[[column, f"random_{column}"]].to_numpy(dtype=np.float64) * POINTS
            result = paired(both[:, 0], both[:, 1])
            rows.append(
                {
                    "variation": name,
                    "choice": found.choice[name],
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
        frames.append(_corrected(rows))
    return pd.concat(frames, ignore_index=True)


def _common(found: Collected) -> set[str]:
    """Return the facts where every variation has two clusters or more."""
    held: set[str] | None = None
    for name in found.names:
        counted = found.counted(name)
        facts = set(counted.index[np.isfinite(counted["potential_jump"].to_numpy(np.float64))])
        held = facts if held is None else held & facts
    return held or set()


def _corrected(rows: list[dict[str, Any]]) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows)
    if len(frame):
        frame["p"] = holm(frame["p"].to_numpy(dtype=np.float64))
    return frame


def changes(found: Collected) -> pd.DataFrame:
    """Compare what clusters have over random groups with what those of the default have.

    Paired over the facts where both have two clusters or more: ``change`` is the mean of
    (jump - random) of the variation less that of the default, in points, before the filter; with
    ``low``, ``high``, the Holm-corrected ``p`` of Wilcoxon's signed-rank test, ``d`` and ``n``.
    """
    usual = _over_random(found, DEFAULT)
    rows = []
    for name in found.others:
        own = _over_random(found, name)
        both = own.index.intersection(usual.index)
        result = paired(own.loc[both].to_numpy(), usual.loc[both].to_numpy())
        rows.append(
            {
                "variation": name,
                "n": result.n,
                "own": result.mean_a,
                "default": result.mean_b,
                "change": result.difference,
                "low": result.low,
                "high": result.high,
                "p": result.p_wilcoxon,
                "d": result.d,
            }
        )
    return _corrected(rows)


def _over_random(found: Collected, name: str) -> pd.Series:
    counted = found.counted(name)
    over: pd.Series = (counted["potential_jump"] - counted["random_potential_jump"]) * POINTS
    return over.astype(np.float64).dropna()


def agreement(found: Collected) -> pd.DataFrame:
    """Return how much the clusters of each variation have in common with those of the default.

    Over the facts where either has a cluster, their number being ``facts``: the mean adjusted
    Rand index ``ARI`` with its 95 % interval ``low`` to ``high``, the share of facts with the
    ``same`` clusters; and ``D``, the mean Jaccard index of the degenerate neurons over the facts
    where either has some, ``facts D``.
    """
    import pandas as pd

    rows = []
    for name in found.others:
        own = found.of(name)
        own = own[own["clustered"].astype(bool)]
        mean, low, high = _index(own["ari"].to_numpy(dtype=np.float64))
        overlap = own["jaccard"].to_numpy(dtype=np.float64)
        rows.append(
            {
                "variation": name,
                "facts": len(own),
                "ARI": mean,
                "low": low,
                "high": high,
                "same": finite_mean(own["same"].to_numpy(dtype=np.float64)),
                "n same": int(own["same"].sum()),
                "D": finite_mean(overlap),
                "facts D": int(np.isfinite(overlap).sum()),
            }
        )
    return pd.DataFrame(rows)


def _index(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the mean of Rand indices and its interval, which ends at 1 at the latest."""
    mean, low, high = mean_interval(values)
    return mean, low, min(high, 1.0) if np.isfinite(high) else high


def recovered(found: Collected) -> pd.DataFrame:
    """Return how well each variation recovers planted groups, beside random groups and the default.

    ``ARI`` with the planted groups over the facts that have neurons of two groups or more, its
    interval, ``random``, that of random groups in the same sizes; and the paired ``change``
    against the default with its interval, ``n`` and the Holm-corrected ``p`` of Wilcoxon's test.
    """
    usual = _planted(found, DEFAULT)
    rows = []
    for name in found.names:
        own = _planted(found, name)
        mean, low, high = _index(own.to_numpy())
        random = found.of(name).loc[own.index, "ari_planted_random"].to_numpy(dtype=np.float64)
        both = own.index.intersection(usual.index) if name != DEFAULT else own.index[:0]
        result = paired(own.loc[both].to_numpy(), usual.loc[both].to_numpy())
        rows.append(
            {
                "variation": name,
                "facts": len(own),
                "ARI": mean,
                "low": low,
                "high": high,
                "random": finite_mean(random),
                "n": result.n,
                "change": result.difference,
                "change low": result.low,
                "change high": result.high,
                "p": result.p_wilcoxon,
                "d": result.d,
            }
        )
    return _corrected(rows)


def _planted(found: Collected, name: str) -> pd.Series:
    values: pd.Series = found.of(name)["ari_planted"].astype(np.float64)
    return values.dropna()
