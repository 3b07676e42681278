"""Networks solved by hand: every quantity of the audit."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo import Edit
from neurotopo.knowledge.suppression import subsets
from neurotopo.redundancy import (
    Ablation,
    Lattice,
    RelationValues,
    counterfactual_of,
    fact_scores,
    path_scores,
)
from neurotopo.studies.audit.measure import alone, minimality
from neurotopo.testbed.toys import TOYS, toy

FOILS = ("no", "maybe")

# ablated: none, A, B, A + B, as shares of the contrast of 4
KEPT = {
    "adder": (1, 0.5, 0.5, 0),
    "or": (1, 1, 1, 0),
    "and": (1, 0, 0, 0),
    "backup": (1, 1, 1, 0),
    "irrelevant": (1, 1, 1, 1),
}
RHO = {"adder": 0.0, "or": 1.0, "and": -1.0, "backup": 1.0, "irrelevant": np.nan}
INTERACTION = {"adder": 0.0, "or": 4.0, "and": -4.0, "backup": 4.0, "irrelevant": 0.0}
SHAPLEY = {name: [0.0, 0.0] if name == "irrelevant" else [2.0, 2.0] for name in TOYS}
WITHIN = {"adder": 0.5, "or": 1.0, "and": 0.0, "backup": 1.0, "irrelevant": np.nan}


@pytest.fixture(params=sorted(TOYS))
def name(request):
    """Return the name of a toy network."""
    return request.param


@pytest.fixture
def net(name):
    """Return the toy network."""
    return toy(name)


def ablations(net):
    """Return the three ablations of the fact by name."""
    return dict(RelationValues(net.model, net.facts).of(net.facts[0]))


def lattice(net, ablation):
    """Return the lattice of the two groups."""
    rows = subsets(2)
    first, second = net.groups
    edits = [None, *map(ablation.edit, (first, second, first | second))]
    scores = fact_scores(net.model, net.facts[0], FOILS, edits).of("contrast")
    return Lattice(rows, scores[1:], float(scores[0]))


def test_the_lattice_is_the_one_by_hand(net, name):
    found = ablations(net)
    assert list(found) == ["zero", "mean", "counterfactual"]
    # the other subject sets no channel, so all three ablations replace the values by 0
    for ablation in found.values():
        ours = lattice(net, ablation)
        np.testing.assert_allclose([ours.base, *ours.scores], 4 * np.array(KEPT[name]), atol=1e-9)
        np.testing.assert_allclose(ours.rho, RHO[name], atol=1e-9)
        np.testing.assert_allclose(ours.interactions[0, 1], INTERACTION[name], atol=1e-9)
        np.testing.assert_allclose(ours.shapley, SHAPLEY[name], atol=1e-9)
        np.testing.assert_allclose(ours.sufficiency, [WITHIN[name]] * 2, atol=1e-9)


def test_sufficiency_alone(net, name):
    fact = net.facts[0]
    other = counterfactual_of(net.model, fact, net.facts)
    assert other.prompt == "T"
    first, second = net.groups
    scores = alone(net.model, fact, other, FOILS, {"own": [first, second]})["own"].of("contrast")
    # nothing restored; all groups; the first; the second. What is not in a group stays off, but
    # the second layer of the networks computes from what is restored.
    by_hand = {
        "adder": (0, 1, 0.5, 0.5),
        "or": (0, 1, 1, 1),
        "and": (0, 1, 0, 0),
        # with the subject absent the second group is off in the fact too: its clean value is 0
        "backup": (0, 1, 1, 0),
        "irrelevant": (0, 0, 0, 0),
    }
    np.testing.assert_allclose(scores, 4 * np.array(by_hand[name]), atol=1e-9)


def test_total_and_direct_effects(net, name):
    edits = [None, *(Edit(group, positions="last") for group in net.groups)]
    paths = path_scores(net.model, net.facts[0], FOILS, edits)
    total = paths.total.of("contrast")
    np.testing.assert_allclose(total, 4 * np.array(KEPT[name][:3]), atol=1e-5)
    np.testing.assert_allclose(paths.frozen.of("contrast"), total, atol=1e-9)
    direct = paths.direct.of("contrast")[0] - paths.direct.of("contrast")[1:]
    # only the first group of "backup" writes to the answer itself; the second one does not act
    np.testing.assert_allclose(direct, [4, 0] if name == "backup" else [0, 0], atol=1e-5)


def test_minimal_parts(net, name):
    shares = minimality(
        *(net.model, net.facts[0], FOILS, list(net.groups), Ablation("zero")),
        scores=np.zeros((2, 6)),
        score="contrast",
    )
    # two neurons a group, which share the work. OR: half of both groups are needed for 1, so
    # within one group both are; AND and irrelevant groups keep nothing alone
    by_hand = {"adder": 0.0, "or": 0.0, "and": np.nan, "backup": 0.0, "irrelevant": np.nan}
    np.testing.assert_allclose(shares, [by_hand[name]] * 2)
