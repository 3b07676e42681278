"""GraphPersistence: a scikit-learn transformer from graphs to persistence diagrams."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any

import numpy as np
import scipy.sparse as sp
from joblib import Parallel, delayed
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import squareform
from sklearn.base import BaseEstimator, TransformerMixin, _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from neurotopo.persistence.conversions import DiagramList
from neurotopo.persistence.diagrams import DIAGRAM_ENGINES, as_graph, persistence_diagrams
from neurotopo.persistence.inputs import SYMMETRIZE, EdgeList, Symmetrize, as_matrix, is_graph
from neurotopo.persistence.lengths import LENGTHS, edge_lengths

__all__ = ["GraphPersistence"]

# weight maps with their length, and whether it is of positive weights only
_WEIGHT_MAPS: dict[Any, tuple[Any, bool]] = {
    "reciprocal": ("inverse", False),
    "signed": ("inverse", True),
    "neglog": ("neglog", True),
}


class GraphPersistence(TransformerMixin, BaseEstimator):
    """Vietoris-Rips persistence diagrams of many weighted graphs, or of many point clouds.

    Each graph is a sample; its diagrams are those of :func:`neurotopo.persistence_diagrams`.

    Parameters
    ----------
    metric : str, callable or None, default=None
        ``None`` (or ``"precomputed"``): the samples are graphs. Otherwise they are point clouds,
        with a metric of :func:`sklearn.metrics.pairwise_distances`.
    homology_dimensions : int or sequence of int, default=(0, 1)
        The dimensions to compute. A number gives one diagram per sample, a sequence a list of
        diagrams per sample, in its order (as gudhi's ``RipsPersistence`` does).
    weight_map : {"reciprocal", "signed", "neglog"}, str, callable or None, default=None
        Length of an edge of weight w. None: X has lengths. Otherwise X has weights, where 0 and
        absent mean "no edge" and the diagonal is ignored: ``"reciprocal"`` is 1/abs(w);
        ``"signed"`` is 1/w for positive w; ``"neglog"`` is -log(w) for w in (0, 1]; for these two
        negative w are no edges. Other names are those of :func:`neurotopo.graphs.edge_lengths`. A
        callable takes an array of non-zero weights and returns lengths, ``inf`` for "no edge".
    symmetrize : {"max", "min", "mean", "mutual"} or None, default=None
        How to combine the two directions of an edge, before ``weight_map``; see
        :func:`~neurotopo.persistence.check_distances`.
    engine : {"auto", "gudhi", "gudhi-simplextree", "ripser", "tree"}, default="auto"
        See :func:`neurotopo.persistence_diagrams`.
    max_radius : float or None, default=None
        Longer edges are left out.
    essential : {"keep", "drop", "cap"} or float, default="keep"
        Bars that never die keep the death ``inf``, are left out, or end at a cap or at the number
        given. The cap is ``max_radius``; if it is None, the largest distance of a point cloud, but
        twice the longest edge of a graph, so that loops born with this edge (in an unweighted graph
        all of them) keep a positive length. Bars that would end at or before their birth are left
        out: with ``"cap"`` those born at ``max_radius``, and all that never die in a graph without
        edges of positive length. Most of ``gudhi.representations`` takes finite bars only.
    coeff : int, default=2
        Prime order of the field of coefficients.
    metric_params : mapping or None, default=None
        Parameters of the metric, see :func:`neurotopo.persistence_diagrams`. By default
        ``"seuclidean"`` and ``"mahalanobis"`` take the variances of each point cloud by itself.
    n_jobs : int or None, default=None
        Threads; one graph is one task.

    Attributes
    ----------
    homology_dimensions_ : tuple of int
        The dimensions, also a tuple for a single one.
    n_features_in_ : int
        Number of columns of X. Only for a table.
    feature_names_in_ : ndarray of str
        Names of the columns of X. Only for a table with names.

    See Also
    --------
    neurotopo.persistence_diagrams : The diagrams of one graph.
    neurotopo.PointCloudPersistence : The same for point clouds only.

    Notes
    -----
    *Input.* Graphs may differ in size. X is

    - a list of graphs: square matrices, dense (``inf`` means "no edge") or sparse (absent means
      "no edge"), graphs of networkx or igraph, or other forms that
      :func:`~neurotopo.persistence.check_distances` takes; or, with a ``metric``, of arrays of
      points;
    - a three-dimensional array: such matrices, or points, of equal shape;
    - a table (a two-dimensional array or a data frame) of graphs on the same vertices, one per
      row: the lengths or weights of the edges in the order of
      :func:`scipy.spatial.distance.pdist`, that is (0, 1), (0, 2), ..., (1, 2), ... The number of
      vertices is the smallest possible; if the number of columns is not n (n - 1) / 2, the last
      pairs are no edges. All entries are finite.

    A single matrix raises an error: pass ``[X]``. So does a table with a ``metric``.

    *Output.* A :class:`~neurotopo.persistence.conversions.DiagramList` with one entry per sample:
    ``np.asarray`` returns the padded array of giotto-tda. For tables its shape does not depend on
    the rows.

    ``fit`` stores the number of columns only.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import GraphPersistence
    >>> square = np.array([[0, 1, 2, 1], [1, 0, 1, 2], [2, 1, 0, 1], [1, 2, 1, 0]])
    >>> triangle = np.ones((3, 3)) - np.eye(3)
    >>> GraphPersistence(homology_dimensions=1).fit_transform([square, triangle])
    [array([[1., 2.]]), array([], shape=(0, 2), dtype=float64)]

    Finite bars, for a vectorisation of gudhi:

    >>> from gudhi.representations import Landscape
    >>> from sklearn.pipeline import make_pipeline
    >>> diagrams = GraphPersistence(homology_dimensions=0, essential="cap")
    >>> make_pipeline(diagrams, Landscape(resolution=10)).fit_transform([square, triangle]).shape
    (2, 50)
    """

    _parameter_constraints: dict[str, list[Any]] = {
        "metric": [str, callable, None],
        "homology_dimensions": [Interval(Integral, 0, None, closed="left"), "array-like"],
        "weight_map": [StrOptions(set(_WEIGHT_MAPS)), StrOptions(LENGTHS.keys()), callable, None],
        "symmetrize": [StrOptions(set(SYMMETRIZE)), None],
        "engine": [StrOptions(set(DIAGRAM_ENGINES))],
        "max_radius": [Interval(Real, 0, None, closed="both"), None],
        "essential": [StrOptions({"keep", "drop", "cap"}), Interval(Real, 0, None, closed="left")],
        "coeff": [Interval(Integral, 2, 251, closed="both")],
        "metric_params": [Mapping, None],
        "n_jobs": [
            Interval(Integral, 1, None, closed="left"),
            Interval(Integral, None, -1, closed="right"),
            None,
        ],
    }

    def __init__(
        self,
        metric: str | Callable[..., float] | None = None,
        homology_dimensions: int | Sequence[int] = (0, 1),
        *,
        weight_map: str | Callable[..., ArrayLike] | None = None,
        symmetrize: Symmetrize = None,
        engine: str = "auto",
        max_radius: float | None = None,
        essential: str | float = "keep",
        coeff: int = 2,
        metric_params: Mapping[str, Any] | None = None,
        n_jobs: int | None = None,
    ):
        self.metric = metric
        self.homology_dimensions = homology_dimensions
        self.weight_map = weight_map
        self.symmetrize = symmetrize
        self.engine = engine
        self.max_radius = max_radius
        self.essential = essential
        self.coeff = coeff
        self.metric_params = metric_params
        self.n_jobs = n_jobs

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any = None) -> GraphPersistence:
        """Check the parameters and the shape of X.

        Parameters
        ----------
        X : list of graphs or point clouds, three-dimensional array, or table
            See the Notes of the class.
        y : None
            Ignored.

        Returns
        -------
        self : GraphPersistence
            The transformer itself.
        """
        for name in ("weight_map", "symmetrize"):
            if self._takes_points() and getattr(self, name) is not None:
                raise ValueError(f"{name} is for graphs, but a metric says that X holds points.")
        if self.metric_params and not self._takes_points():
            raise ValueError("metric_params is for points, but without a metric X holds graphs.")
        self.homology_dimensions_ = _check_dimensions(self.homology_dimensions)
        self._one_diagram = isinstance(self.homology_dimensions, Integral)
        self._samples(X, reset=True)
        return self

    def transform(self, X: Any) -> DiagramList:
        """Compute the diagrams of every graph or point cloud.

        Parameters
        ----------
        X : list of graphs or point clouds, three-dimensional array, or table
            See the Notes of the class.

        Returns
        -------
        DiagramList
            One entry per sample: an array of shape (n_bars, 2) if ``homology_dimensions`` is a
            number, otherwise a list of them.
        """
        check_is_fitted(self, "homology_dimensions_")
        samples, n_vertices = self._samples(X, reset=False)
        diagrams = Parallel(n_jobs=self.n_jobs, prefer="threads")(
            delayed(self._diagrams_of)(k, sample) for k, sample in enumerate(samples)
        )
        n_rows = None
        if n_vertices is not None:
            n_rows = [_most_bars(n_vertices, d) for d in self.homology_dimensions_]
        if self._one_diagram:
            (dimension,) = self.homology_dimensions_
            return DiagramList([entry[0] for entry in diagrams], dimension, n_rows)
        return DiagramList(diagrams, self.homology_dimensions_, n_rows)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = not self._takes_points()
        tags.input_tags.three_d_array = True
        tags.input_tags.positive_only = not self._takes_points() and self.weight_map is None
        tags.transformer_tags.preserves_dtype = []  # always double precision
        return tags

    def _metric(self) -> Any:
        return "precomputed" if self.metric is None else self.metric

    def _takes_points(self) -> bool:
        metric = self._metric()
        return not (isinstance(metric, str) and metric == "precomputed")

    def _samples(self, X: Any, *, reset: bool) -> tuple[Iterable[Any], int | None]:
        """Return the samples of X; for a table also the number of vertices of its graphs."""
        if sp.issparse(X) or (is_graph(X) and not isinstance(X, tuple)):
            kind = "sparse input" if sp.issparse(X) else type(X).__name__
            raise TypeError(f"X is one graph ({kind}): pass a list of graphs, [X].")
        listed = _as_list(X)
        if listed is None:
            return self._rows(X, reset=reset)
        if not listed:
            raise ValueError("Found array with 0 sample(s): X holds no graph.")
        if reset:
            for name in ("n_features_in_", "feature_names_in_"):
                if hasattr(self, name):
                    delattr(self, name)
        return listed, None

    def _rows(self, X: Any, *, reset: bool) -> tuple[Iterable[Any], int]:
        if self._takes_points():
            raise ValueError(
                "Point clouds are a list of arrays of points, or a three-dimensional array. For "
                "one cloud pass [X]."
            )
        _refuse_one_matrix(X)
        table = validate_data(self, X, reset=reset, dtype=np.float64)
        if self.weight_map is None and table.min() < 0:
            i, j = np.argwhere(table < 0)[0]
            raise ValueError(
                "Negative values in data passed to GraphPersistence: lengths must not be "
                f"negative, but X[{i}, {j}] = {table[i, j]}."
            )
        n = math.ceil((1 + math.sqrt(1 + 8 * table.shape[1])) / 2)
        absent = np.inf if self.weight_map is None else 0.0
        condensed = np.full((len(table), n * (n - 1) // 2), absent)
        condensed[:, : table.shape[1]] = table
        return (squareform(row, checks=False) for row in condensed), n

    def _diagrams_of(self, k: int, sample: Any) -> list[NDArray[np.float64]]:
        try:
            if not self._takes_points():
                sample = self._graph(sample)
            diagrams = persistence_diagrams(
                sample,
                self._metric(),
                max(self.homology_dimensions_),
                self.engine,
                max_radius=self.max_radius,
                coeff=self.coeff,
                metric_params=self.metric_params,
            )
            return self._end([diagrams[d] for d in self.homology_dimensions_], sample)
        except (TypeError, ValueError) as error:
            kind = ValueError if isinstance(error, ValueError) else TypeError
            raise kind(f"Sample {k}: {error}") from error

    def _graph(self, sample: Any) -> Any:
        """Turn a graph of any kind into a matrix of lengths."""
        lengths = None if self.weight_map is None else self._lengths
        return as_matrix(sample, lengths=lengths, symmetrize=self.symmetrize)

    def _lengths(self, weights: NDArray[Any]) -> NDArray[np.float64]:
        name, signed = _WEIGHT_MAPS.get(self.weight_map, (self.weight_map, False))
        if name == "neglog" and (weights > 1).any():
            raise ValueError(
                f'weight_map="neglog" takes weights of at most 1, but one is {weights.max()}.'
            )
        scale = 1.0 if name == "neglog" else None
        return edge_lengths(weights, length=name, signed=signed, scale=scale)

    def _end(self, diagrams: list[NDArray[np.float64]], sample: Any) -> list[NDArray[np.float64]]:
        """Apply ``essential`` to the bars that never die."""
        if self.essential == "keep":
            return diagrams
        if self.essential == "drop":
            return [diagram[np.isfinite(diagram[:, 1])] for diagram in diagrams]
        if self.essential != "cap":
            cap = float(self.essential)
        elif self.max_radius is not None and np.isfinite(self.max_radius):
            cap = float(self.max_radius)
        else:
            graph = as_graph(sample, self._metric(), self.metric_params)
            cap = _longest(graph) * (1.0 if self._takes_points() else 2.0)
            cap = min(cap, np.finfo(np.float64).max)
        ended = [np.where(np.isinf(diagram), cap, diagram) for diagram in diagrams]
        ended = [diagram[diagram[:, 0] < diagram[:, 1]] for diagram in ended]
        return [diagram[np.lexsort((diagram[:, 1], diagram[:, 0]))] for diagram in ended]


def _check_dimensions(asked: int | Sequence[int]) -> tuple[int, ...]:
    dimensions: list[Any] = np.ravel(np.asarray(asked)).tolist()
    whole = all(type(d) is not bool and isinstance(d, int) and d >= 0 for d in dimensions)
    if not dimensions or not whole or len(set(dimensions)) < len(dimensions):
        raise ValueError(
            "homology_dimensions must be a dimension 0, 1, 2, ... or several different ones, got "
            f"{asked!r}."
        )
    return tuple(int(d) for d in dimensions)


def _as_list(X: Any) -> list[Any] | None:
    """Return the samples of X as a list, None if X is a table."""
    if isinstance(X, list | tuple):
        if not len(X) or is_graph(X[0]) or sp.issparse(X[0]) or np.ndim(X[0]) == 2:
            return list(X)
        return list(X) if len({np.size(row) for row in X}) > 1 else None
    shape = getattr(X, "shape", ())
    holds_objects = isinstance(X, np.ndarray) and X.dtype.kind == "O"
    return list(X) if len(shape) == 3 or (len(shape) == 1 and holds_objects) else None


def _refuse_one_matrix(X: Any) -> None:
    """Raise for a symmetric table: it is one graph, not one graph per row."""
    matrix = np.asarray(X)
    shape = matrix.shape
    if matrix.ndim != 2 or shape[0] != shape[1] or shape[0] < 2:
        return
    if matrix.dtype.kind in "fiub" and np.array_equal(matrix, matrix.T, equal_nan=False):
        raise ValueError(
            f"X is one symmetric matrix of shape {shape}, that is one graph: pass a list of "
            "graphs, [X]."
        )


def _longest(graph: EdgeList | NDArray[np.floating[Any]]) -> float:
    """Length of the longest edge, 0 if there is none."""
    if isinstance(graph, EdgeList):
        return float(graph.length.max(initial=0.0))
    return float(graph[np.isfinite(graph)].max(initial=0.0))


def _most_bars(n_vertices: int, dimension: int) -> int:
    """Return the largest number of bars of a filtered complex.

    Every d-simplex begins a bar of dimension d or ends one of dimension d - 1: there are
    C(n, d + 1) of them, and in the full complex C(n - 1, d) end bars.
    """
    bars = math.comb(n_vertices - 1, dimension + 1)
    return bars + 1 if dimension == 0 else bars
