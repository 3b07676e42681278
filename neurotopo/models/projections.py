"""The two or three matrices of an MLP, indexed by neuron in either storage order."""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from torch import nn

from neurotopo.models.families import Family, UnsupportedModelError
from neurotopo.models.opaque import stand_in, why_opaque

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
    opaque : str or None, default=None
        Why the matrix cannot be read, with the remedy: it is quantised or has an adapter. Its
        values can be read and edited.
    stand_in : torch.Tensor or None, default=None
        In place of an opaque matrix: a tensor of its shape without numbers.
    """

    name: str
    module: nn.Module
    neuron_axis: int
    part: slice | None = None
    opaque: str | None = None
    stand_in: torch.Tensor | None = None

    @property
    def weight(self) -> torch.Tensor:
        """The stored matrix, or a view of a part; without numbers if it is opaque."""
        stored: Any = self.module.weight if self.stand_in is None else self.stand_in
        weight: torch.Tensor = stored
        if self.part is None:
            return weight
        return weight[self.part] if self.neuron_axis == 0 else weight[:, self.part]

    @property
    def bias(self) -> torch.Tensor | None:
        """The stored bias, if any; a view of a part."""
        bias: torch.Tensor | None = getattr(self.module, "bias", None)
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

    def readable(self) -> torch.Tensor:
        """Return the stored matrix, or raise an error if it is opaque."""
        if self.opaque is not None:
            raise UnsupportedModelError(
                f"{self.name} {self.opaque} The values of its neurons can be read and edited "
                'without that (activations, Edit with where="values", AMIG), its rows cannot.'
            )
        return self.weight

    def rows(self, indices: torch.Tensor | None = None) -> torch.Tensor:
        """Return the rows of some neurons, shape (k, width); for all of them, a view."""
        weight = self.readable().detach()
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
    dtype = hf_model.get_input_embeddings().weight.dtype  # type: ignore[operator]
    for number, layer in enumerate(layers):
        where = f"{path}.{number}"
        mlps.append(
            MLP(
                up=_in_projection(layer, where, family, "up", dtype),
                gate=_in_projection(layer, where, family, "gate", dtype) if family.gate else None,
                out=_projection(layer, where, family.out, 1, dtype),
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


def _projection(
    layer: nn.Module, where: str, path: str, axis: int, dtype: torch.dtype
) -> Projection:
    """Return a projection; ``axis`` counts neurons in a Linear module, which stores (out, in)."""
    from transformers.pytorch_utils import Conv1D

    module, name = _submodule(layer, where, path), f"{where}.{path}"
    if (reason := why_opaque(module)) is not None:
        return Projection(name, module, axis, None, reason, stand_in(module, name, dtype))
    if isinstance(module, Conv1D):  # it stores (in, out)
        return Projection(name, module, 1 - axis)
    if not isinstance(module, nn.Linear):
        kind = type(module).__name__
        raise UnsupportedModelError(
            f"{name} is a {kind}; only Linear and Conv1D modules are supported."
        )
    return Projection(name, module, axis)


def _in_projection(
    layer: nn.Module, where: str, family: Family, name: Literal["up", "gate"], dtype: torch.dtype
) -> Projection:
    whole = _projection(layer, where, str(getattr(family, name)), 0, dtype)
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
