"""Tables, sentences and claims of the study of languages, from stored results made by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from neurotopo.report.summary import Claim
from neurotopo.studies.crosslingual.frames import chance_jaccard, collect, overlaps
from neurotopo.studies.crosslingual.report import share_interval
from neurotopo.studies.crosslingual.study import Crosslingual
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import holm, paired
from tests.support.groupings import grouping, row_of

pytestmark = pytest.mark.usefixtures("few_suffice")

KINDS = ("own", "random", "random_layers")
ARMS = ("shared", "first", "second", "sequential")


def content(key, *, answers, relation="P36", subject=None):
    facts = {
        language: {
            "prompt": "?",
            "answers": [answer],
            "relation": relation,
            "language": language,
            "subject": key if subject is None else subject,
        }
        for language, answer in zip(("en", "fr"), answers, strict=True)
    }
    return {"key": key, "facts": facts, "missing": []}


TWO = [[0, 1], [2, 3]]


def language(neurons, *, known=True, curve=(0.1, 0.9), random=(0.4, 0.6), groups=TWO, reason=None):
    groups = groups if neurons else []
    methods = {
        "ntc": grouping(list(curve), groups, reason=reason),
        "random:ntc": grouping(list(random), groups, reason=reason),
    }
    about = {"known": known, "probability": 0.8, "neurons": neurons, "gap": 0.0, "shape": [3, 10]}
    return {"fact": about, "methods": methods}


def edits(after, *, before=1.0, scale=0.0, limit=9.0, least=0.01):
    """Return edits of which ``after`` gives the probabilities by (kind, arm, language asked)."""
    rows = []
    for kind in KINDS:
        for arm in ARMS:
            for asked in ("en", "fr"):
                value = after.get((kind, arm, asked), before)
                change = (value - before) / before if before else math.nan
                reason = None if before else "probability zero"
                reason = "extreme change" if abs(change) > limit else reason
                rows.append(
                    {
                        "first": "en",
                        "second": "fr",
                        "scale": scale,
                        "neurons": kind,
                        "arm": arm,
                        "asked": asked,
                        "n_neurons": 4,
                        "before": before,
                        "after": value,
                        "change": change,
                        "reason": reason,
                        "success": (change if scale > 1 else -change) > least,
                    }
                )
    arms = {name: [row[name] for row in rows] for name in rows[0] if name != "change"}
    matched = {
        "first": ["en", "en"],
        "second": ["fr", "fr"],
        "edited": ["en", "fr"],
        "asked": ["fr", "en"],
        "scale": [scale, scale],
        "n_neurons": [1, 0],
        "before": [0.8, math.nan],
        "shared": [0.4, math.nan],
        "others": [0.8, math.nan],
        "reason": [None, "nothing to compare"],
    }
    return {"arms": arms, "matched": matched}


def row(key, en, fr, *, known=(True, True), answers=("Paris", "Lima"), edited=None, **about):
    stages = {
        "fact": {
            "known": dict(zip(("en", "fr"), known, strict=True)),
            "languages": ["en", "fr"],
            "missing": [],
        },
        "languages": {"en": language(en, known=known[0]), "fr": language(fr, known=known[1])},
        "edits": edits({}) if edited is None else edited,
    }
    return Row(key, content(key, answers=answers, **about), stages, None, 0.1)


A = [[0, 0], [0, 1], [1, 0], [1, 1]]
B = [[0, 0], [0, 1], [1, 5], [1, 6]]
C = [[2, 0], [2, 1], [2, 2], [0, 0]]
D = [[2, 3], [2, 4], [2, 5], [2, 6]]


def summarise(rows):
    return Crosslingual().summary(rows)


class NotDrawn(Crosslingual):
    def draw(self, frames, tables):
        return {}


def tables(rows):
    return NotDrawn().summary(rows).tables


# Overlaps


def test_overlaps_by_hand():
    rows = [
        row("a", A, B),
        row("b", C, D, answers=("Rome", "Oslo")),
        row("c", D, A, answers=("Paris", "Lima")),
        row("d", A, A, relation="P1"),
        row("e", C, C, subject="a"),  # the same subject as a: no other fact for it
    ]
    values = overlaps(collect(rows))
    own = values[values["kind"] == "knowledge"].set_index("fact")
    assert own["jaccard"].to_dict() == pytest.approx(
        {"a": 2 / 6, "b": 0.0, "c": 0.0, "d": 1.0, "e": 1.0}
    )
    assert own.loc["a", ["n_first", "n_second", "shared"]].tolist() == [4, 4, 2]
    # a with b: en of a with fr of b, none; en of b with fr of a, 1 of 7. With c: A and A are the
    # same; D and B have none in common
    with_b, with_c = (0 + 1 / 7) / 2, (1 + 0) / 2
    assert own.loc["a", "other"] == pytest.approx((with_b + with_c) / 2)
    assert own.loc["a", "same_answer"] == pytest.approx(with_c)  # e has the same answer, but is a's
    assert math.isnan(own.loc["d", "other"])  # the only one of its relation
    assert math.isnan(own.loc["b", "same_answer"])
    assert own["same_subject"].isna().all()  # e has a's answer


def test_overlaps_with_the_same_subject_by_hand():
    rows = [
        row("x1", A, B, subject="x"),
        row("x2", C, A, subject="x", answers=("Rome", "Oslo")),
        row("x3", C, D, subject="x", answers=("Bonn", "Lima")),
    ]
    values = overlaps(collect(rows))
    own = values[values["kind"] == "knowledge"].set_index("fact")
    # en of x1 with fr of x2 all; en of x2 with fr of x1 one of seven; x3 has an answer of x1 in fr
    assert own.loc["x1", "same_subject"] == pytest.approx((1 + 1 / 7) / 2)
    assert own.loc["x3", "same_subject"] == pytest.approx((1 / 7 + 0) / 2)
    assert own["other"].isna().all()


def test_overlaps_by_chance_by_hand():
    # two of four and two of four: none, one, two in common with 1/6, 4/6, 1/6
    assert chance_jaccard([2], [2], 4) == pytest.approx(4 / 6 * 1 / 3 + 1 / 6 * 1)
    # nothing in common where they are in different layers
    assert chance_jaccard([2, 0], [0, 2], 4) == 0.0
    # 1 of 2 in each of two layers: 0, 1, 2 in common with 1/4, 1/2, 1/4
    assert chance_jaccard([1, 1], [1, 1], 2) == pytest.approx(1 / 2 * 1 / 3 + 1 / 4 * 1)
    assert math.isnan(chance_jaccard([0], [0], 4))
    rng = np.random.default_rng(0)
    drawn = []
    for _ in range(4000):
        a, b = (set(rng.choice(20, size, replace=False).tolist()) for size in (5, 8))
        drawn.append(len(a & b) / len(a | b))
    assert chance_jaccard([5], [8], 20) == pytest.approx(np.mean(drawn), abs=0.01)


def test_degenerate_neurons_are_those_of_components_that_count():
    rows = [row("a", A, B), row("b", C, D)]
    rows[1].stages["languages"]["fr"] = language(D, reason="extreme change")
    rows[0].stages["languages"]["en"] = language(A, groups=[[0], [2]])
    frames = collect(rows)
    assert frames.degenerate["a"] == {"en": {(0, 0), (1, 0)}, "fr": set(map(tuple, B))}
    assert frames.degenerate["b"]["fr"] == frozenset()
    values = overlaps(frames)
    degenerate = values[values["kind"] == "degenerate"]
    assert degenerate["fact"].tolist() == ["a"]
    assert degenerate["jaccard"].tolist() == pytest.approx([1 / 5])  # (0, 0) of five
    exclusions = tables(rows)["exclusions"].frame
    assert row_of(exclusions, reason="no DKNs in a language")["facts"] == 1


# Succ and edits that cross


def both(kind, arm, en, fr):
    return {(kind, arm, "en"): en, (kind, arm, "fr"): fr}


def test_succ_by_hand():
    rows = [
        row("a", A, B, edited=edits({**both("own", "shared", 0.5, 0.7)})),
        row("b", A, B, edited=edits({**both("own", "shared", 0.5, 0.995)})),  # too little in fr
        row("c", A, B, edited=edits({**both("own", "shared", 0.5, 1.5)})),  # rises in fr
        row(
            "d",
            A,
            B,
            known=(True, False),
            edited=edits(both("own", "shared", 0.1, 0.1) | both("random", "shared", 0.2, 0.2)),
        ),
    ]
    frame = tables(rows)["succ"].frame
    cells = row_of(frame, over="all", arm="shared", against="random")
    assert (cells["n"], cells["own"], cells["control"]) == (4, 0.5, 0.25)
    assert (cells["in first"], cells["in second"]) == (1.0, 0.5)
    assert (cells["own low"], cells["own high"]) == pytest.approx(share_interval(2, 4))
    assert cells["difference"] == pytest.approx(0.25)
    known = row_of(frame, over="known", arm="shared", against="random")
    assert (known["n"], known["own"], known["control"]) == (3, pytest.approx(1 / 3), 0.0)
    first = row_of(frame, over="all", arm="first, asked in both", against="random")
    assert (first["own"], first["control"]) == (0.0, 0.0)
    # p: of every arm and control of the scale the sign test, corrected by Holm
    p = [paired([1, 0, 0, 1], [0, 0, 0, 1]).p_sign, paired([1, 0, 0, 1], [0] * 4).p_sign]
    assert cells["p"] == pytest.approx(holm([*p, *[1.0] * 6])[0])


def test_a_fact_with_an_outlier_is_left_out_of_all_arms():
    rows = [
        row("a", A, B, edited=edits(both("own", "shared", 0.5, 0.5), scale=2.0)),
        row("b", A, B, edited=edits(both("random", "second", 20.0, 1.0), scale=2.0)),
        row("c", A, B, edited=edits({}, before=0.0, scale=2.0)),
    ]
    made = tables(rows)
    assert set(made["succ"].frame["n"]) == {1}
    assert set(made["changes"].frame["n"]) == {1}
    left = made["exclusions_edits"].frame
    extreme = row_of(left, neurons="random", reason="extreme change")
    assert (extreme["second"], extreme["first"], extreme["left out of all"]) == (1, 0, 2)
    assert row_of(left, neurons="own", reason="probability zero")["shared"] == 1
    # as wanted: enhanced, so a fall counts against it
    assert row_of(made["changes"].frame, over="all", arm="shared", asked="en", against="random")[
        "own"
    ] == pytest.approx(-50.0)


def crossing_rows(n, *, moved, control, answers, known=(True, True)):
    rng = np.random.default_rng(0)
    rows = []
    for i in range(n):
        shift = 0.01 * rng.random()
        after = {
            ("own", "first", "fr"): 1 - moved - shift,
            ("own", "second", "en"): 1 - moved - shift,
            ("random_layers", "first", "fr"): 1 - control,
            ("random_layers", "second", "en"): 1 - control,
        }
        rows.append(row(f"{i:02}", A, B, edited=edits(after), answers=answers, known=known))
    return rows


def claims_about(rows, words):
    """Return the claims among the sentences that hold some words; there must be such a sentence."""
    said = [text for text in NotDrawn().summary(rows).findings if words in text]
    assert said
    return [text for text in said if isinstance(text, Claim)]


def test_an_edit_that_crosses_is_claimed_over_different_answers_only():
    rows = crossing_rows(14, moved=0.4, control=0.1, answers=("Paris", "Lima"))
    frame = tables(rows)["crossing"].frame
    cells = row_of(frame, over="known", edited="en", answers="different", against="random_layers")
    assert cells["n"] == 14
    assert 40 < cells["own"] < 41
    assert cells["control"] == pytest.approx(10.0)
    assert len(claims_about(rows, "Neurons found in")) == 2
    # the same effect with a word in common, on facts that are not known, or on few, is no claim
    for other in (
        crossing_rows(14, moved=0.4, control=0.1, answers=("Paris FC", "club de Paris")),
        crossing_rows(14, moved=0.4, control=0.1, answers=("Paris", "Lima"), known=(True, False)),
        crossing_rows(9, moved=0.4, control=0.1, answers=("Paris", "Lima")),
        crossing_rows(14, moved=0.1, control=0.4, answers=("Paris", "Lima")),
        crossing_rows(14, moved=0.1, control=0.1, answers=("Paris", "Lima")),  # half a point
    ):
        assert not claims_about(other, "Neurons found in")


def overlap_rows(n, answers, known=True):
    """Return facts that share three neurons of four with themselves, none with another."""
    rows = []
    for i in range(n):
        en = [[0, i], [1, i], [2, i], [0, 20 + i]]
        fr = [[0, i], [1, i], [2, i], [1, 20 + i]]
        made = row(f"{i:02}", en, fr, answers=answers(i), known=(known, known))
        for each in made.stages["languages"].values():
            each["fact"]["shape"] = [3, 50]
        rows.append(made)
    return rows


def test_overlap_is_claimed_where_answers_have_no_word_in_common():
    rows = overlap_rows(12, lambda i: (f"en{i}", f"fr{i}"))
    cells = row_of(
        tables(rows)["overlap"].frame,
        neurons="knowledge neurons",
        over="known",
        answers="different",
        against="other facts of the same relation",
    )
    assert (cells["n"], cells["own"], cells["control"]) == (12, pytest.approx(0.6), 0.0)
    (claim,) = claims_about(rows, "overlap by 60.0 %")
    assert "12 facts known in both" in claim
    unknown = overlap_rows(12, lambda i: (f"en{i}", f"fr{i}"), known=False)
    for other in (
        overlap_rows(12, lambda i: (f"x{i}", f"x{i}")),
        unknown,
        overlap_rows(8, lambda i: (f"en{i}", f"fr{i}")),
    ):
        assert not claims_about(
            other, "Overlap of the neurons" if other is unknown else "overlap by"
        )


def test_jumps_are_claimed_over_known_facts_only():
    def rows(known):
        made = overlap_rows(12, lambda i: ("x", "x"), known)
        for i, each in enumerate(made):
            for own in each.stages["languages"].values():
                own["methods"]["random:ntc"] = grouping([0.1, 0.3 + i / 100], TWO)
        return made

    cells = row_of(
        tables(rows(True))["controls"].frame, language="fr", over="known", measure="all potential"
    )
    assert (cells["n"], cells["own"]) == (12, pytest.approx(90.0))
    one_language = paired([0.9] * 12, [0.3 + i / 100 for i in range(12)]).p_wilcoxon
    assert cells["p"] == pytest.approx(2 * one_language)  # of two languages
    assert len(claims_about(rows(True), "NTC's clusters in")) == 2
    assert not claims_about(rows(False), "NTC's clusters in")


# Table 10


def test_table_10_is_table_1_in_each_language():
    rows = [row("a", A, B), row("b", C, D)]
    rows[0].stages["languages"]["fr"] = language(B, curve=(0.2, 0.4))
    frame = tables(rows)["table10"].frame
    # two components: |0.9 - 0.1|, and in French the mean of 0.2 and 0.8
    assert row_of(frame, language="en", method="ntc")["2"] == pytest.approx(0.8)
    assert row_of(frame, language="fr", method="ntc")["average 2-8"] == pytest.approx(0.5)
    assert row_of(frame, language="fr", method="random:ntc")["2"] == pytest.approx(0.2)


# Rows that are missing or failed


def test_every_fact_is_counted():
    lacking = Row(
        "m",
        {"key": "m", "facts": {}, "missing": ["fr"]},
        {"fact": {"known": {}, "languages": [], "missing": ["fr"]}, "languages": {}, "edits": {}},
        None,
        0.1,
    )
    left = Row(
        "n",
        content("n", answers=("x", "y")),
        {
            "fact": {"known": {"en": True, "fr": False}, "languages": ["en", "fr"], "missing": []},
            "languages": {},
            "edits": {},
        },
        None,
        0.1,
    )
    broken = Row("o", content("o", answers=("x", "y")), {}, "ValueError: no", 0.1)
    frame = tables([row("a", A, B), lacking, left, broken])["exclusions"].frame
    whole = frame[frame["what"] == "facts"].set_index("reason")
    assert whole["facts"].tolist() == [1, 1, 1]
    assert set(whole["of"]) == {4}
    alone = summarise([lacking])
    assert alone.findings == (
        "No fact is in all of the languages.",
        "No fact was left to look for neurons in.",
    )
    assert summarise([broken]).findings == ("The only fact failed: ValueError: no",)
    assert summarise([]).findings == ("No fact has been worked on.",)
    assert summarise([]).pictures == {}


def test_the_order_of_rows_does_not_matter():
    rows = [row("a", A, B), row("b", C, D), row("c", B, A)]
    forth, back = tables(rows), tables(rows[::-1])
    for name, table in forth.items():
        assert table.frame.equals(back[name].frame), name


def test_findings_are_claims_only_where_they_hold():
    summary = summarise([row("a", A, B), row("b", C, D)])
    assert summary.claims == ()
    assert not any(isinstance(text, Claim) for text in summary.findings)
    assert {"overlap", "succ", "crossing", "controls", "layers"} <= set(summary.pictures)
    neurons = collect([row("a", A, []), row("b", [], [])])
    assert overlaps(neurons).empty
    assert summarise([row("a", A, []), row("b", [], [])]).claims == ()
