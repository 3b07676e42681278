"""Whether groups of neurons of one fact add up, replace each other, or need each other."""

from neurotopo.redundancy.lattice import Lattice
from neurotopo.redundancy.paths import PathScores, path_scores
from neurotopo.redundancy.scores import Scores, chosen_foils, fact_scores

__all__ = ["Lattice", "PathScores", "Scores", "chosen_foils", "fact_scores", "path_scores"]
