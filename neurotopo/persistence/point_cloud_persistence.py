"""PointCloudPersistence: a scikit-learn transformer from point clouds to persistence diagrams."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from neurotopo.persistence.graph_persistence import GraphPersistence

__all__ = ["PointCloudPersistence"]

_OF_GRAPHS = ("weight_map", "symmetrize")


class PointCloudPersistence(GraphPersistence):
    """Vietoris-Rips persistence diagrams of many point clouds.

    Each point cloud is a sample; its diagrams are those of :func:`neurotopo.persistence_diagrams`.

    Parameters
    ----------
    metric : str or callable, default="euclidean"
        A metric of :func:`sklearn.metrics.pairwise_distances`.
    homology_dimensions : int or sequence of int, default=(0, 1)
        The dimensions to compute. A number gives one diagram per cloud, a sequence a list of
        diagrams per cloud, in its order.
    metric_params : mapping or None, default=None
        Parameters of the metric, see :func:`neurotopo.persistence_diagrams`. By default
        ``"seuclidean"`` and ``"mahalanobis"`` take the variances of each cloud by itself.
    engine : {"auto", "gudhi", "gudhi-simplextree", "ripser", "tree"}, default="auto"
        See :func:`neurotopo.persistence_diagrams`.
    max_radius : float or None, default=None
        Pairs of points further apart are left out.
    essential : {"keep", "drop", "cap"} or float, default="keep"
        Bars that never die keep the death ``inf``, are left out, or end at ``max_radius`` (None: at
        the largest distance of their cloud) or at the number given. Bars that would end at or
        before their birth are left out. Most of ``gudhi.representations`` takes finite bars only.
    coeff : int, default=2
        Prime order of the field of coefficients.
    n_jobs : int or None, default=None
        Threads; one cloud is one task.

    Attributes
    ----------
    homology_dimensions_ : tuple of int
        The dimensions, also a tuple for a single one.

    See Also
    --------
    neurotopo.GraphPersistence : The same for graphs and matrices of distances.
    neurotopo.persistence.representative_cycles : The points of a loop.

    Notes
    -----
    X is a list of arrays of shape (n_points, n_coordinates), which may differ in both, or a
    three-dimensional array. A single cloud raises an error: pass ``[X]``.

    The result is a :class:`~neurotopo.persistence.DiagramList` with one entry per cloud:
    ``np.asarray`` returns the padded array of giotto-tda. ``fit`` checks the parameters only.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import PointCloudPersistence
    >>> square = np.array([[0, 0], [0, 1], [1, 1], [1, 0]])
    >>> line = np.array([[0], [1], [3]])
    >>> loops = PointCloudPersistence(homology_dimensions=1)
    >>> [diagram.round(3).tolist() for diagram in loops.fit_transform([square, line])]
    [[[1.0, 1.414]], []]
    >>> PointCloudPersistence(homology_dimensions=0, essential="cap").fit_transform([line])
    [array([[0., 1.],
           [0., 2.],
           [0., 3.]])]
    """

    _parameter_constraints: dict[str, list[Any]] = {
        **{k: v for k, v in GraphPersistence._parameter_constraints.items() if k not in _OF_GRAPHS},
        "metric": [str, callable],
    }
    weight_map = symmetrize = None  # attributes of the base class that are no parameters here

    def __init__(
        self,
        metric: str | Callable[..., float] = "euclidean",
        homology_dimensions: int | Sequence[int] = (0, 1),
        *,
        metric_params: Mapping[str, Any] | None = None,
        engine: str = "auto",
        max_radius: float | None = None,
        essential: str | float = "keep",
        coeff: int = 2,
        n_jobs: int | None = None,
    ):
        self.metric = metric
        self.homology_dimensions = homology_dimensions
        self.metric_params = metric_params
        self.engine = engine
        self.max_radius = max_radius
        self.essential = essential
        self.coeff = coeff
        self.n_jobs = n_jobs

    def fit(self, X: Any, y: Any = None) -> PointCloudPersistence:
        """Check the parameters and the shape of X.

        Parameters
        ----------
        X : list of array-like of shape (n_points, n_coordinates), or three-dimensional array
            The point clouds.
        y : None
            Ignored.

        Returns
        -------
        self : PointCloudPersistence
            The transformer itself.
        """
        if isinstance(self.metric, str) and self.metric == "precomputed":
            raise ValueError(
                'PointCloudPersistence takes points, but metric="precomputed": for matrices of '
                "distances use GraphPersistence()."
            )
        super().fit(X, y)
        return self
