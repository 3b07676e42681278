"""Degenerate knowledge neurons against loops from the formulas, and by hand on a toy network."""

from __future__ import annotations

import functools
import json
import math
import statistics
from importlib import resources
from itertools import combinations

import numpy as np
import pytest
from sklearn.cluster import KMeans

from neurotopo import AMIG, DKN, DKNFinder, Edit, FactSet, NeuronSet, NTCClusterer, load_model
from neurotopo.cluster.baselines import random_groups
from neurotopo.knowledge import suppression
from neurotopo.knowledge.dkn import REASONS
from neurotopo.models.examples import random_model
from tests.support import zoo
from tests.support.degeneracy import ALL, FACT, GROUPS, Toy

# By hand


def test_the_toy_network_by_hand():
    model = Toy()
    dkn = DKNFinder().find(model, FACT, ALL)
    assert isinstance(dkn, DKN)
    assert set(dkn.components) == set(GROUPS)
    assert dkn.union == dkn.neurons == ALL
    np.testing.assert_allclose(dkn.probabilities, 0.64)
    np.testing.assert_allclose(dkn.potential_without, 0.72)
    assert dkn.base_probability == 0.8
    assert dkn.all_suppressed_probability == dkn.potential_suppressed_probability == 0.08
    np.testing.assert_allclose(dkn.curve, [0.1, 0.2, 0.9])
    assert dkn.n_subsets.tolist() == [3, 3, 1]
    assert dkn.gcr == pytest.approx(0.75 / 0.05)
    assert dkn.sigma == pytest.approx(0.05)
    assert dkn.jump == pytest.approx(0.7)
    assert dkn.gcr_floor == pytest.approx(3)
    assert dkn.eq2_gap == pytest.approx(0.2)
    assert dkn.eq3_ratio == pytest.approx(0.125)
    assert dkn.satisfies_eq3
    assert dkn.reason is None
    assert not dkn.excluded
    assert len(model.calls) == 1
    assert len(set(model.calls[0])) == len(model.calls[0]) == 8


def test_two_components_by_hand():
    model = Toy(GROUPS[:2], (0.05, 0.45, 0.5))
    dkn = DKNFinder(NTCClusterer.paper(tau=0.0)).find(model, FACT, GROUPS[0] | GROUPS[1])
    np.testing.assert_allclose(dkn.curve, [0.1, 0.9])
    assert dkn.gcr == pytest.approx(0.8)
    assert math.isnan(dkn.gcr_floor)
    assert math.isnan(dkn.sigma)
    assert dkn.reason is None


@pytest.mark.parametrize(
    ("tolerance", "contrast", "wanted"),
    [(0.21, 0.13, (True, True)), (0.19, 0.13, (False, True)), (0.21, 0.12, (True, False))],
)
def test_the_functional_definition(tolerance, contrast, wanted):
    finder = DKNFinder(tolerance=tolerance, contrast=contrast)
    dkn = finder.evaluate(Toy(), FACT, GROUPS)
    assert (dkn.satisfies_eq2, dkn.satisfies_eq3) == wanted


@pytest.mark.parametrize(
    ("options", "n"),
    [
        ({"tau2": 0.79}, 3),
        ({"tau2": 0.81}, 0),  # 0.64 of 0.8 is 0.8
        ({"tau2": 0.63, "relative": False}, 3),
        ({"tau2": 0.65, "relative": False}, 0),
        ({"criterion": "dispensable"}, 0),
        ({"criterion": "dispensable", "max_drop": 0.11}, 3),
        ({"criterion": "dispensable", "max_drop": 0.081, "relative": False}, 3),
        ({"criterion": "dispensable", "max_drop": 0.079, "relative": False}, 0),
    ],
)
def test_thresholds_by_hand(options, n):
    dkn = DKNFinder(**options).evaluate(Toy(), FACT, GROUPS)
    assert len(dkn) == len(dkn.components) == n
    if not n:
        assert dkn.reason == "no component passed"
        assert dkn.all_suppressed_probability == dkn.base_probability
        assert dkn.potential_suppressed_probability == 0.08


def test_a_component_that_does_not_pass_is_left_active():
    model = Toy(GROUPS[:2], (0.08, 0.64, 0.8))
    dkn = DKNFinder().evaluate(model, FACT, GROUPS)
    assert dkn.passed.tolist() == [True, True, False]
    np.testing.assert_allclose(dkn.potential_probabilities, [0.64, 0.64, 0.08])
    np.testing.assert_allclose(dkn.active_probabilities, 0.64)
    np.testing.assert_allclose(dkn.curve, [0.2, 0.9])


# Against loops


def one_by_one(model, fact, positions, reduce):
    """One forward for each set of neurons, on a model that is really edited."""

    def probability(neurons):
        neurons = NeuronSet(neurons)
        if positions == "last":
            return model.answer_probability(
                fact, edits=Edit(neurons, positions="last"), reduce=reduce
            )
        with model.edited(Edit(neurons)):
            return model.answer_probability(fact, reduce=reduce)

    return probability


def slow(probability, groups, *, tau2, criterion, relative, max_drop):
    """Eq 2, 3, 10 and 11, word by word."""
    everything = set().union(*groups)
    before = probability(())
    unit = before if relative else 1.0
    alone = [probability(everything - set(group)) for group in groups]
    without = [probability(group) for group in groups]
    if criterion == "active":
        passed = [p >= tau2 * unit for p in alone]
    else:
        passed = [before - p < max_drop * unit for p in without]
    kept = [set(group) for group, keep in zip(groups, passed, strict=True) if keep]
    curve = []
    for size in range(1, len(kept) + 1):
        drops = [
            (before - probability(set().union(*chosen))) / before
            for chosen in combinations(kept, size)
        ]
        curve.append(statistics.fmean(drops))
    union = set().union(*kept)
    return {
        "alone": alone,
        "without": without,
        "passed": passed,
        "curve": curve,
        "nothing": probability(union),
        "active": [probability(union - group) for group in kept],
        "before": before,
    }


def slow_gcr(curve):
    if len(curve) == 2:
        return abs(curve[1] - curve[0])
    return abs(curve[-1] - statistics.fmean(curve[:-1])) / statistics.pstdev(curve[:-1])


def drawn_groups(seed, sizes, overlap=False):
    rng = np.random.default_rng(seed)
    order = rng.permutation(zoo.LAYERS * zoo.INNER)
    groups, start = [], 0
    for size in sizes:
        chosen = rng.choice(72, size, replace=False) if overlap else order[start : start + size]
        start += size
        groups.append(NeuronSet.from_arrays(chosen // zoo.INNER, chosen % zoo.INNER))
    return groups


def between(values):
    """Return a threshold that half of the values exceed, and that none of them is near to."""
    ordered = sorted(values)
    return (ordered[len(ordered) // 2 - 1] + ordered[len(ordered) // 2]) / 2


@pytest.mark.parametrize("positions", ["all", "last"])
@pytest.mark.parametrize("criterion", ["active", "dispensable"])
@pytest.mark.parametrize("relative", [True, False])
@pytest.mark.parametrize("name", ["gpt2", "llama", "gemma2", "gpt_neox", "bert", "distilbert"])
def test_against_one_forward_per_set(name, relative, criterion, positions):
    model = zoo.shared(name)
    seed = sum(map(ord, name + criterion + positions)) + relative
    fact = zoo.FACTS[seed % 3]
    reduce = ("best", "sum")[seed % 2]
    groups = drawn_groups(seed, [9, 6, 4, 8, 5, 7], overlap=seed % 3 == 0)
    probability = functools.cache(one_by_one(model, fact, positions, reduce))

    def cached(neurons):
        return probability(frozenset(neurons))

    options = {"criterion": criterion, "relative": relative, "tau2": 0.0, "max_drop": 0.0}
    first = slow(cached, groups, **options)
    unit = first["before"] if relative else 1.0
    # so that some pass and some do not; a negative limit is no option, so falls are asked for
    options["tau2"] = between(p / unit for p in first["alone"])
    options["max_drop"] = max(0.0, between((first["before"] - p) / unit for p in first["without"]))
    wanted = slow(cached, groups, **options)
    finder = DKNFinder(positions=positions, reduce=reduce, **options)
    dkn = finder.evaluate(model, fact, groups)

    close = functools.partial(np.testing.assert_allclose, rtol=2e-4, atol=1e-9)
    close(dkn.base_probability, wanted["before"])
    close(dkn.potential_probabilities, wanted["alone"])
    close(dkn.potential_without, wanted["without"])
    assert dkn.passed.tolist() == wanted["passed"]
    assert 0 < dkn.n < len(groups)
    close(dkn.all_suppressed_probability, wanted["nothing"])
    close(dkn.active_probabilities, wanted["active"])
    np.testing.assert_allclose(dkn.curve, wanted["curve"], rtol=1e-3, atol=1e-5)
    close(
        dkn.probabilities,
        [p for p, on in zip(wanted["alone"], wanted["passed"], strict=True) if on],
    )
    gaps = [abs(wanted["before"] - p) / wanted["before"] for p in wanted["active"]]
    assert dkn.eq2_gap == pytest.approx(max(gaps), rel=1e-3, abs=1e-5)
    close(dkn.eq3_ratio, max(wanted["nothing"] / p for p in wanted["active"]))
    if dkn.n > 1:
        assert dkn.gcr == pytest.approx(slow_gcr(wanted["curve"]), rel=2e-2, abs=1e-4)
    assert dkn.components == [g for g, p in zip(groups, wanted["passed"], strict=True) if p]


def test_nested_clusters_are_all_judged():
    finder = DKNFinder(NTCClusterer.paper(tau=0.0, nested=True))
    model = random_model("gpt2")
    neurons = AMIG.fast(threshold=12, rule="top").locate(model, FACT)
    dkn = finder.find(model, FACT, neurons)
    sizes = [len(group) for group in dkn.potential]
    assert sum(sizes) > len(NeuronSet(p for g in dkn.potential for p in g))
    probability = one_by_one(model, FACT, "all", "best")
    wanted = slow(
        probability, dkn.potential[:3], tau2=0.3, criterion="active", relative=True, max_drop=0
    )
    small = finder.evaluate(model, FACT, dkn.potential[:3])
    np.testing.assert_allclose(small.active_probabilities, wanted["active"], rtol=1e-4)
    np.testing.assert_allclose(small.curve, wanted["curve"], atol=1e-5)


# Nothing, one, zero, too much


def is_json(dkn):
    return json.loads(json.dumps(dkn.to_dict(), allow_nan=False))


@pytest.mark.parametrize("clusterer", ["ntc", "kmeans", "dbscan", "hierarchical", KMeans(2)])
@pytest.mark.parametrize(
    ("neurons", "reason"),
    [
        ([], "no neurons"),
        ([(1, 3)], "no potential components"),
        ([(1, 3), (1, 5), (1, 9)], "no potential components"),  # one layer: no distance is finite
    ],
)
def test_too_few_neurons(neurons, reason, clusterer):
    model = random_model("gpt2")
    dkn = DKNFinder(clusterer).find(model, FACT, neurons)
    assert dkn.reason == reason
    assert not dkn.excluded
    assert dkn.components == dkn.potential == []
    assert dkn.base_probability == pytest.approx(model.answer_probability(FACT))
    assert dkn.all_suppressed_probability == dkn.base_probability
    assert dkn.curve.shape == dkn.n_subsets.shape == dkn.probabilities.shape == (0,)
    for value in (dkn.gcr, dkn.jump, dkn.sigma, dkn.gcr_floor, dkn.eq2_gap, dkn.eq3_ratio):
        assert math.isnan(value)
    assert not dkn.satisfies_eq2
    assert not dkn.satisfies_eq3
    assert dkn.largest_change == 0
    assert len(dkn.to_pandas()) == len(dkn.suppression.to_pandas()) == 0
    assert is_json(dkn)["gcr"] is None


def test_one_component():
    dkn = DKNFinder().evaluate(Toy(), FACT, GROUPS[:1])
    assert dkn.reason == "one component"
    np.testing.assert_allclose(dkn.curve, [0.1])
    assert math.isnan(dkn.gcr)
    assert dkn.active_probabilities.tolist() == [0.8]
    assert dkn.satisfies_eq2
    assert not dkn.satisfies_eq3


def test_empty_and_equal_components():
    dkn = DKNFinder(tau2=0).evaluate(Toy(), FACT, [[], GROUPS[0], GROUPS[0]])
    assert dkn.passed.tolist() == [False, True, True]
    np.testing.assert_allclose(dkn.curve, [0.1, 0.1])
    table = dkn.to_pandas()
    assert table["n_neurons"].tolist() == [0, 2, 2]
    assert table["first_layer"].tolist() == [-1, 0, 0]
    spared = DKNFinder(criterion="dispensable")
    assert spared.evaluate(Toy(), FACT, [[]]).reason == "no neurons"
    assert spared.evaluate(Toy(), FACT, [[]], neurons=ALL).reason == "no component passed"


@pytest.mark.parametrize("criterion", ["active", "dispensable"])
def test_an_answer_of_probability_zero(criterion):
    model = Toy(by_intact=(0.2, 0.1, 0.1, 0.0))
    dkn = DKNFinder(criterion=criterion).evaluate(model, FACT, GROUPS)
    assert (dkn.n, dkn.excluded, dkn.reason) == (0, True, "probability zero")
    absolute = DKNFinder(tau2=0.1, relative=False).evaluate(model, FACT, GROUPS)
    assert (absolute.n, absolute.excluded, absolute.reason) == (3, True, "probability zero")
    assert np.isnan(absolute.curve).all()
    assert np.isnan(absolute.suppression.std).all()
    assert math.isnan(absolute.gcr)
    assert math.isnan(absolute.largest_change)
    assert is_json(absolute)["curve"] == [None] * 3


@pytest.mark.parametrize(("after", "excluded"), [(0.0099, False), (0.0101, True), (0.0, False)])
def test_extreme_changes_are_excluded(after, excluded):
    dkn = DKNFinder(tau2=0).evaluate(Toy(by_intact=(after, 0.002, 0.0015, 0.001)), FACT, GROUPS)
    assert dkn.excluded is excluded
    assert dkn.reason == ("extreme change" if excluded else None)
    assert math.isfinite(dkn.gcr)
    assert dkn.largest_change == pytest.approx(max(abs(1 - after / 0.001), 1.0))


def test_a_probability_next_to_zero():
    dkn = DKNFinder().evaluate(Toy(by_intact=(1.0, 0.5, 0.5, 5e-324)), FACT, GROUPS)
    assert dkn.excluded
    assert dkn.reason == "extreme change"
    assert math.isnan(dkn.gcr)
    assert is_json(dkn)["curve"] == [None] * 3


def test_no_spread_is_counted():
    dkn = DKNFinder().evaluate(Toy(by_intact=(0.1, 0.8, 0.8, 0.8)), FACT, GROUPS)
    assert (dkn.excluded, dkn.reason) == (False, "no spread")
    assert dkn.jump == pytest.approx(0.875)
    assert dkn.sigma == 0
    dead = DKNFinder(tau2=0).evaluate(Toy(by_intact=(0.0, 0.0, 0.5, 0.8)), FACT, GROUPS)
    assert math.isnan(dead.eq3_ratio)
    assert not dead.satisfies_eq3
    assert set(REASONS) >= {dkn.reason, "probability zero", "extreme change", "one component"}


def test_nan_of_the_model_is_an_error():
    with pytest.raises(ValueError, match=r"'The capital of France.*7 neurons suppressed.* is nan"):
        DKNFinder().evaluate(Toy(by_intact=(math.nan, 0.5, 0.5, 0.8)), FACT, GROUPS)


def test_neurons_the_model_does_not_have():
    with pytest.raises(ValueError, match=r"no neuron \(9, 0\)"):
        DKNFinder().find(random_model("gpt2"), FACT, [(9, 0), (0, 1)])


def test_tables():
    dkn = DKNFinder().evaluate(Toy(), FACT, GROUPS)
    table = dkn.to_pandas()
    assert table["last_layer"].tolist() == [1, 2, 2]
    np.testing.assert_allclose(table["drop_without"], 0.1)
    values = is_json(dkn)
    assert values["n_components"] == 3
    assert values["potential"] == [[list(pair) for pair in group] for group in GROUPS]
    assert values["reason"] is None
    assert values["exact"] == [True] * 3
    assert repr(dkn) == "DKN(n_components=3 of 3, gcr=15)"


@pytest.mark.skipif(
    not (resources.files("neurotopo") / "testbed" / "models" / "planted").is_dir(),
    reason="the planted model is not there",
)
def test_planted_groups_are_degenerate_and_random_ones_are_not():
    folder = resources.files("neurotopo") / "testbed" / "models" / "planted"
    facts = list(FactSet.from_jsonl(str(folder / "facts.jsonl")))[::10][:20]
    model = load_model("testbed:planted", device="cpu")
    groups = model.planted_groups
    neurons = NeuronSet(pair for group in groups for pair in group)
    sizes = [len(group) for group in groups]
    finder = DKNFinder()
    planted, drawn = [], []
    for seed, fact in enumerate(facts):
        dkn = finder.evaluate(model, fact, groups)
        assert dkn.n == len(groups)
        planted.append(dkn.jump)
        labels = random_groups(len(neurons), sizes=sizes, random_state=seed)
        others = [neurons[labels == k] for k in range(len(groups))]
        drawn.append(DKNFinder(tau2=0).evaluate(model, fact, others).jump)
    assert np.mean(planted) > 0.5
    assert np.mean(drawn) < np.mean(planted) / 2  # a straight line has a third


# Several groupings at once


def test_several_groupings_are_those_one_by_one():
    model = random_model("gpt2")
    neurons = AMIG(threshold=9, rule="top").locate(model, FACT)
    groupings = [
        [neurons[:3], neurons[3:6], neurons[6:]],
        [],
        [neurons[:4], neurons[2:7]],
        [NeuronSet([pair]) for pair in neurons],
    ]
    finder = DKNFinder(tau2=0.9)
    together = finder.evaluate_many(model, FACT, groupings)
    for groups, dkn in zip(groupings, together, strict=True):
        alone = finder.evaluate(model, FACT, groups)
        assert dkn.neurons == alone.neurons
        assert dkn.potential == alone.potential
        assert dkn.passed.tolist() == alone.passed.tolist()
        np.testing.assert_allclose(dkn.curve, alone.curve, rtol=1e-5, atol=1e-7)
        np.testing.assert_allclose(dkn.active_probabilities, alone.active_probabilities, rtol=1e-5)
        assert dkn.all_suppressed_probability == pytest.approx(alone.all_suppressed_probability)


def test_several_groupings_need_two_calls_and_other_thresholds_hardly_any():
    model = Toy()
    groupings = [GROUPS, GROUPS[:2], [GROUPS[0] | GROUPS[1], GROUPS[2]]]
    under = suppression.Suppressions(model, FACT, ALL)
    DKNFinder().evaluate_many(model, FACT, groupings, under=under)
    asked = len(model.calls)
    assert asked <= 2
    for tau2 in (0.1, 0.5, 0.9):
        again = DKNFinder(tau2=tau2).evaluate_many(model, FACT, groupings, under=under)
        expected = [DKNFinder(tau2=tau2).evaluate(Toy(), FACT, groups) for groups in groupings]
        for dkn, wanted in zip(again, expected, strict=True):
            assert dkn.passed.tolist() == wanted.passed.tolist()
            np.testing.assert_allclose(dkn.curve, wanted.curve)
    assert len(model.calls) == asked  # few components: every subset was asked about beforehand


def test_no_grouping_and_neurons_from_elsewhere():
    assert DKNFinder().evaluate_many(Toy(), FACT, []) == []
    with pytest.raises(ValueError, match=r"of a component is not in neurons"):
        DKNFinder().evaluate_many(Toy(), FACT, [GROUPS], neurons=GROUPS[0])
    under = suppression.Suppressions(Toy(), FACT, GROUPS[0])
    with pytest.raises(ValueError, match=r"of a component is not in under\.neurons"):
        DKNFinder().evaluate_many(Toy(), FACT, [GROUPS], under=under)


def test_the_jump_before_the_filter_by_hand():
    # one left alone 0.64, nothing left 0.08, unedited 0.8
    dkn = DKNFinder(tau2=0.9).evaluate(Toy(), FACT, GROUPS)
    assert dkn.n == 0
    assert math.isnan(dkn.jump)
    assert dkn.potential_jump == pytest.approx((0.64 - 0.08) / 0.8)
    assert not dkn.potential_excluded
    assert DKNFinder().evaluate(Toy(), FACT, GROUPS).jump == pytest.approx(dkn.potential_jump)


@pytest.mark.parametrize("by_intact", [(0.08, 0.64, 0.72, 0.0), (0.5, 0.3, 0.1, 0.01)])
def test_the_jump_before_the_filter_where_it_does_not_count(by_intact):
    dkn = DKNFinder().evaluate(Toy(by_intact=by_intact), FACT, GROUPS)
    assert dkn.potential_excluded
    assert math.isnan(DKNFinder().evaluate(Toy(), FACT, GROUPS[:1]).potential_jump)
