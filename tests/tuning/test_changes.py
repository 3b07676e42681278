"""What training has changed, by hand, by brute force, and on models of every architecture."""

from __future__ import annotations

import itertools
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.stats import hypergeom

from neurotopo import NeuronSet, NeuronTuner
from neurotopo.tuning.changes import (
    RowSnapshot,
    binned,
    changed_neurons,
    most_changed,
    neuron_changes,
    overlap,
    overlap_curve,
    overlap_test,
    snapshot,
)
from tests.support import zoo
from tests.support.examples import examples
from tests.support.tuning import NEURONS, small, train

INF, NAN = float("inf"), float("nan")


def rows(*layers):
    return [np.array(layer, dtype=np.float64) for layer in layers]


# Changes


def test_changes_by_hand():
    before = RowSnapshot(rows([[3, 4], [1, 0]], [[0, 2], [2, 0]]), rows([[1], [2]], [[-4], [1]]))
    after = RowSnapshot(rows([[3, 4], [0, 1]], [[0, 8], [2, 0]]), rows([[1], [3]], [[12], [1]]))
    expected = [[0, np.sqrt(2 + 0.25)], [5, 0]]  # of the third: 6 / 2 and 16 / 4
    np.testing.assert_allclose(neuron_changes(before, after), expected, rtol=1e-15)


def test_rows_of_zeros_are_0_unchanged_and_infinite_changed():
    before = RowSnapshot(rows([[0, 0], [0, 0], [1, 0]]), rows([[1], [1], [0]]))
    after = RowSnapshot(rows([[0, 0], [0, 1e-300], [1, 0]]), rows([[2], [1], [-0.0]]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        changes = neuron_changes(before, after)
    assert changes.tolist() == [[1, INF, 0]]
    assert np.isinf(changes).sum() == 1


LARGE = hnp.arrays(
    np.float64, (2, 3), elements=st.floats(allow_nan=False, allow_infinity=False, width=64)
)


@given(LARGE, LARGE, st.integers(-60, 60))
@settings(deadline=None)
def test_changes_of_any_numbers_are_never_nan_and_have_no_unit(before, after, power):
    ones = np.ones((2, 1))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        changes = neuron_changes(RowSnapshot([before], [ones]), RowSnapshot([after], [ones]))
    assert not np.isnan(changes).any()
    assert ((changes == 0) == (before == after).all(axis=1)).all() or (changes < 1e-300).any()
    moderate = (np.abs(before) < 1e100) & ((np.abs(before) > 1e-100) | (before == 0))
    moderate &= (np.abs(after) < 1e100) & ((np.abs(after) > 1e-100) | (after == 0))
    if moderate.all():
        scaled = [RowSnapshot([np.ldexp(each, power)], [ones]) for each in (before, after)]
        np.testing.assert_array_equal(neuron_changes(*scaled), changes)
        kept = np.linalg.norm(before, axis=1) > 0
        plain = np.linalg.norm(after - before, axis=1)[kept] / np.linalg.norm(before, axis=1)[kept]
        np.testing.assert_allclose(changes[0, kept], plain, rtol=1e-12)


def test_long_layers_are_done_part_by_part(monkeypatch):
    from neurotopo.tuning import row_changes

    generator = np.random.default_rng(0)
    before, after = (
        RowSnapshot([generator.normal(size=(7, 5))], [generator.normal(size=(7, 3))])
        for _ in range(2)
    )
    whole = neuron_changes(before, after)
    monkeypatch.setattr(row_changes, "_AT_ONCE", 10)
    np.testing.assert_array_equal(neuron_changes(before, after), whole)


@pytest.mark.parametrize(
    ("in_rows", "out_rows", "message"),
    [
        ([], [], "in_rows has 0 layers"),
        (rows([[1]]), [], "in_rows has 1 layers and out_rows has 0"),
        (rows([[1]], [[1], [2]]), rows([[1]], [[1]]), r"in_rows of layer 1 .* got shape \(2, 1\)"),
        (rows([[1]]), rows([1]), r"out_rows of layer 0 must have one row for each of the 1"),
        (rows([[1], [2]]), rows([[1], [NAN]]), r"a row of neuron \(0, 1\) is not finite"),
    ],
)
def test_snapshots_that_are_none(in_rows, out_rows, message):
    with pytest.raises(ValueError, match=message):
        RowSnapshot(in_rows, out_rows)


def test_snapshots_of_different_models():
    one, other = RowSnapshot(rows([[1]]), rows([[1]])), RowSnapshot(rows([[1, 2]]), rows([[1]]))
    with pytest.raises(ValueError, match="the snapshots are of different models"):
        neuron_changes(one, other)


# Models


def _edit(model, layer, neuron, which, factor):
    projection = getattr(model.mlps[layer], which)
    with torch.no_grad():
        weight = projection.weight
        weight.select(projection.neuron_axis, neuron).mul_(factor)


@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_known_edits_of_every_architecture_are_found(name):
    model = zoo.build(name)
    before = snapshot(model)
    _edit(model, 1, 4, "up", 1.5)
    _edit(model, 1, 4, "out", 3.0)
    _edit(model, 2, 0, "out", 0.5)
    changes = neuron_changes(before, snapshot(model))
    assert changes.shape == (model.n_layers, model.n_neurons)
    assert NeuronSet(np.argwhere(changes > 0)) == {(1, 4), (2, 0)}
    up = np.linalg.norm(before.in_rows[1][4, : model.d_model]) / np.linalg.norm(
        before.in_rows[1][4]
    )  # less than 1 in a gated MLP: the gate row has not changed
    assert (up < 1) == model.is_gated
    np.testing.assert_allclose(changes[1, 4], np.hypot(0.5 * up, 2.0), rtol=1e-6)
    np.testing.assert_allclose(changes[2, 0], 0.5, rtol=1e-6)
    if model.is_gated:
        _edit(model, 0, 7, "gate", 2.0)
        assert (0, 7) in changed_neurons(neuron_changes(before, snapshot(model)))


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_what_a_tuner_changes_is_what_it_trains(kind):
    model = small(kind)
    before = snapshot(model)
    with NeuronTuner(model, NEURONS) as tuner:
        train(model, tuner.parameters(), 3)
        changes = neuron_changes(before, snapshot(model))
    assert changed_neurons(changes, 0.0) == NEURONS
    assert not neuron_changes(before, snapshot(model)).any()


def test_a_snapshot_of_half_precision_has_single_precision():
    taken = snapshot(small("llama", dtype=torch.bfloat16))
    assert {each.dtype for each in (*taken.in_rows, *taken.out_rows)} == {np.dtype(np.float32)}


def test_a_model_that_has_diverged_is_an_error():
    model = small()
    _edit(model, 1, 3, "out", NAN)
    with pytest.raises(ValueError, match=r"neuron \(1, 3\) is not finite"):
        snapshot(model)


# Thresholds


def test_a_change_at_the_threshold_does_not_count():
    changes = [[1.0, 0.25, 0.26], [0.0, 0.0, 0.1]]
    assert changed_neurons(changes, 0.25) == {(0, 0), (0, 2)}
    assert changed_neurons(changes, 0.0) == {(0, 0), (0, 1), (0, 2), (1, 2)}
    assert changed_neurons(changes, 1.0) == set()


def test_infinite_changes_count_and_are_no_measure_for_others():
    assert changed_neurons([[INF, 1.0, 0.03, 0.05]]) == {(0, 0), (0, 1), (0, 3)}
    assert changed_neurons([[INF, 0.0]]) == {(0, 0)}
    assert changed_neurons([[0.0, 0.0]], 0.0) == set()
    assert most_changed([[INF, 1.0, 0.5, 0.0]], 0.5) == {(0, 0), (0, 1)}


def test_ties_at_the_end_are_left_out_and_so_are_the_unchanged():
    changes = [[3.0, 2.0, 2.0, 0.0], [1.0, 0.0, 0.0, 0.0]]
    assert most_changed(changes, 0.25) == {(0, 0)}
    assert most_changed(changes, 3 / 8) == {(0, 0), (0, 1), (0, 2)}
    assert most_changed(changes, 1.0) == {(0, 0), (0, 1), (0, 2), (1, 0)}
    assert most_changed(changes, 0.0) == set()


@given(hnp.arrays(np.float64, (3, 5), elements=st.floats(0, 1)), st.floats(0, 1), st.floats(0, 1))
def test_lower_thresholds_only_add_neurons(changes, one, other):
    low, high = sorted((one, other))
    assert changed_neurons(changes, high) <= changed_neurons(changes, low)
    assert most_changed(changes, low) <= most_changed(changes, high)
    assert len(most_changed(changes, high)) <= round(high * 15)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: changed_neurons([[NAN]]), r"the change of neuron \(0, 0\) is nan"),
        (lambda: changed_neurons([[1.0, -1.0]]), r"the change of neuron \(0, 1\) is -1.0"),
        (lambda: changed_neurons([1.0]), r"must have shape \(n_layers, n_neurons\), got \(1,\)"),
        (lambda: changed_neurons([[1.0]], -0.1), "multiplier must be finite and not negative"),
        (lambda: changed_neurons([[1.0]], NAN), "multiplier must be finite and not negative"),
        (lambda: most_changed([[1.0]], 5), "share must be between 0 and 1, got 5"),
        (lambda: overlap_curve([[1.0]], {"D": [(1, 0)]}), r"the model has no neuron \(1, 0\)"),
        (lambda: overlap_test([[1.0]], [(0, 1)]), r"the model has no neuron \(0, 1\)"),
        (lambda: overlap_test([[1.0]], [(0, 0)], [(0, 1)]), r"has no neuron \(0, 1\)"),
        (lambda: overlap_test([[1.0]], [(0, 0)], n_permutations=0), "must be at least 1 or None"),
        (lambda: binned([(0, 0)], 1, 4, 0), "must be at least 1, got 0, 1 and 4"),
        (lambda: binned([(0, 4)], 1, 4), r"the model has no neuron \(0, 4\)"),
        (lambda: binned(np.ones((2, 2)), 1, 4), r"must have shape \(1, 4\), got \(2, 2\)"),
    ],
)
def test_input_that_is_wrong(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# Overlaps


def test_overlaps_are_shares_of_the_set_that_is_asked_about():
    changed = NeuronSet([(0, k) for k in range(10)])
    assert overlap([(0, 0), (0, 1), (1, 0)], changed) == 2 / 3
    assert overlap(changed, [(0, 0)]) == 0.1
    assert np.isnan(overlap([], changed))
    assert overlap(changed, []) == 0


def test_a_curve_is_made_of_overlaps():
    changes = np.random.default_rng(0).gamma(0.3, size=(4, 50))
    changes[1, 2] = INF
    sets = {"D": NeuronSet([(0, 1), (1, 2), (3, 4)]), "none": NeuronSet()}
    curve = overlap_curve(changes, sets)
    assert curve.multipliers.tolist() == [k / 100 for k in range(1, 11)]
    assert curve.shares.tolist() == [0.01, 0.02, 0.05, 0.1, 0.2, 0.5]
    assert curve.n_changed[10:].tolist() == [2, 4, 10, 20, 40, 100]
    assert (curve.sizes, curve.n_neurons, curve.n_infinite) == ({"D": 3, "none": 0}, 200, 1)
    table = curve.to_frame()
    assert len(table) == 32
    for row in table.itertuples():
        find = {"multiplier": changed_neurons, "share": most_changed}[row.rule]
        changed = find(changes, row.threshold)
        assert row.n_changed == len(changed)
        np.testing.assert_equal(row.overlap, overlap(sets[row.set], changed))
        assert row.expected == len(changed) / 200


def _brute_force(shape, neurons, changed, within_layers):
    """Return the p-value by trying all sets."""
    everything = list(itertools.product(range(shape[0]), range(shape[1])))
    counts = np.bincount(neurons.layers, minlength=shape[0])
    common = len(neurons & changed)
    hits = total = 0
    for chosen in itertools.combinations(everything, len(neurons)):
        layers = np.bincount([layer for layer, _ in chosen], minlength=shape[0])
        if not within_layers or (layers == counts).all():
            total += 1
            hits += sum(each in changed for each in chosen) >= common
    return hits / total


PAIRS = st.frozensets(st.tuples(st.integers(0, 1), st.integers(0, 3)), max_size=5)


@given(PAIRS.filter(bool), PAIRS, st.booleans())
@examples(60)
def test_exact_p_values_are_those_of_all_sets(neurons, changed, within_layers):
    asked, moved = NeuronSet(neurons), NeuronSet(changed)
    test = overlap_test(np.ones((2, 4)), asked, moved, within_layers=within_layers)
    assert test.p_value == pytest.approx(_brute_force((2, 4), asked, moved, within_layers))
    assert test.overlap == overlap(asked, moved)
    assert test.n_permutations is None


@pytest.mark.parametrize("within_layers", [False, True])
def test_drawn_and_exact_p_values_agree(within_layers):
    generator = np.random.default_rng(1)
    changed = NeuronSet(np.column_stack([generator.binomial(3, 0.7, 90), np.arange(90)]))
    asked = changed[:12] | NeuronSet([(layer, 95) for layer in range(4)] * 2) | [(3, 96), (2, 97)]
    changes = np.ones((4, 100))
    exact = overlap_test(changes, asked, changed, within_layers=within_layers)
    drawn = overlap_test(
        changes, asked, changed, within_layers=within_layers, n_permutations=200_000, seed=3
    )
    assert exact.expected == drawn.expected
    assert exact.p_value < 0.01
    error = np.sqrt(exact.p_value / 200_000)
    assert abs(drawn.p_value - exact.p_value) < 4 * error + 1 / 200_000
    again = overlap_test(
        changes, asked, changed, within_layers=within_layers, n_permutations=200_000, seed=3
    )
    assert again == drawn


def test_the_exact_p_value_is_the_hypergeometric_tail_however_small():
    changed = NeuronSet([(0, k) for k in range(200)])
    test = overlap_test(np.ones((2, 1000)), changed[:90] | [(1, 5)], changed)
    assert test.p_value == pytest.approx(hypergeom.sf(89, 2000, 200, 91), rel=1e-8)
    assert 0 < test.p_value < 1e-80


def test_the_set_itself_is_counted_among_those_drawn():
    changed = NeuronSet([(0, k) for k in range(50)])
    test = overlap_test(np.ones((1, 1000)), changed, changed, n_permutations=99)
    assert (test.overlap, test.p_value) == (1, 0.01)


def test_layers_that_change_more_explain_an_overlap():
    changes = np.zeros((2, 40))
    changes[1, :30] = 1  # most of one layer, and no neuron of the other
    asked = NeuronSet([(1, k) for k in range(26, 36)])  # 4 of 10
    assert overlap_test(changes, asked).overlap == 0.4
    within = overlap_test(changes, asked, within_layers=True)
    assert within.expected == pytest.approx(0.75)
    assert within.p_value > 0.99
    assert overlap_test(changes, asked).expected == pytest.approx(30 / 80)


def test_without_neurons_there_is_nothing_to_test():
    test = overlap_test([[1.0, 0.0]], [])
    assert np.isnan([test.overlap, test.expected, test.p_value]).all()


def test_without_a_set_the_changed_neurons_are_found():
    changes = [[1.0, 0.5, 0.01, 0.0]]
    assert overlap_test(changes, [(0, 1)]) == overlap_test(changes, [(0, 1)], [(0, 0), (0, 1)])


# Bins


@given(st.integers(1, 40), st.integers(1, 50), st.data())
def test_bins_hold_every_neuron_once_and_are_of_almost_equal_size(n_neurons, bins, data):
    every = NeuronSet([(layer, index) for layer in range(2) for index in range(n_neurons)])
    sizes = binned(every, 2, n_neurons, bins)
    assert sizes.shape == (2, min(bins, n_neurons))
    assert sizes.sum(axis=1).tolist() == [n_neurons] * 2
    assert sizes.max() - sizes.min() <= 1
    values = data.draw(hnp.arrays(np.float64, (2, n_neurons), elements=st.floats(0, 9)))
    np.testing.assert_allclose((binned(values, 2, n_neurons, bins) * sizes).sum(), values.sum())


def test_counts_and_means_use_the_same_bins():
    neurons = NeuronSet([(0, 0), (0, 3), (0, 4), (1, 6)])
    mask = np.zeros((2, 7))
    mask[neurons.layers, neurons.indices] = 1
    sizes = binned(NeuronSet([(0, k) for k in range(7)]), 1, 7, 3)
    np.testing.assert_allclose(binned(mask, 2, 7, 3) * sizes, binned(neurons, 2, 7, 3))


def test_infinite_changes_have_no_part_in_means():
    means = binned(np.array([[INF, 1.0, INF, INF]]), 1, 4, 2)
    np.testing.assert_array_equal(means, [[1.0, NAN]])


def test_torch_is_not_loaded():
    code = "import sys; import neurotopo.tuning.changes; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
