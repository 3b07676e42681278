"""The result of an attribution: a score for every neuron."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurotopo._upward import Displayed
from neurotopo.knowledge.thresholds import select_neurons, selection_of
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["COARSE", "Attribution"]

COARSE = 0.05
"""A relative gap above this value is reported as a coarse integration."""


@dataclass(frozen=True, eq=False)
class Attribution(Displayed):
    """Scores of all neurons for one answer.

    Attributes
    ----------
    scores : ndarray of float64, shape (n_layers, n_neurons)
        The attributions.
    value : float
        The target at the model's own values: a probability, for ``target="log"`` its logarithm,
        for ``"contrast"`` the logarithm of a ratio of probabilities.
    start_values : ndarray of float64, shape (n_layers,)
        The target with the values of one layer at the start of its path. With
        ``baseline="per-token"`` the mean over the paths.
    n_paths : int
        Number of paths per layer that were summed.
    answer : str or tuple of int
        Token ids of the answer.

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.models.examples import random_model
    >>> fact = Fact("The capital of France is _X_", "Paris")
    >>> attribution = AMIG.fast().attribute(random_model(), fact)
    >>> attribution.scores.shape, attribution.relative_gap < 0.01
    ((3, 24), True)
    >>> len(attribution.neurons(3, rule="top")), list(attribution.to_pandas(3))
    (3, ['layer', 'index', 'score'])
    """

    scores: NDArray[np.float64]
    value: float
    start_values: NDArray[np.float64]
    n_paths: int
    answer: tuple[int, ...]

    @property
    def _differences(self) -> NDArray[np.float64]:
        return np.asarray(self.n_paths * (self.value - self.start_values))

    @property
    def completeness_gap(self) -> NDArray[np.float64]:
        """Sum of each layer's scores minus the difference of the target along its path.

        Zero for an exact integral.
        """
        return np.asarray(self.scores.sum(axis=1) - self._differences)

    @property
    def completeness_error(self) -> NDArray[np.float64]:
        """Size of each layer's gap relative to the difference of the target along its own path.

        0 for no gap. Large for a layer that hardly changes the target: then the gap may be nothing
        but rounding; :attr:`relative_gap` is relative to the greatest difference of any layer.
        """
        gap = np.abs(self.completeness_gap)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(gap == 0, 0.0, gap / np.abs(self._differences))

    @property
    def relative_gap(self) -> float:
        """Greatest gap of a layer relative to the greatest difference of the target in any layer.

        Large where the integration was coarse, or where the model's numbers are rounded to half
        precision; nan for an attribution without paths.
        """
        difference = np.abs(self._differences).max()
        gap = np.abs(self.completeness_gap).max()
        return 0.0 if gap == 0 else float(gap / difference) if difference else float("inf")

    def neurons(
        self, threshold: float | None = None, rule: str | None = None, scope: str | None = None
    ) -> NeuronSet:
        """Return the neurons with scores above a threshold (:func:`select_neurons`).

        Without arguments, those of :class:`~neurotopo.AMIG` with its defaults.
        """
        return select_neurons(self.scores, **selection_of(threshold, rule, scope))

    def to_pandas(self, n: int | None = None) -> pd.DataFrame:
        """Return the neurons in descending order of score, the first n of them."""
        import pandas as pd

        order = np.argsort(-self.scores, axis=None, kind="stable")[:n]
        layer, index = np.unravel_index(order, self.scores.shape)
        scores = self.scores.reshape(-1)[order]
        return pd.DataFrame({"layer": layer, "index": index, "score": scores})
