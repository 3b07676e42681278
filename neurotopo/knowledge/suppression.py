"""Probability of an answer under suppression of many sets of neurons."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from math import comb
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.models.edits import Edit
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["SuppressionCurve", "Suppressions", "relative_drops", "subsets"]

# A batch of edits holds a factor for each row and neuron; this limits it to megabytes.
_ROWS_PER_CALL = 8192


def subsets(
    n: int, *, max_exact: int = 10, n_samples: int = 200, random_state: int = 0
) -> NDArray[np.bool_]:
    """Return the non-empty subsets of n items, ordered by size.

    Parameters
    ----------
    n : int
        Number of items.
    max_exact : int, default=10
        Largest n for which all subsets are returned.
    n_samples : int, default=200
        Above ``max_exact``: largest number of subsets of each size, drawn without repetition.
    random_state : int, default=0
        Seed of the draw, which depends only on it, n and the size.

    Returns
    -------
    ndarray of bool, shape (m, n)
        A row per subset.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.knowledge.suppression import subsets
    >>> subsets(2).astype(int)
    array([[1, 0],
           [0, 1],
           [1, 1]])
    >>> np.bincount(subsets(11).sum(axis=1))
    array([  0,  11,  55, 165, 200, 200, 200, 200, 165,  55,  11,   1])
    """
    members: list[tuple[int, ...]] = []
    for size in range(1, n + 1):
        if n <= max_exact or comb(n, size) <= n_samples:
            members.extend(combinations(range(n), size))
        else:
            members.extend(_drawn(n, size, n_samples, random_state))
    rows = np.zeros((len(members), n), dtype=bool)
    for row, chosen in zip(rows, members, strict=True):
        row[list(chosen)] = True
    return rows


def _drawn(n: int, size: int, n_samples: int, seed: int) -> list[tuple[int, ...]]:
    """Draw distinct subsets of one size, uniformly."""
    rng = np.random.default_rng([seed, n, size])
    drawn: dict[tuple[int, ...], None] = {}
    while len(drawn) < n_samples:
        drawn[tuple(sorted(rng.permutation(n)[:size].tolist()))] = None
    return list(drawn)


def relative_drops(before: float, after: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return dProb = (before - after) / before: a fall is positive; nan where before is 0."""
    if not before > 0:
        return np.full(np.shape(after), np.nan)
    with np.errstate(over="ignore"):  # the probability may be tiny
        return np.asarray((before - after) / before, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class SuppressionCurve:
    """Probabilities of the answer with every subset of components suppressed, or a sample.

    Attributes
    ----------
    subsets : ndarray of bool, shape (m, n)
        Membership of the n components in the m subsets (:func:`subsets`).
    probabilities : ndarray of float64, shape (m,)
        The probability of the answer with the subset suppressed.
    base_probability : float
        The probability with nothing suppressed.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.knowledge.suppression import SuppressionCurve, subsets
    >>> curve = SuppressionCurve(subsets(2), np.array([0.6, 0.8, 0.2]), 0.8)
    >>> curve.mean, curve.n_subsets
    (array([0.125, 0.75 ]), array([2, 1]))
    """

    subsets: NDArray[np.bool_]
    probabilities: NDArray[np.float64]
    base_probability: float

    @property
    def n(self) -> int:
        """Number of components."""
        return int(self.subsets.shape[1])

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Number of components in each subset."""
        return self.subsets.sum(axis=1, dtype=np.int64)

    @property
    def drops(self) -> NDArray[np.float64]:
        """DProb = (before - after) / before of each subset; nan where ``before`` is 0."""
        return relative_drops(self.base_probability, self.probabilities)

    @property
    def n_subsets(self) -> NDArray[np.int64]:
        """Number of subsets with 1, ..., n components."""
        return np.bincount(self.sizes, minlength=self.n + 1)[1:].astype(np.int64)

    @property
    def is_exact(self) -> NDArray[np.bool_]:
        """Whether all subsets of the size are present, not a sample."""
        possible = [comb(self.n, size) for size in range(1, self.n + 1)]
        # an object array: the numbers exceed 64 bits
        return np.asarray(np.array(possible, dtype=object) == self.n_subsets, dtype=bool)

    @property
    def mean(self) -> NDArray[np.float64]:
        """Mean dProb with 1, ..., n components suppressed."""
        return relative_drops(self.base_probability, self._means(self.probabilities))

    @property
    def std(self) -> NDArray[np.float64]:
        """Standard deviation of dProb over the subsets of each size."""
        around = self.probabilities - self._means(self.probabilities)[self.sizes - 1]
        if not self.base_probability > 0:
            return np.full(self.n, np.nan)
        with np.errstate(over="ignore"):
            return np.asarray(np.sqrt(self._means(around**2)) / self.base_probability)

    def _means(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        sums = np.bincount(self.sizes, weights=values, minlength=self.n + 1)[1:]
        return np.asarray(sums / self.n_subsets)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per number of suppressed components.

        The columns are ``n_suppressed``, ``mean`` and ``std`` of dProb, ``n_subsets`` and
        ``exact``.
        """
        import pandas as pd

        return pd.DataFrame(
            {
                "n_suppressed": np.arange(1, self.n + 1),
                "mean": self.mean,
                "std": self.std,
                "n_subsets": self.n_subsets,
                "exact": self.is_exact,
            }
        )


class Suppressions:
    """Probabilities of one fact's answer with sets of neurons suppressed, each computed once.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
    neurons : NeuronSet
        The neurons of which the sets consist.
    positions, reduce
        As in :class:`~neurotopo.DKNFinder`.
    value : float, array-like or mapping, optional
        Values of suppressed neurons instead of 0, a number or one for each of ``neurons`` (for
        example their means), as in :class:`~neurotopo.Edit`.

    Attributes
    ----------
    n_calls : int
        Number of calls to the model so far.
    """

    def __init__(
        self,
        model: NeuronModel,
        fact: FactLike,
        neurons: NeuronSet,
        positions: Literal["all", "last"] = "all",
        reduce: Literal["best", "sum"] = "best",
        *,
        value: Any = None,
    ) -> None:
        self.model = model
        self.fact = fact
        self.neurons = neurons
        self.positions = positions
        self.reduce = reduce
        self._values: NDArray[np.float64] | None = None
        if value is not None:
            from neurotopo.models.edits import Edit

            edit = Edit(neurons, value=value)
            if edit.needs_fact:
                raise ValueError("value must be a number, or one number for each neuron.")
            self._values = edit.columns[:, 0]
        self.n_calls = 0
        self._known: dict[bytes, float] = {}

    @property
    def n_sets(self) -> int:
        """Number of sets evaluated so far."""
        return len(self._known)

    def ask(self, rows: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Return the probability under suppression of each set, a row of the boolean array."""
        keys = [row.tobytes() for row in rows]
        known = self._known
        unknown = list(
            {k: row for k, row in zip(keys, rows, strict=True) if k not in known}.items()
        )
        for start in range(0, len(unknown), _ROWS_PER_CALL):
            part = unknown[start : start + _ROWS_PER_CALL]
            values = self._probabilities([row for _, row in part])
            self._known.update(zip((key for key, _ in part), values.tolist(), strict=True))
        return np.array([self._known[key] for key in keys], dtype=np.float64)

    def _probabilities(self, rows: list[NDArray[np.bool_]]) -> NDArray[np.float64]:
        from neurotopo.models.edits import Edit

        replaced = self._values
        edits: list[Edit] = [
            Edit(
                self.neurons[row],
                positions=self.positions,
                value=None if replaced is None else replaced[row],
            )
            for row in rows
        ]
        self.n_calls += 1
        values = self.model.answer_probability(self.fact, edits=edits, reduce=self.reduce)
        values = np.asarray(values, dtype=np.float64)
        if np.isnan(values).any():
            suppressed = self.neurons[rows[int(np.isnan(values).argmax())]]
            raise ValueError(
                f"{describe_fact(self.fact)}: the probability of the answer with "
                f"{len(suppressed)} neurons suppressed, {suppressed}, is nan."
            )
        return values
