"""Modules whose matrix cannot be read: quantised ones and those with an adapter.

Values of their neurons can be read and edited, as these need only the input of a module. Rows are
refused with the reason and the remedy.
"""

from __future__ import annotations

import sys
from typing import Any

import torch
from torch import nn

from neurotopo.models.family import UnsupportedModelError

__all__ = ["check_in_memory", "stand_in", "unwrapped", "why_opaque"]

_PLAIN = (torch.float64, torch.float32, torch.bfloat16, torch.float16)
_TENSORS = (torch.Tensor, nn.Parameter)


def unwrapped(hf_model: Any) -> Any:
    """Return the transformers model inside a ``PeftModel``; its adapters stay active.

    Raises
    ------
    UnsupportedModelError
        For prompt tuning and similar adapters, which are no part of the model's modules.
    """
    peft = sys.modules.get("peft")
    if peft is None or not isinstance(hf_model, peft.PeftModel):
        return hf_model
    if hf_model.active_peft_config.is_prompt_learning:
        kind = hf_model.active_peft_config.peft_type.value
        raise UnsupportedModelError(
            f"the adapter is of the kind {kind}, which adds tokens to every prompt and changes no "
            "weights, so it cannot be analysed as neurons. Pass the base model: "
            "peft_model.get_base_model()."
        )
    return hf_model.get_base_model()


def check_in_memory(hf_model: Any) -> None:
    """Raise an error for a model on the meta device, which has no weights to compute with."""
    embeddings = hf_model.get_input_embeddings()
    # accelerate moves weights from the disk to the device in the moment of their use
    if embeddings.weight.is_meta and not hasattr(embeddings, "_hf_hook"):
        raise UnsupportedModelError(
            f"the weights of this {type(hf_model).__name__} are on the device 'meta': it has "
            "shapes but no numbers. Load the weights, for example with neurotopo.load_model(name) "
            f"or {type(hf_model).__name__}.from_pretrained(name)."
        )


def why_opaque(module: nn.Module) -> str | None:
    """Return why the matrix of a module cannot be read, with the remedy; None if it can.

    Examples
    --------
    >>> import torch
    >>> from neurotopo.models.opaque import why_opaque
    >>> linear = torch.nn.Linear(2, 3)
    >>> why_opaque(linear) is None, why_opaque(linear.to(torch.float8_e4m3fn))
    (True, 'has quantised weights (Linear, float8_e4m3fn). Load ... quantization="dequantize"...')
    """
    if hasattr(module, "base_layer"):
        return (
            f"has an adapter ({type(module).__name__}) beside its matrix. Merge it: "
            "model = peft_model.merge_and_unload(), or load_model(base, adapter=folder)."
        )
    weight = getattr(module, "weight", None)
    if isinstance(weight, torch.Tensor) and type(weight) in _TENSORS and weight.dtype in _PLAIN:
        return None
    stored = getattr(module, "qweight", weight)
    dtype = "" if stored is None else f", {str(stored.dtype).removeprefix('torch.')}"
    return (
        f"has quantised weights ({type(module).__name__}{dtype}). Load the model with "
        'quantization="dequantize" or in an unquantised version.'
    )


def stand_in(module: nn.Module, name: str, dtype: torch.dtype) -> torch.Tensor:
    """Return a tensor without numbers in the shape (out, in) that the matrix would have."""
    n_in, n_out = (_size(module, size) for size in ("in_features", "out_features"))
    if n_in is None or n_out is None:
        kind = type(module).__name__
        raise UnsupportedModelError(
            f"{name} is a {kind}; only Linear and Conv1D modules, also with an adapter or "
            "quantised, are supported."
        )
    return torch.empty(n_out, n_in, device="meta", dtype=dtype)


def _size(module: nn.Module, name: str) -> int | None:
    # names of torch and peft; older kernels of GPTQ say infeatures
    value = getattr(module, name, getattr(module, name.replace("_", ""), None))
    return value if isinstance(value, int) else None
