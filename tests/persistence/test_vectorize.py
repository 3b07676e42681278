"""Images, landscapes and the sliced distance, against the formulas of their papers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from persim import PersLandscapeExact
from scipy.stats import norm

from neurotopo import persistence_diagrams
from neurotopo.persistence import persistence_image, persistence_landscape, sliced_wasserstein
from tests.support.examples import examples

INF = float("inf")
bars = st.lists(st.tuples(st.integers(-4, 6), st.integers(0, 5)), max_size=6).map(
    lambda rows: np.array([(birth, birth + length) for birth, length in rows]).reshape(-1, 2)
)


def image_by_formula(diagram, births, lengths, sigma, power):
    image = np.zeros((len(births) - 1, len(lengths) - 1))
    for birth, death in diagram:
        mass = [
            np.diff(norm.cdf(side, at, sigma))
            for side, at in ((births, birth), (lengths, death - birth))
        ]
        image += (death - birth) ** power * np.outer(*mass)
    return image


@examples(50)
@given(diagram=bars, power=st.sampled_from([1.0, 2.0]))
def test_image(diagram, power):
    image = persistence_image(
        diagram, birth_range=(-4, 6), persistence_range=(0, 6), pixel_size=2, sigma=1.5, power=power
    )
    expected = image_by_formula(diagram, np.arange(-4, 7, 2), np.arange(0, 7, 2), 1.5, power)
    np.testing.assert_allclose(image, expected, atol=1e-6)


def test_image_by_default_covers_the_diagram():
    h0, h1 = persistence_diagrams([[0, 0], [0, 1], [1, 1], [1, 0]], metric="euclidean")
    assert persistence_image(h0).shape == persistence_image(h1).shape == (20, 20)
    image = persistence_image(np.array([[0.0, 1.0], [4.0, 5.0]]))
    assert image.shape == (20, 5)
    assert not persistence_image(np.empty((0, 2))).any()


def landscape_by_formula(diagram, radii, n_layers):
    values = np.zeros((n_layers + len(diagram), len(radii)))
    for k, (birth, death) in enumerate(diagram):
        values[k] = np.maximum(np.minimum(radii - birth, death - radii), 0)
    return -np.sort(-values, axis=0)[:n_layers]


@examples(300)
@given(diagram=bars)
def test_landscape(diagram):
    radii = np.linspace(-5, 12, 69)
    np.testing.assert_allclose(
        persistence_landscape(diagram, radii, n_layers=4),
        landscape_by_formula(diagram, radii, 4),
        atol=1e-12,
    )


def test_landscape_is_that_of_persim():
    diagram = np.random.default_rng(0).uniform(size=(8, 2)).cumsum(axis=1)
    corners = PersLandscapeExact(dgms=[diagram], hom_deg=0).critical_pairs[:3]
    radii = np.linspace(0, 2, 50)
    expected = [np.interp(radii, *np.transpose(layer)) for layer in corners]
    np.testing.assert_allclose(persistence_landscape(diagram, radii, n_layers=3), expected)


@pytest.mark.parametrize(
    "vector", [persistence_image, lambda d, **o: persistence_landscape(d, [1, 2], **o)]
)
def test_infinite_bars_are_left_out_or_ended(vector):
    diagram = np.array([[0.0, 2.0], [1.0, INF], [5.0, INF]])
    np.testing.assert_array_equal(vector(diagram), vector(diagram[:1]))
    np.testing.assert_array_equal(vector(diagram, end=4.0), vector([[0.0, 2.0], [1.0, 4.0]]))
    with pytest.raises(ValueError, match="end must be a finite number"):
        vector(diagram, end=INF)


def sliced_by_formula(a, b, n_directions):
    def diagonal(diagram):
        return np.repeat(diagram.mean(axis=1)[:, None], 2, axis=1)

    angles = np.pi * (0.5 + np.arange(n_directions) / n_directions)
    moves = []
    for direction in np.column_stack([np.cos(angles), np.sin(angles)]):
        left = np.sort(np.vstack([a, diagonal(b)]) @ direction)
        right = np.sort(np.vstack([b, diagonal(a)]) @ direction)
        moves.append(np.abs(left - right).sum())
    return np.mean(moves)


@examples(50)
@given(a=bars, b=bars)
def test_sliced_wasserstein(a, b):
    expected = sliced_by_formula(a, b, 20)
    assert sliced_wasserstein(a, b, n_directions=20) == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_sliced_wasserstein_of_infinite_bars():
    a, b = [[0, 1], [0, INF], [3, INF]], [[0, 1], [5, INF], [0, INF]]
    assert sliced_wasserstein(a, b) == pytest.approx(2.0, abs=1e-5)
    assert sliced_wasserstein(a, b[:2]) == INF


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: persistence_image([[0, 1]], birth_range=(1, 1)), "birth_range must be a pair"),
        (lambda: persistence_image([[0, 1]], persistence_range=(2, INF)), "persistence_range must"),
        (lambda: persistence_image([[0, 1]], sigma=0.0), "sigma must be a positive"),
        (lambda: persistence_image([[0, 1]], pixel_size=-1.0), "pixel_size must be a positive"),
        (lambda: persistence_landscape([[0, 1]], [np.nan]), "radii must be"),
        (lambda: persistence_landscape([[0, 1]], [0.5], n_layers=0), "n_layers must be"),
        (lambda: sliced_wasserstein([[0, 1]], [[0, 2]], n_directions=0), "n_directions must be"),
        (lambda: persistence_image([[1, 0]]), "deaths that do not precede"),
    ],
)
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
