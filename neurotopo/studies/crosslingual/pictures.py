"""Pictures of the study ``crosslingual``: overlaps, Succ, edits that cross, jumps, layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.plots.layers import LayerDisplay
from neurotopo.plots.means import MeansDisplay
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.crosslingual.frames import CONTROLS, KINDS, LanguageFrames
from neurotopo.studies.crosslingual.report import by_answers, share_interval
from neurotopo.studies.pictures import effects_picture
from neurotopo.studies.statistics import mean_interval
from neurotopo.studies.study import MakePicture

__all__ = ["PICTURES"]

_OWN = "the same fact"


def _overlap(frames: LanguageFrames, tables: Mapping[str, Table]) -> Picture | None:
    values = frames.overlaps
    if not len(values):
        return None
    rows, means = [], {name: [] for name in (_OWN, *CONTROLS.values())}  # type: ignore[var-annotated]
    for (kind, first, second), part in values.groupby(["kind", "first", "second"], sort=False):
        for answers, some in by_answers(part):
            text = "" if answers == "all" else f", answers {answers}"
            rows.append(f"{KINDS[str(kind)]}, {first} & {second}{text} (n={len(some)})")
            means[_OWN].append(_percent(some["jaccard"]))
            for name, label in CONTROLS.items():
                means[label].append(_percent(some[name]))
    ax = free_axes(8.0, 1.4 + 0.6 * len(rows))
    MeansDisplay.from_arrays(
        rows,
        {name: np.array(each).T for name, each in means.items()},
        label="Jaccard index of the neurons in two languages (%)",
        ax=ax,
    )
    return Picture(
        ax.figure,
        "Overlap of the neurons in two languages: of one fact, of two facts, and by chance",
        "Means over facts with 95 % intervals. With language-independent neurons the same fact is "
        "above other facts of its relation, also where the answers have no word in common "
        "('different'). Paired tests are in the table overlap.",
    )


def _percent(column: pd.Series) -> tuple[float, float, float]:
    mean, low, high = mean_interval(column.to_numpy(np.float64) * 100)
    return mean, low, high


def _succ(frames: LanguageFrames, tables: Mapping[str, Table]) -> Picture | None:
    frame = tables["succ"].frame
    if not len(frame) or not frame["n"].any():
        return None
    kept = frame[(frame["over"] == "all") & (frame["n"] > 0)]
    labels = {"random": "random neurons", "random_layers": "random neurons by layer"}
    rows: list[str] = []
    shares: dict[str, list[tuple[float, float, float]]] = {
        name: [] for name in ("the fact's neurons", *labels.values())
    }
    for (pair, scale, arm), part in kept.groupby(["languages", "scale", "arm"], sort=False):
        control = part.set_index("against")
        rows.append(f"{pair}, times {scale:g}: {arm} (n={control['n'].iloc[0]})")
        own = control.iloc[0]
        shares["the fact's neurons"].append((own["own"], own["own low"], own["own high"]))
        for name, label in labels.items():
            n, share = int(control.loc[name, "n"]), float(control.loc[name, "control"])
            shares[label].append((share, *share_interval(round(share * n), n)))
    ax = free_axes(7.6, 1.4 + 0.45 * len(rows))
    MeansDisplay.from_arrays(
        rows,
        {name: np.array(each).T * 100 for name, each in shares.items()},
        label="Succ: share of facts with both answers moved as wanted (%)",
        ax=ax,
    )
    ax.set_xlim(-2, 102)
    return Picture(
        ax.figure,
        "Succ of the four ways of editing, beside random neurons of the same sizes",
        "Shares of all facts with Wilson's 95 % intervals. The neurons were chosen by the answers "
        "that are asked for; the next picture shows whether an edit crosses to the other language.",
    )


def _effects(
    shown: pd.DataFrame, names: list[str], height: float, texts: tuple[str, str, str]
) -> Picture | None:
    """Draw differences with intervals; ``texts``: label of the axis, title and note."""
    if not len(shown):
        return None
    label, title, note = texts
    size = (8.4, 1.4 + height * len(shown))
    return effects_picture(shown, names, title, note, label=label, size=size)


def _crossing(frames: LanguageFrames, tables: Mapping[str, Table]) -> Picture | None:
    frame = tables["crossing"].frame
    over_all = (frame["over"] == "all") & (frame["against"] == "random_layers")
    shown = frame[over_all & (frame["n"] > 0)]
    names = [
        f"{row.edited} edited, {row.asked} asked, times {row.scale:g}: answers {row.answers}"
        for row in shown.itertuples()
    ]
    texts = (
        "change as wanted minus that by random neurons in the same layers (points)",
        "Edits that cross: neurons of one language, question in the other",
        "Mean differences over all facts, paired by fact, with 95 % intervals; p as in the table "
        "crossing. Where the answers are alike, the neurons were chosen for the same word that is "
        "asked for. Only an effect with different answers shows that the fact crosses.",
    )
    return _effects(shown, names, 0.4, texts)


def _jumps(frames: LanguageFrames, tables: Mapping[str, Table]) -> Picture | None:
    frame = tables["controls"].frame
    if not len(frame):
        return None
    over_all = (frame["measure"] == "all potential") & (frame["over"] == "all")
    shown = frame[over_all & (frame["n"] > 0)]
    names = [f"{row.language}: {row.method}" for row in shown.itertuples()]
    texts = (
        "jump minus that of random groups (points)",
        "Every method against random groups in its sizes, in each language",
        "Mean difference of the jumps of all potential components, paired by fact, with its 95 % "
        "interval; from the table controls, over all facts. At 0 the groups are no better than "
        "random ones.",
    )
    return _effects(shown, names, 0.32, texts)


def _layers(frames: LanguageFrames, tables: Mapping[str, Table]) -> Picture | None:
    if not any(own for sets in frames.neurons.values() for own in sets.values()):
        return None
    frame = tables["layers"].frame
    counts: dict[str, Any] = {f"neurons in {x}": frame[x].to_numpy() for x in frames.languages}
    counts["shared by all languages"] = frame["shared"].to_numpy()
    ax = free_axes(6.4, 1.8 + 0.4 * len(frame))
    LayerDisplay.from_counts(counts, ax=ax)
    return Picture(
        ax.figure,
        "Language-independent neurons by layer",
        "Shares of the layers among the knowledge neurons of all facts in each language, and among "
        "those that a fact has in every language. The numbers are in the table layers.",
    )


PICTURES: dict[str, MakePicture] = {
    "overlap": _overlap,
    "succ": _succ,
    "crossing": _crossing,
    "controls": _jumps,
    "layers": _layers,
}
