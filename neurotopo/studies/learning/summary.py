"""What is made of the rows of the learning study."""

from __future__ import annotations

from neurotopo.studies.findings import ALPHA
from neurotopo.studies.learning.findings import findings_of
from neurotopo.studies.learning.pictures import pictures_of
from neurotopo.studies.learning.rows import collect
from neurotopo.studies.learning.tables import tables_of
from neurotopo.studies.summarising import Summarise

__all__ = ["TITLE", "summarise"]

TITLE = "Degenerate knowledge neurons: does training them teach new facts and keep the old ones"
"""What the study asks."""

_NOTES = (
    "Arms. dkn, Θ(D): the degenerate knowledge neurons of the old facts. kn, Θ(N): as many "
    "knowledge neurons that are not degenerate; where there are too few, DKNs are added, as in the "
    "paper. random, Θ(Rnd): as many random neurons. random_layers, Θ(Rnd by layer): random "
    "neurons, as many in each layer as D has. all, Θ(All): all parameters of the model. lora: "
    "low-rank additions to the MLPs, with as many trained parameters as Θ(D).",
    "All arms begin from the same model, which was first trained on the old facts until it knew "
    "them, and get the same texts, the same most epochs and the same hyperparameters. None was "
    "tuned for an arm: an arm, LoRA say, may do better with a learning rate of its own.",
    "The rule that stops training early is the same for all arms. It looks at the mean training "
    "loss of an epoch only, never at the questions that the arms are compared by.",
    "The answers to the new facts are counterfactual, so that no model can know them beforehand. "
    "new: questions as they are asked of old facts; au: the same in other words; old: the facts "
    "known before. Exact match: the answer written greedily is one of the valid answers. First "
    "token: the likeliest next token is the first of any valid answer.",
    "A seed is one order of the texts, one dropout, one draw of random neurons and of those added "
    "or left out to match sizes, and one start of LoRA. D is found once, so intervals over seeds "
    "say nothing about finding other DKNs.",
    f"A difference is claimed at the level {ALPHA} after Holm's correction, paired by fact on the "
    "means over seeds. What trials cost and how they were set up is in the table trials and in "
    "results.sqlite.",
)

summarise = Summarise(
    TITLE,
    _NOTES,
    collect,
    tables_of,
    findings_of,
    lambda found, tables: pictures_of(found),
    rows=lambda found: found.facts,
)
