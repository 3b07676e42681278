"""Checked options of a pass over a whole model."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from neurotopo._memory import require_memory
from neurotopo.graphs.connections import PATHS_IN, RowSource
from neurotopo.graphs.products import HostProducts, Products
from neurotopo.graphs.row_pairs import RowPair, checked_activations, row_pairs
from neurotopo.persistence.lengths import Length, check_length, signed_function

__all__ = ["MOST_EDGES", "Plan"]

_HOST_DTYPES = ("float32", "float64")
_DEVICE_DTYPES = (*_HOST_DTYPES, "bfloat16", "float16")
_HALF_MAX = 65504.0  # the largest number of float16
MOST_EDGES = 4  # per vertex in memory; more are reduced to their forest
_LARGEST_TILE = 512 * 2**20  # bytes


@dataclass(frozen=True)
class Plan:
    """The checked options."""

    layers: tuple[int, int]
    n_neurons: int
    bounds: tuple[int, ...]  # of the tiles of a layer
    path: str
    fold_norm: bool
    signed: bool
    length: Length
    power: float
    activations: NDArray[np.float64] | None
    dtype: str
    device: str | None  # None: NumPy

    @classmethod
    def of(
        cls,
        source: RowSource,
        *,
        layers: tuple[int, int] | None = None,
        path: str = "up",
        fold_norm: bool = False,
        signed: bool = False,
        length: Length = "inverse",
        power: float = 1.0,
        activations: ArrayLike | None = None,
        tile_size: int | None = None,
        dtype: str = "float32",
        device: str | None = None,
    ) -> Plan:
        """Check the options of :func:`~neurotopo.whole_model_tree` for a source of rows."""
        if path not in PATHS_IN:
            raise ValueError(f"path must be one of {', '.join(PATHS_IN)}, got {path!r}.")
        check_length(length, power, signed=signed, path=path)
        length = signed_function(length)
        device = None if device is None or str(device) == "cpu" else str(device)
        known = _HOST_DTYPES if device is None else _DEVICE_DTYPES
        if dtype not in known:
            where = "device=None" if device is None else f"device={device!r}"
            raise ValueError(
                f"dtype must be one of {', '.join(known)} with {where}, got {dtype!r}."
            )
        if device is not None and callable(length):
            raise ValueError("a callable length needs device=None: it is called with arrays.")
        itemsize = 8 if dtype == "float64" or callable(length) else 4
        return cls(
            layers=_checked_layers(layers, source.n_layers),
            n_neurons=source.n_neurons,
            bounds=_tile_bounds(source.n_neurons, tile_size, itemsize),
            path=path,
            fold_norm=fold_norm,
            signed=signed,
            length=length,
            power=power,
            activations=checked_activations(activations, source),
            dtype=dtype,
            device=device,
        )

    @property
    def n_vertices(self) -> int:
        """Neurons of all layers."""
        return (self.layers[1] - self.layers[0]) * self.n_neurons

    @property
    def sides(self) -> list[slice]:
        """The neurons on a side of each tile."""
        return [slice(*ends) for ends in zip(self.bounds[:-1], self.bounds[1:], strict=True)]

    @property
    def n_tiles(self) -> int:
        """Tiles of all pairs of layers."""
        return (self.layers[1] - self.layers[0] - 1) * len(self.sides) ** 2

    def require_memory(self, source: RowSource) -> None:
        """Raise an error if the rows, tiles and edges of the pass do not fit into memory."""
        item = 8 if self.dtype == "float64" else 4
        n_in = 2 if self.path == "both" else 1
        width = getattr(source, "d_model", 0)
        rows = 2 * (1 + n_in) * self.n_neurons * width * item  # two pairs of layers
        # on the host a tile has a copy: the next one
        tiles = 2 * item * int(max(np.diff(self.bounds), default=0)) ** 2 if not self.device else 0
        edges = 2 * MOST_EDGES * self.n_vertices * (4 + 4 + item)
        require_memory(
            rows + tiles + edges,
            f"the rows, tiles and edges of {self.n_vertices:,} neurons",
            "A smaller tile_size or fewer layers need less.",
        )

    def row_pairs(self, source: RowSource) -> Generator[RowPair, None, None]:
        """Read the rows of the layers."""
        return row_pairs(
            source,
            self.layers,
            paths=("up", "gate") if self.path == "both" else (self.path,),
            fold_norm=self.fold_norm,
            activations=self.activations,
            dtype="float64" if self.dtype == "float64" else "float32",
            largest=_HALF_MAX if self.dtype == "float16" else None,
        )

    def products(self) -> Products:
        """Return the products of the device."""
        side = max(np.diff(self.bounds), default=0)
        if self.device is None:
            return HostProducts(int(side) ** 2, self.dtype, signed=self.signed, length=self.length)
        from neurotopo.graphs.device_products import DeviceProducts

        return DeviceProducts(self.device, self.dtype, signed=self.signed)


def _checked_layers(layers: tuple[int, int] | None, n_layers: int) -> tuple[int, int]:
    if layers is None:
        return 0, n_layers
    try:
        first, last = (int(layer) for layer in layers)
    except (TypeError, ValueError):
        first, last = -1, -1
    if not 0 <= first < last <= n_layers:
        raise ValueError(
            "layers must be the first layer and the one after the last, "
            f"0 <= first < last <= {n_layers}; got {layers!r}."
        )
    return first, last


def _tile_bounds(n_neurons: int, tile_size: int | None, itemsize: int) -> tuple[int, ...]:
    """Return the bounds of tiles of nearly equal size."""
    if tile_size is None:
        tile_size = int((_LARGEST_TILE / itemsize) ** 0.5)
    elif not (isinstance(tile_size, int | np.integer) and tile_size >= 1):
        raise ValueError(f"tile_size must be a whole number of neurons, got {tile_size!r}.")
    n_parts = max(1, -(-n_neurons // int(tile_size)))
    return tuple(n_neurons * part // n_parts for part in range(n_parts + 1))
