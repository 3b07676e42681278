"""Adapters of peft: merged into the weights on loading, with a check."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import torch

from neurotopo._files import read_json
from neurotopo.models.evaluation import evaluating

__all__ = ["ADAPTER_CONFIG", "base_of", "merged"]

ADAPTER_CONFIG = "adapter_config.json"
# Largest difference of logits after the merge, relative to the largest logit. Rounded sums of
# products decide it: a merged matrix is rounded once, an adapter's output at every token.
_TOLERANCE = {torch.float64: 1e-9, torch.float32: 1e-4, torch.bfloat16: 0.1, torch.float16: 0.02}
# Settings of the source and of training, which do not identify an adapter.
_PASSING = (
    *("base_model_name_or_path", "revision", "inference_mode", "peft_version", "auto_mapping"),
    *("lora_dropout", "init_lora_weights", "runtime_config", "task_type"),
)


def base_of(folder: Path) -> str | None:
    """Return the name of the base model of a folder that is an adapter; None for other folders.

    Raises
    ------
    ValueError
        If the adapter does not name its base model.
    """
    file = folder / ADAPTER_CONFIG
    if not file.is_file() or (folder / "config.json").is_file():
        return None
    try:
        base = read_json(file).get("base_model_name_or_path")
    except (ValueError, AttributeError) as error:
        raise ValueError(f"{file} is not valid JSON: {error}") from error
    if not base:
        raise ValueError(
            f"{folder} is an adapter, and its {ADAPTER_CONFIG} names no base model. Load the base "
            f"model with it: load_model(BASE, adapter={str(folder)!r})."
        )
    return str(base)


def merged(hf_model: Any, adapter: str | Path, **hub: Any) -> tuple[Any, str]:
    """Merge an adapter into the weights of a model, and check the logits.

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        The base model; its weights change.
    adapter : str or Path
        Folder or name on the hub.
    **hub
        ``token`` and other options of the hub.

    Returns
    -------
    hf_model : transformers.PreTrainedModel
        The model with the adapter in its weights.
    digest : str
        Hash of the settings and weights of the adapter.

    Raises
    ------
    ImportError
        If peft is not installed.
    OSError
        If the adapter cannot be loaded.
    ValueError
        If it changes no weights, or the model with merged weights computes something else.
    """
    try:
        import peft
    except ImportError:
        raise ImportError("adapter=... needs the package peft: pip install peft.") from None

    where = str(adapter)
    try:
        config = peft.PeftConfig.from_pretrained(where, **hub)
        if config.is_prompt_learning:
            raise _CannotMerge(
                f"the adapter {where!r} is of the kind {config.peft_type.value}, which adds tokens "
                "to every prompt and changes no weights, so it cannot be merged."
            )
        model = peft.PeftModel.from_pretrained(hf_model, where, **hub)
    except _CannotMerge:
        raise
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())
        raise OSError(
            f"cannot load the adapter {where!r} for {type(hf_model).__name__}: {reason}"
        ) from error
    state = peft.get_peft_model_state_dict(model)
    digest = _digest(config, state)
    before = _probe(model)
    whole = model.merge_and_unload(safe_merge=True)
    _check(where, before, _probe(whole))
    return whole.eval(), digest


class _CannotMerge(ValueError):
    """The adapter changes no weights."""


@torch.no_grad()
def _probe(model: Any) -> torch.Tensor:
    """Return the logits of a few tokens."""
    embeddings = model.get_input_embeddings().weight
    generator = torch.Generator().manual_seed(0)
    ids = torch.randint(len(embeddings), (1, 8), generator=generator).to(embeddings.device)
    with evaluating(model):
        logits: torch.Tensor = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    return logits


def _check(where: str, before: torch.Tensor, after: torch.Tensor) -> None:
    gap = (before.double() - after.double()).abs().max() / before.double().abs().max()
    if not gap <= _TOLERANCE.get(before.dtype, 0.1):
        raise ValueError(
            f"the adapter {where!r} cannot be merged: the logits of the merged model differ by up "
            f"to {float(gap):.2g} of the largest one. Use the PeftModel itself for what needs no "
            "rows of weights: NeuronModel(peft_model, tokenizer)."
        )


def _digest(config: Any, state: dict[str, torch.Tensor]) -> str:
    settings = {
        name: sorted(map(str, value)) if isinstance(value, set) else value
        for name, value in config.to_dict().items()
        if name not in _PASSING
    }
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True, default=str).encode())
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().float().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]
