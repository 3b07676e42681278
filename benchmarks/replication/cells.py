"""Numbers and verdicts in the cells of a table."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def verdict_cell(effect: Mapping[str, Any] | None) -> str:
    """Return the verdict of an effect with its mean and interval; "-" without facts."""
    if effect is None or not effect["n"]:
        return "-"
    numbers = (effect[name] for name in ("mean", "low", "high", "margin"))
    return f"{effect['verdict']}: {interval(*numbers)}"


def interval(mean: float, low: float, high: float, margin: float) -> str:
    """Return a mean with its interval, in digits that suit the margin."""
    digits = digits_of(margin)
    return f"{number(mean, digits)} ({number(low, digits)} to {number(high, digits)})"


def digits_of(margin: float) -> int:
    """Return the digits after the point that show a hundredth of a margin."""
    return max(1, 2 - math.floor(math.log10(margin))) if margin > 0 else 2


def number(value: float | None, digits: int = 2) -> str:
    """Return a rounded number, "-" for none; a rounded 0 has no sign."""
    if value is None or value != value:
        return "-"
    text = f"{value:.{digits}f}"
    return text.removeprefix("-") if float(text) == 0 else text


def cell(value: Any) -> str:
    """Return any value of a table."""
    return number(value) if isinstance(value, float) else str(value)
