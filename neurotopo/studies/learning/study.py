"""The study ``learning`` as it is run by name."""

from __future__ import annotations

from typing import Any

from neurotopo.studies.learning.options import LearningOptions
from neurotopo.studies.learning.summary import summarise
from neurotopo.studies.learning.work import prepare, trials
from neurotopo.studies.study import Study

__all__ = ["STUDY"]


class Learning(Study):
    """The study ``learning``."""

    name, title, Options = (
        "learning",
        ("Which neurons to train, so that a model learns new facts and does not forget old ones"),
        LearningOptions,
    )
    unit = "training"
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return what is worked on."""
        return trials(facts, options, seed)


STUDY = Learning
