"""The options of a neuron graph."""

from __future__ import annotations

from dataclasses import dataclass

from neurotopo.graphs.connections import PATHS_IN
from neurotopo.graphs.shortest_paths import check_aggregation
from neurotopo.persistence.lengths import check_length

__all__ = ["GraphOptions"]


@dataclass(frozen=True)
class GraphOptions:
    """Options of a :class:`~neurotopo.graphs.NeuronGraph`.

    Attributes
    ----------
    path, fold_norm, signed, power, aggregation, paths, max_span
        As given to :meth:`~neurotopo.graphs.NeuronGraph.from_model`, with the default of ``paths``.
    length : str
        As given, or the name of the function.
    length_is_function : bool
        Whether ``length`` is the name of a function of the user.
    activations, intra : bool
        Whether weights were multiplied by activations, and whether there are edges within layers.

    Examples
    --------
    >>> from neurotopo import NeuronGraph
    >>> from neurotopo.graphs import GraphOptions
    >>> from neurotopo.models.examples import random_model
    >>> graph = NeuronGraph.from_model(random_model(), [(0, 3), (1, 2)], signed=True)
    >>> graph.options.signed, graph.options.length
    (True, 'inverse')
    >>> graph.options == GraphOptions(signed=True)
    True
    """

    path: str = "up"
    fold_norm: bool = False
    signed: bool = False
    length: str = "inverse"
    length_is_function: bool = False
    power: float = 1.0
    aggregation: str = "sum"
    paths: str = "all"
    max_span: int | None = None
    activations: bool = False
    intra: bool = False

    def __post_init__(self) -> None:
        if self.path not in PATHS_IN:
            raise ValueError(f"path must be one of {', '.join(PATHS_IN)}, got {self.path!r}.")
        if not self.length_is_function:
            check_length(self.length, self.power, signed=self.signed, path=self.path)
        check_aggregation(self.aggregation, self.paths, self.max_span)
