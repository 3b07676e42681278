"""Plain folders of models: safetensors, tokenizer and configuration, checked after writing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from neurotopo.models.evaluation import evaluating
from neurotopo.models.quantized import forget_quantization

__all__ = ["probe_logits", "save_checked"]

PROBES = (
    "The capital of France is Paris.",
    "Über 3,14 Grad: 12345 = naïve café\n\tdef f(x): return x**2",
    "法国的首都是巴黎。 Москва — столица России. 😀",
)
"""Texts in several scripts that a reloaded model must read and continue in the same way."""


def probe_logits(hf_model: Any, tokenizer: Any) -> list[tuple[list[int], torch.Tensor]]:
    """Return token ids and logits of the probe texts."""
    device = hf_model.get_input_embeddings().weight.device
    result = []
    for text in PROBES:
        ids = tokenizer(text).input_ids[:64]
        given = torch.tensor([ids], device=device)
        with evaluating(hf_model):
            logits = hf_model(input_ids=given, attention_mask=torch.ones_like(given)).logits
        result.append((ids, logits.cpu()))
    return result


def save_checked(hf_model: Any, tokenizer: Any, folder: Path) -> None:
    """Write model and tokenizer to a folder, load them again and compare the logits of texts.

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        Its weights must be floating-point numbers.
    tokenizer : transformers.PreTrainedTokenizerBase
    folder : Path
        The folder; it is made.

    Raises
    ------
    OSError
        If the folder cannot be written.
    ValueError
        If the reloaded model computes something else.
    """
    from transformers import AutoTokenizer

    forget_quantization(hf_model)
    before = probe_logits(hf_model, tokenizer)
    hf_model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    again = type(hf_model).from_pretrained(folder, dtype=hf_model.dtype).eval()
    again = again.to(hf_model.get_input_embeddings().weight.device)
    after = probe_logits(again, AutoTokenizer.from_pretrained(folder))
    for text, (ids, logits), (new_ids, new_logits) in zip(PROBES, before, after, strict=True):
        if ids != new_ids:
            raise ValueError(
                f"the saved tokenizer in {folder} reads {text!r} in another way: {new_ids}, not "
                f"{ids}."
            )
        gap = float((logits - new_logits).abs().max())
        if not gap <= 1e-6 * float(logits.abs().max()):
            raise ValueError(
                f"the saved model in {folder} computes other logits for {text!r}: they differ by "
                f"{gap:.2g}."
            )
