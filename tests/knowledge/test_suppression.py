"""Subsets of components, and the probabilities under their suppression."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo import DKNFinder, Edit, NeuronSet
from neurotopo.knowledge import suppression
from neurotopo.knowledge.suppression import subsets
from neurotopo.models.examples import random_model
from tests.support.degeneracy import FACT, GROUPS, Toy


@pytest.mark.parametrize("n", range(11))
def test_all_subsets(n):
    rows = subsets(n)
    assert rows.shape == (2**n - 1, n)
    assert len(np.unique(rows, axis=0)) == len(rows)
    assert (np.diff(rows.sum(axis=1)) >= 0).all()


def test_samples_of_subsets():
    rows = subsets(14, random_state=3)
    sizes = rows.sum(axis=1)
    assert np.bincount(sizes)[1:].tolist() == [min(math.comb(14, k), 200) for k in range(1, 15)]
    assert len(np.unique(rows, axis=0)) == len(rows)
    np.testing.assert_array_equal(rows, subsets(14, random_state=3))
    assert (rows != subsets(14, random_state=4)).any()
    middle = rows[sizes == 7].mean(axis=0)
    assert abs(middle - 0.5).max() < 0.2  # five standard deviations
    few = subsets(5, max_exact=3, n_samples=4)
    assert few.sum(axis=1).tolist() == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4 + [5]


def test_twelve_components():
    groups = [NeuronSet([(0, i)]) for i in range(12)]
    by_intact = np.linspace(0.1, 0.9, 13)
    model = Toy(groups, by_intact)
    finder = DKNFinder(tau2=0.0)
    dkn = finder.evaluate(model, FACT, groups)
    assert dkn.n == 12
    wanted = [min(math.comb(12, k), 200) for k in range(1, 13)]
    assert dkn.n_subsets.tolist() == wanted
    assert dkn.suppression.is_exact.tolist() == [
        w == math.comb(12, k + 1) for k, w in enumerate(wanted)
    ]
    np.testing.assert_allclose(dkn.curve, np.arange(1, 13) * (0.8 / 12) / 0.9)
    assert dkn.gcr == pytest.approx(dkn.gcr_floor)
    assert len(model.calls) == 2
    asked = [neurons for call in model.calls for neurons in call]
    assert len(set(asked)) == len(asked)
    again = finder.evaluate(model, FACT, groups)
    np.testing.assert_array_equal(dkn.suppression.subsets, again.suppression.subsets)


def test_eleven_components_of_a_real_model():
    model = random_model("gpt2")
    groups = [NeuronSet([(layer, i) for layer in range(3)]) for i in range(11)]
    dkn = DKNFinder(tau2=0.0, n_samples=20, positions="last").evaluate(model, FACT, groups)
    assert dkn.n_subsets.tolist() == [11, *[20] * 8, 11, 1]
    for row, value in list(
        zip(dkn.suppression.subsets, dkn.suppression.probabilities, strict=True)
    )[::17]:
        union = NeuronSet(p for g, on in zip(groups, row, strict=True) if on for p in g)
        edit = Edit(union, positions="last")
        assert value == pytest.approx(model.answer_probability(FACT, edits=edit), rel=1e-4)


def test_many_sets_are_split_into_calls(monkeypatch):
    monkeypatch.setattr(suppression, "_ROWS_PER_CALL", 3)
    model = Toy()
    dkn = DKNFinder().evaluate(model, FACT, GROUPS)
    assert [len(call) for call in model.calls] == [3, 3, 2]
    assert dkn.gcr == pytest.approx(15)
