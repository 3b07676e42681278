"""Base of diagrams and barcodes: births, deaths and chosen clusters."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.cluster.selection import RULES
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.plots._display import Display
from neurotopo.plots._inputs import chosen_rows, fitted_clusterer, given_tree

__all__ = ["IntervalDisplay"]

Self = TypeVar("Self", bound="IntervalDisplay")


class IntervalDisplay(Display):
    """Base of the displays of intervals; its subclasses document the parameters."""

    def __init__(
        self,
        diagram: ArrayLike,
        *,
        labels: ArrayLike | None = None,
        sizes: ArrayLike | None = None,
        names: Sequence[str] | None = None,
        threshold: float | None = None,
        scale: str = "difference",
        unit: float = 0.0,
        end_of_observation: float | None = None,
    ) -> None:
        self.diagram = _as_diagram(diagram, "diagram")
        n = len(self.diagram)
        self.labels = np.full(n, -1) if labels is None else np.asarray(labels, dtype=np.intp)
        self.sizes = None if sizes is None else np.asarray(sizes)
        for name, given in (("labels", self.labels), ("sizes", self.sizes)):
            if given is not None and given.shape != (n,):
                raise ValueError(
                    f"{name} must hold one value per row of the diagram: expected shape ({n},), "
                    f"got {given.shape}."
                )
        if scale not in ("difference", "log"):
            raise ValueError(f"scale must be one of difference, log, got {scale!r}.")
        self.names = None if names is None else list(names)
        self.threshold, self.scale, self.unit = threshold, scale, unit
        self.end_of_observation = end_of_observation

    @classmethod
    def from_estimator(cls: type[Self], estimator: Any, *, ax: Any = None, **kwargs: Any) -> Self:
        """Draw the clusters of a fitted clusterer, the chosen ones coloured."""
        ntc = fitted_clusterer(estimator, cls)
        return cls(
            ntc.diagram_,
            labels=chosen_rows(ntc),
            sizes=ntc.merge_tree_.size[ntc.diagram_nodes_],
            threshold=ntc.threshold_ if RULES[ntc.rule_].of_persistence else None,
            scale=ntc.scale,
            unit=ntc.candidates.unit,
            end_of_observation=ntc.end_of_observation_,
        ).plot(ax=ax, **kwargs)

    @classmethod
    def from_tree(
        cls: type[Self], tree: MergeTree, *, min_size: int = 2, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Draw all clusters of a merge tree.

        Parameters
        ----------
        min_size : int, default=2
            Smallest size of a cluster.
        """
        tree = given_tree(tree, cls)
        sizes = tree.size[tree.size >= min_size]
        display = cls(tree.diagram(min_size), sizes=sizes, end_of_observation=tree.last_merge)
        return display.plot(ax=ax, **kwargs)

    @classmethod
    def from_diagrams(
        cls: type[Self], diagrams: ArrayLike | Sequence[ArrayLike], *, ax: Any = None, **kwargs: Any
    ) -> Self:
        """Draw ordinary persistence diagrams, one colour per dimension.

        Parameters
        ----------
        diagrams : list of array-like of shape (n, 2)
            The diagrams of dimension 0, 1, 2, ... as :func:`neurotopo.persistence_diagrams`
            returns them. A single array of shape (n, 2) is dimension 0.
        """
        if isinstance(diagrams, np.ndarray) and diagrams.ndim == 2:
            diagrams = [diagrams]
        if not isinstance(diagrams, (list, tuple)):
            raise TypeError(
                f"{cls.__name__}.from_diagrams needs a list of (n, 2) arrays, "
                f"got {type(diagrams).__name__}."
            )
        arrays = [_as_diagram(each, f"diagrams[{k}]") for k, each in enumerate(diagrams)]
        dimension = np.repeat(np.arange(len(arrays)), [len(each) for each in arrays])
        names = [f"$H_{{{k}}}$" for k in range(len(arrays))]
        stacked = np.concatenate(arrays) if arrays else np.empty((0, 2))
        return cls(stacked, labels=dimension, names=names).plot(ax=ax, **kwargs)

    @property
    def _shown_radii(self) -> NDArray[np.float64]:
        """All radii that the picture must show."""
        end = [] if self.end_of_observation is None else [self.end_of_observation]
        return np.concatenate([self.diagram.ravel(), end])

    def _on_log_axes(self, log: bool | None) -> bool:
        return self.scale == "log" if log is None else log

    def _name(self, label: int) -> str:
        """Return the entry of a label in the legend."""
        if self.names is not None:
            return self.names[label]
        if self.sizes is None:
            return f"cluster {label}"
        return f"cluster {label} ({self.sizes[self.labels == label].sum()})"


def _as_diagram(values: ArrayLike, name: str) -> NDArray[np.float64]:
    diagram = np.asarray(values, dtype=np.float64)
    if diagram.size == 0:
        return np.empty((0, 2))
    if diagram.ndim != 2 or diagram.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2), got {diagram.shape}.")
    if np.isnan(diagram).any():
        raise ValueError(
            f"{name} contains NaN, first in row {np.argwhere(np.isnan(diagram))[0, 0]}."
        )
    return diagram
