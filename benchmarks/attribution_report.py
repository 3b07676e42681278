"""The record of ``attribution.py`` as a table."""

from __future__ import annotations

import statistics
from typing import Any

from grids import heading


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        heading(
            record,
            f"{record['threads']} threads; medians. On "
            f"{record['device']}, {record['dtype']}. "
            "Mean baseline; the docstring of `attribution.py` explains the shapes and columns.",
        ),
        "",
        "| shape | N | prompt | answer | sweep | sweep / floor | naive / sweep | "
        "authors' order / sweep | largest difference | per fact of "
        f"{record['n_facts']} | memory |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        sweep = statistics.median(row["seconds"]["sweep"])
        lines.append(
            f"| {row['shape']} | {row.get('steps', 20)} | {row['prompt']} | {row['answer']} | "
            f"{sweep:.2f} s | **{row['over_floor']:.2f}** | {row['faster_than']['naive']:.1f} | "
            f"{row['faster_than']['authors']:.1f} | {row['error']:.0e} | "
            f"{row['seconds_of_many']:.2f} s | {megabytes(row['extra_memory'])} |"
        )
    return "\n".join(lines) + "\n"


def megabytes(value: float | None) -> str:
    """Return a size as text."""
    return "-" if value is None else f"{value:,.0f} MB"
