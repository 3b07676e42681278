"""``neurotopo locate`` with RelP, contrasts, other tokens and other baselines."""

from __future__ import annotations

import json

import pytest

import neurotopo as nt
from neurotopo.cli import main
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.relp import RelP
from neurotopo.models.examples import random_model

FACTS = [
    {"prompt": f"The capital of {land} is _X_", "answers": [city], "relation": "P36", "id": land}
    for land, city in {"France": "Paris", "Italy": "Rome"}.items()
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model and facts, with subjects."""
    path = tmp_path_factory.mktemp("attributions")
    model = random_model("gpt2")
    model.hf_model.save_pretrained(path / "model")
    model.tokenizer.save_pretrained(path / "model")
    lines = (json.dumps({**fact, "subject": fact["id"]}) for fact in FACTS)
    (path / "facts.jsonl").write_text("\n".join(lines))
    return path


def located(folder, out, *options):
    arguments = ["locate", str(folder / "model"), "--facts", str(folder / "facts.jsonl")]
    assert main([*arguments, "--rule", "top", "--threshold", "4", "--out", str(out), *options]) == 0
    return json.loads((out / "attribution.json").read_text())


def expected(attributor):
    facts = [nt.Fact(**fact, subject=fact["id"]) for fact in FACTS]
    model = random_model("gpt2")
    return facts, [attributor(facts).locate(model, fact).to_array().tolist() for fact in facts]


@pytest.mark.parametrize(
    ("options", "attributor"),
    [
        (
            ["--method", "relp", "--positions", "subject"],
            lambda facts: RelP(4, rule="top", positions="subject"),
        ),
        (
            ["--target", "contrast", "--fast"],
            lambda facts: nt.AMIG.fast(
                threshold=4,
                rule="top",
                target="contrast",
                foils={fact.key: foils_of(facts, fact) for fact in facts},
            ),
        ),
        (
            ["--baseline", "reference", "--reference", "FACTS", "--steps", "3"],
            lambda facts: nt.AMIG(3, 4, rule="top", baseline="reference", reference=facts),
        ),
    ],
)
def test_options_are_those_of_the_library(folder, tmp_path, options, attributor):
    options = [str(folder / "facts.jsonl") if each == "FACTS" else each for each in options]
    report = located(folder, tmp_path, *options)
    _, neurons = expected(attributor)
    assert [fact["neurons"] for fact in report["facts"]] == neurons


def test_foils_of_a_prompt(folder, capsys):
    ask = ["locate", str(folder / "model"), "--prompt", "The capital of France is", "--answer"]
    ask += ["Paris", "--target", "contrast"]
    assert main([*ask, "--foil", "Rome", "--steps", "2", "--json"]) == 0
    value = json.loads(capsys.readouterr().out)["wordings"][0]["value"]
    model, prompt = random_model("gpt2"), "The capital of France is"
    log_p = [model.answer_probability(nt.Fact(prompt, a), log=True) for a in ("Paris", "Rome")]
    assert value == pytest.approx(log_p[0] - log_p[1], abs=1e-4)
    for options, said in (
        ([], "--target contrast needs wrong answers; give some with --foil"),
        (["--foil", "Rome", "--method", "activation"], "has no meaning for --method activation"),
        (["--foil", "Rome", "--method", "relp", "--steps", "3"], "--steps has no meaning"),
    ):
        assert main([*ask, *options]) == 2
        assert said in capsys.readouterr().err


def test_half_precision_is_named_as_a_cause(folder, capsys):
    ask = ["locate", str(folder / "model"), "--prompt", "The capital of France is", "--answer"]
    assert main([*ask, "Paris", "--steps", "1", "--dtype", "bfloat16"]) == 0
    assert "half precision rounds the logits; use --dtype float32" in capsys.readouterr().out
