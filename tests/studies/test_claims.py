"""The rule for claims, the same in all studies, and the claims of acquisition on SmolLM2."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest

import neurotopo as nt
from neurotopo.knowledge.suppression import subsets
from neurotopo.models.examples import random_model
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy import Lattice
from neurotopo.studies.acquisition.frames import FLOOR, collect
from neurotopo.studies.acquisition.report import TABLES, controls
from neurotopo.studies.acquisition.study import STUDY, AcquisitionOptions, _result
from neurotopo.studies.compare import comparisons, independent_cells, paired_cells
from neurotopo.studies.findings import FEW, MARGINS, margin_words, outcome, row_stands, verdict
from neurotopo.studies.inference import MARGIN
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import independent, paired
from tests.support.groupings import grouping, row_of

pytestmark = pytest.mark.usefixtures("few_suffice")

ROW = {"n": 40, "p": 1e-4, "difference": 2.0, "low": 1.2, "high": 2.8, "margin": 1.0}
NAN = float("nan")


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        ({}, "more"),
        ({"difference": -2.0, "low": -2.8, "high": -1.2}, "less"),
        ({"n": FEW - 1}, "few"),
        ({"n": FEW}, "more"),
        ({"p": 0.01}, "none"),
        ({"p": NAN}, "none"),
        ({"low": -0.1}, "zero"),
        ({"low": 0.0}, "zero"),
        ({"low": NAN}, "zero"),
        ({"difference": -2.0, "low": -3.0, "high": 0.1}, "zero"),
        ({"difference": 0.99, "low": 0.9}, "small"),
        ({"difference": 1.0, "low": 0.9}, "more"),
        ({"difference": -0.5, "low": -0.6, "high": -0.4}, "small"),
    ],
)
def test_a_claim_needs_pairs_chance_an_interval_and_the_margin(cells, expected):
    row = {**ROW, **cells}
    assert outcome(row) == expected
    assert row_stands(row) == (expected == "more")
    assert row_stands(row, -1) == (expected == "less")


def test_a_result_is_said_with_its_margin():
    small = {**ROW, "difference": 0.011, "low": 0.010}
    said = verdict(small, "more degenerate", unit="point")
    assert said == "a difference beyond chance, but below the margin of 1 point"
    assert "holds 0" in verdict({**ROW, "low": -1.0}, "more degenerate")
    assert margin_words(0.1, "component") == "0.1 components"


def test_cells_may_have_other_names():
    row = {"facts": 40, "p x": 1e-4, "gain": 2.0, "low": 1.0, "high": 3.0, "margin": 1.0, "d": 0.1}
    names = {"n": "facts", "p": "p x", "difference": "gain"}
    assert row_stands(row, **names)
    assert not row_stands({**row, "margin": 0.2}, size="d", **names)


def test_every_comparison_names_a_margin():
    x, y = np.arange(12.0) + 1, np.arange(12.0)
    two = [({"m": "a"}, x, y), ({"m": "b"}, x, y)]
    assert comparisons(two, margin=[1.0, 0.1])["margin"].tolist() == [1.0, 0.1]
    for wrong in (0.0, -1.0, NAN, float("inf")):
        with pytest.raises(ValueError, match="margin must be a number above 0"):
            paired_cells(paired(x, y), margin=wrong)
    with pytest.raises(ValueError, match="shorter"):
        comparisons(two, margin=[1.0])


def test_the_interval_of_welch_is_that_of_scipy():
    from scipy.stats import ttest_ind

    rng = np.random.default_rng(0)
    a, b = rng.normal(1.0, 2.0, 30) * 1e-3, rng.normal(0.0, 1.0, 12) * 1e-3
    cells = independent_cells(independent(a, b), margin=0.1)
    expected = ttest_ind(a, b, equal_var=False).confidence_interval(0.95)
    assert (cells["low"], cells["high"]) == pytest.approx((expected.low, expected.high))
    assert cells["difference"] == pytest.approx(a.mean() - b.mean())


# Acquisition

TWO = [[0, 2], [1, 3]]


def row(fact, **methods):
    about = {
        "known": True,
        "probability": 0.8,
        "neurons": [[0, 0], [0, 1], [1, 0], [1, 1]],
        "gap": 0.01,
        "shape": [2, 2],
    }
    results = {name.replace("__", ":"): result for name, result in methods.items()}
    stages = {"fact": about, "methods": results, "sweep": {}}
    return Row(fact, {"prompt": "?"}, stages, None, 0.1)


def of(jump, groups=TWO, **more):
    return {**grouping([0.1, 0.5], groups, **more), "potential_jump": jump}


def as_on_smollm2(n=100):
    """Make facts with differences far below a point, or of either sign."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        random = rng.uniform(0.0, 0.3)
        tiny = 0.00011 * rng.uniform(0.5, 1.5)
        wide = 0.0002 * (1 + rng.random()) if i % 10 else 0.05 * (-1) ** (i // 10)
        pairs = {}
        for name, more in (("ntc", tiny), ("kmeans", tiny), ("hierarchical", wide)):
            pairs |= {name: of(random + more), f"random__{name}": of(random)}
        rows.append(row(f"fact-{i:03}", **pairs))
    return rows


def test_what_smollm2_claimed_is_no_claim():
    frames = collect(as_on_smollm2())
    frame = controls(frames)
    summary = STUDY().summary(as_on_smollm2())
    kmeans = row_of(frame, method="kmeans", measure="all potential")
    assert kmeans["difference"] == pytest.approx(0.011, abs=0.001)  # points
    assert kmeans["p"] < 1e-15
    assert kmeans["low"] > 0
    assert outcome(kmeans) == "small"
    wide = row_of(frame, method="hierarchical", measure="all potential")
    assert wide["p"] < 1e-8
    assert wide["low"] < 0 < wide["high"]
    assert outcome(wide) == "zero"
    text = " ".join(summary.findings)
    assert summary.claims == ()
    assert "random groups: kmeans" not in text
    assert "below the margin of 1 point: kmeans" in text
    assert "the interval of the difference holds 0: hierarchical" in text
    assert "a difference beyond chance, but below the margin of 1 point." in text  # of ntc


def test_methods_that_shatter_a_fact_are_told_so():
    many = [[i % 4] * 5 for i in range(24)]
    rows = [
        row(
            f"fact-{i:02}",
            ntc=of(0.1, [[0, 1, 2], [1, 2, 3]]),
            kmeans=of(0.1, many),
            dbscan=of(0.1, [[0, 1], [2, 3]]),
            hierarchical=of(0.1, [[0, 1, 2]]),
        )
        for i in range(3)
    ]
    frames = collect(rows)
    dkns = TABLES["dkns"](frames).frame.set_index("method")
    assert dkns["shattered"].to_dict() == {
        "ntc": "",
        "kmeans": "yes",
        "dbscan": "yes",
        "hierarchical": "",
    }
    assert (dkns.loc["kmeans", "median"], dkns.loc["kmeans", "size"]) == (24, 5)
    (said,) = [text for text in STUDY().summary(rows).findings if "shatter" in text]
    assert "kmeans (24 components of 5 neurons)" in said
    assert "dbscan (2 components of 2 neurons)" in said
    assert "NTC has a median of 2 components of 3 neurons" in said
    assert "do not mean degeneracy" in said


def test_rho_is_compared_with_that_of_random_groups():
    rng = np.random.default_rng(0)
    rows = [
        row(
            f"fact-{i:02}",
            ntc=of(0.1, rho=0.5 + 0.1 * rng.random(), necessity=0.3),
            random__ntc=of(0.1, rho=0.1 * rng.random(), necessity=0.3),
        )
        for i in range(20)
    ]
    rows.append(row("too little", ntc=of(0.1, rho=9.0, necessity=0.9 * FLOOR)))
    rows[-1].stages["methods"]["random:ntc"] = of(0.1, rho=0.0, necessity=0.3)
    cells = row_of(controls(collect(rows)), method="ntc", measure="rho")
    assert (cells["n"], cells["left out"], cells["margin"]) == (20, 1, MARGIN)
    assert cells["own"] - cells["random"] == pytest.approx(cells["difference"])
    assert 0.4 < cells["difference"] < 0.6
    dkns = TABLES["dkns"](collect(rows)).frame.set_index("method")
    assert (dkns.loc["ntc", "n rho"], dkns.loc["ntc", "no rho"]) == (20, 1)
    summary = STUDY().summary(rows)
    (claim,) = summary.claims
    assert "more redundant than random groups" in claim
    assert "without 1 fact where all of them together lower the probability by less" in claim
    assert {"rho", "necessity"} <= set(summary.rows.columns)


@pytest.mark.parametrize("sizes", [(), (3,), (3, 4), (2, 3, 4)])
def test_rho_needs_no_further_passes_and_is_that_of_the_whole_lattice(sizes):
    model, fact = random_model("gpt2"), nt.Fact("The capital of France is _X_", "Paris")
    neurons = nt.AMIG.fast(threshold=12, rule="top").locate(model, fact)
    ends = np.cumsum((0, *sizes))
    groups = [neurons[a:b] for a, b in pairwise(ends)]
    finder = AcquisitionOptions(quadrature="gauss-legendre", steps=4).finder()
    stored = _result(finder.evaluate(model, fact, groups), None)
    if not groups:
        assert np.isnan([stored["necessity"], stored["rho"]]).all()
        return
    chosen = subsets(len(groups))

    def score(members):
        union = NeuronSet(pair for g, k in zip(groups, members, strict=True) if k for pair in g)
        return float(model.answer_probability(fact, [nt.Edit(union)])[0])

    base = float(model.answer_probability(fact))
    whole = Lattice(chosen, np.array([score(members) for members in chosen]), base)
    assert stored["necessity"] == pytest.approx(whole.necessity, abs=1e-7)
    assert stored["rho"] == pytest.approx(whole.rho, rel=1e-3, nan_ok=True)


def test_margins_are_positive_numbers():
    assert all(np.isfinite(value) and value > 0 for value in MARGINS.values())
    assert MARGINS["points"] == 100 * MARGINS["share"]
    assert MARGINS["rho"] == MARGIN
