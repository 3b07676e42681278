"""Degenerate knowledge neurons: clusters that each express a fact alone."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.potential import check_clusterer, potential_components
from neurotopo.knowledge.suppression import SuppressionCurve, Suppressions, relative_drops, subsets
from neurotopo.knowledge.thresholds import check_choices
from neurotopo.models.prompts import FactLike
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["DKN", "DKNFinder"]

CRITERIA = ("active", "dispensable")

# Up to this number of potential components, all subsets cost less than a second call.
_ASK_AHEAD = 4
_MOST_EXACT = 16


@dataclass(frozen=True, eq=False)
class DKNFinder:
    r"""Cluster knowledge neurons, filter the clusters by function, and measure their degeneracy.

    The clusters are *potential* components. Those that pass the functional filter are the *base
    degenerate components*; together they are the degenerate knowledge neurons of the fact.

    Parameters
    ----------
    clusterer : estimator, str or callable, default=NTCClusterer.paper()
        Finds the potential components from the distances between neurons:

        - an :class:`~neurotopo.NTCClusterer`, fitted on the graph; its ``metric`` is ignored;
        - another clusterer of scikit-learn's interface, with ``metric="precomputed"`` if it has a
          ``metric``. Without one (:class:`sklearn.cluster.KMeans`), the rows of the distance
          matrix are the features. Infinite distances are replaced by
          :func:`~neurotopo.cluster.baselines.finite_distances`;
        - ``"ntc"``, ``"kmeans"``, ``"dbscan"`` or ``"hierarchical"``: a method of the paper with
          the settings of its authors; or a name of
          :func:`~neurotopo.cluster.baselines.register_baseline`;
        - a function from the distance matrix to labels, such as those of
          :mod:`neurotopo.cluster.baselines`.
    tau2 : float, default=0.3
        Threshold of ``criterion="active"``.
    criterion : {"active", "dispensable"}, default="active"
        The components to keep. ``"active"``: those that express the fact alone,
        Prob(B) >= tau2 p0, where Prob(B) is the probability of the answer with every other neuron
        of the potential components suppressed, and p0 that with none. ``"dispensable"``: those
        whose suppression lowers p0 by less than ``max_drop`` p0 (as in the authors' program).
    relative : bool, default=True
        False: the thresholds are probabilities, not multiples of p0 (the literal Eq 10).
    max_drop : float, default=0.05
        Threshold of ``criterion="dispensable"``.
    positions : {"all", "last"}, default="all"
        Where neurons are suppressed, :class:`~neurotopo.Edit`. The default is ``"all"``, as the
        paper names no token. ``"last"`` lets a causal model compute the prompt once for all
        suppressions, and leaves out what the neurons do at other tokens.
    reduce : {"best", "sum"}, default="best"
        How several answers are combined, :meth:`~neurotopo.NeuronModel.answer_probability`.
    max_exact : int, default=10
        Largest number of components, at most 16, for which every subset is suppressed.
    n_samples : int, default=200
        Above ``max_exact``: largest number of random subsets of each size.
    tolerance : float, default=0.2
        Eq 2, Prob(D) ≈ Prob(B), holds if they differ by at most this fraction of Prob(D).
    contrast : float, default=0.5
        Eq 3, Prob(∅) ≪ Prob(B), holds if Prob(∅) is at most this fraction of Prob(B).
    max_change : float, default=9.0
        A fact is excluded if a value of its curve is larger in size: Eq 18, with its 900 read as
        per cent.
    random_state : int, default=0
        Seed of the subsets, and of a clusterer without a seed.

    See Also
    --------
    neurotopo.knowledge.pairs.degenerate_pairs : The predecessor's method.

    Notes
    -----
    The changes are :math:`\Delta Prob = (before - after) / before`. A fall cannot exceed 1, so a
    limit on falls alone, as Eq 18 is written, would exclude nothing. For facts that the model
    does not know, a tiny probability may rise to many times its value.

    All sets of neurons are suppressed in one batch: one call to the model for up to four potential
    components, and at most two for more.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, section 3 and appendix A.2.

    Examples
    --------
    >>> from neurotopo import AMIG, DKNFinder, Fact, NTCClusterer
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
    >>> neurons = AMIG.fast(threshold=12, rule="top").locate(model, fact)
    >>> dkn = DKNFinder(NTCClusterer.paper(tau=0.2)).find(model, fact, neurons)
    >>> all(component <= neurons for component in dkn.components)
    True
    >>> bool((dkn.probabilities >= 0.3 * dkn.base_probability).all())
    True

    Given groups are evaluated in the same way:

    >>> halves = [neurons[:6], neurons[6:]]
    >>> DKNFinder().evaluate(model, fact, halves).n_subsets
    array([2, 1])
    """

    clusterer: Any = field(default_factory=lambda: NTCClusterer.paper(metric="precomputed"))
    tau2: float = 0.3
    criterion: Literal["active", "dispensable"] = "active"
    relative: bool = True
    max_drop: float = 0.05
    positions: Literal["all", "last"] = "all"
    reduce: Literal["best", "sum"] = "best"
    max_exact: int = 10
    n_samples: int = 200
    tolerance: float = 0.2
    contrast: float = 0.5
    max_change: float = 9.0
    random_state: int = 0

    def __post_init__(self) -> None:
        check_clusterer(self.clusterer)
        choices = {"positions": ("all", "last"), "reduce": ("best", "sum")}
        check_choices(self, criterion=CRITERIA, **choices)
        for name in ("tau2", "max_drop", "tolerance", "contrast", "max_change"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0):
                raise ValueError(f"{name} must be a finite number of at least 0, got {value}.")
        for name, least in (("max_exact", 0), ("n_samples", 1), ("random_state", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be at least {least}, got {getattr(self, name)}.")
        if self.max_exact > _MOST_EXACT:  # the number of subsets doubles with every component
            raise ValueError(f"max_exact must be at most {_MOST_EXACT}, got {self.max_exact}.")

    def find(
        self,
        model: NeuronModel,
        fact: FactLike,
        neurons: Iterable[tuple[int, int]],
        *,
        graph: NeuronGraph | None = None,
    ) -> DKN:
        """Find the degenerate knowledge neurons of a fact.

        Parameters
        ----------
        model : NeuronModel
        fact : Fact
        neurons : NeuronSet or iterable of (layer, index)
            Knowledge neurons of the fact, possibly none.
        graph : NeuronGraph, optional
            The graph of exactly these neurons. Default: ``NeuronGraph.from_model(model, neurons)``.

        Returns
        -------
        DKN
        """
        neurons = NeuronSet(neurons)
        groups = self.potential(model, neurons, graph=graph)
        return self.evaluate(model, fact, groups, neurons=neurons)

    def potential(
        self,
        model: NeuronModel,
        neurons: Iterable[tuple[int, int]],
        *,
        graph: NeuronGraph | None = None,
    ) -> list[NeuronSet]:
        """Return the potential components: the clusters, before any filter.

        Parameters
        ----------
        model, neurons, graph
            As in :meth:`find`.

        Returns
        -------
        list of NeuronSet
        """
        neurons = NeuronSet(neurons)
        if graph is None:
            graph = NeuronGraph.from_model(model, neurons)
        elif graph.neurons != neurons:
            raise ValueError(f"the graph has the neurons {graph.neurons}, not {neurons}.")
        return potential_components(self.clusterer, graph, self.random_state)

    def evaluate(
        self,
        model: NeuronModel,
        fact: FactLike,
        components: Iterable[Iterable[tuple[int, int]]],
        *,
        neurons: Iterable[tuple[int, int]] | None = None,
    ) -> DKN:
        """Filter given potential components and measure their degeneracy.

        Parameters
        ----------
        model : NeuronModel
        fact : Fact
        components : iterable of NeuronSet
            The potential components. They may overlap. An empty one never passes.
        neurons : NeuronSet, optional
            The neurons they were chosen from, kept in the result. Default: their union.

        Returns
        -------
        DKN
        """
        return self.evaluate_many(model, fact, [components], neurons=neurons)[0]

    def evaluate_many(
        self,
        model: NeuronModel,
        fact: FactLike,
        groupings: Iterable[Iterable[Iterable[tuple[int, int]]]],
        *,
        neurons: Iterable[tuple[int, int]] | None = None,
        under: Suppressions | None = None,
    ) -> list[DKN]:
        """Evaluate several groupings with at most two calls to the model.

        Parameters
        ----------
        model : NeuronModel
        fact : Fact
        groupings : iterable of iterable of NeuronSet
            The potential components of each grouping.
        neurons : NeuronSet, optional
            The neurons they were chosen from. Default: the union of each grouping.
        under : Suppressions, optional
            Results of earlier calls for the fact, over all neurons of the groupings; new results
            are added. Other thresholds then need few new passes.

        Returns
        -------
        list of DKN
        """
        sets = [[NeuronSet(group) for group in components] for components in groupings]
        if not sets:
            return []
        unions = [NeuronSet(pair for group in groups for pair in group) for groups in sets]
        searched = NeuronSet(neurons) if neurons is not None else None
        if under is None:
            everything = NeuronSet(pair for union in unions for pair in union)
            under = Suppressions(model, fact, everything, self.positions, self.reduce)
        position = {pair: at for at, pair in enumerate(under.neurons)}
        members = []
        for groups, union in zip(sets, unions, strict=True):
            for known, name in ((searched, "neurons"), (under.neurons, "under.neurons")):
                if known is not None and not union <= known:
                    missing = (union - known)[0]
                    raise ValueError(f"neuron {missing} of a component is not in {name}.")
            member = np.zeros((len(groups), len(under.neurons)), dtype=bool)
            for row, group in zip(member, groups, strict=True):
                row[[position[pair] for pair in group]] = True
            members.append(member)

        under.ask(np.vstack([row for member in members for row in self._first(member)]))
        filtered = [self._filtered(under, member) for member in members]
        rows = [self._suppressed(m[f.passed]) for m, f in zip(members, filtered, strict=True)]
        under.ask(np.vstack([part for parts in rows for part in parts]))
        return [
            self._dkn(under, groups, union if searched is None else searched, result, parts)
            for groups, union, result, parts in zip(sets, unions, filtered, rows, strict=True)
        ]

    def _first(self, member: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return the sets to suppress for the filter, with further ones if that saves a call."""
        nothing = np.zeros((1, member.shape[1]), dtype=bool)
        union: NDArray[np.bool_] = np.asarray(member.any(axis=0, keepdims=True))
        first = [nothing, union, union & ~member, member]
        if len(member) <= _ASK_AHEAD:
            first.extend(self._suppressed(member))
        return first

    def _filtered(self, under: Suppressions, member: NDArray[np.bool_]) -> _Filtered:
        values = under.ask(np.vstack(self._first(member)[:4]))
        base, everything = float(values[0]), float(values[1])
        alone, without = values[2:].reshape(2, len(member))
        passed = self._passes(base, alone, without) & member.any(axis=1)
        return _Filtered(base, everything, alone, without, passed)

    def _dkn(
        self,
        under: Suppressions,
        groups: list[NeuronSet],
        searched: NeuronSet,
        filtered: _Filtered,
        rows: list[NDArray[np.bool_]],
    ) -> DKN:
        n = int(filtered.passed.sum())
        values = under.ask(np.vstack(rows))
        return DKN(
            neurons=searched,
            potential=groups,
            potential_probabilities=filtered.alone,
            potential_without=filtered.without,
            passed=filtered.passed,
            base_probability=filtered.base,
            all_suppressed_probability=float(values[0]),
            potential_suppressed_probability=filtered.everything,
            active_probabilities=values[1 : n + 1],
            suppression=SuppressionCurve(self._subsets(n), values[n + 1 :], filtered.base),
            tolerance=self.tolerance,
            contrast=self.contrast,
            max_change=self.max_change,
        )

    def _subsets(self, n: int) -> NDArray[np.bool_]:
        options = {"max_exact": self.max_exact, "n_samples": self.n_samples}
        return subsets(n, **options, random_state=self.random_state)

    def _suppressed(self, member: NDArray[np.bool_]) -> list[NDArray[np.bool_]]:
        """Return the sets that measure components: all, all but each, every subset."""
        every: NDArray[np.bool_] = np.asarray(member.any(axis=0, keepdims=True))
        return [every, every & ~member, _unions(self._subsets(len(member)), member)]

    def _passes(
        self, base: float, alone: NDArray[np.float64], without: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        if not self.relative:
            if self.criterion == "active":
                return np.asarray(alone >= self.tau2)
            return np.asarray(base - without < self.max_drop)
        if self.criterion == "active":
            # with p0 = 0, components of probability 0 would pass
            return np.asarray((alone >= self.tau2 * base) & (base > 0))
        return np.asarray(relative_drops(base, without) < self.max_drop)


class _Filtered(NamedTuple):
    """Result of the filter for one grouping."""

    base: float
    everything: float
    alone: NDArray[np.float64]
    without: NDArray[np.float64]
    passed: NDArray[np.bool_]


def _unions(chosen: NDArray[np.bool_], member: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the neurons of each subset of components."""
    rows = np.zeros((len(chosen), member.shape[1]), dtype=bool)
    for component, neurons in enumerate(member):
        rows[np.ix_(chosen[:, component], neurons)] = True
    return rows
