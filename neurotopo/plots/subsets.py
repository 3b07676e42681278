"""SubsetsDisplay: the score with every subset of groups ablated."""

from __future__ import annotations

from typing import Any

import numpy as np
from matplotlib.colors import Normalize
from numpy.typing import NDArray

from neurotopo.plots._display import Display, constructor
from neurotopo.plots._series import Style, segments_on, short, size_of
from neurotopo.redundancy.lattice import Lattice

__all__ = ["SubsetsDisplay"]

_SMALLEST = 4.0  # of letters, in points


class SubsetsDisplay(Display):
    """Lattice of the subsets of groups, coloured by the score that is kept.

    The uppermost node has nothing ablated, the lowest one all groups. Lines join subsets that
    differ in one group. Nodes have the letters of the ablated groups. Subsets that were not
    measured are left out.

    Parameters
    ----------
    lattice : Lattice
        The scores, finite numbers.
    {label}

    Attributes
    ----------
    nodes_ : matplotlib PathCollection
        The subsets: nothing ablated, then those of the lattice in its order.
    edges_ : matplotlib LineCollection
        The lines.
    texts_ : list of matplotlib Text
        The letters, in the order of the nodes; none if they are too small to read.
    colorbar_ : matplotlib Colorbar
        The colour bar.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.knowledge.suppression import subsets
    >>> from neurotopo.plots.subsets import SubsetsDisplay
    >>> from neurotopo.redundancy import Lattice
    >>> lattice = Lattice(subsets(2), np.array([3.0, 2.0, 0.0]), 3.0)
    >>> display = SubsetsDisplay.from_lattice(lattice)
    >>> [text.get_text() for text in display.texts_], display.nodes_.get_array().tolist()
    (['0', 'A', 'B', 'AB'], [3.0, 3.0, 2.0, 0.0])
    """

    def __init__(self, lattice: Lattice, *, label: str = "score") -> None:
        if not isinstance(lattice, Lattice):
            raise TypeError(f"lattice must be a Lattice, got {type(lattice).__name__}.")
        if not np.isfinite([lattice.base, *lattice.scores]).all():
            raise ValueError("the scores of lattice must be finite.")
        self.lattice, self.label = lattice, label

    from_lattice = constructor("Draw the subsets of a lattice.")

    def plot(self, ax: Any = None, *, cmap: Any = "viridis") -> SubsetsDisplay:
        """Draw the lattice."""
        ax = self._start(ax, (6.0, 4.6))
        members = np.vstack([np.zeros((1, self.lattice.n), dtype=bool), self.lattice.subsets])
        scores = np.append(self.lattice.base, self.lattice.scores)
        at, widest = _places(members)
        pairs = _neighbours(members)
        self.edges_ = segments_on(ax, at[pairs], colors="0.75", linewidths=0.9, zorder=1)
        low, high = float(scores.min()), float(scores.max())
        norm = Normalize(low, high if high > low else low + 1.0)
        width, height = size_of(ax)
        # the colour bar takes a fifth of the width
        room = 72 * min(0.75 * width / widest, 0.8 * height / (self.lattice.n + 1))
        side = float(np.clip(0.85 * room, 3.0, 30.0))
        style: Style = {"s": side**2, "edgecolors": "0.3", "linewidths": 0.8, "zorder": 2}
        self.nodes_ = ax.scatter(*at.T, c=scores, cmap=cmap, norm=norm, **style)
        names = [
            "".join(letter_of(i) for i in np.flatnonzero(row).tolist()) or "0" for row in members
        ]
        sizes = [min(9.0, 0.85 * side / (0.7 * len(name))) for name in names]
        self.texts_ = []
        if min(sizes) >= _SMALLEST:
            for (x, y), name, score, size in zip(at, names, scores, sizes, strict=True):
                shade = self.nodes_.cmap(norm(score))
                bright = float(np.dot(shade[:3], (0.299, 0.587, 0.114)))
                color = "black" if bright > 0.5 else "white"
                text: Style = {"ha": "center", "va": "center", "fontsize": size, "zorder": 3}
                self.texts_.append(ax.text(x, y, name, color=color, **text))
        ax.set(xlim=(-0.5, 0.5), ylim=(self.lattice.n + 0.5, -0.5))
        ax.set_yticks(range(self.lattice.n + 1))
        ax.set(xticks=[], ylabel="groups ablated")
        ax.spines[:].set_visible(False)
        ax.tick_params(length=0)
        self.colorbar_ = self.figure_.colorbar(self.nodes_, ax=ax)
        self.colorbar_.set_label(short(self.label, max(int(72 * height / 6), 8)))
        if high == low:
            self.colorbar_.set_ticks([low])
        return self


def letter_of(group: int) -> str:
    """Return the name of a group in pictures: a letter, or a number after Z."""
    return chr(ord("A") + group) if group < 26 else f"{group + 1}"


def _places(members: NDArray[np.bool_]) -> tuple[NDArray[np.float64], int]:
    """Return a place for each subset, one row per size, and the largest number in a row."""
    sizes = members.sum(axis=1)
    widest = int(np.bincount(sizes).max())
    places = np.zeros((len(members), 2))
    for size in np.unique(sizes):
        same = np.flatnonzero(sizes == size)
        places[same, 0] = (np.arange(len(same)) - (len(same) - 1) / 2) / widest
        places[same, 1] = size
    return places, widest


def _neighbours(members: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the pairs of subsets that differ in one group, shape (m, 2)."""
    row_of = {row.tobytes(): k for k, row in enumerate(members)}
    pairs = []
    for k, row in enumerate(members):
        for group in np.flatnonzero(row):
            smaller = row.copy()
            smaller[group] = False
            if (other := row_of.get(smaller.tobytes())) is not None:
                pairs.append((other, k))
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)
