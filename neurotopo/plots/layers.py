"""LayerDisplay: distribution of neurons over the layers of a model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import Style, check_same_layers, legend_below, look, note_on, short

__all__ = ["LayerDisplay"]

_MOST_BARS = 100  # more of them are too thin
_HATCHES = ("", "////", "....", "xxxx")  # for bars of the same colour


class LayerDisplay(Display):
    """Share of neurons in each layer, for one or several kinds of neurons.

    Figure 3 of the paper [1]_. Layers are rows from bottom to top. The shares of a kind sum to
    100 %; the legend has the total number of neurons.

    Parameters
    ----------
    counts : dict of str to array-like, shape (n_layers,)
        Number of neurons in each layer, by kind; may be weighted.

    Attributes
    ----------
    bars_ : dict of str to matplotlib BarContainer
        The bars of each kind, layer by layer; empty where lines are drawn.
    lines_ : dict of str to matplotlib Line2D
        The line of each kind; empty where bars are drawn.
    note_ : matplotlib Text or None
        A remark, if there are no neurons.
    legend_ : matplotlib Legend
        The kinds and their numbers of neurons.

    {paper}

    Examples
    --------
    >>> from neurotopo.plots.layers import LayerDisplay
    >>> display = LayerDisplay.from_counts({"knowledge neurons": [2, 6], "DKNs (ntc)": [0, 5]})
    >>> [float(bar.get_width()) for bar in display.bars_["knowledge neurons"]]
    [25.0, 75.0]
    >>> [text.get_text() for text in display.legend_.get_texts()]
    ['knowledge neurons (n = 8)', 'DKNs (ntc) (n = 5)']
    """

    def __init__(self, counts: Mapping[str, ArrayLike]) -> None:
        self.counts = {name: _counts(name, values) for name, values in counts.items()}
        if not self.counts:
            raise ValueError("counts must have at least one kind of neurons.")
        check_same_layers("kinds", self.counts)

    from_counts = constructor("Draw the numbers of neurons by layer.")

    def plot(self, ax: Any = None, *, kind: str = "auto") -> LayerDisplay:
        """Draw the shares.

        Parameters
        ----------
        kind : {"auto", "bars", "lines"}, default="auto"
            ``"auto"``: lines if there would be too many bars.
        """
        if kind not in ("auto", "bars", "lines"):
            raise ValueError(f"kind must be one of auto, bars, lines, got {kind!r}.")
        ax = self._start(ax)
        n_kinds, n_layers = len(self.counts), len(next(iter(self.counts.values())))
        few = n_kinds == 1 or n_kinds * n_layers <= _MOST_BARS
        bars = kind == "bars" or (kind == "auto" and few)
        self.bars_, self.lines_ = {}, {}
        layers = np.arange(n_layers)
        labels = []
        for k, (name, counts) in enumerate(self.counts.items()):
            total, shares = _shares(counts)
            labels.append(f"{short(name)} (n = {total:.12g})")
            if bars:
                thick = 0.8 / n_kinds  # the first kind uppermost, as in the legend
                hatch, width = _HATCHES[k // 7 % len(_HATCHES)], min(0.4, thick)
                style: Style = {"hatch": hatch, "edgecolor": "white", "linewidth": width}
                at = layers + ((n_kinds - 1) / 2 - k) * thick
                self.bars_[name] = ax.barh(
                    at, shares, height=thick, color=look(k)["color"], **style
                )
            else:
                (self.lines_[name],) = ax.plot(
                    shares, layers, linewidth=1.2, markersize=4, **look(k)
                )
        empty = not any(values.any() for values in self.counts.values())
        self.note_ = note_on(ax, "no neurons") if empty else None
        ax.set_xlim(*((0.0, 100.0) if empty else (0.0, None)))
        ax.set_ylim(-0.6, n_layers - 0.4)
        ax.yaxis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        ax.set(xlabel="share of neurons (%)", ylabel="layer")
        handles = [*(self.bars_ or self.lines_).values()]
        self.legend_ = legend_below(ax, handles, labels)
        return self


def _counts(name: str, values: ArrayLike) -> NDArray[np.float64]:
    """Check the counts of a kind."""
    counts = np.asarray(values, dtype=np.float64)
    if counts.ndim != 1 or len(counts) == 0:
        raise ValueError(f"the counts of {name!r} must have shape (n_layers,), got {counts.shape}.")
    for layer in np.flatnonzero(~((counts >= 0) & np.isfinite(counts))):
        raise ValueError(f"the count of {name!r} in layer {layer} is {counts[layer]}.")
    return counts


def _shares(counts: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """Return the total, and the shares in per cent (0 if the total is 0)."""
    if not counts.any():
        return 0.0, counts
    # divided by a power of two: no rounding, and neither the sum nor the product overflows
    relative = np.ldexp(counts, -np.frexp(counts.max())[1])
    with np.errstate(over="ignore"):
        return float(counts.sum()), 100 * relative / relative.sum()
