"""transformers.Trainer, a plain loop and a dense run with a mask train the same rows."""

from __future__ import annotations

import pytest
import torch
from transformers import Trainer, TrainingArguments, get_linear_schedule_with_warmup

from neurotopo.tuning import NeuronTuner
from tests.support.tuning import NEURONS, batch, bits, masks, outside, rows_of, same_bits, small

pytest.importorskip("accelerate")

STEPS = 6
CLIP = 0.1
SETTINGS = {"learning_rate": 0.01, "weight_decay": 0.1, "max_grad_norm": CLIP}


class _InOrder(Trainer):
    """Gives the batches in order, as the plain loops do."""

    def get_train_dataloader(self):
        return torch.utils.data.DataLoader(
            self.train_dataset,
            batch_size=1,
            collate_fn=lambda batches: batches[0],
            generator=torch.Generator(),  # otherwise the loader draws a number that dropout needs
        )


def _data(model):
    data = []
    for step in range(STEPS):
        tokens = batch(model, step)
        labels = tokens.clone()
        labels[:, 0] = -100  # nothing predicts the first token, but the Trainer would count it
        data.append({"input_ids": tokens, "labels": labels})
    return data


def _arguments(folder, **more):
    return TrainingArguments(
        output_dir=str(folder),
        max_steps=STEPS,
        lr_scheduler_type="linear",
        report_to=[],
        disable_tqdm=True,
        use_cpu=True,
        seed=0,
        **SETTINGS,
        **{"save_strategy": "no", **more},
    )


def _optimizer(named):
    """Return the Trainer's optimizer and schedule: biases do not decay."""
    named = list(named)
    groups = [
        {"params": [each for name, each in named if "bias" not in name], "weight_decay": 0.1},
        {"params": [each for name, each in named if "bias" in name], "weight_decay": 0.0},
    ]
    groups = [group for group in groups if group["params"]]
    optimizer = torch.optim.AdamW(groups, lr=0.01, fused=True)
    return optimizer, get_linear_schedule_with_warmup(optimizer, 0, STEPS)


def _plain(tuner):
    tuner.model.hf_model.train()
    optimizer, schedule = _optimizer(tuner.named_parameters())
    for inputs in _data(tuner.model):
        tuner.model.hf_model(**inputs).loss.backward()
        assert torch.nn.utils.clip_grad_norm_(tuner.parameters(), CLIP) > CLIP
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()


def _dense(model):
    """Train everything, with the gradient masked and what moved nonetheless put back."""
    kept, first = masks(model), bits(model)
    parameters = dict(model.hf_model.named_parameters())
    inside = {name: each for name, each in parameters.items() if kept[name].any()}
    optimizer, schedule = _optimizer(inside.items())
    for inputs in _data(model):
        model.hf_model(**inputs).loss.backward()
        with torch.no_grad():
            for name, each in parameters.items():
                each.grad *= kept[name]
            torch.nn.utils.clip_grad_norm_(inside.values(), CLIP)
            optimizer.step()
            for name, each in inside.items():  # weight decay moves what has no gradient
                each.copy_(torch.where(kept[name] == 1, each, first[name]))
        schedule.step()
        model.hf_model.zero_grad()


@pytest.mark.parametrize("dropout", [0.0, 0.1])
@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_trainer_and_plain_loop_give_the_same_bits(kind, dropout, tmp_path):
    before = bits(small(kind))
    with NeuronTuner(small(kind, dropout=dropout), NEURONS) as plain:
        torch.manual_seed(0)
        _plain(plain)
    model = small(kind, dropout=dropout)
    with NeuronTuner(model, NEURONS) as tuner:
        trainer = _InOrder(
            model=model.hf_model, args=_arguments(tmp_path), train_dataset=_data(model)
        )
        trained = [p for group in trainer.create_optimizer().param_groups for p in group["params"]]
        assert {id(each) for each in trained} == {id(each) for each in tuner.parameters()}
        trainer.train()
        assert same_bits(rows_of(tuner), tuner.state())
        assert same_bits(outside(model, bits(model)), outside(model, before))
        assert any(each.any() for each in tuner.difference().values())
    assert same_bits(tuner.state(), plain.state())
    assert same_bits(bits(model), before)


@pytest.mark.parametrize("kind", ["gpt2", "llama"])
def test_a_dense_run_with_a_mask_gives_the_same_rows(kind):
    dense, model = (small(kind, dtype=torch.float64) for _ in range(2))
    _dense(dense)
    with NeuronTuner(model, NEURONS) as tuner:
        _plain(tuner)
        here, there = bits(model), bits(dense)
    for name in here:
        torch.testing.assert_close(here[name], there[name], rtol=1e-6, atol=1e-9)


def test_checkpoints_of_a_trainer_and_the_best_of_them(tmp_path):
    model = small()
    losses = iter([1.0, 0.5, 2.0])
    states = []

    class Scored(_InOrder):
        def evaluate(self, *args, **kwargs):
            states.append(tuner.state())
            metrics = {"eval_loss": next(losses)}
            self.callback_handler.on_evaluate(self.args, self.state, self.control, metrics)
            return metrics

    with NeuronTuner(model, NEURONS) as tuner:
        trainer = Scored(
            model=model.hf_model,
            args=_arguments(
                tmp_path,
                save_strategy="steps",
                eval_strategy="steps",
                save_steps=2,
                eval_steps=2,
                load_best_model_at_end=True,
                metric_for_best_model="eval_loss",
            ),
            train_dataset=_data(model),
            eval_dataset=_data(model),
        )
        trainer.train()
        assert len(states) == 3
        assert not same_bits(states[1], states[2])
        assert same_bits(tuner.state(), states[1])
        assert same_bits(rows_of(tuner), states[1])
        # a run that was stopped goes on from its checkpoint
        tuner.set_state(states[0])
        again = _InOrder(
            model=model.hf_model, args=_arguments(tmp_path), train_dataset=_data(model)
        )
        again.train(resume_from_checkpoint=str(tmp_path / "checkpoint-4"))
        assert same_bits(tuner.state(), states[2])


def test_gradient_checkpointing_and_accumulation_in_a_trainer(tmp_path):
    model = small()
    with NeuronTuner(model, NEURONS) as tuner:
        trainer = _InOrder(
            model=model.hf_model,
            args=_arguments(
                tmp_path,
                gradient_checkpointing=True,
                gradient_checkpointing_kwargs={"use_reentrant": False},
                gradient_accumulation_steps=2,
            ),
            train_dataset=_data(model),
        )
        trainer.train()
        assert all(each.any() for each in tuner.difference().values())
