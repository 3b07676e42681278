"""The record of ``acquisition.py`` as tables."""

from __future__ import annotations

from typing import Any

from grids import grid, heading, number, p_value, percent

_METHODS = ("oracle", "ntc", "kmeans", "dbscan", "hierarchical", "pairs", "authors")
_SHOWN = ("ntc", "random:ntc", "kmeans", "dbscan", "hierarchical", "pairs", "oracle")


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    parts = [
        heading(
            record,
            "Defaults of `neurotopo run acquisition`, seed 0. The report of any run and "
            "docs/studies.md explain the measures.",
        ),
        "**The jump of all potential components** (further decrease of the answer's probability, "
        "in points, when the last component is suppressed as well), of a method and of random "
        "groups of the same sizes from the same neurons, paired by fact; p of Wilcoxon's test, "
        "Holm-corrected over all methods of the model. AMIG's pairs are selected by the decrease "
        "itself, so their row is no evidence.",
        _controls(record),
        "**Table 1 of the paper**, mean GCR: n = 2, the average of the existing columns 2 to 8 (as "
        "in the paper), and of 3 to 8 minus the score of a straight line.",
        _gcr(record),
        "**Degenerate knowledge neurons** of NTC: facts with at least two components that pass the "
        "filter; share for which both parts of the definition hold (Eq 2 and Eq 3); remaining "
        "probability with all suppressed; time per fact with all methods, controls and the sweep.",
        _dkns(record),
    ]
    return "\n\n".join(parts) + "\n"


def _controls(record: dict[str, Any]) -> str:
    cells = []
    for name, case in record["cases"].items():
        table = case["tables"]["controls"]
        rows = {row["method"]: row for row in table if row["measure"] == "all potential"}
        for row in (rows[method] for method in _METHODS if method in rows):
            if row["n"]:
                between = f"{number(row['low'])} to {number(row['high'])}"
                jumps = (number(row["own"]), number(row["random"]))
                difference = f"{number(row['difference'])} ({between})"
                cells.append([name, row["method"], row["n"], *jumps, difference, p_value(row["p"])])
    return grid("model | method | facts | jump | random | difference (95 %) | p", cells, 2)


def _gcr(record: dict[str, Any]) -> str:
    names = ("2", "average 2-8", "above the line 3-8")
    cells = []
    for model, case in record["cases"].items():
        rows = {row["method"]: row for row in case["tables"]["table1"]}
        for row in (rows[method] for method in _SHOWN if method in rows):
            cells.append([model, row["method"], *(number(row[name], 2) for name in names)])
    return grid("model | method | n = 2 | average 2-8 | above the line 3-8", cells, 2)


def _dkns(record: dict[str, Any]) -> str:
    cells = []
    for name, case in record["cases"].items():
        (row,) = [row for row in case["tables"]["dkns"] if row["method"] == "ntc"]
        cells.append(
            [
                name,
                f"{case['n_facts']:,}",
                f"{row['with a DKN']:,}",
                number(row["components"], 2),
                percent(row["both hold"]),
                number(row["all suppressed"], 2),
                f"{case['seconds']['median']:.2f} ({case['seconds']['most']:.1f})",
            ]
        )
    return grid(
        "model | facts | with a DKN | components | both equations hold | all suppressed | "
        "seconds per fact, median (most)",
        cells,
        1,
    )
