"""Studies made of two functions."""

from __future__ import annotations

from neurotopo.studies import Study


def study_of(name, prepare, summary, stages=("result",), version=1):
    """Return a study with the given ``prepare(model, options)`` and ``summary(rows)``."""
    study = Study()
    study.name, study.stages, study.version = name, tuple(stages), version
    study.prepare, study.summary = prepare, summary
    return study
