"""Frames of the tables of studies."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd

__all__ = ["frame_of"]


def frame_of(rows: Iterable[Mapping[str, Any]], columns: str) -> pd.DataFrame:
    """Return rows as a frame that has its columns also without any row.

    Parameters
    ----------
    rows : iterable of mapping
        The cells of each row by column.
    columns : str
        The columns in order, separated by a comma and a space.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> from neurotopo.studies.frames import frame_of
    >>> list(frame_of([], "method, p of t"))
    ['method', 'p of t']
    """
    return pd.DataFrame(list(rows), columns=columns.split(", "))
