"""Facts for studies, and studies made of two functions."""

from __future__ import annotations

from neurotopo import Fact
from neurotopo.studies import Study

FACTS = [
    Fact(wording.format(land), city, relation="capital")
    for wording in ("The capital of {} is _X_", "The city of {} is _X_")
    for land, city in {"France": "Paris", "Italy": "Rome"}.items()
]


def study_of(name, prepare, summary, stages=("result",), version=1):
    """Return a study with the given ``prepare(model, options)`` and ``summary(rows)``."""
    study = Study()
    study.name, study.stages, study.version = name, tuple(stages), version
    study.prepare, study.summary = prepare, summary
    return study
