"""Train some parameters of a model on texts, in the same way for any parameters."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import nn

from neurotopo.studies.study import StudyOptions

__all__ = ["Schedule", "Training", "train"]


@dataclass(frozen=True)
class Schedule(StudyOptions):
    """Hyperparameters of a training; the defaults are those of Table 3 of the paper.

    Parameters
    ----------
    lr : float, default=3e-5
        Learning rate at the end of the warm-up; from there it falls linearly to 0.
    batch_size : int, default=16
        Texts of one forward pass.
    accumulation : int, default=4
        Forward passes of one step.
    epochs : int, default=50
        The most epochs.
    warmup : float, default=0.1
        Share of the steps with a rising learning rate.
    weight_decay : float, default=0.01
        Weight decay of AdamW.
    dropout : float, default=0.1
        Probability of the model's dropout layers.
    clip : float, default=1.0
        Largest norm of a gradient.
    patience : int, default=5
        Training ends after so many epochs whose mean loss is not one per cent below the least.

    Examples
    --------
    >>> from neurotopo.studies.training import Schedule
    >>> Schedule(epochs=5).batch_size
    16
    """

    lr: float = 3e-5
    batch_size: int = 16
    accumulation: int = 4
    epochs: int = 50
    warmup: float = 0.1
    weight_decay: float = 0.01
    dropout: float = 0.1
    clip: float = 1.0
    patience: int = 5

    def __post_init__(self) -> None:
        names = ("batch_size", "accumulation", "epochs", "patience")
        self.check_whole(**dict.fromkeys(names, 1))
        for name, wanted, fits in (
            ("lr", "positive", 0 < self.lr < math.inf),
            ("clip", "positive", 0 < self.clip < math.inf),
            ("warmup", "from 0 on and below 1", 0 <= self.warmup < 1),
            ("dropout", "from 0 on and below 1", 0 <= self.dropout < 1),
            ("weight_decay", "finite and not negative", 0 <= self.weight_decay < math.inf),
        ):
            if not fits:
                raise ValueError(f"{name} must be {wanted}, got {getattr(self, name)}.")


@dataclass(frozen=True)
class Training:
    """Result of a training.

    Attributes
    ----------
    losses : list of float
        Mean loss of each epoch.
    steps : int
        Number of steps.
    seconds : float
        Seconds without evaluations.
    n_trained : int
        Number of trained numbers.
    state_bytes, gradient_bytes : int
        Sizes of the optimizer's state and of the gradients.

    Examples
    --------
    >>> from neurotopo.studies.training import Training
    >>> sizes = {"n_trained": 120, "state_bytes": 960, "gradient_bytes": 480}
    >>> Training(losses=[2.5, 1.5], steps=4, seconds=0.2, **sizes).losses[-1]
    1.5
    """

    losses: list[float]
    steps: int
    seconds: float
    n_trained: int
    state_bytes: int
    gradient_bytes: int


def train(
    hf_model: Any,
    tokenizer: Any,
    parameters: Sequence[nn.Parameter],
    texts: Sequence[str],
    schedule: Schedule,
    seed: int,
    after_epoch: Callable[[int, int, float], bool] | None = None,
) -> Training:
    """Train parameters of a causal model to predict every token of texts.

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        The model.
    tokenizer : transformers.PreTrainedTokenizerBase
        Its tokenizer. Texts end with its end-of-text token, if it has one, and are cut to the
        longest input of the model.
    parameters : sequence of Parameter
        The trained parameters.
    texts : sequence of str
        The texts.
    schedule : Schedule
        The hyperparameters.
    seed : int
        Seed of the order of texts and of dropout.
    after_epoch : callable, optional
        Called with the numbers of epochs and steps and the mean loss; True ends the training.

    Returns
    -------
    Training

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.training import Schedule, train
    >>> from neurotopo.tuning import NeuronTuner
    >>> model = random_model()
    >>> schedule = Schedule(lr=0.01, epochs=3, dropout=0.0)
    >>> with NeuronTuner(model, [(0, 3), (1, 5)]) as tuner:
    ...     parameters = list(tuner.parameters())
    ...     texts = ["The capital of France is Paris"]
    ...     done = train(model.hf_model, model.tokenizer, parameters, texts, schedule, seed=0)
    >>> done.steps, done.losses[-1] < done.losses[0]
    (3, True)
    """
    rows = _tokens(tokenizer, texts, getattr(hf_model.config, "max_position_embeddings", None))
    device = hf_model.get_input_embeddings().weight.device
    per_step = schedule.batch_size * schedule.accumulation
    n_steps = schedule.epochs * math.ceil(len(rows) / per_step)
    optimizer = torch.optim.AdamW(parameters, lr=schedule.lr, weight_decay=schedule.weight_decay)
    rate = torch.optim.lr_scheduler.LambdaLR(optimizer, _rate(schedule.warmup, n_steps))
    rng = np.random.default_rng([seed, 1])
    losses: list[float] = []
    steps, seconds, least, waited = 0, 0.0, math.inf, 0
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices), _dropout(hf_model, schedule.dropout):
        torch.manual_seed(seed)
        for epoch in range(1, schedule.epochs + 1):
            start = time.perf_counter()
            hf_model.train()
            total, n_tokens = 0.0, 0
            order = rng.permutation(len(rows))
            for first in range(0, len(order), per_step):
                chosen = [rows[i] for i in order[first : first + per_step]]
                loss, n = _step(hf_model, chosen, schedule.batch_size, device)
                nn.utils.clip_grad_norm_(parameters, schedule.clip)
                optimizer.step()
                rate.step()
                optimizer.zero_grad()
                total, n_tokens, steps = total + loss, n_tokens + n, steps + 1
            losses.append(total / n_tokens)
            hf_model.eval()
            seconds += time.perf_counter() - start
            waited = 0 if losses[-1] < 0.99 * least else waited + 1
            least = min(least, losses[-1])
            ended = after_epoch is not None and after_epoch(epoch, steps, losses[-1])
            if ended or waited >= schedule.patience:
                break
    hf_model.eval()
    return Training(
        losses=losses,
        steps=steps,
        seconds=seconds,
        n_trained=sum(each.numel() for each in parameters),
        state_bytes=_state_bytes(optimizer),
        gradient_bytes=sum(each.numel() * each.element_size() for each in parameters),
    )


def _tokens(tokenizer: Any, texts: Sequence[str], longest: int | None) -> list[list[int]]:
    end = getattr(tokenizer, "eos_token_id", None)
    rows = []
    for text in texts:
        ids = [*tokenizer(text, add_special_tokens=False)["input_ids"]]
        if end is not None:
            ids.append(int(end))
        rows.append(ids if longest is None else ids[:longest])
    return rows


def _step(
    hf_model: Any, rows: Sequence[Sequence[int]], batch_size: int, device: Any
) -> tuple[float, int]:
    """Sum the gradients of a step; return the summed loss and the number of tokens."""
    n_all = sum(len(row) - 1 for row in rows)
    total = 0.0
    for first in range(0, len(rows), batch_size):
        part = rows[first : first + batch_size]
        width = max(map(len, part))
        ids = torch.zeros((len(part), width), dtype=torch.long)
        there = torch.zeros((len(part), width), dtype=torch.long)
        for i, row in enumerate(part):
            ids[i, : len(row)] = torch.tensor(row)
            there[i, : len(row)] = 1
        ids, there = ids.to(device), there.to(device)
        logits = hf_model(input_ids=ids, attention_mask=there).logits[:, :-1]
        wanted = ids[:, 1:].masked_fill(there[:, 1:] == 0, -100)
        # the mean over the tokens of the whole step, for any number of forward passes
        loss = nn.functional.cross_entropy(
            logits.reshape(-1, logits.shape[-1]).float(), wanted.reshape(-1), reduction="sum"
        )
        torch.autograd.backward(loss / n_all)
        total += float(loss.detach())
    return total, n_all


def _rate(warmup: float, n_steps: int) -> Callable[[int], float]:
    rising = max(1, round(warmup * n_steps))

    def factor(step: int) -> float:
        if step < rising:
            return (step + 1) / rising
        return max(0.0, (n_steps - step) / max(1, n_steps - rising))

    return factor


def _state_bytes(optimizer: torch.optim.Optimizer) -> int:
    return sum(
        value.numel() * value.element_size()
        for state in optimizer.state.values()
        for value in state.values()
        if isinstance(value, torch.Tensor)
    )


@contextmanager
def _dropout(hf_model: nn.Module, share: float) -> Iterator[None]:
    """Set the probability of the dropout layers within a block."""
    layers = [module for module in hf_model.modules() if isinstance(module, nn.Dropout)]
    before = [layer.p for layer in layers]
    try:
        for layer in layers:
            layer.p = share
        yield
    finally:
        for layer, p in zip(layers, before, strict=True):
            layer.p = p
