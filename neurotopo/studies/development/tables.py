"""The tables of the development study."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.report.summary import Table
from neurotopo.studies.development.rows import CONSECUTIVE, KEPT, REASONS, TO_THE_END, Collected
from neurotopo.studies.statistics import finite_mean, holm, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ALL", "KNOWN", "tables_of"]

KNOWN, ALL = "known in both", "all"
_CONTROLS = ("shuffled", "other")


def tables_of(found: Collected) -> dict[str, Table]:
    """Return all tables of a run; those of pairs only where there are two snapshots."""
    tables = {"development": _development(found)}
    if len(found.names) > 1:
        tables["matching"] = _matching(found, CONSECUTIVE, "each snapshot and the one before")
        tables["to_the_end"] = _matching(found, TO_THE_END, "each snapshot and the last")
    return {**tables, "exclusions": _exclusions(found)}


def _development(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for place, name in found.names.items():
        every = found.rows[found.rows["place"] == place]
        own = every[every["error"].isna()]
        result = paired(own["jump"], own["jump_shuffled"])
        rows.append(
            {
                "snapshot": name,
                "step": found.steps[place],
                "facts": len(own),
                "known": finite_mean(own["known"].astype(np.float64)),
                "probability": finite_mean(own["probability"]),
                "neurons": finite_mean(own["neurons"]),
                "clusters": finite_mean(own["clusters"]),
                "components": finite_mean(own["components"]),
                "shuffled components": finite_mean(own["components_shuffled"]),
                "with a DKN": int((own["components"] >= 2).sum()),
                "n jump": result.n,
                "jump": result.mean_a,
                "shuffled": result.mean_b,
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
    return Table(
        frame,
        "What is found in each snapshot",
        "'known': share of the facts answered correctly. neurons, clusters and components are "
        "means over all facts but, for components, those that Eq 18 excludes. The jump, in points, "
        "of all clusters before the filter, against that of the same groups with the neurons "
        "shuffled, paired by fact; p: Wilcoxon's test, Holm-corrected over the snapshots. Where "
        "little is known, a jump is one of a probability that is next to nothing.",
        {"p": "p", "known": ".1%"},
    )


def _matching(found: Collected, kind: str, what: str) -> Table:
    import pandas as pd

    rows = []
    of_kind = found.pairs[found.pairs["kind"] == kind]
    for (first, second), pair in of_kind.groupby(["from", "to"], sort=True):
        usable = pair[pair["reason"].isna()]
        for facts, own in ((KNOWN, usable[usable["known"] == True]), (ALL, usable)):  # noqa: E712
            rows.append({**_ends(found, first, second), "facts": facts, **_pair_cells(own)})
    frame = pd.DataFrame(rows)
    return Table(
        _corrected(frame),
        f"Components that are kept: {what}",
        "Components are matched one to one by the best assignment. 'matched' is the mean Jaccard "
        "index, with 0 for a component that is matched with none, over the facts with a component "
        f"in either snapshot; 'kept' has at least {KEPT:g}, 'born' and 'died' are the others of "
        "the later and of the earlier snapshot, means by fact. 'neurons' and 'degenerate': Jaccard "
        "indices of the knowledge neurons and of those in components. 'shuffled': the same groups "
        "in both snapshots with the neurons of each shuffled, which says what would be kept if "
        "only the neurons were; 'other': components of another fact of the relation in the later "
        "snapshot, which says what all facts have in common. p: Wilcoxon's test, paired by fact, "
        "Holm-corrected over both controls and all rows of the same facts; d: mean difference / "
        "its standard deviation.",
        {f"p {name}": "p" for name in _CONTROLS},
    )


def _ends(found: Collected, first: int, second: int) -> dict[str, Any]:
    return {
        "from": found.names[first],
        "to": found.names[second],
        "step": found.steps[first],
        "to step": found.steps[second],
    }


def _pair_cells(own: pd.DataFrame) -> dict[str, Any]:
    cells: dict[str, Any] = {"n": len(own)}
    for name in ("kept", "born", "died", "neurons", "degenerate", "matched"):
        cells[name] = finite_mean(own[name])
    for name in _CONTROLS:
        result = paired(
            own["matched"].to_numpy(np.float64), own[f"matched_{name}"].to_numpy(np.float64)
        )
        cells |= {
            f"n {name}": result.n,
            name: result.mean_b,
            f"minus {name}": result.difference,
            f"low {name}": result.low,
            f"high {name}": result.high,
            f"p {name}": result.p_wilcoxon,
            f"d {name}": result.d,
        }
    return cells


def _corrected(frame: pd.DataFrame) -> pd.DataFrame:
    """Correct the p-values of the rows of the same facts together."""
    columns = [f"p {name}" for name in _CONTROLS]
    for facts in (KNOWN, ALL):
        if not len(frame):
            continue
        rows = frame["facts"] == facts
        values = frame.loc[rows, columns].to_numpy(dtype=np.float64)
        frame.loc[rows, columns] = holm(values.ravel()).reshape(values.shape)
    return frame


def _exclusions(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for (kind, first, second), pair in found.pairs.groupby(["kind", "from", "to"], sort=True):
        rows.append(
            {
                "pair": kind,
                "from": found.names[first],
                "to": found.names[second],
                "facts": len(pair),
                **{reason: int((pair["reason"] == reason).sum()) for reason in REASONS},
                "compared": int(pair["reason"].isna().sum()),
                "known in both": int((pair["known"] & pair["reason"].isna()).sum()),
                "without other": int((pair["reason"].isna() & pair["matched_other"].isna()).sum()),
            }
        )
    columns = [
        "pair",
        "from",
        "to",
        "facts",
        *REASONS,
        "compared",
        "known in both",
        "without other",
    ]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "Why facts are not compared between two snapshots",
        "Counted at the first that applies. 'extreme change': Eq 18 or a probability of 0 in "
        "either snapshot. 'other shape': the models have not the same layers and neurons. 'without "
        "other': compared, but no other fact of the relation has a component to compare with.",
    )
