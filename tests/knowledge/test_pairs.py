"""Degenerate pairs against plain loops: one suppression, one probability at a time."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import AMIG, Edit, Fact, NeuronSet
from neurotopo.knowledge import suppression
from neurotopo.knowledge.pairs import DegeneratePairs, degenerate_pairs, pairs_grid
from neurotopo.models.examples import random_model
from tests.support.degeneracy import impossible, with_nan

FACT = Fact("The capital of France is _X_.", "Paris")
LONG = Fact("Who owns Rovers ? _X_", ("Acme", "Bob of Rome"), id="long")
NEURONS = NeuronSet([(0, 3), (0, 9), (1, 0), (1, 22), (2, 5), (2, 7), (2, 8)])


def probability(model, fact, neurons, **options):
    """One forward, nothing shared."""
    reduce = options.pop("reduce", "best")
    return model.answer_probability(fact, edits=Edit(neurons, **options), reduce=reduce)


def naive_degenerate(base, singles, pairs, t_low, t_high):
    return {
        (a, b)
        for a, b in combinations(range(len(singles)), 2)
        if singles[a] >= (1 - t_low) * base
        and singles[b] >= (1 - t_low) * base
        and pairs[a][b] < (1 - t_high) * base
    }


def made(base, singles, pairs, t_low=0.2, t_high=0.25):
    """A result from given probabilities; only the upper triangle of the pairs is read."""
    singles = np.asarray(singles, dtype=float)
    upper = np.triu(np.asarray(pairs, dtype=float).reshape(len(singles), len(singles)), 1)
    neurons = NeuronSet((0, i) for i in range(len(singles)))
    return DegeneratePairs(
        neurons, base, singles, upper + upper.T + np.diag(singles), t_low, t_high
    )


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
@pytest.mark.parametrize("positions", ["last", "all"])
@pytest.mark.parametrize("fact", [FACT, LONG], ids=["one", "several"])
def test_probabilities_are_those_of_single_calls(kind, positions, fact):
    model = random_model(kind)
    result = degenerate_pairs(model, fact, list(NEURONS), positions=positions, reduce="sum")
    assert result.neurons == NEURONS
    options = {"positions": positions, "reduce": "sum"}
    wanted = [[probability(model, fact, {a, b}, **options) for b in NEURONS] for a in NEURONS]
    np.testing.assert_allclose(result.pairs, wanted, rtol=1e-4)
    np.testing.assert_array_equal(result.pairs, result.pairs.T)
    np.testing.assert_array_equal(result.singles, np.diag(result.pairs))
    base = model.answer_probability(fact, reduce="sum")
    assert result.base_probability == pytest.approx(base, rel=1e-4)
    np.testing.assert_allclose(result.drops, (base - np.array(wanted)) / base, atol=1e-3)
    assert np.ptp(wanted) > 1e-2 * base  # or else nothing was compared


def test_positions_and_reduction_reach_the_model():
    model = random_model("gpt2")
    last = degenerate_pairs(model, LONG, NEURONS)
    everywhere = degenerate_pairs(model, LONG, NEURONS, positions="all")
    summed = degenerate_pairs(model, LONG, NEURONS, reduce="sum")
    assert not np.allclose(last.pairs, everywhere.pairs, rtol=1e-3)
    assert (summed.pairs > last.pairs).all()


def test_a_planted_pair_is_found():
    """Two neurons do the same work and the third does its own: only the two are spared."""
    base = 0.8
    result = made(base, [0.75, 0.2, 0.7], [[0, 0.1, 0.3], [0, 0, 0.1], [0, 0, 0]])
    assert result.found() == [NeuronSet([(0, 0), (0, 2)])] == result.disjoint()
    assert result.degenerate.sum() == 2
    assert result.n_degenerate == 1


def test_thresholds_at_their_edges():
    """A single at the lower limit is spared; a pair at the upper limit is not missed."""
    base, pairs = 1.0, [[0, 0.5], [0, 0]]
    assert made(base, [0.75, 0.75], pairs, 0.25, 0.5).n_degenerate == 0
    assert made(base, [0.75, 0.75], pairs, 0.25, 0.499).n_degenerate == 1
    lower = [[0, math.nextafter(0.5, 0)], [0, 0]]
    assert made(base, [0.75, 0.75], lower, 0.25, 0.5).n_degenerate == 1
    assert made(base, [0.75, math.nextafter(0.75, 0)], pairs, 0.25, 0.4).n_degenerate == 0
    assert made(base, [1.5, 1.5], [[0, 0.0], [0, 0]], 0.0, 0.9).n_degenerate == 1


probabilities = st.floats(0, 1)


@st.composite
def results(draw):
    k = draw(st.integers(0, 5))
    singles = draw(st.lists(probabilities, min_size=k, max_size=k))
    pairs = draw(st.lists(probabilities, min_size=k * k, max_size=k * k))
    low, high = sorted(draw(st.tuples(probabilities, probabilities)))
    return made(draw(probabilities), singles, pairs, low, high)


@given(results())
def test_degenerate_is_the_definition(result):
    wanted = naive_degenerate(
        result.base_probability, result.singles, result.pairs, result.t_low, result.t_high
    )
    matrix = result.degenerate
    assert {(a, b) for a, b in np.argwhere(matrix).tolist() if a < b} == wanted
    assert (matrix == matrix.T).all()
    assert not matrix.diagonal().any()
    assert result.n_degenerate == len(wanted) == len(result.found())
    assert set(result.found()) == {result.neurons[[a, b]] for a, b in wanted}
    assert result.to_pandas()["degenerate"].sum() == len(wanted)


@given(results())
def test_disjoint_pairs_are_greedy(result):
    def fall(pair):
        a, b = (list(result.neurons).index(neuron) for neuron in pair)
        return result.pairs[a, b]

    left = result.found()
    assert [fall(pair) for pair in left] == sorted(fall(pair) for pair in left)
    wanted = []
    while left:
        wanted.append(left[0])
        left = [pair for pair in left if not pair & wanted[-1]]
    assert result.disjoint() == wanted
    assert sum(map(len, wanted)) == len({neuron for pair in wanted for neuron in pair})


@given(results(), st.sets(st.integers(0, 4)))
def test_restriction_and_new_thresholds_are_a_new_result(result, kept):
    neurons = NeuronSet((0, i) for i in kept if i < len(result.neurons))
    small = result.restrict(neurons).with_thresholds(0.1, 0.3)
    assert small.neurons == neurons
    wanted = {pair for pair in result.with_thresholds(0.1, 0.3).found() if pair <= neurons}
    assert set(small.found()) == wanted


def test_restriction_to_other_neurons_is_refused():
    with pytest.raises(ValueError, match=r"neuron \(4, 4\) is not among those evaluated"):
        made(1.0, [1.0], [[0]]).restrict([(0, 0), (4, 4)])


@pytest.mark.parametrize("k", [0, 1])
def test_no_neuron_and_one_neuron_have_no_pairs(k):
    model = random_model("gpt2")
    result = degenerate_pairs(model, FACT, NEURONS[:k])
    assert result.base_probability == pytest.approx(model.answer_probability(FACT), rel=1e-5)
    assert result.singles.shape == (k,)
    assert result.pairs.shape == result.degenerate.shape == result.drops.shape == (k, k)
    assert result.found() == result.disjoint() == []
    assert len(result.to_pandas()) == result.n_degenerate == 0


def test_an_answer_of_probability_zero_has_no_pairs():
    result = made(0.0, [0.0, 0.3], [[0, 0.0], [0, 0]])
    assert not result.is_defined
    assert result.n_degenerate == 0
    assert np.isnan(result.drops).all()
    assert result.to_pandas()["drop_both"].isna().all()
    tiny = made(5e-324, [1.0, 1.0], [[0, 0.0], [0, 0]])
    assert tiny.is_defined
    assert tiny.n_degenerate == 1
    assert tiny.drops[0, 1] == 1


def test_a_model_that_finds_the_answer_impossible():
    result = degenerate_pairs(impossible(random_model("gpt2")), FACT, NEURONS)
    assert result.base_probability == 0
    assert not result.is_defined
    assert result.n_degenerate == 0


def test_nan_of_the_model_is_an_error():
    model = with_nan(random_model("gpt2"))
    with pytest.raises(ValueError, match=r"'The capital of France.*0 neurons suppressed.* is nan"):
        degenerate_pairs(model, FACT, NEURONS)


def test_the_best_neurons_are_chosen():
    model = random_model("gpt2")
    scores = np.arange(72.0).reshape(3, 24)
    scores[0, 3] = scores[0, 9] = 100
    chosen = degenerate_pairs(model, FACT, NEURONS, scores=scores, n=3).neurons
    assert chosen == {(0, 3), (0, 9), (2, 8)}
    tied = degenerate_pairs(model, FACT, NEURONS, scores=np.zeros((3, 24)), n=2).neurons
    assert tied == {(0, 3), (0, 9)}
    assert degenerate_pairs(model, FACT, NEURONS, n=7).neurons == NEURONS
    everything = NeuronSet.from_arrays(0, range(24))
    assert degenerate_pairs(model, FACT, everything, n=None).neurons == everything
    attribution = AMIG(steps=2).attribute(model, FACT)
    by_attribution = degenerate_pairs(model, FACT, everything, scores=attribution, n=4)
    table = attribution.to_pandas()
    best = table[table["layer"] == 0]["index"][:4]
    assert set(by_attribution.neurons.indices) == set(best)


def test_neurons_that_cannot_be_chosen_are_refused():
    model = random_model("gpt2")
    everything = NeuronSet.from_arrays(0, range(24))
    with pytest.raises(ValueError, match=r"24 neurons are more than n=20, and there are no scores"):
        degenerate_pairs(model, FACT, everything)
    scores = np.ones((3, 24))
    scores[0, 7] = np.nan
    with pytest.raises(ValueError, match=r"score of neuron \(0, 7\) is nan"):
        degenerate_pairs(model, FACT, everything, scores=scores)
    with pytest.raises(ValueError, match=r"\(2, 5\)"):
        degenerate_pairs(model, FACT, NEURONS, scores=np.ones((2, 24)), n=2)
    with pytest.raises(ValueError, match="n must be at least 1 or None, got 0"):
        degenerate_pairs(model, FACT, NEURONS, n=0)
    with pytest.raises(ValueError, match="9"):
        degenerate_pairs(model, FACT, [(9, 0), (0, 1)])


@pytest.mark.parametrize(
    ("low", "high", "message"),
    [
        (-0.1, 0.5, "t_low must be between 0 and 1, got -0.1"),
        (0.1, 1.5, "t_high must be between 0 and 1, got 1.5"),
        (math.nan, 0.5, "t_low must be between 0 and 1, got nan"),
        (0.3, 0.2, "t_high = 0.2 is less than t_low = 0.3"),
    ],
)
def test_thresholds_are_checked(low, high, message):
    with pytest.raises(ValueError, match=message):
        degenerate_pairs(None, FACT, NEURONS, t_low=low, t_high=high)
    with pytest.raises(ValueError, match=message):
        made(1.0, [1.0], [[0]]).with_thresholds(low, high)


def test_arrays_have_to_fit_the_neurons():
    with pytest.raises(ValueError, match=r"1 neurons need singles of shape \(1,\)"):
        DegeneratePairs(NeuronSet([(0, 0)]), 1.0, np.ones(1), np.ones((2, 2)))


def test_the_table_of_pairs():
    result = made(0.8, [0.75, 0.2, 0.7], [[0, 0.1, 0.3], [0, 0, 0.2], [0, 0, 0]])
    table = result.to_pandas()
    assert table["p_both"].tolist() == [0.1, 0.2, 0.3]
    assert table[["index_a", "index_b"]].to_numpy().tolist() == [[0, 1], [1, 2], [0, 2]]
    assert table["degenerate"].tolist() == [False, False, True]
    row = table.iloc[1]
    assert (row["p_a"], row["p_b"]) == (0.2, 0.7)
    np.testing.assert_allclose(
        [row["drop_a"], row["drop_b"], row["drop_both"]], [0.75, 0.125, 0.75]
    )


def test_many_rows_are_split_into_calls(monkeypatch):
    model = random_model("gpt2")
    whole = degenerate_pairs(model, FACT, NEURONS)
    calls = []
    ask = model.answer_probability
    monkeypatch.setattr(
        model, "answer_probability", lambda *a, **o: calls.append(1) or ask(*a, **o)
    )
    degenerate_pairs(model, FACT, NEURONS)
    assert len(calls) == 1
    monkeypatch.setattr(suppression, "_ROWS_PER_CALL", 5)
    parts = degenerate_pairs(model, FACT, NEURONS)
    assert len(calls) == 1 + math.ceil((1 + 7 + 21) / 5)
    np.testing.assert_allclose(parts.pairs, whole.pairs, rtol=1e-5)


class Counting:
    """An attributor that counts its calls; one fact has no neuron."""

    rule = "relative"

    def __init__(self, scope="model"):
        self.scope = scope
        self.amig = AMIG(steps=2)
        self.facts = []

    def attribute(self, model, fact):
        self.facts.append(fact)
        result = self.amig.attribute(model, fact)
        if fact.id == "none":
            result.scores[:] = -1.0
        return result


@pytest.mark.parametrize("scope", ["model", "layer"])
def test_the_grid_is_single_runs(scope):
    model = random_model("gpt2", seed=2)
    facts = [FACT, LONG, Fact("Ada works for _X_", "Acme", id="none")]
    attributor = Counting(scope)
    asked = []
    ask = model.answer_probability
    model.answer_probability = lambda *a, **o: asked.append(a) or ask(*a, **o)
    axes = {"tau": [0.5, 0.1, 0.3], "t_low": [0.1, 0.2], "t_high": [0.15, 0.25]}
    grid = pairs_grid(model, iter(facts), attributor, n=5, **axes)
    assert attributor.facts == facts
    assert len(asked) == len(facts)
    left_out = [(0.2, 0.15)]
    assert len(grid) == 3 * 3
    scores = [Counting(scope).attribute(model, fact) for fact in facts]
    for row in grid.itertuples():
        assert (row.t_low, row.t_high) not in left_out
        single = [
            degenerate_pairs(
                model,
                fact,
                result.neurons(row.tau, "relative", scope),
                scores=result,
                n=5,
                t_low=row.t_low,
                t_high=row.t_high,
            )
            for fact, result in zip(facts, scores, strict=True)
        ]
        sizes = [len(result.neurons) for result in single]
        assert row.n_facts == 3
        assert row.n_without_neurons == sizes.count(0) == 1
        assert row.n_undefined == 0
        assert row.n_neurons == sum(sizes)
        assert row.n_pairs == sum(math.comb(k, 2) for k in sizes)
        assert row.n_degenerate == sum(result.n_degenerate for result in single)
        assert row.n_disjoint == sum(len(result.disjoint()) for result in single)
        assert row.n_facts_degenerate == sum(result.n_degenerate > 0 for result in single)
    assert grid["n_degenerate"].nunique() > 1
    assert grid["n_disjoint"].max() > 0
    assert (grid["tau"].unique() == axes["tau"]).all()


def test_the_grid_takes_one_fact_and_amig():
    model = random_model("gpt2")
    grid = pairs_grid(model, FACT, tau=[0.3], t_low=[0.1], t_high=[0.1])
    neurons = AMIG().attribute(model, FACT).neurons(0.3)
    assert grid["n_facts"].tolist() == [1]
    assert grid["n_neurons"].tolist() == [min(len(neurons), 20)]
    assert pairs_grid(model, [], tau=[0.3], t_low=[0.1], t_high=[0.1])["n_facts"].tolist() == [0]


def test_the_grid_counts_undefined_facts():
    class Fixed:
        rule, scope = "top", "model"

        def attribute(self, model, fact):
            return AMIG(steps=1).attribute(random_model("gpt2"), fact)

    grid = pairs_grid(impossible(random_model("gpt2")), FACT, Fixed(), tau=[1, 3, 5])
    assert (grid["n_undefined"] == 1).all()
    assert (grid["n_degenerate"] == 0).all()
    assert set(grid["n_neurons"]) == {1, 3, 5}
    assert (grid["n_without_neurons"] == 0).all()


@pytest.mark.parametrize(
    ("axes", "message"),
    [
        ({"tau": []}, "tau must be one or more finite numbers"),
        ({"tau": [math.nan]}, "tau must be one or more finite numbers"),
        ({"t_low": [0.1, 2]}, "t_low must be between 0 and 1, got 2"),
        ({"t_high": [-1]}, "t_high must be between 0 and 1, got -1"),
        ({"t_low": [0.4], "t_high": [0.1, 0.3]}, "no t_high in"),
        ({"t_low": []}, "no t_high in"),
    ],
)
def test_the_grid_refuses_bad_axes(axes, message):
    with pytest.raises(ValueError, match=message):
        pairs_grid(None, FACT, **axes)
