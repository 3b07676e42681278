"""The study ``acquisition``: which way of grouping knowledge neurons finds degenerate ones."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.pairs import degenerate_pairs
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.neurons import NeuronSet
from neurotopo.studies.acquisition.graph import stored_graph
from neurotopo.studies.acquisition.options import AcquisitionOptions
from neurotopo.studies.groupings import METHODS, GroupingInput, control_of, groups_by, shuffled
from neurotopo.studies.models import model_for
from neurotopo.studies.study import seed_for

__all__ = ["STAGES", "AcquisitionWork", "prepare"]

STAGES = ("fact", "graph", "methods", "sweep")


def prepare(model: Any, given: Mapping[str, Any]) -> AcquisitionWork:
    """Load the model and return the work per fact."""
    return AcquisitionWork(model_for(model, given), AcquisitionOptions.of(given), given["seed"])


class AcquisitionWork:
    """All that is measured about one fact: its neurons, their graph, every grouping, a sweep.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : AcquisitionOptions
        What is done.
    seed : int
        Seed of everything that is random; each fact has one of its own made from it.
    """

    def __init__(self, model: Any, options: AcquisitionOptions, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self._amig = options.amig()
        self._finder = options.finder()
        self._methods = options.methods_for(model.planted_groups is not None)

    def __call__(self, fact: Fact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        from neurotopo.models.recall import recalled

        known = bool(recalled(self.model, [fact], ends=False)[0])
        # attribute_many, because it counts coarse integrations where attribute warns of each
        attribution = next(self._amig.attribute_many(self.model, [fact]))
        neurons = attribution.neurons(
            self._amig.threshold_for(fact), self._amig.rule, self._amig.scope
        )
        about = {
            "known": known,
            "probability": float(self.model.answer_probability(fact, reduce=self.options.reduce)),
            "neurons": neurons.to_array(),
            "gap": attribution.relative_gap,
            "shape": [self.model.n_layers, self.model.n_neurons],
        }
        if self.options.only_known and not known:
            return {"fact": about, "graph": {}, "methods": {}, "sweep": {}}
        searched = self._searched(fact, neurons, attribution)
        groups = groups_by(self._methods, searched)
        everything = NeuronSet(
            pair for kept in (*groups.values(), [neurons]) for group in kept for pair in group
        )
        options = self.options
        under = Suppressions(
            self.model, fact, everything, self._finder.positions, self._finder.reduce
        )
        judged = self._finder.evaluate_many(self.model, fact, groups.values(), under=under)
        place = {pair: at for at, pair in enumerate(neurons)}
        methods = {
            name: _result(dkn, place if name in METHODS and name != "oracle" else None)
            for name, dkn in zip(groups, _with(judged, neurons), strict=True)
        }
        sweep = {}
        if options.sweep_tau1 and options.sweep_tau2:
            sweep = self._sweep(fact, searched, under)
        graph = stored_graph(
            searched.graph, tau=options.tau, min_cluster_size=options.min_cluster_size
        )
        return {"fact": about, "graph": graph, "methods": methods, "sweep": sweep}

    def _searched(self, fact: Fact, neurons: NeuronSet, attribution: Attribution) -> GroupingInput:
        options = self.options
        pairs = partial(
            degenerate_pairs,
            self.model,
            fact,
            neurons,
            scores=attribution,
            n=options.n_pairs,
            positions=self._finder.positions,
            reduce=self._finder.reduce,
        )
        return GroupingInput(
            graph=NeuronGraph.from_model(self.model, neurons, **options.graph_options()),
            pairs=pairs,
            planted=self.model.planted_groups,
            tau=options.tau,
            tau_absolute=options.tau_absolute,
            tau_log=options.tau_log,
            level=options.level,
            min_cluster_size=options.min_cluster_size,
            seed=seed_for(self.seed, fact.key),
            shape=(self.model.n_layers, self.model.n_neurons),
        )

    def _sweep(self, fact: Fact, searched: GroupingInput, under: Suppressions) -> dict[str, Any]:
        """Try other thresholds of NTC and of the filter, and random groups under the same."""
        groupings = []
        for tau1 in self.options.sweep_tau1:
            groups = searched.cut(tau=tau1)
            rng = np.random.default_rng([searched.seed, *control_of("ntc").encode()])
            groupings += [groups, shuffled(groups, searched.neurons, rng)]
        columns: dict[str, list[Any]] = {}
        for tau2 in self.options.sweep_tau2:
            finder: DKNFinder = replace(self._finder, tau2=tau2)
            found = _with(
                finder.evaluate_many(self.model, fact, groupings, under=under), searched.neurons
            )
            for i, tau1 in enumerate(self.options.sweep_tau1):
                cell: dict[str, Any] = {"tau1": tau1, "tau2": tau2}
                for kind, dkn in zip(("", "random_"), found[2 * i : 2 * i + 2], strict=True):
                    cell |= {
                        f"{kind}n": dkn.n,
                        f"{kind}gcr": dkn.gcr,
                        f"{kind}jump": dkn.jump,
                        f"{kind}reason": dkn.reason,
                    }
                for name, value in cell.items():
                    columns.setdefault(name, []).append(value)
        return columns


def _with(judged: list[DKN], neurons: NeuronSet) -> list[DKN]:
    """Return the results as those of a search among the knowledge neurons.

    Random neurons of the whole model and planted groups are not among them, so the neurons cannot
    be given beforehand; but a fact without any must say so for every method.
    """
    return [replace(dkn, neurons=neurons) for dkn in judged]


def _result(dkn: DKN, place: Mapping[tuple[int, int], int] | None) -> dict[str, Any]:
    """Return what is stored about one grouping; groups as places among the fact's neurons."""
    result = {
        "sizes": [len(group) for group in dkn.potential],
        "passed": dkn.passed,
        "alone": dkn.potential_probabilities,
        "base": dkn.base_probability,
        "none": dkn.all_suppressed_probability,
        "curve": dkn.curve,
        "gcr": dkn.gcr,
        "sigma": dkn.sigma,
        "jump": dkn.jump,
        "everything": dkn.potential_suppressed_probability,
        "potential_jump": math.nan if dkn.potential_excluded else dkn.potential_jump,
        "eq2_gap": dkn.eq2_gap,
        "eq2": dkn.satisfies_eq2,
        "eq3_ratio": dkn.eq3_ratio,
        "eq3": dkn.satisfies_eq3,
        "reason": dkn.reason,
    }
    if place is not None:
        result["groups"] = [[place[pair] for pair in group] for group in dkn.potential]
    return result
