"""A new study is one class in one file, and runs like the built-in ones."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd
import pytest

import neurotopo as nt
from neurotopo.models.examples import random_model
from neurotopo.studies import Study, Table, register_study
from neurotopo.studies import study as registry
from neurotopo.studies.study import StudyOptions

FACTS = [nt.Fact(f"The capital of {name} is _X_", "Paris", id=name) for name in ("fr", "pe", "cl")]


@dataclass(frozen=True)
class LengthOptions(StudyOptions):
    """Options of the toy study."""

    factor: int = 2

    QUICK = {"factor": 1}


class Lengths(Study):
    """How long are prompts?"""

    name, title, Options = "lengths", "How long are prompts?", LengthOptions
    tables = {"mean": lambda frame: Table(pd.DataFrame({"mean": [frame["n"].mean()]}), "Mean")}

    def setup(self):
        self.n_layers = self.model.n_layers

    def measure(self, fact):
        return {"n": self.options.factor * len(fact.prompt.split()), "layers": self.n_layers}

    def findings(self, frame, tables):
        return (f"A prompt has {tables['mean'].frame['mean'][0]:.0f} words.",)


@pytest.fixture
def lengths(monkeypatch):
    monkeypatch.setattr(registry, "_registered", {})
    register_study(Lengths)


@pytest.mark.usefixtures("lengths")
def test_it_runs_by_its_name_writes_a_report_and_resumes(tmp_path):
    result = nt.studies.run("lengths", model=random_model(), facts=FACTS, out=tmp_path)
    assert result.findings == ("A prompt has 12 words.",)
    assert result.rows["layers"].tolist() == [random_model().n_layers] * 3
    assert (tmp_path / "tables" / "mean.csv").read_text().splitlines()[1] == "12.0"
    again = nt.studies.run("lengths", model=random_model(), facts=FACTS, out=tmp_path)
    assert again.outcome.n_there == 3
    assert nt.studies.report(tmp_path).findings == result.findings
    quick = nt.studies.run("lengths", model=random_model(), facts=FACTS, quick=True)
    assert quick.findings == ("A prompt has 6 words.",)


@pytest.mark.usefixtures("lengths")
def test_its_options_are_checked():
    with pytest.raises(ValueError, match="'lengths' has no option 'tau'; options are: factor"):
        nt.studies.run("lengths", model=random_model(), facts=FACTS, tau=1)


def test_names_of_built_in_studies_are_taken():
    class Copy(Lengths):
        name = "acquisition"

    with pytest.raises(ValueError, match="the study 'acquisition' is registered already"):
        register_study(Copy)
    with pytest.raises(ValueError, match="there is no study 'lengths'"):
        nt.studies.run("lengths", model=random_model(), facts=FACTS)
