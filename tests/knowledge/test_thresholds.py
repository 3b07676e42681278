"""Rules that select neurons, and the default selection."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import AMIG
from neurotopo.knowledge.other_attributions import ATTRIBUTORS
from neurotopo.knowledge.thresholds import PAPER_SELECTION, select_neurons, selection_of
from neurotopo.studies.acquisition.study import AcquisitionOptions
from neurotopo.studies.choices.variations import ChoicesOptions
from neurotopo.studies.crosslingual.study import CrosslingualOptions
from neurotopo.studies.detection.trials import DetectionOptions
from neurotopo.studies.learning.study import LearningOptions
from neurotopo.studies.neurons import SearchOptions

SCORES = st.lists(st.integers(-3, 6), min_size=1, max_size=7)
SHARES = st.sampled_from([0.0, 0.1, 0.25, 0.3, 0.5, 0.7, 0.9, 1.0])


def fewest(scores, share):
    """Return the sizes of the smallest sets of positive scores with a share of their sum."""
    positive = [score for score in scores if score > 0]
    wanted = share * sum(positive) - 1e-9
    for size in range(len(positive) + 1):
        if any(sum(some) >= wanted for some in combinations(positive, size)):
            return size
    raise AssertionError


@given(SCORES, SHARES)
def test_mass_is_the_fewest_scores_with_a_share_and_all_of_a_tie(values, share):
    scores = np.array([values], dtype=float)
    chosen = select_neurons(scores, share, "mass")
    kept = sorted((values[i] for _, i in chosen), reverse=True)
    ranked = sorted((value for value in values if value > 0), reverse=True)
    assert kept == ranked[: len(kept)]
    n = fewest(values, share)
    assert len(kept) == (n if n == 0 else sum(value >= ranked[n - 1] for value in ranked))


@given(SCORES, SHARES, st.randoms())
def test_mass_of_permuted_scores_is_the_permuted_selection(values, share, random):
    order = list(range(len(values)))
    random.shuffle(order)
    one = select_neurons(np.array([values], dtype=float), share, "mass")
    two = select_neurons(np.array([[values[i] for i in order]], dtype=float), share, "mass")
    assert {(0, order[i]) for _, i in two} == set(one)


def test_mass_does_not_depend_on_the_scale():
    scores = np.random.default_rng(0).normal(size=(4, 30))
    for scope in ("model", "layer"):
        chosen = select_neurons(scores, 0.4, "mass", scope)
        assert chosen == select_neurons(1e-7 * scores, 0.4, "mass", scope) != set()


def test_mass_of_each_layer_by_hand():
    scores = np.array([[4.0, 3.0, 2.0, 1.0], [0.5, 0.5, -9.0, 0.1], [-1.0, -2.0, 0.0, 0.0]])
    assert select_neurons(scores, 0.6, "mass", "layer") == {(0, 0), (0, 1), (1, 0), (1, 1)}
    assert select_neurons(scores, 0.6, "mass") == {(0, 0), (0, 1)}  # 7 of 11.1
    assert select_neurons(scores, 1.0, "mass") == {(0, 0), (0, 1), (0, 2), (0, 3)} | {
        (1, 0),
        (1, 1),
        (1, 3),
    }
    with pytest.raises(ValueError, match="takes a share between 0 and 1, got 8"):
        select_neurons(scores, 8, "mass")


def test_the_same_number_of_each_layer_whatever_the_scores_are():
    rng = np.random.default_rng(1)
    for n_layers, n_neurons in ((3, 20), (30, 200)):
        scores = rng.random((n_layers, n_neurons)) * np.logspace(-6, 0, n_layers)[:, None]
        chosen = select_neurons(scores, **selection_of())
        assert np.bincount(chosen.layers).tolist() == [8] * n_layers


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (8, "top", "layer")),
        ({"threshold": 0.1}, (0.1, "relative", "model")),
        ({"scope": "layer"}, (0.2, "relative", "layer")),
        ({"rule": "top", "threshold": 30}, (30, "top", "model")),
        ({"rule": "mass"}, (0.2, "mass", "model")),
    ],
)
def test_what_is_given_keeps_its_meaning(given, expected):
    """Without any of the three the default; otherwise the paper's for what is missing."""
    amig = AMIG.fast(**given)
    assert (amig.threshold, amig.rule, amig.scope) == expected
    options = SearchOptions(**given)
    assert (options.threshold, options.rule, options.scope) == expected
    chosen = LearningOptions(**given).amig()
    assert (chosen.threshold, chosen.rule, chosen.scope) == expected
    assert tuple(selection_of(**given).values()) == expected


def test_the_paper_stays_available():
    assert AMIG.paper(steps=5) == AMIG(threshold=0.2, steps=5)
    for kind in (SearchOptions, AcquisitionOptions, LearningOptions):
        options = kind.chosen({}, quick=True, preset="paper")
        assert PAPER_SELECTION.items() <= options.to_dict().items()
        assert kind.chosen({"threshold": 0.3}, preset="paper").threshold == 0.3
    assert LearningOptions.chosen({}, preset="paper").schedule(10)["lr"] == 3e-5
    assert LearningOptions.chosen({}, preset="small").rule == "top"
    with pytest.raises(ValueError, match="preset must be 'paper' or None, got 'papr'"):
        SearchOptions.chosen({}, preset="papr")


def test_thresholds_of_languages_are_shares_of_the_highest():
    assert CrosslingualOptions().acquisition("en").rule == "top"
    options = CrosslingualOptions(thresholds=("fr:0.1",))
    chosen = [options.acquisition(language) for language in ("en", "fr")]
    assert [(one.threshold, one.rule, one.scope) for one in chosen] == [
        (0.2, "relative", "model"),
        (0.1, "relative", "model"),
    ]


def test_other_thresholds_that_are_shares_choose_the_rule():
    for options in (ChoicesOptions(thresholds=[0.1]), DetectionOptions(sweep_threshold=[0.1, 0.3])):
        assert (options.threshold, options.rule, options.scope) == (0.2, "relative", "model")
    assert ChoicesOptions().thresholds == (4.0, 16.0)
    assert DetectionOptions().sweep_threshold == (4.0, 6.0, 8.0, 12.0, 16.0)
    paper = ChoicesOptions.chosen({}, preset="paper"), DetectionOptions.chosen({}, preset="paper")
    assert paper[0].thresholds == (0.1, 0.3)
    assert paper[1].sweep_threshold == (0.1, 0.15, 0.2, 0.25, 0.3)


@pytest.mark.parametrize("name", [name for name in ATTRIBUTORS if name != "random"])
def test_other_attributions_select_as_amig(name):
    chosen = ATTRIBUTORS[name]()
    assert (chosen.threshold, chosen.rule, chosen.scope) == (8, "top", "layer")
