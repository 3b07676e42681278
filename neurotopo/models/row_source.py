"""Rows of MLP projections: the interface that models in memory and checkpoints on disk share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from neurotopo.models.families import Family

__all__ = ["RowSource"]


class RowSource(ABC):
    """Layers of MLP neurons with their rows.

    Attributes
    ----------
    family : Family
        Description of the architecture.
    """

    family: Family

    # properties of a subclass, or attributes
    n_layers: Any
    n_neurons: Any
    d_model: Any

    @property
    def is_gated(self) -> bool:
        """Whether a second in-projection gates the neurons."""
        return self.family.is_gated

    def in_rows(
        self,
        layer: int,
        indices: ArrayLike | None = None,
        *,
        path: str = "up",
        fold_norm: bool = False,
    ) -> NDArray[np.floating[Any]]:
        """Return the rows of an in-projection: what neurons read from the residual stream.

        Parameters
        ----------
        layer : int
            The layer.
        indices : array-like of int or None, default=None
            The neurons. None: all of the layer.
        path : {"up", "gate"}, default="up"
            In-projection of a gated MLP.
        fold_norm : bool, default=False
            Multiply each row by the gain of the norm before the MLP. The row then applies to the
            normalised residual stream.

        Returns
        -------
        ndarray, shape (n_neurons or len(indices), d_model)
            float32, or float64 for a model in double precision.
        """
        self._check_layer(layer)
        if path == "gate" and not self.is_gated:
            raise ValueError(f'path="gate": {self.family.name} models have no gated MLPs.')
        if path not in ("up", "gate"):
            raise ValueError(f"path must be 'up' or 'gate', got {path!r}.")
        rows = self._rows(path, layer, self._check_indices(indices))
        if fold_norm:
            if not self._has_norm(layer):
                raise ValueError(f"fold_norm=True: {self.family.name} has no norm before its MLPs.")
            rows = rows * self._norm_gain(layer).to(rows.device, rows.dtype)
        return _to_numpy(rows)

    def out_rows(self, layer: int, indices: ArrayLike | None = None) -> NDArray[np.floating[Any]]:
        """Return the rows of the out-projection: what neurons of value 1 write.

        Parameters
        ----------
        layer, indices
            As in :meth:`in_rows`.

        Returns
        -------
        ndarray, shape (n_neurons or len(indices), d_model)
        """
        self._check_layer(layer)
        return _to_numpy(self._rows("out", layer, self._check_indices(indices)))

    @abstractmethod
    def _rows(self, name: str, layer: int, indices: NDArray[np.int64] | None) -> torch.Tensor:
        """Return rows of the projection ``"up"``, ``"gate"`` or ``"out"``, at least in float32."""

    @abstractmethod
    def _has_norm(self, layer: int) -> bool:
        """Return whether there is a norm before the MLP."""

    @abstractmethod
    def _norm_gain(self, layer: int) -> torch.Tensor:
        """Return the gain of the norm before the MLP."""

    def _check_layer(self, layer: int) -> None:
        if not 0 <= layer < self.n_layers:
            raise IndexError(f"layer {layer} is not in 0..{self.n_layers - 1}.")

    def _check_indices(self, indices: ArrayLike | None) -> NDArray[np.int64] | None:
        if indices is None:
            return None
        index = np.atleast_1d(np.asarray(indices, dtype=np.int64))
        outside = (index < 0) | (index >= self.n_neurons)
        if outside.any():
            raise IndexError(f"neuron {index[outside][0]} is not in 0..{self.n_neurons - 1}.")
        return index


def _to_numpy(rows: torch.Tensor) -> NDArray[np.floating[Any]]:
    array: NDArray[np.floating[Any]] = rows.cpu().contiguous().numpy()
    return array
