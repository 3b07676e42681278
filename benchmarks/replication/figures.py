"""The pictures of docs/replication.md: effects in units of their margins, a panel per model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurotopo._files import atomic_write
from neurotopo.plots.verdicts import VerdictDisplay
from neurotopo.studies.inference import Effect

Effects = Mapping[str, Effect]

_LIMIT = 12.0
_WIDTH, _ROW, _AROUND = 13.0, 0.34, 1.6


def drawn(effects: Mapping[str, Effects], label: str = "effect / margin") -> Figure | None:
    """Return a forest plot with one panel for each model, or None without an effect.

    Parameters
    ----------
    effects : mapping of str to mapping
        The effects by the title of the panel and the name of the row.
    label : str
        What is on the axis.
    """
    panels = {
        title: {name: e for name, e in rows.items() if e.n and e.margin > 0}
        for title, rows in effects.items()
    }
    panels = {title: rows for title, rows in panels.items() if rows}
    if not panels:
        return None
    most = max(map(len, panels.values()))
    figure = Figure(figsize=(_WIDTH, _AROUND + _ROW * most), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(1, len(panels), squeeze=False)[0]
    for ax, (title, rows) in zip(axes, panels.items(), strict=True):
        every = list(rows.values())
        VerdictDisplay.from_arrays(
            list(rows),
            *([getattr(e, name) / e.margin for e in every] for name in ("mean", "low", "high")),
            n=[e.n for e in every],
            verdict=[e.verdict for e in every],
            margin=1.0,
            limit=_LIMIT,
            label=label,
            ax=ax,
        )
        ax.set_title(title, loc="left", fontsize=10)
    return figure


def write_figures(
    figures: Mapping[str, Callable[[], Figure | None]], folder: Path
) -> dict[str, Path]:
    """Write pictures as ``replication_NAME.svg`` and return the places of those that exist."""
    folder.mkdir(parents=True, exist_ok=True)
    places = {}
    settings: dict[Any, Any] = {"svg.hashsalt": "neurotopo", "font.size": 9}
    with mpl.rc_context(settings):
        for name, draw in figures.items():
            figure = draw()
            if figure is not None:
                places[name] = folder / f"replication_{name}.svg"
                with atomic_write(places[name]) as file:
                    figure.savefig(file, format="svg", metadata={"Date": None})
    return places
