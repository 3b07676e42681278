"""Graphs and distances to diagrams and merge trees. Knows nothing of neurons."""

from neurotopo.persistence.engines import ENGINES, minimum_spanning_forest
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.inputs import EdgeList, check_distances
from neurotopo.persistence.merge_tree import MergeTree, merge_tree
from neurotopo.persistence.significance import (
    PermutationTest,
    benjamini_hochberg,
    permutation_test,
)

__all__ = [
    "ENGINES",
    "EdgeList",
    "MergeTree",
    "PermutationTest",
    "SpanningForest",
    "benjamini_hochberg",
    "check_distances",
    "merge_tree",
    "minimum_spanning_forest",
    "permutation_test",
]
