"""The record of ``learning.py`` as tables."""

from __future__ import annotations

from typing import Any

from grids import heading


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    parts = [
        heading(
            record,
            "Defaults of `neurotopo run learning`. The report of any run and docs/training.md "
            "explain the measures. Several runs shared the machine, so only the ratios of times "
            "are meaningful.",
        )
    ]
    for model, case in record["models"].items():
        parts += [
            f"**{model}**, {case['n_trainings']} trainings: accuracy in per cent (95 % interval "
            "over seeds) on the new facts, the old ones and the reworded new ones.",
            _accuracy(case["tables"]),
            "\n".join(f"- {sentence}" for sentence in case["findings"]),
        ]
    return "\n\n".join(parts) + "\n"


def _accuracy(tables: dict[str, Any]) -> str:
    costs = {row["arm"]: row for row in tables["table11"]}
    lines = [
        "| arm | seeds | new | old | reworded | mean | trained / all | step / all |",
        "|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in tables["table2"]:
        cells = [_interval(row, name) for name in ("new", "old", "au", "mean")]
        cost = costs.get(row["arm"])
        ratios = (
            ["", ""]
            if cost is None
            else [f"{cost['trained / all']:.1%}", f"{cost['step time / all']:.2f}"]
        )
        lines.append(f"| {row['arm']} | {row['seeds']} | {' | '.join([*cells, *ratios])} |")
    return "\n".join(lines)


def _interval(row: dict[str, Any], name: str) -> str:
    low, high = row[f"{name} low"], row[f"{name} high"]
    if low is None or low == high:
        return f"{row[name]:.1f}"
    return f"{row[name]:.1f} ({low:.1f} to {high:.1f})"
