"""Planted degeneracy: that it is there, that it can be seen, and that the method finds it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.metrics import adjusted_rand_score

from neurotopo import AMIG, Edit, Fact, FactSet, NeuronGraph, NTCClusterer, load_model
from neurotopo.models.builtin_models import built_in, find, planted_groups
from neurotopo.models.examples import random_model
from neurotopo.testbed.corpus import Lessons
from neurotopo.testbed.planted import (
    PLANTED_RECIPES,
    PLANTINGS,
    Planting,
    build_planted,
    planted_lessons,
)
from neurotopo.testbed.planting import cross_talk, imbalance
from neurotopo.testbed.world import make_world

NAMES = ("planted", "functional")


@pytest.fixture(scope="module", params=NAMES)
def shipped(request):
    return load_model(f"testbed:{request.param}", device="cpu")


@pytest.fixture(scope="module")
def planted():
    return load_model("testbed:planted", device="cpu")


def facts_of(name):
    return FactSet.from_jsonl(find(name) / "facts.jsonl")


def name_of(model):
    return next(name for name in NAMES if str(model.hf_model.name_or_path).endswith(name))


def group_array(model):
    """The group of every neuron, by layer and index."""
    array = np.full((model.n_layers, model.n_neurons), -1)
    for number, group in enumerate(model.planted_groups):
        array[group.layers, group.indices] = number
    assert (array >= 0).all()
    return array


def mean_weights(model):
    """Mean size of connection weights within groups and across, over all adjacent layers."""
    of = group_array(model)
    within, across = [], []
    for layer in range(model.n_layers - 1):
        weights = np.abs(
            model.out_rows(layer).astype(float) @ model.in_rows(layer + 1).astype(float).T
        )
        same = of[layer][:, None] == of[layer + 1]
        within.append(weights[same])
        across.append(weights[~same])
    return np.concatenate(within).mean(), np.concatenate(across).mean()


def agreement(model, neurons, **options):
    """ARI of NTC's clusters with the groups; a neuron in no cluster stands by itself."""
    graph = NeuronGraph.from_model(model, neurons)
    clusterer = NTCClusterer.paper(metric="precomputed", **options)
    labels = clusterer.fit(graph.clustering_input()).labels_.copy()
    alone = np.flatnonzero(labels < 0)
    labels[alone] = labels.max(initial=-1) + 1 + np.arange(len(alone))
    truth = group_array(model)[graph.neurons.layers, graph.neurons.indices]
    return adjusted_rand_score(truth, labels)


def kept_shares(model, facts, positions):
    """Of the answer's probability, the least that a group alone keeps, and what none keeps."""
    groups = model.planted_groups
    every = [pair for group in groups for pair in group]
    others = [[pair for g in groups if g is not group for pair in g] for group in groups]
    edits = [None, *(Edit(part, positions=positions) for part in (*others, every))]
    p = np.array([model.answer_probability(fact, edits=edits) for fact in facts])
    return p[:, 1:-1].min(axis=1) / p[:, 0], p[:, -1] / p[:, 0]


@pytest.mark.parametrize("positions", ["all", "last"])
def test_every_group_is_enough_and_none_is_not(shipped, positions):
    facts = facts_of(name_of(shipped))
    assert len(facts) >= 100
    least, none = kept_shares(shipped, facts[::6], positions)
    assert np.mean((least >= 0.8) & (none <= 0.05)) >= 0.95


def test_the_facts_are_known(shipped):
    facts = facts_of(name_of(shipped))
    assert np.median(shipped.answer_probabilities(facts)) > 0.9
    assert np.mean(shipped.answer_probabilities(facts) > 0.5) >= 0.98


def test_groups_hold_every_neuron_once(shipped):
    groups = shipped.planted_groups
    pairs = [tuple(pair) for group in groups for pair in group]
    assert len(groups) == 3
    assert len(pairs) == len(set(pairs)) == shipped.n_layers * shipped.n_neurons
    assert {tuple(np.unique(group.layers)) for group in groups} == {tuple(range(shipped.n_layers))}


def test_planted_groups_are_wired_within(planted):
    within, across = mean_weights(planted)
    assert within >= 5 * across


def test_functional_groups_cannot_be_seen_in_the_weights():
    model = load_model("testbed:functional", device="cpu")
    within, across = mean_weights(model)
    assert abs(within / across - 1) < 0.1
    every = [pair for group in model.planted_groups for pair in group]
    assert abs(agreement(model, every)) < 0.1


def test_ntc_recovers_the_planted_groups_from_their_neurons(planted):
    groups = planted.planted_groups
    every = [tuple(pair) for group in groups for pair in group]
    assert agreement(planted, every) >= 0.9
    for layer in range(planted.n_layers - 1):
        adjacent = [pair for pair in every if pair[0] in (layer, layer + 1)]
        assert agreement(planted, adjacent) >= 0.9


def end_to_end(model, facts, **options):
    """Mean ARI between NTC's clusters of the neurons that AMIG finds for a fact and the groups."""
    amig = AMIG.fast(**options)
    scores = amig.attribute_many(model, facts)
    return np.mean(
        [agreement(model, found.neurons(amig.threshold, amig.rule, amig.scope)) for found in scores]
    )


@pytest.mark.parametrize(
    "options",
    [
        {"threshold": 0.2, "scope": "layer"},
        {"threshold": 6, "rule": "top", "scope": "layer"},
        {"threshold": 12, "rule": "top", "scope": "layer"},
    ],
)
def test_from_facts_to_groups(planted, options):
    facts = facts_of("planted")[::10]
    assert end_to_end(planted, facts, **options) >= 0.5


def test_nothing_is_found_where_nothing_is_wired():
    model = load_model("testbed:functional", device="cpu")
    facts = facts_of("functional")[::10]
    assert end_to_end(model, facts, threshold=0.2, scope="layer") < 0.1


def test_shares_of_the_attribution(planted):
    """Every layer and every group has a part in the scores of a fact."""
    of = group_array(planted)
    facts = facts_of("planted")[::10]
    scores = [np.maximum(found.scores, 0) for found in AMIG.fast().attribute_many(planted, facts)]
    layers = np.mean([s.sum(axis=1) / s.sum() for s in scores], axis=0)
    groups = np.mean([np.bincount(of.ravel(), weights=s.ravel()) / s.sum() for s in scores], axis=0)
    assert layers.min() > 0.1
    assert groups.min() > 0.2


def test_shipped_files_are_small(shipped):
    folder = find(name_of(shipped))
    assert sum(file.stat().st_size for file in folder.iterdir()) < 3e6
    assert set(NAMES) <= set(built_in())


def test_lessons_have_one_answer_each():
    lessons = planted_lessons(make_world(), PLANTED_RECIPES["planted"])
    assert {len(fact.answers) for part in (lessons.trained, lessons.held_out) for fact in part} == {
        1
    }
    assert len({fact.id.split("#")[0] for fact in lessons.trained}) == len(lessons.facts)
    assert facts_of("planted") == lessons.facts


# What the training does


def test_cross_talk_is_the_ratio_of_weights_between_groups_to_those_within():
    model = random_model("gpt2", n_layers=3)
    group_of = torch.arange(24) % 2
    expected, uneven = [], []
    for layer in range(2):
        weights = model.out_rows(layer).astype(float) @ model.in_rows(layer + 1).astype(float).T
        same = group_of.numpy()[:, None] == group_of.numpy()
        across = np.sqrt((weights[~same] ** 2).mean())
        rows = [np.sqrt((weights[a, same[a]] ** 2).mean()) for a in range(24)]
        columns = [np.sqrt((weights[same[:, b], b] ** 2).mean()) for b in range(24)]
        expected.append(across / np.exp(np.log(rows + columns).mean()))
        size = np.abs(weights)
        uneven.append(np.log(size[same].mean() / size[~same].mean()) ** 2)
    assert imbalance(model.mlps, group_of).item() == pytest.approx(np.mean(uneven), rel=1e-4)
    found = cross_talk(model.mlps, group_of).item()
    assert found == pytest.approx(np.mean(expected), rel=1e-5)
    with torch.no_grad():
        for mlp in model.mlps:
            mlp.up.weight.mul_(0.01)
    assert cross_talk(model.mlps, group_of).item() == pytest.approx(found, rel=1e-5)


def tiny(name, **changes):
    recipe = PLANTED_RECIPES[name].changed(
        n_layers=2,
        d_model=24,
        n_inner=24,
        n_heads=2,
        vocab_size=300,
        n_positions=16,
        epochs=4,
        batch_size=8,
    )
    towns = ("Marly", "Peko", "Brinde", "Osk")
    facts = FactSet(Fact(f"The capital of {t}land is _X_", t, relation="capital") for t in towns)
    return recipe.changed(**changes), Lessons(facts, tuple(facts))


@pytest.mark.parametrize("name", NAMES)
def test_a_model_is_built_with_its_groups_beside_it(name, tmp_path):
    recipe, lessons = tiny(name)
    done = build_planted(name, tmp_path / "model", recipe=recipe, lessons=lessons)
    assert planted_groups(done.folder) == PLANTINGS[name].groups(2, 24)
    assert load_model(done.folder, device="cpu").n_layers == 2
    again = build_planted(name, tmp_path / "again", recipe=recipe, lessons=lessons)
    pair = [(folder / "model.safetensors").read_bytes() for folder in (done.folder, again.folder)]
    assert pair[0] == pair[1]


def test_unknown_names_and_shares_are_refused(tmp_path):
    with pytest.raises(ValueError, match="name must be one of planted, functional, got 'other'"):
        build_planted("other", tmp_path)
    with pytest.raises(ValueError, match="silent and averaged must add up to at most 1"):
        Planting(silent=0.6, averaged=0.6)
    with pytest.raises(ValueError, match="n_groups must be at least 2"):
        Planting(n_groups=1)
    with pytest.raises(ValueError, match=r"alone must be in \[0, 1\]"):
        Planting(alone=-0.1)
