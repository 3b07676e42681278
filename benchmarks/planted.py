"""Graphs with known clusters, layered like a network.

Each neuron has a layer and is connected only to neurons of the adjacent layers. A planted
community occupies consecutive layers, has strong weights inside, and differs from others in size,
density and strength; all other weights are weak. Noise neurons have weak weights only. The length
of an edge is 1 / |weight|, and :attr:`PlantedGraph.distances` is the paper's matrix A: between
adjacent layers the length of the edge, within a layer infinite, otherwise the length of the
shortest path.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp
from scipy.sparse.csgraph import shortest_path


@dataclass(frozen=True)
class Level:
    """How hard it is to find the communities.

    Attributes
    ----------
    contrast : float
        Typical weight inside the weakest community over the typical weight elsewhere.
    spread : float
        Standard deviation of the logarithm of a weight, inside and outside alike.
    strongest : float
        Communities have typical weights between 1 and this, log-uniformly.
    density_in : tuple of float
        Each community has a density between these (a spanning tree is always there).
    density_out : float
        Share of the other pairs of adjacent layers that are connected at all.
    noise : float
        Noise neurons per community neuron.
    layer_scale : float
        All weights between two adjacent layers, strong and weak, are multiplied by one number,
        log-uniform between 1 / layer_scale and layer_scale: layers of a network differ in norm.
    """

    contrast: float
    spread: float
    strongest: float
    density_in: tuple[float, float]
    density_out: float
    noise: float
    layer_scale: float = 1.0


LEVELS = {
    "easy": Level(8.0, 0.2, 1.0, (0.6, 0.9), 0.3, 0.0),
    "noisy": Level(8.0, 0.3, 1.0, (0.4, 0.9), 0.5, 0.3),
    "uneven": Level(8.0, 0.3, 6.0, (0.4, 0.9), 0.5, 0.3),
    "uneven layers": Level(8.0, 0.3, 1.0, (0.4, 0.9), 0.5, 0.3, layer_scale=2.5),
    "hard": Level(4.0, 0.4, 4.0, (0.3, 0.8), 0.8, 0.5),
    "very hard": Level(2.5, 0.5, 4.0, (0.2, 0.7), 1.0, 1.0),
}
N_LAYERS = 12
SIZES = (4, 5, 6, 8, 10, 13, 17, 22)


@dataclass(frozen=True)
class PlantedGraph:
    """A graph with its truth.

    Attributes
    ----------
    weights : ndarray, shape (n, n)
        Signed connection weights, symmetric; 0 = no connection.
    layer : ndarray of int, shape (n,)
        Layer of each neuron.
    truth : ndarray of int, shape (n,)
        Community of each neuron, -1 for noise.
    """

    weights: np.ndarray
    layer: np.ndarray
    truth: np.ndarray

    @cached_property
    def edges(self) -> sp.csr_array:
        """Lengths 1 / |weight| of the direct connections, symmetric and sparse."""
        row, col = np.nonzero(self.weights)
        return sp.csr_array((1.0 / np.abs(self.weights[row, col]), (row, col)), self.weights.shape)

    @cached_property
    def paths(self) -> np.ndarray:
        """Lengths of the shortest paths between all neurons, ``inf`` where there is none."""
        matrix = shortest_path(self.edges, directed=False)
        return np.minimum(matrix, matrix.T)  # the two directions may differ by rounding

    @cached_property
    def distances(self) -> np.ndarray:
        """The paper's matrix A (Eq 4 to 7), dense, ``inf`` where there is no way."""
        gap = np.abs(self.layer[:, None] - self.layer)
        matrix = self.paths.copy()
        direct = self.edges.toarray()
        matrix[gap == 1] = np.where(direct > 0, direct, np.inf)[gap == 1]
        matrix[gap == 0] = np.inf
        np.fill_diagonal(matrix, 0.0)
        return matrix


def planted_graph(level: Level, seed: int, sizes: tuple[int, ...] = SIZES) -> PlantedGraph:
    """Draw a layered graph with one community of each of the given sizes.

    Parameters
    ----------
    level : Level
        How hard it is.
    seed : int
        Everything is drawn from it.
    sizes : tuple of int
        Sizes of the communities, at least 2 each. Empty: a graph of noise alone.

    Returns
    -------
    PlantedGraph
    """
    rng = np.random.default_rng(seed)
    n_noise = round(level.noise * sum(sizes)) if sizes else round(sum(SIZES))
    layer = np.concatenate(
        [_layers_of_community(size, rng) for size in sizes] + [rng.integers(N_LAYERS, size=n_noise)]
    )
    truth = np.repeat([*range(len(sizes)), -1], [*sizes, n_noise])
    n = len(layer)
    upper = np.triu(np.abs(layer[:, None] - layer) == 1, 1)
    kept = upper & (rng.random((n, n)) < level.density_out)
    scale = np.full((n, n), 1.0 / level.contrast)
    for community in range(len(sizes)):
        inside = np.ix_(truth == community, truth == community)
        density = rng.uniform(*level.density_in)
        kept[inside] = upper[inside] & (rng.random(upper[inside].shape) < density)
        scale[inside] = level.strongest ** rng.random()
        for i, j in _spanning_tree(layer, np.flatnonzero(truth == community), rng):
            kept[min(i, j), max(i, j)] = True
    between = np.minimum(layer[:, None], layer)  # number of the pair of layers that an edge joins
    scale *= (level.layer_scale ** rng.uniform(-1, 1, size=N_LAYERS))[between]
    magnitude = scale * rng.lognormal(sigma=level.spread, size=(n, n))
    weights = np.where(kept, magnitude * rng.choice([-1.0, 1.0], size=(n, n)), 0.0)
    order = rng.permutation(n)  # communities are not to be seen from the order of the neurons
    return PlantedGraph((weights + weights.T)[np.ix_(order, order)], layer[order], truth[order])


def _layers_of_community(size: int, rng: np.random.Generator) -> np.ndarray:
    """Place a community on two to five consecutive layers, none of them empty."""
    span = int(rng.integers(2, min(size, 5) + 1))
    first = int(rng.integers(N_LAYERS - span + 1))
    rest = rng.integers(span, size=size - span)
    return first + np.concatenate([np.arange(span), rest])


def _spanning_tree(
    layer: np.ndarray, members: np.ndarray, rng: np.random.Generator
) -> list[tuple[int, int]]:
    """Connect the members by edges between adjacent layers, at random."""
    # The first members of a community lie on its layers one by one, see _layers_of_community.
    span = len(np.unique(layer[members]))
    edges = [(int(members[k]), int(members[k + 1])) for k in range(span - 1)]
    for k in range(span, len(members)):
        near = members[:k][np.abs(layer[members[:k]] - layer[members[k]]) == 1]
        edges.append((int(members[k]), int(rng.choice(near))))
    return edges
