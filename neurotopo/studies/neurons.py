"""The neurons of a fact in the studies: knowledge neurons and the degenerate ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.shortest_paths import check_aggregation
from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.thresholds import PAPER_SELECTION, fill_selection
from neurotopo.neurons import NeuronSet
from neurotopo.persistence.lengths import check_length
from neurotopo.studies.study import StudyOptions

if TYPE_CHECKING:
    from neurotopo.knowledge.suppression import Suppressions
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "ARM_LABELS",
    "FactNeurons",
    "NeuronFinder",
    "SearchOptions",
    "SizeMatched",
    "size_matched",
]

_AMIG = ("threshold", "rule", "scope", "baseline", "steps", "quadrature")
_GRAPH = ("path", "fold_norm", "length", "aggregation")
_FINDER = ("tau2", "criterion", "relative", "max_drop", "positions", "reduce", "max_change")

ARM_LABELS = {
    "dkn": "D: the degenerate knowledge neurons",
    "kn": "N: as many knowledge neurons that are not degenerate",
    "kn_random": "as many knowledge neurons, degenerate or not",
    "random": "Rnd: as many random neurons",
    "random_layers": "random neurons, as many in each layer",
}
"""The sets of neurons that studies compare, of one size, by name."""


@dataclass(frozen=True)
class SearchOptions(StudyOptions):
    """Options of the search for the neurons of a fact.

    Without ``threshold``, ``rule`` and ``scope`` the neurons are the highest of each layer, as many
    in any model; the other defaults are those of the paper. ``preset="paper"`` of
    :func:`neurotopo.studies.run` is the paper's selection.

    Parameters
    ----------
    threshold, rule, scope, baseline, steps, quadrature
        Knowledge neurons, see :class:`~neurotopo.AMIG`.
    path, fold_norm, length, aggregation
        Their graph, see :class:`~neurotopo.NeuronGraph`.
    tau, min_cluster_size
        Their clusters, see :class:`~neurotopo.NTCClusterer`.
    tau2, criterion, relative, max_drop, positions, reduce, max_change
        The degenerate components among these, see :class:`~neurotopo.DKNFinder`. ``positions`` is
        also where a study suppresses and enhances neurons.

    Examples
    --------
    >>> from neurotopo.studies.neurons import SearchOptions
    >>> SearchOptions(tau2=0.5).finder().tau2
    0.5
    """

    # None until __post_init__
    threshold: float = None  # type: ignore[assignment]
    rule: str = None  # type: ignore[assignment]
    scope: str = None  # type: ignore[assignment]
    baseline: str = "mean"
    steps: int = 20
    quadrature: str = "right"
    path: str = "up"
    fold_norm: bool = False
    length: str = "inverse"
    aggregation: str = "sum"
    tau: float = 0.5
    min_cluster_size: int = 2
    tau2: float = 0.3
    criterion: str = "active"
    relative: bool = True
    max_drop: float = 0.05
    # "last" is another question: the paper suppresses neurons, not their values at one token. Where
    # both are the same (a prompt of one token, neurons of the last layer), "all" costs no more.
    positions: str = "all"
    reduce: str = "best"
    max_change: float = 9.0

    PAPER = PAPER_SELECTION

    def __post_init__(self) -> None:
        fill_selection(self)
        if isinstance(self.threshold, int):  # one run with 8 and with 8.0, as a command line gives
            object.__setattr__(self, "threshold", float(self.threshold))
        self.amig()
        check_length(self.length, 1.0, signed=False, path=self.path)
        check_aggregation(self.aggregation, None, None)
        self.clusterer()._validate_params()
        self.finder()

    def _select_by_share_for(self, thresholds: Iterable[float] | None) -> None:
        """Choose the paper's rule if other thresholds are shares and no selection is given."""
        given = (self.threshold, self.rule, self.scope)
        if all(each is None for each in given) and any(value % 1 for value in thresholds or ()):
            object.__setattr__(self, "rule", PAPER_SELECTION["rule"])

    def amig(self) -> AMIG:
        """Return the search for knowledge neurons."""
        return AMIG(**{name: getattr(self, name) for name in _AMIG})

    def graph_options(self) -> dict[str, Any]:
        """Return the options of the graph."""
        return {name: getattr(self, name) for name in _GRAPH}

    def clusterer(self) -> NTCClusterer:
        """Return the clusterer."""
        return NTCClusterer.paper(
            metric="precomputed", tau=self.tau, min_cluster_size=self.min_cluster_size
        )

    def finder(self) -> DKNFinder:
        """Return the filter that finds degenerate components."""
        given = {name: getattr(self, name) for name in _FINDER}
        return DKNFinder(self.clusterer(), **given)


@dataclass(frozen=True, eq=False)
class FactNeurons:
    """The neurons of one fact."""

    fact: Fact
    attribution: Attribution  # the scores of all neurons
    neurons: NeuronSet  # the knowledge neurons
    dkn: DKN  # the components by NTC and the filter

    @property
    def degenerate(self) -> NeuronSet:
        """The degenerate ones; empty for fewer than two components and for excluded facts."""
        counts = self.dkn.n >= 2 and not self.dkn.excluded
        return self.dkn.union if counts else NeuronSet()

    @property
    def others(self) -> NeuronSet:
        """The knowledge neurons that are not degenerate."""
        return self.neurons - self.degenerate

    @property
    def reason(self) -> str | None:
        """The reason why there are no degenerate neurons, or None."""
        return None if self.degenerate else self.dkn.reason or "no component passed"


class NeuronFinder:
    """Finds the neurons of facts in a model, all by the same options.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : SearchOptions
        The options.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.neurons import SearchOptions, NeuronFinder
    >>> finder = NeuronFinder(random_model(), SearchOptions(threshold=0.1))
    >>> result = finder.find(Fact("The capital of France is _X_", "Paris"))
    >>> result.degenerate <= result.neurons, result.degenerate & result.others
    (True, NeuronSet([]))
    """

    def __init__(self, model: NeuronModel, options: SearchOptions) -> None:
        self.model = model
        self.options = options
        self.amig = options.amig()
        self.finder = options.finder()

    def find(self, fact: Fact) -> FactNeurons:
        """Return the neurons of a fact."""
        return next(self.find_all([fact]))

    def find_all(self, facts: Sequence[Fact]) -> Iterator[FactNeurons]:
        """Yield the neurons of each fact; facts of one shape are attributed together."""
        # attribute_many counts coarse integrations; attribute would warn of each
        many = self.amig.attribute_many(self.model, facts)
        for fact, attribution in zip(facts, many, strict=True):
            yield self.of(fact, attribution)

    def neurons(self, fact: Fact, attribution: Attribution) -> NeuronSet:
        """Return the knowledge neurons of a fact with a given attribution."""
        amig = self.amig
        return attribution.neurons(amig.threshold_for(fact), amig.rule, amig.scope)

    def of(
        self, fact: Fact, attribution: Attribution, under: Suppressions | None = None
    ) -> FactNeurons:
        """Return the neurons of a fact with a given attribution.

        ``under`` has results of other thresholds for the fact, and gets those of this one.
        """
        neurons = self.neurons(fact, attribution)
        graph = NeuronGraph.from_model(self.model, neurons, **self.options.graph_options())
        groups = self.finder.potential(self.model, neurons, graph=graph)
        (dkn,) = self.finder.evaluate_many(self.model, fact, [groups], neurons=neurons, under=under)
        return FactNeurons(fact, attribution, neurons, dkn)


@dataclass(frozen=True, eq=False)
class SizeMatched:
    """Sets of neurons of one size, by the names of :data:`ARM_LABELS`."""

    neurons: dict[str, NeuronSet]
    n_others: int  # knowledge neurons that are not degenerate
    topped_up: int  # degenerate ones that were added to "kn"


def size_matched(
    degenerate: NeuronSet,
    others: NeuronSet,
    rng: np.random.Generator,
    *,
    n_layers: int,
    n_neurons: int,
) -> SizeMatched:
    """Draw the controls of degenerate knowledge neurons, all of the same size.

    Parameters
    ----------
    degenerate : NeuronSet
        The degenerate knowledge neurons.
    others : NeuronSet
        The other knowledge neurons. If they are fewer, degenerate ones are added, which makes the
        comparison harder (footnote 2 of the paper).
    rng : Generator
        The random generator.
    n_layers, n_neurons : int
        Number of layers of the model, and of neurons in each.

    Returns
    -------
    SizeMatched

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.neurons import size_matched
    >>> degenerate, others = NeuronSet([(0, 0), (0, 1), (1, 0)]), NeuronSet([(1, 2)])
    >>> sets = size_matched(degenerate, others, np.random.default_rng(0), n_layers=2, n_neurons=8)
    >>> {name: len(neurons) for name, neurons in sets.neurons.items()}, sets.topped_up
    ({'dkn': 3, 'kn': 3, 'kn_random': 3, 'random': 3, 'random_layers': 3}, 2)
    """
    size = len(degenerate)
    kept = _some(others, min(size, len(others)), rng)
    missing = size - len(kept)
    if missing:
        kept = NeuronSet([*kept, *_some(degenerate, missing, rng)])
    anywhere = np.sort(rng.choice(n_layers * n_neurons, size, replace=False))
    per_layer = [
        (layer, int(index))
        for layer, count in enumerate(np.bincount(degenerate.layers, minlength=n_layers))
        for index in rng.choice(n_neurons, int(count), replace=False)
    ]
    return SizeMatched(
        neurons={
            "dkn": degenerate,
            "kn": kept,
            "kn_random": _some(NeuronSet([*degenerate, *others]), size, rng),
            "random": NeuronSet.from_arrays(*np.divmod(anywhere, n_neurons)),
            "random_layers": NeuronSet(per_layer),
        },
        n_others=len(others),
        topped_up=missing,
    )


def _some(neurons: Iterable[tuple[int, int]], n: int, rng: np.random.Generator) -> NeuronSet:
    """Return n of the neurons, drawn at random."""
    pool = NeuronSet(neurons)
    if not len(pool):
        return pool
    return pool[np.sort(rng.permutation(len(pool))[:n])]
