"""Families of paired comparisons, with corrected p-values, and frames of rows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from neurotopo.studies.findings import records
from neurotopo.studies.statistics import Independent, Paired, holm, paired

__all__ = [
    "comparisons",
    "corrected",
    "frame_of",
    "in_both",
    "independent_cells",
    "paired_cells",
    "row_where",
]


def in_both(a: pd.Series, b: pd.Series) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the values of two series at the index entries that both have, in the order of ``a``.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies.compare import in_both
    >>> x, y = in_both(pd.Series({"f": 1.0, "g": 2.0}), pd.Series({"g": 3.0}))
    >>> x.tolist(), y.tolist()
    ([2.0], [3.0])
    """
    both = a.index[a.index.isin(b.index)]
    x, y = (each.loc[both].to_numpy(dtype=np.float64) for each in (a, b))
    return x, y


def independent_cells(
    result: Independent,
    n: Sequence[str] = (),
    means: Sequence[str] = (),
    *,
    margin: float | None = None,
) -> dict[str, Any]:
    """Return the cells of an independent comparison: counts, means, both tests and d.

    ``n`` and ``means`` name the columns of the two counts and of the two means; with one name, only
    the first is a column. With a ``margin``, the smallest difference that counts, the difference
    and its interval by Welch's test come after the means and the margin at the end.

    Examples
    --------
    >>> from neurotopo.studies.compare import independent_cells
    >>> from neurotopo.studies.statistics import independent
    >>> list(independent_cells(independent([1.0, 2.0], [3.0, 5.0]), ["n"], ["ntc", "other"]))
    ['n', 'ntc', 'other', 't', 'p', 'd', 'Welch t', 'Welch p']
    """
    return {
        **dict(zip(n, (result.n_a, result.n_b), strict=False)),
        **dict(zip(means, (result.mean_a, result.mean_b), strict=False)),
        **(
            {}
            if margin is None
            else {"difference": result.difference, "low": result.low, "high": result.high}
        ),
        "t": result.t,
        "p": result.p,
        "d": result.d,
        "Welch t": result.welch_t,
        "Welch p": result.welch_p,
        **({} if margin is None else {"margin": _checked(margin)}),
    }


def paired_cells(
    result: Paired,
    a: str = "a",
    b: str = "b",
    *,
    margin: float,
    p: str = "p_wilcoxon",
    t: bool = False,
) -> dict[str, Any]:
    """Return the cells of a comparison: n, both means, difference, interval, p, d and margin.

    ``a`` and ``b`` name the columns of the means. ``margin`` is the smallest difference that
    counts, named before the data are seen
    (:data:`~neurotopo.studies.findings.MARGINS`). The column ``p`` is the attribute ``p`` of the
    result. With ``t``, the paired t-test is in the columns ``t`` and ``p of t`` before ``p``.

    Examples
    --------
    >>> from neurotopo.studies.compare import paired_cells
    >>> from neurotopo.studies.statistics import paired
    >>> result = paired([3.0, 4.0, 6.0], [1.0, 2.0, 3.0])
    >>> list(paired_cells(result, "jump", "random", margin=1.0))
    ['n', 'jump', 'random', 'difference', 'low', 'high', 'p', 'd', 'margin']
    """
    return {
        "n": result.n,
        a: result.mean_a,
        b: result.mean_b,
        "difference": result.difference,
        "low": result.low,
        "high": result.high,
        **({"t": result.t, "p of t": result.p_t} if t else {}),
        "p": getattr(result, p),
        "d": result.d,
        "margin": _checked(margin),
    }


def _checked(margin: float) -> float:
    if not (math.isfinite(margin) and margin > 0):
        raise ValueError(f"margin must be a number above 0, got {margin}.")
    return float(margin)


def comparisons(
    family: Iterable[tuple[Mapping[str, Any], ArrayLike, ArrayLike]],
    a: str = "a",
    b: str = "b",
    *,
    margin: float | Sequence[float],
    p: str = "p_wilcoxon",
    t: bool = False,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Compare pairs of rows of numbers, one family with Holm-corrected p-values.

    ``family`` has, for each row of the table, its first cells and the two paired rows of numbers.
    Pairs with a value that is not finite are left out. ``a``, ``b``, ``p`` and ``t`` are those of
    :func:`paired_cells`; so is ``margin``, or it has one for each row, where rows differ in their
    unit. ``columns`` are the columns of the table, even without any row.

    Examples
    --------
    >>> from neurotopo.studies.compare import comparisons
    >>> x = [3.0, 4.0, 6.0, 8.0, 9.5, 11.0]
    >>> y = [1.0, 1.5, 3.0, 4.5, 5.0, 6.0]
    >>> family = [({"method": "ntc"}, x, y), ({"method": "dbscan"}, y, x)]
    >>> comparisons(family, margin=1.0)["p"].tolist()
    [0.0625, 0.0625]
    """
    listed = list(family)
    margins = [margin] * len(listed) if isinstance(margin, int | float) else margin
    rows = [
        {**head, **paired_cells(paired(x, y), a, b, margin=own, p=p, t=t)}
        for (head, x, y), own in zip(listed, margins, strict=True)
    ]
    frame = pd.DataFrame(rows, columns=None if columns is None else list(columns))
    return corrected(frame, ["p of t", "p"] if t else ["p"])


def corrected(frame: pd.DataFrame, columns: Sequence[str], *, together: bool = False) -> Any:
    """Return a frame, which may be empty, with Holm-corrected columns of p-values.

    ``together``: correct all columns as one family instead of each alone.
    """
    if len(frame):
        frame = frame.copy()
        for group in [list(columns)] if together else [[column] for column in columns]:
            values = frame[group].to_numpy(dtype=np.float64)
            frame[group] = holm(values.ravel()).reshape(values.shape)
    return frame


def frame_of(rows: Iterable[Mapping[str, Any]], columns: str) -> pd.DataFrame:
    """Return rows as a frame with these columns, even without any row.

    ``columns`` are the names in order, separated by a comma and a space.

    Examples
    --------
    >>> from neurotopo.studies.compare import frame_of
    >>> list(frame_of([], "method, p of t"))
    ['method', 'p of t']
    """
    return pd.DataFrame(list(rows), columns=columns.split(", "))


def row_where(frame: pd.DataFrame, **cells: Any) -> dict[str, Any]:
    """Return the first row with these cells; ``{"n": 0}`` where there is none.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies.compare import row_where
    >>> frame = pd.DataFrame({"arm": ["dkn", "kn"], "n": [3, 4]})
    >>> row_where(frame, arm="kn"), row_where(frame, arm="all")
    ({'arm': 'kn', 'n': 4}, {'n': 0})
    """
    for name, value in cells.items():
        frame = frame[frame[name] == value]
    return next(iter(records(frame)), {"n": 0})
