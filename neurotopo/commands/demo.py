"""``neurotopo demo``: one fact in full, and the acquisition study on three models."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.models.builtin_models import PREFIX
from neurotopo.report.summary import Picture, Summary, Table, free_axes

if TYPE_CHECKING:
    from neurotopo.knowledge.dkn import DKN
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.studies.run import Result

__all__ = ["MODELS", "FactInFull", "demonstrate", "fact_in_full"]

MODELS = {
    "planted": "trained so that each of three groups of neurons is enough for a fact",
    "gpt2": "trained in the ordinary way",
    "null": "not trained at all",
}
"""The models of the demonstration, all of which come with neurotopo."""

_TITLE = "neurotopo: a demonstration on the models that come with it"
_SCOPE = "layer"  # every layer has a say, or the first drowns the others in small models
_LEVEL = 0.01
_ALL = "all potential"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class FactInFull:
    """What is known about one fact, step by step.

    Attributes
    ----------
    fact : Fact
        The fact.
    n_looked_at : int
        How many facts were looked at until one had two components.
    dkn : DKN
        What NTC found.
    random : DKN
        Random groups in the sizes of NTC's, judged without a filter.
    pictures : dict of str to Picture
        The steps.
    explorer : dict
        The fact as the page lets it be explored.
    """

    fact: Fact
    n_looked_at: int
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
        Folder to write to. The runs are in folders by the names of the models, and go on where
        they were interrupted.
    seed : int, default=0
        Seed of all that is random.
    n_facts : int, default=50
        Number of facts of each model.
    progress : bool, default=False
        Show progress bars.
    tell : callable, optional
        Called with what is being done.

    Returns
    -------
    Summary, list of Path
        What was found, and the files of the report.
    """
    from neurotopo._extras import versions
    from neurotopo.report import write_report

    tell("One fact in full, on testbed:planted ...")
    shown = fact_in_full(seed=seed)
    results = {}
    for name, what in MODELS.items():
        tell(f"The acquisition study on {n_facts} facts of testbed:{name}, a model {what} ...")
        results[name] = _study(name, out / name, seed, n_facts, progress)
    summary = _summary(shown, results, n_facts)
    about = {
        "study": "demo",
        "options": {"scope": _SCOPE, "n_facts": n_facts},
        "seeds": {"seed": seed},
        "versions": versions(),
        "command": ["neurotopo", "demo", "--seed", str(seed), "--facts", str(n_facts)],
    }
    return summary, write_report(summary, out, about=about, failures={})


def _study(name: str, out: Path, seed: int, n_facts: int, progress: bool) -> Result:
    from neurotopo.studies.run import run

    return run(
        "acquisition",
        model=f"testbed:{name}",
        facts=f"factworld:{n_facts}",
        out=out,
        quick=True,
        seed=seed,
        progress=progress,
        scope=_SCOPE,
    )


def fact_in_full(name: str = "testbed:planted", seed: int = 0) -> FactInFull:
    """Follow one fact from its neurons to its degenerate knowledge neurons.

    Parameters
    ----------
    name : str, default="testbed:planted"
        The model.
    seed : int, default=0
        Seed of the facts that are tried, of which the first that has two components is shown,
        and of random groups.

    Returns
    -------
    FactInFull
    """
    from neurotopo import AMIG, DKNFinder, NeuronGraph, NTCClusterer
    from neurotopo.studies.facts import facts_for
    from neurotopo.studies.groupings import shuffled
    from neurotopo.studies.models import model_for

    model = model_for(name, {})
    amig = AMIG.fast(scope=_SCOPE)
    finder = DKNFinder(NTCClusterer(metric="precomputed"))
    count = 0
    for fact in facts_for("factworld:50", name, seed=seed):
        count += 1
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
        count,
        dkn,
        random,
        dict(_steps(model, fact, attribution, graph, dkn, random)),
        _explored(model, fact, random, seed),
    )


def _explored(model: NeuronModel, fact: Fact, random: DKN, seed: int) -> dict[str, Any]:
    """Return what the page of the acquisition study shows of the fact.

    The random groups of its curve are those of the pictures: they went through no filter.
    """
    from neurotopo.studies.acquisition.explorer import explorer_of
    from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
    from neurotopo.studies.rows import Row

    stages = Acquisition(model, AcquisitionOptions.quick(scope=_SCOPE), seed).measure(fact)
    data = explorer_of([Row(fact.key, fact.to_dict(), stages, None, 0.0)])
    assert data is not None  # it has neurons, so it has a graph
    for curve in data["facts"][0]["curves"]:
        if curve["method"] == "ntc" and curve["random"]:
            curve["name"] = "random groups of the same sizes, without a filter"
            curve["values"] = [float(value) for value in random.curve]
            curve["reason"] = random.reason
    return {**data, "note": "This is the fact of the first five pictures."}


def _steps(
    model: NeuronModel, fact: Fact, attribution: Any, graph: Any, dkn: DKN, random: DKN
) -> Iterator[tuple[str, Picture]]:
    from neurotopo import NTCClusterer
    from neurotopo.plots import GraphDisplay, GrowthDisplay, PersistenceDiagramDisplay
    from neurotopo.plots.attribution import AttributionDisplay
    from neurotopo.plots.suppression import SuppressionDisplay

    clusterer = NTCClusterer(metric="precomputed").fit(graph.clustering_input())
    asked = f"{fact.prompt!r}, answer {fact.answers[0]!r}"
    ax = free_axes(8.5, 2.8)
    AttributionDisplay.from_attribution(attribution, neurons=dkn.neurons, ax=ax)
    yield (
        "fact_neurons",
        Picture(
            ax.figure,
            f"1. The neurons of the fact {asked}",
            f"Scores of all {model.n_layers * model.n_neurons:,} neurons (AMIG); the "
            f"{len(dkn.neurons)} circled ones score above a fifth of the highest of their layer.",
        ),
    )
    ax = free_axes(7.0, 4.6)
    GraphDisplay.from_estimator(clusterer, strata=graph.layers, ax=ax)
    yield (
        "fact_graph",
        Picture(
            ax.figure,
            "2. Their graph, by layer",
            "The lengths of edges are one over the connection weights; colours are NTC's clusters.",
        ),
    )
    ax = free_axes(5.6, 4.4)
    PersistenceDiagramDisplay.from_estimator(clusterer, ax=ax)
    yield (
        "fact_diagram",
        Picture(
            ax.figure,
            "3. Its persistence diagram",
            "Every cluster that exists while the distance R grows, by the R at which it forms and "
            "at which it merges. Far from the diagonal means stable.",
        ),
    )
    ax = free_axes(10.0, 3.4)
    GrowthDisplay.from_estimator(clusterer, strata=graph.layers, ax=ax)
    yield (
        "fact_growth",
        Picture(
            ax.figure,
            "4. How the clusters grow with R",
            "The graph at several distances R, as in Figure 2 of the paper.",
        ),
    )
    ax = free_axes(6.0, 4.2)
    SuppressionDisplay.from_dkn(dkn, controls={"random groups": random.curve}, ax=ax)
    yield (
        "fact_curve",
        Picture(
            ax.figure,
            "5. What is left of the answer when components are suppressed",
            f"The fall of the answer's probability ({dkn.base_probability:.2f} unedited) with 1 to "
            f"{dkn.n} of NTC's components suppressed, and with random groups of the same sizes "
            "from the same neurons.",
        ),
    )


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
                "The jump of all potential components in points: how much more of the answer's "
                "probability the last one takes than all but one; that of random groups in the "
                "same sizes; their difference with a 95 % interval; p of Wilcoxon's signed-rank "
                "test, corrected by Holm over the methods of a model. oracle: the groups the "
                "model was trained to have. Pairs are chosen by the fall itself.",
                {"p": "p"},
            )
        },
        pictures=pictures,
        rows=rows,
        explorer=shown.explorer,
        notes=(
            f"Each study is on {n_facts} facts with the quick setting of 'neurotopo run'; the "
            "folders planted, gpt2 and null beside this page have the whole reports.",
            "Neurons are those above a fifth of the highest score of their layer (scope=layer).",
        ),
    )


def _about_fact(shown: FactInFull) -> str:
    dkn = shown.dkn
    if dkn.n < 2:
        return "None of the facts that were tried has two components; the last of them is shown."
    tried = "" if shown.n_looked_at == 1 else f", after {shown.n_looked_at - 1} without"
    return (
        f"The fact shown (the first with two components{tried}) has {len(dkn.neurons)} knowledge "
        f"neurons and {dkn.n} components. Suppressing all but one takes {_percent(dkn.curve[-2])} "
        f"of the answer's probability, suppressing all {_percent(dkn.curve[-1])}; random groups of "
        f"the same sizes {_percent(shown.random.curve[-2])} and {_percent(shown.random.curve[-1])}."
    )


def _about_model(name: str, result: Result, rows: Any) -> list[str]:
    """Return what the model knows, and a sentence for the planted groups and for NTC's."""
    from neurotopo.studies.acquisition.report import against_random

    by_method = {row["method"]: row for row in rows.to_dict("records")}
    said = [f"testbed:{name}, a model {MODELS[name]}. {result.findings[0]}"]
    for method in ("oracle", "ntc"):
        if method in by_method:
            sentence = against_random(method, by_method[method])
            # of the same kind: a claim stays one
            said.append(type(sentence)(f"testbed:{name}. {sentence}"))
    return said


def _percent(share: float) -> str:
    return f"{share:.0%}"


def _controls(models: Mapping[str, Result]) -> Any:
    import pandas as pd

    frames = []
    for name, result in models.items():
        table = result.tables["controls"]
        own = table[table["measure"] == _ALL].drop(columns="measure")
        # with its prefix, since "null" alone reads as a missing value in many programs
        frames.append(own.assign(model=PREFIX + name)[["model", *own.columns]])
    return pd.concat(frames, ignore_index=True)


def _conclusion(rows: Any) -> str:
    """Say whether a claim holds: it does where planted says yes and null says no."""
    ntc = rows[rows["method"] == "ntc"].set_index("model")
    claimed = (ntc["p"] < _LEVEL) & (ntc["difference"] > 0)
    verdict = {str(name).removeprefix(PREFIX): bool(yes) for name, yes in claimed.items()}
    told = ", ".join(f"on {name} {'yes' if verdict[name] else 'no'}" for name in verdict)
    sentence = (
        f"Are NTC's clusters more degenerate than random groups (at the level {_LEVEL})? {told}."
    )
    sentence = sentence.replace("? on", "? On")
    if not verdict.get("planted") or verdict.get("null"):
        return (
            f"{sentence} A claim would need a yes on planted and a no on null, so with these few "
            "facts none is made of NTC."
        )
    if verdict.get("gpt2"):
        return f"{sentence} So the ordinary model has degenerate groups that NTC finds."
    return (
        f"{sentence} So the method can tell degenerate groups where there are some, and the "
        "ordinary model shows none that it finds."
    )
