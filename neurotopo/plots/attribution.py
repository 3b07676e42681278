"""AttributionDisplay: the scores of all neurons, layer by layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Protocol

import numpy as np
from matplotlib.colors import Normalize, SymLogNorm
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons import NeuronSet
from neurotopo.plots._display import Display
from neurotopo.plots._series import Style, heat_map

__all__ = ["AttributionDisplay"]

_DECADES = 2  # a logarithmic scale is linear below a hundredth of the largest score


class _Scored(Protocol):
    @property
    def scores(self) -> NDArray[np.float64]: ...


class AttributionDisplay(Display):
    """Scores of all neurons: a row per layer, the neurons from left to right.

    If there are more neurons than columns, neighbours share a column, which shows the score with
    the largest absolute value. Circles mark chosen neurons.

    Parameters
    ----------
    scores : array-like, shape (n_layers, n_neurons)
        The scores, all finite.
    neurons : NeuronSet or iterable of (int, int), default=()
        Neurons to mark.

    Attributes
    ----------
    image_ : matplotlib AxesImage
        The heat-map.
    colorbar_ : matplotlib Colorbar or None
        The colour bar.
    marks_ : matplotlib PathCollection
        The circles.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.plots.attribution import AttributionDisplay
    >>> scores = np.random.default_rng(0).normal(size=(6, 40)) ** 3
    >>> display = AttributionDisplay.from_attribution(scores, neurons=[(2, 7)])
    >>> display.image_.get_array().shape
    (6, 40)
    """

    def __init__(
        self, scores: ArrayLike, *, neurons: NeuronSet | Iterable[tuple[int, int]] = ()
    ) -> None:
        self.scores = np.asarray(scores, dtype=np.float64)
        if self.scores.ndim != 2 or self.scores.size == 0:
            raise ValueError(
                f"scores must have shape (n_layers, n_neurons), got {self.scores.shape}."
            )
        if not np.isfinite(self.scores).all():
            layer, index = np.argwhere(~np.isfinite(self.scores))[0]
            value = self.scores[layer, index]
            raise ValueError(f"the score of neuron ({layer}, {index}) is {value}.")
        self.neurons = NeuronSet(neurons)
        self.neurons.check(*self.scores.shape)

    @classmethod
    def from_attribution(
        cls,
        attribution: _Scored | ArrayLike,
        *,
        neurons: NeuronSet | Iterable[tuple[int, int]] = (),
        ax: Any = None,
        **kwargs: Any,
    ) -> AttributionDisplay:
        """Draw the scores of an attribution.

        Parameters
        ----------
        attribution : Attribution or array-like, shape (n_layers, n_neurons)
            Result of ``attribute``, or scores.
        neurons : NeuronSet or iterable of (int, int), default=()
            Neurons to mark, for example ``attribution.neurons()``.
        """
        scores: Any = getattr(attribution, "scores", attribution)
        return cls(scores, neurons=neurons).plot(ax=ax, **kwargs)

    def plot(
        self,
        ax: Any = None,
        *,
        columns: int = 200,
        scale: str = "log",
        cmap: Any = "RdBu_r",
        colorbar: bool = True,
    ) -> AttributionDisplay:
        """Draw the heat-map.

        Parameters
        ----------
        columns : int, default=200
            Largest number of columns.
        scale : {"log", "linear"}, default="log"
            Scale of the colours. ``"log"`` covers two decades below the largest score, for both
            signs, since the scores of one layer often exceed all others.
        cmap : str or Colormap, default="RdBu_r"
            Colours; the middle one is 0.
        colorbar : bool, default=True
            Whether to draw a colour bar.
        """
        if columns < 1:
            raise ValueError(f"columns must be at least 1, got {columns}.")
        if scale not in ("log", "linear"):
            raise ValueError(f"scale must be 'log' or 'linear', got {scale!r}.")
        ax = self._start(ax)
        n_layers, n_neurons = self.scores.shape
        starts = _starts(n_neurons, columns)
        norm = _norm(float(np.abs(self.scores).max()), scale)
        extent = (-0.5, n_neurons - 0.5, -0.5, n_layers - 0.5)
        self.image_ = heat_map(ax, _largest(self.scores, starts), cmap, norm, extent=extent)
        halo = withStroke(linewidth=2.5, foreground="white")  # visible on any colour
        circles: Style = {"s": 36, "facecolors": "none", "edgecolors": "black"}
        at = _middles(self.neurons, starts, n_neurons)
        self.marks_ = ax.scatter(*at, **circles, linewidths=1.0, zorder=3, path_effects=[halo])
        self.colorbar_ = self.figure_.colorbar(self.image_, ax=ax) if colorbar else None
        if self.colorbar_ is not None:
            self.colorbar_.set_label("score")
            if scale == "log":
                self.colorbar_.set_ticks(_ticks(float(np.abs(self.scores).max())))
            self.colorbar_.ax.minorticks_off()
        for axis in (ax.xaxis, ax.yaxis):
            axis.set_major_locator(MaxNLocator(integer=True, min_n_ticks=1))
        shared = -(-n_neurons // len(starts))
        xlabel = f"neuron (the greatest of {shared} to a column)" if shared > 1 else "neuron"
        ax.set(xlabel=xlabel, ylabel="layer")
        return self


def _starts(n_neurons: int, columns: int) -> NDArray[np.intp]:
    """Return the first neuron of each column; all columns have the same width."""
    n_columns = min(columns, n_neurons)
    return (np.arange(n_columns) * n_neurons) // n_columns


def _largest(scores: NDArray[np.float64], starts: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return for each column the score with the largest absolute value."""
    high = np.maximum.reduceat(scores, starts, axis=1)
    low = np.minimum.reduceat(scores, starts, axis=1)
    return np.where(high >= -low, high, low)


def _middles(
    neurons: NeuronSet, starts: NDArray[np.intp], n_neurons: int
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the positions of neurons: the middle of their column."""
    column = np.searchsorted(starts, neurons.indices, side="right") - 1
    width = n_neurons / len(starts)
    return (column + 0.5) * width - 0.5, neurons.layers


def _norm(largest: float, scale: str) -> Any:
    largest = largest if largest > 0 else 1.0
    if scale == "linear":
        return Normalize(-largest, largest)
    return SymLogNorm(largest / 10**_DECADES, linscale=1.0, vmin=-largest, vmax=largest)


def _ticks(largest: float) -> list[float]:
    """Return powers of ten, without those in the linear part, which would overlap the zero."""
    if not largest > 0:
        return [0.0]
    most = int(np.floor(np.log10(largest)))
    powers = [10.0**k for k in range(most - _DECADES + 1, most + 1)]
    powers = [power for power in powers if power > 3 * largest / 10**_DECADES]
    return [*(-power for power in reversed(powers)), 0.0, *powers]
