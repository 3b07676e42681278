"""What an edit does to clean and faulty prompts: the paper's measures, and what they leave out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["MEASURES", "log_odds", "measures"]

MEASURES = {
    "dprob": "dProb: (Prob(Q) - Prob(Q*)) / Prob(Q), both under the edit",
    "dprob_ref": "dProb_ref: (Prob(Q) without edit - Prob(Q*) under it) / Prob(Q) without edit",
    "log_odds": "extra fall: by how much more the log-odds of Q* fall than those of Q",
    "gained": "of Q* answered wrongly without edit, the share answered rightly under it",
    "lost": "of Q* answered rightly without edit, the share answered wrongly under it",
    "net": "accuracy on all Q* under the edit, minus that without",
}
"""What each measure is, by name."""

_LEAST = 1e-6  # probabilities are kept so far from 0 and 1; beyond it they are rounding


def log_odds(probability: ArrayLike) -> NDArray[np.float64]:
    """Return log(p / (1 - p)), of probabilities kept a millionth away from 0 and 1.

    Examples
    --------
    >>> from neurotopo.studies.robustness.measures import log_odds
    >>> log_odds([0.5, 0.75])
    array([0.   , 1.099])
    """
    p = np.clip(np.asarray(probability, dtype=np.float64), _LEAST, 1 - _LEAST)
    return np.asarray(np.log(p) - np.log1p(-p))


def measures(
    base: ArrayLike, base_right: ArrayLike, edited: ArrayLike, edited_right: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    r"""Return the measures of one edit for each faulty prompt.

    Parameters
    ----------
    base, edited : array-like, shape (1 + m,)
        The answer's probability without the edit and under it, after the clean prompt Q and then
        after each faulty prompt Q*.
    base_right, edited_right : array-like of bool, shape (1 + m,)
        Whether the answer is given.

    Returns
    -------
    dict of str to ndarray of float64, shape (m,)
        By the names of :data:`MEASURES`. nan where there is nothing to measure: a probability of
        0 to divide by, a prompt that was right before (``"gained"``) or wrong (``"lost"``).

    References
    ----------
    .. [1] Y. Chen et al., "Cracking Factual Knowledge: A Comprehensive Analysis of Degenerate
       Knowledge Neurons in Large Language Models", ACL 2025, section 5 and appendix I.

    Examples
    --------
    >>> from neurotopo.studies.robustness.measures import measures
    >>> found = measures([0.8, 0.4], [True, True], [0.4, 0.1], [True, False])
    >>> found["dprob"], found["dprob_ref"], found["lost"]
    (array([0.75]), array([0.875]), array([1.]))
    """
    before, after = np.asarray(base, dtype=np.float64), np.asarray(edited, dtype=np.float64)
    was = np.asarray(base_right, dtype=bool)[1:]
    is_ = np.asarray(edited_right, dtype=bool)[1:].astype(np.float64)
    fall = log_odds(before) - log_odds(after)
    return {
        "dprob": _relative(after[0], after[1:]),
        "dprob_ref": _relative(before[0], after[1:]),
        "log_odds": fall[1:] - fall[0],
        "gained": np.where(was, np.nan, is_),
        "lost": np.where(was, 1 - is_, np.nan),
        "net": is_ - was,
    }


def _relative(clean: float, faulty: NDArray[np.float64]) -> NDArray[np.float64]:
    if not clean > 0:
        return np.full(len(faulty), np.nan)
    with np.errstate(over="ignore"):  # of a probability that is all but 0
        return np.asarray((clean - faulty) / clean)
