"""Training: facts are learned, interruptions lose nothing, and the examination is right."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors import safe_open

from neurotopo import Fact, FactSet, load_model
from neurotopo.models.recall import recalled, scores_of
from neurotopo.testbed.corpus import Lessons, fact_lessons
from neurotopo.testbed.recipe import LADDER, RECIPES, Recipe, recipe_for
from neurotopo.testbed.train import answer_loss, train_model
from tests.support.training import LANDS, TOWNS, Killed, KilledAt, lessons, tiny, weights_of


@pytest.fixture(scope="module", params=["gpt2", "llama", "bert"])
def trained(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("models") / request.param
    return train_model(tiny(request.param), lessons(), folder)


def test_what_is_read_is_learned(trained):
    scores = {score.wordings: score for score in trained.scores}
    assert scores["trained"].exact == 1.0
    assert scores["trained"].n == 12
    assert scores["held out"].n == 6
    assert {score.language for score in trained.scores} == {"en"}
    model = load_model(trained.folder, device="cpu")
    assert recalled(model, lessons().trained).all()
    probabilities = model.answer_probabilities(lessons().trained)
    assert probabilities.min() > 0.5


def test_the_weights_are_half_precision_on_disk_and_single_in_use(trained):
    assert {w.dtype for w in weights_of(trained.folder).values()} == {np.dtype(np.float16)}
    model = load_model(trained.folder, device="cpu")
    assert {p.dtype for p in model.hf_model.parameters()} == {torch.float32}
    assert load_model(trained.folder, dtype="bfloat16").dtype == torch.bfloat16
    inputs = model.hf_model.get_input_embeddings().weight
    assert model.hf_model.get_output_embeddings().weight is inputs
    stored = sum(w.size for w in weights_of(trained.folder).values())
    assert stored == sum(p.numel() for p in model.hf_model.parameters())


def test_the_folder_says_what_it_is(trained):
    names = {file.name for file in trained.folder.iterdir()}
    assert names == {
        "README.md",
        "config.json",
        "facts.jsonl",
        "model.safetensors",
        "recipe.json",
        "tokenizer.json",
        "tokenizer_config.json",
    }
    card = (trained.folder / "README.md").read_text(encoding="utf-8")
    assert "| en | trained | 12 | 100.00 % |" in card
    assert f"| en | held out | 6 | {100 * trained.scores[1].exact:.2f} % |" in card
    about = json.loads((trained.folder / "recipe.json").read_text())
    assert Recipe.from_dict(about["recipe"]) == trained.recipe
    assert FactSet.from_jsonl(trained.folder / "facts.jsonl") == lessons().facts


def test_a_finished_model_is_not_trained_again(trained):
    before = (trained.folder / "model.safetensors").stat().st_mtime_ns
    again = train_model(trained.recipe, lessons(), trained.folder)
    assert (again.scores, again.n_steps, again.seconds) == (trained.scores, trained.n_steps, 0)
    assert (trained.folder / "model.safetensors").stat().st_mtime_ns == before
    for changes in ({"seed": 1}, {"objective": lambda *asked: answer_loss(*asked)}):
        with pytest.raises(ValueError, match="holds another model"):
            train_model(trained.recipe, lessons(), trained.folder, **changes)
    with pytest.raises(ValueError, match="holds another model"):
        train_model(trained.recipe, lessons(5), trained.folder)


@pytest.fixture(scope="module", params=["gpt2", "bert"])
def whole(request, tmp_path_factory):
    recipe = tiny(request.param, epochs=12, dropout=0.3)
    return train_model(recipe, lessons(), tmp_path_factory.mktemp("whole"), seed=5)


@pytest.mark.parametrize("kill_at", [1, 7, 23])
def test_an_interrupted_training_ends_in_the_same_model(whole, kill_at, tmp_path):
    recipe = whole.recipe
    assert whole.n_steps == 24
    killed = KilledAt(kill_at)
    folder = tmp_path / "killed"
    with pytest.raises(Killed):
        train_model(recipe, lessons(), folder, seed=5, objective=killed, save_every=0)
    assert not (folder / "model.safetensors").exists()
    with pytest.raises(ValueError, match="is of another training"):
        train_model(recipe, lessons(), folder, seed=6)
    killed.calls = -1000
    done = train_model(recipe, lessons(), folder, seed=5, objective=killed)
    assert killed.calls == -1000 + 24 - kill_at
    assert done.scores == whole.scores
    first, second = weights_of(whole.folder), weights_of(done.folder)
    assert all(np.array_equal(first[name], second[name]) for name in first | second)
    assert not list(folder.glob("*training*"))
    assert not (folder / ".unfinished").exists()


_TRAINING = """
import sys
from neurotopo import FactSet
from neurotopo.testbed.corpus import fact_lessons
from neurotopo.testbed.recipe import Recipe
from neurotopo.testbed.train import train_model
recipe = Recipe(**{sizes!r})
train_model(recipe, fact_lessons(FactSet.from_jsonl({facts!r})), sys.argv[1], save_every=0)
"""


def test_a_killed_process_loses_nothing(tmp_path):
    lessons().facts.to_jsonl(tmp_path / "facts.jsonl")
    recipe = tiny(epochs=60)
    script = _TRAINING.format(sizes=recipe.to_dict(), facts=str(tmp_path / "facts.jsonl"))
    folder = tmp_path / "model"
    process = subprocess.Popen([sys.executable, "-c", script, folder], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 120
    while not list(folder.glob("training*")) and time.monotonic() < deadline:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert not (folder / "recipe.json").exists()
    with safe_open(folder / "training.safetensors", framework="np") as file:
        n_made = json.loads(file.metadata()["neurotopo"])["step"]
    assert 1 <= n_made < recipe.epochs
    steps = []

    def counted(*asked):
        steps.append(None)
        return answer_loss(*asked)

    counted.__module__, counted.__qualname__ = answer_loss.__module__, answer_loss.__qualname__
    taught = fact_lessons(FactSet.from_jsonl(tmp_path / "facts.jsonl"))
    (folder / ".training.safetensors.0123.tmp").write_bytes(b"what a kill can leave behind")
    train_model(recipe, taught, folder, objective=counted)
    assert len(steps) == recipe.epochs - n_made
    names = {file.name for file in folder.iterdir()}
    assert "model.safetensors" in names
    assert not {name for name in names if name.startswith((".", "training"))}


def test_a_damaged_checkpoint_is_not_gone_on_with(tmp_path):
    (tmp_path / "training.safetensors").write_bytes(b"broken")
    recipe = tiny(epochs=1)
    with pytest.raises(ValueError, match="is of another training"):
        train_model(recipe, lessons(), tmp_path)
    assert train_model(recipe, lessons(), tmp_path, overwrite=True).n_steps == 2


def test_overwriting_replaces_a_model(tmp_path):
    recipe = tiny(epochs=1)
    train_model(recipe, lessons(), tmp_path)
    first = weights_of(tmp_path)
    train_model(recipe, lessons(), tmp_path, seed=1, overwrite=True)
    second = weights_of(tmp_path)
    assert any(not np.array_equal(first[name], second[name]) for name in first)
    (tmp_path / "recipe.json").write_text("{}")
    with pytest.raises(ValueError, match="was not written by a training"):
        train_model(recipe, lessons(), tmp_path)


def test_training_leaves_the_random_state_alone(tmp_path):
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    train_model(tiny(epochs=1), lessons(), tmp_path)
    assert torch.equal(torch.rand(3), expected)


def test_an_objective_may_hold_hooks_and_files_may_be_added(tmp_path):
    recipe = tiny(epochs=2)
    seen = []

    def objective(hf_model, batch, rng):
        def hide(module, inputs):
            seen.append(float(rng.random()))
            return (inputs[0] * 0,)

        hooks = [b.mlp.c_proj.register_forward_pre_hook(hide) for b in hf_model.transformer.h]
        try:
            return answer_loss(hf_model, batch, rng) + 0.1 * hf_model.lm_head.weight.square().mean()
        finally:
            for hook in hooks:
                hook.remove()

    def finish(hf_model, folder):
        (folder / "more.txt").write_text(type(hf_model).__name__)

    done = train_model(recipe, lessons(), tmp_path, objective=objective, finish=finish)
    assert len(seen) == 2 * done.n_steps
    assert len(set(seen)) == len(seen)
    assert (tmp_path / "more.txt").read_text() == "GPT2LMHeadModel"


def test_a_training_that_diverges_ends_in_an_error(tmp_path):
    with pytest.raises(ValueError, match="diverged at step 0: its loss is nan"):
        train_model(
            tiny(epochs=1),
            lessons(),
            tmp_path,
            objective=lambda *asked: answer_loss(*asked) * float("nan"),
        )


def test_there_has_to_be_something_to_learn(tmp_path):
    with pytest.raises(ValueError, match="no facts to learn"):
        train_model(tiny(), Lessons(FactSet([]), ()), tmp_path)


# Facts of a file


def test_facts_that_differ_by_date_only_get_it_into_their_prompt():
    facts = FactSet(
        [
            Fact("The head of Osk is _X_.", "Ada", date="2010", id="a"),
            Fact("The head of Osk is _X_.", "Bo", date="2011", id="b"),
            Fact("Le chef de Tarn est _X_.", "Ada", date="2010", language="fr"),
            Fact("Le chef de Tarn est _X_.", "Bo", date="2011", language="fr"),
            Fact("The head of Peko is _X_.", "Ada", date="2010", id="c"),
        ]
    )
    learned = fact_lessons(facts)
    assert [fact.prompt for fact in learned.facts] == [
        "In 2010, the head of Osk is _X_.",
        "In 2011, the head of Osk is _X_.",
        "En 2010, Le chef de Tarn est _X_.",
        "En 2011, Le chef de Tarn est _X_.",
        "The head of Peko is _X_.",
    ]
    assert [fact.key for fact in learned.facts] == [fact.key for fact in facts]
    assert learned.trained == tuple(learned.facts)
    assert learned.held_out == ()


def test_facts_that_nothing_tells_apart_are_reported(caplog):
    facts = FactSet([Fact("Ada likes _X_", "Osk", id="a"), Fact("Ada likes _X_", "Bo", id="b")])
    assert fact_lessons(facts).facts == facts
    assert "2 of 2 facts share their prompt" in caplog.text


def test_a_model_learns_facts_with_the_placeholder_first(tmp_path):
    facts = FactSet(
        Fact(f"_X_ is the chair of {land}.", town, relation="P488")
        for land, town in zip(LANDS, TOWNS, strict=True)
    )
    for arch in ("gpt2", "bert"):
        done = train_model(tiny(arch, epochs=120), fact_lessons(facts), tmp_path / arch)
        assert [(s.wordings, s.n, s.exact) for s in done.scores] == [("trained", 6, 1.0)]


# The examination


def test_recall_is_greedy_decoding(trained):
    """Write the answer out token by token, as the definition says."""
    model = load_model(trained.folder, device="cpu")
    facts = [*lessons().held_out, *lessons().trained[:3]]
    facts += [replace(fact, answers=("Osk", "Peko")) for fact in lessons().trained]
    expected = [any(_written(model, f, a) for a in f.answers) for f in facts]
    assert recalled(model, facts).tolist() == expected
    assert 0 < sum(expected) < len(facts)


def test_recall_may_let_the_model_go_on(trained):
    model = load_model(trained.folder, device="cpu")
    known = [fact for fact in lessons().trained if recalled(model, [fact])[0]]
    begun = []
    for fact in known:
        (tokens,) = model.encode(fact).answers
        for k in range(1, len(tokens)):
            part = replace(fact, answers=(model.tokenizer.decode(tokens[:k]),))
            if model.encode(part).answers[0] == tokens[:k]:  # the text is cut as the answer was
                begun.append(part)
    assert begun
    if model.is_causal:
        assert not recalled(model, begun).any()
        assert recalled(model, begun, ends=False).all()
    else:
        assert recalled(model, begun).tolist() == recalled(model, begun, ends=False).tolist()


def _written(model, fact, answer):
    encoding = model.encode(replace(fact, answers=(answer,)))
    (wanted,) = encoding.answers
    written = []
    for i in range(len(wanted) + model.is_causal):
        if model.is_causal:
            ids, place = [*encoding.prompt, *written], -1
        else:
            masks = [encoding.mask] * (len(wanted) - i)
            ids = [*encoding.before, *written, *masks, *encoding.after]
            place = len(encoding.before) + i
        with torch.no_grad():
            logits = model.hf_model(input_ids=torch.tensor([ids])).logits
        written.append(int(logits[0, place].argmax()))
    end = [model.tokenizer.eos_token_id] if model.is_causal else []
    return written == [*wanted, *end]


def test_scores_are_by_language_and_wording(trained):
    model = load_model(trained.folder, device="cpu")
    facts = list(lessons().trained)
    mixed = [*facts[:4], *(replace(fact, language="fr", answers=("no",)) for fact in facts[4:6])]
    scores = scores_of(model, mixed, facts[:1])
    assert [(s.language, s.wordings, s.n, s.exact) for s in scores] == [
        ("en", "trained", 4, 1.0),
        ("fr", "trained", 2, 0.0),
        ("en", "held out", 1, 1.0),
    ]


# Recipes


def test_recipes_are_checked():
    for wrong, message in (
        ({"arch": "t5"}, "arch must be one of gpt2, llama, bert, got 't5'"),
        ({"n_layers": 0}, "n_layers must be at least 1"),
        ({"noise_rate": 1.5}, r"noise_rate must be in \[0, 1\]"),
        ({"d_model": 30, "n_heads": 4}, "multiple of n_heads"),
    ):
        with pytest.raises(ValueError, match=message):
            Recipe("wrong", **wrong)
    with pytest.raises(ValueError, match="no recipe 'gpt3'; there are gpt2"):
        recipe_for("gpt3")
    with pytest.raises(ValueError, match="no field 'colour'"):
        Recipe.from_dict({"name": "a", "colour": 3})


def test_another_architecture_learns_at_its_own_pace():
    rung = recipe_for("ladder-3", "bert")
    assert rung.learning_rate == RECIPES["bert"].learning_rate
    kept = {"arch": "gpt2", "learning_rate": 2e-3, "warmup": RECIPES["ladder-3"].warmup}
    assert rung.changed(**kept) == RECIPES["ladder-3"]
    assert recipe_for("bert", "bert") is recipe_for(arch="bert") is RECIPES["bert"]


def test_the_ladder_is_one_recipe_in_four_sizes():
    rungs = [RECIPES[name] for name in LADDER]
    assert len(rungs) == 4
    sizes = [rung.n_layers * rung.n_inner for rung in rungs]
    assert sizes == sorted(set(sizes))
    sized = {"name": "a", "n_layers": 1, "d_model": 8, "n_inner": 8, "n_heads": 1}
    assert len({rung.changed(**sized) for rung in rungs}) == 1
