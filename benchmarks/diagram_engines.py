"""Time the engines of ``persistence_diagrams``, on which its ``engine="auto"`` is based.

    python benchmarks/diagram_engines.py [--quick] [--limit SECONDS] [--repeat N]

Prints one Markdown table. Each cell is the best of several runs in a separate process, which stops
at the limit (for all its runs together). The input is a matrix, so the distances of points are not
timed. The column ``agreement`` is the value the rule uses (``neighbour_agreement``), ``auto`` the
engine it selects.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import time
from collections.abc import Callable, Iterator
from queue import Empty
from typing import Any

os.environ["OMP_NUM_THREADS"] = "1"  # before numpy is imported

import numpy as np
import scipy.sparse as sp
from environment import describe_environment
from scipy.spatial.distance import pdist, squareform
from sklearn.neighbors import kneighbors_graph

from neurotopo.persistence import diagrams
from neurotopo.persistence.diagrams import as_graph, neighbour_agreement, persistence_diagrams
from neurotopo.persistence.inputs import EdgeList

ENGINES = ("gudhi", "gudhi-simplextree", "ripser")
LARGEST_DENSE = 2000


def points(n: int, d: int) -> np.ndarray:
    return squareform(pdist(np.random.default_rng(0).normal(size=(n, d))))


def circle(n: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    angle = rng.uniform(0, 2 * np.pi, n)
    noise = 0.1 * rng.normal(size=(n, 2))
    return squareform(pdist(np.column_stack([np.cos(angle), np.sin(angle)]) + noise))


def weights(n: int, density: float = 1.0, groups: int = 1) -> Any:
    """Lengths 1/|w| of independent normal weights, three times as strong within a group."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, groups, n)
    w = np.abs(rng.normal(size=(n, n))) * np.where(group[:, None] == group, 3.0, 1.0)
    lengths = np.triu(1 / w, 1)
    lengths[rng.uniform(size=(n, n)) >= density] = 0
    lengths = lengths + lengths.T
    return lengths if density == 1.0 else sp.csr_array(lengths)


def neighbours(n: int, d: int, k: int) -> Any:
    X = np.random.default_rng(0).normal(size=(n, d))
    graph = kneighbors_graph(X, k, mode="distance")
    return sp.csr_array(graph.maximum(graph.T))


def layers(n_layers: int, size: int) -> Any:
    """Fully connected adjacent layers: a graph without triangles."""
    rng = np.random.default_rng(0)
    n = n_layers * size
    layer = np.arange(n) // size
    joined = np.abs(layer[:, None] - layer[None, :]) == 1
    lengths = np.triu(np.where(joined, 1 / np.abs(rng.normal(size=(n, n))), 0.0), 1)
    return sp.csr_array(lengths + lengths.T)


def cases(quick: bool) -> Iterator[tuple[str, Callable[[], Any], int]]:
    dense = ((1, (50, 100, 200, 300)), (2, (50, 100)))
    for dimension, sizes in ((1, (50, 100)), (2, (50,))) if quick else dense:
        for n in sizes:
            yield f"points, d = 2, n = {n}", lambda n=n: points(n, 2), dimension
            yield f"points, d = 20, n = {n}", lambda n=n: points(n, 20), dimension
            yield f"noisy circle, n = {n}", lambda n=n: circle(n), dimension
            yield f"weights, n = {n}", lambda n=n: weights(n), dimension
            yield f"weights, 4 groups, n = {n}", lambda n=n: weights(n, groups=4), dimension
    for dimension in (1,) if quick else (1, 2):
        for n, density in ((200, 0.2), (200, 0.5), (300, 0.3), (500, 0.1), (2000, 0.02)):
            name = f"weights on {density:.0%} of pairs, n = {n}"
            yield name, lambda n=n, p=density: weights(n, p), dimension
        for n, d, k in ((1000, 2, 10), (1000, 20, 30), (5000, 2, 30), (20000, 3, 10)):
            name = f"{k} nearest neighbours, d = {d}, n = {n}"
            yield name, lambda n=n, d=d, k=k: neighbours(n, d, k), dimension
        yield "6 layers of 40", lambda: layers(6, 40), dimension


def child(make: Callable[[], Any], dimension: int, engine: str, repeat: int, queue: Any) -> None:
    X = make()
    persistence_diagrams([[0, 1], [1, 0]], engine=engine)  # imports are not timed
    best = np.inf
    for _ in range(repeat):
        start = time.perf_counter()
        bars = persistence_diagrams(X, max_dimension=dimension, engine=engine)
        best = min(best, time.perf_counter() - start)
        if best > 2:
            break
    queue.put((best, [diagram.tolist() for diagram in bars]))


def measure(make: Callable[[], Any], dimension: int, engine: str, limit: float, repeat: int) -> Any:
    """Best time in seconds and the diagrams, None beyond the limit."""
    context = multiprocessing.get_context("fork")
    queue = context.Queue()
    process = context.Process(target=child, args=(make, dimension, engine, repeat, queue))
    process.start()
    try:
        return queue.get(timeout=limit)
    except Empty:
        return None
    finally:
        process.kill()
        process.join()


def row(name: str, make: Callable[[], Any], dimension: int, limit: float, repeat: int) -> str:
    graph = as_graph(make())
    n = graph.n_vertices if isinstance(graph, EdgeList) else len(graph)
    agreement = "-"
    if n <= LARGEST_DENSE:
        dense = graph.to_dense() if isinstance(graph, EdgeList) else graph
        agreement = f"{neighbour_agreement(dense):.2f}"
    chosen = diagrams._fastest(diagrams._within(graph, np.inf), dimension)
    found = {engine: measure(make, dimension, engine, limit, repeat) for engine in ENGINES}
    done = {engine: result for engine, result in found.items() if result is not None}
    if len({repr(bars) for _, bars in done.values()}) > 1:
        raise AssertionError(f"the engines disagree on {name}, dimension {dimension}.")
    fastest = min(done, key=lambda engine: done[engine][0], default=None)
    cells = []
    for engine in ENGINES:
        text = f"{done[engine][0] * 1e3:.3g}" if engine in done else f"> {limit * 1e3:g}"
        cells.append(f"**{text}**" if engine == fastest else text)
    return f"| {name} | {dimension} | {' | '.join(cells)} | {agreement} | {chosen} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small inputs only")
    parser.add_argument("--limit", type=float, default=30.0, help="seconds per cell (default 30)")
    parser.add_argument("--repeat", type=int, default=3, help="runs per cell (default 3)")
    options = parser.parse_args()
    print(describe_environment(), end="\n\n")
    print(f"| input | dimension | {' (ms) | '.join(ENGINES)} (ms) | agreement | auto |")
    print("|---|--:|" + "--:|" * (len(ENGINES) + 1) + "---|")
    for name, make, dimension in cases(options.quick):
        print(row(name, make, dimension, options.limit, options.repeat), flush=True)


if __name__ == "__main__":
    main()
