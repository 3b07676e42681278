"""Training on texts: the loss, the rate, the steps, and what is put back."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from neurotopo.models.examples import random_model
from neurotopo.studies.training import Schedule, train

TEXTS = ["The capital of France is Paris .", "Ada works for Acme .", "Bob plays for Rovers ."]


def run(schedule, seed=0, texts=TEXTS, after_epoch=None, lr_only=None):
    model = random_model("gpt2")
    parameters = list(model.hf_model.parameters())
    done = train(model.hf_model, model.tokenizer, parameters, texts, schedule, seed, after_epoch)
    return model, done


def weights(model):
    return torch.cat([p.detach().reshape(-1) for p in model.hf_model.parameters()])


def test_the_loss_is_the_mean_over_tokens():
    model = random_model("gpt2")
    losses, tokens = 0.0, 0
    for text in TEXTS:
        ids = [*model.tokenizer(text)["input_ids"], model.tokenizer.eos_token_id]
        row = torch.tensor([ids])
        with torch.no_grad():
            loss = model.hf_model.eval()(row, labels=row).loss
        losses += float(loss) * (len(ids) - 1)
        tokens += len(ids) - 1
    _, done = run(Schedule(lr=1e-9, epochs=1, dropout=0.0))
    assert done.losses[0] == pytest.approx(losses / tokens, rel=1e-5)


def test_a_step_does_not_depend_on_how_it_is_cut():
    # Losses are compared and not weights: Adam makes whole steps of gradients that are rounding.
    _, whole = run(Schedule(lr=1e-2, batch_size=3, accumulation=1, epochs=4, dropout=0.0))
    _, parts = run(Schedule(lr=1e-2, batch_size=1, accumulation=3, epochs=4, dropout=0.0))
    assert whole.steps == parts.steps == 4
    assert parts.losses == pytest.approx(whole.losses, rel=1e-4)


def test_the_seed_decides():
    one, _ = run(Schedule(lr=1e-2, batch_size=1, accumulation=1, epochs=2), seed=3)
    again, _ = run(Schedule(lr=1e-2, batch_size=1, accumulation=1, epochs=2), seed=3)
    other, _ = run(Schedule(lr=1e-2, batch_size=1, accumulation=1, epochs=2), seed=4)
    assert torch.equal(weights(one), weights(again))
    assert not torch.equal(weights(one), weights(other))


def test_it_learns_and_counts():
    seen = []

    def after_epoch(epoch, step, loss):
        seen.append((epoch, step, loss))
        return False

    model, done = run(
        Schedule(lr=1e-2, batch_size=2, accumulation=1, epochs=30, patience=30, dropout=0.0),
        after_epoch=after_epoch,
    )
    assert done.losses[-1] < 0.3 * done.losses[0]
    assert done.steps == 60
    assert [each[:2] for each in seen] == [(k, 2 * k) for k in range(1, 31)]
    n = sum(p.numel() for p in model.hf_model.parameters())
    assert done.n_trained == n
    assert done.gradient_bytes == 4 * n
    # two moments of each number, and a count of the steps for each tensor
    assert 8 * n <= done.state_bytes <= 8 * n + 8 * len(list(model.hf_model.parameters()))
    assert not model.hf_model.training


def test_it_ends_where_nothing_is_gained():
    _, done = run(Schedule(lr=1e-9, epochs=50, patience=3, dropout=0.0))
    assert len(done.losses) == 4  # the first one, and three that are no better


def test_the_caller_may_end_it():
    _, done = run(Schedule(epochs=50), after_epoch=lambda epoch, step, loss: epoch == 2)
    assert len(done.losses) == 2


def test_dropout_is_put_back():
    model = random_model("gpt2")
    layers = [m for m in model.hf_model.modules() if isinstance(m, nn.Dropout)]
    before = [layer.p for layer in layers]
    seen = []

    def after_epoch(epoch, step, loss):
        seen.append({layer.p for layer in layers})
        return True

    train(
        model.hf_model,
        model.tokenizer,
        list(model.hf_model.parameters()),
        TEXTS,
        Schedule(dropout=0.25),
        0,
        after_epoch,
    )
    assert seen == [{0.25}]
    assert [layer.p for layer in layers] == before


def test_the_rate_rises_and_falls():
    from neurotopo.studies.training import _rate

    factor = _rate(0.2, 10)
    assert [factor(step) for step in range(11)] == pytest.approx(
        [0.5, 1.0, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125, 0.0]
    )


def test_texts_are_cut_where_the_model_ends():
    model = random_model("gpt2")
    longest = model.hf_model.config.max_position_embeddings
    text = " ".join(["Ada"] * (2 * longest))
    _, done = run(Schedule(epochs=1), texts=[text])
    assert math.isfinite(done.losses[0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"lr": 0.0}, "lr must be positive"),
        ({"epochs": 0}, "epochs must be a whole number"),
        ({"batch_size": 1.5}, "batch_size must be a whole number"),
        ({"dropout": 1.0}, "dropout must be from 0"),
        ({"warmup": -0.1}, "warmup must be from 0"),
        ({"weight_decay": -1.0}, "weight_decay must be finite and not negative"),
        ({"clip": float("nan")}, "clip must be positive"),
    ],
)
def test_a_schedule_that_cannot_be(given, message):
    with pytest.raises(ValueError, match=message):
        Schedule(**given)
