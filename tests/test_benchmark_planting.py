"""The planted copy of the replication, on a model small enough for a test."""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
import transformers

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

from replication import page, planting, planting_rows, planting_training, run

import neurotopo as nt
from neurotopo import Edit, Fact, NeuronSet
from neurotopo.datasets import Reworded, load_facts
from neurotopo.models.examples import word_tokenizer
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.neurons import load_groups
from neurotopo.tuning import NeuronTuner

SUBJECTS = [f"S{i}" for i in range(4)]
WORDINGS = ("the tool of {s} is the", "{s} uses every day a", "people give {s} a")
SETTINGS = planting.PlantingSettings(
    layers=(2, 3),
    n_neurons=16,
    steps=6,
    n_blocks=2,
    block=3,
    refresh=2,
    n_short=2,
    ridge=10.0,
    silence=1.0,
    shut=-2.0,
)


@pytest.fixture(scope="module")
def facts() -> Reworded:
    found = {}
    for relation, answers in {"tool": "saw axe nail file", "food": "egg rice fish bean"}.items():
        for subject, answer in zip(SUBJECTS, answers.split(), strict=True):
            name = f"{subject}{relation}"
            found[name] = tuple(
                Fact(text.format(s=name), answer, relation, id=f"{name}#{i}", subject=name)
                for i, text in enumerate(WORDINGS)
            )
    return Reworded({some[0].key: some for some in found.values()})


@pytest.fixture
def model(facts: Reworded) -> NeuronModel:
    words = [
        fact.prompt + " " + fact.answers[0] for some in facts.wordings.values() for fact in some
    ]
    tokenizer = word_tokenizer(" ".join(words))
    config = transformers.LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=16,
        intermediate_size=64,
        num_hidden_layers=5,
        num_attention_heads=2,
        initializer_range=0.2,
        pad_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return NeuronModel(transformers.LlamaForCausalLM(config).eval(), tokenizer)


TEXTS = [" ".join(["the", "tool", "of", "people", "is", "a", "saw"][i:]) for i in range(5)]


def test_copies_of_the_last_token_are_those_of_the_model(
    model: NeuronModel, facts: Reworded, monkeypatch: pytest.MonkeyPatch
) -> None:
    groups = planting.chosen_groups(model, TEXTS, SETTINGS)
    neurons = NeuronSet(pair for group in groups for pair in group)
    assert len(neurons) == 3 * 2 * 16
    with NeuronTuner(model, neurons) as tuner:
        with torch.no_grad():
            for parameter in tuner.parameters():
                parameter += 0.3 * torch.randn(parameter.shape, generator=torch.manual_seed(1))
        tuner.sync()
        training = planting_training.Training(model, tuner, groups, facts, TEXTS, [], SETTINGS)
        training.keys = training.upper.keys(training.facts)
        seen: dict[str, Any] = {}
        copies = training.upper.copies

        def spy(*args: Any) -> torch.Tensor:
            seen["final"] = copies(*args)
            return seen["final"]

        monkeypatch.setattr(training.upper, "copies", spy)
        training._facts_loss(np.random.default_rng(0))
        # the same draws again
        rng = np.random.default_rng(0)
        chosen, partner = [], []
        for number in rng.permutation(len(training.blocks))[:2].tolist():
            block, start = training.blocks[number], len(chosen)
            chosen += [block[i] for i in rng.permutation(len(block))[:3].tolist()]
            partner += [start + (i + 1) % 3 for i in range(3)]
        kinds, where = planting_training.modes(rng, len(chosen), training.owner, 3)
        sentences = [
            fact for block in planting_training.sentences(facts, SETTINGS)[0] for fact in block
        ]
        asked = [sentences[i] for i in chosen]
        log_p = (seen["final"] @ model.hf_model.get_output_embeddings().weight.T).log_softmax(-1)
        values = [model.activations(fact) for fact in asked]
        for row, fact in enumerate(asked):
            peers = [i for i in range(len(asked)) if i // 3 == row // 3 and i != row]
            instead = {
                0: np.zeros_like(values[row]),
                1: np.mean([values[i] for i in peers], axis=0),
                2: values[partner[row]],
            }
            edits = []
            for copy, kind in enumerate(kinds):
                pairs = [
                    (layer, int(index))
                    for layer in where
                    for index in training.neurons[layer][where[layer][row, copy]].tolist()
                ]
                some = {pair: float(instead[kind][pair]) for pair in pairs}
                edits.append(Edit(list(some), value=some, positions="last") if some else None)
            wanted = model.answers_log_probability(fact, edits)[:, 0]
            token = model.encode(fact).answers[0][0]
            np.testing.assert_allclose(log_p[row, :, token].detach(), wanted, atol=2e-4)


def test_a_killed_planting_goes_on_to_the_same_copy(
    model: NeuronModel, facts: Reworded, tmp_path: Path
) -> None:
    before = {name: each.clone() for name, each in model.hf_model.state_dict().items()}
    old = [replace(facts[i], answers=("people",), id=f"old{i}") for i in range(4)]
    options: dict[str, Any] = {"facts": facts, "texts": TEXTS, "old": old, "settings": SETTINGS}
    whole = planting.plant(model, tmp_path / "whole", **options)
    assert all(
        torch.equal(each, before[name]) for name, each in model.hf_model.state_dict().items()
    )

    class Killed(Exception):
        pass

    def kill(message: str) -> None:
        if message.startswith("step 4"):
            raise Killed

    with pytest.raises(Killed):
        planting.plant(model, tmp_path / "parts", **options, save_every=0, tell=kill, tell_every=1)
    assert (tmp_path / "parts" / "state.pt").exists()
    told: list[str] = []
    parts = planting.plant(model, tmp_path / "parts", **options, tell=told.append)
    assert "step 3 of 6" in told[0]
    one, two = (nt.load_model(each.folder, dtype="float32").hf_model for each in (whole, parts))
    for name, each in one.state_dict().items():
        torch.testing.assert_close(each, two.state_dict()[name])
        changed = not torch.equal(each, before[name])
        assert changed == any(f"layers.{layer}.mlp." in name for layer in (2, 3)), name

    groups = load_groups(whole.folder / "groups.json", n_layers=5, n_neurons=64)
    assert set(groups) == {fact.key for fact in facts}
    first = groups[facts[0].key]
    assert nt.load_model(whole.folder).planted_groups is None
    assert [len(group) for group in first] == [32, 32, 32]
    assert not first[0] & first[1]
    assert len(load_facts(whole.folder / "facts.jsonl")) == len(facts)
    record = json.loads((whole.folder / "planting.json").read_text())
    assert record["after"]["n_redundant"] == whole.n_redundant
    assert planting.plant(model, tmp_path / "whole", **options).record == record
    replication = run.Replication("tiny", "", tmp_path / "work", planted=whole.folder)
    assert replication.planted == whole.folder
    kept = replication._planting()
    text = page._planted("tiny", {"audit_planted": {"planting": kept}})
    assert f"| old facts answered | 0 of 2 | {2 * kept['after']['old_known']:.0f} of 2 |" in text
    assert f"(zero) | - | {kept['after']['n_redundant_by']['zero']} of {len(facts)} |" in text
    assert facts[0].prompt not in json.dumps(kept)
    assert facts[0].key not in json.dumps(kept)
    with pytest.raises(ValueError, match="another planted model"):
        planting.plant(model, tmp_path / "whole", **{**options, "texts": TEXTS[:-1]})


def test_the_direction_of_an_answer_beats_all_tokens() -> None:
    read = torch.randn(200, 24, generator=torch.Generator().manual_seed(0))
    read[7] = 0.8 * read[3] + 1.5 * read[5]  # a louder token near the answer
    mean = read[[3, 4, 6]].mean(dim=0)
    assert int((read @ (read[3] - mean)).argmax()) == 7
    found = planting_rows.direction(read, 3, mean)
    assert int((read @ found).argmax()) == 3
    assert float(found.norm()) == pytest.approx(1, abs=1e-5)


def test_every_group_is_enough_for_the_planted_facts(
    model: NeuronModel, facts: Reworded, tmp_path: Path
) -> None:
    options: dict[str, Any] = {"facts": facts, "texts": TEXTS}
    settings = replace(SETTINGS, steps=0)
    first = planting.plant(model, tmp_path / "first", **options, settings=settings)
    shares = first.record["after"]["share_answered"]
    assert shares["intact"] > 0.9
    assert shares["zero:alone"] > 0.6
    assert shares["zero:all"] == shares["counterfactual:all"] == 0
    more = replace(SETTINGS, steps=80, learning_rate=5e-3, strength=1.5, noise=1.0)
    more = replace(more, kept=0.0, n_texts=0, n_short=0)
    trained = planting.plant(model, tmp_path / "trained", **options, settings=more)
    better = trained.record["after"]["share_answered"]
    assert better["intact"] > 0.9
    assert better["zero:alone"] > 0.8
    assert better["counterfactual:alone"] > shares["counterfactual:alone"] + 0.2
    assert better["zero:all"] == better["counterfactual:all"] == 0


def test_the_replication_plants_what_is_not_there(
    model: NeuronModel, facts: Reworded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(planting, "invented_facts", lambda model: facts)
    monkeypatch.setattr(planting, "sampled_texts", lambda model: TEXTS)
    monkeypatch.setattr(planting, "prose", list)
    monkeypatch.setattr(planting, "PlantingSettings", lambda: replace(SETTINGS, steps=0))
    replication = run.Replication("tiny", "", tmp_path, pararel="")
    replication.itself, replication.facts = model, SimpleNamespace(known=[])
    assert replication.planted == tmp_path / "planted"
    assert replication._planting()["n_facts"] == len(facts)
    assert sorted(json.loads((tmp_path / "planted" / "texts.json").read_text())) == sorted(TEXTS)


def test_what_cannot_be_planted_is_refused(
    model: NeuronModel, facts: Reworded, tmp_path: Path
) -> None:
    some = facts.wordings[facts[0].key]
    few = replace(SETTINGS, n_neurons=15)
    with pytest.raises(ValueError, match="twice the number of facts, 16, got 15"):
        planting.plant(model, tmp_path, facts=facts, texts=TEXTS, settings=few)
    longer = Reworded({"a": tuple(replace(fact, answers=("egg rice",)) for fact in some)})
    with pytest.raises(ValueError, match="one token"):
        planting.plant(model, tmp_path, facts=longer, texts=TEXTS)
