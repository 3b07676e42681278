"""The study of languages: its items, its options, its work, and a run from end to end."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

import neurotopo as nt
from neurotopo import Fact, NeuronSet
from neurotopo._codec import to_text
from neurotopo.models.builtin_models import null_model
from neurotopo.models.examples import random_model
from neurotopo.studies import run
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from neurotopo.studies.crosslingual.study import (
    Crosslingual,
    CrosslingualOptions,
    common_id,
    facts_in_languages,
    language_facts,
    random_like,
    some,
)
from neurotopo.studies.facts import facts_for
from neurotopo.testbed import core_id

pytestmark = pytest.mark.usefixtures("few_suffice")

NAMES = ("France", "Peru", "Chad", "Iran", "Oman", "Mali")
OPTIONS = CrosslingualOptions.quick(threshold=0.1, least_change=1e-9)


def fact(name, language, id=None, answer="Paris", relation="P36"):
    prompts = {
        "en": f"The capital of {name} is _X_",
        "fr": f"capital {name} is _X_",
        "de": f"{name} capital _X_",
    }
    id = f"{language}:{name}" if id is None else id
    return Fact(prompts[language], answer, relation, id=id, subject=name, language=language)


def both(names=NAMES):
    return [fact(name, language) for name in names for language in ("en", "fr")]


# Facts and their grouping


def test_factworld_is_drawn_by_what_it_states():
    drawn = facts_in_languages("factworld:7", "testbed:gpt2", seed=3)
    names = [core_id(each) for each in drawn]
    assert len(drawn) == 14
    assert len(set(names)) == 7
    assert {each.language for each in drawn} == {"en", "fr"}
    # the same facts as in the studies of one language
    english = facts_for("factworld:7", "testbed:gpt2", seed=3)
    assert [core_id(each) for each in english] == names[:7]
    assert facts_for("factworld:7", "testbed:gpt2", seed=3, language="fr")[0].language == "fr"
    assert len(facts_in_languages("factworld", "testbed:bert", most=5)) == 10
    assert len(facts_in_languages("factworld:9", "testbed:bert", most=5)) == 18
    with pytest.raises(ValueError, match="asks for 705 facts, but there are 704"):
        facts_in_languages("factworld:705", "testbed:gpt2")


def test_a_model_of_one_language_is_refused_in_a_sentence():
    with pytest.raises(ValueError, match=r"no fact is in two languages: there is only en.*id and"):
        run("crosslingual", model="testbed:planted", facts="factworld:5")


def test_items_hold_one_fact_in_its_languages():
    items = language_facts([*both(["Peru"]), fact("Chad", "fr")], OPTIONS)
    assert [(item.key, list(item.facts), item.missing) for item in items] == [
        ("Peru", ["en", "fr"], ()),
        ("Chad", ["fr"], ("en",)),
    ]
    assert items[0].to_dict()["facts"]["fr"]["prompt"] == "capital Peru is _X_"
    assert json.loads(json.dumps(items[1].to_dict()))["missing"] == ["en"]


def test_languages_may_be_chosen():
    facts = [*both(), *(fact(name, "de") for name in NAMES)]
    assert list(language_facts(facts, OPTIONS)[0].facts) == ["de", "en", "fr"]
    chosen = replace(OPTIONS, languages=("fr", "de"))
    assert list(language_facts(facts, chosen)[0].facts) == ["fr", "de"]
    with pytest.raises(ValueError, match="no fact is in language 'zh'; there are de, en, fr"):
        language_facts(facts, replace(OPTIONS, languages=("en", "zh")))
    with pytest.raises(ValueError, match=r"only en in common; name .*languages=de,en,fr"):
        language_facts([*both(["Peru"]), fact("Chad", "en"), fact("Chad", "de")], OPTIONS)
    apart = [fact("Chad", "de"), *both(["Peru"])]
    with pytest.raises(ValueError, match="no fact is in all of the languages en, de"):
        language_facts(apart, replace(OPTIONS, languages=("en", "de")))


def test_ids_are_needed_and_may_be_the_same_in_all_languages():
    same = [fact("Peru", "en", id="1"), fact("Peru", "fr", id="1")]
    (item,) = language_facts(facts_in_languages(same), OPTIONS)
    assert item.key == "1"
    with pytest.raises(ValueError, match=r"has no id\. .* fields id and language"):
        common_id(Fact("The capital of Peru is _X_", "Lima"))
    with pytest.raises(ValueError, match="occurs twice in language 'en'"):
        language_facts([*same, fact("Chad", "en", id="1")], OPTIONS)


def test_a_file_of_mlama(tmp_path):
    for language, template in (("en", "The capital of [X] is [Y] ."), ("fr", "capital [X] [Y] .")):
        folder = tmp_path / language
        folder.mkdir()
        row = {"relation": "P36", "template": template}
        (folder / "templates.jsonl").write_text(json.dumps(row), encoding="utf-8")
        rows = [
            {"sub_label": name, "obj_label": "Paris", "uuid": name}
            for name in (NAMES if language == "en" else NAMES[:4])
        ]
        text = "\n".join(json.dumps(row) for row in rows)
        (folder / "P36.jsonl").write_text(text, encoding="utf-8")
    items = language_facts(facts_in_languages(tmp_path), OPTIONS)
    assert [item.key for item in items if not item.missing] == [f"P36:{x}" for x in NAMES[:4]]
    assert len(items) == 6
    # a draw takes facts of two languages only
    drawn = language_facts(facts_in_languages(tmp_path, most=3, seed=1), OPTIONS)
    assert len(drawn) == 3
    assert not any(item.missing for item in drawn)


# Options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"languages": ["en"]}, "languages must be at least two"),
        ({"languages": ["en", "en"]}, "different ones"),
        ({"methods": []}, "methods must name at least one"),
        ({"methods": ["k-means"]}, "there is no method"),
        ({"scales": []}, "scales must be at least one factor"),
        ({"scales": [0.0, 0.0]}, "scales must be at least one factor"),
        ({"scales": [1.0]}, "not 1"),
        ({"scales": [-1.0]}, "at least 0"),
        ({"least_change": math.nan}, "least_change"),
        ({"thresholds": ["en"]}, "language:number"),
        ({"thresholds": ["en:0.1", "en:0.2"]}, "each language once"),
        ({"thresholds": ["en:x"]}, "language:number"),
        ({"languages": ["en", "fr"], "thresholds": ["zh:0.2"]}, "'zh', which is not in"),
        ({"tau2": -1.0}, "tau2"),
    ],
)
def test_mistakes_are_named_before_any_work(given, message):
    with pytest.raises(ValueError, match=message):
        CrosslingualOptions(**given)


# Random sets


@pytest.mark.parametrize("by_layer", [False, True])
def test_random_sets_have_the_sizes_and_overlaps(by_layer):
    sets = {
        "en": NeuronSet([(0, 1), (1, 2), (1, 3), (2, 0)]),
        "fr": NeuronSet([(1, 3), (2, 0), (2, 5)]),
        "de": NeuronSet([(2, 0)]),
    }
    drawn = random_like(sets, np.random.default_rng(0), n_layers=3, n_neurons=50, by_layer=by_layer)
    assert {name: len(own) for name, own in drawn.items()} == {"en": 4, "fr": 3, "de": 1}
    assert len(drawn["en"] & drawn["fr"]) == 2
    assert drawn["de"] <= drawn["en"] & drawn["fr"]
    assert drawn["en"] != sets["en"]
    if by_layer:
        for name, own in sets.items():
            assert sorted(drawn[name].layers) == sorted(own.layers)


def test_some_of_a_set():
    neurons = NeuronSet([(0, 1), (1, 2), (1, 3)])
    assert len(some(neurons, 2, np.random.default_rng(0))) == 2
    assert some(neurons, 2, np.random.default_rng(0)) <= neurons
    assert some(neurons, 0, np.random.default_rng(0)) == NeuronSet()
    assert some(neurons, 3, np.random.default_rng(0)) == neurons


# The work


@pytest.fixture(scope="module")
def model():
    return random_model("gpt2")


def test_work_is_the_acquisition_study_in_each_language(model):
    (item,) = language_facts(both(["Peru"]), OPTIONS)
    options = replace(OPTIONS, thresholds=("fr:0.3",))
    result = Crosslingual(model, options, 0)(item)
    assert tuple(result) == Crosslingual.stages
    for language, threshold in (("en", 0.1), ("fr", 0.3)):
        own = AcquisitionOptions.quick(methods=OPTIONS.methods, threshold=threshold)
        alone = Acquisition(model, own, 0)(item.facts[language])
        found = result["languages"][language]
        assert to_text(found["methods"], "x") == to_text(alone["methods"], "x")
        assert found["fact"]["neurons"].tolist() == alone["fact"]["neurons"].tolist()
    to_text(result, "x")  # can be stored


def test_arms_are_the_edits_they_say(model):
    (item,) = language_facts(both(["Peru"]), OPTIONS)
    result = Crosslingual(model, OPTIONS, 0)(item)
    own = {
        language: NeuronSet(map(tuple, found["fact"]["neurons"].tolist()))
        for language, found in result["languages"].items()
    }
    arms = result["edits"]["arms"]
    rows = [dict(zip(arms, values, strict=True)) for values in zip(*arms.values(), strict=True)]
    assert len(rows) == 2 * 3 * 4 * 2  # scales, kinds of neurons, arms, languages asked
    asked = item.facts["fr"]
    for scale in (0.0, 2.0):
        (row,) = [
            r
            for r in rows
            if (r["scale"], r["neurons"], r["arm"], r["asked"]) == (scale, "own", "first", "fr")
        ]
        edited = model.answer_probability(asked, edits=[nt.Edit(own["en"], scale=scale)])[0]
        assert row["after"] == pytest.approx(edited, rel=1e-5)
        assert row["before"] == pytest.approx(model.answer_probability(asked), rel=1e-5)
        moved = row["after"] - row["before"]
        assert row["success"] == ((moved if scale > 1 else -moved) > 1e-9 * row["before"])
    for kind in ("random", "random_layers"):
        sizes = {r["arm"]: r["n_neurons"] for r in rows if r["neurons"] == kind}
        assert sizes == {r["arm"]: r["n_neurons"] for r in rows if r["neurons"] == "own"}


def test_as_many_shared_neurons_as_others_are_edited(model):
    (item,) = language_facts(both(["Peru"]), OPTIONS)
    result = Crosslingual(model, OPTIONS, 0)(item)
    en, fr = (
        NeuronSet(map(tuple, found["fact"]["neurons"].tolist()))
        for found in result["languages"].values()
    )
    matched = result["edits"]["matched"]
    assert matched["edited"] == ["en", "en", "fr", "fr"]
    n = [min(len(en & fr), len(own - (en & fr))) for own in (en, fr)]
    assert matched["n_neurons"] == [n[0], n[0], n[1], n[1]]
    assert all(n)
    assert all(np.isfinite(matched["shared"] + matched["others"]))


def test_a_large_change_has_a_reason(model):
    (item,) = language_facts(both(["Peru"]), OPTIONS)
    result = Crosslingual(model, replace(OPTIONS, max_change=1e-12), 0)(item)
    assert "extreme change" in result["edits"]["arms"]["reason"]


def test_facts_that_are_not_known_can_be_left_out(model):
    (item,) = language_facts(both(["Peru"]), OPTIONS)
    result = Crosslingual(model, replace(OPTIONS, only_known=True), 0)(item)
    assert result["fact"]["known"] == {"en": False, "fr": False}
    assert result["languages"] == result["edits"] == {}


# Runs


def given(**more):
    return {"quick": True, "threshold": 0.1, **more}


@pytest.mark.slow
def test_a_run_goes_on_and_is_the_same(model, tmp_path):
    facts = both()
    whole = run("crosslingual", model=model, facts=facts, out=tmp_path / "whole", **given())
    assert str(whole.outcome) == "crosslingual: 6 of 6 facts done."
    again = run("crosslingual", model=model, facts=facts, out=tmp_path / "whole", **given())
    assert again.outcome.n_there == 6
    run("crosslingual", model=model, facts=facts[:6], out=tmp_path / "parts", **given())
    parts = run("crosslingual", model=model, facts=facts, out=tmp_path / "parts", **given())
    assert parts.outcome.n_there == 3
    for name, frame in whole.tables.items():
        assert frame.equals(parts.tables[name]), name
        assert frame.equals(again.tables[name]), name
    assert whole.findings == parts.findings == again.findings
    assert whole.rows["fact"].nunique() == 6
    assert (tmp_path / "whole" / "report.html").is_file()


@pytest.mark.usefixtures("no_pictures")
def test_three_languages_and_one_that_is_missing(model):
    facts = [*both(NAMES[:3]), *(fact(name, "de") for name in NAMES[:2])]
    result = run("crosslingual", model=model, facts=facts, languages=["en", "fr", "de"], **given())
    exclusions = result.tables["exclusions"]
    row = exclusions[exclusions["reason"] == "a language is missing"].iloc[0]
    assert (row["facts"], row["of"]) == (1, 3)
    pairs = set(result.tables["overlap"]["languages"])
    assert pairs == {"en & fr", "en & de", "fr & de"}
    assert set(result.tables["succ"]["languages"]) == pairs
    assert list(result.tables["layers"])[1:4] == ["en", "fr", "de"]
    assert result.claims == ()


def test_nothing_known_and_nothing_asked(model):
    result = run("crosslingual", model=model, facts=both(NAMES[:2]), only_known=True, **given())
    assert result.findings[-1] == "No fact was left to look for neurons in."
    assert "answers 0 in en and 0 in fr correctly" in result.findings[0]
    exclusions = result.tables["exclusions"].set_index("reason")
    assert exclusions.loc["not known in every language (only_known)", "facts"] == 2
    assert result.figures == {}


@pytest.mark.usefixtures("no_pictures")
def test_a_random_model_gets_no_claim():
    random = nt.load_model(null_model(3), tokenizer=nt.load_model("testbed:null").tokenizer)
    result = run(
        "crosslingual",
        model=random,
        facts="factworld:12",
        quick=True,
        threshold=0.4,
        steps=4,
        methods=["ntc"],
    )
    assert not result.outcome.failures
    assert result.claims == ()
    assert "0 in every language" in result.findings[0]
