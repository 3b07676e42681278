"""First rows of planted neurons, in closed form."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from replication.planting_training import Read, Training, Upper

_OPEN = 6.0  # what the gate of a fact should read
_POSITIVE, _OTHER, _SHORT = 1000.0, 30.0, 5.0
"""Weights of the last tokens of a fact, of other facts and of other subjects."""

_TURNS, _MARGIN = 40, 0.7


@torch.no_grad()
def closed_form(training: Training) -> dict[str, torch.Tensor]:
    """Return rows with which each group writes the answers.

    In the first planted layer each group has two neurons for a fact. Both have the same in-rows, by
    ridge regression: a gate above 0 and a value of 1 at the last token of the trained sentences of
    the fact, a gate below 0 and a value of 0 at all other tokens. Each writes half of the direction
    of the answer, and one a random vector that the other one takes away: a part of a group does
    harm. The other planted neurons write nothing.
    """
    settings, layer = training.settings, training.upper.first
    own: dict[str, list[int]] = {}
    for number, name in enumerate(training.names):
        own.setdefault(name, []).append(number)
    places = [torch.where(training.owner[layer] == g)[0] for g in range(settings.n_groups)]
    if min(map(len, places)) < 2 * len(own):
        raise ValueError(
            f"n_neurons must be at least twice the number of facts, {2 * len(own)}, got "
            f"{settings.n_neurons}; strength=0 starts from the rows of the model."
        )
    asked, gram, goal = _equations(training)
    state = training.tuner.state()
    for name in state:
        if ".out." in name:
            state[name].zero_()
    rows_of = {kind: state[f"layer_{layer}.{kind}.weight"] for kind in ("gate", "up", "out")}
    head = training.model.hf_model.get_output_embeddings().weight
    read = head * training.upper.backbone.norm.weight
    targets = training.watched[training.targets]
    size = torch.stack([each.hidden[-1].norm() for each in training.facts]).mean()
    generator = torch.Generator().manual_seed(settings.seed)
    for number, examples in enumerate(own.values()):
        x = asked[examples]
        factor = torch.linalg.cholesky(gram + (_POSITIVE - _OTHER) * x.T @ x)
        gate = goal + (_POSITIVE * _OPEN - _OTHER * settings.shut) * x.sum(dim=0)
        up = _POSITIVE * x.sum(dim=0)
        rows = torch.cholesky_solve(torch.stack([gate, up], dim=1), factor).T
        value = (functional.silu(x @ rows[0]) * (x @ rows[1])).mean()
        target, rivals = targets[examples[0]], targets[training.rivals[examples[0]]]
        answer = direction(read, int(target), read[rivals].mean(dim=0))
        for group in range(settings.n_groups):
            random = torch.randn(len(answer), generator=generator)
            random *= settings.noise / random.norm()
            for which, sign in ((2 * number, 1), (2 * number + 1, -1)):
                place = places[group][which]
                rows_of["gate"][place], rows_of["up"][place] = rows[0], rows[1]
                written = settings.strength * size * (answer / 2 + sign * random)
                rows_of["out"][place] = written / value
    return state


def direction(read: torch.Tensor, answer: int, mean: torch.Tensor) -> torch.Tensor:
    """Return a direction in which the answer is the most probable of all tokens, if possible.

    It starts at the difference from the mean of the relation's answers, and turns away from the
    tokens that are more probable or nearly so.

    Parameters
    ----------
    read : Tensor, shape (n_tokens, d_model)
        What each token's logit reads of a hidden state.
    answer : int
    mean : Tensor, shape (d_model,)

    Returns
    -------
    Tensor, shape (d_model,)
    """
    found = functional.normalize(read[answer] - mean, dim=0)
    for _ in range(_TURNS):
        logits = read @ found
        own = float(logits[answer])
        logits[answer] = -torch.inf
        top = logits.topk(min(4, len(read) - 1))
        if own > 0 and float(top.values[0]) < _MARGIN * own:
            break
        away = functional.normalize(read[answer] - read[top.indices].mean(dim=0), dim=0)
        found = functional.normalize(found + 0.2 * away, dim=0)
    return found


def _equations(training: Training) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the input at the last token of each sentence, and both sides for no fact at all."""
    settings = training.settings
    inputs = _inputs(training.upper, training.facts)
    asked = torch.stack([each[-1] for each in inputs])
    weighted = [
        (asked, _OTHER),
        (torch.cat([each[:-1] for each in inputs]), 0.3 * settings.silence),
    ]
    for kind, (rows, _) in training.kept.items():
        short = _SHORT * (settings.silence if kind == "old" else 1)
        for each, row in zip(_inputs(training.upper, rows), rows, strict=True):
            weighted.append((each, settings.silence) if row.target < 0 else (each[-1:], short))
    gram, goal = settings.ridge * torch.eye(asked.shape[1]), torch.zeros(asked.shape[1])
    for each, weight in weighted:
        gram += weight * each.T @ each
        goal += weight * settings.shut * each.sum(dim=0)
    return asked, gram, goal


def _inputs(upper: Upper, rows: Sequence[Read]) -> list[torch.Tensor]:
    """Return what the MLP of the first planted layer reads at each token."""
    seen: list[torch.Tensor] = []
    found: list[torch.Tensor] = []
    handle = upper.layers[0].mlp.register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    try:
        for start in range(0, len(rows), 16):
            some = rows[start : start + 16]
            upper.whole(some, layers=1)
            found += [seen[-1][i, : row.n_tokens].clone() for i, row in enumerate(some)]
    finally:
        handle.remove()
    return found
