"""Integration rules along a path: nodes and weights."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["QUADRATURES", "quadrature_nodes"]

QUADRATURES = ("right", "left", "midpoint", "trapezoid", "gauss-legendre")


def quadrature_nodes(rule: str, steps: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    r"""Return nodes in [0, 1] and weights that sum to 1.

    Parameters
    ----------
    rule : {"right", "left", "midpoint", "trapezoid", "gauss-legendre"}
        With N steps: ``"right"`` uses the nodes k/N for k = 1, ..., N, as in the paper;
        ``"left"`` k = 0, ..., N - 1, as in its authors' program; ``"midpoint"`` the middle of
        each step; ``"trapezoid"`` all N + 1 ends; ``"gauss-legendre"`` the N nodes that integrate
        every polynomial of degree 2N - 1 exactly.
    steps : int
        N. Every node costs one row of a forward and backward pass per layer.

    Returns
    -------
    nodes, weights : ndarray of float64, shape (n_nodes,)

    Notes
    -----
    For a smooth function the error falls as 1/N for the one-sided rules, as 1/N^2 for midpoint
    and trapezoid, and faster than any power for Gauss-Legendre.

    Examples
    --------
    >>> from neurotopo.knowledge.quadrature import quadrature_nodes
    >>> quadrature_nodes("right", 4)
    (array([0.25, 0.5 , 0.75, 1.  ]), array([0.25, 0.25, 0.25, 0.25]))
    """
    if steps < 1:
        raise ValueError(f"steps must be at least 1, got {steps}.")
    equal = np.full(steps, 1.0 / steps)
    if rule == "right":
        return np.arange(1, steps + 1) / steps, equal
    if rule == "left":
        return np.arange(steps) / steps, equal
    if rule == "midpoint":
        return (np.arange(steps) + 0.5) / steps, equal
    if rule == "trapezoid":
        weights = np.full(steps + 1, 1.0 / steps)
        weights[[0, -1]] /= 2
        return np.arange(steps + 1) / steps, weights
    if rule == "gauss-legendre":
        nodes, weights = np.polynomial.legendre.leggauss(steps)
        return (nodes + 1) / 2, weights / 2
    raise ValueError(f"quadrature must be one of {', '.join(QUADRATURES)}, got {rule!r}.")
