"""Loading of a model by hub name, from a folder, or of the built-in models."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from neurotopo._memory import require_memory
from neurotopo.models.adapters import base_of, merged
from neurotopo.models.builtin_models import NULL, PREFIX, find, null_model, planted_groups
from neurotopo.models.chat import Chat
from neurotopo.models.converted import local_folder
from neurotopo.models.families import Family, kind_of
from neurotopo.models.neuron_model import NeuronModel
from neurotopo.models.quantized import dequantized, quantization_for
from neurotopo.models.tensor_files import in_a_line, stored_bytes

__all__ = ["load_model"]

_DTYPES = ("auto", "float64", "float32", "bfloat16", "float16")

logger = logging.getLogger(__name__)


def load_model(
    name_or_path: Any,
    *,
    device: str | torch.device | None = None,
    dtype: str | torch.dtype | None = None,
    device_map: Any = None,
    tokenizer: Any = None,
    family: Family | None = None,
    templates: Mapping[str, Any] | None = None,
    batch_size: int | None = None,
    adapter: str | Path | None = None,
    quantization: Any = None,
    revision: str | None = None,
    token: str | bool | None = None,
    prompting: str | Chat | None = None,
    trust_remote_code: bool = False,
    **options: Any,
) -> NeuronModel:
    """Load a causal or masked language model and its tokenizer.

    Built-in models need no download: ``"testbed:gpt2"``, ``"testbed:llama"`` and
    ``"testbed:bert"`` were trained on the facts of :mod:`neurotopo.testbed.world`;
    ``"testbed:null"`` has random weights. ``planted_groups`` lists groups of neurons that training
    planted in the model.

    Parameters
    ----------
    name_or_path : str, Path, transformers.PreTrainedModel or NeuronModel
        The name of a model on the Hugging Face hub, a folder of ``save_pretrained``, a GGUF file, a
        folder with one, the name of an installed package with one, ``"testbed:NAME"`` for a
        built-in model, or a loaded model, also a ``PeftModel``.

        A GGUF file is de-quantised once; the copy is kept in the cache folder
        (:func:`neurotopo.models.cache.cache_folder`), named after the hash of the file. The folder
        of an adapter loads the base model that it names, with the adapter.
    device : str, torch.device or None, default=None
        Device of the model. None: the GPU if there is one; the current device of a loaded model.
    dtype : str, torch.dtype or None, default=None
        Precision of the weights: ``"float32"``, ``"bfloat16"``, ``"float16"``, ``"float64"`` or
        ``"auto"``, that of the checkpoint (float32 for GGUF). None is ``"auto"``.
    device_map : str, dict or None, default=None
        Passed to transformers in place of ``device``; ``"auto"`` spreads a large model over the
        devices and needs the package accelerate.
    tokenizer : transformers.PreTrainedTokenizerBase, str, Path or None, default=None
        The tokenizer or its path. None: in the folder of the model.
    family : Family or None, default=None
        Location of the neurons. None: by ``config.model_type``, or derived from the modules if
        there is no row for it; see :doc:`/families`.
    templates : mapping or None, default=None
        Rewordings of prompts by relation; see :mod:`neurotopo.models.prompts`.
    batch_size : int or None, default=None
        Largest number of sequences in one forward pass.
    adapter : str, Path or None, default=None
        Folder or hub name of an adapter of peft, which is merged into the weights; the logits are
        checked.
    quantization : {"dequantize", "keep", "4bit", "8bit"}, object or None, default=None
        For checkpoints with quantised weights (bitsandbytes, MXFP4, FP8, compressed-tensors, GPTQ,
        AWQ, ...): ``"dequantize"`` loads plain weights, ``"keep"`` quantised ones, of which neurons
        have values but no rows. None: ``"dequantize"`` if transformers can, else ``"keep"``.
        ``"4bit"`` and ``"8bit"`` quantise a plain checkpoint with bitsandbytes. Or a quantization
        config of transformers.
    revision : str or None, default=None
        Branch, tag or commit on the hub.
    token : str, bool or None, default=None
        Access token of the hub; no file holds it. None: that of ``hf auth login`` or ``HF_TOKEN``.
    prompting : {"completion", "chat"}, Chat or None, default=None
        How facts are asked; see :class:`~neurotopo.NeuronModel`. None: plain completion, or as of
        a NeuronModel.
    trust_remote_code : bool, default=False
        Run code that comes with the model. Never do this for a model you do not trust.
    **options
        Passed to ``from_pretrained``: ``gguf_file``, ``local_files_only`` and so on. Pickled
        weights (``.bin``), which may run code, are read only with ``use_safetensors=False``.

    Returns
    -------
    NeuronModel

    Raises
    ------
    OSError
        If no model can be loaded under the name.
    MemoryError
        If the weights in a folder do not fit into memory; ``dtype`` decides how large they are.
    UnsupportedModelError
        For mixtures of experts, architectures whose row cannot be derived, and models without a
        head.

    Examples
    --------
    >>> import tempfile
    >>> from neurotopo import load_model
    >>> from neurotopo.models.examples import random_model
    >>> folder = tempfile.mkdtemp()
    >>> made = random_model("llama")
    >>> for part in (made.hf_model, made.tokenizer):
    ...     _ = part.save_pretrained(folder)
    >>> load_model(folder, device="cpu")
    NeuronModel(LlamaForCausalLM, n_layers=3, n_neurons=24, causal, device=cpu)
    """
    if prompting is None:
        chat = name_or_path.chat if isinstance(name_or_path, NeuronModel) else None
        prompting = chat or "completion"
    settings: dict[str, Any] = {
        "family": family,
        "templates": templates,
        "batch_size": batch_size,
        "prompting": prompting,
    }
    groups, source = None, {}
    if isinstance(name_or_path, NeuronModel):
        groups, source = name_or_path.planted_groups, name_or_path.source
        tokenizer = tokenizer or name_or_path.tokenizer
        name_or_path = name_or_path.hf_model
    if isinstance(name_or_path, str) and name_or_path == PREFIX + NULL:
        name_or_path, device = null_model(), device or _default_device()
    if isinstance(name_or_path, torch.nn.Module):
        if adapter is not None or quantization is not None:
            raise ValueError(
                "adapter and quantization are for models that are loaded here, not for one in "
                "memory: merge the adapter with peft (merge_and_unload), or give name or folder."
            )
        moved = _converted(name_or_path, device, dtype)
        model = NeuronModel(moved, _tokenizer_of(moved, tokenizer), **settings)
        model.planted_groups, model.source = groups, dict(source)
        return model

    place = str(find(name_or_path)) if _is_built_in(name_or_path) else str(name_or_path)
    hub = {"revision": revision, "token": token, "trust_remote_code": trust_remote_code, **options}
    shared = {name: value for name, value in hub.items() if value is not None}
    place, adapter, source = _located(place, adapter, shared)
    config = _from_pretrained("AutoConfig", place, **shared)
    kind = kind_of(config) if family is None else family.kind
    if device_map is not None:
        if device is not None:
            raise ValueError("give either device or device_map, not both.")
        if find_spec("accelerate") is None:
            raise ImportError(f"device_map={device_map!r} needs the package accelerate.")
        shared["device_map"] = device_map
    how = quantization_for(config, quantization)
    if how is not None:
        shared["quantization_config"] = how
    _check_memory(place, config, None if how or device_map is not None else _dtype(dtype))
    auto = "AutoModelForCausalLM" if kind == "causal" else "AutoModelForMaskedLM"
    hf_model, info = _from_pretrained(
        auto,
        place,
        config=config,
        dtype=_dtype(dtype),
        output_loading_info=True,
        **{"use_safetensors": True, **shared},  # pickled weights may run code
    )
    _check_complete(place, info)
    hf_model = dequantized(hf_model, quantization)
    if device_map is None and not getattr(hf_model, "is_quantized", False):
        hf_model = hf_model.to(_default_device() if device is None else device)
    if adapter is not None:
        of_hub = {name: shared[name] for name in ("token", "local_files_only") if name in shared}
        hf_model, source["adapter"] = merged(hf_model, adapter, **of_hub)
    if revision is not None:
        source["revision"] = revision
    if tokenizer is None or isinstance(tokenizer, (str, Path)):
        for name in ("device_map", "quantization_config"):
            shared.pop(name, None)
        tokenizer = _from_pretrained("AutoTokenizer", str(tokenizer or place), **shared)
    model = NeuronModel(hf_model.eval(), tokenizer, **settings)
    model.planted_groups, model.source = planted_groups(place), source
    return model


def _is_built_in(name: Any) -> bool:
    return isinstance(name, str) and name.startswith(PREFIX)


def _located(
    place: str, adapter: str | Path | None, shared: dict[str, Any]
) -> tuple[str, str | Path | None, dict[str, str]]:
    """Return where the weights are, the adapter, and what is known of the source.

    A GGUF file becomes the folder of its converted copy, an adapter its base model.
    """
    base = base_of(Path(place))
    if base is not None:
        if adapter is not None:
            raise ValueError(
                f"{place} is an adapter itself; give its base model ({base}) and one adapter."
            )
        place, adapter = base, place
        shared.pop("revision", None)  # of the adapter
    file = shared.pop("gguf_file", None)
    if file is not None:
        place = (
            str(Path(place) / file) if Path(place).is_dir() else _downloaded(place, file, shared)
        )
    folder, source = local_folder(place)
    if Path(folder).is_file():
        raise OSError(
            f"cannot load a model from the file {place}: it is no GGUF file. Give the folder with "
            "its configuration, weights and tokenizer."
        )
    return str(folder), adapter, source


def _downloaded(place: str, file: str, shared: Mapping[str, Any]) -> str:
    """Return the path of a file of a model on the hub, downloaded if need be."""
    from transformers.utils import cached_file

    names = ("revision", "token", "local_files_only", "cache_dir")
    try:
        return str(cached_file(place, file, **{n: shared[n] for n in names if n in shared}))
    except OSError as error:
        raise OSError(f"cannot load {file} of {place!r}: {' '.join(str(error).split())}") from error


def _default_device() -> str:
    return "cuda" if torch.cuda.is_available() else "cpu"


def _dtype(dtype: str | torch.dtype | None) -> str | torch.dtype:
    if isinstance(dtype, torch.dtype):
        return dtype
    name = "auto" if dtype is None else str(dtype).removeprefix("torch.")
    if name not in _DTYPES:
        raise ValueError(f"dtype must be one of {', '.join(_DTYPES)}, got {dtype!r}.")
    return name if name == "auto" else getattr(torch, name)


def _converted(hf_model: Any, device: Any, dtype: Any) -> Any:
    if device is not None:
        hf_model = hf_model.to(device)
    wanted = _dtype(dtype)
    return hf_model.to(wanted) if isinstance(wanted, torch.dtype) else hf_model


def _tokenizer_of(hf_model: Any, tokenizer: Any) -> Any:
    if tokenizer is not None and not isinstance(tokenizer, (str, Path)):
        return tokenizer
    place = str(tokenizer or hf_model.config.name_or_path or "")
    if not place:
        raise ValueError("the model has no name or path; pass its tokenizer as tokenizer=...")
    return _from_pretrained("AutoTokenizer", place)


def _from_pretrained(auto: str, place: str, **options: Any) -> Any:
    import transformers

    try:
        return getattr(transformers, auto).from_pretrained(place, **options)
    except (ImportError, MemoryError):
        raise
    except Exception as error:  # on a damaged file transformers raises nearly every kind
        reason = in_a_line(error)
        if options.get("use_safetensors") and "safetensors" in reason:
            reason += (
                ". Weights in pickled files (.bin) may run code. For a model that you trust: "
                "load_model(..., use_safetensors=False)"
            )
        if Path(place).is_dir():
            raise OSError(f"cannot load a model from the folder {place!r}: {reason}") from error
        raise OSError(
            f"cannot load {place!r}: there is no such folder here, and the Hugging Face hub could "
            f"not provide it ({reason})"
        ) from error


def _check_memory(place: str, config: Any, dtype: str | torch.dtype | None) -> None:
    """Raise an error if the weights of a folder do not fit into memory, or lack whole layers.

    With ``dtype=None`` they are not converted, or not all of them are loaded here.
    """
    folder = Path(place)
    if not any(folder.glob("*.safetensors")):  # on the hub, or pickled
        return
    wanted = getattr(config, "dtype", None) if dtype == "auto" else dtype
    try:
        n_tensors, n_bytes = stored_bytes(folder, getattr(wanted, "itemsize", None))
    except (ValueError, OSError, TypeError, KeyError, AttributeError, RecursionError):
        return  # a damaged header: transformers has its own sentence
    n_layers = getattr(config, "num_hidden_layers", 0)
    if isinstance(n_layers, int) and n_layers > n_tensors:
        raise OSError(
            f"cannot load a model from the folder {place!r}: its configuration tells of "
            f"{n_layers:,} layers, its files hold {n_tensors:,} tensors"
        )
    if dtype is not None:
        require_memory(
            n_bytes,
            f"the weights of the model in {place}",
            "dtype='bfloat16' halves those of single precision; device_map='auto' needs less here.",
        )


def _check_complete(place: str, info: Mapping[str, Any]) -> None:
    """Raise an error if weights are missing, which transformers would draw at random."""
    missing = sorted(info.get("missing_keys", ()))
    if missing:
        shown = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        raise OSError(
            f"the checkpoint {place!r} has no weights for {shown} ({len(missing)} in all). Was it "
            "saved without its language-model head?"
        )
    unexpected = sorted(info.get("unexpected_keys", ()))
    if unexpected:
        logger.info("%s: %d weights not used, such as %s", place, len(unexpected), unexpected[0])
