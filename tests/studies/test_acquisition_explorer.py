"""What the acquisition study stores of a fact's graph, and what its page shows of it."""

from __future__ import annotations

import json

import numpy as np
import pytest

import neurotopo as nt
from neurotopo._codec import from_text, to_text
from neurotopo.explore import labels_at
from neurotopo.models.examples import random_model
from neurotopo.report import make_page
from neurotopo.studies.acquisition import explorer
from neurotopo.studies.acquisition.explorer import (
    COLUMNS,
    clusterer_of,
    explorer_of,
    fact_shown,
    stored_graph,
)
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from neurotopo.studies.rows import Row
from tests.support.reports import explored_summary, fact_row, fact_rows

FACT = nt.Fact("The capital of France is _X_", "Paris", id="paris")


def _partition(labels):
    groups = {}
    for i, label in enumerate(labels):
        groups.setdefault(-1 - i if label < 0 else label, []).append(i)
    return sorted(groups.values())


@pytest.mark.parametrize("aggregation", ["sum", "product"])
@pytest.mark.parametrize("n", [1, 2, 5, 60])
def test_the_tree_and_the_clusters_of_what_is_stored_are_those_of_the_whole_graph(n, aggregation):
    model = random_model()
    rng = np.random.default_rng(n)
    chosen = rng.choice(model.n_layers * model.n_neurons, size=n, replace=False)
    neurons = nt.NeuronSet(divmod(int(one), model.n_neurons) for one in chosen)
    # products of lengths below 1: then the direct edges do not have the tree of the matrix A
    graph = nt.NeuronGraph.from_model(
        model, neurons, aggregation=aggregation, length=lambda w: 1 / (1 + 9 * np.abs(w))
    )
    assert graph.direct_edges_suffice == (aggregation == "sum" or n <= 2)
    stored = from_text(to_text(stored_graph(graph, tau=0.3, min_cluster_size=2)))
    whole = nt.NTCClusterer.paper(metric="precomputed", tau=0.3)
    whole.fit(graph.clustering_input(), strata=graph.layers)
    found = clusterer_of(stored, neurons.layers)
    assert _partition(found.labels_) == _partition(whole.labels_)
    assert [c.tolist() for c in found.clusters_] == [c.tolist() for c in whole.clusters_]
    for radius in np.unique(whole.merge_tree_.birth):
        assert _partition(found.merge_tree_.cut(radius)) == _partition(
            whole.merge_tree_.cut(radius)
        )
    assert len(stored["length"]) <= min(stored["n_edges"], max(60, 3 * n))
    assert stored["length"] == sorted(stored["length"])


@pytest.fixture(scope="module")
def payload():
    work = Acquisition(random_model(), AcquisitionOptions.quick(threshold=0.1), 0)
    return work(FACT)


def test_the_work_stores_the_graph_and_the_groups_are_its_clusters(payload):
    assert set(payload) == set(Acquisition.stages)
    layers = payload["fact"]["neurons"][:, 0]
    clusterer = clusterer_of(payload["graph"], layers)
    groups = [sorted(group) for group in payload["methods"]["ntc"]["groups"]]
    assert groups == [sorted(cluster.tolist()) for cluster in clusterer.clusters_]
    row = Row("paris", FACT.to_dict(), payload, None, 0.1)
    stored = Row("paris", FACT.to_dict(), from_text(to_text(payload)), None, 0.1)
    assert fact_shown(row) == fact_shown(stored)
    shown = fact_shown(stored)
    assert shown["prompt"] == FACT.prompt
    assert shown["graph"]["n"] == len(layers) == shown["neurons"]
    json.dumps(shown, allow_nan=False)


def test_a_fact_that_is_left_out_has_no_graph():
    options = AcquisitionOptions.quick(only_known=True)
    stages = Acquisition(random_model(), options, 0)(FACT)
    assert stages["graph"] == stages["methods"] == {}
    assert explorer_of([Row("paris", FACT.to_dict(), stages, None, 0.1)]) is None


def test_a_fact_by_hand():
    row = fact_row(0, 1)
    shown = fact_shown(row)
    assert (shown["clusters"], shown["components"], shown["neurons"]) == (2, 1, 9)
    graph = shown["graph"]
    tree = clusterer_of(row.stages["graph"], [0, 0, 0, 1, 1, 1, 2, 2, 2]).merge_tree_
    for radius in (0.5, 1.2, 3.5, 8.9, 9.0, 20.0):
        assert _partition(labels_at(graph, radius)) == _partition(tree.cut(radius))
    # 0-3-6-8 lives from 3 to 12, 1-4-7 from 2.5 to 9; 2-5, from 5 to 9, less than half of 9
    assert [cluster["size"] for cluster in graph["chosen"]] == [4, 3]
    assert [cluster["remark"] for cluster in graph["chosen"]] == ["passed", "left out"]
    assert graph["vertices"]["name"][graph["vertices"]["id"].index(4)] == "layer 1 \u00b7 1"
    assert graph["unit"] == ["neuron", "neurons"]
    assert graph["notes"][-1].endswith("3 longer ones are left out. The clusters are the same.")
    ntc = dict(zip(COLUMNS, shown["methods"][0], strict=True))
    assert ntc == {
        "method": "NTC (persistence above half of the largest)",
        "clusters": 2,
        "passed": 1,
        "their neurons": 4,
        "jump before the filter": 70.0,
        "of random groups": 20.0,
        "rho": 0.25,
        "jump": None,
        "GCR": 0.8,
        "why no GCR": None,
    }
    assert [line[0] for line in shown["methods"]] == [ntc["method"], "K-Means"]
    assert shown["methods"][1][5] is None
    curves = [(curve["name"], curve["values"]) for curve in shown["curves"]]
    assert curves == [("NTC", [0.1]), ("random groups beside NTC", [0.4, 0.5])]


def test_facts_without_neurons_without_graph_and_failed_ones():
    without = fact_row(1)
    without.stages["fact"]["neurons"] = []
    without.stages["graph"].update(source=[], target=[], length=[], n_edges=0)
    old = fact_row(2)
    del old.stages["graph"]  # stored by an earlier version
    failed = Row("en:capital:003", {"prompt": "?"}, {}, "ValueError: no", 0.1)
    found = explorer_of([fact_row(0), without, old, failed])
    assert [fact["key"] for fact in found["facts"]] == ["en:capital:000", "en:capital:001"]
    assert found["facts"][1]["graph"] is None
    assert explorer_of([old, failed]) is None
    assert explorer_of([]) is None


def test_of_many_facts_an_even_sample_is_shown(monkeypatch):
    monkeypatch.setattr(explorer, "MOST_FACTS", 4)
    found = explorer_of(fact_rows(10))
    assert [fact["key"][-3:] for fact in found["facts"]] == ["000", "003", "006", "009"]
    assert found["note"].startswith("Shown are 4 of 10 facts, taken evenly")
    assert explorer_of(fact_rows(4))["note"].startswith("All facts")
    monkeypatch.setattr(explorer, "MOST_CHARACTERS", 2.5 * len(json.dumps(found["facts"][0])))
    fewer = explorer_of(fact_rows(10))
    assert len(fewer["facts"]) == 2
    assert fewer["note"].startswith("Shown are 2 of 10 facts")
    assert len(json.dumps(fewer["facts"])) <= explorer.MOST_CHARACTERS


def test_the_summary_has_the_facts_in_the_order_of_their_keys(payload):
    rows = [Row(key, FACT.to_dict(), payload, None, 0.1) for key in ("b", "a")]
    one, other = Acquisition().summary(rows), Acquisition().summary(iter(rows[::-1]))
    assert [fact["key"] for fact in one.explorer["facts"]] == ["a", "b"]
    assert one.explorer == other.explorer
    assert make_page(one) == make_page(other)


def test_a_page_of_two_hundred_facts_is_below_the_limit():
    page = make_page(explored_summary(fact_rows(200)))
    assert 200 * 1000 < len(page) < 8_000_000
