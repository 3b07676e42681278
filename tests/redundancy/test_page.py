"""The pictures of the page on degeneracy: all are shown, and their numbers are those by hand."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from neurotopo.studies.inference import effect_of, judged
from neurotopo.testbed.toys import TOYS, toy
from tests.support.reference import DOCS, script

pictures = script(DOCS / "degenerate_figures.py")


def test_the_page_shows_every_picture():
    page = (DOCS / "degenerate.md").read_text(encoding="utf-8")
    assert set(re.findall(r"figures/(degenerate_\w+)\.svg", page)) == set(pictures.FIGURES)


@pytest.mark.parametrize("name", sorted(pictures.FIGURES))
def test_no_text_of_a_picture_is_outside(name):
    draw, size = pictures.FIGURES[name]
    figure = Figure(figsize=size, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    draw(figure)
    canvas.draw()
    whole = figure.bbox.padded(2)
    texts = [text for ax in figure.axes for text in ax.texts if text.get_text()]
    for text in texts:
        box = text.get_window_extent()
        assert whole.contains(box.x0, box.y0), text.get_text()
        assert whole.contains(box.x1, box.y1), text.get_text()


@pytest.mark.parametrize("name", TOYS)
def test_the_numbers_drawn_are_those_by_hand(name):
    by_hand = {
        "adder": ([2, 2, 0], [0.5, 0.5]),
        "or": ([4, 4, 0], [1, 1]),
        "and": ([0, 0, 0], [0, 0]),
        "backup": ([4, 4, 0], [1, 0]),
        "irrelevant": ([4, 4, 4], [0, 0]),
    }
    scores, alone = by_hand[name]
    net = toy(name)
    lattice = pictures.lattice_of(net, net.groups)
    assert lattice.base == 4
    np.testing.assert_array_equal(lattice.scores, scores)
    np.testing.assert_allclose(pictures.alone_of(net), alone, atol=1e-5)


def test_the_verdicts_drawn():
    relations = [f"P{i % 6}" for i in range(60)]
    effects = judged({name: effect_of(x, relations) for name, x in pictures.examples().items()})
    assert [effect.verdict for effect in effects.values()] == ["yes", "no", "no", "undecided"]
    third = list(effects.values())[2]
    assert third.low > 0  # as the page says
    assert third.mean < third.margin
