"""The merge tree straight from its definition, in O(n^3), and clouds of points to try it on."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from tests.support.oracles import minimax, symmetric

ARRAYS = ("birth", "death", "parent", "size", "leaf_order", "start")


def smoothed(lengths, min_samples):
    """Lengths of at least the core distances of both ends, straight from the formula."""
    lengths = lengths.astype(np.float64)
    n = len(lengths)
    core = [np.sort(row)[min_samples - 1] if min_samples <= n else np.inf for row in lengths]
    return symmetric(np.maximum(lengths, np.maximum.outer(core, core)))


def exact_tree(lengths):
    """The arrays of the MergeTree, and the heights of its forest, from the minimax paths."""
    reach = minimax(lengths)
    n = len(reach)
    birth_of = {}
    for radius in np.unique(reach[np.isfinite(reach) & ~np.eye(n, dtype=bool)]):
        near = reach <= radius
        for i in np.unique(near.argmax(axis=1)):
            members = tuple(np.flatnonzero(near[i]).tolist())
            if len(members) > 1:
                birth_of.setdefault(members, radius)
    found = []
    for members, birth in birth_of.items():
        outside = np.delete(reach[members[0]], members)
        found.append((birth, outside.min(initial=np.inf), len(members), members[0], members))
    found.sort()
    alone = np.where(np.eye(n, dtype=bool), np.inf, reach).min(axis=1, initial=np.inf)
    nodes = [(0.0, alone[i], 1, i, (i,)) for i in range(n)] + found
    name = {members: node for node, (*_, members) in enumerate(nodes)}
    parent = np.full(len(nodes), -1)
    children = [[] for _ in nodes]
    for node, (_, death, _, smallest, _) in enumerate(nodes):
        if np.isfinite(death):
            above = name[tuple(np.flatnonzero(reach[smallest] <= death).tolist())]
            parent[node] = above
            children[above].append(node)
    start, leaf_order = np.empty(len(nodes), dtype=int), []
    ahead = [node for node in range(len(nodes)) if parent[node] < 0]
    ahead.sort(key=lambda node: -nodes[node][3])
    while ahead:
        node = ahead.pop()
        start[node] = len(leaf_order)
        if node < n:
            leaf_order.append(node)
        ahead += sorted(children[node], key=lambda child: -nodes[child][3])
    birth, death, size = (np.array([node[k] for node in nodes]) for k in range(3))
    heights = np.repeat(birth, [max(len(parts) - 1, 0) for parts in children])
    columns = birth, death, parent, size, np.array(leaf_order), start
    return dict(zip(ARRAYS, columns, strict=True)), heights


def point_lengths(X, metric):
    """The lengths of a Minkowski metric, feature by feature; extreme coordinates are scaled."""
    largest = np.abs(X).max()
    extreme = largest > 0 and not 1e-100 < largest < 1e100
    exponent = int(np.frexp(largest)[1]) if extreme else 0
    X = np.ldexp(X, -exponent)
    total = np.zeros((len(X), len(X)))
    for x in X.T:
        gap = np.abs(np.subtract.outer(x, x))
        if metric == "chebyshev":
            total = np.maximum(total, gap)
        else:
            total = total + (gap if metric == "manhattan" else gap * gap)
    lengths = np.sqrt(total) if metric == "euclidean" else total
    return lengths * 2.0 ** min(exponent, 1023)


@st.composite
def clouds(draw, max_points=60):
    """Points with ties, duplicates, constant columns, extreme coordinates."""
    n, d = draw(st.integers(1, max_points)), draw(st.sampled_from([*range(1, 9), 20]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    kind = draw(st.sampled_from(["normal", "grid", "duplicates", "uneven", "wide", "clumps"]))
    X = rng.normal(size=(n, d))
    if kind == "grid":
        X = rng.integers(0, draw(st.integers(1, 9)), size=(n, d)).astype(float)
    elif kind == "duplicates":
        X = X[rng.integers(0, n // 4 + 1, size=n)]
    elif kind == "uneven":
        X *= np.exp(3 * rng.normal(size=(n, 1)))
    elif kind == "wide":
        X = np.sign(X) * 10.0 ** rng.uniform(-300, 300, size=(n, d))
    elif kind == "clumps":
        X = X[rng.integers(0, n // 10 + 1, size=n)] + 1e-9 * X
    X[:, rng.random(d) < draw(st.sampled_from([0.0, 0.0, 0.5]))] = 7.0
    return X if kind == "wide" else X * 10.0 ** draw(st.sampled_from([0, 0, 0, -9, -300, 150, 299]))
