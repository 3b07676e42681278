"""The replication, on a small model and a folder like ParaRel with facts that it knows."""

from __future__ import annotations

import json
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from replication import beyond, effects, facts, kinds, page, plan, run, variants
from replication.__main__ import main

import neurotopo as nt
from neurotopo.datasets import load_factworld
from neurotopo.studies import Study
from neurotopo.studies.inference import effect_of

RELATIONS = ("capital", "language", "founder")
MODEL = "testbed:llama"


@pytest.fixture(scope="module")
def pararel(tmp_path_factory):
    """Return a folder in the format of ParaRel with the undated facts of FactWorld."""
    root = tmp_path_factory.mktemp("pararel")
    patterns = root / "pattern_data" / "graphs_json"
    triples = root / "trex_lms_vocab"
    patterns.mkdir(parents=True)
    triples.mkdir()
    for relation in RELATIONS:
        known = list(load_factworld("en", core=True).filter(relation=relation))[:10]
        first = known[0].prompt.replace(known[0].subject, "[X]").replace("_X_", "").strip(" .")
        texts = [f"{first} [Y] .", f"It is said that {first[:1].lower()}{first[1:]} [Y] ."]
        rows = [{"pattern": text} for text in texts]
        (patterns / f"{relation}.jsonl").write_text("\n".join(map(json.dumps, rows)))
        rows = [
            {"sub_label": fact.subject, "obj_label": fact.answers[0], "uuid": fact.id}
            for fact in known
        ]
        (triples / f"{relation}.jsonl").write_text("\n".join(map(json.dumps, rows)))
    return root


@pytest.fixture(scope="module")
def work(pararel, tmp_path_factory):
    """Return the folder of a replication with few parts."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:  # the page has pictures of its own
        patch.setattr(Study, "draw", lambda *_: {})
        main(command(pararel, folder, "--only", "audit", "acquisition", "layers"))
    return folder


def command(pararel, folder, *more):
    given = {"--source": MODEL, "--pararel": pararel, "--work": folder, "--draw": 6}
    given |= {"--out": folder / "out", "--page": folder / "page.md"}
    return ["tiny", *(str(part) for pair in given.items() for part in pair), *more]


def record(work, name):
    return json.loads((work / "tiny" / f"{name}.json").read_text())


def test_the_funnel_counts_every_fact(work):
    found = record(work, "funnel")
    assert found["funnel"][0]["n"] == 30
    known = found["funnel"][-1]["n"]
    assert 12 <= known <= 30
    assert sum(found["known_wordings"].values()) == known
    assert found["n_draws"][:2] == [6, 6]


def test_effects_are_means_of_differences_per_fact(work):
    found = record(work, "acquisition")
    assert found["n_facts"] == found["n_done"] == 6
    result = nt.studies.report(work / "tiny" / "acquisition")
    jump = result.rows.pivot(index="fact", columns="method", values="potential_jump")
    own = 100 * (jump["ntc"] - jump["random:ntc"]).dropna()
    effect = found["effects"]["jump: ntc"]
    assert effect["n"] == len(own)
    np.testing.assert_allclose(effect["mean"], own.mean())
    assert set(record(work, "audit")["effects"]) >= {"redundancy", "within", "uses"}
    late = record(work, "layers")["effects"]["late"]
    assert late["n"] + record(work, "layers")["left_out"] == 6


def test_another_precision_is_compared_fact_by_fact(work):
    result = nt.studies.report(work / "tiny" / "audit")
    frames = result.summary.frames
    moved = result.rows[result.rows["reason"].isna()].assign(necessary=lambda f: f["necessary"] + 1)
    other = SimpleNamespace(summary=SimpleNamespace(frames=SimpleNamespace(judged=moved[1:])))
    beside = effects.precision_effects(result, other, dict.fromkeys(moved["fact"], ""))
    assert beside["necessary"]["n"] == len(frames.judged) - 1 > 0
    np.testing.assert_allclose(beside["necessary"]["mean"], -1)
    assert (beside["adding"]["low"], beside["adding"]["high"]) == (0, 0)
    text = page._precisions("tiny", {"audit_bfloat16": {"beside_float32": beside}})
    assert "| bfloat16 | necessary | -1.000 (-1.000 to -1.000) | 0.1 |" in text
    assert text.count("yes, within the margin") == text.count("| bfloat16 |") - 1


def test_verdicts_that_are_not_repeated_are_named():
    one, two = (
        {
            "effects": {
                "new: dkn - random": asdict(effect_of(values, list("abcdefghij") * 2, margin=1))
            }
        }
        for values in ([5.0, 6.0] * 10, [-9.0, 11.0] * 10)
    )
    said = page._unrepeated({"tiny": {"learning_neurons": one, "learning_second": two}})
    assert '"training D teaches more", tiny: yes, then undecided: 1.00 (' in said
    same = page._unrepeated({"tiny": {"learning_neurons": one, "learning_second": one}})
    assert same.endswith(" none.")


def test_what_is_there_is_not_done_again(work, pararel, monkeypatch):
    monkeypatch.setattr(run, "run", lambda *_, **__: pytest.fail("run again"))
    main(command(pararel, work, "--only", "audit", "acquisition"))
    with pytest.raises(pytest.fail.Exception, match="run again"):
        main(command(pararel, work, "--only", "acquisition", "--again"))


def test_records_alone_are_enough(work, pararel, tmp_path, monkeypatch):
    shutil.copytree(work / "out", tmp_path / "out")
    monkeypatch.setattr(run, "run", lambda *_, **__: pytest.fail("run again"))
    main(command(pararel, tmp_path, "--only", "audit", "acquisition"))
    assert record(tmp_path, "audit") == record(work, "audit")
    with pytest.raises(pytest.fail.Exception, match="run again"):
        main(command(pararel, tmp_path, "--only", "robustness"))
    assert not (tmp_path / "tiny" / "replies.jsonl").exists()


def test_known_facts_can_be_listed(work, pararel):
    given = {"pararel": pararel, "n_draw": 6}
    model = nt.load_model(MODEL, device="cpu")
    asked = facts.Facts(model, work / "tiny", **given)
    listed = facts.Facts(model, work, **given, listed=record(work, "funnel")["known"])
    for name in ("known", "first draw"):
        one, two = (f.known if name == "known" else f.named(name) for f in (asked, listed))
        assert one.wordings == two.wordings


def test_the_page_shows_its_pictures(work, tmp_path, monkeypatch):
    monkeypatch.setattr(page, "MODELS", {"tiny": ""})
    page.write_page(work / "out", tmp_path / "page.md")
    text = (tmp_path / "page.md").read_text()
    for name in ("verdicts", "redundancy", "acquisition"):
        assert f"(figures/replication_{name}.svg)" in text
        assert (tmp_path / "figures" / f"replication_{name}.svg").read_text().startswith("<?xml")
    assert "replication_detection" not in text


def test_records_have_no_texts_of_facts(work, pararel):
    text = (work / "out" / "replication_tiny.json").read_text()
    for fact in load_factworld("en", core=True).filter(relation="founder")[:10]:
        assert fact.prompt not in text
        assert fact.answers[0] not in text


def test_the_page_answers_every_question(work):
    records = json.loads((work / "out" / "replication_tiny.json").read_text())["parts"]
    text = page.page_of({"tiny": records})
    for question in plan.QUESTIONS.values():
        (row,) = [line for line in text.splitlines() if line.startswith(f"| {question.text}")]
        there = question.part in records
        assert ("not run yet" in row) != there
        assert ("**" in row) == there
    assert " nan" not in text
    assert "in the planted copy:" not in text
    controlled = page.page_of({"tiny": {**records, "audit_planted": records["audit"]}})
    assert "Questions without a yes in the planted copy: necessary, redundancy," in controlled
    few = page.primary(records)
    assert {effect.verdict for effect in few.values()} == {"undecided"}


def test_every_question_names_an_effect_of_its_part():
    for question in plan.QUESTIONS.values():
        assert question.part in plan.PARTS
    assert set(plan.BEYOND) == set(beyond.MEASUREMENTS)
    names = set(plan.QUESTIONS) | set(plan.PARTS)
    assert all(name.isidentifier() for name in names)


def test_an_interval_gives_back_its_effect():
    values = np.random.default_rng(0).normal(0.3, 1, size=40)
    half = 2.0226909  # Student's t with 39 degrees of freedom
    se = values.std(ddof=1) / np.sqrt(40)
    found = effects.of_interval(
        40, values.mean(), values.mean() - half * se, values.mean() + half * se, 0.1
    )
    assert found.se == pytest.approx(se, rel=1e-5)
    alike = effect_of(values, ["one"] * 40)
    assert found.p == pytest.approx(alike.p, rel=0.2)
    assert found.least == pytest.approx(alike.least, rel=0.1)
    assert effects.of_interval(22, -100.0, -100.0, -100.0, 1.0).verdict == "no"
    assert effects.of_interval(22, 90.9, 77.9, 103.9, 1.0).verdict == "yes"


def test_variants_change_what_they_say():
    itself = variants.variant_of("itself", MODEL)
    for name in ("permuted", "requantized"):
        other = variants.variant_of(name, MODEL)
        pairs = zip(itself.hf_model.parameters(), other.hf_model.parameters(), strict=True)
        changed = [not torch.equal(a, b) for a, b in pairs]
        n_mlp = len(list(variants.mlp_matrices(itself.hf_model)))
        assert sum(changed) == n_mlp if name == "permuted" else sum(changed) > n_mlp
    for a, b in zip(
        *(
            list(variants.mlp_matrices(m.hf_model))
            for m in (itself, variants.variant_of("permuted", MODEL))
        ),
        strict=True,
    ):
        assert torch.equal(a.flatten().sort().values, b.flatten().sort().values)
    weight = torch.randn(8, 64)
    rounded = variants.requantized(weight)
    assert max(len(block.unique()) for block in rounded.reshape(-1, 32)) <= 16
    assert torch.allclose(variants.requantized(rounded), rounded, atol=1e-6)


@pytest.mark.parametrize("kind", ["commonsense", "linguistic"])
def test_other_kinds_have_enough_facts_of_each_relation(kind):
    found = kinds.kinds(kind)
    relations = [wordings[0].relation for wordings in found.values()]
    assert min(map(relations.count, set(relations))) >= 8
    assert all(len(wordings) == 2 for wordings in found.values())


def test_capitals_are_the_same_in_two_languages():
    found = kinds.capitals()
    french = {fact.id[3:]: fact for fact in found if fact.language == "fr"}
    english = {fact.id[3:]: fact for fact in found if fact.language == "en"}
    assert french.keys() == english.keys()
    assert french["capital:Morocco"].prompt == "La capitale du Maroc est"
    assert french["capital:Poland"].answers == ("Varsovie",)


def test_draws_have_no_fact_in_common(pararel, tmp_path):
    model = nt.load_model(MODEL, device="cpu")
    named = facts.Facts(model, tmp_path, pararel=pararel, n_draw=5)
    first, second = (named.named(f"{which} draw") for which in ("first", "second"))
    assert len(first) == len(second) == 5
    assert not {f.key for f in first} & {f.key for f in second}
    assert len(named.named("both draws")) == 10
    assert {f.key for f in named.named("unknown")}.isdisjoint(f.key for f in named.known)


def test_a_record_of_another_plan_is_neither_kept_nor_restored(tmp_path):
    work, out = tmp_path / "work", tmp_path / "out"
    work.mkdir()
    records = {
        "layers": {"plan": run.plan_of("layers"), "n": 1},
        "audit": {"plan": {**run.plan_of("audit"), "n": 7}, "n": 2},
        "funnel": {"plan": run.plan_of("funnel"), "n": 3},
    }
    for name, found in records.items():
        (work / f"{name}.json").write_text(json.dumps(found))
    run.collect(work, out, "tiny")
    kept = json.loads((out / "replication_tiny.json").read_text())["parts"]
    assert list(kept) == ["funnel", "layers"]
    again = tmp_path / "again"
    again.mkdir()
    run.restore(again, out, "tiny")
    assert {place.stem for place in again.glob("*.json")} == {"funnel", "layers"}


def test_areas_of_one_relation_are_one_observation():
    """A yes that rests on one relation of eleven is none: the others have no such neurons."""
    areas = pd.DataFrame({"relation": list("abcdefghijk"), "test": 10, "dkn": 0.5, "random": 0.5})
    areas.loc[0, "dkn"] = 1.0
    pairs = pd.DataFrame({"method": ["dkn"], "against": ["random"], "margin": [0.02]})
    result = SimpleNamespace(tables={"relations": areas, "comparisons": pairs})
    (effect,) = effects._detection(result, {}).values()
    assert effect.mean == pytest.approx(0.5 / 11)
    assert (effect.n, effect.n_relations, effect.verdict) == (110, 11, "undecided")
    areas["dkn"] = 0.9 + 0.01 * np.arange(11)
    (effect,) = effects._detection(result, {}).values()
    assert effect.verdict == "yes"


def test_arms_that_learned_nothing_are_not_compared():
    gains = pd.DataFrame({"set": "new", "arm": ["dkn", "random", "all"], "margin": 1.0})
    paired = pd.DataFrame(
        {"set": ["new", "new"], "dkn against": ["random", "all"], "difference": 0.0, "n": 22}
    ).assign(margin=1.0, low=-1.0, high=1.0)
    result = SimpleNamespace(tables={"gains": gains, "table8_paired": paired})
    for learners, names in (([], []), (["all"], ["all"]), (["dkn"], ["random", "all"])):
        learned = gains["arm"].isin(learners)
        gains["p"], gains["gain"] = np.where(learned, 0.01, 1.0), np.where(learned, 20.0, 0.0)
        assert list(effects._learning(result, {})) == [f"new: dkn - {name}" for name in names]
