"""The demonstration on the shipped models, with a few facts."""

from __future__ import annotations

import json

import pandas as pd
import pytest

from neurotopo.cli import main
from neurotopo.commands.demo import MODELS, _conclusion, fact_in_full
from neurotopo.studies import Study, read_run
from neurotopo.studies.acquisition.study import Acquisition


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    out = tmp_path_factory.mktemp("demo")
    with pytest.MonkeyPatch.context() as patch:  # the demo shows this picture of each study
        patch.setattr(Acquisition, "pictures", {"figure4": Acquisition.pictures["figure4"]})
        assert main(["demo", "--out", str(out), "--facts", "3"]) == 0
    return out


def test_the_files(folder):
    assert (folder / "report.html").is_file()
    for name in MODELS:
        assert (folder / name / "report.html").is_file()
        about = read_run(folder / name / "run.json")
        assert (about["n_done"], about["options"]["scope"]) == (3, "layer")
    for step in ("neurons", "graph", "diagram", "growth", "curve"):
        assert (folder / "figures" / f"fact_{step}.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_says_what_was_found(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "Are NTC&#39;s clusters more degenerate than random groups" in page
    for name, what in MODELS.items():
        assert f"testbed:{name}" in page
        assert what in page


def test_the_table_is_that_of_the_studies(folder):
    table = pd.read_csv(folder / "tables" / "models.csv")
    for name in MODELS:
        own = pd.read_csv(folder / name / "tables" / "controls.csv")
        own = own[own["measure"] == "all potential"].drop(columns="measure")
        shown = table[table["model"] == f"testbed:{name}"].drop(columns="model")
        assert len(shown) >= 5
        pd.testing.assert_frame_equal(
            shown.reset_index(drop=True), own.reset_index(drop=True), check_dtype=False
        )
    assert set(table.loc[table["method"] == "oracle", "model"]) == {"testbed:planted"}


def test_a_second_time_nothing_is_done_again(folder, capsys, monkeypatch):
    monkeypatch.setattr(Study, "draw", lambda *_: {})
    assert main(["demo", "--out", str(folder), "--facts", "3"]) == 0
    assert read_run(folder / "planted" / "run.json")["n_there"] == 3
    assert "report.html" in capsys.readouterr().out


def test_the_fact_that_is_shown():
    shown = fact_in_full(seed=1)
    assert shown.dkn.n >= 2
    assert [len(group) for group in shown.random.components] == [
        len(group) for group in shown.dkn.components
    ]
    assert shown.random.union <= shown.dkn.neurons
    (explored,) = shown.explorer["facts"]
    assert explored["key"] == shown.fact.key
    assert (explored["neurons"], explored["components"]) == (len(shown.dkn.neurons), shown.dkn.n)
    ntc, random, *_ = explored["curves"]
    # the same numbers as in the pictures, whose random groups go through no filter
    assert ntc["values"] == pytest.approx(shown.dkn.curve, rel=1e-4)
    assert random["values"] == pytest.approx(shown.random.curve, rel=1e-12)
    assert random["name"].endswith("without a filter")


def test_the_page_lets_the_fact_be_explored(folder):
    page = (folder / "report.html").read_text(encoding="utf-8")
    data = json.loads(page.partition('id="facts-data">')[2].partition("</script>")[0])
    assert len(data["facts"]) == 1
    assert data["facts"][0]["graph"]["kind"] == "neurotopo.explorer"
    own = (folder / "planted" / "report.html").read_text(encoding="utf-8")
    assert 'id="facts-data"' in own


DIFFERENCE = {"difference": 5.0, "low": 4.0, "high": 6.0, "margin": 1.0}


@pytest.mark.parametrize(
    ("p", "said"),
    [
        ({"planted": 1e-4, "gpt2": 0.5, "null": 0.5}, "finds none in the ordinary model"),
        ({"planted": 1e-4, "gpt2": 1e-5, "null": 0.5}, "has degenerate groups"),
        ({"planted": 1e-4, "gpt2": 1e-5, "null": 1e-5}, "no claim about NTC is made"),
        ({"planted": 0.3, "gpt2": 1e-5, "null": 0.5}, "no claim about NTC is made"),
    ],
)
def test_a_claim_needs_a_yes_on_planted_and_a_no_on_null(p, said):
    rows = pd.DataFrame(
        [
            {"model": name, "method": "ntc", "n": 20, "p": value, **DIFFERENCE}
            for name, value in p.items()
        ]
    )
    assert said in _conclusion(rows)


def test_a_folder_that_is_a_file(tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert main(["demo", "--out", str(tmp_path / "file")]) == 2
    assert capsys.readouterr().err.count("\n") == 1
