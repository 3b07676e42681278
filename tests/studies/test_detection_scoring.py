"""The measures of the detection study."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import f1_score, precision_score, recall_score, roc_auc_score

from neurotopo.studies.detection.scoring import (
    above,
    areas,
    bootstrap_p,
    bootstrap_weights,
    confusion_measures,
    interval,
    roc_points,
    threshold_for,
)

NAN = float("nan")


@pytest.mark.parametrize("seed", range(20))
def test_the_area_is_that_of_sklearn_with_ties(seed):
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 12))
    true, wrong = rng.integers(0, 5, (2, n)) / 4
    classes = np.repeat([1, 0], n)
    wanted = roc_auc_score(classes, np.concatenate([true, wrong]))
    assert areas(true, wrong, np.ones((1, n)))[0] == pytest.approx(wanted)
    x, y = roc_points(true, wrong)
    assert np.trapezoid(y, x) == pytest.approx(wanted)
    # weights are repeated facts
    weights = bootstrap_weights(np.arange(n), 1, rng)
    times = weights[1].astype(int)
    again = np.concatenate([np.repeat(true, times), np.repeat(wrong, times)])
    wanted = roc_auc_score(np.repeat([1, 0], n), again)
    assert areas(true, wrong, weights)[1] == pytest.approx(wanted)


def test_no_judgement_is_a_guess():
    assert above([NAN], [NAN]).tolist() == [[0.5]]
    assert areas([NAN, NAN], [NAN, NAN], np.ones((1, 2)))[0] == 0.5


@pytest.mark.parametrize("seed", range(10))
def test_f1_is_that_of_sklearn(seed):
    rng = np.random.default_rng(seed)
    said = rng.random((2, 15)) < 0.6
    truth, judged = np.repeat([1, 0], 15), np.concatenate(said).astype(int)
    found = confusion_measures(
        said[0].sum(), said[1].sum(), (~said[0]).sum(), (~said[1]).sum(), 15, 15
    )
    for kind, label in (("true", 1), ("false", 0)):
        for name, score in (
            ("F1", f1_score),
            ("precision", precision_score),
            ("recall", recall_score),
        ):
            wanted = score(truth, judged, pos_label=label)
            assert float(found[f"{name} {kind}"]) == pytest.approx(wanted)
    assert float(found["macro F1"]) == pytest.approx(f1_score(truth, judged, average="macro"))
    assert float(found["accuracy"]) == pytest.approx((truth == judged).mean())


def test_without_judgements_f1_is_zero():
    found = confusion_measures(0, 0, 0, 0, n_true=5, n_wrong=5)
    assert {name: float(value) for name, value in found.items()} == dict.fromkeys(found, 0.0)


def test_undecided_labels_are_errors_and_never_true():
    # of 4 true labels 2 are found, 1 is missed, 1 undecided; of 4 wrong ones 1 is taken for true
    found = confusion_measures(2, 1, 1, 2, n_true=4, n_wrong=4)
    assert float(found["precision true"]) == pytest.approx(2 / 3)
    assert float(found["recall true"]) == 0.5
    assert float(found["F1 true"]) == pytest.approx(2 * 2 / (3 + 4))
    assert float(found["precision false"]) == pytest.approx(2 / 3)
    assert float(found["F1 false"]) == pytest.approx(2 * 2 / (3 + 4))
    assert float(found["accuracy"]) == 0.5


@pytest.mark.parametrize(
    ("true", "wrong", "wanted"),
    [
        ([3.0, 4.0], [1.0, 2.0], 2.5),
        ([3.0, 4.0, 0.0], [1.0, 2.0], 2.5),
        ([1.0, NAN], [0.0, NAN], 0.5),
        ([0.0], [-np.inf], -np.inf),
        ([1.0, 1.0], [1.0, 1.0], NAN),
        ([1.0], [], NAN),
        ([NAN], [NAN], NAN),
        ([0.0], [1.0], 0.5),  # the direction is fixed, even where it is wrong
    ],
)
def test_thresholds_by_hand(true, wrong, wanted):
    np.testing.assert_equal(threshold_for(true, wrong), wanted)


@pytest.mark.parametrize("seed", range(10))
def test_no_threshold_is_better(seed):
    rng = np.random.default_rng(seed)
    true, wrong = rng.integers(0, 8, 9) + 1.0, rng.integers(0, 8, 9).astype(float)

    def balanced(threshold):
        return ((true > threshold).mean() + (wrong <= threshold).mean()) / 2

    found = balanced(threshold_for(true, wrong))
    low, high = np.concatenate([true, wrong]).min(), np.concatenate([true, wrong]).max()
    assert found == pytest.approx(max(balanced(t) for t in np.arange(low, high) + 0.5))


def test_neighbouring_numbers_have_a_threshold_between():
    low = 1.0
    high = np.nextafter(low, 2)
    assert low <= threshold_for([high], [low]) < high


def test_subjects_are_resampled_together():
    weights = bootstrap_weights([5, 5, 7, 9], 50, np.random.default_rng(0))
    assert (weights[0] == 1).all()
    assert (weights[:, 0] == weights[:, 1]).all()
    assert (weights[:, 0] + weights[:, 2] + weights[:, 3] == 3).all()


def test_intervals_and_p_values():
    values = np.concatenate([[0.0], np.linspace(0, 1, 1001)])
    assert interval(values) == pytest.approx((0.025, 0.975))
    shifted = np.concatenate([[1.0], np.linspace(0.5, 1.5, 999)])
    assert bootstrap_p(shifted) == pytest.approx(2 / 1000)
    assert bootstrap_p(-shifted) == pytest.approx(2 / 1000)
    assert np.isnan(bootstrap_p(np.array([1.0])))
    assert np.isnan(interval(np.array([1.0]))[0])
