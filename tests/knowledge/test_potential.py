"""Potential components by clusterers of every kind, and the options of the finder."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from sklearn.cluster import DBSCAN, AgglomerativeClustering, KMeans

from neurotopo import AMIG, DKNFinder, NeuronGraph, NTCClusterer
from neurotopo.cluster.baselines import (
    dbscan,
    finite_distances,
    hierarchical,
    kmeans,
    random_groups,
)
from neurotopo.knowledge.potential import potential_components
from neurotopo.models.examples import random_model
from tests.support.degeneracy import ALL, FACT, GROUPS, Toy


def true_labels(distances):
    return [next(k for k, group in enumerate(GROUPS) if pair in group) for pair in ALL]


@pytest.mark.parametrize(
    "clusterer",
    [
        NTCClusterer.paper(),
        NTCClusterer.paper(metric="precomputed", rule="gap"),
        "ntc",
        DBSCAN(eps=0.15, min_samples=2, metric="precomputed"),
        AgglomerativeClustering(
            n_clusters=None, distance_threshold=1.0, metric="precomputed", linkage="single"
        ),
        functools.partial(hierarchical, height=1.0, method="single"),
        functools.partial(dbscan, eps=0.15),
        true_labels,
    ],
)
def test_a_clusterer_of_any_kind(clusterer):
    graph = NeuronGraph.from_model(Toy(), ALL)
    for given_graph in (graph, None):
        dkn = DKNFinder(clusterer).find(Toy(), FACT, ALL, graph=given_graph)
        assert set(dkn.components) == set(GROUPS)
        assert dkn.gcr == pytest.approx(15)


def test_the_clusterer_is_left_as_it_is():
    ntc = NTCClusterer.paper(rule="significance", tau=1.0)
    first, second = (DKNFinder(ntc, random_state=2).find(Toy(), FACT, ALL) for _ in range(2))
    assert first.potential == second.potential
    assert (ntc.metric, ntc.random_state) == ("euclidean", None)
    assert not hasattr(ntc, "labels_")


@pytest.mark.parametrize(
    "clusterer",
    [
        "kmeans",
        "dbscan",
        "hierarchical",
        kmeans,
        dbscan,
        hierarchical,
        KMeans(2),
        functools.partial(random_groups, sizes=[3, 2], random_state=1),
    ],
)
def test_baselines_are_what_they_return(clusterer):
    model = random_model("gpt2")
    neurons = AMIG.fast(threshold=12, rule="top").locate(model, FACT)
    finder = DKNFinder(clusterer, tau2=0.0, random_state=5)
    dkn = finder.find(model, FACT, neurons)
    again = finder.find(model, FACT, neurons)
    assert dkn.potential == again.potential
    assert dkn.n == len(dkn.potential)
    distances = NeuronGraph.from_model(model, neurons).distances()
    if clusterer in ("kmeans", kmeans):
        labels = kmeans(distances, random_state=5)
    elif clusterer in ("dbscan", dbscan):
        labels = dbscan(distances)
    elif clusterer in ("hierarchical", hierarchical):
        labels = hierarchical(distances)
    elif isinstance(clusterer, KMeans):
        labels = KMeans(2, random_state=5).fit_predict(finite_distances(distances))
    else:
        labels = random_groups(12, sizes=[3, 2], random_state=1)
    wanted = [neurons[labels == k] for k in range(labels.max() + 1)]
    assert dkn.potential == wanted


@pytest.mark.parametrize("base", [KMeans, NTCClusterer])
@pytest.mark.parametrize(("own", "used"), [(None, 5), (8, 8)])
def test_a_clusterer_without_a_seed_is_given_one(base, own, used, monkeypatch):
    seen = []
    fit = base.fit
    monkeypatch.setattr(
        base,
        "fit",
        lambda self, X, *a, **o: seen.append(self.random_state) or fit(self, X, *a, **o),
    )
    clusterer = base(random_state=own)
    if base is KMeans:
        clusterer.set_params(n_clusters=2)
    DKNFinder(clusterer, random_state=5).find(Toy(), FACT, ALL)
    assert seen == [used]
    assert clusterer.random_state == own


@pytest.mark.parametrize(
    ("clusterer", "error", "message"),
    [
        ("spectral", ValueError, "clusterer must be one of ntc, kmeans, dbscan, hierarchical"),
        (DBSCAN(), ValueError, r"Use DBSCAN\(metric='precomputed'\)"),
        (DBSCAN, TypeError, "must be an estimator with fit_predict"),
        (3, TypeError, "must be an estimator with fit_predict"),
    ],
)
def test_what_is_no_clusterer_is_refused(clusterer, error, message):
    with pytest.raises(error, match=message):
        DKNFinder(clusterer)


@pytest.mark.parametrize("labels", [[0, 1], [0.5] * 7, [[0] * 7]])
def test_labels_that_fit_no_neurons_are_refused(labels):
    with pytest.raises(ValueError, match="for 7 neurons; it must return one whole number for each"):
        DKNFinder(lambda distances: labels).find(Toy(), FACT, ALL)


def test_an_estimator_without_parameters():
    class Plain:
        def fit_predict(self, X):
            assert np.isfinite(X).all()
            self.seen = X
            return np.full(len(X), 4)

    plain = Plain()
    assert potential_components(plain, NeuronGraph.from_model(Toy(), ALL)) == [ALL]
    assert not hasattr(plain, "seen")


def test_the_graph_must_be_of_the_neurons():
    graph = NeuronGraph.from_model(Toy(), GROUPS[0])
    with pytest.raises(ValueError, match="the graph has the neurons"):
        DKNFinder().find(Toy(), FACT, ALL, graph=graph)
    with pytest.raises(ValueError, match=r"neuron \(0, 2\) of a component is not in neurons"):
        DKNFinder().evaluate(Toy(), FACT, GROUPS, neurons=GROUPS[0])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"criterion": "alive"}, "criterion must be one of active, dispensable, got 'alive'"),
        ({"positions": "first"}, "positions must be one of all, last"),
        ({"reduce": "mean"}, "reduce must be one of best, sum"),
        ({"tau2": -0.1}, "tau2 must be a finite number of at least 0, got -0.1"),
        ({"max_change": math.nan}, "max_change must be a finite number"),
        ({"n_samples": 0}, "n_samples must be at least 1, got 0"),
        ({"max_exact": 17}, "max_exact must be at most 16"),
    ],
)
def test_options_are_checked(options, message):
    with pytest.raises(ValueError, match=message):
        DKNFinder(**options)
