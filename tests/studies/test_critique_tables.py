"""Tables, pictures and sentences of the critique study, from stored results made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo._codec import from_text, to_text
from neurotopo.studies.critique.report import ARMS, collect
from neurotopo.studies.critique.study import STUDY
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import paired

pytestmark = pytest.mark.usefixtures("few_suffice")

LOG = math.log


def pair(key, falls, *, words=("a", "b"), known=True, good=0.5, bad=0.1, frequency=(-3.0, -2.0)):
    """Return a stored pair; ``falls`` has by set of neurons P(fits) suppressed and enhanced."""
    goods = [good, *(fall[0] for fall in falls.values()), *(fall[1] for fall in falls.values())]
    return {
        "key": key,
        "reason": None,
        "words": list(words),
        "arms": [[arm, 3] for arm in falls],
        "no_dkn": None if "dkn" in falls else "one component",
        "good": [LOG(value) for value in goods],
        "bad": [LOG(bad)] * len(goods),
        "recalled": [known and value > 0.2 for value in goods],
        "limit": 9.0,
        "frequency": list(frequency),
        "counts": None,
    }


def group(name, pairs, *, kind="facts", held=None, rank=(0.6, 0.1)):
    ranks = {
        what: {"share": rank[0], "shuffled": rank[1], "shape": [len(pairs), 4]}
        for what in ("attributions", "effects")
    }
    content = {"part": "pairs", "kind": kind, "group": name, "n_pairs": len(pairs), "pairs": "0"}
    result = {"pairs": pairs, "rank1": ranks, "held_out": held or {}}
    return row(f"{kind}: {name}", content, result)


def row(key, content, result):
    # through the store, which sorts the names of what it keeps
    return Row(key, content, {"result": from_text(to_text(result))}, None, 0.1)


def asked(old, new, worded, near, reverse=((False, False), (-9.0, -9.0))):
    return {
        "old": LOG(old),
        "new": LOG(new),
        "says_new": new > old,
        "wordings": {
            "old": [0.0] * len(worded),
            "new": [1.0 if w else -1.0 for w in worded],
            "says_old": [True, True, False],
            "says_new": worded,
        },
        "neighbours": near,
        "reverse": {"says": list(reverse[0]), "subject": list(reverse[1])},
    }


def edit(number, worded, *, reverse_before=True):
    before = ((reverse_before, False), (-1.0, -5.0))
    after = ((False, True), (-2.0, -3.0))
    arms = {name: asked(0.1, 0.6, worded[name], [True, False, True], after) for name in worded}
    result = {
        "fact": f"f{number}",
        "relation": "capital",
        "old": "x",
        "new": "y",
        "one_to_one": True,
        "sizes": dict.fromkeys(worded, 4),
        "steps": dict.fromkeys(worded, 5),
        "asked": {"before": asked(0.6, 0.1, [False] * 3, [True, True, False], before), **arms},
    }
    passed = [{"fact": "g", "reason": "not known"}]
    content = {"part": "edit", "number": number, "n_candidates": 2, "candidates": "0"}
    return row(f"edit {number}", content, {"passed": passed, "edit": result})


def falls(own, dkn=None, random=0.5):
    made = {"own": own, "own_random": (random, random), "own_random_layers": (random, random)}
    if dkn is not None:
        made |= {
            "dkn": dkn,
            "kn": (0.45, 0.5),
            "kn_random": (0.4, 0.5),
            "random": (random, random),
            "random_layers": (random, random),
        }
    return made


NO = {"key": "z", "reason": "cannot be encoded"}
ROWS = [
    group(
        "capital", [pair("a", falls((0.25, 0.6), (0.05, 0.75))), pair("b", falls((0.5, 0.5))), NO]
    ),
    edit(
        1,
        {
            "dkn": [True, True, False],
            "kn": [True, False, False],
            "random": [False] * 3,
            "all": [True] * 3,
        },
    ),
    Row("edit 2", {"part": "edit", "number": 2}, {}, "ValueError: no", 0.1),
]


def test_effects_by_hand():
    found = collect(ROWS)
    own = found.of("facts", "suppress", "own")
    assert own["dprob"].tolist() == pytest.approx([0.5, 0.0])
    assert own["push"].tolist() == pytest.approx([LOG(2), 0.0])
    assert own["flip"].tolist() == [0, 0]
    dkn = found.of("facts", "suppress", "dkn")
    assert dkn.loc["a", "dprob"] == pytest.approx(0.9)
    assert dkn.loc["a", ["flip", "lost"]].tolist() == [1, 1]
    more = found.of("facts", "enhance", "dkn").loc["a"]
    assert more["dprob"] == pytest.approx(-0.5)
    assert more["push"] == pytest.approx(LOG(1.5))
    assert found.of("facts", "suppress", "kn").loc["a", "dprob"] == pytest.approx(0.1)


def test_an_extreme_change_counts_for_all_sets_of_the_mode():
    made = falls((0.0001, 0.5))
    rows = [
        group("g", [pair("a", {**made, "own": (0.5, 0.5)}, good=0.04, bad=0.01), pair("b", made)])
    ]
    found = collect(rows)
    first = found.effects[found.effects["pair"] == "a"]
    assert first["extreme"].all()  # 1 - 0.5 / 0.04 is below -9, for every set
    assert not found.effects[found.effects["pair"] == "b"]["extreme"].any()
    shift = STUDY().summary(rows).tables["shift"].frame
    own = shift[(shift["set"] == "own") & (shift["mode"] == "suppress")].iloc[0]
    assert (own["n"], own["n log-odds"]) == (1, 2)


def test_tables_by_hand():
    tables = {name: table.frame for name, table in STUDY().summary(ROWS).tables.items()}
    assert set(tables["tests"]["kind"]) == {"facts"}
    edits = tables["edits"].set_index("set")
    assert edits.loc["dkn", "in other words"] == pytest.approx(1.0)  # of the two known before
    assert edits.loc["kn", "in other words"] == pytest.approx(0.5)
    assert edits.loc["random", "in other words"] == 0
    assert edits.loc["dkn", "locality"] == pytest.approx(0.5)  # of the two known before
    assert edits.loc["dkn", "symmetry"] == 1
    assert edits.loc["dkn", "not vacuous"] == 1
    assert edits.loc["dkn", "P(subject) log ratio"] == pytest.approx(2.0)
    rank = tables["r1"].set_index("rows")
    assert rank.loc["effects", ["R1", "shuffled"]].tolist() == [0.6, 0.1]
    out = tables["exclusions"].set_index("reason")["n"]
    assert out["cannot be encoded"] == 1
    assert out["one component"] == 1
    assert out["not known"] == 1
    assert out["edit 2: ValueError: no"] == 1


def test_a_reverse_that_was_not_known_is_vacuous():
    arms = {name: [True] * 3 for name in ("dkn", "kn", "random", "all")}
    summary = STUDY().summary([edit(1, arms, reverse_before=False)])
    table = summary.tables["edits"].frame
    assert (table["not vacuous"] == 0).all()
    assert table["symmetry"].isna().all()
    assert any("Symmetry cannot be tested" in sentence for sentence in summary.findings)


def test_the_tests_are_those_of_the_library():
    rng = np.random.default_rng(0)
    pairs = [
        pair(f"p{i}", falls((0.3, 0.5), (float(rng.uniform(0.05, 0.3)), 0.5))) for i in range(12)
    ]
    table = STUDY().summary([group("g", pairs)]).tables["tests"].frame
    row = table[(table["mode"] == "suppress") & (table["against"] == "kn")].iloc[0]
    found = collect([group("g", pairs)])
    ours, theirs = (found.of("facts", "suppress", arm)["push"] for arm in ("dkn", "kn"))
    expected = paired(ours, theirs)
    assert row["difference"] == pytest.approx(expected.difference)
    assert row["d"] == pytest.approx(expected.d)
    assert row["p"] >= expected.p_wilcoxon


def many(n=40, *, kind="facts", good=0.5, bad=0.1, dkn=(0.05, 0.2)):
    rng = np.random.default_rng(1)
    pairs = [
        pair(
            f"p{i}",
            falls((0.2, 0.6), (float(rng.uniform(*dkn)), 0.7)),
            words=(f"w{i}", f"v{i}"),
            good=good,
            bad=bad,
        )
        for i in range(n)
    ]
    test = {
        f"p{i}": [1.0, float(rng.uniform(-0.5, 0.2)), 0.95, float(rng.uniform(0.9, 1.0))]
        for i in range(0, n, 2)
    }
    held = {
        "n_train": n // 2,
        "n_test": n // 2,
        "sizes": {"own": 3, "dkn": 0},
        "pairs": {"own": test},
    }
    return group("g", pairs, kind=kind, held=held)


def test_claims_need_a_model_that_knows():
    claims = STUDY().summary([many()]).claims
    assert len(claims) == 2
    assert any("suppressing D lowers" in claim for claim in claims)
    assert any("held-out pairs" in claim for claim in claims)
    unknown = STUDY().summary([many(good=0.5, bad=0.8)])
    assert unknown.claims == ()
    assert any("not shown to know" in sentence for sentence in unknown.findings)
    assert STUDY().summary([many(8)]).claims == ()  # too few
    small = STUDY().summary([many(dkn=(0.43, 0.44))])
    assert not any("suppressing D lowers" in claim for claim in small.claims)
    assert any("below the margin of 0.1" in sentence for sentence in small.findings)


def test_edits_are_claimed_against_both_controls():
    best = {"dkn": [True] * 3, "kn": [False] * 3, "random": [False] * 3, "all": [True] * 3}
    rows = [edit(i, best) for i in range(14)]
    assert any("carries over best" in claim for claim in STUDY().summary(rows).claims)
    as_good = [edit(i, {**best, "kn": [True] * 3}) for i in range(14)]
    assert STUDY().summary(as_good).claims == ()


def test_grammar_and_facts_are_side_by_side():
    summary = STUDY().summary([many(), many(kind="grammar")])
    assert summary.tables["kinds"].frame["n grammar"].max() == 40
    assert any("grammar beside neurons of facts" in sentence for sentence in summary.findings)
    assert set(summary.pictures) == {"shift", "tests", "r1"}


@pytest.mark.parametrize(
    "rows", [[], [ROWS[2]], [group("g", [NO])], [ROWS[0]], [ROWS[1]], [group("g", [pair("a", {})])]]
)
def test_little_or_nothing_is_no_error(rows):
    summary = STUDY().summary(rows)
    assert summary.findings
    assert summary.claims == ()
    assert next(iter(summary.tables)) == "knowledge"


def test_the_order_of_rows_does_not_count():
    one, two = STUDY().summary(ROWS), STUDY().summary(ROWS[::-1])
    assert one.findings == two.findings
    for name, table in one.tables.items():
        assert table.frame.equals(two.tables[name].frame), name


def test_frequency_explains_what_it_was_made_to_explain():
    pairs = []
    for i in range(10):
        ratio = float(i - 4)
        after = 0.5 * math.exp(-(0.3 + 0.05 * ratio))  # a fall of 0.3 + 0.05 x ratio
        pairs.append(pair(f"p{i}", falls((after, 0.5)), frequency=(ratio, 0.0)))
    table = STUDY().summary([group("g", pairs)]).tables["frequency"].frame
    own = table[table["set"] == "own"].iloc[0]
    assert own["constant"] == pytest.approx(0.3)
    assert own["slope"] == pytest.approx(0.05)
    assert own["R2"] == pytest.approx(1.0)


def test_every_set_has_a_name():
    assert set(collect(ROWS).effects["arm"]) == set(ARMS)
    assert STUDY.title
