"""The choices behind the clusters of a fact, and the alternatives to each."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.thresholds import PAPER_SELECTION, check_threshold
from neurotopo.persistence.lengths import check_length
from neurotopo.studies.neurons import SearchOptions

__all__ = ["CHOICES", "DEFAULT", "MODELLING", "ChoicesOptions", "Variation", "variations_for"]

CHOICES: Mapping[str, str] = {
    "distance": "from connection weight to length",
    "path": "which in-projection of a gated MLP",
    "aggregation": "how lengths add up along a path",
    "others": "whether other neurons may lie on a path",
    "layers": "edges within a layer",
    "neurons": "which neurons are knowledge neurons",
    "clusters": "which clusters are kept",
}
"""What is chosen, by name. One thing is changed at a time."""

MODELLING = ("distance", "path", "aggregation", "others", "layers")
"""The choices of appendix D; the other two are thresholds and rules of selection."""

DEFAULT = "default"
"""Name of the clustering that all others are compared with."""


@dataclass(frozen=True)
class ChoicesOptions(SearchOptions):
    """Options of the study ``choices``; those of :class:`SearchOptions` are the default.

    Parameters
    ----------
    choices : sequence of str, optional
        Which choices are varied, keys of :data:`~neurotopo.studies.choices.variations.CHOICES`.
        None: all. ``"others"`` takes one pass over all weights of the model per process.
    powers : sequence of float
        Exponents p of lengths :math:`|w|^{-p}`; 1 is the paper's.
    thresholds : sequence of float, optional
        Other thresholds of the attribution. None: half and twice the threshold; for a share of
        the greatest score 0.1 and 0.3.
    taus : sequence of float
        Other thresholds of the persistence.
    n_random : int, default=5
        Random groupings of the same sizes, per fact and variation; their mean is the control.
    max_exact, n_samples
        How many subsets of components are suppressed, :class:`~neurotopo.DKNFinder`.
    only_known : bool, default=False
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.choices.variations import ChoicesOptions
    >>> ChoicesOptions(choices=["distance"], powers=[3]).varied
    ('distance',)
    >>> ChoicesOptions(choices=["metric"])
    Traceback (most recent call last):
        ...
    ValueError: there is no choice 'metric'; choices are: distance, path, ...
    """

    choices: Sequence[str] | None = None
    powers: Sequence[float] = (0.5, 2.0)
    thresholds: Sequence[float] = None  # type: ignore[assignment]  # until __post_init__
    taus: Sequence[float] = (0.3, 0.7)
    n_random: int = 5
    max_exact: int = 8
    n_samples: int = 50
    only_known: bool = False

    QUICK: ClassVar[Mapping[str, Any]] = {
        "quadrature": "gauss-legendre",
        "steps": 8,
        "powers": (2.0,),
        "n_random": 2,
        "max_exact": 6,
        "n_samples": 30,
    }

    def __post_init__(self) -> None:
        for name in self.choices or ():
            if name not in CHOICES:
                raise ValueError(f"there is no choice {name!r}; choices are: {', '.join(CHOICES)}.")
        for given in ("choices", "powers", "thresholds", "taus"):
            values = getattr(self, given)
            if values is not None and len(set(values)) < len(values):
                raise ValueError(f"{given} must be different values, got {list(values)}.")
        if self.choices is not None and not len(self.choices):
            raise ValueError("choices must name at least one choice.")
        self.check_whole(n_random=1)
        self._select_by_share_for(self.thresholds)
        super().__post_init__()
        if self.thresholds is None:
            near = (self.threshold // 2, 2 * self.threshold) if self.rule == "top" else (0.1, 0.3)
            object.__setattr__(self, "thresholds", near)
        if "distance" in self.varied and self.path == "both":
            raise ValueError(
                'path="both" gives weights without a sign, which the choice "distance" needs: '
                "leave it out of choices."
            )
        for power in self.powers:
            check_length("power", power)
        for threshold in self.thresholds:
            if not (math.isfinite(threshold) and threshold >= 0):
                raise ValueError(f"thresholds must be finite and at least 0, got {threshold}.")
            check_threshold(threshold, self.rule)
        for tau in self.taus:
            NTCClusterer.paper(tau=tau)._validate_params()

    @property
    def varied(self) -> tuple[str, ...]:
        """The choices that are varied, in their order."""
        return tuple(name for name in CHOICES if self.choices is None or name in self.choices)

    def finder(self) -> DKNFinder:
        """Return the finder that filters and judges groups."""
        return replace(super().finder(), max_exact=self.max_exact, n_samples=self.n_samples)


@dataclass(frozen=True)
class Variation:
    """A clustering that differs from the default in one choice.

    Attributes
    ----------
    name : str
        The name.
    choice : str
        The choice that is varied, a key of :data:`CHOICES`, or ``"default"``.
    label : str
        A description.
    graph : mapping
        Options of :class:`~neurotopo.NeuronGraph` that differ from the default.
    cluster : mapping
        Parameters of :class:`~neurotopo.NTCClusterer` that differ.
    neurons : mapping
        ``threshold``, ``rule`` or ``scope`` of the knowledge neurons, where they differ.
    kind : {"graph", "matrix", "activations", "outgoing", "incoming", "whole"}
        What is clustered: the direct edges; the paper's matrix A; direct edges with weights
        multiplied by the activations of the fact; direct edges and edges within layers, by what
        neurons write or by what they read; or distances in the tree of all neurons of the model.
    by_theorem : bool
        Whether the clusters must be those of the default.

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

    def equals_default(self, options: ChoicesOptions) -> bool:
        """Tell whether the options of the run do the same."""
        changed = {**self.graph, **self.cluster, **self.neurons}
        if not changed or self.kind not in ("graph", "matrix"):
            return False
        return all(getattr(options, name, None) == value for name, value in changed.items())


def variations_for(options: ChoicesOptions, gated: bool) -> list[Variation]:
    """Return the default and its variations, each of which changes one thing.

    Parameters
    ----------
    options : ChoicesOptions
        The default, and which choices are varied.
    gated : bool
        Whether the MLPs of the model are gated: others have one in-projection only.

    Returns
    -------
    list of Variation
        The default first. Variations that equal the default are left out.

    Examples
    --------
    >>> from neurotopo.studies.choices.variations import ChoicesOptions
    >>> from neurotopo.studies.choices.variations import variations_for
    >>> options = ChoicesOptions(choices=["aggregation", "path"])
    >>> [variation.name for variation in variations_for(options, gated=False)]
    ['default', 'matrix', 'max', 'product']
    >>> [variation.name for variation in variations_for(options, gated=True)]
    ['default', 'gate', 'both', 'matrix', 'max', 'product']
    """
    every = [
        *_distances(options),
        *(_paths() if gated else ()),
        *_aggregations(options),
        *_graphs(),
        *_neurons(options),
        *_clusters(options),
    ]
    varied = [each for each in every if each.choice in options.varied]
    others = [each for each in varied if not each.equals_default(options)]
    return [Variation(DEFAULT, DEFAULT, "the options of the run"), *others]


def _distances(options: ChoicesOptions) -> Iterator[Variation]:
    def varied(name: str, label: str, kind: str = "graph", **graph: Any) -> Variation:
        return Variation(name, "distance", label, graph, kind=kind)

    yield varied("inverse", "length |1/w| (Eq 4)", length="inverse")
    for power in options.powers:
        label = f"length |w| to the power of -{power:g}"
        yield varied(f"power={power:g}", label, length="power", power=float(power))
    yield varied("neglog", "length -log(|w| / largest)", length="neglog")
    yield varied("signed", "positive weights only", signed=True)
    label = "weight times the activation of the earlier neuron"
    yield varied("activations", label, "activations")
    yield varied("fold-norm", "in-rows multiplied by the gain of the norm", fold_norm=True)


def _paths() -> Iterator[Variation]:
    yield Variation("up", "path", "the up-projection", {"path": "up"})
    yield Variation("gate", "path", "the gate's projection", {"path": "gate"})
    yield Variation("both", "path", "mean of both absolute weights", {"path": "both"})


def _aggregations(options: ChoicesOptions) -> Iterator[Variation]:
    def varied(name: str, label: str, **graph: str) -> Variation:
        # theorem 2: sums and maxima are no shorter than the longest edge; products may be
        same = "product" not in (options.aggregation, *graph.values())
        return Variation(name, "aggregation", label, graph, kind="matrix", by_theorem=same)

    yield varied("matrix", "the matrix A instead of its direct edges")
    yield varied("sum", "sum, on the matrix A", aggregation="sum")
    yield varied("max", "longest edge, on the matrix A", aggregation="max")
    yield varied("product", "product, on the matrix A", aggregation="product")


def _graphs() -> Iterator[Variation]:
    yield Variation("whole-model", "others", "distances in the tree of all neurons", kind="whole")
    for kind, verb in (("outgoing", "write"), ("incoming", "read")):
        yield Variation(kind, "layers", f"edges within a layer, by what neurons {verb}", kind=kind)


def _neurons(options: ChoicesOptions) -> Iterator[Variation]:
    def varied(name: str, label: str, **neurons: Any) -> Variation:
        return Variation(name, "neurons", label, neurons=neurons)

    label = "the {:g} highest scores" if options.rule == "top" else "attribution above {:g}"
    for value in options.thresholds:
        yield varied(f"threshold={value:g}", label.format(value), threshold=float(value))
    if options.rule != "top":  # as many of the model as of a layer would be few
        yield varied("scope=layer", "threshold within each layer", scope="layer")
        yield varied("scope=model", "threshold over the model", scope="model")
    yield varied("paper", "0.2 of the highest score of the model", **PAPER_SELECTION)


def _clusters(options: ChoicesOptions) -> Iterator[Variation]:
    def varied(name: str, label: str, **cluster: Any) -> Variation:
        return Variation(name, "clusters", label, cluster=cluster)

    for value in options.taus:
        yield varied(f"tau={value:g}", f"persistence above {value:g} of the largest", tau=value)
    yield varied("size=3", "clusters of three neurons or more", min_cluster_size=3)
    yield varied("min_samples=3", "lengths smoothed by core distances", min_samples=3)
    yield varied("condense", "clusters survive stray neurons", condense=True)
    yield varied("nested", "clusters inside clusters too (Eq 9)", nested=True)
    yield varied("scale=log", "persistence as log(death / birth)", scale="log")
