"""Tables in Markdown, and numbers in their cells."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any


def heading(record: dict[str, Any], text: str) -> str:
    """Return the command of a record, and a paragraph that starts with the environment."""
    return f"`{record['command']}`\n\nEnvironment: {record['environment']}. {text}"


def grid(head: str | Sequence[str], rows: Iterable[Sequence[Any]], numbers: int) -> str:
    """Return a table; the columns from `numbers` on are right-aligned.

    A head may be one string with " | " between the columns.
    """
    columns = head.split(" | ") if isinstance(head, str) else head
    lines = [f"| {' | '.join(columns)} |"]
    lines.append("|" + "---|" * numbers + "--:|" * (len(columns) - numbers))
    return "\n".join([*lines, *(f"| {' | '.join(str(cell) for cell in row)} |" for row in rows)])


def number(value: float | None, digits: int = 1) -> str:
    """Return a number, or a dash for None."""
    return "-" if value is None else f"{value:.{digits}f}"


def percent(value: float | None) -> str:
    """Return a share in percent, or a dash for None."""
    return "-" if value is None else f"{value:.0%}"


def p_value(value: float | None) -> str:
    """Return a p-value with two significant digits, or a dash for None."""
    return "-" if value is None else f"{value:.2g}"
