"""``neurotopo demo``: one fact in full, and the acquisition study on three models."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.models.builtin_models import PREFIX
from neurotopo.report.summary import Picture, Summary, Table, free_axes

if TYPE_CHECKING:
    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.studies.outcome import Result

__all__ = ["MODELS", "FactInFull", "demonstrate", "fact_in_full"]

MODELS = {
    "planted": "trained so that each of three groups of neurons is enough for a fact",
    "gpt2": "trained in the ordinary way",
    "null": "not trained at all",
}
"""The models of the demonstration, all of which come with neurotopo."""

_TITLE = "neurotopo: a demonstration on the models that come with it"
_SCOPE = "layer"  # or the first layer has almost all neurons of small models
_ALL = "all potential"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FactInFull:
    """One fact, step by step.

    Attributes
    ----------
    fact : Fact
        The fact.
    n_tried : int
        Number of facts tried until one had two components.
    dkn : DKN
        Degenerate knowledge neurons found by NTC.
    random : DKN
        Random groups of the same sizes, without a filter.
    pictures : dict of str to Picture
        The steps.
    explorer : dict
        Data of the interactive figure.
    """

    fact: Fact
    n_tried: int
    dkn: DKN
    random: DKN
    pictures: dict[str, Picture]
    explorer: dict[str, Any]


def demonstrate(
    out: Path,
    *,
    seed: int = 0,
    n_facts: int = 50,
    progress: bool = False,
    tell: Callable[[str], Any] = logger.info,
) -> tuple[Summary, list[Path]]:
    """Show one fact in full, run a small study on three models, and write a report.

    Parameters
    ----------
    out : Path
        Folder to write to. Each model has a resumable run in a folder of its name.
    seed : int, default=0
        Random seed.
    n_facts : int, default=50
        Facts per model.
    progress : bool, default=False
        Show progress bars.
    tell : callable, optional
        Called with a message before each step.

    Returns
    -------
    Summary, list of Path
        The results, and the files of the report.
    """
    from neurotopo._extras import versions
    from neurotopo.report import write_report
    from neurotopo.studies.run import run

    tell("One fact in full, on testbed:planted ...")
    shown = fact_in_full(seed=seed)
    results = {}
    for name, description in MODELS.items():
        tell(f"Acquisition study on {n_facts} facts of testbed:{name}, a model {description} ...")
        results[name] = run(
            "acquisition",
            model=f"testbed:{name}",
            facts=f"factworld:{n_facts}",
            out=out / name,
            quick=True,
            seed=seed,
            progress=progress,
            scope=_SCOPE,
        )
    summary = _summary(shown, results, n_facts)
    about = {
        "study": "demo",
        "options": {"scope": _SCOPE, "n_facts": n_facts},
        "seeds": {"seed": seed},
        "versions": versions(),
        "command": ["neurotopo", "demo", "--seed", str(seed), "--facts", str(n_facts)],
    }
    return summary, write_report(summary, out, about=about, failures={})


def fact_in_full(name: str = "testbed:planted", seed: int = 0) -> FactInFull:
    """Follow one fact from its neurons to its degenerate knowledge neurons.

    Parameters
    ----------
    name : str, default="testbed:planted"
        The model.
    seed : int, default=0
        Seed of the facts to try and of the random groups. The first fact with two components is
        shown.
    """
    from neurotopo import AMIG, DKNFinder, NeuronGraph, NTCClusterer
    from neurotopo.studies.facts import facts_for
    from neurotopo.studies.groupings import shuffled
    from neurotopo.studies.study import model_for

    model = model_for(name, {})
    amig = AMIG.fast(scope=_SCOPE)
    finder = DKNFinder(NTCClusterer.paper(metric="precomputed"))
    n_tried = 0
    for fact in facts_for("factworld:50", name, seed=seed):
        n_tried += 1
        attribution = next(amig.attribute_many(model, [fact]))
        neurons = attribution.neurons(amig.threshold_for(fact), amig.rule, amig.scope)
        graph = NeuronGraph.from_model(model, neurons)
        dkn = finder.find(model, fact, neurons, graph=graph)
        if dkn.n >= 2 and not dkn.excluded:
            break
    rng = np.random.default_rng(seed)
    groups = shuffled(dkn.components, neurons, rng)
    random = replace(finder, tau2=0.0).evaluate(model, fact, groups, neurons=neurons)
    return FactInFull(
        fact,
        n_tried,
        dkn,
        random,
        _steps(model, fact, attribution, graph, dkn, random),
        _explored(model, fact, random, seed),
    )


def _explored(model: NeuronModel, fact: Fact, random: DKN, seed: int) -> dict[str, Any]:
    """Return the interactive figure of the acquisition study, with the random groups shown here."""
    from neurotopo.studies.acquisition.explorer import explorer_of
    from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
    from neurotopo.studies.rows import Row

    stages = Acquisition(model, AcquisitionOptions.quick(scope=_SCOPE), seed).measure(fact)
    explorer = explorer_of([Row(fact.key, fact.to_dict(), stages, None, 0.0)])
    assert explorer is not None  # the fact has neurons, so it has a graph
    for curve in explorer["facts"][0]["curves"]:
        if curve["method"] == "ntc" and curve["random"]:
            curve["name"] = "random groups of the same sizes, without a filter"
            curve["values"] = [float(value) for value in random.curve]
            curve["reason"] = random.reason
    return {**explorer, "note": "The fact of the first five pictures."}


def _steps(
    model: NeuronModel, fact: Fact, attribution: Any, graph: Any, dkn: DKN, random: DKN
) -> dict[str, Picture]:
    from neurotopo import NTCClusterer
    from neurotopo.plots import GraphDisplay, GrowthDisplay, PersistenceDiagramDisplay
    from neurotopo.plots.attribution import AttributionDisplay
    from neurotopo.plots.suppression import SuppressionDisplay

    ntc = NTCClusterer.paper(metric="precomputed").fit(graph.clustering_input())
    controls = {"random groups": random.curve}
    pictures: dict[str, Picture] = {}

    def add(name: str, size: tuple[float, float], title: str, note: str, draw: Any) -> None:
        ax = free_axes(*size)
        draw(ax=ax)
        pictures[f"fact_{name}"] = Picture(ax.figure, f"{len(pictures) + 1}. {title}", note)

    add(
        "neurons",
        (8.5, 2.8),
        f"The neurons of the fact {fact.prompt!r}, answer {fact.answers[0]!r}",
        f"Scores of all {model.n_layers * model.n_neurons:,} neurons (AMIG); the "
        f"{len(dkn.neurons)} circled ones score above a fifth of the highest of their layer.",
        partial(AttributionDisplay.from_attribution, attribution, neurons=dkn.neurons),
    )
    add(
        "graph",
        (7.0, 4.6),
        "Their graph, by layer",
        "The length of an edge is one over the connection weight; colours are NTC's clusters.",
        partial(GraphDisplay.from_estimator, ntc, strata=graph.layers),
    )
    add(
        "diagram",
        (5.6, 4.4),
        "Its persistence diagram",
        "All clusters that form as the distance R grows, by the R at which they form and the R at "
        "which they merge. Points far from the diagonal are stable clusters.",
        partial(PersistenceDiagramDisplay.from_estimator, ntc),
    )
    add(
        "growth",
        (10.0, 3.4),
        "How the clusters grow with R",
        "The graph at several distances R, as in Figure 2 of the paper.",
        partial(GrowthDisplay.from_estimator, ntc, strata=graph.layers),
    )
    add(
        "curve",
        (6.0, 4.2),
        "The answer when components are suppressed",
        f"Decrease of the probability of the answer ({dkn.base_probability:.2f} unedited) with 1 "
        f"to {dkn.n} of NTC's components suppressed, and with random groups of the same sizes "
        "from the same neurons.",
        partial(SuppressionDisplay.from_dkn, dkn, controls=controls),
    )
    return pictures


def _summary(shown: FactInFull, models: Mapping[str, Result], n_facts: int) -> Summary:
    pictures = dict(shown.pictures)
    findings = [_about_fact(shown)]
    rows = _controls(models)
    for name, result in models.items():
        findings += _about_model(name, result, rows[rows["model"] == PREFIX + name])
        figure = result.summary.pictures.get("figure4")
        if figure is not None:
            title = f"testbed:{name}, {MODELS[name]}: curves by number of components"
            pictures[f"{name}_curves"] = Picture(figure.figure, title, figure.note)
    findings.append(_conclusion(rows))
    return Summary(
        title=_TITLE,
        findings=tuple(findings),
        tables={
            "models": Table(
                rows,
                "Jumps against those of random groups, by model",
                "The jump of all potential components, in points: the further decrease of the "
                "answer's probability when the last component is suppressed as well; the jump of "
                "random groups of the same sizes; their difference with a 95 % interval; p of "
                "Wilcoxon's signed-rank test, Holm-corrected over the methods of a model. oracle: "
                "the groups that the model was trained to have. Pairs are chosen by the decrease "
                "itself.",
                {"p": "p"},
            )
        },
        pictures=pictures,
        rows=rows,
        explorer=shown.explorer,
        notes=(
            f"Each study uses {n_facts} facts and the quick preset of 'neurotopo run'; the "
            "folders planted, gpt2 and null beside this page have the full reports.",
            "Neurons are those above a fifth of the highest score of their layer (scope=layer).",
        ),
    )


def _about_fact(shown: FactInFull) -> str:
    dkn = shown.dkn
    if dkn.n < 2:
        return "None of the facts tried has two components; the last one is shown."
    tried = "" if shown.n_tried == 1 else f", after {shown.n_tried - 1} without"
    ntc, random = ([f"{fall:.0%}" for fall in each.curve[-2:]] for each in (dkn, shown.random))
    return (
        f"The fact shown (the first with two components{tried}) has {len(dkn.neurons)} knowledge "
        f"neurons and {dkn.n} components. Suppressing all but one reduces the probability of the "
        f"answer by {ntc[0]}, suppressing all by {ntc[1]}; random groups of the same sizes reduce "
        f"it by {random[0]} and {random[1]}."
    )


def _about_model(name: str, result: Result, rows: Any) -> list[str]:
    """Return what the model knows, and a sentence each for the planted groups and NTC's."""
    from neurotopo.studies.acquisition.report import against_random

    by_method = {row["method"]: row for row in rows.to_dict("records")}
    sentences = [f"testbed:{name}, a model {MODELS[name]}. {result.findings[0]}"]
    for method in ("oracle", "ntc"):
        if method in by_method:
            sentence = against_random(method, by_method[method])
            # keep the class: a Claim stays a Claim
            sentences.append(type(sentence)(f"testbed:{name}. {sentence}"))
    return sentences


def _controls(models: Mapping[str, Result]) -> Any:
    import pandas as pd

    frames = []
    for name, result in models.items():
        table = result.tables["controls"]
        own = table[table["measure"] == _ALL].drop(columns="measure")
        # with the prefix: many programs read "null" alone as a missing value
        frames.append(own.assign(model=PREFIX + name)[["model", *own.columns]])
    return pd.concat(frames, ignore_index=True)


def _conclusion(rows: Any) -> str:
    """Return whether the claim holds: it does if planted says yes and null says no."""
    from neurotopo.studies.findings import ALPHA, row_stands

    ntc = rows[rows["method"] == "ntc"].set_index("model")
    claimed = {str(name): row_stands(row) for name, row in ntc.to_dict("index").items()}
    verdict = {name.removeprefix(PREFIX): yes for name, yes in claimed.items()}
    answers = ", ".join(f"{name}: {'yes' if yes else 'no'}" for name, yes in verdict.items())
    if not verdict.get("planted") or verdict.get("null"):
        meaning = (
            "A claim would need yes for planted and no for null, so no claim about NTC is made "
            "from these few facts."
        )
    elif verdict.get("gpt2"):
        meaning = "So the ordinary model has degenerate groups that NTC finds."
    else:
        meaning = (
            "So the method detects degenerate groups where they exist, and finds none in the "
            "ordinary model."
        )
    return (
        f"Are NTC's clusters more degenerate than random groups (at the level {ALPHA})? "
        f"{answers}. {meaning}"
    )
