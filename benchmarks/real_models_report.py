"""Tables of the measurements on real models."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Rows = list[dict[str, Any]]


def table(record: dict[str, Any]) -> str:
    """Return one table for each measurement, with a row for each model and precision."""
    parts = [
        "Facts of ParaRel that a model answers exactly. `python benchmarks/real_models.py --models "
        f"{' '.join(f'{name}=FOLDER' for name in record['models'])} --facts FACTS` adds facts to "
        "the record, so measurements may have different numbers of them.",
        record["environment"],
    ]
    for measure, (title, head, cells) in SECTIONS.items():
        body = [
            [name, dtype, str(len(rows)), *cells(list(rows.values()))]
            for name, of_model in record["models"].items()
            for dtype, rows in of_model["measures"].get(measure, {}).items()
            if rows
        ]
        if body:
            full = ["model", "precision", "facts", *head]
            lines = [full, ["---", "---", *["--:"] * (len(full) - 2)], *body]
            rows = "\n".join("| " + " | ".join(line) + " |" for line in lines)
            parts += [f"**{title}** (`{measure}`)", rows]
    return "\n\n".join(parts)


def _column(rows: Rows, name: str) -> np.ndarray:
    return np.array([row[name] for row in rows], dtype=float)


def _value(rows: Rows) -> list[str]:
    difference = _column(rows, "difference")
    relative = difference / _column(rows, "probability")
    return [f"{difference.max():.1e}", f"{relative.max():.1e}"]


def _completeness(rows: Rows) -> list[str]:
    gap = _column(rows, "gap")
    return [*_value(rows), f"{np.median(gap):.1e}", f"{gap.max():.1e}"]


def _slow(rows: Rows) -> list[str]:
    difference, largest = _column(rows, "difference"), _column(rows, "largest")
    return [f"{difference.max():.1e}", f"{(difference / largest).max():.1e}"]


def _edits(rows: Rows) -> list[str]:
    return [f"{_column(rows, kind).max():.1e}" for kind in EDITS]


def _relp(rows: Rows) -> list[str]:
    """Median over the facts: a correlation, or a share."""
    cells = [f"{_column(rows, 'n').mean():.0f}"]
    for name in METHODS:
        of = [row[name] for row in rows]
        values = [np.median(_column(of, key)) for key in ("log p", "p", "drawn", "top 20")]
        cells.append(" / ".join(f"{value:.2f}" for value in values))
    shared = np.mean([row["RelP"]["with AMIG"] for row in rows])
    together = np.median([row["seconds"]["AMIG"] / row["seconds"]["RelP"] for row in rows])
    alone = np.median([row["single"]["AMIG"] / row["single"]["RelP"] for row in rows])
    return [*cells, f"{shared:.2f}", f"{together:.1f}", f"{alone:.1f}"]


METHODS = ("RelP", "AMIG", "AMIG from 0", "gradient x value")

EDITS = ("suppressed", "scaled", "number", "neuron", "neuron, last", "position", "tokens", "prompt")

Section = tuple[str, list[str], Callable[[Rows], list[str]]]

SECTIONS: dict[str, Section] = {
    "attribution-value": (
        "Value of an attribution minus the probability of the answer",
        ["largest", "relative"],
        _value,
    ),
    "completeness": (
        "Completeness of `AMIG.fast()`: the gap of a layer relative to the greatest change",
        ["value: largest", "relative", "median gap", "largest gap"],
        _completeness,
    ),
    "slow-amig": (
        "Scores of AMIG (20 right-hand points) minus the formula by plain hooks, in three layers",
        ["largest", "relative to the largest score"],
        _slow,
    ),
    "relp": (
        "Agreement with the exact effect of single neurons set to 0, median over the facts: "
        "Spearman's correlation with the fall of log p / of p / of log p for the neurons drawn "
        "from all / share of the 20 neurons of greatest effect among the 20 of greatest score",
        [
            "neurons",
            *METHODS,
            "shared by the top 20 of RelP and AMIG",
            "RelP is faster, in batches",
            "one by one",
        ],
        _relp,
    ),
    "edits": (
        "Log-probabilities under edits of a neuron in every layer, minus those by plain hooks: "
        "largest difference by kind of edit",
        list(EDITS),
        _edits,
    ),
}
