"""What every study says of 0, 1, 2 and 12 facts: sentences, cells of tables, labels of pictures."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from matplotlib.figure import Figure

from neurotopo.datasets.dataset import pluralize
from neurotopo.report.summary import Picture, Summary, Table
from neurotopo.studies import STUDIES
from neurotopo.studies.findings import Number, nothing_done, of_all, percent, too_few
from neurotopo.studies.study import study_named
from tests.support.sentences import (
    WHOLE,
    bad_texts,
    lone_tests,
    of_facts,
    overprinted,
    rows_of,
    sentences,
)

FILES = Path(__file__).parent / "sentences"
SIZES = (0, 1, 2, 12)
QUICK = ("complexity", "detection", "learning", "development", "audit")
NOT_ALONE = "critique"  # its pairs of grammar do not depend on the facts


def summaries_of(name):
    """Return the summary of each number of facts, or the message of the error."""
    study, found = study_named(name)(), {0: study_named(name)().summary([])}
    whole = rows_of(name, SIZES[-1])
    for n in SIZES[1:]:
        try:
            if n == SIZES[-1]:
                rows = whole
            else:
                rows = rows_of(name, n) if name in WHOLE else of_facts(whole, n)
            found[n] = study.summary(rows)
        except ValueError as error:
            found[n] = f"ValueError: {error}"
    return found


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in STUDIES
    ],
)
def study(request):
    return request.param, summaries_of(request.param)


def reports(study):
    return {n: summary for n, summary in study[1].items() if isinstance(summary, Summary)}


def test_the_sentences_are_those_of_the_file(study, request):
    name, found = study
    parts = [
        f"== {pluralize(n, 'fact')} ==\n"
        + (sentences(summary) if isinstance(summary, Summary) else f"{summary}\n")
        for n, summary in found.items()
    ]
    path, text = FILES / f"{name}.txt", "\n".join(parts)
    if request.config.getoption("--write-sentences"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8"), "pytest --write-sentences writes them anew"


def test_no_text_is_bad(study):
    for n, summary in reports(study).items():
        assert bad_texts(summary) == [], n
        assert lone_tests(summary) == [], n


def test_a_few_facts_are_all_that_is_said(study):
    name, _ = study
    for n, summary in reports(study).items():
        assert n >= 10 or summary.claims == ()
        if n < 10 and name != NOT_ALONE:
            (said,) = summary.findings
            assert "too few" in said or "has been worked on" in said or "was left" in said


def test_no_label_is_printed_over_another(study):
    for n, summary in reports(study).items():
        for name, picture in summary.pictures.items():
            assert overprinted(picture) == [], (n, name)


@pytest.mark.parametrize("name", [name for name in STUDIES if name not in QUICK])
def test_without_facts(name):
    summary = study_named(name)().summary([])
    assert bad_texts(summary) == []
    assert [text for text in summary.findings if "has been worked on" not in text] == []


@pytest.mark.parametrize(
    "bad",
    [
        "a mean of nan",
        "1 facts differ",
        "over 1 pairs",
        "4.0 facts differ",
        "falls by -0.0 points",
        "-0% of them",
        "nothing (1 fact; p = 1)",
    ],
)
def test_a_bad_text_is_found(bad):
    frame = pd.DataFrame({"n": [1], "p": [1.0]})
    assert bad_texts(Summary("?", (bad,), {}, {}, frame))
    assert bad_texts(Summary("?", (), {"t": Table(pd.DataFrame({"x": [bad]}), "T")}, {}, frame))
    assert lone_tests(Summary("?", (), {"t": Table(frame, "T")}, {}, frame)) == [("t", "p")]


@pytest.mark.parametrize("good", ["11 facts", "0.1 facts", "-0.05", "1 of 1 fact", "10.5 facts"])
def test_a_good_text_is_let_through(good):
    assert not bad_texts(Summary("?", (good,), {}, {}, pd.DataFrame()))


def test_labels_over_each_other_are_found():
    figure = Figure(figsize=(3, 2))
    figure.text(0.5, 0.5, "one label")
    figure.text(0.52, 0.51, "another label")
    figure.text(0.99, 0.1, "beyond")
    found = overprinted(Picture(figure, "?"))
    assert found == [("one label", "another label"), ("beyond", "the edge of the figure")]


def test_numbers_in_sentences():
    assert [pluralize(x, "fact") for x in (0, 1, 1.0, 4.0, 2.46, 0.96, 1200)] == [
        *("0 facts", "1 fact", "1 fact", "4 facts", "2.5 facts", "1 fact", "1,200 facts")
    ]
    assert [f"{Number(x):+.1f}" for x in (-0.04, 0.0, 0.06, -0.06)] == [
        "0.0",
        "+0.0",
        "+0.1",
        "-0.1",
    ]
    assert f"{Number('nan'):.2f}" == "no value"
    assert percent(-0.001) == "0%"
    assert of_all(1, 1) == "1 of 1 fact"
    assert nothing_done(["no"], "relation") == "The only relation failed: no"
    assert "1 fact:" in too_few(1)
    assert too_few(10) == ""
