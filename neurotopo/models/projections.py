"""The two or three matrices of an MLP, indexed by neuron in either storage order."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from neurotopo.models.families import Family, UnsupportedModelError

__all__ = ["MLP", "Projection", "check_called", "find_mlps"]


@dataclass(frozen=True)
class Projection:
    """A linear module and the axis of its weight along which neurons are counted.

    Attributes
    ----------
    name : str
        Its dotted path in the model, for messages.
    module : torch.nn.Module
        ``Linear`` or ``Conv1D``.
    neuron_axis : int
        Axis of ``module.weight`` that counts neurons.
    part : slice or None, default=None
        Part of that axis, for a module that computes two projections. None: all of it.
    """

    name: str
    module: nn.Module
    neuron_axis: int
    part: slice | None = None

    @property
    def weight(self) -> torch.Tensor:
        """The stored matrix; a view of a part."""
        weight: torch.Tensor = self.module.weight  # type: ignore[assignment]
        if self.part is None:
            return weight
        return weight[self.part] if self.neuron_axis == 0 else weight[:, self.part]

    @property
    def bias(self) -> torch.Tensor | None:
        """The stored bias, if any; a view of a part."""
        bias: torch.Tensor | None = self.module.bias  # type: ignore[assignment]
        return bias if bias is None or self.part is None else bias[self.part]

    def entries(self, indices: torch.Tensor) -> torch.Tensor:
        """Return the place of neurons along the stored axis, and in the output of the module."""
        if self.part is None:
            return indices
        return indices * self.part.step + self.part.start

    def output(self, values: torch.Tensor) -> torch.Tensor:
        """Return the neurons' part of the output of the module."""
        return values if self.part is None else values[..., self.part]

    @property
    def n_neurons(self) -> int:
        """Number of neurons."""
        return int(self.weight.shape[self.neuron_axis])

    @property
    def width(self) -> int:
        """Length of a neuron's row: the width of the residual stream."""
        return int(self.weight.shape[1 - self.neuron_axis])

    def rows(self, indices: torch.Tensor | None = None) -> torch.Tensor:
        """Return the rows of some neurons, shape (k, width); for all of them, a view."""
        weight = self.weight.detach()
        if weight.is_meta:
            raise UnsupportedModelError(
                f"the weights of {self.name} are not in memory (offloaded to disk?). Load the "
                "model without offloading, or pass the checkpoint's folder to whole_model_tree."
            )
        if indices is not None:
            weight = _taken(weight, self.neuron_axis, indices)
        return weight if self.neuron_axis == 0 else weight.T


def _taken(weight: torch.Tensor, axis: int, indices: torch.Tensor) -> torch.Tensor:
    if weight.device.type == "cpu" and weight.dtype in (torch.float32, torch.float64):
        # NumPy's take uses one thread, which is faster for a few rows
        return torch.from_numpy(weight.numpy().take(indices.numpy(), axis=axis))
    return weight.index_select(axis, indices.to(weight.device))


@dataclass(frozen=True)
class MLP:
    """The projections of one layer's MLP, and the norm before it.

    Attributes
    ----------
    up, out : Projection
        The in- and the out-projection.
    gate : Projection or None
        The second in-projection of a gated MLP.
    norm : torch.nn.Module or None
        The norm whose output the MLP reads.
    layer : torch.nn.Module
        The layer that the MLP is part of.
    """

    up: Projection
    out: Projection
    gate: Projection | None
    norm: nn.Module | None
    layer: nn.Module

    @property
    def in_projections(self) -> tuple[Projection, ...]:
        """``up`` and, in a gated MLP, ``gate``."""
        return (self.up,) if self.gate is None else (self.up, self.gate)


def check_called(mlps: Sequence[MLP], called: Container[int], layers: Iterable[int]) -> None:
    """Raise an error if a forward pass did not call the out-projection of a layer."""
    for layer in layers:
        if layer not in called:
            name = mlps[layer].out.name
            raise RuntimeError(f"{name} was never called: the model computes its MLP another way.")


def find_mlps(hf_model: nn.Module, family: Family) -> tuple[MLP, ...]:
    """Collect the MLPs of all layers of a model, first layer first."""
    config: Any = hf_model.config
    path, layers = _find_layers(hf_model, family)
    norm_path = family.norm_path(getattr(config, "text_config", None) or config)
    mlps = []
    for number, layer in enumerate(layers):
        where = f"{path}.{number}"
        mlps.append(
            MLP(
                up=_in_projection(layer, where, family, "up"),
                gate=_in_projection(layer, where, family, "gate") if family.gate else None,
                out=_projection(layer, where, family.out, axis=1),
                norm=_submodule(layer, where, norm_path) if norm_path else None,
                layer=layer,
            )
        )
    _check_widths(mlps)
    return tuple(mlps)


def _find_layers(hf_model: nn.Module, family: Family) -> tuple[str, nn.ModuleList]:
    for path in family.layers:
        try:
            layers = hf_model.get_submodule(path)
        except AttributeError:
            continue
        if isinstance(layers, nn.ModuleList) and len(layers):
            return path, layers
    raise UnsupportedModelError(
        f"{type(hf_model).__name__} has no layers at {' or '.join(family.layers)}, where "
        f"{family.name} models with a language-model head have them. Load the model with its head "
        f"({'AutoModelForCausalLM' if family.kind == 'causal' else 'AutoModelForMaskedLM'})."
    )


def _submodule(layer: nn.Module, where: str, path: str) -> nn.Module:
    try:
        return layer.get_submodule(path)
    except AttributeError:
        raise UnsupportedModelError(f"the model has no module {where}.{path}.") from None


def _is_transposed(module: nn.Module, name: str) -> bool:
    """Return whether the weight is stored as (in, out), as in Conv1D, not (out, in)."""
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, Conv1D):
        return True
    weight = getattr(module, "weight", None)
    if not isinstance(module, nn.Linear) or weight is None or not weight.is_floating_point():
        kind = type(module).__name__
        raise UnsupportedModelError(
            f"{name} is a {kind}; only Linear and Conv1D modules with floating-point weights are "
            "supported (no quantised models)."
        )
    return False


def _projection(layer: nn.Module, where: str, path: str, axis: int) -> Projection:
    """Return a projection; ``axis`` counts neurons in a Linear module."""
    module, name = _submodule(layer, where, path), f"{where}.{path}"
    return Projection(name, module, neuron_axis=1 - axis if _is_transposed(module, name) else axis)


def _in_projection(
    layer: nn.Module, where: str, family: Family, name: Literal["up", "gate"]
) -> Projection:
    whole = _projection(layer, where, str(getattr(family, name)), axis=0)
    part = family.part_of(name, whole.n_neurons)
    return whole if part is None else replace(whole, part=part)


def _check_widths(mlps: list[MLP]) -> None:
    expected = (mlps[0].up.n_neurons, mlps[0].up.width)
    for mlp in mlps:
        for projection in (*mlp.in_projections, mlp.out):
            shape = (projection.n_neurons, projection.width)
            if shape != expected:
                raise UnsupportedModelError(
                    f"{projection.name} has (neurons, width) = {shape}, {mlps[0].up.name} has "
                    f"{expected}; all layers must be equally wide."
                )
