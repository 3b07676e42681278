"""Files of neuron graphs."""

from __future__ import annotations

import os
from dataclasses import asdict, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from neurotopo._files import abridged
from neurotopo.graphs.connections import Connections
from neurotopo.graphs.options import GraphOptions
from neurotopo.graphs.storage import read_arrays, write_arrays
from neurotopo.neurons import NeuronSet

__all__ = ["read_graph", "write_graph"]

_KIND = "neuron graph"

Parts = tuple[NeuronSet, Connections, NDArray[np.float64], GraphOptions]


def write_graph(
    path: str | os.PathLike[str],
    neurons: NeuronSet,
    connections: Connections,
    lengths: NDArray[np.float64],
    options: GraphOptions,
) -> None:
    """Write the parts of a neuron graph to a file."""
    arrays = {
        "neurons": neurons.to_array(),
        "source": connections.source.astype(np.int64),
        "target": connections.target.astype(np.int64),
        "weight": connections.weight,
        "length": lengths,
    }
    write_arrays(path, _KIND, arrays, asdict(options))


def read_graph(path: str | os.PathLike[str]) -> Parts:
    """Read and check the parts of a neuron graph."""
    arrays, options = read_arrays(path, _KIND)
    try:
        neurons = NeuronSet(arrays["neurons"])
        if not np.array_equal(neurons.to_array(), arrays["neurons"]):
            raise ValueError("its neurons are not in order.")
        connections, lengths = _checked_connections(arrays, neurons)
        return neurons, connections, lengths, _checked_options(options, connections, neurons)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} does not hold a valid neuron graph: {abridged(error)}") from error


def _checked_connections(
    arrays: dict[str, NDArray[Any]], neurons: NeuronSet
) -> tuple[Connections, NDArray[np.float64]]:
    def column(name: str, dtype: Any) -> NDArray[Any]:
        return arrays[name].astype(dtype, casting="safe")

    source, target = column("source", np.intp), column("target", np.intp)
    weight, length = column("weight", np.float64), column("length", np.float64)
    k, m = len(neurons), len(source)
    if any(array.shape != (m,) for array in (source, target, weight, length)):
        raise ValueError("its arrays of connections differ in shape.")
    if not ((source >= 0) & (source < target) & (target < k)).all():
        raise ValueError("a connection joins unknown neurons, or is not in order.")
    if not (np.diff(source * k + target) > 0).all():
        raise ValueError("its connections are not in order.")
    if not (np.isfinite(weight) & (weight != 0)).all() or not (length >= 0).all():
        raise ValueError("a weight is 0 or not finite, or a length is negative or NaN.")
    return Connections(source, target, weight), length


def _checked_options(options: Any, connections: Connections, neurons: NeuronSet) -> GraphOptions:
    known = {field.name for field in fields(GraphOptions)}
    if not isinstance(options, dict) or set(options) != known:
        raise ValueError("its options are not those of this version.")
    checked = GraphOptions(**options)
    gap = neurons.layers[connections.target] - neurons.layers[connections.source]
    if (gap > 1).any() or (not checked.intra and (gap == 0).any()):
        raise ValueError("a connection joins neurons of layers that are not adjacent.")
    return checked
