"""The record of ``defaults.py`` as tables."""

from __future__ import annotations

from typing import Any

from grids import heading


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    text = "The docstring of `defaults.py` explains the measures. Medians over the facts, except "
    lines = [heading(record, text + "the share with two components and the mean ARI.")]
    for name, found in record["models"].items():
        n_layers, n_neurons = found["shape"]
        planted = any(row["ari"] is not None for row in found["rows"])
        lines += [
            "",
            f"**{name}** ({n_layers} layers of {n_neurons:,} neurons, {found['n_facts']} known "
            f"facts; suppression on {found['n_edited']})",
            "",
            "| rule | scope | threshold | neurons (most) | layers | adjacent pairs | edges "
            "| facts with two | components | neurons in one | left | left, random |"
            + (" ARI |" if planted else ""),
            "|---|---|" + "--:|" * (10 + planted),
        ]
        for row in found["rows"]:
            cells = [
                row["rule"],
                row["scope"],
                f"{row['threshold']:g}",
                f"{row['neurons']:,.0f} ({row['most']:,})",
                *(f"{row[part]:,.0f}" for part in ("layers", "pairs", "edges")),
                f"{100 * row['two']:.0f} %",
                *(f"{row[part]:,.0f}" for part in ("components", "size")),
                *(f"{row[part]:.2f}" for part in ("left", "random")),
                *([f"{row['ari']:.2f}"] if planted else []),
            ]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"
