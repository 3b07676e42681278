"""The work of the choices study: variations, lengths, agreement, and what is measured of a fact."""

from __future__ import annotations

import math

import numpy as np
import pytest

import neurotopo as nt
from neurotopo._codec import from_text, to_text
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.knowledge.thresholds import PAPER_SELECTION
from neurotopo.models.examples import random_model
from neurotopo.studies.choices.grouping import (
    among,
    gaps,
    jaccard,
    labels_of,
    rand_index,
    same_groups,
    within_layers,
)
from neurotopo.studies.choices.study import Choices, ChoicesOptions
from neurotopo.studies.choices.variations import CHOICES, DEFAULT, Variation, variations_for
from neurotopo.studies.facts import facts_for

POOL = [(0, 0), (0, 1), (1, 0), (1, 1), (2, 0)]
SMALL = {"quadrature": "gauss-legendre", "steps": 4, "n_random": 2, "max_exact": 4, "n_samples": 9}
FACTS = [
    nt.Fact(f"The capital of {land} is _X_", city, id=land)
    for land, city in (("France", "Paris"), ("Italy", "Rome"), ("Ada", "Acme"))
]


# Variations


def named(options, gated=False):
    return {variation.name: variation for variation in variations_for(options, gated)}


def test_one_thing_is_changed_at_a_time():
    for variation in variations_for(ChoicesOptions(), gated=True):
        changed = {**variation.graph, **variation.cluster, **variation.neurons}
        if variation.name == DEFAULT:
            assert not changed
            assert variation.kind == "graph"
            continue
        assert variation.choice in CHOICES
        if variation.name == "paper":
            assert changed == PAPER_SELECTION
            continue
        things = set(changed) - ({"power"} if "length" in changed else set())
        if variation.kind == "matrix":  # A itself, of the default or of another aggregation
            assert things <= {"aggregation"}
        else:
            assert len(things) + (variation.kind != "graph") == 1


def test_names_are_unlike_and_the_default_is_first():
    names = [variation.name for variation in variations_for(ChoicesOptions(), gated=True)]
    assert names[0] == DEFAULT
    assert len(set(names)) == len(names)


def test_what_equals_the_default_is_left_out():
    assert not {"inverse", "up", "sum", "scope=model"} & set(named(ChoicesOptions(), gated=True))
    other = ChoicesOptions(
        length="neglog",
        aggregation="max",
        scope="layer",
        fold_norm=True,
        tau=0.3,
        min_cluster_size=3,
        threshold=0.1,
    )
    names = set(named(other))
    assert {"inverse", "sum", "scope=model", "matrix", "tau=0.7", "threshold=0.3"} <= names
    gone = {"neglog", "max", "scope=layer", "fold-norm", "tau=0.3", "size=3", "threshold=0.1"}
    assert not gone & names


def test_only_gated_models_have_paths():
    assert "gate" in named(ChoicesOptions(), gated=True)
    assert "gate" not in named(ChoicesOptions(), gated=False)


def test_what_the_theorem_is_about():
    of = named(ChoicesOptions())
    assert {name for name in of if of[name].by_theorem} == {"matrix", "max"}
    products = named(ChoicesOptions(aggregation="product"))
    assert not any(variation.by_theorem for variation in products.values())


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"choices": ["metric"]}, "there is no choice 'metric'"),
        ({"choices": []}, "at least one choice"),
        ({"choices": ["distance", "distance"]}, "choices must be different"),
        ({"powers": [2.0, 2.0]}, "powers must be different"),
        ({"powers": [0.0]}, "power must be a positive number"),
        ({"thresholds": [-1.0]}, "thresholds must be finite"),
        ({"taus": [-0.5]}, "'tau' parameter"),
        ({"n_random": 0}, "n_random must be a whole number of at least 1"),
        ({"path": "both"}, "leave it out of choices"),
        ({"length": "square"}, "length must be one of"),
        ({"max_exact": 99}, "max_exact must be at most"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        ChoicesOptions(**given)


def test_quick_can_be_changed():
    assert ChoicesOptions.quick(n_random=3, choices=["path"], path="both").n_random == 3


# Lengths


def merge_radii(tree, vertices):
    """The smallest radius at which two samples are in one component, for all pairs."""
    found = np.full((len(vertices), len(vertices)), np.inf)
    for radius in np.unique(tree.birth)[::-1]:
        labels = tree.cut(radius)[vertices]
        found[labels[:, None] == labels[None, :]] = radius
    np.fill_diagonal(found, 0.0)
    return found


@pytest.mark.parametrize("seed", range(12))
def test_some_neurons_of_a_tree_are_as_far_apart_as_in_it(seed):
    rng = np.random.default_rng(seed)
    n_layers, n_neurons = 3, 5
    n = n_layers * n_neurons
    lengths = rng.integers(1, 9, size=(n, n)).astype(float)  # ties
    lengths[rng.random((n, n)) < 0.8] = np.inf  # and several components
    lengths = np.minimum(lengths, lengths.T)
    np.fill_diagonal(lengths, 0.0)
    tree = NeuronTree.from_tree(nt.merge_tree(lengths), 0, n_layers, n_neurons)
    chosen = np.sort(rng.permutation(n)[: rng.integers(1, 9)])
    neurons = nt.NeuronSet([divmod(int(vertex), n_neurons) for vertex in chosen])
    expected = merge_radii(tree, chosen)
    found = among(tree, gaps(tree), neurons)
    assert found.nnz <= 2 * (len(chosen) - 1)
    assert nt.merge_tree(found) == nt.merge_tree(expected)
    one, other = (nt.NTCClusterer.paper(metric="precomputed").fit(x) for x in (found, expected))
    np.testing.assert_array_equal(one.labels_, other.labels_)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_weights_within_a_layer_are_in_the_unit_of_those_between(kind):
    model = random_model(kind)
    into, out = model.in_rows(1, [2, 5, 7]), model.out_rows(1, [2, 5, 7])
    strong = np.sqrt(np.linalg.norm(into, axis=1) * np.linalg.norm(out, axis=1))
    for reads, rows in ((True, into), (False, out)):
        found = within_layers(model, "up", reads)(1, [2, 5, 7])
        np.testing.assert_array_equal(found, found.T)
        cosine = rows[0] @ rows[2] / (np.linalg.norm(rows[0]) * np.linalg.norm(rows[2]))
        assert found[0, 2] == pytest.approx(float(cosine * strong[0] * strong[2]), rel=1e-5)
        np.testing.assert_allclose(np.diag(found), strong**2, rtol=1e-5)


def test_the_gate_has_rows_of_its_own():
    model = random_model("llama")
    up, gate = (within_layers(model, path, True)(0, [0, 1]) for path in ("up", "gate"))
    assert not np.allclose(up, gate)
    np.testing.assert_array_equal(within_layers(model, "both", True)(0, [0, 1]), up)


# Agreement


def test_neurons_in_no_cluster_are_alone():
    labels = labels_of([POOL[:2]], POOL)
    assert labels[0] == labels[1]
    assert len(set(labels.tolist())) == 4


def test_the_smallest_of_nested_groups_counts():
    labels = labels_of([POOL[:2], POOL[:4]], POOL)
    other = labels_of([POOL[:4], POOL[:2]], POOL)
    for found in (labels, other):
        assert found[0] == found[1] != found[2] == found[3]
        assert found[4] not in found[:4]


def test_the_rand_index_by_hand():
    one, other = [POOL[:2], POOL[2:4]], [POOL[:2]]
    # pairs together: 2 and 1, both 1; expected 2 * 1 / 10; (1 - 0.2) / (1.5 - 0.2)
    assert rand_index(one, other, POOL) == pytest.approx(0.8 / 1.3)
    assert rand_index(one, one[::-1], POOL) == 1.0
    assert rand_index(one, [], POOL) == 0.0
    assert math.isnan(rand_index([], [], POOL))


def test_sets_and_groups():
    assert jaccard(POOL[:2], POOL[1:4]) == 0.25
    assert math.isnan(jaccard([], []))
    assert same_groups([POOL[:2], POOL[2:]], [POOL[2:][::-1], POOL[:2]])
    assert not same_groups([POOL[:2], POOL[2:]], [POOL[:2]])


# Work


@pytest.fixture(scope="module")
def model():
    return random_model("llama", n_layers=4, seed=7)


def work(model, seed=0, **given):
    return Choices(model, ChoicesOptions(**{**SMALL, "threshold": 0.05, **given}), seed)


@pytest.fixture(scope="module")
def payload(model):
    return work(model)(FACTS[0])


def test_what_is_stored_about_a_fact(payload):
    about, results = payload["fact"], payload["variations"]
    assert {each["name"] for each in about["variations"]} == set(results)
    assert not about["planted"]
    for name, result in results.items():
        assert len(result["sizes"]) == len(result["passed"]) == len(result["groups"]), name
        assert len(result["random"]) == 2
        assert result["n"] == int(np.sum(result["passed"]))
        assert math.isnan(result["ari_planted"])
    usual = results[DEFAULT]
    assert len(usual["sizes"]) >= 2  # or there would be nothing to compare
    assert usual["ari"] == 1.0
    assert usual["same"]
    again = from_text(to_text(payload))
    assert again["variations"][DEFAULT]["sizes"] == usual["sizes"]


def groups_of(result):
    return {frozenset(map(tuple, np.asarray(group).tolist())) for group in result["groups"]}


def expected_groups(model, neurons, lengths=None, *, cluster=None, **given):
    neurons = nt.NeuronSet(neurons)
    graph = nt.NeuronGraph.from_model(model, neurons, **given)
    clusterer = nt.NTCClusterer.paper(metric="precomputed", **(cluster or {}))
    clusterer.fit(graph.lengths if lengths is None else lengths(graph), strata=neurons.layers)
    return {frozenset(neurons[cluster]) for cluster in clusterer.clusters_}


def test_every_variation_is_what_it_says(model, payload):
    neurons, results = payload["fact"]["neurons"], payload["variations"]

    def check(name, **given):
        assert groups_of(results[name]) == expected_groups(model, neurons, **given), name

    check(DEFAULT)
    check("power=2", length="power", power=2.0)
    check("neglog", length="neglog")
    check("signed", signed=True)
    check("activations", activations=model.activations(FACTS[0]))
    check("fold-norm", fold_norm=True)
    check("gate", path="gate")
    check("both", path="both")
    check("product", aggregation="product", lengths=lambda graph: graph.distances())
    check("outgoing", intra=within_layers(model, "up", False))
    check("incoming", intra=within_layers(model, "up", True))
    check("tau=0.3", cluster={"tau": 0.3})
    check("size=3", cluster={"min_cluster_size": 3})
    check("min_samples=3", cluster={"min_samples": 3})
    check("condense", cluster={"condense": True})
    check("nested", cluster={"nested": True})
    check("scale=log", cluster={"scale": "log"})
    # logarithms of lengths differ by what lengths have as a ratio
    assert groups_of(results["neglog"]) == groups_of(results["scale=log"])


def test_clusters_by_the_tree_of_all_neurons(model, payload):
    tree = nt.whole_model_tree(model)
    neurons = nt.NeuronSet(payload["fact"]["neurons"])
    vertex = tree.vertex(neurons.layers, neurons.indices)
    clusterer = nt.NTCClusterer.paper(metric="precomputed").fit(merge_radii(tree, vertex))
    expected = {frozenset(neurons[cluster]) for cluster in clusterer.clusters_}
    assert groups_of(payload["variations"]["whole-model"]) == expected


def test_other_neurons(model, payload):
    fact, options = FACTS[0], ChoicesOptions(**{**SMALL, "threshold": 0.05})
    attribution = options.amig().attribute(model, fact)
    for name, neurons in (
        ("threshold=0.3", attribution.neurons(0.3)),
        ("scope=layer", attribution.neurons(0.05, scope="layer")),
    ):
        found = groups_of(payload["variations"][name])
        assert found == expected_groups(model, neurons), name


def test_the_theorem_holds(model):
    for fact in FACTS:
        results = work(model)(fact)["variations"]
        for name in ("matrix", "max"):
            assert results[name]["same"], name
            # the same groups have the same random ones, so nothing differs by the draw
            assert results[name]["random"] == results[DEFAULT]["random"]


def test_numbers_are_those_of_the_library(model, payload):
    options = ChoicesOptions(**SMALL)
    result = payload["variations"]["nested"]
    groups = [nt.NeuronSet(np.asarray(group)) for group in result["groups"]]
    dkn = options.finder().evaluate(model, FACTS[0], groups)
    # other sets in a batch round the probabilities otherwise; the jump is a small difference
    assert result["jump"] == pytest.approx(dkn.jump, abs=2e-6, nan_ok=True)
    assert result["potential_jump"] == pytest.approx(dkn.potential_jump, abs=2e-6, nan_ok=True)
    np.testing.assert_array_equal(result["passed"], dkn.passed)


def test_a_variation_does_not_depend_on_the_others(model, payload):
    alone = work(model, choices=["aggregation"])(FACTS[0])["variations"]
    assert set(alone) == {DEFAULT, "matrix", "max", "product"}
    for name, result in alone.items():
        other = payload["variations"][name]
        assert groups_of(result) == groups_of(other)
        for one, two in zip(result["random"], other["random"], strict=True):
            # batches of other sizes round otherwise
            assert one["potential_jump"] == pytest.approx(two["potential_jump"], abs=1e-5)


def test_the_seed_counts(model, payload):
    same, other = (work(model, seed=seed)(FACTS[0])["variations"] for seed in (0, 1))
    assert to_text(same) == to_text(payload["variations"])
    draws = [
        [draw["potential_jump"] for result in results.values() for draw in result["random"]]
        for results in (same, other)
    ]
    assert not np.allclose(*draws, equal_nan=True)


def test_unknown_facts_can_be_left_out(model):
    payload = work(model, only_known=True)(FACTS[0])
    assert not payload["fact"]["known"]
    assert payload["variations"] == {}


def test_a_fact_without_neurons(model):
    payload = work(model, rule="absolute", threshold=1e9, thresholds=(1e8,))(FACTS[0])
    usual = payload["variations"][DEFAULT]
    assert (usual["sizes"], usual["n"], usual["reason"]) == ([], 0, "no neurons")
    assert not usual["clustered"]
    assert math.isnan(usual["ari"])


def test_planted_groups_are_found():
    fact = facts_for("factworld:1", "testbed:planted", most=None, seed=0)
    found = work(nt.load_model("testbed:planted"), threshold=0.2, choices=["others"])(fact[0])
    result = found["variations"]["whole-model"]
    assert found["fact"]["planted"]
    assert result["ari_planted"] > 0.9
    assert abs(result["ari_planted_random"]) < 0.2


def test_what_a_variation_is_cannot_be_changed():
    variation = Variation("a", "distance", "what")
    with pytest.raises(AttributeError):
        variation.name = "b"
