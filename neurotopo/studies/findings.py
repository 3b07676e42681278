"""Wording of findings, and the rule for claims: the same in every study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from neurotopo.report.summary import Claim

__all__ = [
    "ALPHA",
    "FEW",
    "and_list",
    "as_claim",
    "from_to",
    "interval_and_p",
    "nothing_done",
    "p_words",
    "percent",
    "row_stands",
    "stands",
    "upper_first",
    "verdict",
]

ALPHA = 0.01
"""The level of claims, after correction for many tests."""

FEW = 10
"""With fewer pairs there is no claim."""


def stands(n: int, p: float, difference: float) -> bool:
    """Return whether a difference is above 0, on enough pairs and beyond chance.

    ``p`` is the p-value after correction, nan without a test.

    Examples
    --------
    >>> from neurotopo.studies.findings import stands
    >>> stands(40, 0.001, 2.0), stands(40, 0.001, -2.0), stands(5, 0.001, 2.0)
    (True, False, False)
    """
    return bool(n >= FEW and p < ALPHA and difference > 0)


def row_stands(row: Mapping[str, Any]) -> bool:
    """Return :func:`stands` of a row with the columns ``n``, ``p`` and ``difference``."""
    return stands(row["n"], row["p"], row["difference"])


def verdict(
    row: Mapping[str, Any],
    more: str,
    less: str = "less",
    *,
    few: str = "too few facts for a claim",
    none: str = "no difference beyond chance",
) -> str:
    """Return the result of a row with the columns ``n``, ``p`` and ``difference`` in words.

    The words are those for a difference above 0, one below 0, too few pairs and no difference.

    Examples
    --------
    >>> from neurotopo.studies.findings import verdict
    >>> verdict({"n": 40, "p": 0.001, "difference": 2.0}, "more degenerate")
    'more degenerate'
    >>> verdict({"n": 5, "p": 0.001, "difference": 2.0}, "more degenerate")
    'too few facts for a claim'
    """
    if row["n"] < FEW:
        return few
    if not row["p"] < ALPHA:
        return none
    return more if row["difference"] > 0 else less


def as_claim(sentence: str, holds: bool) -> str:
    """Return a sentence, as a :class:`~neurotopo.report.summary.Claim` if it holds."""
    return Claim(sentence) if holds and sentence else sentence


def nothing_done(errors: Any, unit: str = "fact") -> str:
    """Return the reason for missing results: there were no items, or all of them failed.

    ``errors`` are those of the items, ``unit`` is the name of an item in the singular.

    Examples
    --------
    >>> from neurotopo.studies.findings import nothing_done
    >>> nothing_done([]), nothing_done(["no such token"], "relation")
    ('No fact has been worked on.', 'All 1 relations failed; the first: no such token')
    """
    errors = list(errors)
    if not errors:
        return f"No {unit} has been worked on."
    return f"All {len(errors):,} {unit}s failed; the first: {errors[0]}"


def p_words(p: float) -> str:
    """Return a p-value for a sentence.

    Examples
    --------
    >>> from neurotopo.studies.findings import p_words
    >>> p_words(0.0123), p_words(0.0), p_words(float("nan"))
    ('p = 0.012', 'p < 1e-300', 'no test possible')
    """
    if math.isnan(p):
        return "no test possible"
    return f"p = {p:.2g}" if p > 0 else "p < 1e-300"


def from_to(low: float, high: float, digits: int = 1) -> str:
    """Return a 95 % interval for a sentence; an empty text if there is none.

    Examples
    --------
    >>> from neurotopo.studies.findings import from_to
    >>> from_to(0.52, 1.0), from_to(float("nan"), 1.0)
    ('95 % interval 0.5 to 1.0', '')
    """
    if not (math.isfinite(low) and math.isfinite(high)):
        return ""
    return f"95 % interval {low:.{digits}f} to {high:.{digits}f}"


def interval_and_p(row: Mapping[str, Any], digits: int = 1) -> str:
    """Return the interval, if there is one, and the p-value of a row of a comparison.

    Examples
    --------
    >>> from neurotopo.studies.findings import interval_and_p
    >>> interval_and_p({"low": 0.5, "high": 1.5, "p": 0.002})
    '95 % interval 0.5 to 1.5, p = 0.002'
    """
    interval = from_to(row["low"], row["high"], digits)
    return ", ".join(part for part in (interval, p_words(row["p"])) if part)


def percent(value: float) -> str:
    """Return a share in per cent; words for nan.

    Examples
    --------
    >>> from neurotopo.studies.findings import percent
    >>> percent(0.25), percent(float("nan"))
    ('25%', 'an unknown share')
    """
    return "an unknown share" if math.isnan(value) else f"{value:.0%}"


def and_list(names: Sequence[str]) -> str:
    """Return a list of names for a sentence.

    Examples
    --------
    >>> from neurotopo.studies.findings import and_list
    >>> and_list(["a", "b", "c"])
    'a, b and c'
    """
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def upper_first(text: str) -> str:
    """Return a text that begins with a capital letter."""
    return text[:1].upper() + text[1:]
