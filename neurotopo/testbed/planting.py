"""Training objective that makes each of several groups of neurons sufficient for a fact."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
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
    """Training objective with which each of several groups of neurons stores every fact alone.

    A group has neurons in every layer. Each sequence of a batch is in one of three modes:

    *known*
        A random non-empty selection of groups is kept, the neurons of the others are set to 0,
        and the target is the answer.
    *silent*
        All neurons are set to 0, and the target is the uniform distribution over tokens: only
        these neurons may store the fact.
    *averaged*
        Where the answer is predicted, the neurons of one layer move towards their mean over the
        known sequences of the batch, and the target is the uniform distribution: every layer has
        to store the fact.

    Parameters
    ----------
    n_groups : int, default=3
        Number of groups.
    silent, averaged : float
        Shares of the sequences in these modes; the others are known.
    alone, together : float
        Shares of the known sequences in which one group is kept, and in which all are; in the
        others one group is kept, and each other group with probability 1/2.
    at_answer : float
        Share of the sequences in which neurons are set to 0 only where the answer is predicted,
        not at all tokens.
    nearest : float
        Smallest share of the way to the mean; the share is random.
    doubt : float
        Weight of the divergence from the uniform distribution, for each of the two modes.
    separation : float
        Weight of :func:`cross_talk`; 0 does not separate the weights of the groups.
    balance : float
        Weight of :func:`imbalance`, which hides the groups in the weights.

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
                raise ValueError(f"{' and '.join(both)} must add up to at most 1.")

    def group_of(self, n_neurons: int) -> torch.Tensor:
        """Return the group of each neuron of a layer, the same in all layers."""
        return torch.arange(n_neurons) * self.n_groups // n_neurons

    def groups(self, n_layers: int, n_neurons: int) -> list[NeuronSet]:
        """Return the groups of a model of this size."""
        group_of, layers = self.group_of(n_neurons), range(n_layers)
        indices = [torch.where(group_of == group)[0].tolist() for group in range(self.n_groups)]
        return [NeuronSet((layer, i) for layer in layers for i in members) for members in indices]

    def __call__(self, hf_model: Any, batch: Batch, rng: np.random.Generator) -> torch.Tensor:
        """Return the loss of a batch, for :func:`~neurotopo.testbed.train.train_model`."""
        mlps = find_mlps(hf_model, family_of(hf_model.config))
        group_of = self.group_of(mlps[0].up.n_neurons)
        modes = _Modes.drawn(self, len(batch.ids), len(mlps), rng)
        asked = torch.zeros(batch.ids.shape, dtype=torch.bool)
        asked[batch.row[batch.is_answer], batch.position[batch.is_answer]] = True
        with _in_modes(mlps, modes, asked, group_of):
            log_p = logits_at(hf_model, batch).float().log_softmax(dim=-1)
        known = batch.weights * modes.known[batch.row]
        of_targets = log_p.gather(-1, batch.targets[:, None])[:, 0]
        loss = -_mean(of_targets, known)
        divergence = -log_p.mean(dim=-1) - math.log(log_p.shape[-1])
        for mode in (modes.silent, modes.averaged >= 0):
            weights = (mode[batch.row] & batch.is_answer).float()
            loss = loss + self.doubt * _mean(divergence, weights)
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
        weights = (
            "The weights connect neurons within a group, not between groups, so they show the "
            "groups."
            if self.separation
            else "The weights connect neurons between groups as strongly as within them, so they "
            "do not show the groups."
        )
        settings = ", ".join(f"{name} {value:g}" for name, value in asdict(self).items())
        return (
            f"{HEADING}\n\nThe neurons of every layer are divided into {self.n_groups} groups "
            "(`groups.json`). Each group alone gives the answers when the neurons of the others "
            "are set to 0, at all tokens or only where the answer is predicted; with all groups "
            f"at 0 the answers are lost. {weights} Settings of "
            f"`neurotopo.testbed.planting.Planting`: {settings}.\n"
        )


def cross_talk(mlps: Sequence[MLP], group_of: torch.Tensor) -> torch.Tensor:
    """Return the strength of connections between groups relative to those within groups.

    The root of the mean square of the connection weights between groups, over the geometric mean,
    over neurons, of the same within a neuron's group; averaged over the pairs of adjacent layers.
    It is invariant to the scale of a layer, so small weights cannot lower it. The square limits
    single large weights between groups, and the geometric mean keeps every neuron connected to its
    group. ``group_of`` is the group of each neuron of a layer.
    """

    def ratio(weights: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
        square = weights**2
        across = (square[~same].mean() + _TINY).sqrt()
        within = [
            ((square * same).sum(dim=axis) / same.sum(dim=axis) + _TINY).log().mean()
            for axis in (0, 1)
        ]
        return across / (0.25 * (within[0] + within[1])).exp()

    return _mean_over_layers(ratio, mlps, group_of)


def imbalance(mlps: Sequence[MLP], group_of: torch.Tensor) -> torch.Tensor:
    """Return the squared logarithm of the ratio of connection weights within to between groups.

    The ratio is that of the mean sizes; the result is averaged over the pairs of adjacent layers.
    """

    def ratio(weights: torch.Tensor, same: torch.Tensor) -> torch.Tensor:
        size = weights.abs()
        return (size[same].mean() / (size[~same].mean() + _TINY)).log() ** 2

    return _mean_over_layers(ratio, mlps, group_of)


def _mean_over_layers(
    measure: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    mlps: Sequence[MLP],
    group_of: torch.Tensor,
) -> torch.Tensor:
    """Return the mean of a measure of the connection weights between adjacent layers."""
    same = group_of[:, None] == group_of
    pairs = itertools.pairwise(mlps)
    weights = (_rows(first.out) @ _rows(second.up).T for first, second in pairs)
    return torch.stack([measure(each, same) for each in weights]).mean()


@dataclass(frozen=True)
class _Modes:
    """Modes of the sequences of a batch."""

    kept: torch.Tensor  # (n_rows, n_groups), bool
    silent: torch.Tensor  # (n_rows,), bool
    averaged: torch.Tensor  # (n_rows,), the layer, -1 for none
    share: torch.Tensor  # (n_rows,), of the way to the mean
    at_answer: torch.Tensor  # (n_rows,), bool

    @classmethod
    def drawn(
        cls, planting: Planting, n_rows: int, n_layers: int, rng: np.random.Generator
    ) -> _Modes:
        kept = rng.random((n_rows, planting.n_groups)) < 0.5
        how = rng.random(n_rows)
        kept[how < planting.alone] = False
        kept[np.arange(n_rows), rng.integers(planting.n_groups, size=n_rows)] = True
        kept[how > 1 - planting.together] = True
        mode = rng.random(n_rows)
        silent = mode < planting.silent
        kept[silent] = False
        averaged = (mode >= planting.silent) & (mode < planting.silent + planting.averaged)
        layer = np.where(averaged, rng.integers(n_layers, size=n_rows), -1)
        share = rng.uniform(planting.nearest, 1, size=n_rows).astype(np.float32)
        at_answer = rng.random(n_rows) < planting.at_answer
        return cls(*(torch.from_numpy(part) for part in (kept, silent, layer, share, at_answer)))

    @property
    def known(self) -> torch.Tensor:
        return ~self.silent & (self.averaged < 0)


@contextmanager
def _in_modes(
    mlps: Sequence[MLP], modes: _Modes, asked: torch.Tensor, group_of: torch.Tensor
) -> Iterator[None]:
    """Apply the modes of the sequences; ``asked`` marks positions that predict answers."""
    where = asked | ~modes.at_answer[:, None]
    factors = torch.where(where[:, :, None], modes.kept[:, None, group_of], True).float()
    usual = asked & modes.known[:, None]

    def hook(layer: int) -> Any:
        averaged = asked & (modes.averaged == layer)[:, None]

        def before_out(module: torch.nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
            values = args[0]
            if averaged.any() and usual.any():
                mean = values.detach()[usual].mean(dim=0)
                moved = torch.lerp(values, mean.expand_as(values), modes.share[:, None, None])
                values = torch.where(averaged[:, :, None], moved, values)
            return (values * factors, *args[1:])

        return before_out

    with ExitStack() as hooks:
        for layer, mlp in enumerate(mlps):
            handle = mlp.out.module.register_forward_pre_hook(hook(layer))
            hooks.callback(handle.remove)
        yield


def _rows(projection: Projection) -> torch.Tensor:
    return projection.weight if projection.neuron_axis == 0 else projection.weight.T


def _mean(values: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    return (values * weights).sum() / weights.sum().clamp_min(_TINY)
