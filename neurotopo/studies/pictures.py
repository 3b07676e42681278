"""Pictures that several studies draw in the same way."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from neurotopo.plots.effects import EffectsDisplay
from neurotopo.report.summary import Picture, free_axes

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["effects_picture"]


def effects_picture(
    frame: pd.DataFrame,
    names: Iterable[str],
    title: str,
    note: str,
    *,
    label: str,
    size: tuple[float, float],
    value: str = "difference",
) -> Picture:
    """Return a picture of effects with their intervals, numbers and p-values.

    Parameters
    ----------
    frame : DataFrame
        A row per effect, with the columns ``low``, ``high``, ``n`` and ``p``.
    names : iterable of str
        Name of each effect.
    title, note : str
        Title and note of the picture.
    label : str
        Label of the axis of values.
    size : tuple of float
        Width and height of the figure in inches.
    value : str, default="difference"
        The column of the effects.

    Returns
    -------
    Picture

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies.pictures import effects_picture
    >>> cells = {"difference": [2.0], "low": [1.0], "high": [3.0], "n": [40], "p": [0.001]}
    >>> frame = pd.DataFrame(cells)
    >>> picture = effects_picture(frame, ["ntc"], "Jumps", "", label="points", size=(8.4, 2.0))
    >>> picture.title
    'Jumps'
    """
    ax = free_axes(*size)
    EffectsDisplay.from_arrays(
        list(names),
        frame[value],
        frame["low"],
        frame["high"],
        n=frame["n"],
        p=frame["p"],
        label=label,
        ax=ax,
    )
    return Picture(ax.figure, title, note)
