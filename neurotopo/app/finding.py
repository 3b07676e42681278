"""The neurons of a fact, their clusters, and what the answer loses without each cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from neurotopo.app.cache import Cache, Tell, plain
from neurotopo.app.editing import Positions, asked_fact, base_of, scores_of, shown_base
from neurotopo.app.facts import model_of
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["SELECTIONS", "find", "group"]

SELECTIONS: dict[str, dict[str, str]] = {
    "layer": {"rule": "top", "scope": "layer"},
    "model": {"rule": "top", "scope": "model"},
    "share": {"rule": "relative", "scope": "model"},
}
"""What a threshold of the page means: options of AMIG."""

MOST_NEURONS = 1500
_MOST_SINGLE = 40
_EVERY = 0.2  # seconds between two reports


def find(
    cache: Cache,
    tell: Tell,
    *,
    model: str,
    dtype: str,
    fact: Mapping[str, Any],
    foils: Sequence[str],
    select: str,
    threshold: float,
    clusters: Mapping[str, Any],
    positions: Positions,
) -> dict[str, Any]:
    """Find the neurons of a fact by AMIG, cluster them, and suppress each cluster alone."""
    from neurotopo.knowledge.amig import AMIG
    from neurotopo.knowledge.attribution import COARSE
    from neurotopo.redundancy import chosen_foils

    if select not in SELECTIONS:
        raise ValueError(f"select must be one of {', '.join(SELECTIONS)}, got {select!r}.")
    loaded, asked = model_of(cache, tell, model, dtype), asked_fact(fact)
    amig = AMIG.fast(threshold=threshold, **SELECTIONS[select])
    chosen = chosen_foils(loaded, asked, foils)
    with _counted(loaded, tell, "scoring the neurons"):
        attribution = next(amig.attribute_many(loaded, [asked]))
    neurons = attribution.neurons(threshold, amig.rule, amig.scope)
    if not len(neurons):
        raise ValueError("no neuron has a score above the threshold: lower it.")
    if len(neurons) > MOST_NEURONS:
        raise ValueError(
            f"{len(neurons):,} neurons have a score above the threshold, more than the page shows "
            f"({MOST_NEURONS:,}): choose fewer."
        )
    scores = attribution.scores[neurons.layers, neurons.indices]
    pairs = neurons.to_array().tolist()
    notes = []
    if attribution.relative_gap > COARSE:
        notes.append(
            "The scores of a layer differ from the change of the probability by up to "
            f"{attribution.relative_gap:.0%} of the greatest change: the integration is coarse."
        )
    found = {
        "fact": asked.to_dict(),
        "foils": list(chosen),
        "neurons": pairs,
        "scores": plain(scores),
        "notes": notes,
    }
    asking: dict[str, Any] = {
        "model": model,
        "dtype": dtype,
        "fact": asked.to_dict(),
        "foils": list(chosen),
    }
    shown = group(cache, tell, neurons=pairs, positions=positions, clusters=clusters, **asking)
    return {**found, **shown}


def group(
    cache: Cache,
    tell: Tell,
    *,
    model: str,
    dtype: str,
    fact: Mapping[str, Any],
    foils: Sequence[str],
    neurons: Sequence[Sequence[int]],
    clusters: Mapping[str, Any],
    positions: Positions,
) -> dict[str, Any]:
    """Cluster the neurons of a fact, and suppress each cluster alone."""
    from neurotopo import Edit, NTCClusterer
    from neurotopo.explore import explorer_data
    from neurotopo.graphs.neuron_graph import NeuronGraph

    loaded, asked = model_of(cache, tell, model, dtype), asked_fact(fact)
    tell("the graph of the neurons")
    chosen = NeuronSet(tuple(pair) for pair in neurons)
    graph = NeuronGraph.from_model(loaded, chosen)
    clusterer = NTCClusterer.paper(metric="precomputed", **clusters)
    clusterer.fit(graph.clustering_input(), strata=graph.layers)
    members = [cluster.tolist() for cluster in clusterer.clusters_]
    tell("the answer as it is")
    base = base_of(cache, loaded, (model, dtype), asked, foils)
    rows = [Edit(chosen[group], positions=positions) for group in members[:_MOST_SINGLE]]
    alone = [None] * len(members)
    for done, scores in scores_of(loaded, asked, foils, rows, base.answer):
        tell("suppressing each component alone", done / len(rows))
        at = done - len(scores.log_answer)
        alone[at:done] = plain(scores.of("probability"))
    lost = [_loss(base.probability, value) for value in alone]
    data = explorer_data(
        clusterer,
        names=[f"layer {layer} \N{MIDDLE DOT} {index}" for layer, index in chosen],
        title="Its neurons by layer, as the radius R grows",
        unit=("neuron", "neurons"),
        remarks=("answer without it", lost),
    )
    return {
        "graph": data,
        "components": [
            {"members": group, "without": without}
            for group, without in zip(members, alone, strict=True)
        ],
        "base": shown_base(loaded, base),
        "positions": positions,
    }


def _loss(before: float, after: float | None) -> str:
    return "" if after is None else f"{100 * before:.3g} % \N{RIGHTWARDS ARROW} {100 * after:.3g} %"


@contextmanager
def _counted(model: NeuronModel, tell: Tell, what: str) -> Iterator[None]:
    """Report the forward passes of a model within a block."""
    passes, told = 0, 0.0

    def count(*_: Any) -> None:
        nonlocal passes, told
        passes += 1
        if time.monotonic() - told > _EVERY:
            told = time.monotonic()
            tell(f"{what}: forward pass {passes:,}")

    tell(what)
    hook = model.hf_model.register_forward_hook(count)
    try:
        yield
    finally:
        hook.remove()
