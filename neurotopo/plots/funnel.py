"""FunnelDisplay: how many items are left after each step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

from neurotopo.plots._display import Display, constructor

if TYPE_CHECKING:
    from neurotopo.datasets import KnownFacts

__all__ = ["FunnelDisplay"]


class FunnelDisplay(Display):
    """Horizontal bars of the items that are left after each step, the first step uppermost.

    Parameters
    ----------
    names : sequence of str, length m
        What the items that are left have in common.
    counts : array-like of int, shape (m,)
        Number of items, none larger than the one before.
    {label}

    Attributes
    ----------
    bars_ : list of matplotlib Rectangle
        The bars.
    texts_ : list of matplotlib Text
        Number and share of each bar.

    Examples
    --------
    >>> from neurotopo.plots.funnel import FunnelDisplay
    >>> display = FunnelDisplay.from_counts(["facts", "exact", "margin"], [200, 50, 8])
    >>> [text.get_text() for text in display.texts_]
    ['200', '50 (25 %)', '8 (4 %)']
    """

    def __init__(self, names: Sequence[str], counts: ArrayLike, *, label: str = "facts") -> None:
        self.names = list(names)
        self.counts = np.asarray(counts)
        if self.counts.shape != (len(self.names),) or not len(self.names):
            raise ValueError(f"counts must be {len(self.names)} numbers, one per name.")
        if (self.counts < 0).any() or (np.diff(self.counts) > 0).any():
            raise ValueError("counts must be at least 0, and none larger than the one before.")
        self.label = label

    from_counts = constructor("Draw a funnel of given numbers.")

    @classmethod
    def from_known(cls, known: KnownFacts, *, ax: Any = None, **kwargs: Any) -> FunnelDisplay:
        """Draw the facts that are left after each step of :func:`~neurotopo.datasets.known_facts`.

        Parameters
        ----------
        known : KnownFacts
            The result.
        """
        from neurotopo.datasets.known import STEPS

        table = known.funnel()
        return cls([STEPS[step] for step in table["step"]], table["n"]).plot(ax=ax, **kwargs)

    def plot(self, ax: Any = None) -> FunnelDisplay:
        """Draw the bars."""
        ax = self._start(ax, (6.4, 0.6 + 0.4 * len(self.names)))
        rows = np.arange(len(self.names))
        self.bars_ = list(ax.barh(rows, self.counts, height=0.75, color="C0"))
        total = max(int(self.counts[0]), 1)
        ax.set_xlim(0, 1.25 * total)
        self.texts_ = [
            ax.text(
                count + 0.01 * total,
                row,
                f"{count:,}" if row == 0 else f"{count:,} ({_percent(count / total)})",
                va="center",
            )
            for row, count in enumerate(self.counts.tolist())
        ]
        ax.set_yticks(rows, self.names)
        for label in ax.get_yticklabels():
            label.set_parse_math(False)  # a dollar sign is no mathematics
        ax.set_ylim(len(rows) - 0.4, -0.6)
        ax.set_xlabel(self.label)
        ax.spines[["top", "right"]].set_visible(False)
        return self


def _percent(share: float) -> str:
    percent = 100 * share
    return f"{percent:.0f} %" if percent >= 1 or percent == 0 else f"{percent:.1g} %"
