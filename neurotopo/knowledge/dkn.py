"""DKN: the degenerate knowledge neurons of one fact, with all that was measured on the way."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.gcr import gcr, jump, partial_spread, straight_line_gcr
from neurotopo.knowledge.suppression import SuppressionCurve, relative_drops
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["DKN"]

REASONS = (
    "probability zero",
    "no neurons",
    "no potential components",
    "no component passed",
    "extreme change",
    "one component",
    "no spread",
)


@dataclass(frozen=True, eq=False)
class DKN:
    r"""Components that each express a fact alone, and what their suppression does to it.

    Made by :meth:`neurotopo.DKNFinder.find`. Every change of a probability is given as
    :math:`\Delta Prob = (before - after) / before`: a fall is positive and at most 1, a rise is
    negative.

    Attributes
    ----------
    neurons : NeuronSet
        The knowledge neurons that were searched.
    potential : list of NeuronSet
        The potential components, in the order of the clusterer.
    potential_probabilities : ndarray of float64, shape (len(potential),)
        Prob(B): the answer's probability with all neurons of the other potential components
        suppressed and B left alone.
    potential_without : ndarray of float64, shape (len(potential),)
        The probability with B alone suppressed.
    passed : ndarray of bool, shape (len(potential),)
        Which potential components passed the functional filter. They are the components.
    base_probability : float
        Prob(D): the probability with nothing suppressed.
    all_suppressed_probability : float
        Prob of the empty set: all components suppressed. ``base_probability`` where there are
        none.
    potential_suppressed_probability : float
        The probability with all potential components suppressed.
    active_probabilities : ndarray of float64, shape (n,)
        The probability with one component left alone among the components, the others of which
        are suppressed. It differs from ``probabilities`` where a potential component did not pass.
    suppression : SuppressionCurve
        The probability under suppression of every subset of the components, or of a sample.
    tolerance : float
        How close Eq 2 asks probabilities to be.
    contrast : float
        How far apart Eq 3 asks them to be.
    max_change : float
        The limit of Eq 18.

    See Also
    --------
    neurotopo.DKNFinder : Finds them.
    neurotopo.knowledge.gcr.gcr : The ratio.

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, sections 2 and 3, appendix A.2.

    Examples
    --------
    >>> from neurotopo import AMIG, DKNFinder, Fact
    >>> from neurotopo.models.examples import random_model
    >>> model, fact = random_model("gpt2"), Fact("The capital of France is _X_", "Paris")
    >>> found = DKNFinder("kmeans").find(model, fact, AMIG.fast().locate(model, fact))
    >>> found
    DKN(n_components=2 of 2, gcr=...)
    >>> found.curve.shape, len(found.to_pandas())
    ((2,), 2)
    """

    neurons: NeuronSet
    potential: list[NeuronSet]
    potential_probabilities: NDArray[np.float64]
    potential_without: NDArray[np.float64]
    passed: NDArray[np.bool_]
    base_probability: float
    all_suppressed_probability: float
    potential_suppressed_probability: float
    active_probabilities: NDArray[np.float64]
    suppression: SuppressionCurve
    tolerance: float = 0.2
    contrast: float = 0.5
    max_change: float = 9.0

    def __repr__(self) -> str:
        return f"DKN(n_components={self.n} of {len(self.potential)}, gcr={self.gcr:.4g})"

    def __len__(self) -> int:
        return self.n

    @property
    def n(self) -> int:
        """Number of components."""
        return int(self.passed.sum())

    @property
    def components(self) -> list[NeuronSet]:
        """The base degenerate components: the potential ones that passed, in their order."""
        return [group for group, kept in zip(self.potential, self.passed, strict=True) if kept]

    @property
    def union(self) -> NeuronSet:
        """All neurons of the components."""
        return NeuronSet(pair for group in self.components for pair in group)

    @property
    def probabilities(self) -> NDArray[np.float64]:
        """Prob(B) of the components, ``potential_probabilities`` of those that passed."""
        return self.potential_probabilities[self.passed]

    # Degeneracy

    @property
    def is_defined(self) -> bool:
        """Whether the answer has any probability to lose; if not, drops are nan."""
        return self.base_probability > 0

    @property
    def curve(self) -> NDArray[np.float64]:
        """Mean dProb with 1, ..., n components suppressed, shape (n,)."""
        return self.suppression.mean

    @property
    def n_subsets(self) -> NDArray[np.int64]:
        """Number of subsets behind each value of the curve."""
        return self.suppression.n_subsets

    @property
    def gcr(self) -> float:
        """The Generalized Curvature Ratio of the curve, Eq 11; nan where it is undefined."""
        return gcr(self.curve)

    @property
    def gcr_floor(self) -> float:
        """The GCR of a straight line with as many components; nan for fewer than three."""
        return straight_line_gcr(self.n)

    @property
    def sigma(self) -> float:
        """The denominator of the GCR; nan for fewer than three components."""
        return partial_spread(self.curve)

    @property
    def jump(self) -> float:
        """The last step of the curve, dProb_n - dProb_(n-1); nan for fewer than two components."""
        return jump(self.curve)

    @property
    def potential_jump(self) -> float:
        """The last step of the curve of all potential components; nan for fewer than two.

        The filter keeps groups for what they do, so that of random groups those are left which
        happen to work; this is what there was before it.
        """
        if len(self.potential) < 2 or not self.is_defined:
            return math.nan
        left = float(self.potential_probabilities.mean()) - self.potential_suppressed_probability
        with np.errstate(over="ignore"):  # of a probability that is all but 0
            return float(np.float64(left) / self.base_probability)

    @property
    def potential_excluded(self) -> bool:
        """Whether ``potential_jump`` is made of a change beyond Eq 18, or of a probability of 0."""
        after = np.append(self.potential_probabilities, self.potential_suppressed_probability)
        changes = relative_drops(self.base_probability, after)
        return not bool((np.abs(changes) <= self.max_change).all())

    # The functional definition

    @property
    def eq2_gap(self) -> float:
        """Eq 2: greatest relative distance of a component alone from Prob(D); nan for none."""
        if not self.n or not self.is_defined:
            return math.nan
        return float(np.abs(relative_drops(self.base_probability, self.active_probabilities)).max())

    @property
    def satisfies_eq2(self) -> bool:
        """Whether every component alone gives about what all give: ``eq2_gap <= tolerance``.

        False where there is no component.
        """
        return bool(self.eq2_gap <= self.tolerance)

    @property
    def eq3_ratio(self) -> float:
        """Eq 3: the probability with all suppressed, relative to the least of a component alone.

        nan where there is no component; ``inf`` where one gives 0, and nothing gives more.
        """
        if not self.n:
            return math.nan
        least = float(self.active_probabilities.min())
        if least > 0:
            with np.errstate(over="ignore"):
                return float(np.float64(self.all_suppressed_probability) / least)
        return math.inf if self.all_suppressed_probability > 0 else math.nan

    @property
    def satisfies_eq3(self) -> bool:
        """Whether nothing gives far less than any component: ``eq3_ratio <= contrast``.

        False where there is no component.
        """
        return bool(self.eq3_ratio <= self.contrast)

    # What is counted

    @property
    def largest_change(self) -> float:
        """Largest size of dProb on the curve; 0 where there is no component, nan undefined."""
        if not self.is_defined:
            return math.nan
        return float(np.abs(self.curve).max(initial=0.0))

    @property
    def excluded(self) -> bool:
        """Whether the fact is one that the model does not know, to be left out of means.

        That is a probability of 0, or a change of the curve in either direction by more than
        ``max_change`` (Eq 18).
        """
        return self.reason in ("probability zero", "extreme change")

    @property
    def reason(self) -> str | None:
        """Why there is no GCR to count; None if there is one.

        In the order in which they are looked for: ``"probability zero"``, ``"no neurons"``, ``"no
        potential components"``, ``"no component passed"``, ``"extreme change"`` (Eq 18), ``"one
        component"``, ``"no spread"`` (sigma is 0).
        """
        if not self.is_defined:
            return "probability zero"
        if not len(self.neurons):
            return "no neurons"
        if not self.potential:
            return "no potential components"
        if not self.n:
            return "no component passed"
        if self.largest_change > self.max_change:
            return "extreme change"
        if self.n == 1:
            return "one component"
        return "no spread" if math.isnan(self.gcr) else None

    # Tables

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per potential component.

        ``probability`` is that with the component left alone, ``without`` that with it suppressed
        alone, ``drop_without`` the dProb of the latter.

        Returns
        -------
        DataFrame
        """
        import pandas as pd

        sizes = [len(group) for group in self.potential]
        ends = [
            (int(group.layers[0]), int(group.layers[-1])) if len(group) else (-1, -1)
            for group in self.potential
        ]
        return pd.DataFrame(
            {
                "component": np.arange(len(self.potential)),
                "n_neurons": np.array(sizes, dtype=np.int64),
                "first_layer": np.array([first for first, _ in ends], dtype=np.int64),
                "last_layer": np.array([last for _, last in ends], dtype=np.int64),
                "probability": self.potential_probabilities,
                "without": self.potential_without,
                "drop_without": relative_drops(self.base_probability, self.potential_without),
                "passed": self.passed,
            }
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the single subsets as plain numbers and lists, for JSON.

        What is nan or infinite is None.

        Returns
        -------
        dict
        """
        values = {
            "n_neurons": len(self.neurons),
            "n_potential": len(self.potential),
            "n_components": self.n,
            "potential": [[list(pair) for pair in group] for group in self.potential],
            "passed": self.passed.tolist(),
            "potential_probabilities": self.potential_probabilities.tolist(),
            "potential_without": self.potential_without.tolist(),
            "active_probabilities": self.active_probabilities.tolist(),
            "base_probability": self.base_probability,
            "all_suppressed_probability": self.all_suppressed_probability,
            "potential_suppressed_probability": self.potential_suppressed_probability,
            "curve": self.curve.tolist(),
            "n_subsets": self.n_subsets.tolist(),
            "exact": self.suppression.is_exact.tolist(),
            "gcr": self.gcr,
            "gcr_floor": self.gcr_floor,
            "sigma": self.sigma,
            "jump": self.jump,
            "potential_jump": self.potential_jump,
            "eq2_gap": self.eq2_gap,
            "satisfies_eq2": self.satisfies_eq2,
            "eq3_ratio": self.eq3_ratio,
            "satisfies_eq3": self.satisfies_eq3,
            "excluded": self.excluded,
            "reason": self.reason,
        }
        return {name: _plain(value) for name, value in values.items()}


def _plain(value: Any) -> Any:
    """Put None for what JSON has no number for."""
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
