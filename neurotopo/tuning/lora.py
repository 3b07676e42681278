"""Low-rank adapters (LoRA): trained rows as an adapter, and an adapter of equal size."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import nn

from neurotopo._files import atomic_write
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.tuning.attachment import check_free
from neurotopo.tuning.rows import ProjectionRows
from neurotopo.tuning.tuner import NeuronTuner

__all__ = ["LoraArm", "lora_like", "to_lora"]

# attribute of transformers for the hooks of embeddings with gradients (without the s: one hook)
_HOOKS = "_require_grads_hooks"


def to_lora(tuner: NeuronTuner, folder: str | os.PathLike[str]) -> None:
    """Write trained rows as an adapter that ``peft.PeftModel.from_pretrained`` loads.

    The change of k rows is a LoRA of rank k: a product of two matrices, one of which only selects
    the neurons. The adapter gives the same model up to rounding. It is larger than the files of
    :meth:`NeuronTuner.save`, as it includes the selections. (peft has a closed list of adapter
    types, so rows cannot be a new type.)

    Parameters
    ----------
    tuner : NeuronTuner
        The trained rows.
    folder : path-like
        Folder for ``adapter_config.json`` and ``adapter_model.safetensors``.

    Examples
    --------
    >>> import tempfile
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.tuning import NeuronTuner, to_lora
    >>> folder = tempfile.mkdtemp()
    >>> with NeuronTuner(random_model("gpt2"), [(0, 3), (0, 7), (2, 1)]) as tuner:
    ...     to_lora(tuner, folder)
    >>> from peft import PeftModel
    >>> model = PeftModel.from_pretrained(random_model("gpt2").hf_model, folder)
    """
    ranks: dict[str, int] = {}
    tensors: dict[str, torch.Tensor] = {}
    parts: dict[str, list[ProjectionRows]] = {}  # of each module; two if it is fused
    for part in tuner._tuned.parts():
        parts.setdefault(part.projection.name, []).append(part)
    with_bias = any(part.bias is not None for of_module in parts.values() for part in of_module)
    for name, of_module in parts.items():
        ranks[name] = sum(len(part.indices) for part in of_module)
        for key, tensor in _factors(of_module, with_bias).items():
            tensors[f"base_model.model.{name}.{key}"] = tensor.detach().cpu().contiguous()
    config = _config(tuner.model, ranks, lora_bias=with_bias, inference_mode=True)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with atomic_write(path / "adapter_model.safetensors") as file:
        file.write(safetensors.torch.save(tensors, metadata={"format": "pt"}))
    config.save_pretrained(path)


def _factors(parts: list[ProjectionRows], with_bias: bool) -> dict[str, torch.Tensor]:
    """Return the two matrices whose product is the change of one module."""
    projection, reads = parts[0].projection, parts[0].reads
    change = torch.cat([part.weight.detach() - part.base_weight for part in parts])
    entries = torch.cat([part.projection.entries(part.indices) for part in parts])
    n_entries = int(projection.module.weight.shape[projection.neuron_axis])  # type: ignore[index]
    selection = change.new_zeros(n_entries, len(entries))
    selection[entries, torch.arange(len(entries), device=change.device)] = 1
    factors = {
        "lora_A.weight": change if reads else selection.T,
        "lora_B.weight": selection if reads else change.T,
    }
    if with_bias:
        bias = change.new_zeros(factors["lora_B.weight"].shape[0])
        for part in parts:
            if part.bias is not None and part.base_bias is not None:
                trained = part.bias.detach() - part.base_bias
                bias[part.projection.entries(part.indices)] = trained
        factors["lora_B.bias"] = bias
    return factors


def _config(model: NeuronModel, ranks: dict[str, int], **options: Any) -> Any:
    """Return the configuration of a LoRA without scaling: its alphas are its ranks."""
    peft = _peft()
    return peft.LoraConfig(
        r=max(ranks.values()),
        lora_alpha=max(ranks.values()),
        rank_pattern=ranks,
        alpha_pattern=ranks,
        target_modules=sorted(ranks),
        fan_in_fan_out=not isinstance(model.mlps[0].up.module, nn.Linear),
        base_model_name_or_path=getattr(model.hf_model, "name_or_path", None) or None,
        task_type="CAUSAL_LM" if model.is_causal else None,
        **options,
    )


class LoraArm:
    """A temporary LoRA on the MLPs of a model; see :func:`lora_like`.

    Parameters
    ----------
    model : NeuronModel
    ranks : dict of int to int
        The rank by layer.
    seed : int
        Seed of the first matrices.

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.tuning import lora_like
    >>> model = random_model()
    >>> with lora_like(model, 500) as arm:
    ...     arm.n_parameters == sum(each.numel() for each in arm.parameters())
    True
    """

    def __init__(self, model: NeuronModel, ranks: dict[int, int], seed: int) -> None:
        peft = _peft()
        hf_model = model.hf_model
        self.model = model
        self.ranks = ranks
        self._flags = [(each, each.requires_grad) for each in hf_model.parameters()]
        self._attributes = dict(vars(hf_model))
        of_module = {
            projection.name: rank
            for layer, rank in ranks.items()
            for projection in (*model.mlps[layer].in_projections, model.mlps[layer].out)
        }
        config = _config(model, of_module)
        with torch.random.fork_rng(), warnings.catch_warnings():
            # peft calls deprecated functions of transformers
            warnings.simplefilter("ignore", FutureWarning)
            torch.manual_seed(seed)
            self._peft_model: Any = peft.get_peft_model(hf_model, config)
        self._parameters = [each for each in hf_model.parameters() if each.requires_grad]

    def __repr__(self) -> str:
        return f"LoraArm(ranks={self.ranks}, {self.n_parameters} parameters)"

    def __enter__(self) -> LoraArm:
        return self

    def __exit__(self, *exception: object) -> None:
        """Remove the LoRA from the model."""
        self.remove()

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the LoRA, for an optimizer."""
        return iter(self._parameters)

    @property
    def n_parameters(self) -> int:
        """Number of trained parameters."""
        return sum(each.numel() for each in self._parameters)

    def remove(self) -> None:
        """Restore the model bit for bit."""
        if self._peft_model is None:
            return
        self._peft_model.unload()
        self._peft_model = None
        hf_model = self.model.hf_model
        if vars(hf_model).get(_HOOKS) is not self._attributes.get(_HOOKS):
            # with gradient checkpointing, peft enables gradients of the embeddings again
            hf_model.disable_input_require_grads()
            old = self._attributes.items()
            vars(hf_model).update({k: hooks for k, hooks in old if k.startswith(_HOOKS[:-1])})
        for name in set(vars(hf_model)) - set(self._attributes):
            delattr(hf_model, name)
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)


def lora_like(model: NeuronModel, n_parameters: int, seed: int = 0) -> LoraArm:
    """Add a LoRA with about a given number of parameters to the MLPs of a model.

    The unit is one rank in all projections of one layer. The number of units closest to
    ``n_parameters`` (at least one) is spread evenly over the layers; the layers with one unit more
    are random. So the number of parameters differs by at most half a unit.

    Parameters
    ----------
    model : NeuronModel
        The model. Its weights are frozen until :meth:`LoraArm.remove`.
    n_parameters : int
        Wanted number of trained parameters.
    seed : int, default=0
        Seed of the first matrices and of the draw.

    Returns
    -------
    LoraArm
        Its ``n_parameters`` is the actual number.

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.tuning import lora_like
    >>> arm = lora_like(random_model("gpt2"), 500)
    >>> arm
    LoraArm(ranks={0: 2, 1: 2, 2: 3}, 504 parameters)
    >>> arm.remove()
    """
    if n_parameters < 1:
        raise ValueError(f"n_parameters must be at least 1, got {n_parameters}.")
    check_free(model.hf_model)
    mlp = model.mlps[0]
    modules = {each.module for each in (*mlp.in_projections, mlp.out)}  # one for a fused gate
    unit = sum(sum(module.weight.shape) for module in modules)  # type: ignore[arg-type, misc]
    units = max(1, round(n_parameters / unit))
    most = min(model.d_model, model.n_neurons) * model.n_layers
    if units > most:
        full = f"a LoRA of full rank on all layers has {most * unit} parameters"
        raise ValueError(f"{full}, fewer than n_parameters={n_parameters}.")
    rank, extra = divmod(units, model.n_layers)
    ranks = dict.fromkeys(range(model.n_layers), rank)
    for layer in np.random.default_rng(seed).choice(model.n_layers, extra, replace=False).tolist():
        ranks[layer] += 1
    return LoraArm(model, {layer: each for layer, each in ranks.items() if each}, seed)


def _peft() -> Any:
    try:
        return importlib.import_module("peft")
    except ImportError as error:
        raise ImportError("LoRA needs the package peft: pip install 'neurotopo[tune]'.") from error
