"""The check before a run."""

from __future__ import annotations

import json
from types import SimpleNamespace

import numpy as np
import pytest

import neurotopo as nt
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.models.examples import random_model
from neurotopo.studies import Preflight, read_run
from neurotopo.studies.acquisition.study import Acquisition
from neurotopo.studies.facts import facts_for
from neurotopo.studies.preflight import Extent
from neurotopo.studies.run import check_of

FACTS = facts_for("factworld:24", "testbed:planted")


@pytest.fixture(scope="module")
def planted():
    return nt.load_model("testbed:planted", device="cpu", dtype="float32")


@pytest.fixture(scope="module")
def few(planted):
    return nt.preflight(planted, FACTS, sample=6, timed=0, threshold=0.6, quick=True)


def test_the_counts_are_those_of_the_study(planted, few):
    """Attribute, select and cluster the same facts by hand."""
    by_key = {fact.key: fact for fact in FACTS}
    amig = nt.AMIG.fast(threshold=0.6)
    assert len(few.facts) == 6
    for row in few.facts:
        fact = by_key[row["key"]]
        neurons = amig.locate(planted, fact)
        layers = np.bincount(neurons.layers, minlength=planted.n_layers)
        assert row["neurons"] == len(neurons)
        assert row["edges"] == layers[0] * layers[1] + layers[1] * layers[2]
        graph = NeuronGraph.from_model(planted, neurons)
        ntc = nt.NTCClusterer.paper(metric="precomputed").fit(graph.clustering_input())
        assert row["components"] == ntc.n_clusters_
        assert row["known"]
        assert row["probability"] == pytest.approx(planted.answer_probability(fact), abs=1e-6)


def test_the_remedy_is_one(planted, few):
    """The change that is advised is the smallest of those that are tried, and it works."""
    assert few.n_two < 3
    remedy = few.remedy
    assert (remedy["rule"], remedy["scope"]) == ("relative", "model")
    assert (
        f"with threshold={remedy['threshold']:g}, {remedy['n_two']} of 6 would"
        in (few.findings[-1])
    )
    again = nt.preflight(
        planted, FACTS, sample=6, timed=0, quick=True, threshold=remedy["threshold"]
    )
    assert again.n_two == remedy["n_two"] >= 3
    assert again.remedy is None
    assert again.findings == ()


def test_nothing_found_is_not_ok(planted):
    found = nt.preflight(planted, FACTS, sample=2, timed=0, quick=True, threshold=1.0)
    assert not found.ok
    assert "no components will be found: 0 of 2 sampled facts have" in found.findings[0]
    good = nt.preflight(planted, FACTS, sample=2, timed=0, quick=True)
    assert good.ok
    assert good.selection == {"threshold": 8.0, "rule": "top", "scope": "layer"}


def test_facts_that_cannot_be_used_are_named():
    model = random_model()
    facts = [
        nt.Fact("The capital of France is _X_", "Paris", id="good"),
        nt.Fact("_X_ blorps the frob of France", "Paris", id="first"),
        nt.Fact(" ".join(["word"] * 5000) + " is _X_", "Paris", id="long"),
        nt.Fact("The capital of Italy is", "Rome", id="bare"),
    ]
    found = nt.preflight(model, facts, timed=0, quick=True)
    assert set(found.invalid) == {"first", "long"}
    assert found.tokens["valid"] == 2
    assert found.tokens["tokenized"] == 4
    assert found.tokens["no_placeholder"] == 1
    assert "tokens; the limit of" in found.invalid["long"]
    assert found.n_known == 0
    assert any("the model knows 0 of 2 sampled facts" in each for each in found.findings)
    nothing = nt.preflight(model, facts[1:3], timed=0, quick=True)
    assert not nothing.ok
    assert nothing.facts == []


def test_the_time_is_that_of_measured_facts(planted, monkeypatch):
    import neurotopo.studies.preflight as module

    clock = iter(np.arange(0, 1000, 0.5))
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(Acquisition, "measure", lambda self, fact: {})
    found = nt.preflight(planted, FACTS, sample=1, timed=2, quick=True)
    # start, a look before each item, and the end: four steps of half a second for two items
    assert found.seconds["item"] == pytest.approx(0.75)
    assert found.seconds["total"] == pytest.approx(0.75 * 24)
    assert not found.seconds["bound"]


def test_processes_that_do_not_fit_are_refused(planted, monkeypatch):
    monkeypatch.setattr("neurotopo.studies.preflight._peak", lambda device: 10**13)
    study = Acquisition()
    options = study.Options.chosen({"threshold": 0.6}, quick=True)
    work = study.prepare(planted, {**options.to_dict(), "seed": 0})

    def check(**engine):
        extent = Extent(asked=2, located=1, timed=0)
        return check_of(FACTS[:3], FACTS[:3], [], 0, SimpleNamespace(**engine), extent)(work)

    with pytest.raises(MemoryError, match=r"3 processes with the model need 30\.0 TB .*--workers"):
        check(workers=4)
    for engine in ({"workers": 1}, {"workers": 4, "address": "auto"}, {"workers": 4, "gpus": 1}):
        assert check(**engine).memory["peak"] == 10**13
    assert "memory of all processes" in check(workers=4, gpus=1).table()["check"].to_list()


def test_a_check_is_stored_with_the_run(planted, tmp_path):
    told = []
    given = {"model": planted, "facts": FACTS[:3], "quick": True, "methods": ["ntc"]}
    result = nt.studies.run(
        "acquisition", **given, preset="paper", out=tmp_path / "run", tell=told.append
    )
    stored = Preflight.from_dict(read_run(tmp_path / "run" / "run.json")["check"])
    assert stored == result.check
    assert [f"acquisition: {finding}" for finding in result.check.findings] == told
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "Check before the run" in page
    assert nt.studies.report(tmp_path / "run").check == stored
    json.dumps(stored.to_dict(), allow_nan=False)

    without = nt.studies.run("acquisition", **given, preset="paper", check=False)
    assert without.check is None
    assert without.rows.equals(result.rows)
    with pytest.raises(ValueError, match="rule was 'relative' and is 'top'"):
        nt.studies.run("acquisition", **given, out=tmp_path / "run")


def test_a_resumed_run_keeps_its_check(planted, tmp_path, monkeypatch):
    given = {"model": planted, "quick": True, "methods": ["ntc"], "out": tmp_path / "run"}
    first = nt.studies.run("acquisition", facts=FACTS[:1], **given)
    monkeypatch.setattr(Acquisition, "several", None)  # the check would fail
    assert nt.studies.run("acquisition", facts=FACTS[:2], **given).check == first.check


def test_learning_refuses_facts_before_a_model_is_loaded():
    facts = [nt.Fact("The capital of France is _X_", "Paris", "P36", subject="France")]
    with pytest.raises(ValueError, match="no lesson can be made of 1 fact"):
        nt.studies.run("learning", model="no/model", facts=facts)
    with pytest.raises(ValueError, match="no lesson can be made of 1 fact"):
        nt.preflight("no/model", facts, "learning")


def test_learning_counts_facts_without_a_lesson():
    model = nt.load_model("testbed:gpt2", device="cpu", dtype="float32")
    facts = facts_for("factworld:20", "testbed:gpt2")
    odd = nt.Fact("The capital of France is _X_", "Paris", "P36", subject="France")
    found = nt.preflight(model, [*facts, odd], "learning", sample=1, timed=3)
    assert found.seconds["bound"]  # no training for the time
    assert any("cannot be used for lessons" in each and "P36" in each for each in found.findings)


def test_several_models_are_checked_by_the_first():
    models = ["testbed:ladder-1", "testbed:ladder-2"]
    found = nt.preflight(models, "factworld:6", "complexity", sample=1, timed=0, device="cpu")
    assert (found.n_facts, found.n_items, found.unit) == (6, 12, "question")
    assert found.to_frame().shape == (1, 10)


@pytest.mark.parametrize("study", ["detection", "critique", "crosslingual", "robustness"])
def test_every_study_has_a_check(study):
    found = nt.preflight(
        "testbed:gpt2", "factworld:40", study, sample=1, timed=0, quick=True, device="cpu"
    )
    assert len(found.facts) == 1
    assert found.table()["check"][0] == "facts that can be used"
