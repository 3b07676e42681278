"""Scores of a fact with every subset of groups ablated, and what they say about redundancy."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["Lattice"]

_ROUNDING = 1e-6


@dataclass(frozen=True, eq=False)
class Lattice:
    r"""Scores of an answer with every subset of groups ablated, or with a sample of subsets.

    Write :math:`v(S)` for the score with the groups of S ablated, and
    :math:`w(S) = v(\emptyset) - v(S)` for the effect of S.

    Attributes
    ----------
    subsets : ndarray of bool, shape (m, n)
        Membership of the n groups in the m subsets, as
        :func:`~neurotopo.knowledge.suppression.subsets` returns them.
    scores : ndarray of float64, shape (m,)
        The score with each subset ablated.
    base : float
        The score with nothing ablated.

    Examples
    --------
    Two groups of which either one suffices:

    >>> import numpy as np
    >>> from neurotopo.knowledge.suppression import subsets
    >>> from neurotopo.redundancy import Lattice
    >>> either = Lattice(subsets(2), np.array([3.0, 3.0, 0.0]), 3.0)
    >>> either.necessity, either.effects, either.rho, either.shapley
    (3.0, array([0., 0.]), 1.0, array([1.5, 1.5]))

    Two groups that need each other:

    >>> both = Lattice(subsets(2), np.array([0.0, 0.0, 0.0]), 3.0)
    >>> both.rho, float(both.interactions[0, 1])
    (-1.0, -3.0)
    """

    subsets: NDArray[np.bool_]
    scores: NDArray[np.float64]
    base: float

    def __post_init__(self) -> None:
        if self.subsets.ndim != 2 or self.scores.shape != self.subsets.shape[:1]:
            raise ValueError(
                f"scores must be one number per subset, got shapes {self.scores.shape} and "
                f"{self.subsets.shape}."
            )
        sizes = self._sizes
        for size, what in ((1, "each single group"), (self.n, "all groups together")):
            present = int((sizes == size).sum())
            if present != (self.n if size == 1 else 1):
                raise ValueError(f"subsets must contain {what} exactly once.")

    @property
    def n(self) -> int:
        """Number of groups."""
        return int(self.subsets.shape[1])

    @property
    def _sizes(self) -> NDArray[np.int64]:
        return self.subsets.sum(axis=1, dtype=np.int64)

    @property
    def _drops(self) -> NDArray[np.float64]:
        return np.asarray(self.base - self.scores)

    @property
    def necessity(self) -> float:
        """Fall of the score with all groups ablated."""
        return float(self._drops[self._sizes == self.n][0])

    @property
    def effects(self) -> NDArray[np.float64]:
        """Fall of the score with each group ablated alone, shape (n,)."""
        single = self._sizes == 1
        effects = np.empty(self.n)
        effects[self.subsets[single].argmax(axis=1)] = self._drops[single]
        return effects

    @property
    def redundancy(self) -> float:
        """Necessity minus the sum of the single effects; nan for fewer than two groups.

        0 for groups whose effects add up, above 0 for groups that replace each other, below 0 for
        groups that need each other.
        """
        return self.necessity - float(self.effects.sum()) if self.n > 1 else float("nan")

    @property
    def rho(self) -> float:
        """Redundancy relative to the size of the necessity.

        nan where the necessity is 0 up to rounding: a millionth of the largest score.
        """
        return self.redundancy / abs(self.necessity) if self._acts else float("nan")

    @property
    def _acts(self) -> bool:
        """Whether the groups together change the score by more than rounding."""
        largest = max(abs(self.base), float(np.abs(self.scores).max()))
        return abs(self.necessity) > _ROUNDING * largest

    @property
    def interactions(self) -> NDArray[np.float64]:
        r"""Effect of each pair of groups minus their single effects, shape (n, n).

        :math:`w(\{i, j\}) - w(\{i\}) - w(\{j\})`; nan on the diagonal and for pairs that were not
        sampled. Above 0 for groups that replace each other.
        """
        table = np.full((self.n, self.n), np.nan)
        pair = self._sizes == 2
        members = np.nonzero(self.subsets[pair])[1].reshape(-1, 2)
        i, j = members.T
        effects = self.effects
        table[i, j] = table[j, i] = self._drops[pair] - effects[i] - effects[j]
        return table

    @property
    def shapley(self) -> NDArray[np.float64]:
        r"""Shapley value of each group for the effect w, shape (n,). They sum to the necessity.

        The mean, over the sizes s, of the difference between the mean effect of subsets of size s
        with the group and that of subsets of size s - 1 without it. With all subsets this is the
        Shapley value; with a sample of subsets it is an unbiased estimate, shifted so that the
        values sum to the necessity.

        References
        ----------
        .. [1] L. S. Shapley, "A value for n-person games", Contributions to the Theory of Games
           II, 1953.
        """
        n, sizes, drops = self.n, self._sizes, self._drops
        # row s: sums over the subsets of size s; the empty subset has no effect
        with_it = np.zeros((n + 1, n))
        np.add.at(with_it, sizes, self.subsets * drops[:, None])
        n_with = np.zeros((n + 1, n))
        np.add.at(n_with, sizes, self.subsets.astype(np.float64))
        total = np.bincount(sizes, weights=drops, minlength=n + 1)[:, None]
        count = np.bincount(sizes, minlength=n + 1)[:, None]
        count[0] = 1
        with np.errstate(invalid="ignore", divide="ignore"):
            values = np.asarray(
                (with_it[1:] / n_with[1:] - (total - with_it)[:-1] / (count - n_with)[:-1]).mean(0)
            )
        return np.asarray(values + (self.necessity - values.sum()) / n)

    @property
    def sufficiency(self) -> NDArray[np.float64]:
        """Share of the necessity that each group keeps with all other groups ablated, shape (n,).

        nan where the necessity is 0 up to rounding, and where that subset was not sampled.
        """
        kept = np.full(self.n, np.nan)
        if not self._acts:
            return kept
        if self.n == 1:
            return np.ones(1)
        rest = self._sizes == self.n - 1
        kept[self.subsets[rest].argmin(axis=1)] = self.necessity - self._drops[rest]
        return np.asarray(kept / self.necessity)
