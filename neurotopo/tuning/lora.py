"""Low-rank adapters (LoRA): trained rows written as one, and one of equal size to compare with."""

from __future__ import annotations

import importlib
import os
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
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

# where transformers keeps the hooks that let embeddings ask for gradients; and, without the s, one
_HOOKS = "_require_grads_hooks"


def to_lora(tuner: NeuronTuner, folder: str | os.PathLike[str]) -> None:
    """Write trained rows as an adapter that ``peft.PeftModel.from_pretrained`` loads.

    The change of k rows is a product of two matrices of rank k, one of which only selects the
    neurons, so it is a LoRA of rank k. The adapter gives the same model up to rounding. It is
    larger than what :meth:`NeuronTuner.save` writes, because the selections are stored as well.

    Parameters
    ----------
    tuner : NeuronTuner
        The trained rows.
    folder : path-like
        Gets ``adapter_config.json`` and ``adapter_model.safetensors``.

    Notes
    -----
    peft knows its kinds of adapters by a closed list, so that rows cannot be a kind of their own.

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
    parts = list(tuner._tuned.parts())
    with_bias = any(part.bias is not None for part in parts)
    for part in parts:
        name = part.projection.name
        ranks[name] = len(part.indices)
        for key, tensor in _factors(part, with_bias).items():
            tensors[f"base_model.model.{name}.{key}"] = tensor.detach().cpu().contiguous()
    config = _config(tuner.model, ranks, lora_bias=with_bias, inference_mode=True)
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    with atomic_write(path / "adapter_model.safetensors") as file:
        file.write(safetensors.torch.save(tensors, metadata={"format": "pt"}))
    config.save_pretrained(path)


def _factors(part: ProjectionRows, with_bias: bool) -> dict[str, torch.Tensor]:
    """Return the two matrices whose product is the change of one projection."""
    change = part.weight.detach() - part.base_weight
    selection = torch.zeros(
        part.projection.n_neurons, len(part.indices), dtype=change.dtype, device=change.device
    )
    selection[part.indices, torch.arange(len(part.indices), device=change.device)] = 1
    factors = {
        "lora_A.weight": change if part.reads else selection.T,
        "lora_B.weight": selection if part.reads else change.T,
    }
    if with_bias:
        entries = change.new_zeros(factors["lora_B.weight"].shape[0])
        if part.bias is not None and part.base_bias is not None:
            entries[part.indices] = part.bias.detach() - part.base_bias
        factors["lora_B.bias"] = entries
    return factors


def _config(model: NeuronModel, ranks: dict[str, int], **options: Any) -> Any:
    """Return a LoRA's configuration in which nothing is scaled: its alphas are its ranks."""
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
    """A LoRA on the MLPs of a model, to train and to take off again; see :func:`lora_like`.

    Parameters
    ----------
    model : NeuronModel
        The model.
    ranks : dict of int to int
        The rank in every layer that has one.
    seed : int
        Seed of the first matrices.

    Attributes
    ----------
    model : NeuronModel
        The model.
    ranks : dict of int to int
        The rank in every layer that has one.

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
            # peft asks transformers in ways that it will give up; that is not the user's concern
            warnings.simplefilter("ignore", FutureWarning)
            torch.manual_seed(seed)
            self._peft_model: Any = peft.get_peft_model(hf_model, config)
        self._parameters = [each for each in hf_model.parameters() if each.requires_grad]

    def __repr__(self) -> str:
        return f"LoraArm(ranks={self.ranks}, {self.n_parameters} parameters)"

    def __enter__(self) -> LoraArm:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Take the LoRA off the model."""
        self.remove()

    def parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the LoRA, for an optimizer."""
        return iter(self._parameters)

    @property
    def n_parameters(self) -> int:
        """How many numbers are trained."""
        return sum(each.numel() for each in self._parameters)

    def remove(self) -> None:
        """Give the model back as it was before, bit for bit."""
        if self._peft_model is None:
            return
        self._peft_model.unload()
        self._peft_model = None
        hf_model = self.model.hf_model
        if vars(hf_model).get(_HOOKS) is not self._attributes.get(_HOOKS):
            # with gradient checkpointing on, peft lets the embeddings ask for gradients (again)
            hf_model.disable_input_require_grads()
            vars(hf_model).update(
                {
                    name: value
                    for name, value in self._attributes.items()
                    if name.startswith(_HOOKS[:-1])
                }
            )
        for name in set(vars(hf_model)) - set(self._attributes):
            delattr(hf_model, name)
        for parameter, flag in self._flags:
            parameter.requires_grad_(flag)


def lora_like(model: NeuronModel, n_parameters: int, seed: int = 0) -> LoraArm:
    """Put a LoRA on the MLPs of a model that trains as many numbers as something else does.

    One rank in all projections of one layer is the unit. The units that come closest to the
    number asked for are spread evenly over the layers, and which layers get one more than others,
    or one at all where there are fewer units than layers, is drawn. So the number of parameters
    is off by at most half a unit, unless less than one unit was asked for: then it is one.

    Parameters
    ----------
    model : NeuronModel
        The model. Its own weights are frozen until :meth:`LoraArm.remove`.
    n_parameters : int
        How many numbers should be trained.
    seed : int, default=0
        Seed of the first matrices, and of the draw.

    Returns
    -------
    LoraArm
        With ``n_parameters``, the number that came out.

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
    unit = (model.d_model + model.n_neurons) * (3 if model.is_gated else 2)
    units = max(1, round(n_parameters / unit))
    most = min(model.d_model, model.n_neurons) * model.n_layers
    if units > most:
        raise ValueError(
            f"a LoRA of full rank on all layers has {most * unit} parameters, less than the "
            f"{n_parameters} asked for."
        )
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
