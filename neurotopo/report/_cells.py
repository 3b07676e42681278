"""Cells of a table as text; formats differ only in signs and escapes."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.report.summary import Table

__all__ = ["DASH", "CellFormat", "Column", "clean", "columns", "no_minus_zero", "one_line"]

DASH = "\N{EN DASH}"
_SMALLEST_P = 1e-300  # smaller values may be underflows: no p-value is zero
_WHOLE = 1e15  # above, neighbouring whole numbers may be equal as floats
# Characters that no format can show: control characters, halves of surrogate pairs.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True)
class CellFormat:
    """Signs and escapes of a format."""

    text: Callable[[str], str]  # escapes text
    number: Callable[[str], str]  # escapes a formatted number
    infinity: str = "\N{INFINITY}"
    minus_infinity: str = "-\N{INFINITY}"
    thousands: bool = True  # whether whole numbers have thousands separators


@dataclass(frozen=True)
class Column:
    """A column as text; ``right`` marks numbers."""

    name: str
    cells: tuple[str, ...]
    right: bool


def clean(text: str) -> str:
    """Return text without unprintable characters, with equal line ends."""
    return _NO_TEXT.sub("\N{REPLACEMENT CHARACTER}", re.sub("\r\n?", "\n", text))


def one_line(text: str) -> str:
    """Return text in one line, without unprintable characters."""
    return clean(" ".join(text.split()))


def columns(table: Table, signs: CellFormat, most: int | None = None) -> list[Column]:
    """Return the columns of a table as text, with at most ``most`` rows.

    Raises ValueError if a format does not fit the numbers of its column.
    """
    shown = []
    for i, label in enumerate(table.frame.columns):
        name = " / ".join(map(str, label)) if isinstance(label, tuple) else str(label)
        values = [_plain(value) for value in table.frame.iloc[:, i].tolist()]
        numbers = [value for value in values if isinstance(value, int | float)]
        right = all(value is None or isinstance(value, int | float) for value in values)
        spec = table.formats.get(label, table.formats.get(name))
        # Counts with missing values are floats in a DataFrame; they are shown as counts.
        whole = all(_is_whole(number) for number in numbers if math.isfinite(number))
        try:
            cells = tuple(_shown(value, spec, whole, signs) for value in values[:most])
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"the format {spec!r} of the column {name!r} does not fit its numbers: {error}."
            ) from error
        shown.append(Column(signs.text(name), cells, right and bool(numbers)))
    return shown


def _plain(value: Any) -> Any:
    """Return a value of numpy or pandas as one of Python; None for a missing value."""
    if isinstance(value, np.number | np.bool_):
        value = value.item()
    if pd.api.types.is_scalar(value) and pd.isna(value):
        return None
    if value is None or isinstance(value, bool | int | float):
        return value
    return str(value)


def _is_whole(number: float) -> bool:
    return float(number).is_integer() and abs(number) < _WHOLE


def _shown(value: Any, spec: str | None, whole: bool, signs: CellFormat) -> str:
    if value is None:
        return DASH
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, str):
        return signs.text(value)
    if isinstance(value, float) and math.isinf(value):
        return signs.infinity if value > 0 else signs.minus_infinity
    return signs.number(_number(value, spec, whole, signs.thousands))


def _number(value: float, spec: str | None, whole: bool, thousands: bool) -> str:
    if spec == "p":
        return f"< {_SMALLEST_P:.0e}" if 0 <= value < _SMALLEST_P else f"{value:.2g}"
    if spec is not None:
        text = format(value, spec)
    elif isinstance(value, int) or whole:
        text = f"{int(value):,}" if thousands else str(int(value))
    else:
        text = f"{value:.4g}"
    return no_minus_zero(text)


def no_minus_zero(text: str) -> str:
    """Return a formatted number without the minus that rounding may leave before zero."""
    return text.replace("-", "", 1) if re.fullmatch("-0(\\.0*)?%?", text) else text
