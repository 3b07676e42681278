"""Checked input of the displays: fitted clusterers and merge trees."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["chosen_rows", "chosen_stages", "fitted_clusterer", "given_tree"]


def fitted_clusterer(estimator: Any, display: type) -> NTCClusterer:
    """Check that an estimator is a fitted NTCClusterer."""
    if not isinstance(estimator, NTCClusterer):
        name = estimator.__name__ if isinstance(estimator, type) else type(estimator).__name__
        kind = "the class " if isinstance(estimator, type) else ""
        raise TypeError(
            f"{display.__name__}.from_estimator needs a fitted NTCClusterer, got {kind}{name}."
        )
    check_is_fitted(estimator, "merge_tree_")
    return estimator


def given_tree(tree: Any, display: type) -> MergeTree:
    """Check that an object is a merge tree."""
    if not isinstance(tree, MergeTree):
        raise TypeError(f"{display.__name__} needs a MergeTree, got {type(tree).__name__}.")
    return tree


def chosen_rows(clusterer: NTCClusterer) -> NDArray[np.intp]:
    """Return, for every row of ``diagram_``, its position in ``clusters_``, -1 if not chosen."""
    position = np.full(clusterer.merge_tree_.n_nodes, -1, dtype=np.intp)
    position[clusterer.nodes_] = np.arange(clusterer.n_clusters_)
    return position[clusterer.diagram_nodes_]


def chosen_stages(clusterer: NTCClusterer) -> NDArray[np.intp]:
    """Return, for every node of the tree, the chosen cluster that it is a stage of, else -1.

    A cluster is one node; with ``condense=True`` it can be several.
    """
    chosen = np.append(chosen_rows(clusterer), -1)  # the last entry is -1
    return chosen[clusterer.candidates.cluster_of]
