"""The merge tree of all MLP neurons of a model, in one exact pass over its weights.

The graph has an edge for every pair of neurons in adjacent layers: 10^8 for GPT-2 small, 4 x 10^9
for LLaMA-2 7B. The minimum spanning forest of a union of edge sets is in the union of their minimum
spanning forests. So every tile of the weights between two layers is formed once and reduced to its
forest; one sparse forest of these edges gives the tree.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo._upward import checkpoint_rows
from neurotopo.graphs.bipartite import tile_edges
from neurotopo.graphs.connections import RowSource, check_row_source
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.products import NotFiniteError, Products
from neurotopo.graphs.row_pairs import RowPair
from neurotopo.graphs.whole_model_plan import MOST_EDGES, Plan
from neurotopo.persistence.forest import SpanningForest, spanning_edges
from neurotopo.persistence.lengths import Length, edge_lengths
from neurotopo.persistence.tree_building import tree_of_forest

__all__ = ["whole_model_forest", "whole_model_tree"]

logger = logging.getLogger(__name__)


def whole_model_tree(
    model: RowSource | str | Path,
    *,
    layers: tuple[int, int] | None = None,
    path: str = "up",
    fold_norm: bool = False,
    signed: bool = False,
    length: Length = "inverse",
    power: float = 1.0,
    activations: ArrayLike | None = None,
    tile_size: int | None = None,
    dtype: str = "float32",
    device: str | None = None,
    progress: bool = False,
) -> NeuronTree:
    r"""Build the merge tree of all MLP neurons of a model.

    Edges are those of :class:`~neurotopo.NeuronGraph`: for A in layer l and B in layer l + 1 the
    weight is :math:`w_{AB} = \langle \mathrm{out}_A, \mathrm{in}_B \rangle` and the length
    :math:`|1 / w_{AB}|`. The tree is exact: that of the graph with all these edges (and of its
    shortest paths).

    Parameters
    ----------
    model : RowSource, str or Path
        A :class:`~neurotopo.NeuronModel`, another RowSource, or a safetensors file or a folder with
        ``config.json`` and safetensors, of which two pairs of layers are in memory at a time.
    layers : (int, int), optional
        First layer and the one after the last. None: all layers.
    path : {"up", "gate", "both"}, default="up"
        In-projection of a gated MLP; ``"both"``: the mean of the absolute weights, in twice the
        time.
    fold_norm : bool, default=False
        Whether to multiply in-rows by the gain of the norm before the MLP.
    signed : bool, default=False
        Only positive weights are edges.
    length : {"inverse", "power", "neglog", "one_minus"}, str or callable, default="inverse"
        Edge lengths, as for :func:`~neurotopo.graphs.edge_lengths`. A callable is slow: it is
        called with all weights.
    power : float, default=1.0
        The exponent of ``length="power"``.
    activations : array-like, shape (n_layers, n_neurons), optional
        Factors of the weights: the activation of the earlier neuron.
    tile_size : int, optional
        Neurons on each side of a tile. None: a whole pair of layers, or equal parts of at most
        512 MiB.
    dtype : {"float32", "float64"}, default="float32"
        Precision of the weights; lengths are in double precision. With ``device`` also
        ``"bfloat16"`` and ``"float16"`` for rows, with sums in single precision.
    device : str, optional
        Device of the tiles: None or ``"cpu"``, by NumPy; ``"cuda"`` or ``"cuda:1"``, by torch.
    progress : bool, default=False
        Whether to show a progress bar (needs tqdm; otherwise tiles are logged).

    Returns
    -------
    NeuronTree
        Vertex ``(layer - first_layer) * n_neurons + i`` is neuron i of a layer.

    Raises
    ------
    MemoryError
        If rows, tiles and edges do not fit into memory.

    See Also
    --------
    whole_model_forest : The spanning forest.
    neurotopo.NeuronGraph : The graph of some chosen neurons.

    Notes
    -----
    Two tiles of weights are in memory: one is reduced to its forest (see
    :func:`~neurotopo.graphs.bipartite.tile_forest`) while the next one is formed. Most of the time
    is for the matrix products.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, Eq 4.

    Examples
    --------
    >>> from neurotopo.graphs.whole_model import whole_model_tree
    >>> from neurotopo.models.examples import random_model
    >>> tree = whole_model_tree(random_model())
    >>> tree.n_samples, tree.n_components, len(tree.neurons(tree.roots[0]))
    (72, 1, 72)
    """
    source = _opened(model)
    plan = Plan.of(
        source,
        layers=layers,
        path=path,
        fold_norm=fold_norm,
        signed=signed,
        length=length,
        power=power,
        activations=activations,
        tile_size=tile_size,
        dtype=dtype,
        device=device,
    )
    forest = _forest(source, plan, progress)
    first, last = plan.layers
    return NeuronTree.from_tree(tree_of_forest(forest), first, last - first, source.n_neurons)


def whole_model_forest(
    model: RowSource | str | Path, *, progress: bool = False, **options: Any
) -> SpanningForest:
    """Find a minimum spanning forest of all MLP neurons of a model.

    Parameters
    ----------
    model : RowSource, str or Path
        As for :func:`whole_model_tree`.
    progress : bool, default=False
        Show a progress bar.
    **options
        As for :func:`whole_model_tree`.

    Returns
    -------
    SpanningForest
        Edges ``source < target`` of the graph with their lengths.

    Examples
    --------
    >>> from neurotopo.graphs.whole_model import whole_model_forest
    >>> from neurotopo.models.examples import random_model
    >>> forest = whole_model_forest(random_model())
    >>> forest.n_vertices, forest.n_components
    (72, 1)
    """
    source = _opened(model)
    return _forest(source, Plan.of(source, **options), progress)


def _opened(model: RowSource | str | Path) -> RowSource:
    if isinstance(model, str | Path):
        return checkpoint_rows(model)
    check_row_source(model)
    return model


@dataclass(frozen=True)
class _Edges:
    """Edges of the whole model, with strengths."""

    source: NDArray[np.integer[Any]]
    target: NDArray[np.integer[Any]]
    strength: NDArray[np.floating[Any]]

    def take(self, chosen: NDArray[Any]) -> _Edges:
        return _Edges(self.source[chosen], self.target[chosen], self.strength[chosen])

    @classmethod
    def union(cls, parts: list[_Edges]) -> _Edges:
        if not parts:
            nothing = np.empty(0, np.int32)
            return cls(nothing, nothing, np.empty(0, np.float32))
        columns = zip(*((part.source, part.target, part.strength) for part in parts), strict=True)
        return cls(*map(np.concatenate, columns))


def _forest(source: RowSource, plan: Plan, progress: bool) -> SpanningForest:
    plan.require_memory(source)
    pairs = plan.row_pairs(source)
    parts: list[_Edges] = []
    with closing(pairs), _progress(progress, plan.n_tiles) as advance:
        for edges in _searched(_tiles(plan, plan.products(), pairs)):
            parts.append(edges)
            if sum(len(part.source) for part in parts) > MOST_EDGES * plan.n_vertices:
                parts = [_reduced(plan.n_vertices, _Edges.union(parts))]
            advance()
    return _measured(plan, _Edges.union(parts))


def _tiles(
    plan: Plan, products: Products, pairs: Iterator[RowPair]
) -> Iterator[Callable[[], _Edges]]:
    """Form the tiles; yield functions that return the edges of the forest of a tile."""
    for pair in pairs:
        out_rows = products.prepared(pair.out_rows)
        in_rows = [products.prepared(rows) for rows in pair.in_rows]
        layer, check = pair.layer, pair.may_overflow
        del pair  # frees memory for the next two
        corner = (layer - plan.layers[0]) * plan.n_neurons
        for here, there in product(plan.sides, plan.sides):
            chosen = [rows[there] for rows in in_rows]
            try:
                weights = products.multiply(out_rows[here], chosen, check=check)
            except NotFiniteError as error:
                raise ValueError(
                    f"the weight of neurons ({layer}, {here.start + error.row}) and "
                    f"({layer + 1}, {there.start + error.column}) is too large for {plan.dtype}"
                    + ("." if plan.dtype == "float64" else "; dtype='float64' may hold it.")
                ) from None
            places = corner + here.start, corner + plan.n_neurons + there.start
            yield partial(_tile_edges, products, weights, *places)
        del out_rows, in_rows, chosen


def _tile_edges(products: Products, weights: Any, first_row: int, first_column: int) -> _Edges:
    edges = tile_edges(products.tile(weights))
    return _Edges(
        (edges.row + first_row).astype(np.int32),
        (edges.column + first_column).astype(np.int32),
        edges.strength,
    )


def _searched(searches: Iterator[Callable[[], _Edges]]) -> Iterator[_Edges]:
    """Search every tile while the next one is formed."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="neurotopo-tiles") as searcher:
        pending: Future[_Edges] | None = None
        for search in searches:
            edges = None if pending is None else pending.result()
            pending = searcher.submit(search)
            if edges is not None:
                yield edges
        if pending is not None:
            yield pending.result()


def _reduced(n_vertices: int, edges: _Edges) -> _Edges:
    lengths = -edges.strength.astype(np.float64)
    return edges.take(spanning_edges(n_vertices, edges.source, edges.target, lengths))


def _measured(plan: Plan, edges: _Edges) -> SpanningForest:
    """Turn strengths into lengths; return their forest, which is that of the strengths."""
    if callable(plan.length):
        lengths = -edges.strength.astype(np.float64) + 0.0
    else:
        # the strongest edge of the model is among them, for the scale of "neglog"
        lengths = edge_lengths(edges.strength, length=plan.length, power=plan.power)
    short = np.isfinite(lengths)
    source, target, lengths = edges.source[short], edges.target[short], lengths[short]
    chosen = spanning_edges(plan.n_vertices, source, target, lengths)
    return SpanningForest(plan.n_vertices, source[chosen], target[chosen], lengths[chosen])


@contextmanager
def _progress(bar: bool, n_tiles: int) -> Iterator[Callable[[], object]]:
    """Yield a function to call after every tile."""
    if bar:
        try:
            from tqdm.auto import tqdm
        except ImportError:
            logger.warning("progress=True needs the package tqdm; progress is logged instead.")
        else:
            with tqdm(total=n_tiles, desc="whole model", unit="tile") as shown:
                yield shown.update
            return
    done = 0

    def log() -> None:
        nonlocal done
        done += 1
        logger.info("%d of %d tiles", done, n_tiles)

    yield log
