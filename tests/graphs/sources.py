"""Rows of a made-up model, held in plain arrays: a RowSource for tests."""

from __future__ import annotations

import numpy as np


class ArrayModel:
    """Random rows of an MLP stack.

    With ``integers=True`` all entries (and gains) are small whole numbers, so that every product
    of two rows is exact in single and in double precision, whatever the order of the sum, and
    many weights are equal or zero. ``scales`` multiplies the out-rows of each layer.
    """

    def __init__(
        self,
        n_layers=4,
        n_neurons=8,
        d_model=6,
        *,
        seed=0,
        gated=False,
        dtype="float32",
        integers=False,
        high=2,
        scales=None,
    ):
        rng = np.random.default_rng(seed)
        shape = (n_layers, n_neurons, d_model)

        def draw(*shape):
            if integers:
                return rng.integers(-high, high + 1, size=shape).astype(dtype)
            return rng.normal(size=shape).astype(dtype)

        self.up, self.out = draw(*shape), draw(*shape)
        self.gate = draw(*shape) if gated else None
        self.gain = draw(n_layers, d_model)
        if scales is not None:
            self.out *= np.asarray(scales, dtype=dtype)[:, None, None]
        self.asked = []  # (method, layer, number of rows): what was read

    @property
    def n_layers(self):
        return self.up.shape[0]

    @property
    def n_neurons(self):
        return self.up.shape[1]

    @property
    def is_gated(self):
        return self.gate is not None

    def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
        if path not in ("up", "gate"):
            raise ValueError(f"path must be 'up' or 'gate', got {path!r}.")
        matrix = self.up if path == "up" else self.gate
        if matrix is None:
            raise ValueError("this model has no gates.")
        rows = matrix[layer] if indices is None else matrix[layer][np.asarray(indices)]
        self.asked.append(("in_rows", layer, len(rows)))
        return np.ascontiguousarray(rows * self.gain[layer] if fold_norm else rows)

    def out_rows(self, layer, indices=None):
        rows = self.out[layer] if indices is None else self.out[layer][np.asarray(indices)]
        self.asked.append(("out_rows", layer, len(rows)))
        return np.ascontiguousarray(rows)
