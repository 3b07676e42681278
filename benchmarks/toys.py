"""Toy sets of points in the plane: those of scikit-learn's comparison of clusterings, and more."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.spatial.distance import cdist
from sklearn.datasets import make_blobs, make_circles, make_moons

N_POINTS = 300


@dataclass(frozen=True)
class ToySet:
    """Points, centred and divided by one number, and the group of each (-1 for noise)."""

    points: np.ndarray
    truth: np.ndarray

    @cached_property
    def distances(self) -> np.ndarray:
        """Euclidean distances."""
        return cdist(self.points, self.points)


Draw = Callable[[int], tuple[np.ndarray, np.ndarray]]

_TRIANGLE = np.array([[0.0, 0.0], [5.0, 0.0], [2.5, 4.5]])


def _blobs(seed: int, n: int = N_POINTS) -> tuple[np.ndarray, np.ndarray]:
    return make_blobs(n, centers=_TRIANGLE, cluster_std=0.6, random_state=seed)


def _varied(seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.array([[-8.0, -3.0], [0.0, 4.0], [8.0, -3.0]])
    return make_blobs(N_POINTS, centers=centres, cluster_std=[1.0, 2.5, 0.5], random_state=seed)


def _aniso(seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.array([[-9.0, -5.0], [0.0, 0.0], [1.0, 9.0]])
    points, truth = make_blobs(N_POINTS, centers=centres, cluster_std=1.0, random_state=seed)
    return points @ np.array([[0.6, -0.6], [-0.4, 0.8]]), truth


def _two_close_one_far(seed: int) -> tuple[np.ndarray, np.ndarray]:
    centres = np.array([[0.0, 0.0], [4.0, 0.0], [25.0, 0.0]])
    return make_blobs(N_POINTS, centers=centres, cluster_std=0.5, random_state=seed)


def _no_structure(seed: int) -> tuple[np.ndarray, np.ndarray]:
    points = np.random.default_rng(seed).random((N_POINTS, 2))
    return points, np.zeros(N_POINTS, dtype=int)


def _blobs_and_noise(share: float) -> Draw:
    def draw(seed: int) -> tuple[np.ndarray, np.ndarray]:
        n_noise = round(share * N_POINTS)
        points, truth = _blobs(seed, N_POINTS - n_noise)
        low, high = _TRIANGLE.min(axis=0) - 2.5, _TRIANGLE.max(axis=0) + 2.5
        noise = np.random.default_rng(seed).uniform(low, high, size=(n_noise, 2))
        return np.vstack([points, noise]), np.append(truth, np.full(n_noise, -1))

    return draw


TOYS: dict[str, Draw] = {
    "moons": lambda seed: make_moons(N_POINTS, noise=0.05, random_state=seed),
    "circles": lambda seed: make_circles(N_POINTS, factor=0.5, noise=0.05, random_state=seed),
    "blobs": _blobs,
    "varied": _varied,
    "aniso": _aniso,
    "no structure": _no_structure,
    "two close, one far": _two_close_one_far,
    "blobs, 2 % noise": _blobs_and_noise(0.02),
    "blobs, 10 % noise": _blobs_and_noise(0.10),
}


def toy_set(name: str, seed: int) -> ToySet:
    """Draw one of ``TOYS``."""
    points, truth = TOYS[name](seed)
    # One unit for both columns: standardising each by itself would flatten sets that are wide.
    points = points - points.mean(axis=0)
    return ToySet(points / points.std(), np.asarray(truth))
