"""Lattices of subsets, read back."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo.knowledge.suppression import subsets
from neurotopo.plots.subsets import SubsetsDisplay, letter_of
from neurotopo.redundancy import Lattice
from neurotopo.studies.audit.measure import shell
from tests.support.plots import new_axes, offsets


def draw(members, scores, base=4.0, ax=None):
    lattice = Lattice(members, np.asarray(scores, dtype=np.float64), base)
    return SubsetsDisplay.from_lattice(lattice, ax=ax or new_axes())


def test_nodes_are_the_subsets_with_their_scores():
    members = subsets(3)
    display = draw(members, np.arange(7))
    assert display.nodes_.get_array().tolist() == [4, *range(7)]
    assert offsets(display.nodes_)[:, 1].tolist() == [0, *members.sum(axis=1)]
    names = ["0", *("".join("ABC"[i] for i in np.flatnonzero(row)) for row in members)]
    assert [text.get_text() for text in display.texts_] == names
    assert len(np.unique(offsets(display.nodes_), axis=0)) == 8


@pytest.mark.parametrize("n", [1, 2, 3, 5])
def test_lines_join_subsets_that_differ_in_one_group(n):
    display = draw(subsets(n), np.zeros(2**n - 1))
    places = [tuple(place) for place in offsets(display.nodes_).tolist()]
    names = [set(text.get_text()) - {"0"} for text in display.texts_] or None
    segments = [segment.tolist() for segment in display.edges_.get_segments()]
    assert len(segments) == n * 2 ** (n - 1)  # the edges of a cube
    for one, other in segments:
        smaller, larger = (names[places.index(tuple(end))] for end in (one, other))
        assert smaller < larger
        assert len(larger - smaller) == 1


def test_subsets_that_were_not_measured_are_left_out():
    display = draw(shell(4), np.zeros(9))
    assert len(offsets(display.nodes_)) == 10
    assert len(display.edges_.get_segments()) == 4 + 4


def test_letters_too_small_to_read_are_omitted():
    display = draw(subsets(9), np.zeros(511))
    assert display.texts_ == []
    display.figure_.draw_without_rendering()


def test_names_of_groups_differ():
    assert [letter_of(k) for k in (0, 25, 26)] == ["A", "Z", "27"]


def test_mistakes_are_named():
    with pytest.raises(TypeError, match="lattice must be a Lattice, got list"):
        SubsetsDisplay.from_lattice([1.0], ax=new_axes())
    with pytest.raises(ValueError, match="scores of lattice must be finite"):
        draw(subsets(2), [1.0, np.nan, 0.0])
