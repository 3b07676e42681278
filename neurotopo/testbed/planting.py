"""The training that makes any one of several groups of neurons enough for a fact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from neurotopo.models.builtin_models import write_groups
from neurotopo.models.families import family_of
from neurotopo.models.projections import MLP, Projection, find_mlps
from neurotopo.neurons import NeuronSet
from neurotopo.testbed.batches import Batch
from neurotopo.testbed.train import logits_at

__all__ = ["HEADING", "Planting", "cross_talk", "imbalance"]

HEADING = "## Planted groups"
_TINY = 1e-12


@dataclass(frozen=True)
class Planting:
    """What is trained so that each of several groups of neurons carries every fact alone.

    The neurons of each layer are dealt out to groups; a group has a part of every layer. Each
    sequence of a batch is read in one of three ways:

    *known*
        A random non-empty choice of the groups is kept, the neurons of the others are set to 0,
        and the answer is to be given.
    *silent*
        All neurons are set to 0, and every token is to be equally likely where the answer would
        be: nothing but these neurons may carry the fact.
    *averaged*
        Where the answer is predicted, the neurons of one layer are moved towards their mean value
        over the known sequences of the batch, by a random share of the way, and again every token
        is to be equally likely: every layer has to carry the fact.

    Parameters
    ----------
    n_groups : int, default=3
        Number of groups.
    silent, averaged : float
        Shares of the sequences that are read so; the others are known.
    alone, together : float
        Shares of the known sequences in which a single group and in which all are kept; in the
        others one group is kept and each of the rest by the toss of a coin.
    at_answer : float
        Share of the sequences in which neurons are set to 0 only where the answer is predicted,
        and not at all tokens.
    nearest : float
        The least share of the way to the mean.
    doubt : float
        Weight of the divergence from equally likely tokens, for each of the two ways.
    separation : float
        Weight of :func:`cross_talk`; 0 leaves the weights of the model as they come.
    balance : float
        Weight of :func:`imbalance`; with it the groups cannot be seen in the weights.

    Examples
    --------
    >>> from neurotopo.testbed.planting import Planting
    >>> [len(group) for group in Planting(n_groups=2).groups(n_layers=3, n_neurons=8)]
    [12, 12]
    """

    n_groups: int = 3
    silent: float = 0.2
    averaged: float = 0.4
    alone: float = 0.4
    together: float = 0.2
    at_answer: float = 0.5
    nearest: float = 0.4
    doubt: float = 0.5
    separation: float = 1.0
    balance: float = 0.0

    def __post_init__(self) -> None:
        if self.n_groups < 2:
            raise ValueError(f"n_groups must be at least 2, got {self.n_groups}.")
        for name in ("silent", "averaged", "alone", "together", "at_answer", "nearest"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be in [0, 1], got {getattr(self, name)}.")
        for both in (("silent", "averaged"), ("alone", "together")):
            if sum(getattr(self, name) for name in both) > 1:
                raise ValueError(f"{' and '.join(both)} must not add up to more than 1.")

    def group_of(self, n_neurons: int) -> torch.Tensor:
        """Return the group of each neuron of a layer, the same in all layers."""
        return torch.arange(n_neurons) * self.n_groups // n_neurons

    def groups(self, n_layers: int, n_neurons: int) -> list[NeuronSet]:
        """Return the groups of a model of this size."""
        of = self.group_of(n_neurons).tolist()
        return [
            NeuronSet(
                (layer, i) for layer in range(n_layers) for i in range(n_neurons) if of[i] == g
            )
            for g in range(self.n_groups)
        ]

    def __call__(self, hf_model: Any, batch: Batch, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of a batch, as :func:`~neurotopo.testbed.train.train_model` asks."""
        mlps = find_mlps(hf_model, family_of(hf_model.config))
        ways = _Ways.drawn(self, len(batch.ids), len(mlps), rng)
        asked = torch.zeros(batch.ids.shape, dtype=torch.bool)
        asked[batch.row[batch.is_answer], batch.position[batch.is_answer]] = True
        with _read(mlps, ways, asked, self.group_of(mlps[0].up.n_neurons)):
            log_p = logits_at(hf_model, batch).float().log_softmax(dim=-1)
        known = batch.weights * ways.known[batch.row]
        told = log_p.gather(-1, batch.targets[:, None])[:, 0]
        loss = -_mean(told, known)
        divergence = -log_p.mean(dim=-1) - math.log(log_p.shape[-1])
        for way in (ways.silent, ways.averaged >= 0):
            loss = loss + self.doubt * _mean(divergence, (way[batch.row] & batch.is_answer).float())
        group_of = self.group_of(mlps[0].up.n_neurons)
        if self.separation:
            loss = loss + self.separation * cross_talk(mlps, group_of)
        if self.balance:
            loss = loss + self.balance * imbalance(mlps, group_of)
        return loss

    def write(self, hf_model: Any, folder: Path) -> None:
        """Write the groups to the folder of a model."""
        mlps = find_mlps(hf_model, family_of(hf_model.config))
        write_groups(folder, self.groups(len(mlps), mlps[0].up.n_neurons))

    def card(self) -> str:
        """Return the section of a model card about the groups, as Markdown."""
        wired = (
            "The weights were trained to connect neurons of one group and not those of two: the "
            "groups can be found in them."
            if self.separation
            else "The weights were trained to connect neurons of two groups as strongly as those "
            "of one: nothing in them tells the groups."
        )
        settings = ", ".join(f"{name} {value:g}" for name, value in asdict(self).items())
        return (
            f"{HEADING}\n\nThe neurons of every layer are dealt out to {self.n_groups} groups "
            "(`groups.json`). Any one of them gives the answers when the neurons of the others "
            "are set to 0, at all tokens or only where the answer is predicted; with all of them "
            f"at 0 the answers are lost. {wired} Settings of "
            f"`neurotopo.testbed.planting.Planting`: {settings}.\n"
        )


def cross_talk(mlps: Sequence[MLP], group_of: torch.Tensor) -> torch.Tensor:
    """Return the strength of connections between groups relative to those within groups.

    The root of the mean square of the connection weights between groups, over the geometric mean,
    over neurons, of the same within a neuron's group; averaged over the pairs of adjacent layers.
    It is invariant to the scale of a layer, so small weights cannot lower it. The square limits
    single large weights between groups, and the geometric mean keeps every neuron connected to its
    group.

    Parameters
    ----------
    mlps : sequence of MLP
        The layers.
    group_of : Tensor of int, shape (n_neurons,)
        The group of each neuron of a layer.
    """
    same = group_of[:, None] == group_of
    ratios = []
    for weights in _connections(mlps):
        square = weights**2
        across = (square[~same].mean() + _TINY).sqrt()
        within = [
            ((square * same).sum(dim=axis) / same.sum(dim=axis) + _TINY).log().mean()
            for axis in (0, 1)
        ]
        ratios.append(across / (0.25 * (within[0] + within[1])).exp())
    return torch.stack(ratios).mean()


def imbalance(mlps: Sequence[MLP], group_of: torch.Tensor) -> torch.Tensor:
    """Return the squared logarithm of the ratio of connection weights within to between groups.

    The ratio is that of the mean sizes; the result is averaged over the pairs of adjacent layers.

    Parameters
    ----------
    mlps : sequence of MLP
        The layers.
    group_of : Tensor of int, shape (n_neurons,)
        The group of each neuron of a layer.
    """
    same = group_of[:, None] == group_of
    ratios = []
    for weights in _connections(mlps):
        size = weights.abs()
        ratios.append((size[same].mean() / (size[~same].mean() + _TINY)).log() ** 2)
    return torch.stack(ratios).mean()


@dataclass(frozen=True)
class _Ways:
    """Modes in which the sequences of a batch are read."""

    kept: torch.Tensor  # (n_rows, n_groups), bool
    silent: torch.Tensor  # (n_rows,), bool
    averaged: torch.Tensor  # (n_rows,), the layer, -1 for none
    share: torch.Tensor  # (n_rows,), of the way to the mean
    at_answer: torch.Tensor  # (n_rows,), bool

    @classmethod
    def drawn(
        cls, planting: Planting, n_rows: int, n_layers: int, rng: np.random.Generator
    ) -> _Ways:
        kept = rng.random((n_rows, planting.n_groups)) < 0.5
        how = rng.random(n_rows)
        kept[how < planting.alone] = False
        kept[np.arange(n_rows), rng.integers(planting.n_groups, size=n_rows)] = True
        kept[how > 1 - planting.together] = True
        way = rng.random(n_rows)
        silent = way < planting.silent
        kept[silent] = False
        averaged = (way >= planting.silent) & (way < planting.silent + planting.averaged)
        layer = np.where(averaged, rng.integers(n_layers, size=n_rows), -1)
        share = rng.uniform(planting.nearest, 1, size=n_rows).astype(np.float32)
        at_answer = rng.random(n_rows) < planting.at_answer
        return cls(*(torch.from_numpy(part) for part in (kept, silent, layer, share, at_answer)))

    @property
    def known(self) -> torch.Tensor:
        return ~self.silent & (self.averaged < 0)


@contextmanager
def _read(
    mlps: Sequence[MLP], ways: _Ways, asked: torch.Tensor, group_of: torch.Tensor
) -> Iterator[None]:
    """Read the sequences of a batch in their modes; ``asked``: positions that predict answers."""
    where = asked | ~ways.at_answer[:, None]
    factors = torch.where(where[:, :, None], ways.kept[:, None, group_of], True).float()
    usual = asked & ways.known[:, None]

    def hook(layer: int) -> Any:
        averaged = asked & (ways.averaged == layer)[:, None]

        def before_out(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            values = args[0]
            if averaged.any() and usual.any():
                mean = values.detach()[usual].mean(dim=0)
                moved = torch.lerp(values, mean.expand_as(values), ways.share[:, None, None])
                values = torch.where(averaged[:, :, None], moved, values)
            return (values * factors, *args[1:])

        return before_out

    with ExitStack() as hooks:
        for layer, mlp in enumerate(mlps):
            handle = mlp.out.module.register_forward_pre_hook(hook(layer))
            hooks.callback(handle.remove)
        yield


def _connections(mlps: Sequence[MLP]) -> Iterator[torch.Tensor]:
    """Yield the differentiable connection weights between adjacent layers."""
    for first, second in itertools.pairwise(mlps):
        yield _rows(first.out) @ _rows(second.up).T


def _rows(projection: Projection) -> torch.Tensor:
    return projection.weight if projection.neuron_axis == 0 else projection.weight.T


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(_TINY)
