"""The data of the page of the acquisition study: the graph and the results of each fact."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import scipy.sparse as sp

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.explore.data import explorer_data
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.persistence.forest import spanning_edges
from neurotopo.persistence.inputs import EdgeList
from neurotopo.studies.acquisition.frames import POINTS, rho_of
from neurotopo.studies.groupings import control_of, in_order, label_of
from neurotopo.studies.rows import Row

__all__ = ["COLUMNS", "clusterer_of", "explorer_of", "fact_shown", "stored_graph"]

MOST_FACTS = 200
MOST_CHARACTERS = 6_000_000  # of JSON; the page stays below 8 MB
COLUMNS = (
    "method",
    "clusters",
    "passed",
    "their neurons",
    "jump before the filter",
    "of random groups",
    "rho",
    "jump",
    "GCR",
    "why no GCR",
)
_CURVES = {"ntc": "NTC", "oracle": "planted groups"}
_EDGES_PER_NEURON, _FEWEST, _MOST = 3, 60, 400


def stored_graph(graph: NeuronGraph, *, tau: float, min_cluster_size: int) -> dict[str, Any]:
    """Return the stored part of a graph: a spanning forest, and the shortest other edges.

    Parameters
    ----------
    graph : NeuronGraph
        The graph of the neurons.
    tau, min_cluster_size
        Parameters of NTC.

    Returns
    -------
    dict
        ``source``, ``target`` and ``length`` of the edges that are kept, in order of length: the
        minimum spanning forest, which determines the tree of all clusters, and other edges, up to
        three for each neuron (at least 60 and at most 400 in all); ``n_edges``, the number of all
        edges; ``tau`` and ``min_cluster_size``.

    Examples
    --------
    >>> from neurotopo import NeuronGraph, NeuronSet
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.acquisition.explorer import clusterer_of, stored_graph
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
    """Return NTC fitted on a stored graph, with the tree and clusters of the whole graph.

    Parameters
    ----------
    stored : mapping
        The result of :func:`stored_graph`.
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
    clusterer = NTCClusterer.paper(
        metric="precomputed", tau=stored["tau"], min_cluster_size=stored["min_cluster_size"]
    )
    return clusterer.fit(lengths, strata=layers)


def explorer_of(rows: Iterable[Row]) -> dict[str, Any] | None:
    """Return the data that the page shows of the facts of a run.

    Parameters
    ----------
    rows : iterable of Row
        The stored rows, in the order of their keys. Facts that failed, or whose graph is not
        stored, are not shown.

    Returns
    -------
    dict or None
        ``facts``, the result of :func:`fact_shown` for each; ``note``, how they were chosen;
        ``columns``, the headings of their tables of methods. None without any fact.

    Notes
    -----
    At most 200 facts are shown, taken evenly in the order of their keys and independently of their
    results; fewer where the page would be too large.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts = [nt.Fact("The capital of France is _X_", "Paris", id="paris")]
    >>> options = {"quick": True, "methods": ["ntc"]}
    >>> result = nt.studies.run("acquisition", model=random_model(), facts=facts, **options)
    >>> data = result.summary.explorer  # explorer_of(rows)
    >>> [fact["key"] for fact in data["facts"]], data["facts"][0]["graph"]["unit"]
    (['paris'], ['neuron', 'neurons'])
    """
    there = [row for row in rows if row.error is None and row.stages.get("graph")]
    if not there:
        return None
    shown = [fact_shown(row) for row in _evenly(there, MOST_FACTS)]
    sizes = np.cumsum([len(json.dumps(fact)) for fact in shown])
    if sizes[-1] > MOST_CHARACTERS:
        # the share that fits if these facts are like the rest, and a little less
        most = int(0.9 * len(shown) * MOST_CHARACTERS / sizes[-1])
        shown = _evenly(shown, max(most, 1))
    if len(shown) == len(there):
        note = "All facts that were grouped and did not fail are shown."
    else:
        note = (
            f"Shown are {len(shown):,} of {len(there):,} facts, taken evenly in the order of "
            "their keys, independently of their results: more would make this page too large. "
            "The tables below are of all facts."
        )
    return {"facts": shown, "note": note, "columns": list(COLUMNS)}


def fact_shown(row: Row) -> dict[str, Any]:
    """Return the data that the page shows of one fact.

    Parameters
    ----------
    row : Row
        Its row, with the stages ``fact``, ``graph`` and ``methods``.

    Returns
    -------
    dict
        For ``json.dumps(..., allow_nan=False)``: the fact, ``graph``
        (:func:`~neurotopo.explore.explorer_data` of its neurons and NTC's clusters; None without
        neurons), ``curves`` of NTC and of planted groups with those of their random groups, and a
        row of ``methods`` for each method.
    """
    about, results = row.stages["fact"], row.stages["methods"]
    ntc = results.get("ntc")
    return {
        "key": row.fact,
        "prompt": str(row.content.get("prompt", "")),
        "answers": [str(answer) for answer in row.content.get("answers", ())],
        "known": bool(about["known"]),
        "probability": _number(about["probability"]),
        "neurons": len(about["neurons"]),
        "clusters": None if ntc is None else len(ntc["passed"]),
        "components": None if ntc is None else int(sum(ntc["passed"])),
        "graph": _graph(about, row.stages["graph"], ntc),
        "curves": [
            _curve(name, results[name])
            for method in _CURVES
            for name in (method, control_of(method))
            if name in results
        ],
        "methods": [_method(name, results) for name in in_order(set(results)) if ":" not in name],
    }


def _evenly(values: list[Any], most: int) -> list[Any]:
    if len(values) <= most:
        return values
    return [values[i] for i in np.linspace(0, len(values) - 1, most).round().astype(int)]


def _graph(
    about: Mapping[str, Any], stored: Mapping[str, Any], ntc: Mapping[str, Any] | None
) -> dict[str, Any] | None:
    neurons = np.asarray(about["neurons"], dtype=np.int64).reshape(-1, 2)
    if not len(neurons):
        return None
    clusterer = clusterer_of(stored, neurons[:, 0])
    remarks = None
    if ntc is not None and len(ntc["passed"]) == clusterer.n_clusters_:
        remarks = ("filter", ["passed" if passed else "left out" for passed in ntc["passed"]])
    data = explorer_data(
        clusterer,
        names=[f"layer {layer} \N{MIDDLE DOT} {index}" for layer, index in neurons.tolist()],
        title="Its neurons, as the radius R grows",
        unit=("neuron", "neurons"),
        remarks=remarks,
    )
    left = stored["n_edges"] - len(stored["length"])
    if left:
        data["notes"].append(
            f"Stored and drawn are {len(stored['length']):,} edges, those of a minimum spanning "
            f"forest and the shortest others; {left:,} longer ones are left out. The clusters are "
            "the same."
        )
    return data


def _curve(name: str, result: Mapping[str, Any]) -> dict[str, Any]:
    random = ":" in name
    method = name.rpartition(":")[2]
    return {
        "name": f"random groups beside {_CURVES[method]}" if random else _CURVES[method],
        "method": method,
        "random": random,
        "values": [_number(value) for value in result["curve"]],
        "reason": result["reason"],
    }


def _method(name: str, results: Mapping[str, Any]) -> list[Any]:
    """Return the row of a method, in the order of :data:`COLUMNS`."""
    result, random = results[name], results.get(control_of(name))
    passed = result["passed"]
    return [
        label_of(name),
        len(passed),
        int(sum(passed)),
        sum(size for size, kept in zip(result["sizes"], passed, strict=True) if kept),
        _number(result["potential_jump"], POINTS),
        None if random is None else _number(random["potential_jump"], POINTS),
        _number(rho_of(result)),
        _number(result["jump"], POINTS),
        _number(result["gcr"]),
        result["reason"],
    ]


def _number(value: Any, factor: float = 1.0) -> float | None:
    """Return a number in six digits, None for one that is not finite."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value * factor:.6g}")
