"""Readers of data sets of facts, and changed facts: perturbed, reworded, with wrong answers.

Readers return a :class:`Dataset`: a :class:`~neurotopo.FactSet` with the skipped records and with
all answers that are true at any date, so that none counts as wrong.
"""

from neurotopo.datasets.blimp import MinimalPair, MinimalPairs, load_blimp
from neurotopo.datasets.counterfact import CounterFact, load_counterfact
from neurotopo.datasets.dataset import Dataset, Skipped, truth_of
from neurotopo.datasets.factworld import load_factworld
from neurotopo.datasets.formats import FORMATS, format_of, load_facts
from neurotopo.datasets.known import KnownFacts, known_facts
from neurotopo.datasets.lama import Reworded, load_mlama, load_pararel
from neurotopo.datasets.perturbation import PERTURBATIONS, perturb, perturb_all
from neurotopo.datasets.prompts import causal_fact
from neurotopo.datasets.relations import TEMPLAMA, Relation
from neurotopo.datasets.rewording import narrative, paraphrases, question
from neurotopo.datasets.statistics import Statistics, describe
from neurotopo.datasets.tables import load_csv, load_jsonl
from neurotopo.datasets.templama import load_templama
from neurotopo.datasets.wrong import counterfactual_answers, wrong_fact, wrong_facts
from neurotopo.knowledge.truth import Truth

__all__ = [
    "FORMATS",
    "PERTURBATIONS",
    "TEMPLAMA",
    "CounterFact",
    "Dataset",
    "KnownFacts",
    "MinimalPair",
    "MinimalPairs",
    "Relation",
    "Reworded",
    "Skipped",
    "Statistics",
    "Truth",
    "causal_fact",
    "counterfactual_answers",
    "describe",
    "format_of",
    "known_facts",
    "load_blimp",
    "load_counterfact",
    "load_csv",
    "load_facts",
    "load_factworld",
    "load_jsonl",
    "load_mlama",
    "load_pararel",
    "load_templama",
    "narrative",
    "paraphrases",
    "perturb",
    "perturb_all",
    "question",
    "truth_of",
    "wrong_fact",
    "wrong_facts",
]
