"""Vineyards: the prominence of clusters along a second parameter."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment

from neurotopo.persistence.build import merge_tree
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.prominence import labels_of_peaks, ranked_peaks

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Vineyard", "vineyard"]

_COLUMNS = ("slice", "vine", "peak", "birth", "death", "prominence", "size")


@dataclass(frozen=True, eq=False)
class Vineyard:
    """Result of :func:`vineyard`: the bars of several trees of the same samples, joined to vines.

    The bars of all slices are in flat arrays, slice by slice, by descending prominence.

    Attributes
    ----------
    name : str
        Name of the parameter.
    parameters : ndarray of float64, shape (n_slices,)
        Its value in each slice, ascending.
    trees : tuple of MergeTree
        The tree of each slice.
    slice, vine : ndarray of int, shape (n_bars,)
        Slice and vine of each bar. Vines are numbered by descending largest prominence.
    peak : ndarray of int, shape (n_bars,)
        The sample that is the oldest of its component.
    birth, death : ndarray of float64, shape (n_bars,)
        The bar, by the elder rule; ``inf`` for one that never ends.
    prominence : ndarray of float64, shape (n_bars,)
        Death minus birth; a bar that never ends is counted up to the last merge of its tree.
    size : ndarray of int, shape (n_bars,)
        Number of samples that belong to it.
    labels : ndarray of int, shape (n_slices, n_samples)
        The vine of each sample in each slice.

    Examples
    --------
    >>> from neurotopo.persistence import vineyard
    >>> X = [[0.0], [0.1], [0.2], [0.3], [5.0], [5.2], [5.4], [9.0]]
    >>> vines = vineyard(X, [2, 3])
    >>> vines.n_vines, vines.labels.tolist()
    (2, [[0, 0, 0, 0, 1, 1, 1, 1], [0, 0, 0, 0, 1, 1, 1, 1]])
    >>> vines.to_pandas().round(1)[["min_samples", "vine", "birth", "death", "size"]]
       min_samples  vine  birth  death  size
    0          2.0     0    0.1    inf     4
    1          2.0     1    0.2    4.7     4
    2          3.0     0    0.1    inf     4
    3          3.0     1    0.2    4.7     4
    """

    name: str
    parameters: NDArray[np.float64]
    trees: tuple[MergeTree, ...]
    slice: NDArray[np.intp]
    vine: NDArray[np.intp]
    peak: NDArray[np.intp]
    birth: NDArray[np.float64]
    death: NDArray[np.float64]
    prominence: NDArray[np.float64]
    size: NDArray[np.intp]
    labels: NDArray[np.intp]

    def __post_init__(self) -> None:
        if self.name in _COLUMNS:
            raise ValueError(f"name must not be one of the columns {', '.join(_COLUMNS)}.")

    @property
    def n_slices(self) -> int:
        """Number of slices."""
        return len(self.parameters)

    @property
    def n_vines(self) -> int:
        """Number of vines."""
        return int(self.vine.max(initial=-1)) + 1

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per bar: the parameter, then the attributes of bars.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        columns = {name: getattr(self, name) for name in _COLUMNS}
        return pd.DataFrame({self.name: self.parameters[self.slice], **columns})


def vineyard(
    X: Any,
    parameters: ArrayLike,
    metric: str | Callable[..., float] = "euclidean",
    *,
    tree_of: Callable[[Any, Any], MergeTree] | None = None,
    name: str | None = None,
    max_bars: int = 20,
    metric_params: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> Vineyard:
    """Follow the prominence of clusters along a second parameter.

    Parameters
    ----------
    X : array-like or sparse matrix
        Points, distances or a graph, as for :func:`neurotopo.merge_tree`.
    parameters : array-like of shape (n_slices,)
        Values of the parameter, ascending.
    metric : str or callable, default="euclidean"
        As for :func:`neurotopo.merge_tree`; not used with ``tree_of``.
    tree_of : callable, optional
        From X and a value to the tree of a slice, for example ``lambda X, k: merge_tree(X,
        "euclidean", births=distance_to_measure(X, k))``. None: the parameter is ``min_samples``,
        and the trees are slices of the degree-Rips bifiltration.
    name : str, optional
        Name of the parameter. None: "min_samples", or "parameter" with ``tree_of``.
    max_bars : int, default=20
        Number of bars of each slice, the most prominent ones (but never fewer than connected
        parts).
    metric_params : mapping, optional
        Parameters of the metric.
    n_jobs : int or None, default=None
        Jobs for the neighbour search.

    Returns
    -------
    Vineyard

    See Also
    --------
    neurotopo.plots.vineyard.VineyardDisplay : The picture.
    neurotopo.explore.vineyard_data : A page with a slider over the slices.
    prominent_clusters : Clusters of one slice.

    Notes
    -----
    In each slice every sample belongs to one of the bars, as in :func:`prominent_clusters`. Bars of
    neighbouring slices are matched one to one, so that matched bars share as many samples as
    possible in total; bars that share none are not matched. A bar without a partner in the slice
    before begins a vine, one without a partner in the slice after ends it: a cluster that is not
    among the bars of one slice comes back as another vine. Where two clusters change places in
    age, the younger ends at their merge and the older goes on: their prominences jump.

    References
    ----------
    .. [1] D. Cohen-Steiner, H. Edelsbrunner and D. Morozov, "Vines and Vineyards by Updating
       Persistence in Linear Time", SoCG 2006.
    .. [2] A. Rolle and L. Scoccola, "Stable and Consistent Density-Based Clustering via
       Multiparameter Persistence", J. Mach. Learn. Res. 25, 2024.

    Examples
    --------
    >>> from sklearn.datasets import make_blobs
    >>> from neurotopo.persistence import vineyard
    >>> X, _ = make_blobs(200, centers=[[0, 0], [6, 0], [0, 6]], random_state=0)
    >>> vines = vineyard(X, [5, 10, 20])
    >>> (vines.prominence[vines.vine < 3] > 1).tolist()  # three vines, in every slice
    [True, True, True, True, True, True, True, True, True]
    """
    values = np.asarray(parameters, dtype=np.float64)
    if values.ndim != 1 or len(values) == 0 or not np.isfinite(values).all():
        raise ValueError("parameters must be a list of finite numbers, at least one.")
    if not (np.diff(values) > 0).all():
        raise ValueError("parameters must ascend, without repetition: neighbours are compared.")
    if max_bars < 1:
        raise ValueError(f"max_bars must be at least 1, got {max_bars}.")
    if tree_of is None:
        name = "min_samples" if name is None else name
        if (values < 1).any() or (values % 1 != 0).any():
            raise ValueError("parameters are values of min_samples: whole numbers from 1 on.")
        options: dict[str, Any] = {"metric_params": metric_params, "n_jobs": n_jobs}
        trees = [
            merge_tree(X, metric, min_samples=int(k), births="core", **options) for k in values
        ]
    else:
        trees = [_tree(tree_of(X, value)) for value in np.asarray(parameters).tolist()]
    sizes = {tree.n_samples for tree in trees}
    if len(sizes) > 1:
        raise ValueError(f"all trees must have the same samples, got {sorted(sizes)} samples.")
    return _grow("parameter" if name is None else str(name), values, trees, max_bars)


def _tree(tree: Any) -> MergeTree:
    if not isinstance(tree, MergeTree):
        raise TypeError(f"tree_of must return a MergeTree, got {type(tree).__name__}.")
    return tree


def _grow(
    name: str, parameters: NDArray[np.float64], trees: list[MergeTree], max_bars: int
) -> Vineyard:
    """Find the bars of each tree, and match those of neighbouring trees."""
    peaks: list[NDArray[np.intp]] = []
    labels: list[NDArray[np.intp]] = []
    vines: list[NDArray[np.intp]] = []
    n_vines = 0
    for tree in trees:
        chosen = ranked_peaks(tree)[0][: max(max_bars, tree.n_components)]
        label = labels_of_peaks(tree, chosen)
        vine = np.full(len(chosen), -1, dtype=np.intp)
        if peaks:
            before, here = _match(labels[-1], label, len(peaks[-1]), len(chosen))
            vine[here] = vines[-1][before]
        new = np.flatnonzero(vine < 0)
        vine[new] = n_vines + np.arange(len(new))
        n_vines += len(new)
        peaks.append(chosen)
        labels.append(label)
        vines.append(vine)
    birth = [tree.birth[peak] for tree, peak in zip(trees, peaks, strict=True)]
    death = [tree.elder_deaths()[peak] for tree, peak in zip(trees, peaks, strict=True)]
    life = [
        np.where(np.isinf(end), np.maximum(tree.last_merge - start, 0.0), end - start)
        for tree, start, end in zip(trees, birth, death, strict=True)
    ]
    largest = np.zeros(n_vines)
    for vine, each in zip(vines, life, strict=True):
        np.maximum.at(largest, vine, each)
    number = np.empty(n_vines, dtype=np.intp)
    number[np.argsort(-largest, kind="stable")] = np.arange(n_vines)
    vines = [number[vine] for vine in vines]
    n_bars = [len(peak) for peak in peaks]
    sizes = [np.bincount(label, minlength=n) for label, n in zip(labels, n_bars, strict=True)]
    return Vineyard(
        name=name,
        parameters=parameters,
        trees=tuple(trees),
        slice=np.repeat(np.arange(len(trees)), n_bars),
        vine=np.concatenate(vines),
        peak=np.concatenate(peaks),
        birth=np.concatenate(birth),
        death=np.concatenate(death),
        prominence=np.concatenate(life),
        size=np.concatenate(sizes),
        labels=np.array([vine[label] for vine, label in zip(vines, labels, strict=True)]),
    )


def _match(
    before: NDArray[np.intp], after: NDArray[np.intp], n_before: int, n_after: int
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Match the clusters of two labelings so that they share as many samples as possible."""
    shared = np.bincount(before * n_after + after, minlength=n_before * n_after)
    shared = shared.reshape(n_before, n_after)
    rows, columns = linear_sum_assignment(shared, maximize=True)
    some = shared[rows, columns] > 0
    return rows[some], columns[some]
