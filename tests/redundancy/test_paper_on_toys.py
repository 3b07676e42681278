"""The paper's filter and GCR on networks solved by hand, beside rho: what they miss."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo import DKNFinder, Edit, NeuronSet
from neurotopo.knowledge.gcr import gcr, straight_line_gcr
from neurotopo.knowledge.suppression import subsets
from neurotopo.redundancy import Lattice, fact_scores
from neurotopo.testbed.toys import STRENGTH, TOYS, toy

N_WORDS = 9


def p(share):
    """Return the probability of the answer with a share of its logit; other logits are 0."""
    return math.exp(STRENGTH * share) / (math.exp(STRENGTH * share) + N_WORDS - 1)


# share of the logit with: the other group ablated (which is one group ablated too), both
ALONE = {"adder": (0.5, 0), "or": (1, 0), "and": (0, 0), "backup": (1, 0), "irrelevant": (1, 1)}
PASSES = {"adder": True, "or": True, "and": False, "backup": True, "irrelevant": True}


@pytest.fixture(params=sorted(TOYS))
def name(request):
    """Return the name of a toy network."""
    return request.param


def evaluated(net, groups):
    """Return the paper's measurements."""
    return DKNFinder().evaluate(net.model, net.facts[0], groups)


def test_the_filter_and_the_gcr_by_hand(name):
    net = toy(name)
    dkn = evaluated(net, net.groups)
    one, both = map(p, ALONE[name])
    assert dkn.base_probability == pytest.approx(p(1))
    np.testing.assert_allclose(dkn.potential_probabilities, one)
    assert (one >= 0.3 * p(1)) == PASSES[name]
    assert dkn.passed.tolist() == [PASSES[name]] * 2
    if PASSES[name]:
        np.testing.assert_allclose(dkn.curve, [1 - one / p(1), 1 - both / p(1)], atol=1e-12)
        assert dkn.gcr == pytest.approx(one / p(1) - both / p(1), abs=1e-12)
    else:
        assert dkn.reason == "no component passed"


def test_irrelevant_groups_pass_the_filter_and_eq_2():
    """The filter leaves the rest of the model alone, and the rest has the fact."""
    net = toy("irrelevant")
    dkn = evaluated(net, net.groups)
    assert dkn.passed.all()
    assert dkn.satisfies_eq2
    assert not dkn.satisfies_eq3  # which the filter does not ask
    first, second = net.groups
    edits = [None, *map(Edit, (first, second, first | second))]
    base, *scores = fact_scores(net.model, net.facts[0], ["no"], edits).of("contrast").tolist()
    assert Lattice(subsets(2), np.array(scores), base).necessity == pytest.approx(0, abs=1e-9)


def test_groups_that_add_up_pass_the_filter_with_a_positive_gcr():
    net = toy("adder")
    dkn = evaluated(net, net.groups)
    assert dkn.passed.all()
    assert dkn.gcr == pytest.approx((p(0.5) - p(0)) / p(1))
    assert dkn.gcr > 0.4


def quarters(net):
    """Return each of the four neurons as a group, and the lattice of them."""
    groups = [NeuronSet([pair]) for group in net.groups for pair in group]
    rows = subsets(4)
    edits = [Edit(NeuronSet(groups[i][0] for i in np.flatnonzero(row))) for row in rows]
    scores = fact_scores(net.model, net.facts[0], ["no"], [None, *edits]).of("contrast")
    return groups, Lattice(rows, scores[1:], float(scores[0]))


def mean_drops(lattice):
    """Return the mean fall of the score with 1, 2, 3 and 4 groups ablated."""
    drops = lattice.base - lattice.scores
    return [float(drops[lattice.subsets.sum(axis=1) == size].mean()) for size in range(1, 5)]


@pytest.mark.parametrize(
    ("name", "drops", "rho"),
    [
        ("adder", [1, 2, 3, 4], 0.0),
        ("or", [0, 0, 2, 4], 1.0),
        ("and", [2, 4, 4, 4], -1.0),
        # a mixed pair leaves half of a, so half of the backup: 3 of 4
        ("backup", [0, 2 / 3, 2, 4], 1.0),
    ],
)
def test_the_gcr_of_four_groups(name, drops, rho):
    _, lattice = quarters(toy(name))
    found = mean_drops(lattice)
    np.testing.assert_allclose(found, drops, atol=1e-9)
    before = np.array(drops[:3])
    assert gcr(found) == pytest.approx(abs(drops[3] - before.mean()) / before.std())
    assert lattice.rho == pytest.approx(rho, abs=1e-9)


def test_a_straight_line_has_a_gcr_of_2_45_and_a_rho_of_0():
    _, lattice = quarters(toy("adder"))
    assert gcr(mean_drops(lattice)) == pytest.approx(straight_line_gcr(4))
    assert straight_line_gcr(4) == pytest.approx(math.sqrt(6))
    # the GCR has no sign: groups that need each other have one too
    _, lattice = quarters(toy("and"))
    assert gcr(mean_drops(lattice)) == pytest.approx(math.sqrt(0.5))


def test_whether_groups_pass_depends_on_their_number():
    """Four groups that add up do not pass, though the two that they make up do."""
    net = toy("adder")
    groups, _ = quarters(net)
    dkn = evaluated(net, groups)
    np.testing.assert_allclose(dkn.potential_probabilities, p(0.25))
    assert not dkn.passed.any()
