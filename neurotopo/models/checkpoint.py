"""Rows of a model read directly from its safetensors, without building the model."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from neurotopo.models.converted import local_folder
from neurotopo.models.families import family_of
from neurotopo.models.family import Family, UnsupportedModelError
from neurotopo.models.family_rows import BUILT_IN, GAINLESS
from neurotopo.models.quantized import method_of
from neurotopo.models.row_source import RowSource
from neurotopo.models.tensor_files import opened, read_config, stored_slice, tensor_files

__all__ = ["CheckpointRows"]

_FLOATS = ("F64", "F32", "F16", "BF16")
_CONV1D = ("gpt2",)  # model types whose projections are stored (in, out)


@dataclass(frozen=True)
class _Matrix:
    """A stored projection, the axis of its weight that counts neurons, and a part of the axis."""

    key: str
    neuron_axis: int
    part: slice | None = None


@dataclass(frozen=True)
class _Stored:
    """Shape and dtype of a tensor in the header of a file."""

    shape: tuple[int, ...]
    dtype: str


class CheckpointRows(RowSource):
    """Rows of the MLP projections of a checkpoint, read from disk on demand.

    The rows equal those of the :class:`~neurotopo.NeuronModel` of the same folder, which it can
    replace in :func:`~neurotopo.whole_model_tree` and :class:`~neurotopo.NeuronGraph`.

    Parameters
    ----------
    path : str or Path
        A GGUF file or a package with one (:func:`~neurotopo.load_model`), or a folder of
        ``save_pretrained`` with ``config.json`` and safetensors: one file, or several
        with an index. Or one of these files, beside its ``config.json``.
    family : Family or None, default=None
        Location of the neurons. None: by ``model_type`` of the configuration.

    Attributes
    ----------
    family : Family
        Location of the neurons.
    n_layers, n_neurons, d_model : int
        Layers, neurons per layer, and the width of the residual stream.

    Raises
    ------
    FileNotFoundError
        If the folder, its configuration or one of its files is missing.
    ValueError
        If a file is broken or lacks a tensor.
    UnsupportedModelError
        For architectures without a row and for mixtures of experts.

    Examples
    --------
    >>> import tempfile
    >>> from neurotopo.models.checkpoint import CheckpointRows
    >>> from neurotopo.models.examples import random_model
    >>> folder = tempfile.mkdtemp()
    >>> random_model("gpt2").hf_model.save_pretrained(folder)
    >>> rows = CheckpointRows(folder)
    >>> rows
    CheckpointRows(GPT-2, n_layers=3, n_neurons=24, d_model=...)
    >>> rows.out_rows(0, [3, 5]).shape == (2, rows.d_model)
    True
    """

    def __init__(self, path: str | Path, *, family: Family | None = None) -> None:
        self.path = Path(local_folder(path)[0])
        folder, self._file_of = tensor_files(self.path)
        config = read_config(folder)
        if (method := method_of(config)) is not None:
            raise UnsupportedModelError(
                f"the checkpoint {folder} is quantised ({method}), so its rows cannot be read from "
                "the disk. Load it, which de-quantises it if transformers can: "
                "neurotopo.load_model(folder), or the option --load of neurotopo cluster."
            )
        self.family = family_of(config) if family is None else family
        text = getattr(config, "text_config", None) or config
        self._norm = self.family.norm_path(text)
        self._prefix, self.n_layers = self._find_layers(text)
        self._matrices = self._find_matrices(getattr(text, "hidden_size", None))

    def __repr__(self) -> str:
        return (
            f"CheckpointRows({self.family.name}, n_layers={self.n_layers}, "
            f"n_neurons={self.n_neurons}, d_model={self.d_model})"
        )

    # Locations

    def _find_layers(self, config: Any) -> tuple[str, int]:
        """Return the path of the layers in the checkpoint, and their number."""
        pattern = re.compile(rf"(.+)\.(\d{{1,9}})\.{re.escape(self.family.up)}\.weight")
        numbers: dict[str, set[int]] = {}
        for match in filter(None, map(pattern.fullmatch, self._file_of)):
            numbers.setdefault(match[1], set()).add(int(match[2]))
        prefix = _best_prefix(self.family, list(numbers))
        if prefix is None:
            expected = f"{self.family.layers[0]}.0.{self.family.up}.weight"
            name = self.family.name
            raise ValueError(f"{self.path} holds no tensor like {expected}: is it a {name} model?")
        present, configured = numbers[prefix], getattr(config, "num_hidden_layers", None)
        n_layers = max(max(present) + 1, configured if isinstance(configured, int) else 0)
        # one more than are there in a row: the missing one is an error
        return prefix, min(n_layers, next(i for i in count() if i not in present) + 1)

    def _key(self, layer: int, module: str) -> str:
        return f"{self._prefix}.{layer}.{module}.weight"

    def _find_matrices(self, width: int | None) -> dict[str, list[_Matrix]]:
        modules = {"up": self.family.up, "gate": self.family.gate, "out": self.family.out}
        keys = {
            name: [self._key(i, module) for i in range(self.n_layers)]
            for name, module in modules.items()
            if module
        }
        stored = self._headers([key for of_name in keys.values() for key in of_name])
        axis = _neuron_axis(self.family, keys["up"][0], stored, width)
        first = stored[keys["up"][0]].shape
        self.n_neurons, self.d_model = first[axis], first[1 - axis]
        parts: dict[str, slice | None] = {"out": None}
        parts["up"] = self.family.part_of("up", first[axis])
        parts["gate"] = self.family.part_of("gate", first[axis])
        if parts["up"] is not None:
            self.n_neurons //= 2
        matrices = {
            name: [
                _Matrix(key, 1 - axis if name == "out" else axis, parts[name]) for key in of_name
            ]
            for name, of_name in keys.items()
        }
        for matrix in (matrix for of_name in matrices.values() for matrix in of_name):
            n_rows = self.n_neurons if matrix.part is None else 2 * self.n_neurons
            expected = (n_rows, self.d_model)[:: 1 if matrix.neuron_axis == 0 else -1]
            if stored[matrix.key].shape != expected:
                raise ValueError(
                    f"{matrix.key} in {self._file_of[matrix.key]} has shape "
                    f"{stored[matrix.key].shape}, expected {expected}."
                )
        return matrices

    def _headers(self, keys: list[str]) -> dict[str, _Stored]:
        """Return shape and dtype of tensors; every file is opened once."""
        by_file: dict[Path, list[str]] = {}
        for key in keys:
            by_file.setdefault(self._place(key), []).append(key)
        stored = {}
        for file, held in by_file.items():
            with opened(file) as tensors:
                for key in held:
                    header = stored_slice(tensors, key, file)
                    stored[key] = _Stored(tuple(header.get_shape()), str(header.get_dtype()))
                    if stored[key].dtype not in _FLOATS:
                        raise UnsupportedModelError(
                            f"{key} in {file} is stored as {stored[key].dtype}; only "
                            "floating-point weights are supported (no quantised models)."
                        )
        return stored

    def _place(self, key: str) -> Path:
        if key not in self._file_of:
            raise ValueError(f"{self.path} lacks the tensor {key}.")
        return self._file_of[key]

    # Reading

    def _rows(self, name: str, layer: int, indices: NDArray[np.int64] | None) -> torch.Tensor:
        matrix = self._matrices[name][layer]
        file = self._place(matrix.key)
        with opened(file) as tensors:
            if indices is not None:
                if matrix.part is not None:
                    indices = indices * matrix.part.step + matrix.part.start
                stored = _some(stored_slice(tensors, matrix.key, file), matrix.neuron_axis, indices)
            elif matrix.part is None:
                stored = tensors.get_tensor(matrix.key)
            else:
                stored = _part(stored_slice(tensors, matrix.key, file), matrix)
        return _in_full(stored if matrix.neuron_axis == 0 else stored.T)

    def _has_norm(self, layer: int) -> bool:
        return self._norm is not None

    def _norm_gain(self, layer: int) -> torch.Tensor:
        key = self._key(layer, str(self._norm))
        old = key.removesuffix("weight") + "gamma"  # the name in the first BERT checkpoints
        key = old if old in self._file_of and key not in self._file_of else key
        if key not in self._file_of and self.family in GAINLESS:
            return torch.ones(self.d_model)
        with opened(self._place(key)) as tensors:
            return _in_full(tensors.get_tensor(key)) + self.family.norm_offset


def _in_full(values: torch.Tensor) -> torch.Tensor:
    """Return values contiguous and in single precision; doubles stay doubles."""
    dtype = torch.float64 if values.dtype == torch.float64 else torch.float32
    return values.contiguous().to(dtype)  # transposing first takes a third of the time


def _part(stored: Any, matrix: _Matrix) -> torch.Tensor:
    """Read a part of a matrix: a half of it, or every second row or column of all of it."""
    part = matrix.part
    assert part is not None
    ends = slice(part.start, part.stop)
    read: torch.Tensor = stored[ends] if matrix.neuron_axis == 0 else stored[:, ends]
    return read[:: part.step] if matrix.neuron_axis == 0 else read[:, :: part.step]


def _some(stored: Any, axis: int, chosen: NDArray[np.int64]) -> torch.Tensor:
    """Read some rows or columns of a stored matrix, in the order given."""
    if len(chosen) == 0:
        return stored[:0] if axis == 0 else stored[:, :0]
    wanted, place = np.unique(chosen, return_inverse=True)
    if axis == 0:
        breaks = np.flatnonzero(np.diff(wanted) > 1) + 1
        starts, ends = wanted[np.append(0, breaks)], wanted[np.append(breaks, len(wanted)) - 1] + 1
        runs = zip(starts.tolist(), ends.tolist(), strict=True)
        read = torch.cat([stored[start:end] for start, end in runs])
        return read[torch.from_numpy(place.reshape(-1))]
    # a column is scattered over the whole file: one read from the first to the last column
    first, last = int(wanted[0]), int(wanted[-1]) + 1
    read = stored[:, first:last]
    return read[:, torch.from_numpy(chosen - first)]


def _best_prefix(family: Family, prefixes: list[str]) -> str | None:
    """Choose among the paths of layers in a checkpoint.

    A checkpoint of the model without a head has shorter paths.
    """
    tests: tuple[Callable[[str, str], bool], ...] = (
        lambda prefix, path: prefix == path,
        lambda prefix, path: path.endswith(f".{prefix}"),
        lambda prefix, path: prefix.endswith(f".{path}"),
        lambda prefix, path: prefix.split(".")[-1] == path.split(".")[-1],
    )
    for test in tests:
        fitting = {prefix for path in family.layers for prefix in prefixes if test(prefix, path)}
        if len(fitting) == 1:
            return fitting.pop()
    return None


def _neuron_axis(family: Family, key: str, stored: Mapping[str, _Stored], width: int | None) -> int:
    """Return the axis of the in-projections along which neurons are counted.

    Linear stores (out, in) and Conv1D (in, out). For other than built-in families the width of the
    model decides.
    """
    shape = stored[key].shape
    transposed = any(name in _CONV1D for name in family.model_types)
    expected = 1 if transposed else 0
    if len(shape) != 2:
        raise ValueError(f"{key} has shape {shape}, expected a matrix.")
    if width is None or shape[1 - expected] == width:
        return expected
    if shape[expected] == width and family not in BUILT_IN:
        return 1 - expected
    kind = "(in, out)" if transposed else "(out, in)"
    raise ValueError(
        f"{key} has shape {shape}, but {family.name} models store {kind} and the configuration has "
        f"the width {width}."
    )
