"""What the page of the acquisition study shows fact by fact, as a dictionary for JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from neurotopo.explore.data import explorer_data
from neurotopo.studies.acquisition.graph import clusterer_of
from neurotopo.studies.groupings import control_of, in_order, label_of
from neurotopo.studies.rows import Row

__all__ = ["explorer_of", "fact_shown"]

MOST_FACTS = 200
MOST_CHARACTERS = 6_000_000  # of JSON; the page stays below 8 MB
COLUMNS = (
    "method",
    "clusters",
    "passed",
    "their neurons",
    "jump before the filter",
    "of random groups",
    "jump",
    "GCR",
    "why no GCR",
)
_CURVES = ("ntc", "oracle")
_POINTS = 100.0


def explorer_of(rows: Iterable[Row]) -> dict[str, Any] | None:
    """Return what the page shows of the facts of a run, all or an even sample of them.

    Parameters
    ----------
    rows : iterable of Row
        The stored rows, in the order of their keys. Facts that failed, or whose graph is not
        stored, are not shown.

    Returns
    -------
    dict or None
        ``facts``, what :func:`fact_shown` returns of each; ``note``, how they were chosen;
        ``columns``, the headings of their tables of methods. None without any fact.

    Notes
    -----
    Of more than 200 facts 200 are taken, evenly in the order of their keys and whatever was found
    for them. So are fewer where the page would get too large.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.models.examples import random_model
    >>> facts = [nt.Fact("The capital of France is _X_", "Paris", id="paris")]
    >>> options = {"quick": True, "methods": ["ntc"]}
    >>> result = nt.studies.run("acquisition", model=random_model(), facts=facts, **options)
    >>> found = result.summary.explorer  # explorer_of(rows)
    >>> [fact["key"] for fact in found["facts"]], found["facts"][0]["graph"]["unit"]
    (['paris'], ['neuron', 'neurons'])
    """
    there = [row for row in rows if row.error is None and row.stages.get("graph")]
    if not there:
        return None
    shown = [fact_shown(row) for row in _evenly(there, MOST_FACTS)]
    sizes = np.cumsum([len(json.dumps(fact)) for fact in shown])
    if sizes[-1] > MOST_CHARACTERS:
        # the share that fits if those taken are like the rest, and a little less
        most = int(0.9 * len(shown) * MOST_CHARACTERS / sizes[-1])
        shown = _evenly(shown, max(most, 1))
    if len(shown) == len(there):
        note = "All facts that were searched for groups and did not fail are here."
    else:
        note = (
            f"Shown are {len(shown):,} of {len(there):,} facts, taken evenly in the order of "
            "their keys, whatever was found for them: more would make this page too large. "
            "The tables below are of all facts."
        )
    return {"facts": shown, "note": note, "columns": list(COLUMNS)}


def fact_shown(row: Row) -> dict[str, Any]:
    """Return what the page shows of one fact.

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
    kind = {"ntc": "NTC", "oracle": "planted groups"}[method]
    return {
        "name": f"random groups beside {kind}" if random else kind,
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
        _number(result["potential_jump"], _POINTS),
        None if random is None else _number(random["potential_jump"], _POINTS),
        _number(result["jump"], _POINTS),
        _number(result["gcr"]),
        result["reason"],
    ]


def _number(value: Any, factor: float = 1.0) -> float | None:
    """Return a number in six digits, None for what is none."""
    if value is None or not math.isfinite(value):
        return None
    return float(f"{value * factor:.6g}")
