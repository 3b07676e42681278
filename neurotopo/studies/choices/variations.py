"""The choices behind the clusters of a fact, and what each may be instead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from neurotopo.studies.choices.options import ChoicesOptions

__all__ = ["DEFAULT", "MODELLING", "Variation", "variations_for"]

DEFAULT = "default"
"""Name of the clustering that all others are compared with."""


MODELLING = ("distance", "path", "aggregation", "others", "layers")
"""The choices of appendix D; the other two are thresholds and rules of selection."""


@dataclass(frozen=True)
class Variation:
    """One thing done otherwise.

    Attributes
    ----------
    name : str
        What it is called.
    choice : str
        Which choice it is about, a key of :data:`CHOICES`, or ``"default"``.
    label : str
        What is done.
    graph : mapping
        Options of :class:`~neurotopo.NeuronGraph` instead of those of the default.
    cluster : mapping
        Parameters of :class:`~neurotopo.NTCClusterer` instead.
    neurons : mapping
        ``threshold`` or ``scope`` of the knowledge neurons instead.
    kind : {"graph", "matrix", "activations", "outgoing", "incoming", "whole"}
        What is clustered: the direct edges; the paper's matrix A; direct edges with weights
        multiplied by the activations of the fact; with edges within layers by what neurons write
        or by what they read; or distances in the tree of all neurons of the model.
    by_theorem : bool
        It must give the clusters of the default.

    Examples
    --------
    >>> from neurotopo.studies.choices.variations import Variation
    >>> longest = {"aggregation": "max"}
    >>> Variation("max", "aggregation", "the longest edge of a path", graph=longest).kind
    'graph'
    """

    name: str
    choice: str
    label: str
    graph: Mapping[str, Any] = field(default_factory=dict)
    cluster: Mapping[str, Any] = field(default_factory=dict)
    neurons: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "graph"
    by_theorem: bool = False


def variations_for(options: ChoicesOptions, gated: bool) -> list[Variation]:
    """Return the default and what is tried instead of it, one thing at a time.

    Parameters
    ----------
    options : ChoicesOptions
        The default, and which choices are varied.
    gated : bool
        Whether the MLPs of the model are gated: others have one in-projection only.

    Returns
    -------
    list of Variation
        The default first. What equals the default is left out.

    Examples
    --------
    >>> from neurotopo.studies.choices.options import ChoicesOptions
    >>> from neurotopo.studies.choices.variations import variations_for
    >>> options = ChoicesOptions(choices=["aggregation", "path"])
    >>> [variation.name for variation in variations_for(options, gated=False)]
    ['default', 'matrix', 'max', 'product']
    >>> [variation.name for variation in variations_for(options, gated=True)]
    ['default', 'gate', 'both', 'matrix', 'max', 'product']
    """
    known = {name: getattr(options, name) for name in _KNOWN}
    found = [
        variation
        for variation in (
            *_distances(options),
            *(_paths() if gated else ()),
            *_aggregations(options),
            *_graphs(),
            *_neurons(options),
            *_clusters(options),
        )
        if variation.choice in options.varied and not _equals(variation, known)
    ]
    return [Variation(DEFAULT, DEFAULT, "the options of the run"), *found]


_KNOWN = (
    "path",
    "fold_norm",
    "length",
    "aggregation",
    "tau",
    "min_cluster_size",
    "threshold",
    "scope",
)


def _equals(variation: Variation, known: Mapping[str, Any]) -> bool:
    """Tell whether a variation is what is done anyway."""
    changed = {**variation.graph, **variation.cluster, **variation.neurons}
    if variation.kind != "graph" and (variation.kind != "matrix" or not changed):
        return False
    return bool(changed) and all(
        name in known and known[name] == value for name, value in changed.items()
    )


def _distances(options: ChoicesOptions) -> Sequence[Variation]:
    return (
        Variation("inverse", "distance", "length |1/w| (Eq 4)", {"length": "inverse"}),
        *(
            Variation(
                f"power={power:g}",
                "distance",
                f"length |w| to the power of -{power:g}",
                {"length": "power", "power": float(power)},
            )
            for power in options.powers
        ),
        Variation("neglog", "distance", "length -log(|w| / largest)", {"length": "neglog"}),
        Variation("signed", "distance", "positive weights only", {"signed": True}),
        Variation(
            "activations",
            "distance",
            "weight times the activation of the earlier neuron",
            kind="activations",
        ),
        Variation(
            "fold-norm",
            "distance",
            "in-rows multiplied by the gain of the norm",
            {"fold_norm": True},
        ),
    )


def _paths() -> Sequence[Variation]:
    return (
        Variation("up", "path", "the up-projection", {"path": "up"}),
        Variation("gate", "path", "the gate's projection", {"path": "gate"}),
        Variation("both", "path", "mean of both absolute weights", {"path": "both"}),
    )


def _aggregations(options: ChoicesOptions) -> Sequence[Variation]:
    def varied(name: str, label: str, **graph: str) -> Variation:
        # theorem 2: sums and maxima are no shorter than the longest edge; products may be
        same = "product" not in (options.aggregation, *graph.values())
        return Variation(name, "aggregation", label, graph, kind="matrix", by_theorem=same)

    return (
        varied("matrix", "the matrix A instead of its direct edges"),
        varied("sum", "sum, on the matrix A", aggregation="sum"),
        varied("max", "longest edge, on the matrix A", aggregation="max"),
        varied("product", "product, on the matrix A", aggregation="product"),
    )


def _graphs() -> Sequence[Variation]:
    return (
        Variation("whole-model", "others", "distances in the tree of all neurons", kind="whole"),
        Variation(
            "outgoing", "layers", "edges within a layer, by what neurons write", kind="outgoing"
        ),
        Variation(
            "incoming", "layers", "edges within a layer, by what neurons read", kind="incoming"
        ),
    )


def _neurons(options: ChoicesOptions) -> Sequence[Variation]:
    return (
        *(
            Variation(
                f"threshold={value:g}",
                "neurons",
                f"attribution above {value:g}",
                neurons={"threshold": float(value)},
            )
            for value in options.thresholds
        ),
        Variation(
            "scope=layer", "neurons", "threshold within each layer", neurons={"scope": "layer"}
        ),
        Variation("scope=model", "neurons", "threshold over the model", neurons={"scope": "model"}),
    )


def _clusters(options: ChoicesOptions) -> Sequence[Variation]:
    def varied(name: str, label: str, **cluster: Any) -> Variation:
        return Variation(name, "clusters", label, cluster=cluster)

    return (
        *(
            varied(f"tau={value:g}", f"persistence above {value:g} of the largest", tau=value)
            for value in options.taus
        ),
        varied("size=3", "clusters of three neurons or more", min_cluster_size=3),
        varied("min_samples=3", "lengths smoothed by core distances", min_samples=3),
        varied("condense", "clusters survive stray neurons", condense=True),
        varied("nested", "clusters inside clusters too (Eq 9)", nested=True),
        varied("scale=log", "persistence as log(death / birth)", scale="log"),
    )
