"""recalled(edits=...): one edit per fact in one batch is the model edited, fact by fact."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo import Edit, Fact, NeuronSet, load_model
from neurotopo.models.examples import random_model
from neurotopo.models.recall import recalled
from neurotopo.studies.facts import facts_for

MODELS = ("testbed:gpt2", "testbed:llama", "testbed:bert")


def some_edits(model, n):
    """Edits that change many answers and leave others, of every kind."""
    rng = np.random.default_rng(0)
    every = model.n_layers * model.n_neurons
    edits = []
    for i in range(n):
        drawn = np.sort(rng.choice(every, every // 2, replace=False))
        neurons = NeuronSet.from_arrays(*np.divmod(drawn, model.n_neurons))
        where = ("values", "weights")[i % 2]
        scale = (0.0, 2.0, 3.0)[i % 3]
        both = (Edit(neurons[:9], scale=scale, where=where), Edit(neurons[5:], scale=0.5))
        edits.append([None, Edit(neurons, scale=scale, where=where), both][i % 5 % 3])
    return edits


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("options", [{"ends": False}, {"ends": True}, {"first": True}])
def test_a_batch_of_edits_is_every_edit_by_itself(name, options):
    model = load_model(name, device="cpu")
    facts = list(facts_for("factworld:30", name))
    edits = some_edits(model, len(facts))
    together = recalled(model, facts, edits=edits, **options)
    alone = []
    for fact, edit in zip(facts, edits, strict=True):
        given = () if edit is None else (edit,) if isinstance(edit, Edit) else edit
        with model.edited(*given):
            alone.append(bool(recalled(model, [fact], **options)[0]))
    assert together.tolist() == alone
    assert 0 < sum(alone) < len(alone)  # so that both answers are there
    assert recalled(model, facts, **options).tolist() != alone


@pytest.mark.parametrize("name", MODELS)
def test_edits_that_do_nothing_change_nothing(name):
    model = load_model(name, device="cpu")
    facts = list(facts_for("factworld:10", name))
    plain = recalled(model, facts, ends=False)
    nothing = [None, (), Edit([]), Edit([(0, 1)], scale=1.0), [Edit([]), Edit([])]] * 2
    assert recalled(model, facts, ends=False, edits=nothing).tolist() == plain.tolist()


@pytest.mark.parametrize("name", MODELS)
def test_suppressed_by_values_or_by_weights_is_the_same(name):
    model = load_model(name, device="cpu")
    facts = list(facts_for("factworld:20", name))
    neurons = [(layer, k) for layer in range(model.n_layers) for k in range(0, model.n_neurons, 2)]
    found = [
        recalled(model, facts, ends=False, edits=[Edit(neurons, where=where)] * len(facts)).tolist()
        for where in ("values", "weights")
    ]
    assert found[0] == found[1]
    asked = [
        model.answer_probabilities(facts, edits=[Edit(neurons, where=where)] * len(facts))
        for where in ("values", "weights")
    ]
    np.testing.assert_allclose(asked[0], asked[1], rtol=1e-5)


def test_an_edit_goes_with_its_own_fact():
    model = load_model("testbed:gpt2", device="cpu")
    facts = list(facts_for("factworld:12", "testbed:gpt2"))
    every = Edit([(layer, k) for layer in range(model.n_layers) for k in range(model.n_neurons)])
    known = recalled(model, facts, ends=False)
    without = recalled(model, facts, ends=False, edits=[every] * 12)
    i = int(np.flatnonzero(known & ~without)[0])
    edits = [every if j == i else None for j in range(12)]
    found = recalled(model, facts, ends=False, edits=edits)
    assert np.flatnonzero(found != known).tolist() == [i]


FACTS = [Fact("The capital of France is _X_", "Paris"), Fact("Ada works for _X_", "Acme")]


@pytest.mark.parametrize("n", [0, 1, 3])
def test_there_must_be_an_edit_per_fact(n):
    with pytest.raises(ValueError, match=f"one entry per fact: 2, got {n}"):
        recalled(random_model(), FACTS, edits=[None] * n)


def test_neurons_must_exist():
    with pytest.raises((ValueError, IndexError), match="99"):
        recalled(random_model(), FACTS[:1], edits=[Edit([(0, 99)])])
