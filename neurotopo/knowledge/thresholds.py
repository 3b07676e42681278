"""Selection of neurons by their scores."""

from __future__ import annotations

import math
from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from neurotopo.neurons import NeuronSet

__all__ = ["RULES", "SCOPES", "check_choices", "check_threshold", "select_neurons"]

RULES = ("relative", "absolute", "percentile", "top")
SCOPES = ("model", "layer")


def select_neurons(
    scores: NDArray[np.float64], threshold: float, rule: str = "relative", scope: str = "model"
) -> NeuronSet:
    """Select neurons by their scores. Only positive scores are selected.

    Parameters
    ----------
    scores : ndarray of float64, shape (n_layers, n_neurons)
    threshold : float
        See ``rule``.
    rule : {"relative", "absolute", "percentile", "top"}, default="relative"
        ``"relative"``: scores above ``threshold`` times the greatest; ``"absolute"``: scores
        above ``threshold``; ``"percentile"``: scores above that percentile of all; ``"top"``: the
        ``threshold`` greatest, all of a tie at the end or none.
    scope : {"model", "layer"}, default="model"
        Whether the rule applies to all neurons together or to each layer separately.

    Returns
    -------
    NeuronSet
        Empty where no score is positive.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.knowledge.thresholds import select_neurons
    >>> scores = np.array([[0.1, 1.0], [0.3, -2.0]])
    >>> select_neurons(scores, 0.2)
    NeuronSet([(0, 1), (1, 0)])
    >>> select_neurons(scores, 1, "top", scope="layer")
    NeuronSet([(0, 1), (1, 0)])
    """
    check_threshold(threshold, rule)
    if scope not in SCOPES:
        raise ValueError(f"scope must be 'model' or 'layer', got {scope!r}.")
    if np.isnan(scores).any():
        layer, index = np.argwhere(np.isnan(scores))[0]
        raise ValueError(f"the score of neuron ({layer}, {index}) is nan.")
    groups = scores.reshape(1, -1) if scope == "model" else scores
    bar = np.array([_bar(group, threshold, rule) for group in groups])
    chosen = (groups > np.maximum(bar, 0)[:, None]).reshape(scores.shape)
    return NeuronSet.from_arrays(*np.nonzero(chosen))


def check_threshold(threshold: float, rule: str) -> None:
    """Raise a ValueError for a threshold outside the range of its rule."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}.")
    fits, wanted = {
        "relative": (0 <= threshold <= 1, "a threshold between 0 and 1"),
        "absolute": (math.isfinite(threshold), "a finite threshold"),
        "percentile": (0 <= threshold <= 100, "a percentile between 0 and 100"),
        "top": (0 <= threshold < math.inf and threshold % 1 == 0, "a whole number of neurons"),
    }[rule]
    if not fits:
        raise ValueError(f"rule={rule!r} takes {wanted}, got {threshold}.")


def check_choices(options: object, **choices: Collection[str]) -> None:
    """Raise a ValueError if an attribute is none of its choices."""
    for name, known in choices.items():
        if (value := getattr(options, name)) not in known:
            raise ValueError(f"{name} must be one of {', '.join(known)}, got {value!r}.")


def _bar(scores: NDArray[np.float64], threshold: float, rule: str) -> float:
    """Return the value that a score must exceed."""
    if rule == "absolute":
        return threshold
    if rule == "relative":
        return threshold * max(float(scores.max(initial=0.0)), 0.0)
    if rule == "percentile":
        return float(np.percentile(scores, threshold)) if len(scores) else 0.0
    at = len(scores) - int(threshold) - 1
    return float(np.partition(scores, at)[at]) if at >= 0 else 0.0
