"""Potential components: the clusters of a graph of neurons, by any clusterer."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
from sklearn.base import clone

from neurotopo.cluster.baselines import BASELINES, CLUSTERER_LABELS, finite_distances
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.neurons import NeuronSet

__all__ = ["check_clusterer", "potential_components"]


def check_clusterer(clusterer: Any) -> None:
    """Raise an error if the object is not a supported clusterer."""
    names = ", ".join(("ntc", *CLUSTERER_LABELS))
    estimator = hasattr(clusterer, "fit_predict")
    if isinstance(clusterer, str):
        if clusterer not in ("ntc", *CLUSTERER_LABELS):
            raise ValueError(
                f"clusterer must be one of {names}, an estimator or a function, got {clusterer!r}."
            )
    elif isinstance(clusterer, type) or not (estimator or callable(clusterer)):
        raise TypeError(
            "clusterer must be an estimator with fit_predict, a function from distances to labels "
            f"or one of {names}, got {clusterer!r}."
        )
    elif estimator and not isinstance(clusterer, NTCClusterer):
        metric, name = getattr(clusterer, "metric", "precomputed"), type(clusterer).__name__
        if metric != "precomputed":
            raise ValueError(
                f"{name}(metric={metric!r}) would use rows of the distance matrix as points. "
                f"Use {name}(metric='precomputed')."
            )


def potential_components(
    clusterer: Any, graph: NeuronGraph, random_state: int = 0
) -> list[NeuronSet]:
    """Return the clusters of a graph of neurons.

    Parameters
    ----------
    clusterer : estimator, str or callable
        As in :class:`neurotopo.DKNFinder`. A copy of an estimator is fitted.
    graph : NeuronGraph
    random_state : int, default=0
        Seed of a clusterer without one.

    Returns
    -------
    list of NeuronSet
        In the order of ``clusters_`` for an NTCClusterer, else of the labels; neurons with
        negative labels are in none.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.cluster import DBSCAN
    >>> from neurotopo.graphs import NeuronGraph
    >>> from neurotopo.knowledge.potential import potential_components
    >>> class Model:
    ...     n_layers, n_neurons = 3, 2
    ...     out = np.array([[4.0, 0.5], [0.25, -2.0]])
    ...     in_rows = lambda self, layer, indices=None, **options: np.eye(2)[indices]
    ...     out_rows = lambda self, layer, indices=None: self.out[indices]
    >>> neurons = [(layer, index) for layer in range(3) for index in range(2)]
    >>> graph = NeuronGraph.from_model(Model(), neurons)
    >>> potential_components(DBSCAN(eps=0.5, min_samples=2, metric="precomputed"), graph)
    [NeuronSet([(0, 0), (1, 0), (2, 0)]), NeuronSet([(0, 1), (1, 1), (2, 1)])]
    """
    check_clusterer(clusterer)
    if len(graph.neurons) == 0:
        return []
    if isinstance(clusterer, str) and clusterer == "ntc":
        clusterer = NTCClusterer.paper(metric="precomputed")
    if isinstance(clusterer, NTCClusterer):
        fitted = clone(clusterer).set_params(metric="precomputed", **_seed(clusterer, random_state))
        fitted.fit(graph.clustering_input(), strata=graph.layers)
        return [graph.neurons[cluster] for cluster in fitted.clusters_]
    labels = _labels(clusterer, graph, random_state)
    return [graph.neurons[labels == label] for label in np.unique(labels[labels >= 0])]


def _labels(clusterer: Any, graph: NeuronGraph, random_state: int) -> np.ndarray[Any, Any]:
    if isinstance(clusterer, str):
        result = BASELINES[clusterer](graph.distances(), random_state=random_state)
    elif not hasattr(clusterer, "fit_predict"):
        seed = {"random_state": random_state} if clusterer in BASELINES.values() else {}
        result = clusterer(graph.distances(), **seed)
    else:
        finite = finite_distances(graph.distances())
        if finite is None:  # no two neurons are connected
            return np.full(len(graph.neurons), -1)
        if hasattr(clusterer, "get_params"):
            fitted = clone(clusterer).set_params(**_seed(clusterer, random_state))
        else:
            fitted = copy.deepcopy(clusterer)
        result = fitted.fit_predict(finite)
    labels = np.asarray(result)
    if labels.shape != (len(graph.neurons),) or labels.dtype.kind not in "iu":
        raise ValueError(
            f"the clusterer returned labels of shape {labels.shape} and dtype {labels.dtype} for "
            f"{len(graph.neurons)} neurons; it must return one whole number for each."
        )
    return labels


def _seed(clusterer: Any, random_state: int) -> dict[str, int]:
    params = clusterer.get_params(deep=False)
    return {"random_state": random_state} if params.get("random_state", 0) is None else {}
