"""The record of ``attribution_choices.py`` as tables."""

from __future__ import annotations

from typing import Any

from grids import heading


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        heading(
            record,
            f"{record['n_facts']} facts per model. The "
            "docstring of `attribution_choices.py` explains the measures.",
        )
    ]
    for name, found in record["models"].items():
        steps = sorted({row["steps"] for row in found["rules"]})
        lines += [
            "",
            f"**{name}**, gap by rule and steps (mean over the facts; in brackets the largest):",
            "",
            f"| rule | {' | '.join(map(str, steps))} |",
            "|---|" + "--:|" * len(steps),
        ]
        for rule in dict.fromkeys(row["rule"] for row in found["rules"]):
            cells = {row["steps"]: row for row in found["rules"] if row["rule"] == rule}
            shown = [
                f"{percent(cells[n]['mean'])} ({percent(cells[n]['greatest'])})"
                if n in cells
                else "-"
                for n in steps
            ]
            lines.append(f"| {rule} | {' | '.join(shown)} |")
        lines += [
            "",
            "| baseline compared with mean | Spearman, all neurons (lowest) | highest 20 in common "
            "| Jaccard index above the threshold |",
            "|---|--:|--:|--:|",
        ]
        for row in found["baselines"]:
            cells = [
                f"{row[part]['mean']:.2f} ({row[part]['least']:.2f})"
                for part in ("spearman", "top", "jaccard")
            ]
            lines.append(f"| {row['baseline']} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def percent(value: float) -> str:
    """Return a share in percent."""
    return f"{100 * value:.2g} %"
