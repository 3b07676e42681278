"""``neurotopo run`` and ``neurotopo report``: files, printed lines and exit status."""

from __future__ import annotations

import shutil

import numpy as np
import pandas as pd
import pytest

from neurotopo import Fact, load_model
from neurotopo.cli import main
from neurotopo.studies import Store, read_run
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from tests.datasets.files import write_lines
from tests.support.commands import (
    BAD,
    CHOSEN,
    FACTS,
    MODEL,
    ONE,
    ROW,
    TWO,
    bytes_of,
    is_one_sentence,
    refuses,
    words,
)


def test_a_run_writes_and_prints_what_it_found(first):
    out, printed = first
    names = {path.relative_to(out).as_posix() for path in out.rglob("*")}
    assert {"results.sqlite", "run.json", "report.html", "rows.csv", "tables/table1.csv"} <= names
    assert any(name.startswith("figures/") and name.endswith(".svg") for name in names)
    lines = printed.splitlines()
    assert lines[0] == "acquisition: 4 of 4 facts done."
    assert lines[1].startswith("- Results for only 4 facts: too few for findings")
    assert all(text.startswith("- ") for text in lines[1:-1])
    assert lines[-1] == f"wrote {out / 'report.html'}"
    rows = pd.read_csv(out / "rows.csv")
    assert set(rows["fact"]) == {fact.key for fact in FACTS}
    assert set(rows["method"]) == {"ntc", "kmeans", "random:ntc", "random:kmeans", "anywhere"}
    page = (out / "report.html").read_text(encoding="utf-8")
    assert lines[1].removeprefix("- ") in page


def test_options_reach_the_run(first):
    about = read_run(first[0] / "run.json")
    expected = AcquisitionOptions.quick(
        tau2=0.4, n_pairs=5, methods=["ntc", "kmeans"], sweep_tau1=[0.4, 0.6], sweep_tau2=[0.3]
    )
    assert about["options"] == expected.to_dict()
    assert about["settings"]["source"] == MODEL
    assert about["settings"]["facts"] == "factworld:4"
    assert about["settings"]["device"] == "cpu"


def test_the_command_is_the_one_that_was_given(first):
    about = read_run(first[0] / "run.json")
    assert about["settings"]["command"] == ["neurotopo", *words(first[0], *CHOSEN)]


def test_the_report_again_is_the_same(first, done, capsys):
    before = bytes_of(done)
    for name in ("report.html", "rows.csv"):
        (done / name).unlink()
    shutil.rmtree(done / "tables")
    shutil.rmtree(done / "figures")
    assert main(["report", str(done)]) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert printed.out.splitlines()[0] == "acquisition: 4 of 4 facts done, 4 of them before."
    assert printed.out.splitlines()[1:-1] == first[1].splitlines()[1:-1]
    assert bytes_of(done) == before


@pytest.mark.usefixtures("no_report")
def test_quiet_prints_only_where_the_report_is(done, capsys):
    assert main(words(done, *CHOSEN, "--quiet")) == 0
    assert tuple(capsys.readouterr()) == (f"{done / 'report.html'}\n", "")
    assert main(["report", str(done), "-q"]) == 0
    assert tuple(capsys.readouterr()) == (f"{done / 'report.html'}\n", "")


@pytest.mark.usefixtures("no_report")
def test_the_same_command_again_does_nothing_again(done, capsys, monkeypatch):
    monkeypatch.setattr(Acquisition, "__call__", None)  # not to be reached
    before = bytes_of(done / "tables")
    assert main(words(done, *CHOSEN)) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "acquisition: 4 of 4 facts have results already."
    assert lines[1] == "acquisition: 4 of 4 facts done, 4 of them before."
    assert bytes_of(done / "tables") == before


@pytest.mark.usefixtures("no_report")
def test_a_run_of_fewer_facts_has_the_same_report_again(done, tmp_path):
    facts = [{**fact.to_dict(), "id": fact.key} for fact in FACTS[:2]]
    write_lines(tmp_path / "facts.jsonl", facts)
    assert main(words(done, *CHOSEN, "-q", facts=tmp_path / "facts.jsonl")) == 0
    before = bytes_of(done)
    assert set(pd.read_csv(done / "rows.csv")["fact"]) == {fact.key for fact in FACTS[:2]}
    assert main(["report", str(done), "-q"]) == 0
    assert bytes_of(done) == before


@pytest.mark.usefixtures("no_report")
def test_a_report_while_a_run_is_writing(done, capsys):
    with Store(done / "results.sqlite"):
        assert main(["report", str(done), "-q"]) == 0
    assert tuple(capsys.readouterr()) == (f"{done / 'report.html'}\n", "")


@pytest.mark.usefixtures("no_report")
def test_a_folder_with_a_strange_name(tmp_path, capsys):
    out = tmp_path / "a #1 ?%41 [ü] & 'b'"
    for given in (words(out, "-q", facts="factworld:1"), ["report", str(out), "-q"]):
        assert main(given) == 0
        assert tuple(capsys.readouterr()) == (f"{out / 'report.html'}\n", "")


@pytest.fixture
def three(tmp_path):
    """A file of three facts, the second with an answer that has no tokens of its own."""
    facts = [{**ONE, "id": "one"}, {**TWO, "id": "two", "answers": [BAD]}, {**TWO, "id": "three"}]
    return write_lines(tmp_path / "three.jsonl", facts)


@pytest.mark.usefixtures("no_report")
def test_a_fact_that_cannot_be_encoded_fails_and_the_others_are_done(three, tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(out, facts=three)) == 0
    printed = capsys.readouterr()
    assert printed.err == ""
    assert "acquisition: 2 of 3 facts done, 1 failed.\n" in printed.out
    said = [text for text in printed.out.splitlines() if "the first, 'two'" in text]
    assert len(said) == 2  # by the check before the run, and at its end
    assert all(BAD in text for text in said)
    assert (out / "report.html").read_text(encoding="utf-8").count("&lt;|endoftext|&gt;")
    rows = pd.read_csv(out / "rows.csv").set_index("fact")
    assert BAD in rows.loc["two", "error"]
    assert rows.loc[["one", "three"], "error"].isna().all()


@pytest.mark.usefixtures("no_report")
def test_failed_facts_again_or_not(three, tmp_path, capsys, at_fact):
    out = tmp_path / "out"
    at_fact("one", ValueError("not today"))
    assert main(words(out, facts=three, model="testbed:gpt2")) == 0
    assert "1 of 3 facts done, 2 failed" in capsys.readouterr().out
    at_fact("none", ValueError("never"))
    assert main(words(out, "--no-retry", facts=three)) == 0
    printed = capsys.readouterr().out
    assert "3 of 3 facts have results already" in printed
    assert "1 of 3 facts done, 3 of them before, 2 failed" in printed
    assert "not today" in printed
    assert main(words(out, "--retry", facts=three)) == 0
    printed = capsys.readouterr().out
    assert "1 of 3 facts has results already" in printed
    assert "2 of 3 facts done, 1 of them before, 1 failed" in printed


@pytest.mark.usefixtures("no_report")
def test_stopping_at_the_first_that_fails(three, tmp_path, capsys):
    out = tmp_path / "out"
    refuses(words(out, "--stop", "-q", facts=three), capsys, "fact 'two' failed: ValueError")
    assert not (out / "report.html").exists()
    assert read_run(out / "run.json")["status"] == "stopped"
    assert main(["report", str(out)]) == 0
    assert "1 of 3 facts done, 2 of them before, 1 failed" in capsys.readouterr().out
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "The run stopped at the first fact that failed." in page
    assert main(words(out, "--stop", "--no-retry", facts=three)) == 0
    assert "2 of 3 facts done, 2 of them before, 1 failed" in capsys.readouterr().out


@pytest.mark.usefixtures("no_report")
def test_status_2_when_every_fact_failed(tmp_path, capsys):
    facts = write_lines(tmp_path / "facts.jsonl", [{**ONE, "answers": [BAD]}])
    out = tmp_path / "out"
    assert main(words(out, facts=facts)) == 2
    printed = capsys.readouterr().out
    assert "acquisition: 0 of 1 fact done, 1 failed" in printed
    assert "holds something that the tokenizer does not know" in printed
    assert (out / "report.html").is_file()
    assert read_run(out / "run.json")["status"] == "complete"
    assert main(words(out, "--no-retry", "-q", facts=facts)) == 2
    assert capsys.readouterr().out == f"{out / 'report.html'}\n"


@pytest.mark.usefixtures("no_report")
def test_a_failure_is_said_even_if_quiet(tmp_path, capsys):
    facts = write_lines(tmp_path / "facts.jsonl", [{**ONE, "answers": [BAD]}])
    assert main(words(tmp_path / "out", "-q", facts=facts)) == 2
    is_one_sentence(capsys.readouterr(), "no fact could be worked on; the first")


@pytest.mark.usefixtures("no_report")
def test_an_interrupted_run_and_its_report(first, tmp_path, capsys, at_fact):
    out = tmp_path / "out"
    at_fact(FACTS[2].key, KeyboardInterrupt())
    assert main(words(out, *CHOSEN)) == 130
    printed = capsys.readouterr()
    assert printed.err == "neurotopo: interrupted; files that were complete are kept.\n"
    assert printed.out.startswith(
        "acquisition: 2 of 4 facts done, interrupted: the same command resumes here.\n"
    )
    written = bytes_of(out)
    page = written[out / "report.html"].decode()
    assert "2 of 4 facts are missing here. The run was interrupted" in page
    assert main(["report", str(out)]) == 0  # nothing else happened to this command
    printed = capsys.readouterr().out
    assert printed.startswith("acquisition: 2 of 4 facts done, 2 of them before, interrupted")
    assert bytes_of(out) == written
    at_fact("none", ValueError("never"))
    assert main(words(out, *CHOSEN, "-q")) == 0
    assert (out / "rows.csv").read_bytes() == (first[0] / "rows.csv").read_bytes()


@pytest.mark.usefixtures("no_report")
def test_a_run_that_was_not_summed_up_is_not_interrupted(tmp_path, capsys, monkeypatch):
    def broken(found, tables):
        raise ValueError("no picture")

    monkeypatch.setattr(Acquisition, "pictures", {"broken": broken})
    out = tmp_path / "out"
    assert main(words(out, facts="factworld:1")) == 2
    monkeypatch.setattr(Acquisition, "pictures", {})
    assert main(["report", str(out)]) == 0
    assert capsys.readouterr().out.startswith("acquisition: 1 of 1 fact done, 1 of them before.")


@pytest.mark.usefixtures("no_report")
def test_facts_with_several_answers(tmp_path):
    fact = FACTS[0]
    others = ["Nobody", *fact.answers]
    files = [
        {"prompt": fact.prompt, "answers": others, "id": "several"},
        {"prompt": fact.prompt, "answers": ["Nobody"], "id": "wrong"},
    ]
    facts = write_lines(tmp_path / "facts.jsonl", files)
    out = tmp_path / "out"
    assert main(words(out, "-q", facts=facts)) == 0
    rows = pd.read_csv(out / "rows.csv").groupby("fact").first()
    model = load_model(MODEL, device="cpu")
    for name, answers in (("several", others), ("wrong", ["Nobody"])):
        expected = max(model.answer_probability(Fact(fact.prompt, each)) for each in answers)
        np.testing.assert_allclose(rows.loc[name, "probability"], expected, rtol=1e-5)
    assert rows["known"].to_dict() == {"several": True, "wrong": False}


@pytest.mark.usefixtures("no_report")
def test_a_file_in_the_form_of_templama(tmp_path, capsys):
    rows = [
        ROW,
        {
            **ROW,
            "query": "Ada Brünn plays for _X_.",
            "relation": "P54",
            "id": "Q2_P54_2010",
            "answer": [{"name": "Marly United"}, {"name": "Peko Rovers"}],
            "date": "2010",
        },
        {
            **ROW,
            "query": "Ada Brünn plays for _X_.",
            "relation": "P54",
            "id": "Q2_P54_2011",
            "answer": [{"name": "Peko Rovers"}],
            "date": "2011",
        },
    ]
    facts = write_lines(tmp_path / "train.jsonl", rows)
    out = tmp_path / "out"
    assert main(words(out, facts=facts)) == 0
    assert "acquisition: 3 of 3 facts done.\n" in capsys.readouterr().out
    found = pd.read_csv(out / "rows.csv")
    assert set(found["fact"]) == {row["id"] for row in rows}
    with Store(out / "results.sqlite", read_only=True) as store:
        content = {row.fact: row.content for row in store.rows(store.runs()[0].key)}
    assert content["Q1_P488_2018"]["prompt"] == "The chair of Peko Motor Works is"  # turned round
    assert content["Q2_P54_2010"]["answers"] == ["Marly United", "Peko Rovers"]


@pytest.mark.usefixtures("no_report")
def test_facts_that_the_model_does_not_know(tmp_path, capsys):
    out = tmp_path / "out"
    assert main(words(out, facts="factworld:10", model="testbed:null")) == 0
    known = "The model answers 0 of 10 facts correctly. It knows none of them, so the results below"
    assert f"- {known}" in capsys.readouterr().out
    assert known in (out / "report.html").read_text(encoding="utf-8")
    out = tmp_path / "left out"
    given = words(out, "--option", "only_known=yes", facts="factworld:10", model="testbed:null")
    assert main(given) == 0
    assert "- No fact was left to look for groups in." in capsys.readouterr().out
    assert "No fact was left" in (out / "report.html").read_text(encoding="utf-8")
