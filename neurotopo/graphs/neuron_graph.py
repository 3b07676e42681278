"""NeuronGraph: the weighted graph on a set of neurons, its shortest paths and its merge tree."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, overload

import numpy as np
import scipy.sparse as sp
from numpy.typing import ArrayLike, NDArray

from neurotopo.graphs.connections import Connections, RowSource, Similarity, connection_weights
from neurotopo.graphs.graph_file import read_graph, write_graph
from neurotopo.graphs.options import GraphOptions
from neurotopo.graphs.shortest_paths import (
    check_aggregation,
    check_products,
    matrix_a,
    symmetric_csr,
)
from neurotopo.neurons import NeuronSet
from neurotopo.persistence.build import merge_tree
from neurotopo.persistence.engines import graph_forest
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.inputs import EdgeList
from neurotopo.persistence.lengths import Length, check_length, edge_lengths
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.tree_building import tree_of_forest

if TYPE_CHECKING:
    import networkx as nx
    import pandas as pd

__all__ = ["NeuronGraph"]


@dataclass(frozen=True, eq=False)
class NeuronGraph:
    """Neurons as vertices, strong connections as short edges.

    Use :meth:`from_model`, or :meth:`load` for a file.

    Attributes
    ----------
    neurons : NeuronSet
        The vertices, in order.
    connections : Connections
        Positions of the ends of each connection in ``neurons``, and its weight.
    connection_lengths : ndarray of float64
        Length of each connection; ``inf`` for no edge, for example a negative weight with
        ``signed=True``.
    options : GraphOptions
        Options of :meth:`from_model`.

    See Also
    --------
    neurotopo.NTCClusterer : Clusters of such a graph.

    Notes
    -----
    The merge tree of the direct edges is that of the whole matrix A if the length of a path is at
    least its longest edge: for sums, maxima, and products of lengths of at least 1. So the direct
    edges are clustered, and A is computed by :meth:`distances` only.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, section 2 and appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.graphs import NeuronGraph
    >>> class Model:
    ...     n_layers, n_neurons = 3, 2
    ...     out = np.array([[4.0, 0.5], [0.25, -2.0]])
    ...     in_rows = lambda self, layer, indices=None, **options: np.eye(2)[indices]
    ...     out_rows = lambda self, layer, indices=None: self.out[indices]
    >>> graph = NeuronGraph.from_model(Model(), [(0, 0), (1, 0), (1, 1), (2, 0)])
    >>> graph
    NeuronGraph(n_neurons=4, n_connections=4, n_edges=4, layers 0 to 2)
    >>> graph.weights.toarray()
    array([[0.  , 4.  , 0.5 , 0.  ],
           [4.  , 0.  , 0.  , 4.  ],
           [0.5 , 0.  , 0.  , 0.25],
           [0.  , 4.  , 0.25, 0.  ]])
    >>> graph.distances()[0]
    array([0.  , 0.25, 2.  , 0.5 ])
    >>> ntc = NTCClusterer.paper(metric="precomputed").fit(graph.clustering_input())
    >>> [graph.neurons[cluster] for cluster in ntc.clusters_]
    [NeuronSet([(0, 0), (1, 0), (2, 0)])]
    """

    neurons: NeuronSet
    connections: Connections
    connection_lengths: NDArray[np.float64]
    options: GraphOptions

    @classmethod
    def from_model(
        cls,
        model: RowSource,
        neurons: NeuronSet | Iterable[Any] | ArrayLike,
        *,
        path: str = "up",
        fold_norm: bool = False,
        signed: bool = False,
        length: Length = "inverse",
        power: float = 1.0,
        aggregation: str = "sum",
        paths: str | None = None,
        max_span: int | None = None,
        activations: ArrayLike | None = None,
        intra: Similarity | None = None,
    ) -> NeuronGraph:
        """Build the graph of some neurons of a model.

        Parameters
        ----------
        model : RowSource
            A :class:`~neurotopo.NeuronModel` or another
            :class:`~neurotopo.graphs.connections.RowSource`.
        neurons : NeuronSet or iterable of (int, int)
            Layer and index of each neuron.
        path : {"up", "gate", "both"}, default="up"
            In-projection of a gated MLP; ``"both"``: the mean of the absolute weights.
        fold_norm : bool, default=False
            Whether to multiply the in-rows by the gain of the norm before the MLP.
        signed : bool, default=False
            Only positive weights are edges.
        length : {"inverse", "power", "neglog", "one_minus"}, str or callable, default="inverse"
            Length of a weight: ``|1/w|``, ``|w| ** -power``, ``-log(|w| / largest)``, ``1 - w``, or
            a function of an array of non-zero weights, see :func:`neurotopo.graphs.edge_lengths`.
        power : float, default=1.0
            Exponent of ``length="power"``.
        aggregation : {"sum", "product", "max"}, default="sum"
            Length of a path, from those of its edges.
        paths : {"all", "monotone"} or None, default=None
            Paths considered: all through the neurons, or those that never go down a layer. None:
            ``"monotone"`` for products, else ``"all"``. With ``aggregation="product"``, ``"all"``
            needs lengths of at least 1.
        max_span : int or None, default=None
            Neurons more layers apart than this have distance ``inf``.
        activations : array-like, shape (n_layers, n_neurons), optional
            Factors of the weights: the activation of the earlier neuron.
        intra : callable or array-like, optional
            Similarities within a layer, as weights, see
            :func:`~neurotopo.graphs.connections.connection_weights`.

        Returns
        -------
        NeuronGraph
        """
        neurons = neurons if isinstance(neurons, NeuronSet) else NeuronSet(neurons)
        check_length(length, power, signed=signed, path=path)
        options = GraphOptions(
            path=path,
            fold_norm=bool(fold_norm),
            signed=bool(signed),
            length=_name_of(length),
            length_is_function=callable(length),
            power=float(power),
            aggregation=aggregation,
            paths=check_aggregation(aggregation, paths, max_span),
            max_span=None if max_span is None else int(max_span),
            activations=activations is not None,
            intra=intra is not None,
        )
        read: Any = {"path": path, "fold_norm": options.fold_norm, "activations": activations}
        connections = connection_weights(model, neurons, intra=intra, **read)
        lengths = edge_lengths(connections.weight, length=length, power=power, signed=signed)
        return cls(neurons, connections, lengths, options)

    def __post_init__(self) -> None:
        self.connection_lengths.flags.writeable = False
        if self.options.aggregation == "product":
            check_products(self.edges, self.layers, self.options.paths)

    def __repr__(self) -> str:
        where = f", layers {self.layers[0]} to {self.layers[-1]}" if len(self.neurons) else ""
        return (
            f"NeuronGraph(n_neurons={len(self.neurons)}, "
            f"n_connections={len(self.connections.weight)}, n_edges={self.edges.n_edges}{where})"
        )

    @property
    def layers(self) -> NDArray[np.int64]:
        """Layer of every neuron: the strata for ``NTCClusterer.paper().fit(X, strata=...)``."""
        return self.neurons.layers

    @cached_property
    def edges(self) -> EdgeList:
        """The direct edges, each once: the connections of finite length."""
        length, each = self.connection_lengths, self.connections
        edges = EdgeList(len(self.neurons), each.source, each.target, length)
        finite = np.isfinite(length)
        return edges if finite.all() else edges.take(finite)

    @cached_property
    def weights(self) -> sp.csr_array:
        """Connection weights, symmetric; absent where there is no connection."""
        each = self.connections
        return symmetric_csr(EdgeList(len(self.neurons), each.source, each.target, each.weight))

    @cached_property
    def lengths(self) -> sp.csr_array:
        """Lengths of the direct edges, symmetric; absent for no edge, 0 is a length."""
        return symmetric_csr(self.edges)

    @overload
    def distances(self, dense: Literal[True] = True) -> NDArray[np.float64]: ...
    @overload
    def distances(self, dense: Literal[False]) -> sp.csr_array: ...
    def distances(self, dense: bool = True) -> NDArray[np.float64] | sp.csr_array:
        """Compute the paper's matrix A.

        The distance of neurons in adjacent layers is the length of their direct edge (Eq 4), even
        if a path is shorter; in other layers, that of the shortest path through the neurons of the
        set (Eq 5 and 6), with ``intra`` also within a layer. Otherwise it is ``inf`` within a layer
        (Eq 7).

        Parameters
        ----------
        dense : bool, default=True
            Whether to return an array, with ``inf`` for no path, or a sparse array of the finite
            distances between different neurons.

        Returns
        -------
        ndarray or csr_array of float64, shape (k, k)
            Symmetric.
        """
        names = ("aggregation", "paths", "max_span")
        options: Any = {name: getattr(self.options, name) for name in names}
        options["within_layers"] = self.options.intra
        matrix = matrix_a(self.edges, self.layers, self.neurons.layer_slices(), **options)
        return matrix if dense else symmetric_csr(EdgeList.from_dense(matrix))

    @property
    def direct_edges_suffice(self) -> bool:
        """Whether the merge tree of the direct edges is known to be that of the matrix A."""
        return self.options.aggregation != "product" or bool((self.edges.length >= 1).all())

    def clustering_input(self) -> NDArray[np.float64] | sp.csr_array:
        """Return the input for :class:`~neurotopo.NTCClusterer`.

        Returns
        -------
        csr_array or ndarray
            For ``metric="precomputed"``: :attr:`lengths`, or the matrix A if
            :attr:`direct_edges_suffice` is False.
        """
        return self.lengths if self.direct_edges_suffice else self.distances()

    def merge_tree(self) -> MergeTree:
        """Return the tree of all clusters of neurons, over all radii.

        Sample i of the tree is ``neurons[i]``.

        Returns
        -------
        MergeTree
        """
        if len(self.neurons) == 0:
            return tree_of_forest(SpanningForest.empty(0))
        if self.direct_edges_suffice:
            return tree_of_forest(graph_forest(self.edges))
        return merge_tree(self.distances())

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per connection: its two neurons, the earlier first, weight and length.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        source, target = self.connections.source, self.connections.target
        layers, indices = self.neurons.layers, self.neurons.indices
        columns = {"source_layer": layers[source], "source_index": indices[source]}
        columns |= {"target_layer": layers[target], "target_index": indices[target]}
        lengths = {"weight": self.connections.weight, "length": self.connection_lengths}
        return pd.DataFrame({**columns, **lengths})

    def to_networkx(self) -> nx.Graph:
        """Return an undirected graph of (layer, index) nodes with the direct edges.

        Nodes have a ``layer``, edges a ``length`` and the ``weight`` of the connection.

        Returns
        -------
        networkx.Graph
        """
        try:
            import networkx as nx
        except ImportError as error:
            raise ImportError("to_networkx needs the package networkx.") from error
        graph = nx.Graph()
        nodes = list(self.neurons)
        graph.add_nodes_from((node, {"layer": node[0]}) for node in nodes)
        each = self.connections
        columns = (each.source, each.target, each.weight, self.connection_lengths)
        for a, b, weight, length in zip(*(c.tolist() for c in columns), strict=True):
            if length < np.inf:
                graph.add_edge(nodes[a], nodes[b], weight=weight, length=length)
        return graph

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the graph to a file.

        Parameters
        ----------
        path : path-like
            Ends in ``.npz`` or ``.safetensors``. Nothing is pickled; a length that is a function
            becomes its name. An existing file is replaced atomically.
        """
        write_graph(path, self.neurons, self.connections, self.connection_lengths, self.options)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NeuronGraph:
        """Read a file of :meth:`save`.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        NeuronGraph
        """
        parts = read_graph(path)
        try:
            return cls(*parts)
        except ValueError as error:
            raise ValueError(f"{path} does not hold a valid neuron graph: {error}") from error


def _name_of(length: Length) -> str:
    return length if isinstance(length, str) else getattr(length, "__name__", type(length).__name__)
