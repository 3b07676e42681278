"""The graph of a fact's neurons as it is stored, and the clusterer made of it again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.kruskal import spanning_edges

__all__ = ["clusterer_of", "stored_graph"]

_EDGES_PER_NEURON, _FEWEST, _MOST = 3, 60, 400


def stored_graph(graph: NeuronGraph, *, tau: float, min_cluster_size: int) -> dict[str, Any]:
    """Return what is stored of a graph: a spanning forest, and the shortest of the other edges.

    Parameters
    ----------
    graph : NeuronGraph
        The graph of the neurons.
    tau, min_cluster_size
        How NTC chooses clusters of it.

    Returns
    -------
    dict
        ``source``, ``target`` and ``length`` of the edges that are kept, in order of length: the
        minimum spanning forest, which alone makes the tree of all clusters, and others up to
        three for each neuron (at least 60 and at most 400 in all); ``n_edges``, how many there
        are; ``tau`` and ``min_cluster_size``.

    Examples
    --------
    >>> from neurotopo import NeuronGraph, NeuronSet
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.acquisition.graph import clusterer_of, stored_graph
    >>> neurons = NeuronSet([(0, 0), (0, 1), (1, 0), (1, 1)])
    >>> graph = NeuronGraph.from_model(random_model(), neurons)
    >>> stored = stored_graph(graph, tau=0.5, min_cluster_size=2)
    >>> len(stored["length"]), stored["n_edges"]
    (4, 4)
    >>> tree = clusterer_of(stored, neurons.layers).merge_tree_
    >>> tree.birth.tolist() == graph.merge_tree().birth.tolist()
    True
    """
    # where the direct edges do not suffice, the lengths of the matrix A make the tree
    whole = graph.direct_edges_suffice
    edges = graph.edges if whole else EdgeList.from_dense(graph.distances())
    source, target, length = edges.source, edges.target, edges.length
    n = len(graph.neurons)
    kept = np.zeros(len(length), dtype=bool)
    kept[spanning_edges(n, source, target, length)] = True
    most = int(np.clip(_EDGES_PER_NEURON * n, _FEWEST, _MOST))
    others = np.flatnonzero(~kept)
    room = max(most - np.count_nonzero(kept), 0)
    kept[others[np.argsort(length[others], kind="stable")[:room]]] = True
    order = np.flatnonzero(kept)
    order = order[np.argsort(length[order], kind="stable")]
    return {
        "source": source[order],
        "target": target[order],
        "length": length[order],
        "n_edges": len(length),
        "tau": tau,
        "min_cluster_size": min_cluster_size,
    }


def clusterer_of(stored: Mapping[str, Any], layers: Any) -> NTCClusterer:
    """Return NTC fitted on a stored graph: its tree and its clusters are those of the whole one.

    Parameters
    ----------
    stored : mapping
        What :func:`stored_graph` returned.
    layers : array-like of int
        The layer of every neuron.

    Returns
    -------
    NTCClusterer
    """
    n = len(layers)
    source, target = (np.asarray(stored[end], dtype=np.intp) for end in ("source", "target"))
    length = np.asarray(stored["length"], dtype=np.float64)
    ends = np.concatenate([source, target]), np.concatenate([target, source])
    lengths = sp.coo_array((np.concatenate([length, length]), ends), shape=(n, n)).tocsr()
    clusterer = NTCClusterer(
        metric="precomputed", tau=stored["tau"], min_cluster_size=stored["min_cluster_size"]
    )
    return clusterer.fit(lengths, strata=layers)
