"""Degenerate pairs: the answer survives the loss of either neuron, but not of both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.amig import AMIG
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.suppression import Suppressions, relative_drops
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.knowledge.locate import Attributor
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["DegeneratePairs", "degenerate_pairs", "pairs_grid"]

# Columns of the grid that are sums over facts.
_COUNTS = (
    *("n_facts", "n_without_neurons", "n_undefined", "n_facts_degenerate"),
    *("n_neurons", "n_pairs", "n_degenerate", "n_disjoint"),
)


@dataclass(frozen=True, eq=False)
class DegeneratePairs:
    r"""Probabilities of the answer with every neuron and every two neurons of a set suppressed.

    A pair {A, B} is degenerate when either neuron alone can be suppressed, but not both:

    .. math:: p_A \ge (1 - t_{low}) p_0, \quad p_B \ge (1 - t_{low}) p_0, \quad
              p_{AB} < (1 - t_{high}) p_0 .

    Attributes
    ----------
    neurons : NeuronSet
        The k neurons, in the order of the arrays.
    base_probability : float
        The probability :math:`p_0` of the answer when nothing is suppressed.
    singles : ndarray of float64, shape (k,)
        The probability with one neuron suppressed.
    pairs : ndarray of float64, shape (k, k)
        The probability with two neurons suppressed; symmetric, ``singles`` on the diagonal.
    t_low : float
        Largest relative fall that single neurons may cause.
    t_high : float
        Relative fall that the pair must exceed.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.knowledge.pairs import DegeneratePairs
    >>> singles = np.array([0.8, 0.7, 0.3])  # either of the first two is dispensable, not both
    >>> pairs = np.array([[0.8, 0.2, 0.3], [0.2, 0.7, 0.3], [0.3, 0.3, 0.3]])
    >>> result = DegeneratePairs(NeuronSet([(0, 1), (0, 5), (2, 3)]), 0.8, singles, pairs)
    >>> result.n_degenerate, result.found()
    (1, [NeuronSet([(0, 1), (0, 5)])])
    """

    neurons: NeuronSet
    base_probability: float
    singles: NDArray[np.float64]
    pairs: NDArray[np.float64]
    t_low: float = 0.2
    t_high: float = 0.25

    def __post_init__(self) -> None:
        _check_thresholds(self.t_low, self.t_high)
        k = len(self.neurons)
        if self.singles.shape != (k,) or self.pairs.shape != (k, k):
            raise ValueError(
                f"{k} neurons need singles of shape ({k},) and pairs of shape ({k}, {k}), got "
                f"{self.singles.shape} and {self.pairs.shape}."
            )

    @property
    def is_defined(self) -> bool:
        """Whether the answer has a positive probability; if not, no pair is degenerate."""
        return self.base_probability > 0

    @property
    def drops(self) -> NDArray[np.float64]:
        """Relative falls (p0 - p) / p0, shape (k, k); all nan where ``is_defined`` is False."""
        return relative_drops(self.base_probability, self.pairs)

    @property
    def degenerate(self) -> NDArray[np.bool_]:
        """Which pairs are degenerate, shape (k, k); symmetric, False on the diagonal."""
        # For p0 = 0 no pair passes. As t_high >= t_low, no neuron is a pair with itself.
        spared = self.singles >= (1 - self.t_low) * self.base_probability
        falls = self.pairs < (1 - self.t_high) * self.base_probability
        return spared[:, None] & spared[None, :] & falls

    @property
    def n_degenerate(self) -> int:
        """Number of degenerate pairs."""
        return int(self.degenerate.sum()) // 2

    def found(self) -> list[NeuronSet]:
        """Return the degenerate pairs, the largest fall first."""
        first, second = np.nonzero(np.triu(self.degenerate))
        order = np.argsort(self.pairs[first, second], kind="stable")
        return [self.neurons[[a, b]] for a, b in zip(first[order], second[order], strict=True)]

    def disjoint(self) -> list[NeuronSet]:
        """Return degenerate pairs without common neurons.

        Greedy choice by falling effect.
        """
        taken: set[tuple[int, int]] = set()
        chosen = []
        for pair in self.found():
            if taken.isdisjoint(pair):
                taken.update(pair)
                chosen.append(pair)
        return chosen

    def with_thresholds(self, t_low: float, t_high: float) -> DegeneratePairs:
        """Return the same probabilities with other thresholds."""
        return replace(self, t_low=t_low, t_high=t_high)

    def restrict(self, neurons: Iterable[tuple[int, int]]) -> DegeneratePairs:
        """Return the result restricted to some of the neurons."""
        wanted = NeuronSet(neurons)
        if not wanted <= self.neurons:
            raise ValueError(f"neuron {(wanted - self.neurons)[0]} is not among those evaluated.")
        at = np.array([pair in wanted for pair in self.neurons], dtype=bool)
        return replace(
            self, neurons=wanted, singles=self.singles[at], pairs=self.pairs[np.ix_(at, at)]
        )

    def to_pandas(self) -> pd.DataFrame:
        """Return a table of all pairs, the largest fall first.

        ``p_a``, ``p_b`` and ``p_both`` are probabilities; ``drop_a``, ``drop_b`` and ``drop_both``
        are relative falls, nan if the unedited probability is 0.
        """
        import pandas as pd

        a, b = np.triu_indices(len(self.neurons), 1)
        order = np.argsort(self.pairs[a, b], kind="stable")
        a, b = a[order], b[order]
        drops = self.drops
        return pd.DataFrame(
            {
                "layer_a": self.neurons.layers[a],
                "index_a": self.neurons.indices[a],
                "layer_b": self.neurons.layers[b],
                "index_b": self.neurons.indices[b],
                "p_a": self.singles[a],
                "p_b": self.singles[b],
                "p_both": self.pairs[a, b],
                "drop_a": drops[a, a],
                "drop_b": drops[b, b],
                "drop_both": drops[a, b],
                "degenerate": self.degenerate[a, b],
            }
        )


def degenerate_pairs(
    model: NeuronModel,
    fact: FactLike,
    neurons: Iterable[tuple[int, int]],
    *,
    scores: Attribution | NDArray[np.float64] | None = None,
    n: int | None = 20,
    t_low: float = 0.2,
    t_high: float = 0.25,
    positions: Literal["all", "last"] = "last",
    reduce: Literal["best", "sum"] = "best",
) -> DegeneratePairs:
    """Find the degenerate pairs of a set of neurons by suppression.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
    neurons : NeuronSet or iterable of (layer, index)
        Knowledge neurons of the fact. With fewer than two there are no pairs.
    scores : Attribution or ndarray of shape (n_layers, n_neurons), optional
        Scores by which n neurons are selected. Required for more than n neurons.
    n : int or None, default=20
        Largest number of neurons; those with the highest scores are kept. None: all. The number
        of pairs grows with its square.
    t_low : float, default=0.2
        Largest relative fall that single neurons may cause.
    t_high : float, default=0.25
        Relative fall that a pair must exceed; at least ``t_low``.
    positions, reduce
        As in :class:`~neurotopo.DKNFinder`.

    Returns
    -------
    DegeneratePairs

    References
    ----------
    .. [1] Y. Chen, P. Cao, Y. Chen, K. Liu, J. Zhao, "Journey to the Center of the Knowledge
       Neurons", AAAI 2024.

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.knowledge.pairs import degenerate_pairs
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
    >>> attribution = AMIG.fast().attribute(model, fact)
    >>> result = degenerate_pairs(model, fact, attribution.neurons(), scores=attribution, n=6)
    >>> result.pairs.shape, len(result.to_pandas())
    ((6, 6), 15)
    """
    _check_thresholds(t_low, t_high)
    chosen = _top(NeuronSet(neurons), scores, n, fact)
    base, singles, pairs = _probabilities(model, fact, chosen, positions, reduce)
    return DegeneratePairs(chosen, base, singles, pairs, t_low, t_high)


def pairs_grid(
    model: NeuronModel,
    facts: FactLike | Iterable[FactLike],
    attributor: Attributor | None = None,
    *,
    tau: Sequence[float] = (0.1, 0.2, 0.3),
    t_low: Sequence[float] = (0.05, 0.1, 0.2),
    t_high: Sequence[float] = (0.25, 0.3, 0.5),
    n: int | None = 20,
    positions: Literal["all", "last"] = "last",
    reduce: Literal["best", "sum"] = "best",
) -> pd.DataFrame:
    """Count degenerate pairs over a grid of thresholds.

    Each fact is attributed once, and each probability is computed once; only thresholds vary.

    Parameters
    ----------
    model : NeuronModel
    facts : Fact or iterable of Fact
    attributor : Attributor, optional
        Scores the neurons; its ``rule`` and ``scope`` apply to ``tau``, its threshold is not used.
        Default: ``AMIG.paper()``.
    tau : sequence of float
        Thresholds of attribution.
    t_low, t_high : sequence of float
        Thresholds of single neurons and of pairs, :func:`degenerate_pairs`. Settings with
        ``t_high < t_low`` are skipped.
    n, positions, reduce
        As in :func:`degenerate_pairs`; n applies to each ``tau`` separately.

    Returns
    -------
    pandas.DataFrame
        A row per setting: ``tau``, ``t_low``, ``t_high``; the numbers of facts ``n_facts``, of
        those without a neuron ``n_without_neurons``, of those with an answer of probability 0
        ``n_undefined``, and of those with a degenerate pair ``n_facts_degenerate``; and, summed
        over facts, ``n_neurons``, ``n_pairs`` evaluated, ``n_degenerate`` and ``n_disjoint``
        (:meth:`DegeneratePairs.disjoint`).

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.knowledge.pairs import pairs_grid
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
    >>> grid = pairs_grid(model, fact, AMIG.paper(), tau=[0.2, 0.4], t_low=[0.1], t_high=[0.2])
    >>> grid[["tau", "t_low", "t_high", "n_facts"]]
       tau  t_low  t_high  n_facts
    0  0.2    0.1     0.2        1
    1  0.4    0.1     0.2        1
    """
    import pandas as pd

    from neurotopo.knowledge.locate import attributions

    if not len(tau) or not np.isfinite(tau).all():
        raise ValueError(f"tau must be one or more finite numbers, got {list(tau)}.")
    limits = _settings(t_low, t_high)
    attributor = AMIG.paper() if attributor is None else attributor
    listed = list(facts) if isinstance(facts, Iterable) else [facts]
    counts = np.zeros((len(tau), len(limits), len(_COUNTS)), dtype=np.int64)
    for fact, attribution in zip(listed, attributions(model, listed, attributor), strict=True):
        chosen = [
            _top(attribution.neurons(t, attributor.rule, attributor.scope), attribution, n, fact)
            for t in tau
        ]
        union = NeuronSet(pair for neurons in chosen for pair in neurons)
        values = _probabilities(model, fact, union, positions, reduce)
        everything = DegeneratePairs(union, *values, 0.0, 1.0)
        for of_tau, neurons in zip(counts, chosen, strict=True):
            some = everything.restrict(neurons)
            for cell, limit in zip(of_tau, limits, strict=True):
                cell += _counts(some.with_thresholds(*limit))
    rows = [
        (t, *limit, *cell)
        for t, of_tau in zip(tau, counts.tolist(), strict=True)
        for limit, cell in zip(limits, of_tau, strict=True)
    ]
    return pd.DataFrame(rows, columns=["tau", "t_low", "t_high", *_COUNTS])


def _counts(result: DegeneratePairs) -> NDArray[np.int64]:
    """Return the counts of one fact for a row of the grid."""
    k, n_degenerate = len(result.neurons), result.n_degenerate
    of_facts = [1, k == 0, not result.is_defined, n_degenerate > 0]
    return np.array([*of_facts, k, k * (k - 1) // 2, n_degenerate, len(result.disjoint())], int)


def _settings(t_low: Sequence[float], t_high: Sequence[float]) -> list[tuple[float, float]]:
    for name, values in (("t_low", t_low), ("t_high", t_high)):
        for value in values:
            _check_fraction(name, value)
    limits = [(low, high) for low, high in product(t_low, t_high) if high >= low]
    if not limits:
        raise ValueError(f"no t_high in {list(t_high)} reaches a t_low in {list(t_low)}.")
    return limits


def _check_fraction(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be between 0 and 1, got {value}.")


def _check_thresholds(t_low: float, t_high: float) -> None:
    _check_fraction("t_low", t_low)
    _check_fraction("t_high", t_high)
    if t_high < t_low:
        raise ValueError(
            f"t_high = {t_high} is less than t_low = {t_low}: single neurons would count as pairs."
        )


def _top(
    neurons: NeuronSet,
    scores: Attribution | NDArray[np.float64] | None,
    n: int | None,
    fact: FactLike,
) -> NeuronSet:
    """Return the n neurons of the highest scores."""
    if n is not None and n < 1:
        raise ValueError(f"n must be at least 1 or None, got {n}.")
    if n is None or len(neurons) <= n:
        return neurons
    if scores is None:
        raise ValueError(
            f"{describe_fact(fact)}: {len(neurons)} neurons are more than n={n}, and there are "
            "no scores. Pass scores, or n=None for all neurons."
        )
    table = scores.scores if isinstance(scores, Attribution) else np.asarray(scores)
    neurons.check(*table.shape)
    own = table[neurons.layers, neurons.indices]
    if np.isnan(own).any():
        raise ValueError(f"the score of neuron {neurons[int(np.isnan(own).argmax())]} is nan.")
    return neurons[np.argsort(-own, kind="stable")[:n]]


def _probabilities(
    model: NeuronModel,
    fact: FactLike,
    neurons: NeuronSet,
    positions: Literal["all", "last"],
    reduce: Literal["best", "sum"],
) -> tuple[float, NDArray[np.float64], NDArray[np.float64]]:
    """Return the probability with nothing, every neuron and every two neurons suppressed."""
    k = len(neurons)
    rows = np.zeros((1 + k + k * (k - 1) // 2, k), dtype=bool)
    first, second = np.triu_indices(k, 1)
    rows[np.arange(1, k + 1), np.arange(k)] = True
    rows[np.arange(k + 1, len(rows)), first] = True
    rows[np.arange(k + 1, len(rows)), second] = True
    values = Suppressions(model, fact, neurons, positions, reduce).ask(rows)
    singles = values[1 : k + 1]
    matrix = np.diag(singles)
    matrix[first, second] = matrix[second, first] = values[k + 1 :]
    return float(values[0]), singles, matrix
