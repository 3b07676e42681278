"""Fingerprints of models: hashes of configuration, weights and tokenizer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import torch

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Fingerprint", "fingerprint"]

_WIDTHS = {1: torch.int8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
_CHUNKS = {"cpu": 1 << 16}  # weights at a time: what the cache holds; elsewhere, few launches
_CHUNK = 1 << 24
# Settings of the source and the use of a model, which do not identify it.
_PASSING = frozenset(
    [
        *("_name_or_path", "name_or_path", "transformers_version", "architectures", "dtype"),
        *("torch_dtype", "_commit_hash", "_attn_implementation", "attn_implementation"),
        *("_attn_implementation_internal", "use_cache", "output_attentions"),
        *("output_hidden_states", "return_dict"),
    ]
)

_Tensors = tuple[tuple[int, int, tuple[int, ...]], ...]
_known: WeakKeyDictionary[Any, tuple[_Tensors, str]] = WeakKeyDictionary()


@dataclass(frozen=True)
class Fingerprint:
    """Hashes of the parts of a model; equal models have equal hashes.

    Attributes
    ----------
    architecture : str
        Name of the class.
    n_parameters : int
        Number of weights.
    dtype : str
        Precision of the weights; results depend on it.
    config : str
        Hash of the configuration.
    weights : str
        Hash of the names, shapes, precisions and sums of all weights.
    tokenizer : str or None
        Hash of the vocabulary and the tokenization.
    """

    architecture: str
    n_parameters: int
    dtype: str
    config: str
    weights: str
    tokenizer: str | None

    def to_dict(self) -> dict[str, Any]:
        """Return the hashes as JSON values."""
        return asdict(self)

    @property
    def digest(self) -> str:
        """One hash of all parts."""
        return _hash(self.to_dict())


def fingerprint(model: NeuronModel | Any, tokenizer: Any = None) -> Fingerprint:
    """Return the fingerprint of a model, independent of its source.

    The hash of the weights uses two sums over the bits of each tensor, read as integers; the second
    sum is weighted by position. Both are exact, so they do not depend on the device or the number
    of threads, and detect the change of one weight and the exchange of two. The hash is not secure
    against forgery.

    Parameters
    ----------
    model : NeuronModel or transformers.PreTrainedModel
    tokenizer : transformers.PreTrainedTokenizerBase, optional
        Default: that of a NeuronModel.

    Returns
    -------
    Fingerprint

    Raises
    ------
    ValueError
        If weights are not in memory.

    Notes
    -----
    The sums are cached and computed again when PyTorch reports that a tensor was replaced or
    changed in place. It does not report changes through ``tensor.data`` or numpy.

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.models.fingerprint import fingerprint
    >>> first, other = (fingerprint(random_model(seed=seed)) for seed in (0, 1))
    >>> first.config == other.config, first.weights == other.weights
    (True, False)
    """
    hf_model: Any = getattr(model, "hf_model", model)
    tokenizer = getattr(model, "tokenizer", None) if tokenizer is None else tokenizer
    tensors = dict(hf_model.state_dict())
    config = {
        name: value for name, value in hf_model.config.to_dict().items() if name not in _PASSING
    }
    floating = [each for each in tensors.values() if each.is_floating_point()]
    names = sorted({str(each.dtype).removeprefix("torch.") for each in floating})
    return Fingerprint(
        architecture=type(hf_model).__name__,
        n_parameters=sum(each.numel() for each in hf_model.parameters()),
        dtype=" and ".join(names),
        config=_hash(config),
        weights=_weights(hf_model, tensors),
        tokenizer=None if tokenizer is None else _hash(_tokenizer(tokenizer)),
    )


def _weights(hf_model: Any, tensors: Mapping[str, torch.Tensor]) -> str:
    for name, tensor in tensors.items():
        if tensor.device.type == "meta":
            raise ValueError(f"the weights {name} are not in memory: the model has no fingerprint.")
    # Inference tensors have no version counter, so their sums are not cached.
    counted = not any(tensor.is_inference() for tensor in tensors.values())
    state = tuple(
        (tensor.data_ptr(), tensor._version if counted else -1, tuple(tensor.shape))
        for tensor in tensors.values()
    )
    kept = _known.get(hf_model)
    if counted and kept is not None and kept[0] == state:
        return kept[1]
    sums: dict[tuple[Any, ...], tuple[int, int]] = {}
    rows = []
    for name, tensor in sorted(tensors.items()):
        shape = tuple(tensor.shape)
        place = (tensor.device, tensor.data_ptr(), tensor.stride(), shape, tensor.dtype)
        if place not in sums:  # tied weights are read once
            sums[place] = _sums(tensor)
        rows.append([name, list(shape), str(tensor.dtype), *sums[place]])
    digest = _hash(rows)
    _known[hf_model] = (state, digest)
    return digest


@torch.no_grad()
def _sums(tensor: torch.Tensor) -> tuple[int, int]:
    """Return two sums over the bits of a tensor, modulo 2 ** 64."""
    tensor = tensor.detach()
    if tensor.is_complex():
        tensor = torch.view_as_real(tensor)
    bits = tensor.contiguous().view(-1).view(_WIDTHS[tensor.element_size()])
    plain = torch.zeros((), dtype=torch.int64, device=bits.device)
    placed = torch.zeros_like(plain)
    size = min(_CHUNKS.get(bits.device.type, _CHUNK), max(bits.numel(), 1))
    ramp = torch.arange(1, size + 1, device=bits.device)
    for start in range(0, bits.numel(), size):
        # Integers wrap at 2 ** 64, so sums in any order are equal.
        part = bits[start : start + size].to(torch.int64)
        total = part.sum()
        plain += total
        placed += (part * ramp[: len(part)]).sum() + start * total
    return int(plain), int(placed)


def _tokenizer(tokenizer: Any) -> dict[str, Any]:
    about: dict[str, Any] = {
        "vocabulary": tokenizer.get_vocab(),
        "special": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
    }
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        # Padding and truncation are settings of the last call.
        parts = json.loads(backend.to_str())
        about["backend"] = {
            name: part for name, part in parts.items() if name not in ("padding", "truncation")
        }
    return about


def _hash(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]
