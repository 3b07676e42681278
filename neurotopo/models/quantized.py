"""Quantised checkpoints: which are de-quantised on loading, and quantising with bitsandbytes."""

from __future__ import annotations

import logging
from importlib.util import find_spec
from typing import Any

__all__ = ["QUANTIZATIONS", "dequantized", "forget_quantization", "method_of", "quantization_for"]

QUANTIZATIONS = ("dequantize", "keep", "4bit", "8bit")
# Methods whose configuration in transformers has a switch to de-quantise on loading.
_SWITCHED = {
    "mxfp4": "Mxfp4Config",
    "fp8": "FineGrainedFP8Config",
    "compressed-tensors": "CompressedTensorsConfig",
    "metal": "MetalConfig",
    "gguf": "GgufConfig",
}
# Methods that transformers de-quantises once the model is loaded.
_AFTERWARDS = ("bitsandbytes", "higgs")

logger = logging.getLogger(__name__)


def method_of(config: Any) -> str | None:
    """Return the quantisation method of a configuration, None if it is not quantised."""
    about = getattr(config, "quantization_config", None)
    if about is None:
        return None
    read = about.get if isinstance(about, dict) else lambda name, _=None: getattr(about, name, _)
    method = read("quant_method", None)
    if method is None:  # as old checkpoints of bitsandbytes
        method = (
            "bitsandbytes" if read("load_in_4bit", False) or read("load_in_8bit", False) else ""
        )
    return str(getattr(method, "value", method)).lower()


def quantization_for(config: Any, quantization: Any) -> Any:
    """Return the argument ``quantization_config`` of ``from_pretrained``, or None.

    Parameters
    ----------
    config : PretrainedConfig
        The configuration of the checkpoint.
    quantization : str, object or None
        One of `QUANTIZATIONS`, or a configuration of transformers, which is passed on. None:
        de-quantise where that is possible.

    Raises
    ------
    ValueError
        For an unknown word, a checkpoint that cannot be de-quantised, and one that is to be
        quantised again.
    ImportError
        Without bitsandbytes, if it is needed.
    """
    import transformers

    if quantization is not None and not isinstance(quantization, str):
        return quantization
    if quantization not in (None, *QUANTIZATIONS):
        known = ", ".join(map(repr, QUANTIZATIONS))
        raise ValueError(
            f"quantization must be None, one of {known}, or a quantization config of "
            f"transformers, got {quantization!r}."
        )
    method = method_of(config)
    if quantization in ("4bit", "8bit"):
        if method is not None:
            raise ValueError(
                f"quantization={quantization!r}: the checkpoint is quantised already ({method})."
            )
        _need_bitsandbytes(f"quantization={quantization!r}")
        return transformers.BitsAndBytesConfig(**{f"load_in_{quantization}": True})
    if method is None:
        if quantization == "dequantize":
            logger.info("quantization='dequantize': the checkpoint is not quantised.")
        return None
    if method == "bitsandbytes":
        _need_bitsandbytes("a checkpoint quantised with bitsandbytes")
    if quantization == "keep":
        return None
    if method in _SWITCHED:
        kind = getattr(transformers, _SWITCHED[method], None)
        if kind is not None:
            return kind(dequantize=True)
    if method not in _AFTERWARDS and quantization == "dequantize":
        known = ", ".join([*_SWITCHED, *_AFTERWARDS])
        raise ValueError(
            f"transformers cannot de-quantise {method} ({known}: it can). Load the model without "
            "quantization='dequantize' for what needs no rows of weights, or an unquantised "
            "version of it."
        )
    return None


def dequantized(hf_model: Any, quantization: Any) -> Any:
    """Return a loaded model with plain weights, if it has quantised ones that can be so."""
    method = method_of(hf_model.config)
    if method in _AFTERWARDS and quantization in (None, "dequantize"):
        hf_model = hf_model.dequantize()
        logger.info("the %s weights are de-quantised.", method)
        forget_quantization(hf_model)
    return hf_model


def forget_quantization(hf_model: Any) -> None:
    """Remove the traces of quantisation from a de-quantised model, which save_pretrained reads."""
    for config in {id(c): c for c in (hf_model.config, hf_model.config.get_text_config())}.values():
        for name in ("quantization_config", "_pre_quantization_dtype"):
            if hasattr(config, name):
                delattr(config, name)
    for name, value in (("hf_quantizer", None), ("is_quantized", False)):
        if hasattr(hf_model, name):
            setattr(hf_model, name, value)
    for name in ("quantization_method", "is_loaded_in_4bit", "is_loaded_in_8bit"):
        vars(hf_model).pop(name, None)


def _need_bitsandbytes(what: str) -> None:
    if find_spec("bitsandbytes") is None:
        raise ImportError(f"{what} needs the package bitsandbytes: pip install bitsandbytes.")
