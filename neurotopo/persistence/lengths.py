"""From connection weights to edge lengths: a strong connection is a short edge."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo._registry import add_entry

__all__ = ["LENGTHS", "Length", "check_length", "edge_lengths", "register_length", "strength"]

_ROUNDED = 1e-5  # a similarity of computed vectors may be so much larger than 1

Length = str | Callable[[NDArray[Any]], ArrayLike]


def _negative_logs(strong: NDArray[np.float64], scale: float | None) -> NDArray[np.float64]:
    largest = strong.max(initial=0.0)
    top = largest if scale is None else float(scale)
    if not (np.isfinite(top) and top >= largest):
        raise ValueError(f"scale must be the largest weight, {largest}, or more; got {scale}.")
    if top == 0:
        return np.full(strong.shape, np.inf)
    ratio = strong / top
    # a ratio may underflow where the weight itself does not
    lengths = np.where(
        ratio >= np.finfo(np.float64).tiny, -np.log(ratio), np.log(top) - np.log(strong)
    )
    return lengths + 0.0  # the strongest edge: 0, not -0


def _one_minus(weights: NDArray[Any]) -> NDArray[np.float64]:
    if weights.size and weights.max() > 1 + _ROUNDED:
        raise ValueError(
            f'the length "one_minus" takes weights of at most 1, but one is {weights.max()}.'
        )
    return np.maximum(1.0 - weights.astype(np.float64), 0.0)


def signed_function(length: Length) -> Length:
    """Return the function of a length that depends on the sign of the weight, others as they are.

    Such a length is treated as a callable: it is not a function of the strength alone.
    """
    return _one_minus if isinstance(length, str) and length == "one_minus" else length


LENGTHS: dict[str, Callable[[NDArray[np.float64], float, float | None], NDArray[np.float64]]] = {
    "inverse": lambda strong, power, scale: 1.0 / strong,
    "power": lambda strong, power, scale: strong**-power,
    "neglog": lambda strong, power, scale: _negative_logs(strong, scale),
    "one_minus": lambda strong, power, scale: _one_minus(strong),
}
"""The lengths by name: functions of the strengths (0: no edge), ``power`` and ``scale``."""


def register_length(name: str, function: Callable[[NDArray[np.float64]], ArrayLike]) -> None:
    """Add an edge length, for neuron graphs, whole models and ``GraphPersistence``.

    Parameters
    ----------
    name : str
        The value of ``length``.
    function : callable
        From an array of positive strengths (absolute weights) to lengths, entry by entry. It must
        be decreasing; pass other lengths as a callable instead.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.graphs import edge_lengths
    >>> from neurotopo.persistence.lengths import LENGTHS, register_length
    >>> register_length("decay", lambda strength: np.exp(-strength))
    >>> edge_lengths([1.0, -2.0, 0.0], length="decay").round(3)
    array([0.368, 0.135,   inf])
    >>> del LENGTHS["decay"]
    """
    add_entry(LENGTHS, "length", name, lambda strong, power, scale: _called(function, strong, True))


def check_length(
    length: Length = "inverse",
    power: float = 1.0,
    *,
    signed: bool = False,
    path: str = "up",
    name: str = "length",
) -> None:
    """Raise a ValueError for unknown or contradictory options of :func:`edge_lengths`.

    ``path`` is the in-projection: ``"both"`` gives means of absolute values, without signs.
    """
    if not callable(length) and length not in LENGTHS:
        raise ValueError(f"{name} must be one of {', '.join(LENGTHS)} or callable, got {length!r}.")
    if not (np.ndim(power) == 0 and np.isfinite(power) and power > 0):
        raise ValueError(f"power must be a positive number, got {power!r}.")
    if power != 1.0 and length != "power":
        raise ValueError(f'power={power} goes with length="power" only, not with {length!r}.')
    if signed and path == "both":
        raise ValueError('path="both" is a mean of absolute values: it cannot be signed.')


def strength(
    weights: ArrayLike,
    signed: bool = False,
    length: Length = "inverse",
    *,
    out: NDArray[np.floating[Any]] | None = None,
) -> NDArray[np.floating[Any]]:
    """Return strengths: larger ones are shorter edges, ``-inf`` is no edge.

    Their order is enough to find a spanning forest, and much cheaper than lengths. (Edges whose
    length overflows are not marked. They are the longest, and can be dropped afterwards.)

    Parameters
    ----------
    weights : array-like of float
        Connection weights.
    signed : bool, default=False
        Only positive weights are edges.
    length : str or callable, default="inverse"
        As for :func:`edge_lengths`. All names but ``"one_minus"`` give the same order.
    out : ndarray, optional
        Array for the result, for example ``weights`` itself.

    Returns
    -------
    ndarray
        In the precision of ``weights``.

    Examples
    --------
    >>> from neurotopo.graphs import strength
    >>> strength([2.0, -3.0, 0.0]), strength([2.0, -3.0, 0.0], signed=True)
    (array([  2.,   3., -inf]), array([  2., -inf, -inf]))
    """
    values = np.asarray(weights)
    if values.dtype.kind != "f":
        values = values.astype(np.float64)
    length = signed_function(length)
    if callable(length):
        longer = _called(length, values, signed)
        return np.negative(longer, out=out, casting="same_kind")
    if signed:
        result = np.positive(values, out=out)
        absent = ~(result > 0)
    else:
        result = np.abs(values, out=out)
        absent = result == 0
    if absent.any():
        result[absent] = -np.inf
    return result


def edge_lengths(
    weights: ArrayLike,
    *,
    length: Length = "inverse",
    power: float = 1.0,
    signed: bool = False,
    scale: float | None = None,
) -> NDArray[np.float64]:
    r"""Turn connection weights into edge lengths.

    Parameters
    ----------
    weights : array-like of float
        Connection weights. A weight of 0 is no edge.
    length : {"inverse", "power", "neglog", "one_minus"} or callable, default="inverse"
        - ``"inverse"``: :math:`|1/w|`, Eq 4 of the paper;
        - ``"power"``: :math:`|w|^{-p}` with p = ``power``;
        - ``"neglog"``: :math:`-\log(|w| / s)` with s = ``scale``. The strongest edge has length
          0, and a sum along a path is the logarithm of a product of weights;
        - ``"one_minus"``: :math:`1 - w`, for similarities of at most 1. Unlike those above it keeps
          the sign: a similarity of -1 has length 2;
        - a name added by :func:`register_length`;
        - a callable from an array of non-zero signed weights to an array of lengths, entry by
          entry: finite and not negative, or ``inf`` for no edge.
    power : float, default=1.0
        The exponent of ``"power"``.
    signed : bool, default=False
        Only positive weights are edges.
    scale : float, optional
        For ``"neglog"``, the largest absolute weight of the graph. None: that of ``weights``.

    Returns
    -------
    ndarray of float64
        ``inf`` for no edge: the weight is 0, or the length overflows.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, Eq 4 and appendix D.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.graphs import edge_lengths
    >>> w = np.array([4.0, -0.5, 0.0])
    >>> edge_lengths(w), edge_lengths(w, signed=True)
    (array([0.25, 2.  ,  inf]), array([0.25,  inf,  inf]))
    >>> edge_lengths(w, length="power", power=2)
    array([0.0625, 4.    ,    inf])
    >>> edge_lengths(w, length="neglog")
    array([0.        , 2.07944154,        inf])
    >>> edge_lengths(w, length=lambda w: np.exp(-w))
    array([0.01831564, 1.64872127,        inf])
    """
    check_length(length, power, signed=signed)
    values = np.asarray(weights, dtype=np.float64)
    if np.isnan(values).any():
        raise ValueError("a weight is NaN.")
    length = signed_function(length)
    if callable(length):
        return _called(length, values, signed)
    strong = np.maximum(values, 0.0) if signed else np.abs(values)
    with np.errstate(divide="ignore", over="ignore", under="ignore"):
        return LENGTHS[length](strong, float(power), scale)


def _called(
    length: Callable[[NDArray[Any]], ArrayLike], weights: NDArray[Any], signed: bool
) -> NDArray[np.float64]:
    """Return lengths by the user's function, which is called with edges only."""
    lengths = np.full(weights.shape, np.inf)
    held = weights > 0 if signed else weights != 0
    given = weights[held]
    if given.size == 0:
        return lengths
    answer = np.asarray(length(given), dtype=np.float64)
    if answer.shape != given.shape:
        raise ValueError(
            f"length() was given an array of shape {given.shape} and returned one of shape "
            f"{answer.shape}."
        )
    for at in np.flatnonzero(~(answer >= 0)):
        raise ValueError(
            f"length() must return numbers that are not negative, but for the weight "
            f"{given[at]} it returned {answer[at]}."
        )
    lengths[held] = answer + 0.0
    return lengths
