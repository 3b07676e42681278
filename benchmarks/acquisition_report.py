"""The record of ``acquisition.py`` as tables."""

from __future__ import annotations

from typing import Any

_METHODS = ("oracle", "ntc", "kmeans", "dbscan", "hierarchical", "pairs", "authors")
_SHOWN = ("ntc", "random:ntc", "kmeans", "dbscan", "hierarchical", "pairs", "oracle")


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    parts = [
        f"`{record['command']}`",
        f"Environment: {record['environment']}. Defaults of `neurotopo run acquisition`, seed 0; "
        "what the figures are: the report of any run, and docs/studies.md.",
        "**The jump of all potential components** (points of the answer's probability that the "
        "last one takes more than all but one), of a method and of random groups in its sizes "
        "from the same neurons, paired by fact; p of Wilcoxon's test, Holm-corrected over all "
        "methods of the model. AMIG's pairs are chosen by the fall itself, so their row is no "
        "evidence.",
        _controls(record),
        "**Table 1 of the paper**, mean GCR: n = 2 apart, the average of the columns 2 to 8 that "
        "exist (the paper's), and of 3 to 8 without what a straight line scores.",
        _gcr(record),
        "**Degenerate knowledge neurons** of NTC: facts with at least two components that passed "
        "the filter; where both parts of the definition hold (Eq 2 and Eq 3); what is left of the "
        "probability with all suppressed; time of a fact with all methods, controls and the sweep.",
        _dkns(record),
    ]
    return "\n\n".join(parts) + "\n"


def _controls(record: dict[str, Any]) -> str:
    lines = [
        "| model | method | facts | jump | random | difference (95 %) | p |",
        "|---|---|--:|--:|--:|--:|--:|",
    ]
    for name, case in record["cases"].items():
        rows = {
            row["method"]: row
            for row in case["tables"]["controls"]
            if row["measure"] == "all potential"
        }
        for method in _METHODS:
            row = rows.get(method)
            if row is None or not row["n"]:
                continue
            between = f"{_n(row['low'])} to {_n(row['high'])}"
            lines.append(
                f"| {name} | {method} | {row['n']} | {_n(row['jump'])} | {_n(row['random'])} | "
                f"{_n(row['difference'])} ({between}) | {_p(row['p'])} |"
            )
    return "\n".join(lines)


def _gcr(record: dict[str, Any]) -> str:
    head = ["n = 2", "average 2-8", "above the line 3-8"]
    lines = [f"| model | method | {' | '.join(head)} |", "|---|---|" + "--:|" * len(head)]
    for name, case in record["cases"].items():
        rows = {row["method"]: row for row in case["tables"]["table1"]}
        for method in _SHOWN:
            if method in rows:
                row = rows[method]
                cells = [row["2"], row["average 2-8"], row["above the line 3-8"]]
                lines.append(f"| {name} | {method} | {' | '.join(_n(v, 2) for v in cells)} |")
    return "\n".join(lines)


def _dkns(record: dict[str, Any]) -> str:
    lines = [
        "| model | facts | with a DKN | components | both equations hold | all suppressed | "
        "seconds a fact, median (most) |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for name, case in record["cases"].items():
        (row,) = [row for row in case["tables"]["dkns"] if row["method"] == "ntc"]
        both = row["both hold"]
        seconds = case["seconds"]
        lines.append(
            f"| {name} | {case['n_facts']:,} | {row['with a DKN']:,} | {_n(row['components'], 2)} "
            f"| {'-' if both is None else f'{both:.0%}'} | {_n(row['all suppressed'], 2)} | "
            f"{seconds['median']:.2f} ({seconds['most']:.1f}) |"
        )
    return "\n".join(lines)


def _n(value: float | None, digits: int = 1) -> str:
    return "-" if value is None else f"{value:.{digits}f}"


def _p(value: float | None) -> str:
    return "-" if value is None else f"{value:.2g}"
