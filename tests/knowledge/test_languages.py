"""Neurons of several languages against plain set logic; edits against models edited in turn."""

from __future__ import annotations

import math
from functools import reduce

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import AMIG, Edit, Fact, NeuronSet
from neurotopo.knowledge.languages import (
    ARMS,
    SharedNeurons,
    cross_lingual_edit,
    group_by_language,
    shared_neurons,
)
from neurotopo.models.examples import random_model
from tests.support.degeneracy import impossible, with_nan

EN = Fact("The capital of France is _X_.", "Paris", id="capital")
FR = Fact("capital France is _X_", ("Paris", "Rome ."), id="capital", language="fr")
ZH = Fact("France of capital _X_", "Paris", id="capital", language="zh")
FACTS = {"en": EN, "fr": FR}
NEURONS = {
    "en": NeuronSet([(0, 1), (1, 2), (2, 3), (2, 20)]),
    "fr": NeuronSet([(0, 7), (1, 2), (2, 20), (1, 11)]),
}


@pytest.mark.parametrize("kind", ["gpt2", "bert"])
def test_shared_neurons_are_those_of_every_language(kind):
    model = random_model(kind)
    facts = {**FACTS, "zh": ZH}
    thresholds = {"en": 0.3, "fr": 0.1, "zh": 0.02}
    located = shared_neurons(model, facts, AMIG(steps=3, threshold=thresholds))
    sets = {
        language: {
            (layer, index)
            for layer, index in np.argwhere(scores > thresholds[language] * scores.max()).tolist()
        }
        for language, fact in facts.items()
        for scores in [AMIG(steps=3).attribute(model, fact).scores]
    }
    assert dict(located.by_language) == sets
    assert located.shared == sets["en"] & sets["fr"] & sets["zh"]
    assert located.remainders == {name: own - located.shared for name, own in sets.items()}
    assert len(located.shared) > 0
    assert len({len(own) for own in sets.values()}) > 1


def test_the_default_attribution():
    model = random_model("gpt2")
    located = shared_neurons(model, FACTS)
    assert located.by_language["fr"] == AMIG().locate(model, FR)


sets_of_neurons = st.sets(st.tuples(st.integers(0, 2), st.integers(0, 4)))


@given(st.lists(sets_of_neurons, min_size=2, max_size=4))
def test_sets_and_their_table(sets):
    by_language = {f"l{i}": NeuronSet(own) for i, own in enumerate(sets)}
    located = SharedNeurons(by_language)
    shared = reduce(set.intersection, sets)
    assert located.shared == shared
    assert located.remainders == {f"l{i}": own - shared for i, own in enumerate(sets)}
    table = located.to_pandas()
    assert set(zip(table["layer"], table["index"], strict=True)) == set().union(*sets)
    for row in table.to_dict("records"):
        member = [(row["layer"], row["index"]) in own for own in sets]
        assert [row[f"l{i}"] for i in range(len(sets))] == member
        assert row["n_languages"] == sum(member)
        assert row["shared"] == all(member)


def test_shared_neurons_need_two_languages():
    with pytest.raises(ValueError, match=r"at least two languages are needed, got \['en'\]"):
        shared_neurons(None, {"en": EN})
    with pytest.raises(ValueError, match="at least two languages, got 'en'"):
        SharedNeurons({"en": NeuronSet()})
    with pytest.raises(ValueError, match="at least two languages, got none"):
        SharedNeurons({})


def test_a_fact_under_the_wrong_language_is_refused():
    wrong = {"en": EN, "de": FR}
    for act in (
        lambda: shared_neurons(None, wrong),
        lambda: cross_lingual_edit(None, wrong, NEURONS),
    ):
        with pytest.raises(ValueError, match=r"given as language 'de' .* 'language' is 'fr'"):
            act()


def test_a_language_without_a_threshold_is_refused():
    with pytest.raises(ValueError, match="no threshold for language 'fr'"):
        shared_neurons(random_model("gpt2"), FACTS, AMIG(steps=1, threshold={"en": 0.2}))


def test_grouping():
    other = Fact("Who owns it ?", "Bob", id="owner", language="fr")
    assert group_by_language([EN, other, FR]) == {
        "capital": {"en": EN, "fr": FR},
        "owner": {"fr": other},
    }
    ends = [Fact("a _X_", "b", id="Q1/en"), Fact("c _X_", "d", id="Q1/fr", language="fr")]
    assert list(group_by_language(ends, by=lambda f: f.id[:2])) == ["Q1"]
    assert group_by_language([]) == {}


def test_grouping_refuses_what_would_be_lost():
    with pytest.raises(ValueError, match="'capital' occurs twice in language 'en'"):
        group_by_language([EN, FR, EN])
    with pytest.raises(ValueError, match=r"'a _X_'.* it has no id"):
        group_by_language([Fact("a _X_", "b")])
    with pytest.raises(ValueError, match=r"by\(fact\) is None"):
        group_by_language([EN], by=lambda fact: fact.relation)


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
@pytest.mark.parametrize("where", ["values", "weights"])
@pytest.mark.parametrize("scale", [0.0, 0.5, 2.0, -0.5])
def test_arms_are_models_edited_in_turn(kind, where, scale):
    """The sequential arm edits the edited model: blocks in blocks, not two edits of the first."""
    model = random_model(kind)

    def edit(neurons):
        return Edit(neurons, scale=scale, where=where)

    arms = {
        "shared": [NEURONS["en"] & NEURONS["fr"]],
        "first": [NEURONS["en"]],
        "second": [NEURONS["fr"]],
        "sequential": [NEURONS["en"], NEURONS["fr"]],
    }
    result = cross_lingual_edit(
        model, FACTS, SharedNeurons(NEURONS), scale=scale, where=where, reduce="sum"
    )
    assert [(r.arm, r.asked) for r in result.results] == [(a, b) for a in ARMS for b in FACTS]
    for arm, steps in arms.items():
        for language, fact in FACTS.items():
            located = result.result(arm, language)
            before = model.answer_probability(fact, reduce="sum")
            with model.edited(edit(steps[0])):
                after = model.answer_probability(fact, reduce="sum")
                for neurons in steps[1:]:
                    with model.edited(edit(neurons)):
                        after = model.answer_probability(fact, reduce="sum")
            assert located.before == pytest.approx(before, rel=1e-4)
            assert located.after == pytest.approx(after, rel=1e-4)
            assert located.change == pytest.approx((after - before) / before, abs=1e-3)
            wanted = after > 1.01 * before if scale > 1 else after < 0.99 * before
            assert located.success is wanted
            assert located.crosses is ((arm, language) in [("first", "fr"), ("second", "en")])
            assert located.n_neurons == len(set().union(*steps))
        both = all(result.result(arm, language).success for language in FACTS)
        assert result.succeeded(arm) is both


def test_sequential_is_not_either_edit_alone():
    result = cross_lingual_edit(random_model("gpt2"), FACTS, NEURONS, scale=2.0)
    after = [result.result(arm, "en").after for arm in ARMS]
    assert len({round(p, 7) for p in after}) == 4
    union = NEURONS["en"] | NEURONS["fr"]
    once = random_model("gpt2").answer_probability(EN, edits=Edit(union, scale=2.0))
    assert after[3] != pytest.approx(once, rel=1e-5)  # shared neurons are scaled twice


def test_the_order_of_languages_names_the_arms():
    model = random_model("gpt2")
    turned = cross_lingual_edit(model, {"fr": FR, "en": EN}, NEURONS)
    straight = cross_lingual_edit(model, FACTS, NEURONS)
    assert turned.languages == ("fr", "en")
    assert turned.result("first", "en").edited == ("fr",)
    assert turned.result("first", "en").after == pytest.approx(
        straight.result("second", "en").after, rel=1e-5
    )


def test_shared_neurons_may_be_given():
    model = random_model("gpt2")
    located = SharedNeurons(NEURONS)
    result = cross_lingual_edit(model, FACTS, located.remainders, shared=located.shared)
    whole = cross_lingual_edit(model, FACTS, located)
    assert result.result("shared", "en").after == pytest.approx(
        whole.result("shared", "en").after, rel=1e-5
    )
    assert result.result("first", "fr").n_neurons == 2
    alone = model.answer_probability(FR, edits=Edit(located.remainders["en"]))
    assert result.result("first", "fr").after == pytest.approx(alone, rel=1e-4)


def test_edits_at_the_last_position():
    model = random_model("gpt2")
    result = cross_lingual_edit(model, FACTS, NEURONS, positions="last")
    wanted = model.answer_probability(FR, edits=Edit(NEURONS["en"], positions="last"))
    assert result.result("first", "fr").after == pytest.approx(wanted, rel=1e-4)
    everywhere = cross_lingual_edit(model, FACTS, NEURONS)
    assert everywhere.result("first", "fr").after != pytest.approx(wanted, rel=1e-4)
    with pytest.raises(ValueError, match="edit of weights acts at all positions"):
        cross_lingual_edit(model, FACTS, NEURONS, positions="last", where="weights")


@pytest.mark.parametrize("least_change", [0.0, 0.01])
def test_editing_nothing_changes_nothing(least_change):
    model = random_model("gpt2")
    apart = {"en": NEURONS["en"], "fr": NeuronSet()}
    options = {"least_change": least_change, "scale": 3.0}
    result = cross_lingual_edit(model, FACTS, apart, **options)
    for arm in ("shared", "second"):
        for language in FACTS:
            located = result.result(arm, language)
            assert (located.n_neurons, located.change, located.success) == (0, 0, False)
    for language in FACTS:
        sequential, first = (result.result(arm, language) for arm in ("sequential", "first"))
        assert sequential.after == first.after != first.before
    same = cross_lingual_edit(model, FACTS, NEURONS, scale=1.0, least_change=least_change)
    assert all(located.change == 0 and not located.success for located in same.results)
    assert not any(same.succeeded(arm) for arm in ARMS)


def test_only_edits_that_differ_are_asked(monkeypatch):
    """Rows of a batch differ by rounding, so an edit that edits nothing must not be one."""
    model = random_model("gpt2")
    rows = []
    ask = model.answer_probability

    def spy(fact, edits, **options):
        rows.append(len(edits))
        return ask(fact, edits=edits, **options)

    monkeypatch.setattr(model, "answer_probability", spy)
    cross_lingual_edit(model, FACTS, NEURONS)
    cross_lingual_edit(model, FACTS, {"en": NEURONS["en"], "fr": NeuronSet()})
    cross_lingual_edit(model, FACTS, NEURONS, scale=1.0)
    assert rows == [5, 5, 2, 2, 1, 1]


def test_how_much_change_is_a_success():
    model = random_model("gpt2")
    changes = [r.change for r in cross_lingual_edit(model, FACTS, NEURONS).results]
    bar = float(np.median(np.abs(changes)))
    result = cross_lingual_edit(model, FACTS, NEURONS, least_change=bar)
    assert [r.success for r in result.results] == [-r.change > bar for r in result.results]
    for wrong in (-0.1, math.nan, math.inf):
        with pytest.raises(ValueError, match="least_change must be at least 0 and finite"):
            cross_lingual_edit(model, FACTS, NEURONS, least_change=wrong)


def test_an_impossible_answer_is_counted():
    model = impossible(random_model("gpt2"))
    result = cross_lingual_edit(model, FACTS, NEURONS)
    assert result.n_undefined == 8
    assert not any(r.success for r in result.results)
    assert result.to_pandas()["change"].isna().all()
    assert cross_lingual_edit(random_model("gpt2"), FACTS, NEURONS).n_undefined == 0


def test_nan_of_the_model_is_an_error():
    model = with_nan(random_model("gpt2"))
    with pytest.raises(ValueError, match=r"'The capital of France.* is nan"):
        cross_lingual_edit(model, FACTS, NEURONS)


def test_what_cannot_be_edited_is_refused():
    model = random_model("gpt2")
    with pytest.raises(ValueError, match="exactly two languages are needed"):
        cross_lingual_edit(model, {**FACTS, "zh": ZH}, NEURONS)
    with pytest.raises(ValueError, match="exactly two languages are needed"):
        cross_lingual_edit(model, {"en": EN}, NEURONS)
    with pytest.raises(ValueError, match="no neurons of language 'fr'; there are those of 'en'"):
        cross_lingual_edit(model, FACTS, {"en": NEURONS["en"]})
    with pytest.raises(ValueError, match="no neurons of language 'en'; there are those of none"):
        cross_lingual_edit(model, FACTS, {})
    with pytest.raises(ValueError, match="scale must be a finite number"):
        cross_lingual_edit(model, FACTS, NEURONS, scale=math.nan)
    result = cross_lingual_edit(model, FACTS, NEURONS)
    with pytest.raises(ValueError, match="arm must be one of shared, first, second, sequential"):
        result.result("third", "en")
    with pytest.raises(ValueError, match=r"language must be one of .* got 'zh'"):
        result.result("first", "zh")


def test_the_table_of_arms():
    result = cross_lingual_edit(random_model("gpt2"), FACTS, NEURONS)
    table = result.to_pandas()
    assert len(table) == 8
    for row, located in zip(table.to_dict("records"), result.results, strict=True):
        assert row.pop("edited") == "+".join(located.edited)
        assert row == {name: getattr(located, name) for name in row}
