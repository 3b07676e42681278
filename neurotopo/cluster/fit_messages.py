"""Warnings of a fit that leaves the user with little, and their remedies."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["fit_message"]

_MUCH_NOISE = 0.9


def fit_message(clusterer: Any) -> str | None:
    """Return the warning of a fitted :class:`~neurotopo.NTCClusterer`, None if all is well.

    With a precomputed graph and another rule than "auto", many samples in no cluster are usual.
    """
    found, wanted = clusterer.labels_.max() + 1, clusterer.n_clusters
    if wanted is not None and found < wanted:
        return (
            f"Only {found} of n_clusters={wanted} clusters: the tree has no more of at least "
            f"min_cluster_size_={clusterer.min_cluster_size_} samples. A smaller "
            "min_cluster_size or min_samples gives more."
        )
    noise = float(np.mean(clusterer.labels_ < 0))
    usual = clusterer.metric == "precomputed" and clusterer.rule != "auto"
    if noise <= _MUCH_NOISE or usual or len(clusterer.labels_) == 1:
        return None
    structure = getattr(clusterer, "structure_", 0.0)
    if found == 0 and structure > 0:
        return (
            f"No clusters: structure_ = {structure:.2f} does not exceed {clusterer.tau_:.2f}, "
            "which uniform noise exceeds in at most 5 % of cases. To get clusters nevertheless "
            "set tau=0, or ask for a number of them by n_clusters."
        )
    rule = clusterer.rule
    other = "" if rule == "auto" else f'rule="auto" instead of "{rule}", '
    return (
        f"{noise:.0%} of the samples are in no cluster. Remedies: {other}a smaller min_samples or "
        "min_cluster_size, or a number of clusters by n_clusters."
    )
