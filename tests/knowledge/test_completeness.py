"""How exact the integral is, on models of the matrix that were taught ten facts."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
import torch

from neurotopo import AMIG, Fact, NeuronModel
from neurotopo.models.answers import masked_fillings
from tests.support import zoo

SUBJECTS = ("Brolland", "Ostavia", "Mirelle", "Ada", "Ilse")
WORDINGS = ("The capital of {} is _X_", "{} works for _X_")
ANSWERS = ("Marly", "Peko", "Krone", "Blue", "in")
FAST = ("gpt2", "llama", "bert")  # plain, gated and masked
NAMES = [
    name if name in FAST else pytest.param(name, marks=pytest.mark.slow)
    for name in ("gpt2", "gpt_neox", "opt", "llama", "gemma2", "bloom", "bert")
]
SMOOTH = [name for name in NAMES if name in FAST or name.values != ("opt",)]  # its ReLU has kinks
ORDERS = {"right": 1, "left": 1, "midpoint": 2, "trapezoid": 2}


@cache
def taught(name: str) -> tuple[NeuronModel, tuple[Fact, ...]]:
    """A model of the matrix after some steps on ten facts, in double precision."""
    model = zoo.build(name, seed=1)
    hf_model = model.hf_model.double()
    facts = tuple(
        Fact(wording.format(subject), ANSWERS[(i + 2 * j) % 5])
        for j, wording in enumerate(WORDINGS)
        for i, subject in enumerate(SUBJECTS)
    )
    optimizer = torch.optim.Adam(hf_model.parameters(), lr=0.01)
    by_length: dict[int, list] = {}  # rows of one length need no padding
    for fact in facts:
        for row in rows_of(model, fact):
            by_length.setdefault(len(row[0]), []).append(row)
    for _ in range(50 if model.is_causal else 100):
        optimizer.zero_grad()
        for rows in by_length.values():
            logits = hf_model(input_ids=torch.tensor([ids for ids, _, _ in rows])).logits
            losses = [
                torch.nn.functional.cross_entropy(one[list(positions)], torch.tensor(targets))
                for one, (_, positions, targets) in zip(logits, rows, strict=True)
            ]
            torch.stack(losses).sum().backward()
        optimizer.step()
    return NeuronModel(hf_model.eval(), model.tokenizer, family=model.family), facts


def rows_of(model, fact):
    """Token ids, the positions that predict tokens of the answer, and these tokens."""
    encoding = model.encode(fact)
    answer = encoding.answers[0]
    if model.is_causal:
        first = len(encoding.prompt) - 1
        ids = [*encoding.prompt, *answer[:-1]]
        return [(ids, range(first, len(ids)), list(answer))]
    return [(q.ids, q.positions, list(q.targets)) for q in masked_fillings(encoding, answer)]


def errors(name, steps, rule, target="joint"):
    """Gaps of all layers and facts, and the differences of the target they miss."""
    model, facts = taught(name)
    amig = AMIG(steps=steps, quadrature=rule, target=target)
    attributions = list(amig.attribute_many(model, facts))
    gaps = np.array([one.completeness_gap for one in attributions])
    return gaps, np.array([one.value - one.start_values for one in attributions])


@pytest.mark.parametrize("name", NAMES)
def test_the_models_know_their_facts(name):
    model, facts = taught(name)
    assert np.mean([model.answer_probability(fact) for fact in facts]) > 0.5


@pytest.mark.parametrize("name", NAMES)
def test_a_hundred_midpoints_are_complete_to_one_percent(name):
    gaps, differences = errors(name, 100, "midpoint")
    greatest = np.abs(differences).max(axis=1, keepdims=True)
    assert greatest.max() > 0.01  # of a probability
    matters = np.abs(differences) > 0.01 * greatest
    np.testing.assert_array_less(np.abs(gaps[matters]), 0.01 * np.abs(differences[matters]))
    assert (np.abs(gaps) <= 0.001 * greatest + 1e-12).all()


@pytest.mark.parametrize("rule", ORDERS)
@pytest.mark.parametrize("name", SMOOTH)
def test_the_error_falls_as_the_rule_says(name, rule):
    few, many = (np.abs(errors(name, n, rule)[0]).sum() for n in (16, 64))
    assert np.log(few / many) / np.log(4) == pytest.approx(ORDERS[rule], abs=0.25)


@pytest.mark.parametrize("name", NAMES)
def test_eight_gauss_legendre_nodes_beat_twenty_steps(name):
    assert AMIG.fast() == AMIG(steps=8, quadrature="gauss-legendre")
    fast = np.abs(errors(name, 8, "gauss-legendre")[0])
    slow = np.abs(errors(name, 20, "right")[0])
    assert fast.sum() < 0.1 * slow.sum()
    assert (fast.max(axis=1) <= slow.max(axis=1)).all()
