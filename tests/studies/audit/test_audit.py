"""``neurotopo.audit``: networks solved by hand, costs, resumed runs, and models without facts."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

import neurotopo as nt
from neurotopo.models.examples import random_model
from neurotopo.neurons import save_groups
from neurotopo.redundancy import fact_scores
from neurotopo.studies.audit import fact as fact_module
from neurotopo.studies.audit import measure as measure_module
from neurotopo.studies.audit.cost import forwards
from neurotopo.studies.audit.options import AuditOptions
from neurotopo.studies.audit.study import AuditStudy
from neurotopo.testbed.toys import TOYS, toy

QUESTIONS_ASKED = 11
# worked out by hand, in units of the whole answer (see neurotopo.testbed.toys)
BY_HAND = {
    #               necessity, rho, effects,     within,    alone,      direct
    "adder": (1, 0.0, (0.5, 0.5), (0.5, 0.5), (0.5, 0.5), (0, 0)),
    "or": (1, 1.0, (0, 0), (1, 1), (1, 1), (0, 0)),
    "and": (1, -1.0, (1, 1), (0, 0), (0, 0), (0, 0)),
    "backup": (1, 1.0, (0, 0), (1, 1), (1, 0), (1, 0)),
    "irrelevant": (0, np.nan, (0, 0), None, (0, 0), (0, 0)),
}


def judged(net, **options):
    chosen = {"check": False, "n_others": 1, "n_draws": 2, **options}
    return nt.audit(net.model, net.facts, {"S": net.groups}, **chosen)


@pytest.fixture(scope="module", params=TOYS)
def named(request):
    return request.param, judged(toy(request.param))


def test_all_quantities_of_a_toy_are_those_by_hand(named):
    name, found = named
    necessity, rho, effects, within, alone, direct = BY_HAND[name]
    fact = found.rows.set_index("fact").loc["S"]
    assert fact["reason"] is None
    np.testing.assert_allclose(fact["necessity"], 4 * necessity, atol=1e-6)
    np.testing.assert_allclose(fact["rho"], rho, atol=1e-6)
    groups = found.frames.groups
    np.testing.assert_allclose(groups["effect"], 4 * np.array(effects), atol=1e-6)
    np.testing.assert_allclose(groups["shapley"].sum(), 4 * necessity, atol=1e-6)
    np.testing.assert_allclose(groups["alone"], alone, atol=1e-6)
    np.testing.assert_allclose(groups["direct"], 4 * np.array(direct), atol=1e-4)
    np.testing.assert_allclose(groups["total"], groups["effect"], atol=1e-4)
    if within is not None:
        np.testing.assert_allclose(groups["within"], within, atol=1e-6)
    # one fact is too few for any verdict
    assert found.verdicts["verdict"].tolist() == ["undecided"] * QUESTIONS_ASKED


def test_unknown_facts_are_counted(named):
    _, found = named
    assert found.rows.set_index("fact")["reason"].to_dict()["T"] == "not known"
    counts = dict(found.tables["facts"].itertuples(index=False))
    assert counts["left out: not known"] == 2


@pytest.fixture
def counted(monkeypatch):
    """Count the rows of edits that are scored."""
    n = {"rows": 0}

    def scores(model, fact, foils, edits, answer=None):
        n["rows"] += len(edits)
        return fact_scores(model, fact, foils, edits, answer)

    monkeypatch.setattr(measure_module, "fact_scores", scores)
    return n


def test_the_bill_is_what_is_paid(counted, monkeypatch):
    monkeypatch.setattr(fact_module, "further_sets", lambda *_, **__: [])
    net = toy("or")
    options = AuditOptions(groups={"S": net.groups}, n_others=1, n_draws=2)
    study = AuditStudy(net.model, options, 0)
    (item, *_) = study.items(net.facts, options, 0, net.model)
    paid = study.measure(item)["forwards"]
    asked = forwards(options, [2, 2])
    # by rank and repulsion: too few other neurons for repulsion, no other facts with groups
    assert paid["groups"] == asked["groups"]
    for name in ("alone", "minimality", "paths"):
        assert paid[name] == asked[name], name
    assert paid["nulls"] <= asked["nulls"]
    assert paid["specificity"] <= asked["specificity"]
    scored = sum(paid[name] for name in ("groups", "nulls", "alone", "minimality"))
    assert counted["rows"] == scored


def factworld(n=6):
    lands = ("France", "Italy", "Ada", "Bob", "Acme", "Rovers")
    cities = ("Paris", "Rome", "owns", "it", "for", "works")  # words of the model
    return [
        nt.Fact(f"The capital of {land} is _X_", city, "P36", id=land, subject=land)
        for land, city in zip(lands[:n], cities[:n], strict=True)
    ]


OPTIONS = {"only_known": False, "n_others": 2, "n_draws": 2, "steps": 4, "check": False}


@pytest.mark.slow
def test_a_run_resumed_after_a_kill_has_equal_tables(tmp_path, monkeypatch):
    whole = nt.audit(random_model(), factworld(), out=tmp_path / "whole", **OPTIONS)
    n_left = [3]
    measure = AuditStudy.measure

    def killed(self, item):
        n_left[0] -= 1
        if n_left[0] < 0:
            raise KeyboardInterrupt
        return measure(self, item)

    with monkeypatch.context() as patch:
        patch.setattr(AuditStudy, "measure", killed)
        part = nt.audit(random_model(), factworld(), out=tmp_path / "part", **OPTIONS)
        assert part.outcome.interrupted
    resumed = nt.audit(random_model(), factworld(), out=tmp_path / "part", **OPTIONS)
    assert resumed.outcome.n_there == 3
    assert set(resumed.tables) == set(whole.tables)
    for name, table in whole.tables.items():
        pd.testing.assert_frame_equal(resumed.tables[name], table)


def test_more_groups_than_samples():
    """All single groups are measured, even if fewer subsets of each size are asked for."""
    model, fact = random_model(), factworld(1)[0]
    groups = [nt.NeuronSet([(layer, index)]) for layer in range(2) for index in range(4)]
    given = {**OPTIONS, "max_exact": 3, "n_samples": 4}
    found = nt.audit(model, factworld(2), {fact.key: groups}, **given)
    row = found.rows.set_index("fact").loc[fact.key]
    assert row["n_groups"] == len(groups)
    assert np.isfinite(row["necessity"])
    del given["check"]
    options = AuditOptions(groups={fact.key: groups}, **given)
    study = AuditStudy(model, options, 0)
    paid = study.measure(study.items(factworld(2), options, 0, model)[0])["forwards"]
    assert paid["groups"] == forwards(options, [1] * len(groups))["groups"]


def test_methods_and_files_go_through_the_same_door(tmp_path):
    model, facts = random_model(), factworld(3)
    by_name = nt.audit(model, facts, "kmeans", **OPTIONS)
    groups = {key: members for key, members in by_name.frames.members.items() if members}
    save_groups(groups, tmp_path / "groups.json")
    by_file = nt.audit(model, facts, tmp_path / "groups.json", **OPTIONS)
    for name in ("necessity", "rho", "sufficiency", "n_groups", "n_neurons"):
        pd.testing.assert_series_equal(by_file.rows[name], by_name.rows[name])


def test_facts_that_the_model_cannot_write_are_left_out():
    odd = nt.Fact("The capital of Peru is _X_", "Lima", "P36", id="Peru", subject="Peru")
    alone = nt.audit(random_model(), factworld(4), **OPTIONS)
    found = nt.audit(random_model(), factworld(4), background=[odd], **OPTIONS)
    assert list(found.outcome.failures) == []
    assert found.rows["reason"].tolist() == alone.rows["reason"].tolist()


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_random_models_are_never_told_to_know(kind):
    found = nt.audit(random_model(kind), factworld(), **{**OPTIONS, "only_known": True})
    assert found.claims == ()
    assert len(found.findings) == 1
    assert found.findings[0].startswith("No fact is judged (not known: ")


def test_a_report_is_written(tmp_path):
    found = judged(toy("or"))
    page = found.report(tmp_path / "report")
    assert page.name == "report.html"
    assert (tmp_path / "report" / "tables" / "verdicts.csv").is_file()


def test_an_ablation_that_is_not_possible():
    one = factworld(1)
    groups = {"France": [[(0, 1)], [(1, 2)]]}
    options = {**OPTIONS, "score": "log-odds"}
    found = nt.audit(random_model(), one, groups, ablation="mean", **options)
    assert "'mean' is not possible" in found.outcome.failures["France"]
    found = nt.audit(random_model(), one, groups, **options)
    assert found.rows["ablation"].tolist() == ["zero"]
