"""The facts that a model knows: criteria, funnel, files."""

from __future__ import annotations

import json

import pytest

from neurotopo import Fact, FactSet
from neurotopo.datasets import Dataset, KnownFacts, Reworded, Truth, known_facts, load_facts
from neurotopo.datasets.known import STEPS
from neurotopo.datasets.lama import worded
from neurotopo.knowledge.reply import Reply
from neurotopo.models.examples import random_model
from neurotopo.plots.funnel import FunnelDisplay
from neurotopo.studies.facts import facts_for, wordings_for

NO = Reply(False)
PROBLEM = Reply(False, problem="Fact 'x' ('y'): the prompt is too long")


def yes(margin):
    return Reply(True, "Rome", -0.5, margin=margin, foil="Lima", n_foils=3)


def fact(key, relation="P36", subject="Italy", answer="Rome", n=3):
    one = Fact(f"{key} 0 _X_", answer, relation, id=key, subject=subject)
    return worded(one, [f"{key} {i} _X_" for i in range(n)])


REPLIES = {
    "two": (NO, yes(2.0), yes(1.0)),
    "one": (NO, yes(2.0), yes(0.5)),
    "given": (yes(3.0), yes(3.0), yes(3.0)),
    "no": (NO, NO, NO),
    "problem": (PROBLEM, PROBLEM, yes(3.0)),
    "few": (yes(3.0),),
    "foilless": (yes(None), yes(None), NO),
}


@pytest.fixture
def result():
    asked = {
        key: fact(
            key,
            relation="P17" if key in ("no", "few") else "P36",
            subject="Rome FC" if key == "given" else "Italy",
            n=len(replies),
        )
        for key, replies in REPLIES.items()
    }
    return KnownFacts(asked, REPLIES, Truth(), wordings=2, margin=1.0)


def test_each_step_loses_the_right_facts(result):
    table = result.funnel()
    assert table["step"].tolist() == list(STEPS)
    assert table["n"].tolist() == [7, 6, 5, 4, 2, 1]
    assert table["lost"].tolist() == [0, 1, 1, 1, 2, 1]
    assert table["share"].iloc[-1] == pytest.approx(1 / 7)
    assert table["reason"].tolist() == ["", "", "the prompt is too long", "", "", ""]
    by_relation = result.by_relation().set_index("relation")
    assert by_relation.loc["P17"].tolist() == [2, 1, 1, 0, 0, 0]
    assert by_relation.sum().tolist() == table["n"].tolist()
    assert repr(result) == "KnownFacts(n_asked=7, n_known=2)"


def test_a_fact_has_the_wordings_in_which_it_is_known(result):
    facts = result.facts()
    assert [f.key for f in facts] == ["two", "given"]
    assert [f.prompt for f in facts.wordings["two"]] == ["two 1 _X_", "two 2 _X_"]
    assert [f.id for f in facts.wordings["two"]] == ["two", "two~2"]
    assert facts.known["two"] == {
        "in_subject": None,
        "n_asked": 3,
        "number": [1, 2],
        "log_p": [-0.5, -0.5],
        "margin": [2.0, 1.0],
        "foil": ["Lima", "Lima"],
    }
    assert facts.known["given"]["in_subject"] == "answer"
    assert list(result.facts(given=False).wordings) == ["two"]


def test_without_a_margin_exact_is_enough(result):
    result = KnownFacts(result.asked, result.replies, result.truth, wordings=2)
    assert [f.key for f in result.facts()] == ["two", "one", "given", "foilless"]


def test_the_table_has_every_wording(result):
    table = result.to_frame()
    assert len(table) == sum(map(len, REPLIES.values()))
    row = table[(table["key"] == "one") & (table["number"] == 2)].iloc[0]
    assert (row["exact"], row["known"], row["margin"], row["foil"]) == (True, False, 0.5, "Lima")


def test_the_picture_shows_the_funnel(result):
    display = FunnelDisplay.from_known(result)
    assert display.counts.tolist() == [7, 6, 5, 4, 2, 1]
    assert display.names == list(STEPS.values())


def test_a_file_keeps_wordings_and_flags(result, tmp_path):
    facts = result.facts()
    facts.to_jsonl(tmp_path / "known.jsonl")
    read = load_facts(tmp_path / "known.jsonl")
    assert isinstance(read, Reworded)
    assert (read.wordings, read.known) == (facts.wordings, facts.known)
    read.to_jsonl(tmp_path / "again.jsonl")
    assert (tmp_path / "again.jsonl").read_bytes() == (tmp_path / "known.jsonl").read_bytes()
    assert list(FactSet.from_jsonl(tmp_path / "known.jsonl")) == list(facts)
    assert wordings_for(tmp_path / "known.jsonl") == list(facts.wordings.values())
    assert facts_for(tmp_path / "known.jsonl") == list(facts)


def test_parts_keep_wordings_and_flags(result):
    facts = result.facts()
    for part in (facts[1:], facts.filter(relation="P36"), facts.sample(1), facts[:0]):
        assert isinstance(part, Reworded)
        assert part.wordings == {f.key: facts.wordings[f.key] for f in part}
        assert part.known == {f.key: facts.known[f.key] for f in part}
        assert part.truth is facts.truth


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"wordings": ["other _X_"]}, "'wordings' must be a list of prompts that begins"),
        ({"wordings": "It is _X_"}, "'wordings' must be a list of prompts that begins"),
        ({"wordings": ["It is _X_", 3]}, "'wordings' must be a list of prompts that begins"),
        ({"wordings": ["It is _X_", " "]}, "needs a prompt"),
        ({"known": 3}, "'known' must be an object"),
        ({"knwn": {}}, "unknown field 'knwn'"),
    ],
)
def test_broken_lines_are_named(tmp_path, extra, message):
    file = tmp_path / "known.jsonl"
    file.write_text(json.dumps({"prompt": "It is _X_", "answers": ["Rome"], **extra}))
    with pytest.raises(ValueError, match=message) as error:
        load_facts(file)
    assert f"{file}, line 1" in str(error.value)


def test_wordings_with_other_answers_do_not_fit_into_a_line(tmp_path):
    one, other = Fact("It is", "Rome", id="a"), Fact("Is it", "Lima", id="a~2")
    with pytest.raises(ValueError, match="differs from the first wording of 'a'"):
        Reworded({"a": (one, other)}).to_jsonl(tmp_path / "known.jsonl")
    assert not (tmp_path / "known.jsonl").exists()


@pytest.fixture(scope="module")
def model():
    return random_model("gpt2", seed=4)


@pytest.fixture
def facts():
    words = ["capital", "Rome", "Paris"]
    one = {f"f{i}": Fact(f"{w} is _X_", w, "P1", id=f"f{i}") for i, w in enumerate(words)}
    return Reworded({k: worded(f, [f.prompt, f"The {f.prompt}"]) for k, f in one.items()})


def test_the_work_resumes_and_criteria_may_change(model, facts, tmp_path, monkeypatch):
    from neurotopo.knowledge import asking

    store = tmp_path / "replies.jsonl"
    whole = known_facts(model, facts, store=store)
    assert whole.replies == known_facts(model, facts).replies
    lines = store.read_bytes().splitlines(keepends=True)
    assert len(lines) == 4
    store.write_bytes(b"".join(lines[:3]) + lines[3][:20])
    asked = []
    plain = asking.ask
    monkeypatch.setattr(asking, "ask", lambda m, some, f: asked.extend(some) or plain(m, some, f))
    again = known_facts(model, facts, wordings=2, margin=0.5, store=store)
    assert {fact.key.partition("~")[0] for fact in asked} == {"f2"}
    assert again.replies == whole.replies
    assert store.read_bytes() == b"".join(lines)


def test_other_work_is_not_mixed(model, facts, tmp_path):
    store = tmp_path / "replies.jsonl"
    known_facts(model, facts, store=store)
    for change in (
        {"most_foils": 1},
        {"facts": facts[:2]},
        {"model": random_model("gpt2", seed=5)},
    ):
        with pytest.raises(ValueError, match="was made with other options"):
            known_facts(**{"model": model, "facts": facts, **change}, store=store)
    store.write_text("something else\n")
    with pytest.raises(ValueError, match="was not written by known_facts"):
        known_facts(model, facts, store=store)


def test_foils_are_those_of_the_whole_data_set(model, facts):
    alone = known_facts(model, facts[:1])
    assert max(reply.n_foils for reply in alone.replies["f0"]) == 2
    bare = known_facts(model, FactSet([facts[0]]), margin=0.0)
    assert {reply.n_foils for reply in bare.replies["f0"]} == {0}
    assert not bare.facts()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"wordings": 0}, "wordings must be at least 1, got 0"),
        ({"margin": float("nan")}, "margin must be a number or None, got nan"),
        ({"facts": Dataset([])}, "there are no facts"),
        ({"most_foils": -1}, "most must be at least 0"),
    ],
)
def test_wrong_settings(model, facts, settings, message):
    with pytest.raises(ValueError, match=message):
        known_facts(**{"model": model, "facts": facts, **settings})
