"""NeuronTree: a merge tree whose samples are the neurons of some layers of a model."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from functools import cached_property
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.graphs.storage import read_arrays, write_arrays
from neurotopo.neurons import NeuronSet
from neurotopo.persistence.clusters import candidate_clusters
from neurotopo.persistence.merge_tree import MergeTree

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["NeuronTree"]

_KIND = "neuron tree"
_LAYOUT = ("first_layer", "n_layers", "n_neurons")
_WHOLE = ("parent", "size", "leaf_order", "start")  # arrays of integers in a file


@dataclass(frozen=True, eq=False)
class NeuronTree(MergeTree):
    """The merge tree of all neurons of consecutive layers.

    It is a :class:`~neurotopo.MergeTree`: sample ``(layer - first_layer) * n_neurons + i`` is
    neuron i of a layer.

    Attributes
    ----------
    first_layer : int
        The layer of sample 0.
    n_layers : int
        Number of layers.
    n_neurons : int
        Neurons per layer.

    See Also
    --------
    neurotopo.whole_model_tree : Build the tree of a model.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.graphs.neuron_tree import NeuronTree
    >>> plain = merge_tree([[0.0], [5.0], [1.0], [9.0]], metric="euclidean")
    >>> tree = NeuronTree.from_tree(plain, first_layer=6, n_layers=2, n_neurons=2)
    >>> tree.neurons(4), float(tree.birth[4])
    (NeuronSet([(6, 0), (7, 0)]), 1.0)
    >>> tree.layer_of(3), tree.vertex(7, 1)
    (7, 3)
    >>> tree.top_clusters(1)[["node", "persistence", "size", "first_layer", "last_layer"]]
          node  persistence  size  first_layer  last_layer
    rank
    0        4          3.0     2            6           7
    """

    first_layer: int
    n_layers: int
    n_neurons: int

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.first_layer < 0 or self.n_layers * self.n_neurons != self.n_samples:
            raise ValueError(
                f"{self.n_layers} layers of {self.n_neurons} neurons, the first being layer "
                f"{self.first_layer}, do not make a tree of {self.n_samples} samples."
            )

    @classmethod
    def from_tree(
        cls, tree: MergeTree, first_layer: int, n_layers: int, n_neurons: int
    ) -> NeuronTree:
        """Return a merge tree of ``n_layers * n_neurons`` samples, layer by layer, as a NeuronTree.

        Parameters
        ----------
        tree : MergeTree
            The tree.
        first_layer, n_layers, n_neurons : int
            The first layer, the number of layers and the neurons of each.
        """
        parts: Any = {field.name: getattr(tree, field.name) for field in fields(MergeTree)}
        parts |= zip(_LAYOUT, map(int, (first_layer, n_layers, n_neurons)), strict=True)
        return cls(**parts)

    def __eq__(self, other: object) -> bool:
        if isinstance(other, NeuronTree) and self._layout != other._layout:
            return False
        return super().__eq__(other)

    __hash__ = None

    def __repr__(self) -> str:
        return (
            f"NeuronTree(layers {self.first_layer}..{self.first_layer + self.n_layers - 1} of "
            f"{self.n_neurons} neurons, n_clusters={self.n_clusters}, "
            f"n_components={self.n_components}, last_merge={self.last_merge:.6g})"
        )

    @property
    def _layout(self) -> tuple[int, int, int]:
        return self.first_layer, self.n_layers, self.n_neurons

    @overload
    def vertex(self, layer: int, index: int) -> int: ...
    @overload
    def vertex(self, layer: ArrayLike, index: ArrayLike) -> NDArray[np.intp]: ...
    def vertex(self, layer: Any, index: Any) -> Any:
        """Return the sample number of a neuron, or of arrays of neurons."""
        layers, indices = np.broadcast_arrays(
            np.asarray(layer, dtype=np.intp), np.asarray(index, dtype=np.intp)
        )
        step = layers - self.first_layer
        bad = (step < 0) | (step >= self.n_layers) | (indices < 0) | (indices >= self.n_neurons)
        if bad.any():
            wrong = int(layers[bad].flat[0]), int(indices[bad].flat[0])
            raise ValueError(
                f"neuron {wrong} is not in layers {self.first_layer}.."
                f"{self.first_layer + self.n_layers - 1} of {self.n_neurons} neurons."
            )
        vertices = step * self.n_neurons + indices
        return vertices if vertices.ndim else int(vertices)

    @overload
    def layer_of(self, vertex: int) -> int: ...
    @overload
    def layer_of(self, vertex: ArrayLike) -> NDArray[np.intp]: ...
    def layer_of(self, vertex: Any) -> Any:
        """Return the layer of a sample, or of an array of samples."""
        vertices = np.asarray(vertex, dtype=np.intp)
        bad = (vertices < 0) | (vertices >= self.n_samples)
        if bad.any():
            raise IndexError(
                f"sample {int(vertices[bad].flat[0])} is not in 0..{self.n_samples - 1}."
            )
        layers = self.first_layer + vertices // self.n_neurons
        return layers if layers.ndim else int(layers)

    def neurons(self, node: int) -> NeuronSet:
        """Return the neurons of one node.

        Parameters
        ----------
        node : int
            A node id, ``0 <= node < n_nodes``.
        """
        return self._neuron_set(self.members(node))

    def _neuron_set(self, vertices: NDArray[np.intp]) -> NeuronSet:
        return NeuronSet.from_arrays(self.layer_of(vertices), vertices % self.n_neurons)

    @cached_property
    def layers(self) -> NDArray[np.intp]:
        """Layer of every sample, for example as strata of a permutation test."""
        return self.first_layer + np.repeat(np.arange(self.n_layers), self.n_neurons)

    @cached_property
    def _layer_range(self) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        beyond = float(self.first_layer + self.n_layers)
        ends = []
        for sign in (1.0, -1.0):
            values = np.full(self.n_nodes, beyond)
            values[: self.n_samples] = sign * self.layers
            ends.append((sign * self.subtree_minimum(values)).astype(np.intp))
        return ends[0], ends[1]

    @property
    def lowest_layer(self) -> NDArray[np.intp]:
        """The first layer of every node."""
        return self._layer_range[0]

    @property
    def highest_layer(self) -> NDArray[np.intp]:
        """The last layer of every node."""
        return self._layer_range[1]

    def layers_spanned(self, node: int | None = None) -> Any:
        """Return the number of layers with neurons of a node; they are adjacent.

        Parameters
        ----------
        node : int, optional
            A node id. None: all nodes.
        """
        spanned = self.highest_layer - self.lowest_layer + 1
        return spanned if node is None else int(spanned[self._check_node(node)])

    def top_clusters(
        self,
        n: int = 20,
        *,
        min_cluster_size: int = 2,
        scale: str = "difference",
        condense: bool = False,
        min_layers: int = 1,
        n_members: int = 5,
    ) -> pd.DataFrame:
        """Return the clusters of largest persistence.

        Parameters
        ----------
        n : int, default=20
            Number of clusters.
        min_cluster_size, scale, condense
            As for :class:`~neurotopo.NTCClusterer`.
        min_layers : int, default=1
            Smallest number of layers of a cluster.
        n_members : int, default=5
            Number of neurons listed: those that merge first.

        Returns
        -------
        pandas.DataFrame
            By descending persistence: ``node`` (for :meth:`neurons`), ``birth`` and ``death`` (R1,
            R2), ``persistence`` (with the last merge of the tree as end of observation), ``size``,
            ``first_layer``, ``last_layer``, and ``members``, a list of pairs (layer, index).
        """
        import pandas as pd

        if n < 0 or n_members < 0:
            raise ValueError(f"n and n_members must not be negative, got {n} and {n_members}.")
        clusters = candidate_clusters(
            self, min_cluster_size=min_cluster_size, condense=condense, max_radius="last_merge"
        )
        persistence = clusters.persistence(scale)
        wide = np.flatnonzero(self.layers_spanned()[clusters.node] >= min_layers)
        order = wide[np.lexsort((wide, -persistence[wide]))][:n]
        nodes = clusters.node[order]
        return pd.DataFrame(
            {
                "node": nodes,
                "birth": clusters.birth[order],
                "death": clusters.death[order],
                "persistence": persistence[order],
                "size": self.size[nodes],
                "first_layer": self.lowest_layer[nodes],
                "last_layer": self.highest_layer[nodes],
                "members": [self._strongest(node, n_members) for node in nodes],
            },
            index=pd.RangeIndex(len(nodes), name="rank"),
        )

    def _strongest(self, node: int, n: int) -> list[tuple[int, int]]:
        """Return the neurons of a node that merge first, in that order."""
        vertices = self.members(node)
        first = vertices[np.argsort(self.death[vertices], kind="stable")[:n]]
        indices = (first % self.n_neurons).tolist()
        return list(zip(self.layer_of(first).tolist(), indices, strict=True))

    def truncate(self, radius: float) -> NeuronTree:
        """Return the tree of the graph without edges longer than ``radius``."""
        return self.from_tree(super().truncate(radius), *self._layout)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the tree to a file.

        Parameters
        ----------
        path : path-like
            Ends in ``.npz`` or ``.safetensors``. An existing file is replaced atomically.
        """
        arrays = {name: getattr(self, name).astype(np.int64) for name in _WHOLE}
        layout = dict(zip(_LAYOUT, self._layout, strict=True))
        write_arrays(path, _KIND, {"birth": self.birth, **arrays}, layout)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> NeuronTree:
        """Read a file of :meth:`save`.

        Parameters
        ----------
        path : path-like
            The file.

        Returns
        -------
        NeuronTree
        """
        arrays, layout = read_arrays(path, _KIND)
        try:
            return cls(*_checked(arrays), *(_whole_number(layout[name]) for name in _LAYOUT))
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} does not hold a valid neuron tree: {error}") from error


def _whole_number(value: Any) -> int:
    if type(value) is not int:
        raise ValueError(f"{value!r} is not a whole number.")
    return value


def _checked(arrays: dict[str, NDArray[Any]]) -> tuple[Any, ...]:
    """Return the fields of a MergeTree from the arrays of a file, after checks."""
    birth = arrays["birth"].astype(np.float64, casting="safe")
    whole = (arrays[name].astype(np.intp, casting="safe") for name in _WHOLE)
    parent, size, leaf_order, start = whole
    n_nodes, n = len(birth), len(leaf_order)
    if birth.ndim != 1 or any(a.shape != (n_nodes,) for a in (parent, size, start)):
        raise ValueError("its arrays differ in shape.")
    if not np.array_equal(np.sort(leaf_order), np.arange(n)) or n > n_nodes:
        raise ValueError("its leaf order is not a permutation of the neurons.")
    rises = np.diff(birth[n:]) >= 0
    if (birth[:n] != 0).any() or not (np.isfinite(birth[n:]) & (birth[n:] >= 0)).all():
        raise ValueError("a birth is not a radius.")
    nodes = np.arange(n_nodes)
    held = parent >= 0
    if not (rises.all() and (parent[held] > nodes[held]).all() and (parent < n_nodes).all()):
        raise ValueError("its nodes are not in order of birth.")
    if (parent < -1).any() or (parent[held] < n).any():
        raise ValueError("a parent is not a cluster.")
    death = np.where(held, birth[parent], np.inf)
    children = np.bincount(parent[held], weights=size[held], minlength=n_nodes)
    if (size[:n] != 1).any() or not np.array_equal(children[n:], size[n:]):
        raise ValueError("the size of a cluster is not that of its parts.")
    inside = (start[held] >= start[parent[held]]) & (
        start[held] + size[held] <= start[parent[held]] + size[parent[held]]
    )
    if not (inside.all() and (start >= 0).all() and (start + size <= n).all()):
        raise ValueError("the members of a cluster are not those of its parts.")
    if not np.array_equal(leaf_order[start[:n]], np.arange(n)):
        raise ValueError("the neurons are not where the leaf order has them.")
    return n, birth, death, parent, size, leaf_order, start
