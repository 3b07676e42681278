"""The record of ``tuning.py`` as a table."""

from __future__ import annotations

from typing import Any

from grids import heading


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    whole = record["ways"]["all"]
    lines = [
        heading(
            record,
            f"Shape of GPT-2 small, {record['texts']} texts of "
            f"{record['tokens']} tokens. The docstring of `tuning.py` explains the measures.",
        ),
        "",
        "| trained | numbers | extra memory, MB | optimizer state, MB | extra memory / optimizer "
        "state of all | step, s | step / all |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    for way, row in record["ways"].items():
        lines.append(
            f"| {way} | {row['trained']:,} | {row['extra_mb']:.0f} | {row['state_mb']:.1f} | "
            f"{row['extra_mb'] / whole['state_mb']:.1%} | {row['seconds']:.3f} | "
            f"{row['seconds'] / whole['seconds']:.2f} |"
        )
    return "\n".join(lines) + "\n"
