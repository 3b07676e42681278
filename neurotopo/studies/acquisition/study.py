"""The study ``acquisition``: which way of grouping knowledge neurons finds degenerate ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.degeneracy import DKNFinder
from neurotopo.knowledge.dkn import DKN
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.suppression import Suppressions
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy import Lattice
from neurotopo.studies.acquisition.explorer import explorer_of, stored_graph
from neurotopo.studies.acquisition.frames import FLOOR, Collected, collect
from neurotopo.studies.acquisition.report import PICTURES, TABLES, findings_of
from neurotopo.studies.findings import RULE
from neurotopo.studies.groupings import (
    METHODS,
    GroupingInput,
    control_of,
    grouping_input,
    groups_by,
    label_of,
    shuffled,
)
from neurotopo.studies.neurons import SearchOptions
from neurotopo.studies.rows import Row
from neurotopo.studies.study import Study, seed_for

__all__ = ["STUDY", "Acquisition", "AcquisitionOptions"]

_PAPER = ("ntc", *CLUSTERER_LABELS, "pairs", "oracle")


@dataclass(frozen=True)
class AcquisitionOptions(SearchOptions):
    """Options of the study ``acquisition``.

    Parameters
    ----------
    methods : sequence of str, optional
        Which methods are compared, keys of :data:`~neurotopo.studies.groupings.METHODS`. None: all,
        ``"oracle"`` where the model was trained to have groups.
    threshold, rule, scope, baseline, steps, quadrature
        How neurons are found, :class:`~neurotopo.AMIG`.
    path, fold_norm, length, aggregation
        How they are connected, :class:`~neurotopo.NeuronGraph`.
    tau, tau_absolute, tau_log, level, min_cluster_size
        Thresholds of the rules of NTC, :class:`~neurotopo.studies.groupings.GroupingInput`.
    tau2, criterion, relative, max_drop, positions, reduce, max_exact, n_samples, max_change
        The filter, and how degeneracy is measured, :class:`~neurotopo.DKNFinder`.
    n_pairs : int, default=20
        Of how many neurons degenerate pairs are looked for, those of the highest scores.
    sweep_tau1, sweep_tau2 : sequence of float
        Thresholds of NTC and of the filter that are tried in every combination; empty: none.
    only_known : bool, default=False
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.acquisition.study import AcquisitionOptions
    >>> AcquisitionOptions(methods=["ntc", "kmeans"], tau2=0.5).finder().tau2
    0.5
    >>> AcquisitionOptions(methods=["k-means"])
    Traceback (most recent call last):
        ...
    ValueError: there is no method 'k-means'; methods are: ntc, kmeans, ...
    """

    methods: Sequence[str] | None = None
    tau_absolute: float = 0.5
    tau_log: float = 0.5
    level: float = 0.05
    max_exact: int = 10
    n_samples: int = 200
    n_pairs: int = 20
    sweep_tau1: Sequence[float] = (0.3, 0.4, 0.5, 0.6, 0.7)
    sweep_tau2: Sequence[float] = (0.1, 0.2, 0.3, 0.4, 0.5)
    only_known: bool = False

    QUICK = {
        "methods": _PAPER,
        "quadrature": "gauss-legendre",
        "steps": 8,
        "sweep_tau1": (),
        "sweep_tau2": (),
        "max_exact": 8,
        "n_samples": 50,
    }
    # Curves of up to eight components, as in Table 1, stay exact, and so do all jumps.

    def __post_init__(self) -> None:
        for name in self.methods or ():
            if name not in METHODS:
                raise ValueError(f"there is no method {name!r}; methods are: {', '.join(METHODS)}.")
        if self.methods is not None and len(set(self.methods)) < max(len(self.methods), 1):
            raise ValueError(f"methods must be different ones, got {list(self.methods)}.")
        self.check_whole(n_pairs=2)
        for name in ("tau_absolute", "tau_log", "level"):
            value = getattr(self, name)
            if not (math.isfinite(value) and value >= 0) or (name == "level" and value > 1):
                limit = "between 0 and 1" if name == "level" else "a finite number of at least 0"
                raise ValueError(f"{name} must be {limit}, got {value}.")
        super().__post_init__()
        for tau in self.sweep_tau1:
            NTCClusterer.paper(tau=tau, min_cluster_size=self.min_cluster_size)._validate_params()
        for tau2 in self.sweep_tau2:
            replace(self.finder(), tau2=tau2)

    def finder(self) -> DKNFinder:
        """Return the finder that judges groups."""
        return replace(super().finder(), max_exact=self.max_exact, n_samples=self.n_samples)

    def methods_for(self, planted: bool) -> tuple[str, ...]:
        """Return the methods to be compared on a model, with planted groups or without."""
        methods = METHODS if self.methods is None else self.methods
        return tuple(name for name in methods if planted or name != "oracle")


class Acquisition(Study):
    """The study ``acquisition``: neurons, graph, groupings and a sweep of each fact."""

    name, Options = "acquisition", AcquisitionOptions
    title = "Degenerate knowledge neurons: which way of grouping neurons finds them"
    notes = (
        "Every method gets the same knowledge neurons, the same distances, the same filter and the "
        "same exclusions; clusters have at least min_cluster_size neurons, except pairs.",
        "dProb = (before - after) / before is the relative fall of the answer's probability when "
        "neurons are set to zero. A curve is the mean of dProb over all subsets (or a seeded "
        "sample) of 1, ..., n components; the GCR is Eq 11 of the paper.",
        "rho = (N - sum of the single effects) / |N|, where N is the fall of the probability with "
        "all potential components suppressed and a single effect that with one of them: 0 for "
        "groups whose effects add up, above 0 for groups that stand in for each other, below 0 for "
        f"groups that need each other. Facts with N below {FLOOR:g} have no rho and are counted.",
        "random:METHOD are groups of the same sizes, drawn from the same neurons and passed "
        "through the same filter; anywhere are neurons drawn from the whole model in the sizes of "
        "NTC's groups. They show the number to expect if the grouping had no meaning.",
        f"{RULE} The seed is written below; the seed of each fact is derived from it.",
    )
    stages = ("fact", "graph", "methods", "sweep")
    version = 3
    tables, pictures = TABLES, PICTURES
    frames = staticmethod(collect)
    findings = staticmethod(findings_of)

    def setup(self) -> None:
        """Create the attribution and the finder, and choose the methods."""
        self._amig = self.options.amig()
        self._finder = self.options.finder()
        self._methods = self.options.methods_for(self.model.planted_groups is not None)

    def measure(self, fact: Fact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        options = self.options
        known = bool(recalled(self.model, [fact], ends=False)[0])
        # attribute_many, because it counts coarse integrations where attribute warns of each
        attribution = next(self._amig.attribute_many(self.model, [fact]))
        neurons = attribution.neurons(
            self._amig.threshold_for(fact), self._amig.rule, self._amig.scope
        )
        about = {
            "known": known,
            "probability": float(self.model.answer_probability(fact, reduce=options.reduce)),
            "neurons": neurons.to_array(),
            "gap": attribution.relative_gap,
            "shape": [self.model.n_layers, self.model.n_neurons],
        }
        if options.only_known and not known:
            return {"fact": about, "graph": {}, "methods": {}, "sweep": {}}
        given = self._input(fact, neurons, attribution)
        groups = groups_by(self._methods, given)
        everything = NeuronSet(
            pair for kept in (*groups.values(), [neurons]) for group in kept for pair in group
        )
        suppressions = Suppressions(
            self.model, fact, everything, self._finder.positions, self._finder.reduce
        )
        judged = self._judged(fact, list(groups.values()), neurons, suppressions)
        place = {pair: at for at, pair in enumerate(neurons)}
        methods = {
            name: _result(dkn, place if name in METHODS and name != "oracle" else None)
            for name, dkn in zip(groups, judged, strict=True)
        }
        graph = stored_graph(
            given.graph, tau=options.tau, min_cluster_size=options.min_cluster_size
        )
        sweep = self._sweep(fact, given, suppressions) if options.sweep_tau1 else {}
        return {"fact": about, "graph": graph, "methods": methods, "sweep": sweep}

    def _input(self, fact: Fact, neurons: NeuronSet, attribution: Attribution) -> GroupingInput:
        options = self.options
        thresholds = ("tau", "tau_absolute", "tau_log", "level", "min_cluster_size")
        return grouping_input(
            self.model,
            fact,
            NeuronGraph.from_model(self.model, neurons, **options.graph_options()),
            attribution,
            n_pairs=options.n_pairs,
            positions=self._finder.positions,
            reduce=self._finder.reduce,
            seed=seed_for(self.seed, fact.key),
            **{name: getattr(options, name) for name in thresholds},
        )

    def _judged(
        self,
        fact: Fact,
        groupings: Sequence[Sequence[NeuronSet]],
        neurons: NeuronSet,
        suppressions: Suppressions,
        **thresholds: float,
    ) -> list[DKN]:
        """Return the results as those of a search among the knowledge neurons.

        Random neurons of the whole model and planted groups are not among them, so the neurons
        cannot be given beforehand; but a fact without any must say so for every method.
        """
        finder: DKNFinder = replace(self._finder, **thresholds)
        judged = finder.evaluate_many(self.model, fact, groupings, under=suppressions)
        return [replace(dkn, neurons=neurons) for dkn in judged]

    def _sweep(
        self, fact: Fact, given: GroupingInput, suppressions: Suppressions
    ) -> dict[str, Any]:
        """Try other thresholds of NTC and of the filter, also with random groups."""
        groupings = []
        for tau1 in self.options.sweep_tau1:
            groups = given.cut(tau=tau1)
            rng = np.random.default_rng([given.seed, *control_of("ntc").encode()])
            groupings += [groups, shuffled(groups, given.neurons, rng)]
        columns: dict[str, list[Any]] = {}
        for tau2 in self.options.sweep_tau2:
            judged = iter(self._judged(fact, groupings, given.neurons, suppressions, tau2=tau2))
            for tau1 in self.options.sweep_tau1:
                cell: dict[str, Any] = {"tau1": tau1, "tau2": tau2}
                for kind in ("", "random_"):
                    dkn = next(judged)
                    for name in ("n", "gcr", "jump", "reason"):
                        cell[f"{kind}{name}"] = getattr(dkn, name)
                for name, value in cell.items():
                    columns.setdefault(name, []).append(value)
        return columns

    def rows(self, frames: Collected) -> pd.DataFrame:
        """Return a row per fact and method, with the values of the fact in each."""
        facts = frames.facts.rename(columns={"n_neurons": "n_knowledge_neurons"})
        return facts.merge(frames.methods, on="fact", how="left")

    def notes_for(self, frames: Collected) -> tuple[str, ...]:
        """Return the notes, with a legend of the methods."""
        legend = "; ".join(f"{name}: {label_of(name)}" for name in frames.names if ":" not in name)
        return (*self.notes, f"Methods. {legend}.") if legend else self.notes

    def explorer(self, rows: Sequence[Row]) -> dict[str, Any] | None:
        """Return the data of the page, fact by fact."""
        return explorer_of(sorted(rows, key=lambda row: row.fact))


def _result(dkn: DKN, place: Mapping[tuple[int, int], int] | None) -> dict[str, Any]:
    """Return the stored values of one grouping; groups are places among the fact's neurons."""
    values = {
        "sizes": [len(group) for group in dkn.potential],
        "passed": dkn.passed,
        "alone": dkn.potential_probabilities,
        "base": dkn.base_probability,
        "none": dkn.all_suppressed_probability,
        "everything": dkn.potential_suppressed_probability,
        "potential_jump": math.nan if dkn.potential_excluded else dkn.potential_jump,
        "eq2": dkn.satisfies_eq2,
        "eq3": dkn.satisfies_eq3,
        **_redundancy(dkn),
    }
    for name in ("curve", "gcr", "sigma", "jump", "eq2_gap", "eq3_ratio", "reason"):
        values[name] = getattr(dkn, name)
    if place is not None:
        values["groups"] = [[place[pair] for pair in group] for group in dkn.potential]
    return values


def _redundancy(dkn: DKN) -> dict[str, float]:
    """Return the necessity of all potential components, and their rho from two components on.

    They come from the probabilities that the filter has measured, without further passes.
    """
    n = len(dkn.potential)
    if not n:
        return {"necessity": math.nan, "rho": math.nan}
    lattice = Lattice(
        # for one component, it alone and all together are the same subset
        np.vstack([np.eye(n, dtype=bool), np.ones((min(n - 1, 1), n), dtype=bool)]),
        np.append(dkn.potential_without, [dkn.potential_suppressed_probability][: n - 1]),
        dkn.base_probability,
    )
    return {"necessity": lattice.necessity, "rho": lattice.rho}


STUDY = Acquisition
