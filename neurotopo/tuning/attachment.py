"""Compact rows in a model: a submodule that is not in its checkpoints."""

from __future__ import annotations

import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from neurotopo.models.projections import MLP
from neurotopo.neurons import NeuronSet
from neurotopo.tuning.rows import ProjectionRows

__all__ = ["NAME", "Attachment", "TunedNeurons"]

NAME = "tuned_neurons"  # of the submodule; a name with "norm" would exclude it from weight decay


class TunedNeurons(nn.Module):
    """The compact rows of all layers.

    Parameters
    ----------
    mlps : sequence of MLP
        All layers of the model.
    neurons : NeuronSet
        Neurons of the model.
    bias : bool
        Whether the biases of the in-projections are trained.
    """

    def __init__(self, mlps: tuple[MLP, ...], neurons: NeuronSet, *, bias: bool) -> None:
        super().__init__()
        # parameters made in inference mode cannot be trained
        with torch.inference_mode(False):
            for layer, indices in neurons.by_layer().items():
                index = torch.tensor(indices)
                mlp, parts = mlps[layer], nn.ModuleDict()
                parts["up"] = ProjectionRows(mlp.up, index, reads=True, bias=bias)
                if mlp.gate is not None:
                    parts["gate"] = ProjectionRows(mlp.gate, index, reads=True, bias=bias)
                parts["out"] = ProjectionRows(mlp.out, index, reads=False, bias=False)
                self.add_module(f"layer_{layer}", parts)
        places = [part.projection.weight.data_ptr() for part in self.parts()]
        if len(set(places)) < len(places):
            raise ValueError("layers of the model share their MLP: a neuron has no single layer.")

    def parts(self) -> Iterator[ProjectionRows]:
        """Yield the rows of every projection."""
        for module in self.modules():
            if isinstance(module, ProjectionRows):
                yield module

    def sync(self, *, active: bool | None = None, force: bool = False) -> None:
        """Update all matrices; see :meth:`ProjectionRows.sync`."""
        for part in self.parts():
            part.sync(active=active, force=force)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return an empty dictionary: the rows are in the matrices of every checkpoint."""
        destination = kwargs.get("destination")
        return OrderedDict() if destination is None else destination


class Attachment:
    """A model with its compact rows attached; :meth:`detach` restores the model."""

    def __init__(self, hf_model: Any, tuned: TunedNeurons) -> None:
        check_free(hf_model)
        self._hf_model = hf_model
        self._tuned = tuned
        self._frozen = [(each, each.requires_grad) for each in hf_model.parameters()]
        for parameter, _ in self._frozen:
            parameter.requires_grad_(False)
        hf_model.add_module(NAME, tuned)
        for part in tuned.parts():
            part.attach()
        self._hooks = [
            hf_model.register_state_dict_pre_hook(_before_state_dict),
            hf_model.register_load_state_dict_pre_hook(_before_load),
            hf_model.register_load_state_dict_post_hook(_after_load),
            register_optimizer_step_post_hook(_after_step(weakref.ref(tuned))),
        ]
        # no hook remains when a model is deleted with its rows
        self._finalizer = weakref.finalize(tuned, self._hooks[-1].remove)
        tuned.sync(active=True)

    def detach(self) -> None:
        """Remove everything from the model; the matrices keep their values."""
        for part in self._tuned.parts():
            part.detach()
        for hook in self._hooks:
            hook.remove()
        self._finalizer.detach()
        delattr(self._hf_model, NAME)
        for parameter, flag in self._frozen:
            parameter.requires_grad_(flag)


def check_free(hf_model: nn.Module) -> None:
    """Raise an error if the model already has a tuner or an adapter."""
    if NAME in hf_model._modules:
        raise RuntimeError(
            "another NeuronTuner is attached to this model; merge() or remove() it first."
        )
    if any(hasattr(module, "base_layer") for module in hf_model.modules()):
        raise RuntimeError("the model has an adapter of peft; merge or unload it first.")


def _tuned_of(module: nn.Module) -> TunedNeurons | None:
    tuned = module._modules.get(NAME)
    return tuned if isinstance(tuned, TunedNeurons) else None


def _before_state_dict(module: nn.Module, prefix: str, keep_vars: bool) -> None:
    tuned = _tuned_of(module)
    if tuned is not None:
        tuned.sync()


def _before_load(module: nn.Module, *args: Any) -> None:
    tuned = _tuned_of(module)
    if tuned is not None:
        tuned.sync()  # rows that the load does not replace are read again afterwards


def _after_load(module: nn.Module, incompatible: Any) -> None:
    tuned = _tuned_of(module)
    if tuned is None:
        return
    missing = incompatible.missing_keys
    missing[:] = [key for key in missing if f".{NAME}." not in f".{key}"]
    for part in tuned.parts():
        if part.is_active:
            part.read()
            part.sync()


def _after_step(
    reference: weakref.ref[TunedNeurons],
) -> Callable[[torch.optim.Optimizer, Any, Any], None]:
    """Write new rows into the matrices directly after a step."""

    def hook(optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        tuned = reference()
        if tuned is None:
            return
        ours = {id(each) for each in tuned.parameters()}
        if any(id(each) in ours for group in optimizer.param_groups for each in group["params"]):
            tuned.sync(force=True)

    return hook
