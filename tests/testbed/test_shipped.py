"""The models that come with neurotopo: their size, what they know, and where they keep it."""

from __future__ import annotations

import functools
import json

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Fact, NeuronSet, load_model
from neurotopo.models.builtin_models import built_in, find, planted_groups, shelf, write_groups
from neurotopo.models.recall import Score, scores_of
from neurotopo.testbed.corpus import world_lessons
from neurotopo.testbed.recipe import RECIPES
from neurotopo.testbed.world import core_id, make_world

NATURAL = ("gpt2", "llama", "bert")
LADDER = ("ladder-1", "ladder-2", "ladder-3")
# The least share of facts known in wordings that were read: small models do not learn all of them.
LEAST = {"ladder-1": 0.95}


@functools.lru_cache
def lessons(name):
    return world_lessons(make_world(), RECIPES[name], agreement=True)


@pytest.mark.parametrize("name", [*NATURAL, *LADDER])
def test_a_shipped_model_knows_some_of_its_facts(name):
    model = load_model(f"testbed:{name}", device="cpu")
    taught, rng = lessons(name), np.random.default_rng(0)
    some = [
        [facts[i] for i in rng.choice(len(facts), size=150, replace=False)]
        for facts in (taught.trained, taught.held_out)
    ]
    scores = scores_of(model, *some)
    assert len(scores) == 4
    for score in scores:
        assert score.exact >= (0.90 if score.wordings == "trained" else 0.60), score


@pytest.mark.slow
@pytest.mark.parametrize("name", [*NATURAL, *LADDER])
def test_a_shipped_model_knows_its_facts(name):
    """At least 98 % of them, and 70 % in wordings that it has never read, in each language."""
    least = LEAST.get(name, 0.98)
    model = load_model(f"testbed:{name}", device="cpu")
    taught = lessons(name)
    scores = scores_of(model, taught.trained, taught.held_out)
    assert {(s.language, s.wordings) for s in scores} == {
        (language, wordings) for language in ("en", "fr") for wordings in ("trained", "held out")
    }
    for score in scores:
        assert score.n >= 600
        assert score.exact >= (least if score.wordings == "trained" else 0.70), score
    written = json.loads((find(name) / "recipe.json").read_text())["scores"]
    for found, told in zip(scores, (Score(**score) for score in written), strict=True):
        assert (found.language, found.wordings, found.n) == (told.language, told.wordings, told.n)
        assert found.exact == pytest.approx(told.exact, abs=0.005)


def test_held_out_wordings_are_not_read():
    taught = lessons("gpt2")
    read = {fact.prompt for fact in (*taught.trained, *taught.others)}
    assert not read & {fact.prompt for fact in taught.held_out}
    keys = {core_id(fact) for fact in taught.facts}
    assert {core_id(fact) for fact in taught.trained} == keys
    assert {core_id(fact) for fact in taught.held_out} == keys
    assert len(taught.trained) >= 5 * len(taught.facts)
    assert taught.fingerprint == lessons("llama").fingerprint


@pytest.mark.parametrize("name", [*NATURAL, *LADDER])
def test_a_shipped_model_is_that_of_its_recipe(name):
    about = json.loads((find(name) / "recipe.json").read_text())
    assert about["recipe"] == RECIPES[name].to_dict()
    assert about["seed"] == 0
    model = load_model(f"testbed:{name}", device="cpu")
    assert (model.n_layers, model.n_neurons) == (RECIPES[name].n_layers, RECIPES[name].n_inner)
    assert model.dtype == torch.float32
    assert model.planted_groups is None


@pytest.mark.parametrize("name", NATURAL)
def test_knowledge_neurons_occupy_several_layers(name):
    """At least three layers have at least a tenth of them each."""
    model = load_model(f"testbed:{name}", device="cpu")
    facts = lessons(name).facts.sample(25, seed=0)
    amig = AMIG()
    count = np.zeros(model.n_layers)
    for found in amig.attribute_many(model, facts):
        count += np.bincount(found.neurons(0.2).layers, minlength=model.n_layers)
    assert (count / count.sum() >= 0.10).sum() >= 3


@pytest.mark.parametrize("name", NATURAL)
def test_a_shipped_model_knows_number_agreement(name):
    """In sentences that it has not read: the word that agrees is likelier than the other one."""
    model = load_model(f"testbed:{name}", device="cpu")
    read = {fact.prompt for fact in lessons(name).others}
    pairs = [
        pair
        for pair in make_world().agreement_pairs(200, seed=1)
        if f"{pair.prefix} _X_" not in read
    ]
    assert len(pairs) >= 100
    good, bad = (
        model.answer_probabilities([Fact(f"{p.prefix} _X_", getattr(p, word)) for p in pairs])
        for word in ("good", "bad")
    )
    assert (good > bad).mean() >= 0.9


def test_shipped_models_are_small():
    sizes = {
        folder.name: sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        for folder in shelf().iterdir()
    }
    assert sizes.keys() >= {*NATURAL, *LADDER}
    assert max(sizes.values()) <= 3_000_000
    assert sum(sizes.values()) <= 16_000_000


def test_nothing_but_data_is_shipped():
    kinds = {file.suffix for file in shelf().rglob("*") if file.is_file()}
    assert kinds <= {".safetensors", ".json", ".jsonl", ".md"}


def test_the_random_model_knows_nothing():
    model = load_model("testbed:null", device="cpu")
    shaped = load_model("testbed:gpt2", device="cpu")
    assert (model.n_layers, model.n_neurons) == (shaped.n_layers, shaped.n_neurons)
    assert model.dtype == torch.float32
    facts = lessons("gpt2").facts.sample(50, seed=0)
    assert model.answer_probabilities(facts).max() < 0.05
    again = load_model("testbed:null", device="cpu")
    pairs = zip(model.hf_model.parameters(), again.hf_model.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)
    assert not model.hf_model.training
    assert load_model("testbed:null", dtype="float64").dtype == torch.float64


def test_the_shelf_is_named():
    assert {*NATURAL, *LADDER, "null"} <= set(built_in())
    assert find("testbed:gpt2") == find("gpt2")
    with pytest.raises(ValueError, match=r"no built-in model .testbed:\.\./models.; built in"):
        load_model("testbed:../models")


def test_planted_groups_come_with_the_model(tmp_path):
    model = load_model("testbed:gpt2", device="cpu")
    model.hf_model.save_pretrained(tmp_path)
    model.tokenizer.save_pretrained(tmp_path)
    assert planted_groups(tmp_path) is None
    groups = [NeuronSet([(0, 1), (2, 3)]), NeuronSet([(1, 0)])]
    write_groups(tmp_path, groups)
    loaded = load_model(tmp_path, device="cpu")
    assert loaded.planted_groups == groups
    assert load_model(loaded).planted_groups == groups
