"""Facts for studies, studies made of two functions, and studies in processes that may be killed."""

from __future__ import annotations

import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

import neurotopo
from neurotopo import Fact
from neurotopo.studies import Study, seed_for

ROOT = Path(neurotopo.__file__).parents[1]

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


def cells(table, **where):
    """Return the only row of a table with these cells."""
    frame = table.frame
    for name, value in where.items():
        frame = frame[frame[name] == value]
    assert len(frame) == 1
    return frame.iloc[0]


@dataclass(frozen=True)
class Item:
    """A fact of a key and a number."""

    key: str
    value: int = 0

    def to_dict(self):
        return {"key": self.key, "value": self.value}


def items(n, start=0):
    """Return items whose keys are in another order than their numbers."""
    return [Item(f"fact-{i * 7919 % 1000:03}", i) for i in range(start, n)]


class Counted:
    """A study that counts its calls, and calls a function at one fact."""

    def __init__(self, at=None, what=None, stages=("result",), version=1):
        self.calls, self.prepared = [], []
        self.at, self.what = at, what
        self.study = study_of("counted", self.prepare, self.summary, stages, version)

    def prepare(self, model, options):
        self.prepared.append((model, options))

        def work(fact):
            self.calls.append(fact.key)
            if fact.value == self.at:
                return self.what()
            noise = np.random.default_rng(seed_for(options.get("seed", 0), fact.key)).normal()
            return {"square": fact.value**2, "noise": noise}

        return work

    @staticmethod
    def summary(rows):
        assert len(list(rows)) == len(list(rows))  # more than once
        return [(row.fact, row.payload) for row in rows if row.error is None]


def raises(error):
    """Return a function that raises an error."""

    def function():
        raise error

    return function


def python(script, *arguments, **given):
    """Start a script in a process whose output is read; ``given`` goes to Popen."""
    return subprocess.Popen(
        [sys.executable, "-c", script, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        **given,
    )


def listen_to_ctrl_c():
    """Raise KeyboardInterrupt at Ctrl-C; shells switch it off for processes in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
