"""Minimum spanning trees of points by Borůvka's algorithm on a k-d tree, compiled with numba.

In each round every component finds its shortest edge to a point outside. Most edges come from lists
of nearest neighbours; where a list is not proof enough, the k-d tree is searched.

All comparisons are exact. A distance is summed feature by feature, and the distance to a box in the
same order. Rounding is monotone, so a box is never farther than the points inside it. Euclidean
lengths are compared before the root is taken. (Powers of other orders get a margin.)
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray
from sklearn.neighbors import KDTree

from neurotopo._memory import require_array

__all__ = ["binary_parents", "boruvka_tree", "general_lengths"]

_CHUNK = 2048  # points per task: fixed, so that the result does not depend on the threads

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def compiled(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function at its first call; keep the result on disk where that is possible."""
    try:
        return njit(function, nogil=True, cache=True, error_model="numpy")
    except RuntimeError:  # no folder can be written
        return njit(function, nogil=True, error_model="numpy")


def boruvka_tree(
    X: Floats, order: float, min_samples: int = 1, n_threads: int = 1
) -> tuple[Ints, Ints, Floats]:
    """Find the minimum spanning tree of points.

    Parameters
    ----------
    X : ndarray of float64, shape (n, d)
        At least two points.
    order : float
        Order of the Minkowski metric, 1 or more.
    min_samples : int, default=1
        Core-distance smoothing, at most ``n``. 1: no smoothing.
    n_threads : int, default=1
        Number of threads. The result does not depend on it.

    Returns
    -------
    source, target : ndarray of int, shape (n - 1,)
        End points of the edges.
    length : ndarray of float64, shape (n - 1,)
        Lengths of the edges.
    """
    n, d = X.shape
    tree = KDTree(X, leaf_size=12 if d <= 3 else 24)
    _, name, nodes, (low, high) = tree.get_arrays()
    first, last = nodes["idx_start"], nodes["idx_end"]
    first, last = first.astype(np.int64), last.astype(np.int64)
    leaf = nodes["is_leaf"].astype(np.bool_)
    low, high = np.ascontiguousarray(low), np.ascontiguousarray(high)
    P = np.ascontiguousarray(X[name].T)
    space = (P, first, last, leaf, low, high, float(order))

    k = min(max(8 if d <= 3 else 6, min_samples - 1), n - 1)
    what = f"the {k:,} nearest neighbours of {n:,} samples"
    require_array((n, k), what, "A smaller min_samples needs less.", copies=2)
    near = np.empty((n, k))
    neighbour = np.empty((n, k), dtype=np.int32)
    with ThreadPoolExecutor(n_threads) as pool:

        def everywhere(kernel: Callable[..., Any], size: int, *arguments: Any) -> None:
            parts = [(a, min(a + _CHUNK, size)) for a in range(0, size, _CHUNK)]
            run = pool.map if n_threads > 1 else map
            list(run(lambda part: kernel(*part, *arguments), parts))

        everywhere(_nearest, n, space, near, neighbour)
        core = near[:, min_samples - 2].copy() if min_samples > 1 else np.zeros(n)
        node_core = _node_minima(core, first, last, leaf)

        component = np.arange(n)
        skip = np.zeros(n, dtype=np.int32)  # neighbours at the front known to be inside
        bound = np.maximum(near[:, -1], core) if k < n - 1 else np.full(n, np.inf)
        size, partner = np.empty(n), np.empty(n, dtype=np.int64)
        found, found_size = np.full(n, -1), np.full(n, np.inf)
        source, target = np.empty(n - 1, np.int64), np.empty(n - 1, np.int64)
        weight = np.empty(n - 1)
        n_edges, n_components = 0, n
        while n_edges < n - 1:
            everywhere(
                _scan, n, near, neighbour, core, component, skip, found, found_size, size, partner
            )
            best = _best_of_components(component, size, n_components)
            unsure = np.flatnonzero(bound < best[component])
            if len(unsure):
                uniform = _node_components(component, first, last, leaf)
                group = component[unsure]
                unsure = unsure[np.lexsort((bound[unsure], group))]
                group = component[unsure]
                is_first = np.append(True, group[1:] != group[:-1])
                for some in (unsure[is_first], unsure[~is_first]):
                    everywhere(
                        _search,
                        len(some),
                        some,
                        space,
                        core,
                        node_core,
                        component,
                        uniform,
                        best,
                        bound,
                        found,
                        found_size,
                        size,
                        partner,
                    )
                    best = _best_of_components(component, size, n_components)
            n_edges, n_components = _join(
                component, size, partner, best, source, target, weight, n_edges
            )
    length = np.sqrt(weight) if order == 2 else weight
    return name[source], name[target], length


@compiled
def general_length(a: Floats, b: Floats, order: float) -> float:
    """Minkowski distance of any order, relative to the largest gap: powers may underflow."""
    largest = 0.0
    for f in range(len(a)):
        largest = max(largest, abs(a[f] - b[f]))
    if largest == 0.0:
        return 0.0
    total = 0.0
    for f in range(len(a)):
        total += (abs(a[f] - b[f]) / largest) ** order
    return total ** (1.0 / order) * largest


@compiled
def general_lengths(a: Floats, b: Floats, order: float) -> Floats:
    """Minkowski distances of any order along the last of three axes."""
    out = np.empty(a.shape[:2])
    for i in range(a.shape[0]):
        for j in range(a.shape[1]):
            out[i, j] = general_length(a[i, j], b[i, j], order)
    return out


@compiled
def _sizes(P: Floats, i: int, first: int, last: int, order: float, out: Floats) -> None:
    """Distances from point i to points first .. last - 1, squared for order 2."""
    m = last - first
    if order != 1.0 and order != 2.0 and order != np.inf:
        for j in range(m):
            out[j] = general_length(P[:, i], P[:, first + j], order)
        return
    for j in range(m):
        out[j] = 0.0
    for f in range(P.shape[0]):
        x = P[f, i]
        row = P[f, first:last]
        if order == 2.0:
            for j in range(m):
                gap = row[j] - x
                out[j] += gap * gap
        elif order == 1.0:
            for j in range(m):
                out[j] += abs(row[j] - x)
        else:
            for j in range(m):
                out[j] = max(out[j], abs(row[j] - x))


@compiled
def _box_size(q: Floats, low: Floats, high: Floats, order: float, gaps: Floats) -> float:
    """Distance from a point to a box, squared for order 2; a lower bound for other orders."""
    total = 0.0
    for f in range(len(q)):
        gap = max(max(low[f] - q[f], q[f] - high[f]), 0.0)
        if order == 2.0:
            total += gap * gap
        elif order == 1.0:
            total += gap
        else:
            total = max(total, gap)
            gaps[f] = gap
    if order != 1.0 and order != 2.0 and order != np.inf:
        return general_length(gaps, np.zeros_like(gaps), order) * (1 - 1e-12)
    return total


@compiled
def _nearest(a: int, b: int, space: Any, near: Floats, neighbour: NDArray[np.int32]) -> None:
    """Find the nearest other points of points a .. b - 1, in ascending order."""
    P, first, last, leaf, low, high, order = space
    d, k = P.shape[0], near.shape[1]
    out = np.empty((last - first)[leaf].max())
    q, gaps = np.empty(d), np.empty(d)
    stack, stack_size = np.empty(128, np.int64), np.empty(128)
    for i in range(a, b):
        q[:] = P[:, i]
        values, names = near[i], neighbour[i]
        values[:] = np.inf
        worst = np.inf
        stack[0], stack_size[0], top = 0, 0.0, 1
        while top > 0:
            top -= 1
            node = stack[top]
            if stack_size[top] >= worst:
                continue
            if leaf[node]:
                begin = first[node]
                _sizes(P, i, begin, last[node], order, out)
                for j in range(last[node] - begin):
                    if out[j] < worst and begin + j != i:
                        at = k - 1
                        while at > 0 and values[at - 1] > out[j]:
                            values[at], names[at] = values[at - 1], names[at - 1]
                            at -= 1
                        values[at], names[at] = out[j], begin + j
                        worst = values[k - 1]
                continue
            one, other = 2 * node + 1, 2 * node + 2
            near_one = _box_size(q, low[one], high[one], order, gaps)
            near_other = _box_size(q, low[other], high[other], order, gaps)
            if near_other < near_one:
                one, other, near_one, near_other = other, one, near_other, near_one
            if near_other < worst:
                stack[top], stack_size[top] = other, near_other
                top += 1
            if near_one < worst:
                stack[top], stack_size[top] = one, near_one
                top += 1


@compiled
def _scan(
    a: int,
    b: int,
    near: Floats,
    neighbour: Any,
    core: Floats,
    component: Ints,
    skip: Any,
    found: Ints,
    found_size: Floats,
    size: Floats,
    partner: Ints,
) -> None:
    """Find the shortest known edges out of the components of points a .. b - 1."""
    k = near.shape[1]
    for i in range(a, b):
        own = component[i]
        best, end = np.inf, -1
        if found[i] >= 0 and component[found[i]] != own:
            best, end = found_size[i], found[i]
        while skip[i] < k and component[neighbour[i, skip[i]]] == own:
            skip[i] += 1
        for t in range(skip[i], k):
            reach = max(near[i, t], core[i])
            if reach >= best:
                break
            j = neighbour[i, t]
            reach = max(reach, core[j])
            if reach < best and component[j] != own:
                best, end = reach, j
        size[i], partner[i] = best, end


@compiled
def _best_of_components(component: Ints, size: Floats, n_components: int) -> Floats:
    best = np.full(n_components, np.inf)
    for i in range(len(component)):
        best[component[i]] = min(best[component[i]], size[i])
    return best


@compiled
def _node_minima(values: Floats, first: Ints, last: Ints, leaf: Any) -> Floats:
    lowest = np.empty(len(first))
    for node in range(len(first) - 1, -1, -1):
        if leaf[node]:
            lowest[node] = values[first[node] : last[node]].min()
        else:
            lowest[node] = min(lowest[2 * node + 1], lowest[2 * node + 2])
    return lowest


@compiled
def _node_components(component: Ints, first: Ints, last: Ints, leaf: Any) -> Ints:
    """Component of all points of a node, -1 for more than one."""
    uniform = np.empty(len(first), np.int64)
    for node in range(len(first) - 1, -1, -1):
        if leaf[node]:
            uniform[node] = component[first[node]]
            for i in range(first[node] + 1, last[node]):
                if component[i] != uniform[node]:
                    uniform[node] = -1
                    break
        elif uniform[2 * node + 1] == uniform[2 * node + 2]:
            uniform[node] = uniform[2 * node + 1]
        else:
            uniform[node] = -1
    return uniform


@compiled
def _search(
    a: int,
    b: int,
    points: Ints,
    space: Any,
    core: Floats,
    node_core: Floats,
    component: Ints,
    uniform: Ints,
    best: Floats,
    bound: Floats,
    found: Ints,
    found_size: Floats,
    size: Floats,
    partner: Ints,
) -> None:
    """Search the tree for shorter edges from points a .. b - 1 of a list sorted by component."""
    P, first, last, leaf, low, high, order = space
    out = np.empty((last - first)[leaf].max())
    q, gaps = np.empty(P.shape[0]), np.empty(P.shape[0])
    stack, stack_size = np.empty(128, np.int64), np.empty(128)
    current, limit = -1, np.inf
    for at in range(a, b):
        i = points[at]
        own = component[i]
        if own != current:
            current, limit = own, best[own]
        if bound[i] >= limit:
            continue
        q[:] = P[:, i]
        end = -1
        stack[0], stack_size[0], top = 0, 0.0, 1
        while top > 0:
            top -= 1
            node = stack[top]
            if stack_size[top] >= limit:
                continue
            if leaf[node]:
                begin = first[node]
                _sizes(P, i, begin, last[node], order, out)
                for j in range(last[node] - begin):
                    if out[j] < limit and component[begin + j] != own:
                        reach = max(max(out[j], core[i]), core[begin + j])
                        if reach < limit:
                            limit, end = reach, begin + j
                continue
            one, other = 2 * node + 1, 2 * node + 2
            near_one = near_other = np.inf
            if uniform[one] != own:
                near_one = max(_box_size(q, low[one], high[one], order, gaps), core[i])
                near_one = max(near_one, node_core[one])
            if uniform[other] != own:
                near_other = max(_box_size(q, low[other], high[other], order, gaps), core[i])
                near_other = max(near_other, node_core[other])
            if near_other < near_one:
                one, other, near_one, near_other = other, one, near_other, near_one
            if near_other < limit:
                stack[top], stack_size[top] = other, near_other
                top += 1
            if near_one < limit:
                stack[top], stack_size[top] = one, near_one
                top += 1
        bound[i] = limit  # no edge out of the component is shorter, now and later
        if end >= 0:
            found[i], found_size[i] = end, limit
            size[i], partner[i] = limit, end


@compiled
def _join(
    component: Ints,
    size: Floats,
    partner: Ints,
    best: Floats,
    source: Ints,
    target: Ints,
    weight: Floats,
    n_edges: int,
) -> tuple[int, int]:
    """Add the shortest edge of every component; rename the components 0, 1, 2, ..."""
    top = np.arange(len(best))
    done = np.zeros(len(best), np.bool_)
    for i in range(len(component)):
        own = component[i]
        if done[own] or size[i] != best[own]:
            continue
        done[own] = True
        one, other = own, component[partner[i]]
        while top[one] != one:
            top[one] = top[top[one]]
            one = top[one]
        while top[other] != other:
            top[other] = top[top[other]]
            other = top[other]
        if one == other:  # equal lengths can close a cycle
            continue
        top[max(one, other)] = min(one, other)
        source[n_edges], target[n_edges], weight[n_edges] = i, partner[i], size[i]
        n_edges += 1
    name = np.empty(len(best), np.int64)
    count = 0
    for c in range(len(best)):
        if top[c] == c:
            name[c] = count
            count += 1
        else:
            name[c] = name[top[c]]  # a parent has a smaller number
    for i in range(len(component)):
        component[i] = name[component[i]]
    return n_edges, count


@compiled
def binary_parents(n: int, source: Ints, target: Ints) -> Ints:
    """Join the edges of a spanning tree in order; edge ``e`` makes node ``n + e``.

    Return the parent of each node; the root is its own parent. ``up`` is a union-find: it leads to
    another vertex or, at a representative, holds -1 - (the newest node).
    """
    up = np.empty(n, np.int32)
    for i in range(n):
        up[i] = -1 - i
    parent = np.empty(2 * n - 1, np.int64)
    for e in range(n - 1):
        a, b = source[e], target[e]
        while up[a] >= 0:
            if up[up[a]] >= 0:
                up[a] = up[up[a]]
            a = up[a]
        while up[b] >= 0:
            if up[up[b]] >= 0:
                up[b] = up[up[b]]
            b = up[b]
        parent[-1 - up[a]] = parent[-1 - up[b]] = n + e
        up[max(a, b)] = min(a, b)
        up[min(a, b)] = -1 - (n + e)
    parent[2 * n - 2] = 2 * n - 2
    return parent
