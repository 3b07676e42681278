"""Knowledge neurons of many facts: wordings put together, results kept as they come."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import AMIG, Fact, FactSet, NeuronSet
from neurotopo.knowledge.attribution import Attribution
from neurotopo.knowledge.locate import Located, locate
from neurotopo.knowledge.thresholds import select_neurons
from neurotopo.models.examples import random_model
from tests.support.examples import examples

MODEL = random_model("gpt2")
SHAPE = (MODEL.n_layers, MODEL.n_neurons)
FACTS = (
    Fact("The capital of France is _X_", "Paris", id="paris"),
    Fact("The capital of Italy is _X_", "Rome", id="rome"),
    Fact("Ada works for", "Acme", id="ada"),
)
asked: list[str] = []  # prompts, in the order in which Made was asked


@dataclass(frozen=True)
class Made:
    """Scores made from the prompt; the prompt "empty" has none, "broken" cannot be asked."""

    threshold: float = 1.0
    rule: str = "absolute"
    scope: str = "model"
    batch_size: int | None = None

    def attribute(self, model, fact):
        asked.append(fact.prompt)
        if fact.prompt == "broken":
            raise RuntimeError("out of memory")
        rng = np.random.default_rng(list(fact.prompt.encode()))
        scores = np.zeros(SHAPE) if fact.prompt == "empty" else rng.normal(size=SHAPE)
        return Attribution(scores, 0.5, np.zeros(SHAPE[0]), 1, (1,))

    def threshold_for(self, fact):
        return self.threshold


@pytest.fixture(autouse=True)
def _nothing_asked():
    asked.clear()


def scores_of(prompt):
    return Made().attribute(None, Fact(prompt, "a")).scores


def same(one, other):
    return one.to_json() == other.to_json()


# Several wordings


@examples(40)
@given(
    prompts=st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6, unique=True),
    share=st.sampled_from([0.0, 0.25, 1 / 3, 0.5, 2 / 3, 0.75, 0.9]),
    combine=st.sampled_from(["shared", "union", "mean"]),
)
def test_wordings_are_put_together_neuron_by_neuron(prompts, share, combine):
    group = [Fact(prompt, "a") for prompt in prompts]
    located = locate(MODEL, [group], Made(), combine=combine, share=share)
    scores = [scores_of(prompt) for prompt in prompts]
    expected, n = {}, len(prompts)
    for layer in range(SHAPE[0]):
        for index in range(SHAPE[1]):
            values = [score[layer, index] for score in scores]
            count = sum(value > 1.0 for value in values)
            kept = {"shared": count / n > share, "union": count > 0, "mean": sum(values) / n > 1.0}[
                combine
            ]
            if kept:
                expected[layer, index] = (sum(values) / n, count / n)
    (key,) = located.neurons
    assert key == group[0].key
    assert located.neurons[key] == set(expected)
    pairs = list(located.neurons[key])
    np.testing.assert_allclose(located.scores[key], [expected[pair][0] for pair in pairs])
    np.testing.assert_allclose(located.shares[key], [expected[pair][1] for pair in pairs])
    assert located.facts[key] == tuple(group)


def test_half_of_the_wordings_is_not_more_than_half():
    both = [Fact("a", "x"), Fact("b", "x")]
    first, second = (select_neurons(scores_of(p), 1.0, "absolute") for p in "ab")
    shared = locate(MODEL, [both], Made(), share=0.5)
    assert shared.neurons[both[0].key] == first & second != first | second
    more = locate(MODEL, [both], Made(), share=0.49)
    assert more.neurons[both[0].key] == first | second


def test_one_wording_is_what_the_attributor_locates():
    amig = AMIG(steps=2, rule="top", threshold=5, scope="layer")
    for combine in ("shared", "union", "mean"):
        located = locate(MODEL, FactSet(FACTS), amig, combine=combine)
        assert located.neurons == {fact.key: amig.locate(MODEL, fact) for fact in FACTS}
    scores = amig.attribute(MODEL, FACTS[1]).scores
    rome = located.neurons["rome"]
    # one fact and a batch of facts may differ by rounding in single precision
    np.testing.assert_allclose(located.scores["rome"], scores[rome.layers, rome.indices], rtol=1e-5)


def test_thresholds_by_language():
    amig = AMIG(steps=1, rule="top", threshold={"en": 2, "zh": 4})
    chinese = Fact("The capital of France is _X_", "Paris", language="zh", id="zh")
    located = locate(MODEL, [FACTS[0], chinese], amig)
    assert [len(neurons) for neurons in located.neurons.values()] == [2, 4]


# Results


def test_facts_without_neurons_are_empty_sets_and_counted():
    facts = [Fact("empty", "a", id="none"), Fact("a", "b", id="some")]
    located = locate(MODEL, facts, Made())
    assert located.n_empty == 1
    assert located.neurons["none"] == NeuronSet()
    assert set(located.to_pandas()["key"]) == {"some"}
    assert json.loads(located.to_json())["n_empty"] == 1
    only = locate(MODEL, facts[:1], Made())
    assert len(only.to_pandas()) == 0
    assert only.to_pandas().dtypes["layer"] == np.int64
    assert len(locate(MODEL, [], Made()).neurons) == 0


def test_the_table_has_a_row_per_neuron_by_falling_score():
    located = locate(MODEL, FACTS, Made())
    table = located.to_pandas()
    assert list(dict.fromkeys(table["key"])) == [fact.key for fact in FACTS]
    for key, rows in table.groupby("key"):
        assert rows["score"].is_monotonic_decreasing
        assert NeuronSet(zip(rows["layer"], rows["index"], strict=True)) == located.neurons[key]
        for row in rows.to_dict("records"):
            at = list(located.neurons[key]).index((row["layer"], row["index"]))
            assert row["score"] == located.scores[key][at]
            assert row["share"] == 1.0


def test_saved_and_loaded(tmp_path):
    located = locate(MODEL, [FACTS, Fact("empty", ["é", "b"], date="2010")], Made())
    located.save(tmp_path / "located.json")
    loaded = Located.load(tmp_path / "located.json")
    assert same(loaded, located)
    assert loaded.facts == located.facts
    (tmp_path / "other.json").write_text('{"facts": 3}', encoding="utf-8")
    with pytest.raises(ValueError, match=r"other\.json was not written"):
        Located.load(tmp_path / "other.json")


# A file of results


def test_an_interrupted_run_goes_on_where_it_was(tmp_path):
    out = tmp_path / "located.jsonl"
    whole = locate(MODEL, FACTS, Made())
    locate(MODEL, FACTS[:2], Made(), out=out)
    asked.clear()
    again = locate(MODEL, FACTS, Made(batch_size=3), out=out)  # which has no influence
    assert asked == [FACTS[2].prompt]
    assert same(again, whole)
    asked.clear()
    assert list(locate(MODEL, FACTS[::-1], Made(), out=out).neurons) == ["ada", "rome", "paris"]
    assert asked == []
    assert len(out.read_bytes().splitlines()) == 4


def test_a_file_cut_off_anywhere_is_gone_on_with(tmp_path):
    out = tmp_path / "located.jsonl"
    whole = locate(MODEL, FACTS, Made(), out=out)
    data = out.read_bytes()
    ends = np.flatnonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")) + 1
    for size in sorted({0, 1, 40, *ends, *(ends - 1), *(ends[:-1] + 1), len(data) // 2}):
        out.write_bytes(data[:size])
        asked.clear()
        assert same(locate(MODEL, FACTS, Made(), out=out), whole)
        assert out.read_bytes() == data
        n_complete = max(int((ends <= size).sum()) - 1, 0)
        assert len(asked) == len(FACTS) - n_complete


def test_results_are_in_the_file_when_a_later_fact_fails(tmp_path):
    out = tmp_path / "located.jsonl"
    facts = [FACTS[0], Fact("broken", "a", id="bad"), FACTS[1]]
    with pytest.raises(RuntimeError, match=r"Fact 'bad' \('broken'\): .*out of memory"):
        locate(MODEL, facts, Made(), out=out)
    records = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()[1:]]
    assert [record["key"] for record in records] == ["paris"]


@pytest.mark.parametrize(
    ("attributor", "options", "said"),
    [
        (Made(threshold=2.0), {}, "threshold was 1.0 and is 2.0"),
        (Made(), {"combine": "mean"}, "combine was 'shared' and is 'mean'"),
        (Made(), {"share": 0.3}, r"share was 0\.5 and is 0\.3"),
        (AMIG(), {}, "attributor was 'Made' and is 'AMIG'"),
    ],
)
def test_other_options_are_refused(attributor, options, said, tmp_path):
    out = tmp_path / "located.jsonl"
    locate(MODEL, FACTS[:1], Made(), out=out)
    data = out.read_bytes()
    with pytest.raises(ValueError, match=f"other options.*{said}"):
        locate(MODEL, FACTS, attributor, out=out, **options)
    assert out.read_bytes() == data


def test_another_model_or_other_wordings_are_refused(tmp_path):
    out = tmp_path / "located.jsonl"
    locate(MODEL, FACTS[:1], Made(), out=out)
    with pytest.raises(ValueError, match="n_layers was 3 and is 2"):
        locate(random_model("gpt2", n_layers=2), FACTS, Made(), out=out)
    changed = Fact(FACTS[0].prompt, "Rome", id="paris")
    with pytest.raises(ValueError, match="'paris' with other wordings or answers"):
        locate(MODEL, [changed], Made(), out=out)


@pytest.mark.parametrize("text", ["notes", "a line\n", '{"kind": "x"}\n', "[]\n", "\n"])
def test_a_file_of_somebody_else_is_left_alone(text, tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match="was not written by locate"):
        locate(MODEL, FACTS, Made(), out=out)
    assert out.read_text(encoding="utf-8") == text


def test_a_broken_line_is_named(tmp_path):
    out = tmp_path / "located.jsonl"
    locate(MODEL, FACTS, Made(), out=out)
    lines = out.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2][:30] + b"\n"
    out.write_bytes(b"".join(lines))
    with pytest.raises(ValueError, match=r"located\.jsonl, line 3: broken"):
        locate(MODEL, FACTS, Made(), out=out)


# What goes wrong


def test_a_fact_that_is_wrong_for_the_model_is_named_once():
    wrong = Fact("_X_ barks at dogs in a way", "Ada", id="dogs")  # cannot be turned round
    with pytest.raises(ValueError) as caught:
        locate(MODEL, [FACTS[0], wrong], AMIG(steps=1))
    assert str(caught.value).count("dogs'") == str(caught.value).count("Fact 'dogs'") == 1


@pytest.mark.parametrize(
    ("facts", "options", "kind", "said"),
    [
        (FACTS[0], {}, TypeError, "put a single fact into a list"),
        (["paris"], {}, TypeError, r"facts\[0\] must be a Fact"),
        ([3], {}, TypeError, r"facts\[0\] must be a Fact"),
        ([FACTS[0], []], {}, ValueError, r"facts\[1\] has no wording"),
        ([FACTS[0], FACTS[:2]], {}, ValueError, r"facts\[1\] has the key 'paris'"),
        (FACTS, {"combine": "all"}, ValueError, "combine must be one of"),
        (FACTS, {"share": 1.0}, ValueError, "share must be"),
        (FACTS, {"share": float("nan")}, ValueError, "share must be"),
    ],
)
def test_mistakes_are_named_before_any_work(facts, options, kind, said):
    with pytest.raises(kind, match=said):
        locate(MODEL, facts, Made(), **options)
    assert asked == []


def test_the_progress_bar_counts_facts(capsys):
    located = locate(MODEL, FACTS, Made(), progress=True)
    assert "3/3" in capsys.readouterr().err
    assert same(located, locate(MODEL, FACTS, Made()))
    assert capsys.readouterr().err == ""
