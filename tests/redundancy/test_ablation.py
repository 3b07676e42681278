"""Values of ablated neurons: means by hand, counterfactual prompts, and what they restore."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
import torch

from neurotopo import Edit, Fact, NeuronSet
from neurotopo.redundancy import Ablation, RelationValues, counterfactual_of
from neurotopo.testbed.toys import TOYS, toy
from tests.support import zoo

PLACES = {
    "Brolland": "Marly",
    "Zúnia": "Peko",
    "Peko": "Zúnia",
    "Ada Brünn": "Krone",
    "José": "Marly",
}
FACTS = [
    Fact(f"The capital of {subject} is _X_.", answer, "P36", subject=subject)
    for subject, answer in PLACES.items()
]
FIRST = FACTS[0]


@pytest.fixture(params=("gpt2", "llama", "bert", "falcon"))
def model(request):
    """Return a model of the matrix."""
    return zoo.shared(request.param)


def of(model, fact, facts, **options):
    """Return the ablations of a fact by name."""
    return dict(RelationValues(model, facts, **options).of(fact))


def test_mean_by_hand(model):
    wanted = np.mean([model.activations(fact) for fact in FACTS[1:]], axis=0)
    again = Fact(FIRST.prompt, "Peko", "P36", subject=FIRST.subject)  # the same question
    for facts in (FACTS, FACTS[1:], [*FACTS, again], [*FACTS, *FACTS]):
        np.testing.assert_allclose(of(model, FIRST, facts)["mean"].values, wanted, atol=1e-5)


def test_the_mean_is_of_at_most_so_many_facts(model):
    values = [model.activations(fact) for fact in FACTS]
    for most in (1, 2, 3):
        found = of(model, FIRST, FACTS[1:], most=most)["mean"].values
        size = [
            np.abs(np.mean([values[i] for i in chosen], axis=0) - found).max() < 1e-5
            for chosen in combinations(range(1, 5), most)
        ]
        assert sum(size) == 1
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        RelationValues(model, FACTS, most=0)


def test_few_facts_give_fewer_ablations(model):
    assert list(of(model, FIRST, [FIRST])) == ["zero"]
    assert list(of(model, FIRST, [])) == ["zero"]
    same_answer = FACTS[4]
    assert list(of(model, FIRST, [FIRST, same_answer])) == ["zero", "mean"]
    assert list(of(model, FIRST, FACTS[:2])) == ["zero", "mean", "counterfactual"]


def test_the_counterfactual_is_the_same_prompt_about_another_subject(model):
    for seed in range(8):
        other = counterfactual_of(model, FIRST, FACTS, seed=seed)
        assert other.answers == FIRST.answers
        assert other.subject in {"Zúnia", "Peko", "Ada Brünn"}  # José has the same answer
        assert other.prompt == f"The capital of {other.subject} is _X_."
        gaps = {
            subject: abs(
                model.encode(Fact(f"The capital of {subject} is _X_.", "Marly")).n_prompt
                - model.encode(FIRST).n_prompt
            )
            for subject in ("Zúnia", "Peko", "Ada Brünn")
        }
        assert gaps[other.subject] == min(gaps.values())
    assert counterfactual_of(model, FIRST, [FIRST, FACTS[4]]) is None


def test_a_subject_with_the_answer_in_another_fact_is_no_counterfactual(model):
    second = Fact("The capital of Zúnia is _X_.", "Marly", "P36", subject="Zúnia")
    others = [FACTS[1], second]
    assert counterfactual_of(model, FIRST, others) is None
    assert counterfactual_of(model, FIRST, [*others, FACTS[2]]).subject == "Peko"


def test_facts_without_a_subject_use_the_whole_prompt(model):
    facts = [Fact(fact.prompt, fact.answers, "P36") for fact in FACTS]
    other = counterfactual_of(model, facts[0], facts)
    assert other.prompt in {fact.prompt for fact in facts[1:4]}
    assert other.answers == facts[0].answers
    unnamed = [Fact("It is _X_.", each.answers, "P36", subject=each.subject) for each in FACTS]
    assert counterfactual_of(model, unnamed[0], unnamed) is None  # all prompts are equal


def outputs(model, fact, edits=()):
    """Return the outputs of all MLPs at the tokens that predict the answer, by plain hooks."""
    read = []
    encoding = model.encode(fact)
    (answer,) = encoding.answers
    if model.is_causal:
        ids, first = [*encoding.prompt, *answer[:-1]], len(encoding.prompt) - 1
    else:
        masks = [encoding.mask] * len(answer)
        ids, first = [*encoding.before, *masks, *encoding.after], len(encoding.before)
    at = slice(first, first + len(answer)) if model.is_causal else slice(first, first + 1)

    def before_out(module, args, layer):
        x = args[0].clone().reshape(len(ids), -1)
        for edit in edits:
            for row, (owner, index) in enumerate(edit.neurons):
                if owner == layer:
                    x[at, index] = torch.tensor(edit.columns[row][: x[at].shape[0]]).float()
        return (x.reshape(args[0].shape), *args[1:])

    handles = []
    for layer, mlp in enumerate(model.mlps):
        handles += [
            mlp.out.module.register_forward_pre_hook(
                lambda module, args, layer=layer: before_out(module, args, layer)
            ),
            mlp.out.module.register_forward_hook(
                lambda module, args, output: read.append(output.reshape(len(ids), -1)[at].clone())
            ),
        ]
    with torch.no_grad():
        model.hf_model(input_ids=torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    return torch.stack(read)


def test_all_neurons_with_counterfactual_values_write_what_they_write_there(model):
    ablation = of(model, FIRST, FACTS)["counterfactual"]
    other = counterfactual_of(model, FIRST, FACTS)
    everything = NeuronSet([(i, j) for i in range(model.n_layers) for j in range(model.n_neurons)])
    edit = ablation.edit(everything)
    torch.testing.assert_close(
        outputs(model, FIRST, [edit]), outputs(model, other), rtol=1e-4, atol=1e-4
    )
    assert (outputs(model, FIRST) - outputs(model, other)).abs().max() > 1e-2


def test_the_toy_without_attention_becomes_the_counterfactual_prompt():
    for name in TOYS:
        net = toy(name)
        fact = net.facts[0]
        ablation = of(net.model, fact, net.facts)["counterfactual"]
        edit = ablation.edit(net.groups[0] | net.groups[1] | net.rest)
        other = counterfactual_of(net.model, fact, net.facts)
        there = net.model.answer_probability(other)
        assert net.model.answer_probability(fact, edit) == pytest.approx(there, abs=1e-12)


def test_edits_take_the_values_of_their_neurons():
    values = np.arange(12.0).reshape(2, 3, 2)  # layers, tokens, neurons
    edit = Ablation("counterfactual", values).edit(NeuronSet([(0, 1), (1, 0)]))
    np.testing.assert_array_equal(edit.columns, [[1, 3, 5], [6, 8, 10]])
    assert Ablation("mean", values[:, 0]).edit(NeuronSet([(1, 1)])).value == (7.0,)
    assert Ablation("zero").edit(NeuronSet([(1, 1)])) == Edit([(1, 1)], positions="last")
    assert not len(Ablation("mean", values[:, 0]).edit(NeuronSet()).neurons)
