"""Pictures that several studies draw in the same way."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.plots._series import legend_below
from neurotopo.plots.effects import EffectsDisplay
from neurotopo.plots.suppression_grid import SuppressionGridDisplay
from neurotopo.report.summary import Picture, free_axes

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

__all__ = ["effects_picture", "legend_and_grid", "suppression_picture"]


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

    ``frame`` has a row per effect, with the columns ``low``, ``high``, ``n``, ``p`` and that named
    by ``value``. ``label`` is the label of the axis of values, ``size`` the width and height in
    inches.

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


def suppression_picture(
    curves: Mapping[str, Mapping[int, NDArray[np.float64]]],
    title: str,
    note: str,
    *,
    width: float | None = None,
    height: float = 4.4,
) -> Picture:
    """Return a picture of falls by the number of suppressed components.

    ``curves`` has, for each series and number n of components, the falls of each fact, of shape
    (n_facts, n). ``height`` is that of one row of panels; by default the ``width`` grows with the
    number of panels.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.studies.pictures import suppression_picture
    >>> suppression_picture({"NTC": {2: np.array([[0.1, 0.6], [0.2, 0.7]])}}, "Falls", "").title
    'Falls'
    """

    def each(function: Callable[[Any], Any]) -> dict[str, dict[int, Any]]:
        return {name: {n: function(v) for n, v in own.items()} for name, own in curves.items()}

    n_panels = len({n for own in curves.values() for n in own})
    if width is None:
        width = max(3.0 * min(n_panels, 4), 7.0)
    ax = free_axes(width, height if n_panels <= 4 else 7.4)
    SuppressionGridDisplay.from_curves(
        each(lambda values: values.mean(axis=0)), each(len), errors=each(_standard_errors), ax=ax
    )
    return Picture(ax.figure, title, note)


def _standard_errors(values: NDArray[np.float64]) -> Any:
    if len(values) < 2:
        return np.full(values.shape[1], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(len(values))


def legend_and_grid(
    ax: Axes, handles: Sequence[Any], names: Sequence[str], axis: Any = "both"
) -> None:
    """Draw a grid behind all and put a legend below the axes."""
    ax.grid(axis=axis, color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, list(handles), list(names))
