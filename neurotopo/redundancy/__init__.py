"""Whether groups of neurons of one fact add up, replace each other, or need each other."""

from neurotopo.redundancy.ablation import Ablation, RelationValues, counterfactual_of
from neurotopo.redundancy.lattice import Lattice
from neurotopo.redundancy.paths import PathScores, path_scores
from neurotopo.redundancy.scores import Scores, chosen_foils, fact_scores

__all__ = [
    "Ablation",
    "Lattice",
    "PathScores",
    "RelationValues",
    "Scores",
    "chosen_foils",
    "counterfactual_of",
    "fact_scores",
    "path_scores",
]
