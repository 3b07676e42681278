"""Diagrams and merge trees of graphs, distances and points."""

from neurotopo.persistence.bootstrap import ConfidenceBand, bottleneck_band
from neurotopo.persistence.build import merge_tree
from neurotopo.persistence.clusters import CandidateClusters, candidate_clusters
from neurotopo.persistence.conversions import (
    DiagramList,
    from_giotto,
    from_gudhi,
    from_ripser,
    to_giotto,
    to_gudhi,
    to_ripser,
)
from neurotopo.persistence.cycles import RepresentativeCycle, representative_cycles
from neurotopo.persistence.diagram_distances import (
    bottleneck_distance,
    bottleneck_distances,
    sliced_wasserstein,
    wasserstein_distance,
    wasserstein_distances,
)
from neurotopo.persistence.diagrams import DIAGRAM_ENGINES, persistence_diagrams
from neurotopo.persistence.engines import ENGINES, minimum_spanning_forest
from neurotopo.persistence.forest import SpanningForest
from neurotopo.persistence.graph_persistence import GraphPersistence
from neurotopo.persistence.inputs import EdgeList, check_distances
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.persistence.modes import ModeTest, mode_test
from neurotopo.persistence.point_cloud_persistence import PointCloudPersistence
from neurotopo.persistence.prominence import prominences, prominent_clusters
from neurotopo.persistence.significance import PermutationTest, benjamini_hochberg, permutation_test
from neurotopo.persistence.tomato import DensityPeaks, tomato
from neurotopo.persistence.vectorize import persistence_image, persistence_landscape
from neurotopo.persistence.vertex_births import distance_to_measure
from neurotopo.persistence.vineyard import Vineyard, vineyard

__all__ = [
    "DIAGRAM_ENGINES",
    "ENGINES",
    "CandidateClusters",
    "ConfidenceBand",
    "DensityPeaks",
    "DiagramList",
    "EdgeList",
    "GraphPersistence",
    "MergeTree",
    "ModeTest",
    "PermutationTest",
    "PointCloudPersistence",
    "RepresentativeCycle",
    "SpanningForest",
    "Vineyard",
    "benjamini_hochberg",
    "bottleneck_band",
    "bottleneck_distance",
    "bottleneck_distances",
    "candidate_clusters",
    "check_distances",
    "distance_to_measure",
    "from_giotto",
    "from_gudhi",
    "from_ripser",
    "merge_tree",
    "minimum_spanning_forest",
    "mode_test",
    "permutation_test",
    "persistence_diagrams",
    "persistence_image",
    "persistence_landscape",
    "prominences",
    "prominent_clusters",
    "representative_cycles",
    "sliced_wasserstein",
    "to_giotto",
    "to_gudhi",
    "to_ripser",
    "tomato",
    "vineyard",
    "wasserstein_distance",
    "wasserstein_distances",
]
