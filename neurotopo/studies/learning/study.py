"""The study ``learning`` as it is run by name."""

from __future__ import annotations

from neurotopo.studies.front import Definition
from neurotopo.studies.learning.options import LearningOptions
from neurotopo.studies.learning.summary import summarise
from neurotopo.studies.learning.work import prepare, trials
from neurotopo.studies.runner import Study

__all__ = ["DEFINITION"]

DEFINITION = Definition(
    "Which neurons to train, so that a model learns new facts and does not forget old ones",
    LearningOptions,
    Study("learning", prepare, summarise, unit="training"),
    trials,
)
