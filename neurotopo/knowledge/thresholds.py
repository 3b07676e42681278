"""Selection of neurons by their scores."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.neurons import NeuronSet

__all__ = [
    "DEFAULT_SELECTION",
    "PAPER_SELECTION",
    "RULES",
    "SCOPES",
    "check_choices",
    "check_threshold",
    "fill_selection",
    "select_neurons",
    "selection_of",
]

DEFAULT_SELECTION: Mapping[str, Any] = {"threshold": 8, "rule": "top", "scope": "layer"}
"""The neurons of a fact if neither threshold, rule nor scope is given."""

PAPER_SELECTION: Mapping[str, Any] = {"threshold": 0.2, "rule": "relative", "scope": "model"}
"""The selection of the paper's authors, and the values of what is left out of a selection."""

RULES = ("relative", "absolute", "percentile", "top", "mass")
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
    rule : {"relative", "absolute", "percentile", "top", "mass"}, default="relative"
        ``"relative"``: scores above ``threshold`` times the greatest; ``"absolute"``: scores
        above ``threshold``; ``"percentile"``: scores above that percentile of all; ``"top"``: the
        ``threshold`` greatest, without a tie at the end that exceeds this number; ``"mass"``: the
        fewest of the greatest whose sum is at least ``threshold`` times the sum of all positive
        scores, with all of a tie at the end.
    scope : {"model", "layer"}, default="model"
        Whether the rule applies to all neurons together or to each layer separately.

    Returns
    -------
    NeuronSet
        Empty where no score is positive.

    Notes
    -----
    Thresholds of ``"top"`` with ``scope="layer"`` and of ``"mass"`` mean the same in models of
    different sizes. A share of the greatest score does not: it depends on one neuron.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.knowledge.thresholds import select_neurons
    >>> scores = np.array([[0.1, 1.0], [0.3, -2.0]])
    >>> select_neurons(scores, 0.2)
    NeuronSet([(0, 1), (1, 0)])
    >>> select_neurons(scores, 1, "top", scope="layer")
    NeuronSet([(0, 1), (1, 0)])
    >>> select_neurons(scores, 0.7, "mass")  # 1.0 of 1.4
    NeuronSet([(0, 1)])
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


def selection_of(
    threshold: Any = None, rule: str | None = None, scope: str | None = None
) -> dict[str, Any]:
    """Return a selection in full.

    Parameters
    ----------
    threshold : float or mapping, optional
    rule, scope : str, optional
        Without any of the three, :data:`DEFAULT_SELECTION`. Otherwise what is missing is that of
        :data:`PAPER_SELECTION`.

    Returns
    -------
    dict

    Examples
    --------
    >>> from neurotopo.knowledge.thresholds import selection_of
    >>> selection_of()
    {'threshold': 8, 'rule': 'top', 'scope': 'layer'}
    >>> selection_of(0.1)
    {'threshold': 0.1, 'rule': 'relative', 'scope': 'model'}
    """
    given = {"threshold": threshold, "rule": rule, "scope": scope}
    chosen = {name: value for name, value in given.items() if value is not None}
    return {**(PAPER_SELECTION if chosen else DEFAULT_SELECTION), **chosen}


def fill_selection(owner: Any) -> None:
    """Set those of the fields threshold, rule and scope of a frozen dataclass that are None."""
    given = {name: getattr(owner, name) for name in PAPER_SELECTION}
    for name, value in selection_of(**given).items():
        object.__setattr__(owner, name, value)


def check_threshold(threshold: float, rule: str) -> None:
    """Raise a ValueError for a threshold outside the range of its rule."""
    if rule not in RULES:
        raise ValueError(f"rule must be one of {', '.join(RULES)}, got {rule!r}.")
    fits, wanted = {
        "relative": (0 <= threshold <= 1, "a threshold between 0 and 1"),
        "mass": (0 <= threshold <= 1, "a share between 0 and 1"),
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
    if rule == "mass":
        return _mass_bar(scores, threshold)
    at = len(scores) - int(threshold) - 1
    return float(np.partition(scores, at)[at]) if at >= 0 else 0.0


def _mass_bar(scores: NDArray[np.float64], share: float) -> float:
    """Return the greatest bar above which the scores have a share of the sum of the positive."""
    ranked = np.sort(scores[scores > 0])[::-1]
    if not len(ranked) or share == 0:
        return math.inf
    sums = np.cumsum(ranked)
    # Rounding must not add a neuron where the share is reached exactly.
    last = int(np.searchsorted(sums, share * sums[-1] * (1 - 1e-12)))
    return float(np.nextafter(ranked[last], -math.inf))
