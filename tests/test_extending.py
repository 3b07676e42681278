"""A clusterer, a selection rule and an edge length, each added by one call of a public registry."""

from __future__ import annotations

import numpy as np
import pytest

import neurotopo as nt
from neurotopo.cluster.baselines import BASELINES, CLUSTERER_LABELS, register_baseline, run_baseline
from neurotopo.cluster.selection import RULES, Eligible, register_rule
from neurotopo.explore import explorer_data
from neurotopo.graphs import LENGTHS, edge_lengths, register_length, whole_model_tree
from neurotopo.knowledge.potential import check_clusterer, potential_components
from neurotopo.plots import BarcodeDisplay
from neurotopo.studies.acquisition.study import AcquisitionOptions
from neurotopo.studies.groupings import (
    GROUPINGS,
    METHODS,
    GroupingInput,
    groups_by,
    in_order,
    label_of,
    register_grouping,
)
from tests.graphs.sources import ArrayModel

NEURONS = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (1, 2)]


@pytest.fixture(autouse=True)
def _as_before():
    """Remove every entry that a test added."""
    registries = (BASELINES, CLUSTERER_LABELS, RULES, LENGTHS, GROUPINGS)
    before = [dict(registry) for registry in registries]
    yield
    for registry, entries in zip(registries, before, strict=True):
        registry.clear()
        registry.update(entries)


@pytest.fixture
def model():
    return ArrayModel(n_layers=3, n_neurons=4)


def halves(distances, *, random_state=None):
    return np.arange(len(distances)) * 2 // len(distances)


def test_a_way_of_grouping(model):
    graph = nt.NeuronGraph.from_model(model, NEURONS)
    register_grouping("together", "One group", lambda given: [given.neurons])
    groups = groups_by(["together"], GroupingInput(graph, pairs=lambda: None, shape=(3, 4)))
    assert groups["together"] == [graph.neurons]
    assert label_of("random:together") == "Random groups in the sizes of together"
    assert in_order(["random:together", "oracle", "together"]) == [
        "oracle",
        "together",
        "random:together",
    ]
    assert AcquisitionOptions(methods=["together"]).methods == ["together"]
    for name in ("", "together", "kmeans", "anywhere", "random:ntc"):
        with pytest.raises(ValueError, match=r"the name of a method|the method .* registered"):
            register_grouping(name, "", lambda given: [])


def test_a_baseline(model):
    with pytest.raises(ValueError, match="clusterer must be one of ntc, kmeans"):
        check_clusterer("halves")
    register_baseline("halves", halves, label="Two halves")
    graph = nt.NeuronGraph.from_model(model, NEURONS)
    components = [graph.neurons[:3], graph.neurons[3:]]
    assert run_baseline("halves", graph.distances()).tolist() == [0, 0, 0, 1, 1, 1]
    assert potential_components("halves", graph) == components
    assert nt.DKNFinder("halves").clusterer == "halves"
    found = groups_by(["halves"], GroupingInput(graph, pairs=lambda: None, shape=(3, 4)))
    assert found["halves"] == components
    assert label_of("halves") == "Two halves"
    assert in_order(["oracle", "halves", "kmeans"]) == ["kmeans", "halves", "oracle"]
    assert AcquisitionOptions(methods=["ntc", "halves"]).methods == ["ntc", "halves"]
    assert "halves" in METHODS
    with pytest.raises(ValueError, match="the baseline 'halves' is registered already"):
        register_baseline("halves", halves)


def largest(given):
    """Only the largest cluster that dies."""
    size = given.clusters.tree.size[given.clusters.node] * np.isfinite(given.clusters.death)
    return Eligible.above(size.astype(float), size.max(initial=0) - given.tau)


def test_a_rule():
    X = [[0.0], [0.1], [0.3], [5.0], [5.05], [20.0]]
    with pytest.raises(ValueError, match="The 'rule' parameter of NTCClusterer"):
        nt.NTCClusterer.paper(rule="largest").fit(X)
    register_rule("largest", largest, of_persistence=False)
    ntc = nt.NTCClusterer.paper(rule="largest").fit(X)
    assert [cluster.tolist() for cluster in ntc.clusters_] == [[0, 1, 2, 3, 4]]
    assert ntc.threshold_ == 4.5
    assert ntc.recut(rule="relative", tau=0.0, nested=True).n_clusters_ > 1
    assert ntc.recut(rule="largest", tau=0.5, nested=False).n_clusters_ == 1
    assert explorer_data(ntc)["threshold"] is None
    assert BarcodeDisplay.from_estimator(ntc).threshold is None


def test_a_length(model):
    with pytest.raises(ValueError, match="length must be one of inverse, power, neglog"):
        nt.NeuronGraph.from_model(model, NEURONS, length="root")
    register_length("root", lambda strength: 1 / np.sqrt(strength))
    graph = nt.NeuronGraph.from_model(model, NEURONS, length="root")
    weight, length = graph.connections.weight, graph.edges.length
    np.testing.assert_array_equal(length, 1 / np.sqrt(np.abs(weight)))
    assert graph.options.length == "root"
    assert nt.NTCClusterer.paper(metric="precomputed").fit(graph.clustering_input()).n_clusters_ > 0
    tree = whole_model_tree(model, length="root")
    called = whole_model_tree(model, length=lambda w: 1 / np.sqrt(np.abs(w)))
    np.testing.assert_array_equal(tree.parent, called.parent)
    np.testing.assert_allclose(tree.birth, called.birth)
    weights = np.array([[0.0, -4.0], [-4.0, 0.0]])
    persistence = nt.GraphPersistence(homology_dimensions=0, weight_map="root")
    assert persistence.fit_transform([weights])[0].tolist() == [[0, 0.5], [0, np.inf]]
    assert edge_lengths([4.0, 0.0], length="root").tolist() == [0.5, np.inf]
