"""NeuronMapsDisplay: sets of neurons by layer and bin, side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.colors import Normalize
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons import NeuronSet
from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import (
    LARGEST,
    check_same_layers,
    heat_map,
    panels_in,
    shape_for,
    short,
    size_of,
)
from neurotopo.tuning.changes import binned, overlap

__all__ = ["NeuronMapsDisplay"]


class NeuronMapsDisplay(Display):
    """Heat-maps of layers and bins of neurons, one for each set of neurons.

    Figure 5 of the paper [1]_: the neurons that training changed, and the sets compared with them,
    each with its overlap. Layers are rows from bottom to top, bins of neurons are columns.

    Parameters
    ----------
    maps : dict of str to array-like, shape (n_layers, n_bins)
        Values of each panel, by name, for example numbers of neurons. nan is drawn in grey.
    overlaps : dict of str to float, optional
        Overlaps of panels, between 0 and 1; nan for an empty set.
    name : str, default="neurons"
        Name of the values.

    Attributes
    ----------
    panels_ : dict of str to matplotlib Axes
        The panel of each map.
    images_ : dict of str to matplotlib AxesImage
        Heat-map of each panel.
    colorbars_ : dict of str to matplotlib Colorbar
        Colour bar of each panel; with ``shared=True`` the same for all.

    See Also
    --------
    neurotopo.tuning.changes.binned : Numbers of neurons, or mean changes, by layer and bin.
    neurotopo.tuning.changes.overlap : The overlap.

    {paper}

    Examples
    --------
    >>> from neurotopo.plots.changes import NeuronMapsDisplay
    >>> changed = [(0, 1), (1, 4), (1, 5)]
    >>> sets = {"D": [(1, 4), (1, 5)], "Rnd": [(0, 0), (0, 1)]}
    >>> display = NeuronMapsDisplay.from_sets(sets, changed, n_layers=2, n_neurons=6, bins=3)
    >>> [panel.get_title() for panel in display.panels_.values()]
    ['ΔN', 'D, O = 100 %', 'Rnd, O = 50 %']
    """

    def __init__(
        self,
        maps: Mapping[str, ArrayLike],
        overlaps: Mapping[str, float] | None = None,
        *,
        name: str = "neurons",
    ) -> None:
        self.maps = {key: _checked(key, values) for key, values in maps.items()}
        if not self.maps:
            raise ValueError("maps must have at least one map.")
        check_same_layers("maps", self.maps)
        self.overlaps = {key: float(value) for key, value in (overlaps or {}).items()}
        for key, value in self.overlaps.items():
            if key not in self.maps:
                raise ValueError(f"there is an overlap of {key!r}, but no map.")
            if not (0 <= value <= 1 or np.isnan(value)):
                raise ValueError(f"the overlap of {key!r} must be between 0 and 1, got {value}.")
        self.name = name

    @classmethod
    def from_sets(
        cls,
        sets: Mapping[str, NeuronSet | Iterable[tuple[int, int]]],
        changed: NeuronSet | Iterable[tuple[int, int]],
        *,
        n_layers: int,
        n_neurons: int,
        bins: int = 18,
        changed_name: str = "ΔN",
        ax: Any = None,
        **kwargs: Any,
    ) -> NeuronMapsDisplay:
        """Draw the changed neurons, and sets that are compared with them.

        Parameters
        ----------
        sets : mapping of str to NeuronSet or iterable of (int, int)
            The sets by name. Overlaps are computed with ``changed``.
        changed : NeuronSet or iterable of (int, int)
            The changed neurons, drawn in the first panel.
        n_layers, n_neurons : int
            Size of the model.
        bins : int, default=18
            Number of bins per layer.
        changed_name : str, default="ΔN"
            Name of the first panel.
        """
        if changed_name in sets:
            raise ValueError(f"{changed_name!r} is the name of the neurons that changed.")
        moved = NeuronSet(changed)
        given = {name: NeuronSet(neurons) for name, neurons in sets.items()}
        maps = {
            name: binned(neurons, n_layers, n_neurons, bins)
            for name, neurons in {changed_name: moved, **given}.items()
        }
        overlaps = {name: overlap(neurons, moved) for name, neurons in given.items()}
        return cls(maps, overlaps).plot(ax=ax, **kwargs)

    from_maps = constructor("Draw maps.")

    def plot(
        self, ax: Any = None, *, shared: bool = False, cmap: Any = "viridis"
    ) -> NeuronMapsDisplay:
        """Draw the heat-maps, at most four in a row.

        Parameters
        ----------
        shared : bool, default=False
            Whether all panels share one scale of colours.
        cmap : str or Colormap, default="viridis"
            Colours. All scales begin with 0.
        """
        n = len(self.maps)
        rows, columns = shape_for(n)
        ax = self._start(ax, (2.5 * columns + 0.8, 3.4 * rows + 0.2))
        letters = max(8, int(size_of(ax)[0] / columns * 72 / 8.0))  # that fit above a panel
        panels = panels_in(ax, n, columns, xlabel="bin of neurons", ylabel="layer")
        self.panels_ = dict(zip(self.maps, panels, strict=True))
        colors = colormaps[cmap] if isinstance(cmap, str) else cmap
        colors = colors.with_extremes(bad="0.85")
        greatest = max(_greatest(values) for values in self.maps.values())
        self.images_, self.colorbars_ = {}, {}
        for (key, values), panel in zip(self.maps.items(), panels, strict=True):
            norm = Normalize(0.0, greatest if shared else _greatest(values))
            self.images_[key] = heat_map(panel, np.ma.masked_invalid(values), colors, norm)
            panel.set_title(self._title(key, letters), fontsize="medium")
            panel.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True, min_n_ticks=1))
        panels[0].yaxis.set_major_locator(MaxNLocator(nbins=12, integer=True, min_n_ticks=1))
        self._draw_colorbars(shared, letters)
        return self

    def _title(self, key: str, letters: int) -> str:
        if key not in self.overlaps:
            return short(key, letters)
        value = self.overlaps[key]
        text = ", O = undefined" if np.isnan(value) else f", O = {100 * value:.3g} %"
        return short(key, max(6, letters - len(text))) + text

    def _draw_colorbars(self, shared: bool, letters: int) -> None:
        panels = list(self.panels_.values())
        groups = [list(self.panels_)] if shared else [[key] for key in self.panels_]
        for keys in groups:
            bar = self.figure_.colorbar(
                self.images_[keys[0]],
                ax=panels if shared else self.panels_[keys[0]],
                location="right" if shared else "bottom",
            )
            bar.set_label(short(self.name, letters))
            values = np.concatenate([self.maps[key].ravel() for key in keys])
            counts = bool((values[np.isfinite(values)] % 1 == 0).all())
            bar.locator = MaxNLocator(nbins=5, integer=counts, min_n_ticks=1)
            bar.update_ticks()
            self.colorbars_.update(dict.fromkeys(keys, bar))


def _checked(key: str, values: ArrayLike) -> NDArray[np.float64]:
    """Check the values of a map."""
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 2 or numbers.size == 0:
        raise ValueError(
            f"the map {key!r} must have shape (n_layers, n_bins), got {numbers.shape}."
        )
    wrong = ~(np.isnan(numbers) | ((numbers >= 0) & (numbers < LARGEST)))
    for layer, bin_ in np.argwhere(wrong):
        raise ValueError(
            f"the map {key!r} has {numbers[layer, bin_]} in layer {layer}, bin {bin_}."
        )
    return numbers


def _greatest(values: NDArray[np.float64]) -> float:
    """Return the upper end of a scale of colours, never 0."""
    known = values[np.isfinite(values)]
    return float(known.max(initial=0.0)) or 1.0
