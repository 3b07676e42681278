"""Equations 4 to 7 of the paper and their options, read literally, in plain Python loops."""

from __future__ import annotations

import math

INF = math.inf
COMBINE = {"sum": lambda x, y: x + y, "product": lambda x, y: x * y, "max": max}


def naive_weight(model, a, b, *, path="up", fold_norm=False, activations=None):
    """Weight of two neurons (layer, index), A in the layer before B's: a sum of products."""
    (layer_a, i), (layer_b, j) = a, b
    out = model.out_rows(layer_a, [i])[0].astype(float).tolist()
    products = []
    for one in ("up", "gate") if path == "both" else (path,):
        row = model.in_rows(layer_b, [j], path=one, fold_norm=fold_norm)[0].astype(float).tolist()
        products.append(math.fsum(x * y for x, y in zip(out, row, strict=True)))
    weight = sum(map(abs, products)) / 2 if path == "both" else products[0]
    return weight if activations is None else weight * float(activations[layer_a][i])


def naive_weights(model, neurons, *, intra=None, **options):
    """All weights, pair by pair; 0 where there is no connection. Neurons are sorted pairs."""
    k = len(neurons)
    weights = [[0.0] * k for _ in range(k)]
    for a in range(k):
        for b in range(a + 1, k):
            gap = neurons[b][0] - neurons[a][0]
            if gap == 1:
                weights[a][b] = naive_weight(model, neurons[a], neurons[b], **options)
            elif gap == 0 and intra is not None:
                weights[a][b] = float(intra[a][b])
            weights[b][a] = weights[a][b]
    return weights


def naive_lengths(weights, *, length="inverse", power=1.0, signed=False):
    """Equation 4 and its options, entry by entry; inf where there is no edge."""
    strongest = max((w if signed else abs(w) for row in weights for w in row), default=0.0)

    def one(w):
        if w == 0 or (signed and w < 0):
            return INF
        if callable(length):
            return length(w)
        if length == "neglog":
            return math.log(strongest) - math.log(abs(w))
        return 1 / abs(w) if length == "inverse" else abs(w) ** -power

    return [[one(w) for w in row] for row in weights]


def naive_shortest(lengths, layers, *, aggregation="sum", paths="all"):
    """Equations 5 and 6: let more and more neurons stand between, until nothing changes.

    With ``paths="monotone"`` no step of a path may go down a layer.
    """
    combine, k = COMBINE[aggregation], len(layers)
    shortest = [[0.0 if a == b else lengths[a][b] for b in range(k)] for a in range(k)]
    while True:
        before = shortest
        shortest = [row.copy() for row in before]
        for a in range(k):
            for b in range(k):
                for m in range(k):
                    if m in (a, b) or a == b or before[a][m] == INF or before[m][b] == INF:
                        continue
                    low, high = sorted((layers[a], layers[b]))
                    if paths == "monotone" and not low <= layers[m] <= high:
                        continue
                    shortest[a][b] = min(shortest[a][b], combine(before[a][m], before[m][b]))
        if shortest == before:
            return shortest


def enumerated_shortest(lengths, layers, *, aggregation="sum", paths="all"):
    """Equation 5 itself: the minimum over every path that visits no neuron twice."""
    combine, k = COMBINE[aggregation], len(layers)
    shortest = [[0.0 if a == b else INF for b in range(k)] for a in range(k)]

    def walk(start, here, so_far, visited):
        for there in range(k):
            step = lengths[here][there]
            if there in visited or step == INF:
                continue
            if paths == "monotone" and layers[there] < layers[here]:
                continue
            total = step if so_far is None else combine(so_far, step)
            if total < shortest[start][there]:
                shortest[start][there] = shortest[there][start] = total
            walk(start, there, total, visited | {there})

    for start in range(k):
        walk(start, start, None, {start})
    return shortest


def naive_matrix(lengths, layers, *, max_span=None, intra=False, find=naive_shortest, **routes):
    """The matrix A: Eq 4 for adjacent layers, Eq 5 further apart, Eq 7 within one layer."""
    k = len(layers)
    shortest = find(lengths, layers, **routes)
    matrix = [[0.0] * k for _ in range(k)]
    for a in range(k):
        for b in range(k):
            gap = abs(layers[a] - layers[b])
            if a == b:
                continue
            if gap == 0:
                matrix[a][b] = shortest[a][b] if intra else INF
            elif gap == 1:
                matrix[a][b] = lengths[a][b]
            else:
                matrix[a][b] = shortest[a][b]
            if max_span is not None and gap > max_span:
                matrix[a][b] = INF
    return matrix
