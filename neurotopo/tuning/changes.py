"""Neurons that training has changed, and their overlap with given sets."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo.neurons import NeuronSet
from neurotopo.tuning.row_changes import (
    RowSnapshot,
    changed_neurons,
    checked_changes,
    most_changed,
    neuron_changes,
    snapshot,
)

if TYPE_CHECKING:
    import pandas as pd

__all__ = [
    "OverlapCurve",
    "OverlapTest",
    "RowSnapshot",
    "binned",
    "changed_neurons",
    "most_changed",
    "neuron_changes",
    "overlap",
    "overlap_curve",
    "overlap_test",
    "snapshot",
]

_Neurons = NeuronSet | Iterable[tuple[int, int]]

_MULTIPLIERS = tuple(k / 100 for k in range(1, 11))
_SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)


def overlap(neurons: _Neurons, changed: _Neurons) -> float:
    """Return the share of some neurons that is among the changed ones (Equation 14).

    The equation is that of the paper in :func:`neuron_changes`.

    Parameters
    ----------
    neurons, changed : NeuronSet or iterable of (int, int)

    Returns
    -------
    float
        nan without neurons.

    Examples
    --------
    >>> from neurotopo.tuning.changes import overlap
    >>> overlap([(0, 1), (0, 2)], [(0, 2), (1, 5), (1, 6)])
    0.5
    """
    neurons = NeuronSet(neurons)
    return len(neurons & NeuronSet(changed)) / len(neurons) if len(neurons) else float("nan")


@dataclass(frozen=True)
class OverlapCurve:
    """Overlaps at many thresholds; see :func:`overlap_curve`.

    Attributes
    ----------
    multipliers, shares : ndarray of float64
        The thresholds of :func:`changed_neurons` and of :func:`most_changed`.
    n_changed : ndarray of int64, shape (n_multipliers + n_shares,)
        The number of changed neurons at each, multipliers first.
    overlaps : dict of str to ndarray of float64
        The overlap of each set at each threshold, in the same order.
    sizes : dict of str to int
        The number of neurons of each set.
    n_neurons : int
        Number of all neurons. The overlap of a random set is ``n_changed / n_neurons`` on average.
    n_infinite : int
        Number of neurons with an infinite change.

    Examples
    --------
    >>> from neurotopo.tuning.changes import overlap_curve
    >>> changes = [[0.0, 0.1, 0.2, 1.0], [0.0, 0.0, 0.1, 0.9]]
    >>> curve = overlap_curve(changes, {"dkn": [(0, 3), (0, 0)]}, [0.5], [0.25])
    >>> curve.n_changed, curve.overlaps["dkn"], curve.n_neurons
    (array([2, 2]), array([0.5, 0.5]), 8)
    """

    multipliers: NDArray[np.float64]
    shares: NDArray[np.float64]
    n_changed: NDArray[np.int64]
    overlaps: dict[str, NDArray[np.float64]]
    sizes: dict[str, int]
    n_neurons: int
    n_infinite: int

    def to_frame(self) -> pd.DataFrame:
        """Return a table with a row for every threshold and set.

        Its columns are ``rule`` (``"multiplier"`` or ``"share"``), ``threshold``, ``set``,
        ``n_neurons`` (of the set), ``n_changed``, ``overlap`` and ``expected``, the mean overlap
        of a random set.
        """
        import pandas as pd

        rules = ["multiplier"] * len(self.multipliers) + ["share"] * len(self.shares)
        thresholds = [*self.multipliers.tolist(), *self.shares.tolist()]
        rows = [
            (rule, threshold, name, self.sizes[name], n, values[k], n / self.n_neurons)
            for k, (rule, threshold, n) in enumerate(
                zip(rules, thresholds, self.n_changed.tolist(), strict=True)
            )
            for name, values in self.overlaps.items()
        ]
        columns = ["rule", "threshold", "set", "n_neurons", "n_changed", "overlap", "expected"]
        return pd.DataFrame(rows, columns=columns)


def overlap_curve(
    changes: ArrayLike,
    sets: Mapping[str, _Neurons],
    multipliers: Sequence[float] = _MULTIPLIERS,
    shares: Sequence[float] = _SHARES,
) -> OverlapCurve:
    """Return the overlap of sets of neurons with the changed ones, at many thresholds.

    At a low threshold nearly all neurons have changed, and every set overlaps.

    Parameters
    ----------
    changes : array-like, shape (n_layers, n_neurons)
        Result of :func:`neuron_changes`.
    sets : mapping of str to NeuronSet or iterable of (int, int)
        The sets by name.
    multipliers : sequence of float, default=(0.01, 0.02, ..., 0.1)
        Thresholds of :func:`changed_neurons`.
    shares : sequence of float, default=(0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
        Thresholds of :func:`most_changed`.

    Returns
    -------
    OverlapCurve

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.tuning.changes import overlap_curve
    >>> changes = np.arange(100.0).reshape(2, 50)
    >>> sets = {"low": [(0, 0), (0, 5)], "high": [(0, 8), (1, 49)]}
    >>> table = overlap_curve(changes, sets, [0.04], [0.01]).to_frame()
    >>> table[["rule", "threshold", "set", "n_changed", "overlap"]]
             rule  threshold   set  n_changed  overlap
    0  multiplier       0.04   low         96      0.5
    1  multiplier       0.04  high         96      1.0
    2       share       0.01   low          1      0.0
    3       share       0.01  high          1      0.5
    """
    values = checked_changes(changes)
    neurons_of = {name: _checked_set(neurons, values) for name, neurons in sets.items()}
    changed = [changed_neurons(values, each) for each in multipliers]
    changed += [most_changed(values, each) for each in shares]
    return OverlapCurve(
        multipliers=np.asarray(multipliers, dtype=np.float64),
        shares=np.asarray(shares, dtype=np.float64),
        n_changed=np.array([len(each) for each in changed], dtype=np.int64),
        overlaps={
            name: np.array([overlap(neurons, each) for each in changed], dtype=np.float64)
            for name, neurons in neurons_of.items()
        },
        sizes={name: len(neurons) for name, neurons in neurons_of.items()},
        n_neurons=values.size,
        n_infinite=int(np.isinf(values).sum()),
    )


@dataclass(frozen=True)
class OverlapTest:
    """Result of :func:`overlap_test`.

    Attributes
    ----------
    overlap : float
        The overlap of the neurons with those that changed; nan without neurons.
    expected : float
        Its mean for random sets.
    p_value : float
        The probability that a random set overlaps as much or more, never 0 for random draws; nan
        without neurons.
    n_permutations : int or None
        Number of random sets drawn; None: the p-value is exact.
    within_layers : bool
        Whether random sets have the same number of neurons in each layer.

    Examples
    --------
    >>> from neurotopo.tuning.changes import overlap_test
    >>> test = overlap_test([[1.0, 0.0], [0.0, 0.0]], [(0, 0)])
    >>> test.overlap, test.expected, test.p_value, test.n_permutations
    (1.0, 0.25, 0.25, None)
    """

    overlap: float
    expected: float
    p_value: float
    n_permutations: int | None
    within_layers: bool


def overlap_test(
    changes: ArrayLike,
    neurons: _Neurons,
    changed: _Neurons | None = None,
    *,
    n_permutations: int | None = None,
    seed: int = 0,
    within_layers: bool = False,
) -> OverlapTest:
    """Test whether neurons overlap with the changed ones more than random neurons do.

    The number of changed neurons in a random set follows a hypergeometric distribution, or, with
    ``within_layers=True``, the sum of one per layer, so the p-value can be exact.

    Parameters
    ----------
    changes : array-like, shape (n_layers, n_neurons)
        Result of :func:`neuron_changes`. Random sets consist of these neurons.
    neurons : NeuronSet or iterable of (int, int)
        The neurons to test.
    changed : NeuronSet or iterable of (int, int), optional
        The neurons that changed. None: ``changed_neurons(changes)``.
    n_permutations : int, optional
        Number of random sets to draw; the tested set counts as one more. None: the exact p-value.
    seed : int, default=0
        Seed of the draw.
    within_layers : bool, default=False
        Compare with sets that have the same number of neurons in each layer. Training changes some
        layers more than others, and sets in those layers overlap for this reason alone.

    Returns
    -------
    OverlapTest

    Examples
    --------
    >>> from neurotopo.tuning.changes import overlap_test
    >>> changes = [[1.0, 1.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]
    >>> test = overlap_test(changes, [(0, 0), (0, 1)])
    >>> test.overlap, test.expected, round(test.p_value, 6)  # 1 of 28 pairs
    (1.0, 0.25, 0.035714)
    >>> round(overlap_test(changes, [(0, 0), (0, 1)], within_layers=True).p_value, 6)  # 1 of 6
    0.166667
    """
    values = checked_changes(changes)
    tested = _checked_set(neurons, values)
    moved = changed_neurons(values) if changed is None else _checked_set(changed, values)
    if n_permutations is not None and n_permutations < 1:
        raise ValueError(f"n_permutations must be at least 1 or None, got {n_permutations}.")
    if not len(tested):
        nan = float("nan")
        return OverlapTest(nan, nan, nan, n_permutations, within_layers)
    # numbers of all, changed and tested neurons in each group
    in_layers = [np.bincount(some.layers, minlength=len(values)) for some in (moved, tested)]
    groups = np.array([np.full(len(values), values.shape[1]), *in_layers])
    if not within_layers:
        groups = groups.sum(axis=1, keepdims=True)
    common = len(tested & moved)
    total, good, drawn = groups
    p_value = (
        _exact_tail(groups, common)
        if n_permutations is None
        else _drawn_tail(groups, common, n_permutations, seed)
    )
    expected = float((drawn * (good / total)).sum()) / len(tested)
    return OverlapTest(common / len(tested), expected, p_value, n_permutations, within_layers)


def _exact_tail(groups: NDArray[np.int64], common: int) -> float:
    """Return the probability that at least ``common`` neurons of a random set have changed."""
    from scipy.stats import hypergeom

    probability = np.ones(1)
    for total, good, drawn in groups.T.tolist():
        counts = np.arange(drawn + 1)
        # sums of products of positive numbers: small tails stay exact
        probability = np.convolve(probability, hypergeom.pmf(counts, total, good, drawn))
    return min(1.0, float(probability[common:].sum()))


def _drawn_tail(groups: NDArray[np.int64], common: int, n_permutations: int, seed: int) -> float:
    """Return the share of random sets with at least ``common`` changed neurons."""
    generator = np.random.default_rng(seed)
    counts = np.zeros(n_permutations, dtype=np.int64)
    for total, good, drawn in groups.T.tolist():
        counts += generator.hypergeometric(good, total - good, drawn, size=n_permutations)
    return (1 + int((counts >= common).sum())) / (1 + n_permutations)


def binned(
    neurons: _Neurons | NDArray[np.floating[Any]], n_layers: int, n_neurons: int, bins: int = 18
) -> NDArray[np.float64]:
    """Count neurons, or average changes, in bins of each layer.

    Parameters
    ----------
    neurons : NeuronSet or iterable of (int, int), or ndarray of float, shape (n_layers, n_neurons)
        Neurons are counted. Changes (:func:`neuron_changes`) are averaged without infinite ones.
    n_layers, n_neurons : int
        Size of the model.
    bins : int, default=18
        Bins of each layer, at most one per neuron. Their sizes differ by at most one.

    Returns
    -------
    ndarray of float64, shape (n_layers, bins)
        nan only for a bin in which all changes are infinite.

    See Also
    --------
    neurotopo.plots.changes.NeuronMapsDisplay : The picture.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.tuning.changes import binned
    >>> binned([(0, 0), (0, 1), (1, 5)], n_layers=2, n_neurons=6, bins=3)
    array([[2., 0., 0.],
           [0., 0., 1.]])
    >>> binned(np.array([[1.0, 3.0, 0.0, 0.5]]), n_layers=1, n_neurons=4, bins=2)
    array([[2.  , 0.25]])
    """
    if min(bins, n_layers, n_neurons) < 1:
        got = f"{bins}, {n_layers} and {n_neurons}"
        raise ValueError(f"bins, n_layers and n_neurons must be at least 1, got {got}.")
    bins = min(bins, n_neurons)
    starts = -(-np.arange(bins) * n_neurons // bins)
    if isinstance(neurons, np.ndarray) and neurons.dtype.kind == "f":
        changes = checked_changes(neurons)
        if changes.shape != (n_layers, n_neurons):
            expected = (n_layers, n_neurons)
            raise ValueError(f"changes must have shape {expected}, got {changes.shape}.")
        known = np.isfinite(changes)
        number = np.add.reduceat(known.astype(np.float64), starts, axis=1)
        total = np.add.reduceat(np.where(known, changes, 0.0), starts, axis=1)
        return np.where(number > 0, total / np.maximum(number, 1), np.nan)
    counted = NeuronSet(neurons)
    counted.check(n_layers, n_neurons)
    counts = np.zeros((n_layers, bins))
    np.add.at(counts, (counted.layers, counted.indices * bins // n_neurons), 1)
    return counts


def _checked_set(neurons: _Neurons, changes: NDArray[np.float64]) -> NeuronSet:
    checked = NeuronSet(neurons)
    checked.check(*changes.shape)
    return checked
