"""The complexity study: trends and tables by hand, and the whole of it on small models."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

import neurotopo as nt
from neurotopo.models.examples import random_model
from neurotopo.studies.complexity.report import MEASURES, collect
from neurotopo.studies.complexity.study import Complexity, ComplexityOptions
from neurotopo.studies.complexity.trend import trend
from neurotopo.studies.rows import Row
from neurotopo.studies.several_models import items_of, n_parameters, names_of
from neurotopo.studies.statistics import holm, paired
from neurotopo.studies.store import Store
from tests.support.studies import FACTS, cells

pytestmark = pytest.mark.usefixtures("few_suffice")

NAN = float("nan")
SIZES = {"small": 1_000, "middle": 10_000, "large": 100_000}


def groups(n, jump, *, excluded=False):
    return {
        "n": n,
        "excluded": excluded,
        "jump": jump,
        "passed_jump": jump,
        "gcr": NAN,
        "reason": None,
        "none": 0.1,
    }


def payload(model, own, shuffled, *, known=True, faulty=None, base=0.8):
    return {
        "known": known,
        "probability": base,
        "parameters": SIZES[model],
        "shape": [2, 8],
        "neurons": 6,
        "sizes": [3, 3],
        "own": own,
        "shuffled": shuffled,
        "faulty": faulty or asked([0.4, 0.4]),
    }


def asked(none, dkn=None, others=None, max_change=9.0):
    probability = {"none": none}
    if dkn is not None:
        probability |= {"dkn": dkn, "kn_random": others}
    return {
        "prompts": ["?"] * len(none),
        "max_change": max_change,
        "probability": probability,
        "right": {arm: [value > 0.3 for value in values] for arm, values in probability.items()},
    }


def row(model, fact, content=None, error=None):
    about = {"model": model, "place": list(SIZES).index(model), "key": fact, "fact": {}}
    stages = {} if content is None else {"result": content}
    return Row(f"{model}|{fact}", about, stages, error, 0.1)


def rows_with(slope, n=20, models=tuple(SIZES), known=True, noise=0.01):
    """Rows whose jump beyond that of the shuffled groups grows by a slope per factor of ten."""
    rng = np.random.default_rng(0)
    made = []
    for i in range(n):
        for model in models:
            k = list(SIZES).index(model)
            control = 0.1 + 0.05 * k + noise * rng.standard_normal()
            own = control + slope * k + noise * rng.standard_normal()
            made.append(
                row(
                    model,
                    f"f{i:02d}",
                    payload(
                        model, groups(2, own), [groups(2, control), groups(2, control)], known=known
                    ),
                )
            )
    return made


# The trend


def test_slopes_by_hand():
    found = trend([[1.0, 2.0, 3.0], [0.0, 0.0, 6.0], [5.0, 4.0, 3.0]], [10, 100, 1000])
    # least squares on 1, 2, 3: slopes 1, 3 and -1
    assert found.n == 3
    assert found.slope == pytest.approx(1.0)
    expected = paired([1.0, 3.0, -1.0], [0.0, 0.0, 0.0])
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    assert found.p == expected.p_wilcoxon
    assert found.rho == pytest.approx((1 + math.sqrt(3) / 2 - 1) / 3)


def test_page_is_of_the_rising_kind():
    rng = np.random.default_rng(1)
    rising = np.arange(4) + rng.normal(size=(30, 4))
    sizes = [1e3, 1e4, 1e5, 1e6]
    assert trend(rising, sizes).p_page < 1e-6
    assert trend(-rising, sizes).p_page > 0.99
    # the order of the columns is that of the sizes
    assert trend(rising[:, ::-1], sizes[::-1]).p_page == trend(rising, sizes).p_page


@pytest.mark.parametrize(
    ("values", "sizes"), [(np.empty((0, 3)), [1, 2, 3]), ([[1.0, 2.0]], [5, 5]), ([[1.0]], [5])]
)
def test_no_trend_without_facts_or_sizes(values, sizes):
    found = trend(values, sizes)
    assert math.isnan(found.slope)
    assert math.isnan(found.p)
    assert math.isnan(found.p_page)


def test_two_models_have_a_slope_and_no_order():
    found = trend([[1.0, 2.0], [1.0, 3.0]], [10, 100])
    assert found.slope == pytest.approx(1.5)
    assert math.isnan(found.p_page)


# Rows and tables


def test_measures_of_a_fact_by_hand():
    faulty = asked([0.4, 0.6], [0.2, 0.2], [0.4, 0.2])
    stored = payload("small", groups(2, 0.3), [groups(1, 0.1), groups(2, 0.2)], faulty=faulty)
    (found,) = collect([row("small", "a", stored)]).rows.to_dict("records")
    assert found["jump"] == pytest.approx(30)
    assert found["jump_shuffled"] == pytest.approx(15)
    assert found["jump_difference"] == pytest.approx(15)
    assert (found["components"], found["components_shuffled"]) == (2, 1.5)
    # (0.8 - 0.4) / 0.8 and (0.8 - 0.6) / 0.8
    assert found["fall"] == pytest.approx(100 * (0.5 + 0.25) / 2)
    assert found["fall_dkn"] == pytest.approx(75)
    assert found["fall_difference"] == pytest.approx(75 - 100 * (0.5 + 0.75) / 2)
    assert (found["right"], found["right_dkn"], found["right_others"]) == (100, 0, 50)


def test_exclusions_are_the_same_for_every_arm():
    out = payload(
        "small",
        groups(2, 0.3),
        [groups(2, 0.1), groups(2, 12.0, excluded=True)],
        faulty=asked([0.4], [0.4], [4.0], max_change=9.0),
    )
    extreme = payload(
        "small", groups(2, 0.3), [groups(2, 0.1)], faulty=asked([0.4], [0.4], [4.0], max_change=2.0)
    )
    nothing = payload("small", groups(2, 0.3), [groups(2, 0.1)], faulty=asked([]))
    zero = payload("small", groups(2, 0.3), [groups(2, 0.1)], base=0.0)
    contents = {"a": out, "b": extreme, "c": nothing, "d": zero}
    rows = [row("small", fact, content) for fact, content in contents.items()]
    by_fact = collect(rows).rows.set_index("fact")
    groupings = ["components", "components_shuffled", "jump", "jump_shuffled"]
    assert by_fact.loc["a", groupings].isna().all()
    assert by_fact.loc["a", "fall_others"] == pytest.approx(-400)
    assert by_fact.loc["b", [m.name for m in MEASURES if "fall" in m.name]].isna().all()
    reasons = by_fact["faulty_excluded"].tolist()
    assert pd.isna(reasons[0])
    assert reasons[1:] == ["extreme change", "no faulty prompt", "probability zero"]
    table = cells(Complexity().summary(rows).tables["exclusions"], model="small")
    assert (table["groups: extreme change"], table["prompts: extreme change"]) == (1, 1)
    assert (table["prompts: probability zero"], table["prompts: no faulty prompt"]) == (1, 1)


def test_only_facts_that_all_models_know_are_compared():
    rows = rows_with(0.1, n=4)
    unknown = payload("small", groups(2, 0.3), [groups(2, 0.1)], known=False)
    rows[0] = row("small", "f00", unknown)
    rows[4] = row("middle", "f01", error="ValueError: no")
    found = collect(rows)
    assert sorted(found.known["fact"].unique()) == ["f02", "f03"]
    assert sorted(found.by_fact["fact"].unique()) == ["f00", "f02", "f03"]
    tables = Complexity().summary(rows).tables
    facts = tables["facts"].frame.set_index("model")
    assert facts.loc["small", ["facts", "failed", "failed in some model"]].tolist() == [4, 0, 1]
    assert facts.loc["middle", ["failed", "known", "known by all"]].tolist() == [1, 3, 2]
    assert cells(tables["sizes"], model="small")["facts"] == 2
    assert cells(tables["sizes_all"], model="small")["facts"] == 3


def test_tables_by_hand():
    rows = rows_with(0.1, n=12)
    found = collect(rows[::-1])  # models in any order
    assert found.models == ["small", "middle", "large"]
    tables = Complexity().summary(rows).tables
    jumps = found.matrix("jump")
    assert jumps.shape == (12, 3)
    middle = cells(tables["measures"], measure="jump", model="middle")
    assert middle["mean"] == pytest.approx(jumps[:, 1].mean())
    assert middle["low"] < middle["mean"] < middle["high"]
    pair = cells(tables["pairs"], measure="jump", model="large")
    assert pair["against"] == "middle"
    assert pair["difference"] == pytest.approx((jumps[:, 2] - jumps[:, 1]).mean())
    slope = cells(tables["trend"], measure="jump_difference")
    assert slope["slope"] == pytest.approx(10, abs=1)
    own = cells(tables["controls"], measure="jump", model="large")
    assert own["difference"] == pytest.approx(20, abs=1)
    raw = [trend(found.matrix(m.name), list(found.parameters.values())).p for m in MEASURES]
    np.testing.assert_allclose(tables["trend"].frame["p"], holm(raw))


def test_a_trend_is_claimed_of_the_difference_only():
    summary = Complexity().summary(rows_with(0.1))
    (claim,) = summary.claims
    assert "The difference, which alone is about the grouping, changes by" in claim
    assert "larger models of these are more degenerate" in claim
    # the jump and that of shuffled groups rise together
    together = Complexity().summary(rows_with(0.0))
    assert together.claims == ()
    assert "does rise" not in " ".join(together.findings)
    frame = together.tables["trend"].frame.set_index("measure")
    assert frame.loc["jump", "p"] < 0.01 < frame.loc["jump_difference", "p"]


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"slope": -0.1}, "less degenerate"),
        ({"slope": 0.1, "n": 8}, "too few facts"),
        ({"slope": 0.004, "noise": 1e-4}, "beyond chance, but below the margin of 1 point"),
        ({"slope": 0.1, "models": ("small", "large")}, "which is no trend"),
        ({"slope": 0.1, "known": False}, "No fact is left to compare the models"),
        ({"slope": 0.1, "models": ("large",)}, "One model says nothing about size"),
    ],
)
def test_what_is_not_claimed(given, words):
    summary = Complexity().summary(rows_with(**given))
    assert summary.claims == ()
    assert words in " ".join(summary.findings)


def test_known_by_fewer_than_half_is_no_claim():
    rows = rows_with(0.1, n=20)
    for i in range(30):
        rows += [
            row(m, f"u{i}", payload(m, groups(2, 0.3), [groups(2, 0.1)], known=False))
            for m in SIZES
        ]
    summary = Complexity().summary(rows)
    assert summary.claims == ()
    assert "fewer than half" in summary.findings[1]


def test_nothing_and_failures():
    assert Complexity().summary([]).findings == ("No question has been worked on.",)
    summary = Complexity().summary([row("small", "a", error="ValueError: no")])
    assert summary.findings == ("The only question failed: ValueError: no",)
    assert summary.pictures == {}
    partial = Complexity().summary(rows_with(0.1, n=3)[:5])
    assert partial.claims == ()
    assert isinstance(partial.rows, pd.DataFrame)


# Options and models


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"draws": 0}, "draws must be a whole number of at least 1"),
        ({"n_shuffles": 1.5}, "n_shuffles must be a whole number"),
        ({"tau2": -1}, "tau2"),
    ],
)
def test_mistaken_options(given, message):
    with pytest.raises(ValueError, match=message):
        ComplexityOptions(**given)
    assert ComplexityOptions.quick(draws=4).draws == 4


def test_models_have_names_of_their_own():
    models = ["testbed:gpt2", random_model(), random_model("llama"), "a/b/gpt2"]
    names = names_of(models)
    assert len(set(names)) == 4
    assert (names[0], names[3]) == ("gpt2", "gpt2 (2)")
    keys = [item.key for item in items_of(FACTS, models)]
    assert len(set(keys)) == 4 * len(FACTS)
    assert keys[: len(FACTS)] == [f"gpt2|{fact.key}" for fact in FACTS]


def models():
    return [random_model(n_layers=n, seed=n) for n in (2, 3, 4)]


def test_one_model_is_kept_at_a_time(monkeypatch):
    loaded = []

    def load(model, given):
        loaded.append(model)
        return random_model(seed=len(model))

    monkeypatch.setattr("neurotopo.studies.several_models.model_for", load)
    study = Complexity(["a", "bb"], ComplexityOptions.quick())
    identity = study.identity()
    assert list(identity) == ["a", "bb"]
    assert identity["a"]["weights"] != identity["bb"]["weights"]
    for place in (1, 1, 0, 0):
        study.finder(place)
    assert loaded == ["a", "bb", "a"]


@pytest.mark.usefixtures("no_pictures")
def test_the_whole_on_random_models(tmp_path):
    given = {"model": models(), "facts": FACTS, "quick": True, "threshold": 0.1}
    result = nt.studies.run("complexity", out=tmp_path / "run", **given)
    assert str(result.outcome) == "complexity: 12 of 12 questions done."
    assert result.claims == ()
    sizes = result.tables["sizes_all"]
    assert sizes["layers"].tolist() == [2, 3, 4]
    assert sizes["parameters"].tolist() == [n_parameters(model) for model in given["model"]]
    again = nt.studies.run("complexity", out=tmp_path / "run", **given)
    assert again.outcome.n_there == 12
    pd.testing.assert_frame_equal(again.rows, result.rows)
    # half of the facts, then all of them
    half = {**given, "facts": FACTS[:2], "out": tmp_path / "half"}
    assert nt.studies.run("complexity", **half).outcome.n_done == 6
    rest = nt.studies.run("complexity", **{**half, "facts": FACTS})
    assert rest.outcome.n_there == 6
    for name, table in result.tables.items():
        pd.testing.assert_frame_equal(rest.tables[name], table)


@pytest.mark.usefixtures("no_pictures")
def test_faulty_prompts_are_the_same_for_every_model(tmp_path):
    out = tmp_path / "run"
    nt.studies.run("complexity", model=models()[:2], facts=FACTS[:1], out=out, quick=True)
    with Store(out / "results.sqlite", read_only=True) as store:
        (run,) = store.runs()
        prompts = [
            store.get(run.key, key).payload["faulty"]["prompts"] for key in store.asked(run.key)
        ]
    assert prompts[0] == prompts[1]
    assert len(set(prompts[0])) == 3
