"""Frames of the tables of studies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

__all__ = ["frame_of", "row_where"]


def frame_of(rows: Iterable[Mapping[str, Any]], columns: str) -> pd.DataFrame:
    """Return rows as a frame with these columns, even without any row.

    ``columns`` are the names in order, separated by a comma and a space.

    Examples
    --------
    >>> from neurotopo.studies.frames import frame_of
    >>> list(frame_of([], "method, p of t"))
    ['method', 'p of t']
    """
    return pd.DataFrame(list(rows), columns=columns.split(", "))


def row_where(frame: pd.DataFrame, **cells: Any) -> dict[str, Any]:
    """Return the first row with these cells; ``{"n": 0}`` where there is none.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies.frames import row_where
    >>> frame = pd.DataFrame({"arm": ["dkn", "kn"], "n": [3, 4]})
    >>> row_where(frame, arm="kn"), row_where(frame, arm="all")
    ({'arm': 'kn', 'n': 4}, {'n': 0})
    """
    for name, value in cells.items():
        frame = frame[frame[name] == value]
    for row in frame.to_dict("records"):
        return {str(name): value for name, value in row.items()}
    return {"n": 0}
