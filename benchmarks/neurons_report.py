"""The record of ``neurons.py`` as a table."""

from __future__ import annotations

import statistics
from typing import Any

from grids import heading


def milliseconds(seconds: list[float] | None) -> str:
    """Return the median as text."""
    if seconds is None:
        return "-"
    value = 1e3 * statistics.median(seconds)
    return f"{value:.2g} ms" if value < 10 else f"{value:,.0f} ms"


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        heading(
            record,
            f"{record['threads']} threads; medians. The model "
            "has 12 layers of 3,072 neurons, width 768, and random weights.",
        ),
        "",
        "| neurons | graph | graph and clusters | matrix A | plain loops | loops / graph and A |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["graphs"]:
        ratio = "-"
        if row["naive"]:
            naive, ours = (statistics.median(row[name]) for name in ("naive", "matrix_a"))
            ratio = f"**{naive / ours:,.0f}**" + ("" if row["agree"] else " (results differ!)")
        cells = (row["graph_only"], row["seconds"], row["matrix_a"], row["naive"])
        lines.append(
            f"| {row['k']} | {' | '.join(milliseconds(cell) for cell in cells)} | {ratio} |"
        )
    it = record["suppression"]
    each, last, every = (
        statistics.median(it[name]) for name in ("forward_each", "batched", "batched_all_positions")
    )
    lines += [
        "",
        f"Suppression of {it['subsets']} subsets of components, prompt of {it['tokens']} tokens:",
        "",
        "| | time | against one forward each |",
        "|---|--:|--:|",
        f"| one forward of the whole prompt each | {each:.2f} s | 1 |",
        f'| one call, `positions="last"` | {last:.2f} s | **{each / last:.1f}** |',
        f'| one call, `positions="all"` | {every:.2f} s | {each / every:.1f} |',
        "",
        f"The probabilities of the first two differ by {it['relative_error']:.1e} relative at "
        "most. The third is a different edit: it acts on every token of the prompt, so subsets "
        "share only the layers before their first difference.",
    ]
    return "\n".join(lines) + "\n"
