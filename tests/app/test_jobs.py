"""What the page asks for: neurons of a fact, edits, the lattice, other wordings, tables."""

from __future__ import annotations

import ast
import json
from types import SimpleNamespace

import numpy as np
import pytest
import torch

import neurotopo as nt
from neurotopo.app import finding
from neurotopo.app.cache import Cache, plain
from neurotopo.app.facts import everyday_facts, model_of
from neurotopo.app.jobs import JOBS
from neurotopo.app.saving import KINDS, saved
from neurotopo.app.sessions import NAMES, Session
from neurotopo.redundancy import fact_scores

MODEL = {"model": "testbed:planted", "dtype": "float32"}
CLUSTERS = {"tau": 0.1, "min_cluster_size": 2, "scale": "difference"}


def silent(text, share=None):
    assert text
    assert share is None or 0 <= share <= 1


@pytest.fixture(scope="module")
def cache():
    return Cache({})


def run(cache, session, name, **given):
    """Do a job as the server does."""
    arguments = session.arguments(name, given)
    result = json.loads(json.dumps(JOBS[name](cache, silent, **arguments), allow_nan=False))
    session.finish(name, arguments, result)
    return result


@pytest.fixture(scope="module")
def loaded(cache):
    return run(cache, Session("first"), "load", **MODEL)


@pytest.fixture(scope="module")
def known(loaded):
    return next(each for each in loaded["facts"] if each["subject"] == "Kira Dornik")


@pytest.fixture
def session(cache, known):
    made = Session("a")
    fact = {key: known[key] for key in known if key not in ("foils", "wordings")}
    given = {**MODEL, "select": "layer", "threshold": 8, "clusters": CLUSTERS}
    run(cache, made, "find", fact=fact, foils=known["foils"], positions="all", **given)
    return made


@pytest.fixture
def model(cache):
    return model_of(cache, silent, *MODEL.values())


def split(session):
    """Return the neurons of two halves, as groups of the page."""
    n = len(session.found["neurons"])
    return [list(range(n // 2)), list(range(n // 2, n))]


def test_all_jobs_have_names():
    assert set(JOBS) == set(NAMES)


def test_a_model_comes_with_facts_that_it_knows(loaded, known):
    assert (loaded["n_layers"], loaded["n_neurons"], loaded["causal"]) == (3, 240, True)
    assert len(loaded["facts"]) == 60
    assert known["foils"]
    assert not set(known["foils"]) & set(known["answers"])
    assert known["prompt"] not in known["wordings"]
    assert len(known["wordings"]) == 5


def test_everyday_facts_have_their_answer_nowhere_in_the_prompt():
    facts = everyday_facts()
    assert len(facts) == 30
    for wordings in facts:
        assert len({fact.prompt for fact in wordings}) == 3
        assert all(fact.answers[0] not in fact.prompt for fact in wordings)


def test_the_neurons_are_those_of_the_library(session, model):
    found = session.found
    fact = nt.Fact(**found["fact"])
    neurons = nt.AMIG.fast().locate(model, fact)
    assert found["neurons"] == neurons.to_array().tolist()
    groups = nt.DKNFinder(nt.NTCClusterer.paper(**CLUSTERS)).potential(model, neurons)
    shown = [[found["neurons"][i] for i in part["members"]] for part in found["components"]]
    assert shown == [group.to_array().tolist() for group in groups]
    without = model.answer_probability(fact, edits=[nt.Edit(group) for group in groups])
    alone = [part["without"] for part in found["components"]]
    assert alone == pytest.approx(without.tolist(), rel=1e-4)
    assert found["base"]["probability"] == pytest.approx(model.answer_probability(fact), rel=1e-4)
    assert found["graph"]["unit"] == ["neuron", "neurons"]


@pytest.mark.parametrize("positions", ["all", "last"])
@pytest.mark.parametrize("scale", [0, 3])
def test_an_edit_changes_the_answer_as_in_the_library(cache, session, model, positions, scale):
    first, second = split(session)
    groups = [
        {"name": "a", "members": first, "scale": scale},
        {"name": "b", "members": second, "scale": 1},  # as it is
    ]
    shown = run(cache, session, "edit", groups=groups, positions=positions)
    fact, foils = nt.Fact(**session.found["fact"]), session.found["foils"]
    neurons = nt.NeuronSet(tuple(session.found["neurons"][i]) for i in first)
    edit = nt.Edit(neurons, scale=scale, positions=positions)
    scores = fact_scores(model, fact, foils, [None, edit])
    for name in ("probability", "log-odds", "contrast"):
        values = [shown["base"][name], shown["edited"][name]]
        assert values == pytest.approx(scores.of(name).tolist(), rel=1e-4)
    after = [foil["probability"] for foil in shown["edited"]["foils"]]
    assert after == pytest.approx(np.exp(scores.log_foils[1]).tolist(), rel=1e-4)
    # the next words: the tokens that transformers finds most probable
    with model.edited(*([edit] if positions == "all" else [])):
        ids = model.encode(fact).prompt
        with torch.no_grad():
            logits = model.hf_model(torch.tensor([ids])).logits[0, -1].double()
    words = {word["token"]: word["probability"] for word in shown["edited"]["words"]}
    if positions == "all":
        likely = logits.softmax(-1)
        assert int(likely.argmax()) in words
        for token, probability in words.items():
            assert probability == pytest.approx(float(likely[token]), rel=1e-3, abs=1e-9)
    assert words.keys() == {word["token"] for word in shown["base"]["words"]}


def test_without_a_change_there_is_no_edited_answer(cache, session):
    shown = run(cache, session, "edit", groups=[], positions="all")
    assert shown == {"base": session.found["base"], "edited": None}


def test_the_lattice_is_that_of_the_library(cache, session, model):
    groups = split(session)
    found = run(cache, session, "lattice", groups=groups, positions="all", score="probability")
    assert found["subsets"] == [[0], [1], [0, 1]]
    fact = nt.Fact(**session.found["fact"])
    sets = [nt.NeuronSet(tuple(session.found["neurons"][i]) for i in part) for part in groups]
    edits = [nt.Edit(part) for part in (*sets, sets[0] | sets[1])]
    base = model.answer_probability(fact)
    one, two, both = model.answer_probability(fact, edits=edits)
    assert found["scores"] == pytest.approx([one, two, both], rel=1e-4)
    rho = ((base - both) - (base - one) - (base - two)) / (base - both)
    assert found["rho"] == pytest.approx(rho, rel=1e-3)
    assert sum(found["shapley"]) == pytest.approx(base - both, rel=1e-3)
    assert found["interactions"][0][0] is None


def test_other_wordings_are_asked_with_the_same_edits(cache, session, model, known):
    (first, _) = split(session)
    groups = [{"name": "a", "members": first, "scale": 0}]
    prompts = [known["wordings"][0], "_X_ and _X_"]
    rows = run(cache, session, "reword", groups=groups, positions="all", prompts=prompts)
    fact = nt.Fact(**{**session.found["fact"], "prompt": prompts[0]})
    neurons = nt.NeuronSet(tuple(session.found["neurons"][i]) for i in first)
    before, after = model.answer_probability(fact, edits=[None, nt.Edit(neurons)])
    assert rows[0] == {
        "prompt": prompts[0],
        "before": pytest.approx(before, rel=1e-4),
        "after": pytest.approx(after, rel=1e-4),
    }
    assert "2 placeholders" in rows[1]["problem"]


def test_other_clusters_of_the_same_neurons(cache, session):
    before = session.found
    run(cache, session, "edit", groups=[], positions="all")
    given = {**CLUSTERS, "min_cluster_size": 20}
    run(cache, session, "group", clusters=given, positions="last")
    assert session.found["neurons"] == before["neurons"]
    assert all(len(part["members"]) >= 20 for part in session.found["components"])
    assert session.found["positions"] == "last"
    assert "edit" not in session.results  # of other clusters


@pytest.mark.parametrize(
    ("job", "given", "message"),
    [
        ("lattice", {"groups": [[0]], "score": "probability"}, "choose 2 to 8 components"),
        ("lattice", {"groups": [[0], [999]], "score": "probability"}, "no neuron number 999"),
        ("lattice", {"groups": [[0], [1]], "score": "size"}, "score must be one of"),
        ("edit", {"groups": [{"members": [0], "scale": float("inf")}]}, "finite number"),
        ("edit", {"groups": [{"members": [-1], "scale": 0}]}, "no neuron number -1"),
        ("reword", {"groups": [], "prompts": []}, "give 1 to 20 wordings"),
    ],
)
def test_mistakes_are_named(cache, session, job, given, message):
    with pytest.raises(ValueError, match=message):
        run(cache, session, job, positions="all", **given)


def test_mistakes_of_a_search_are_named(cache, known, monkeypatch):
    monkeypatch.setattr(finding, "MOST_NEURONS", 30)
    given = {**MODEL, "foils": [], "select": "layer", "threshold": 8, "positions": "all"}
    given["clusters"] = CLUSTERS
    for fact, changed, message in (
        ({"prompt": "", "answers": ["a"]}, {}, "the fact needs a prompt"),
        ({"prompt": "A _X_", "answers": []}, {}, "the fact needs an answer"),
        ({"prompt": "A _X_", "answers": ["Consul"]}, {"select": "all"}, "select must be one of"),
        ({"prompt": "A _X_", "answers": ["Consul"]}, {"dtype": "int8"}, "dtype must be one of"),
        ({"prompt": "A _X_", "answers": ["Consul"]}, {"model": " "}, "give a model"),
        ({"prompt": "A _X_", "answers": ["Consul"]}, {"threshold": 20}, "choose fewer"),
    ):
        with pytest.raises(ValueError, match=message):
            JOBS["find"](cache, silent, **{**given, "fact": fact, **changed})


def test_a_model_that_is_not_there_is_told(cache, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match="The app downloads nothing: run hf download"):
        JOBS["load"](cache, silent, model="nobody/nothing", dtype="float32")


def test_a_fact_is_saved_and_its_code_computes_the_same(cache, session, known, tmp_path, capsys):
    first, second = split(session)
    groups = [
        {"name": "component 0", "members": session.found["components"][0]["members"], "scale": 0},
        {"name": "cluster A", "members": second[:3], "scale": 2},
    ]
    shown = run(cache, session, "edit", groups=groups, positions="all")
    lattice = run(
        cache, session, "lattice", groups=[first, second], positions="all", score="contrast"
    )
    prompts = [known["wordings"][0]]
    rows = run(cache, session, "reword", groups=groups, positions="all", prompts=prompts)
    name, media, code = saved(session, "fact.py")
    assert (name, media) == ("neurotopo_fact.py", "text/x-python")
    exec(compile(code, name, "exec"), {})
    said = capsys.readouterr().out.splitlines()
    assert said[0] == "24 neurons, 1 components"
    before, after = (float(text) for text in said[1].partition(": ")[2].split(" -> "))
    values = shown["base"]["probability"], shown["edited"]["probability"]
    assert (before, after) == pytest.approx(values, rel=1e-4)
    assert float(said[2].partition(": ")[2]) == pytest.approx(lattice["rho"], rel=1e-3)
    assert float(said[3].rpartition(" -> ")[2]) == pytest.approx(rows[0]["after"], rel=1e-4)
    kept = json.loads(saved(session, "fact.json")[2])
    assert kept["neurons"] == session.found["neurons"]
    assert kept["edit"]["result"] == shown
    assert kept["edit"]["asked"]["groups"] == groups
    assert kept["lattice"]["result"]["rho"] == lattice["rho"]
    page = saved(session, "fact.html")[2]
    assert "neurotopoExplorer" in page
    assert "answer with edits" in page


def test_a_table_is_clustered_as_by_the_library(cache):
    session = Session("t")
    table = run(cache, session, "example")
    session.table = table
    X = np.loadtxt(table["text"].splitlines(), delimiter=",", skiprows=1)
    for given in (
        {},
        {"min_cluster_size": 30},
        {"rule": "relative", "tau": 0.4},
        {"rule": "relative", "tau": 0.9, "nested": True},
        {"metric": "manhattan", "n_clusters": 4},
        {"min_samples": 1, "condense": False},
    ):
        found = run(cache, session, "cluster", reading={}, paper=False, parameters=given)
        ntc = nt.NTCClusterer(random_state=0, **given).fit(X)
        assert found["labels"] == ntc.labels_.tolist(), given
        assert found["n_clusters"] == ntc.n_clusters_
    assert found["graph"]["title"] == "example.csv"


def test_a_table_is_saved_and_its_code_computes_the_same(cache, tmp_path, monkeypatch, capsys):
    session = Session("t")
    session.table = {"name": "towns.csv", "text": "town,x,skip\na,0,1\nb,1,9\nc,9,2\nd,11,4\n"}
    given = {"parameters": {"tau": 0.2}, "paper": True}
    reading = {"drop": "skip", "standardize": True}
    found = run(cache, session, "cluster", reading=reading, **given)
    assert found["names"] == list("abcd")
    assert found["labels"] == [0, 0, 1, 1]
    assert found["read"].startswith("read towns.csv: 4 rows, 1 column (x)")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "towns.csv").write_text(session.table["text"])
    code = saved(session, "table.py")[2]
    exec(compile(code, "code", "exec"), {})
    assert capsys.readouterr().out.splitlines() == ["2", "[0, 0, 1, 1]"]
    assert saved(session, "table.csv")[2].splitlines()[:2] == [
        "index,name,label,probability",
        "0,a,0,1",
    ]
    assert json.loads(saved(session, "table.json")[2])["asked"]["reading"] == reading
    assert "towns.csv" in saved(session, "table.html")[2]


def test_a_matrix_of_distances(cache):
    session = Session("t")
    session.table = {
        "name": "d.csv",
        "text": "0,1,9,inf\n1,0,inf,inf\n9,inf,0,inf\ninf,inf,inf,0\n",
    }
    given = {"reading": {"distances": True}, "paper": True, "parameters": {"metric": None}}
    assert run(cache, session, "cluster", **given)["labels"] == [0, 0, -1, -1]


@pytest.mark.parametrize(
    ("text", "reading", "message"),
    [
        (" \n", {}, "the table is empty"),
        ("x,y\n1,2\n3,q\n", {}, r"bad.csv, line 3, column 2 \(y\): 'q' is not a finite number"),
        ("x,y\n1,a\n3,b\n", {}, "Leave the column out with Columns to leave out: y"),
        ("x,y\n1,2\n", {"drop": "z"}, "Columns to leave out:"),
        ("1,2\n3,4,5\n", {}, "line 2: 3 cells, expected 2"),
        ("0,1\n2,0\n", {"distances": True}, "must be symmetric"),
    ],
)
def test_mistakes_in_a_table_name_it_and_the_controls(cache, text, reading, message):
    session = Session("t")
    session.table = {"name": "bad.csv", "text": text}
    with pytest.raises(ValueError, match=message) as caught:
        run(cache, session, "cluster", reading=reading, paper=False, parameters={})
    assert "/tmp" not in str(caught.value)
    assert "--" not in str(caught.value)


def test_texts_of_a_fact_are_no_code():
    hostile = '\'); import os; os.abort() #\n""" {x} \\'
    found = {
        "fact": {"prompt": hostile, "answers": [hostile]},
        "foils": [hostile],
        "model": hostile,
        "dtype": "float32",
        "select": "layer",
        "threshold": 8,
        "clusters": {"tau": 0.5},
        "positions": "all",
        "components": [],
    }
    session = SimpleNamespace(
        found=found, results={"reword": []}, asked={"reword": {"prompts": [hostile]}}
    )
    tree = ast.parse(saved(session, "fact.py")[2])
    texts = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    assert texts.count(hostile) == 5
    called = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    assert "os" not in called


def test_nothing_is_saved_of_an_empty_tab():
    for kind in KINDS:
        with pytest.raises(ValueError, match="there is nothing to save"):
            saved(Session("a"), kind)


def test_numbers_that_json_lacks_are_null():
    assert plain({"a": np.array([1.0, np.nan]), "b": (float("inf"), 2)}) == {
        "a": [1.0, None],
        "b": [None, 2],
    }
