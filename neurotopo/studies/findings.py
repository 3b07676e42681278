"""Wording of findings, and the rule for claims: the same in every study."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from neurotopo.datasets.dataset import pluralize
from neurotopo.report._cells import no_minus_zero
from neurotopo.report.summary import Claim

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "ALPHA",
    "FEW",
    "LEAST",
    "MARGINS",
    "RULE",
    "Number",
    "and_list",
    "as_claim",
    "from_to",
    "interval_and_p",
    "margin_words",
    "nothing_done",
    "of_all",
    "outcome",
    "p_words",
    "percent",
    "records",
    "row_stands",
    "too_few",
    "upper_first",
    "verdict",
]

ALPHA = 0.01
"""The level of claims, after correction for many tests."""

FEW = 10
"""With fewer pairs there is no claim."""

LEAST = FEW
"""With results for fewer facts there is no finding."""

MARGINS: Mapping[str, float] = {
    "points": 1.0,
    "share": 0.01,
    "index": 0.02,
    "GCR": 0.1,
    "rho": 0.1,
    "log-odds": 0.1,
    "components": 0.1,
    "counts": 1.0,
    "d": 0.2,
}
"""The smallest difference that counts, by the unit of a measure.

``"points"`` are percentage points of a probability, a fall or an accuracy, ``"share"`` the same as
a fraction; an ``"index"`` lies between 0 and 1 (Jaccard, Rand, area under a ROC curve);
``"counts"`` are of neurons or steps; ``"d"`` is for measures without a unit of their own, in
standard deviations.
"""

RULE = (
    f"A difference is claimed only if there are at least {FEW} pairs, p is below {ALPHA} after "
    "Holm's correction, the 95 % interval does not hold 0, and the difference is at least its "
    "margin: the smallest difference that counts, named beforehand (column margin)."
)
"""The rule for claims, for the notes of a report."""


def outcome(row: Mapping[str, Any], **columns: str) -> str:
    """Return the result of a comparison by the rule for claims.

    A claim needs enough pairs, a small p-value after correction, a 95 % interval that does not
    hold 0, and a difference of at least the margin, the smallest difference that counts. The
    margin is named before the data are seen.

    Parameters
    ----------
    row : mapping
        ``n`` pairs, ``p`` after correction (nan without a test), ``difference``, its interval
        ``low`` to ``high``, and ``margin``. With fewer than ten pairs, only ``n`` is read.
    **columns : str
        Other names of these cells in the row. ``size`` names the cell that the margin is about,
        such as ``"d"``; by default it is the difference.

    Returns
    -------
    {"few", "none", "zero", "small", "more", "less"}
        The first that applies: fewer than ten pairs; no difference beyond chance; an interval that
        holds 0, or none; a difference below the margin; a difference above 0, or below 0.

    Examples
    --------
    >>> from neurotopo.studies.findings import outcome
    >>> row = {"n": 40, "p": 1e-4, "difference": 2.0, "low": 1.2, "high": 2.8, "margin": 1.0}
    >>> outcome(row), outcome({**row, "margin": 3.0}), outcome({**row, "low": -0.1})
    ('more', 'small', 'zero')
    >>> outcome({"n": 3})
    'few'
    """

    def cell(name: str) -> float:
        return float(row[columns.get(name, name)])

    if not cell("n") >= FEW:
        return "few"
    if not cell("p") < ALPHA:
        return "none"
    difference = cell("difference")
    if not (cell("low") > 0 if difference > 0 else cell("high") < 0):
        return "zero"
    size = cell("size") if "size" in columns else difference
    if not abs(size) >= cell("margin"):
        return "small"
    return "more" if difference > 0 else "less"


def row_stands(row: Mapping[str, Any], sign: int = 1, **columns: str) -> bool:
    """Return whether a row may be claimed to be above 0, or below 0 with ``sign=-1``.

    ``row`` and ``columns`` are those of :func:`outcome`.

    Examples
    --------
    >>> from neurotopo.studies.findings import row_stands
    >>> row = {"n": 40, "p": 1e-4, "difference": 2.0, "low": 1.2, "high": 2.8, "margin": 1.0}
    >>> row_stands(row), row_stands(row, -1), row_stands({**row, "n": 5})
    (True, False, False)
    """
    return outcome(row, **columns) == ("more" if sign > 0 else "less")


def verdict(
    row: Mapping[str, Any],
    more: str,
    less: str = "less",
    *,
    unit: str = "",
    few: str = "too few facts for a claim",
    none: str = "no difference beyond chance",
    **columns: str,
) -> str:
    """Return the :func:`outcome` of a row in words.

    The words are those for a difference above 0, one below 0, too few pairs and no difference.
    ``unit`` is the unit of the margin in the singular.

    Examples
    --------
    >>> from neurotopo.studies.findings import verdict
    >>> row = {"n": 40, "p": 1e-4, "difference": 2.0, "low": 1.2, "high": 2.8, "margin": 1.0}
    >>> verdict(row, "more degenerate")
    'more degenerate'
    >>> verdict({**row, "difference": 0.5, "low": 0.4}, "more degenerate", unit="point")
    'a difference beyond chance, but below the margin of 1 point'
    >>> verdict({**row, "low": -0.1}, "more degenerate")
    'no claim, because the interval of the difference holds 0'
    """
    result = outcome(row, **columns)
    if result == "small":
        margin = margin_words(row[columns.get("margin", "margin")], unit)
        return f"a difference beyond chance, but below the margin of {margin}"
    words = {
        "few": few,
        "none": none,
        "zero": "no claim, because the interval of the difference holds 0",
        "more": more,
        "less": less,
    }
    return words[result]


def margin_words(margin: float, unit: str = "") -> str:
    """Return a margin with its unit, which is given in the singular.

    Examples
    --------
    >>> from neurotopo.studies.findings import margin_words
    >>> margin_words(1.0, "point"), margin_words(0.1, "component"), margin_words(0.02)
    ('1 point', '0.1 components', '0.02')
    """
    return f"{margin:g} {unit}{'' if margin == 1 else 's'}" if unit else f"{margin:g}"


class Number(float):
    """Number for a sentence: formatted without a minus before zero, and with words for nan.

    Examples
    --------
    >>> from neurotopo.studies.findings import Number
    >>> f"{Number(-0.04):.1f}", f"{Number(-0.004):.0%}", f"{Number('nan'):.2f}"
    ('0.0', '0%', 'no value')
    """

    __slots__ = ()

    def __format__(self, spec: str) -> str:
        return "no value" if math.isnan(self) else no_minus_zero(super().__format__(spec))


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table for sentences, with a :class:`Number` for each float.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies.findings import records
    >>> (row,) = records(pd.DataFrame({"arm": ["a"], "gain": [-0.01]}))
    >>> f"{row['arm']}: {row['gain']:.1f}"
    'a: 0.0'
    """
    return [
        {str(name): Number(cell) if isinstance(cell, float) else cell for name, cell in row.items()}
        for row in frame.to_dict("records")
    ]


def of_all(n: int, of: int, unit: str = "fact") -> str:
    """Return how many there are of all.

    Examples
    --------
    >>> from neurotopo.studies.findings import of_all
    >>> of_all(1, 1), of_all(3, 1200)
    ('1 of 1 fact', '3 of 1,200 facts')
    """
    return f"{n:,} of {pluralize(of, unit)}"


def too_few(n: int, unit: str = "fact") -> str:
    """Return the only finding of a study with results for fewer than :data:`LEAST` facts.

    An empty text if there are as many.

    Examples
    --------
    >>> from neurotopo.studies.findings import too_few
    >>> too_few(1)[:67], too_few(10)
    ('Results for only 1 fact: too few for findings, which need at least ', '')
    """
    if n >= LEAST:
        return ""
    return (
        f"Results for only {pluralize(n, unit)}: too few for findings, which need at least "
        f"{LEAST}. The tables show what was measured."
    )


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
    ('No fact has been worked on.', 'The only relation failed: no such token')
    """
    errors = list(errors)
    if not errors:
        return f"No {unit} has been worked on."
    if len(errors) == 1:
        return f"The only {unit} failed: {errors[0]}"
    return f"All {pluralize(len(errors), unit)} failed; the first: {errors[0]}"


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
    return f"95 % interval {Number(low):.{digits}f} to {Number(high):.{digits}f}"


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
    return "an unknown share" if math.isnan(value) else f"{Number(value):.0%}"


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
