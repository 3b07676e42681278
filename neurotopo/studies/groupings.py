"""The ways of grouping a fact's knowledge neurons that the studies compare."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from neurotopo._registry import add_entry
from neurotopo.cluster.baselines import AUTHORS_INFINITE, CLUSTERER_LABELS
from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.shortest_paths import matrix_a
from neurotopo.knowledge.pairs import DegeneratePairs, degenerate_pairs
from neurotopo.knowledge.potential import potential_components
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.knowledge.attribution import Attribution
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "GROUPINGS",
    "LABELS",
    "METHODS",
    "GroupingInput",
    "authors_components",
    "control_of",
    "grouping_input",
    "groups_by",
    "in_order",
    "label_of",
    "register_grouping",
    "shuffled",
]

Groups = list[NeuronSet]

_CONTROL = "random:"
ANYWHERE = "anywhere"
_AUTHORS_SPAN = 3
_AUTHORS_QUANTILE = 0.2


@dataclass(frozen=True, eq=False)
class GroupingInput:
    """The neurons of a fact and the settings of the methods that group them.

    Attributes
    ----------
    graph : NeuronGraph
        The graph of the knowledge neurons.
    pairs : callable
        Returns the degenerate pairs; called at most once.
    planted : list of NeuronSet or None
        The groups that the model was trained to have.
    tau, tau_absolute, tau_log : float
        Thresholds of ``"ntc"`` and ``"ntc-log"``, fractions of the largest persistence, and of
        ``"ntc-absolute"``.
    level : float
        Level of ``"ntc-significance"``.
    min_cluster_size : int
        Fewest neurons of a cluster, for every method but pairs.
    seed : int
        Seed of K-Means, of permutations and of random groups.
    shape : tuple of int
        Number of layers and of neurons in each.

    Examples
    --------
    >>> from neurotopo import NeuronGraph
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.groupings import GroupingInput
    >>> neurons = [(layer, index) for layer in range(3) for index in range(4)]
    >>> graph = NeuronGraph.from_model(random_model(), neurons)
    >>> given = GroupingInput(graph, pairs=lambda: None, shape=(3, 24))
    >>> len(given.neurons), len(given.cut(tau=0.5)) > 0
    (12, True)
    """

    graph: NeuronGraph
    pairs: Callable[[], DegeneratePairs]
    planted: Sequence[NeuronSet] | None = None
    tau: float = 0.5
    tau_absolute: float = 0.5
    tau_log: float = 0.5
    level: float = 0.05
    min_cluster_size: int = 2
    seed: int = 0
    shape: tuple[int, int] = field(default=(1, 1))

    @property
    def neurons(self) -> NeuronSet:
        """The knowledge neurons."""
        return self.graph.neurons

    @cached_property
    def found_pairs(self) -> DegeneratePairs:
        """The degenerate pairs."""
        return self.pairs()

    @cached_property
    def tree(self) -> NTCClusterer:
        """A fitted clusterer, for cuts by any rule."""
        clusterer = NTCClusterer.paper(
            metric="precomputed", min_cluster_size=self.min_cluster_size, random_state=self.seed
        )
        return clusterer.fit(self.graph.clustering_input(), strata=self.graph.layers)

    def cut(self, *, size: int | None = None, **params: Any) -> Groups:
        """Return the clusters of the tree by a rule; of one size only, if it is given."""
        if len(self.neurons) == 0:
            return []
        chosen = {"rule": "relative", "tau": self.tau, "scale": "difference", "nested": False}
        self.tree.recut(**{**chosen, **params})
        clusters = self.tree.clusters_
        wanted = (clusters.sizes == size).nonzero()[0].tolist() if size else range(len(clusters))
        return [self.neurons[clusters[k]] for k in wanted]


def grouping_input(
    model: NeuronModel,
    fact: Fact,
    graph: NeuronGraph,
    scores: Attribution,
    *,
    n_pairs: int = 20,
    positions: Literal["all", "last"] = "last",
    reduce: Literal["best", "sum"] = "best",
    **settings: Any,
) -> GroupingInput:
    """Return what the methods need to group the neurons of a fact of a model.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
    graph : NeuronGraph
        The graph of the knowledge neurons.
    scores : Attribution
        The attribution of the fact.
    n_pairs, positions, reduce
        As ``n``, ``positions`` and ``reduce`` of
        :func:`~neurotopo.knowledge.pairs.degenerate_pairs`.
    **settings
        Thresholds and seed of :class:`GroupingInput`.

    Returns
    -------
    GroupingInput
    """
    pairs = partial(
        degenerate_pairs,
        model,
        fact,
        graph.neurons,
        scores=scores,
        n=n_pairs,
        positions=positions,
        reduce=reduce,
    )
    shape = (model.n_layers, model.n_neurons)
    return GroupingInput(graph, pairs, model.planted_groups, shape=shape, **settings)


def _pairs_only(given: GroupingInput) -> Groups:
    """Return the clusters of two neurons above the threshold of ``"ntc"``."""
    if len(given.neurons) < 2:
        return []
    return given.cut(nested=True, size=2)


def _baseline(name: str) -> Callable[[GroupingInput], Groups]:
    def grouped(given: GroupingInput) -> Groups:
        groups = potential_components(name, given.graph, given.seed)
        return [group for group in groups if len(group) >= given.min_cluster_size]

    return grouped


def _best_pair(given: GroupingInput) -> Groups:
    pairs = given.found_pairs.found()
    return [NeuronSet([neuron]) for neuron in pairs[0]] if pairs else []


Group: TypeAlias = Callable[[GroupingInput], Groups]

GROUPINGS: dict[str, tuple[str, Group]] = {
    "ntc": ("NTC (persistence above half of the largest)", lambda given: given.cut()),
    "pairs": ("AMIG, the degenerate pair of the largest fall", _best_pair),
    "pair-groups": (
        "AMIG, disjoint degenerate pairs as components",
        lambda given: given.found_pairs.disjoint(),
    ),
    "ntc-nested": (
        "NTC, nested clusters too (Eq 9 as it is written)",
        lambda given: given.cut(nested=True),
    ),
    "ntc-log": (
        "NTC, persistence as log(death / birth)",
        lambda given: given.cut(scale="log", tau=given.tau_log),
    ),
    "ntc-absolute": (
        "NTC, absolute threshold",
        lambda given: given.cut(rule="absolute", tau=given.tau_absolute),
    ),
    "ntc-gap": ("NTC, cut at the largest gap", lambda given: given.cut(rule="gap")),
    "ntc-mass": ("NTC, excess of mass", lambda given: given.cut(rule="mass")),
    "ntc-significance": (
        "NTC, significant clusters only",
        lambda given: given.cut(rule="significance", tau=given.level),
    ),
    "ntc-pairs": ("NTC, clusters of two neurons only", _pairs_only),
    "authors": (
        "The authors' program (one fixed cut)",
        lambda given: authors_components(given.graph),
    ),
    "oracle": ("The groups the model was trained to have", lambda given: list(given.planted or [])),
}
"""Label and function of each method but the baselines; see :func:`register_grouping`."""


class _Column(Mapping[str, Any]):
    """A column of the table: NTC, the registered baselines, the other methods."""

    def __init__(self, column: int) -> None:
        self.column = column

    def __getitem__(self, name: str) -> Any:
        if name in CLUSTERER_LABELS:
            return (CLUSTERER_LABELS[name], _baseline(name))[self.column]
        return GROUPINGS[name][self.column]

    def __iter__(self) -> Iterator[str]:
        return iter(dict.fromkeys(("ntc", *CLUSTERER_LABELS, *GROUPINGS)))

    def __len__(self) -> int:
        return len(list(iter(self)))


LABELS: Mapping[str, str] = _Column(0)
"""The description of each method, by name."""

METHODS: Mapping[str, Group] = _Column(1)
"""The methods by name; each takes a :class:`GroupingInput` and returns potential components."""


def register_grouping(name: str, label: str, group: Group) -> None:
    """Register a method for the studies to compare.

    Parameters
    ----------
    name : str
        The name, not yet taken and without a colon.
    label : str
        Description, one line.
    group : callable
        ``group(given)`` takes a :class:`GroupingInput` and returns a list of
        :class:`~neurotopo.NeuronSet`, the potential components.

    Examples
    --------
    >>> from neurotopo.studies.groupings import label_of, register_grouping
    >>> register_grouping("single", "All neurons in one group", lambda given: [given.neurons])
    >>> label_of("single")
    'All neurons in one group'
    """
    if ":" in name:
        raise ValueError(f"the name of a method must not have a colon, got {name!r}.")
    add_entry(GROUPINGS, "method", name, (label, group), reserved={*METHODS, ANYWHERE})


def label_of(method: str) -> str:
    """Return the description of a method or of a control.

    Examples
    --------
    >>> from neurotopo.studies.groupings import label_of
    >>> label_of("kmeans"), label_of("random:kmeans")
    ('K-Means', 'Random groups in the sizes of kmeans')
    """
    if method.startswith(_CONTROL):
        return f"Random groups in the sizes of {method.removeprefix(_CONTROL)}"
    if method == ANYWHERE:
        return "Random neurons of the whole model, in NTC's sizes"
    return str(LABELS[method])


def control_of(method: str) -> str:
    """Return the name of the control of a method: random groups of the same sizes."""
    return _CONTROL + method


def in_order(names: Collection[str]) -> list[str]:
    """Return methods and controls in order: the paper's first, each followed by its control.

    Examples
    --------
    >>> from neurotopo.studies.groupings import in_order
    >>> in_order(["anywhere", "kmeans", "ntc", "random:ntc"])
    ['ntc', 'random:ntc', 'kmeans', 'anywhere']
    """
    every = [*(each for name in METHODS for each in (name, control_of(name))), ANYWHERE]
    return [name for name in every if name in names]


def groups_by(methods: Sequence[str], given: GroupingInput) -> dict[str, Groups]:
    """Group the neurons of a fact by several methods, and at random in the sizes of each.

    Parameters
    ----------
    methods : sequence of str
        Keys of :data:`METHODS`.
    given : GroupingInput
        The neurons.

    Returns
    -------
    dict of str to list of NeuronSet
        The groups of each method, followed by those of its control: the same groups with the
        knowledge neurons shuffled, or for ``"oracle"`` those of its groups. At the end
        ``"anywhere"``: NTC's groups with all neurons of the model shuffled.

    Examples
    --------
    >>> from neurotopo import NeuronGraph
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.studies.groupings import GroupingInput, groups_by
    >>> neurons = [(layer, index) for layer in range(3) for index in range(4)]
    >>> graph = NeuronGraph.from_model(random_model(), neurons)
    >>> groups = groups_by(["ntc"], GroupingInput(graph, pairs=lambda: None, shape=(3, 24)))
    >>> list(groups)
    ['ntc', 'random:ntc', 'anywhere']
    >>> [len(group) for group in groups["ntc"]] == [len(group) for group in groups["random:ntc"]]
    True
    """
    results: dict[str, Groups] = {}
    for method in methods:
        groups = METHODS[method](given)
        pool = given.neurons
        if method == "oracle":
            pool = NeuronSet(pair for group in groups for pair in group)
        results[method] = groups
        # one stream for each method, so that results do not depend on the other methods
        rng = np.random.default_rng([given.seed, *method.encode()])
        results[control_of(method)] = shuffled(groups, pool, rng)
    if "ntc" in results:
        rng = np.random.default_rng([given.seed, *ANYWHERE.encode()])
        results[ANYWHERE] = _anywhere(results["ntc"], given.shape, rng)
    return results


def shuffled(groups: Sequence[NeuronSet], pool: NeuronSet, rng: np.random.Generator) -> Groups:
    """Return groups of the same sizes and with the same overlaps.

    Parameters
    ----------
    groups : sequence of NeuronSet
        Groups of neurons of the pool.
    pool : NeuronSet
        The neurons that are permuted at random.
    rng : Generator
        The random generator.

    Returns
    -------
    list of NeuronSet

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.groupings import shuffled
    >>> pool = NeuronSet([(0, 0), (0, 1), (1, 0), (1, 1)])
    >>> first, second = shuffled([pool[:2], pool[2:3]], pool, np.random.default_rng(0))
    >>> len(first), len(second), first.isdisjoint(second)
    (2, 1, True)
    """
    order = rng.permutation(len(pool))
    place = {pair: int(order[at]) for at, pair in enumerate(pool)}
    return [pool[sorted(place[pair] for pair in group)] for group in groups]


def _anywhere(
    groups: Sequence[NeuronSet], shape: tuple[int, int], rng: np.random.Generator
) -> Groups:
    sizes = [len(group) for group in groups]
    drawn = rng.choice(shape[0] * shape[1], size=sum(sizes), replace=False)
    parts = np.split(drawn, np.cumsum(sizes)[:-1]) if sizes else []
    return [NeuronSet.from_arrays(*np.divmod(part, shape[1])) for part in parts]


def authors_components(graph: NeuronGraph) -> Groups:
    """Return the clusters of the authors' program, which cuts at one fixed distance.

    Distances between neurons more than three layers apart or without a path are 1000. Of all
    distances those below their 0.2 quantile are candidates, and the shorter half of these are the
    edges of a graph. Its connected components of at least two neurons are the clusters.

    Parameters
    ----------
    graph : NeuronGraph
        The graph of the knowledge neurons.

    Returns
    -------
    list of NeuronSet
        The clusters, in the order of their first neurons.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronGraph
    >>> from neurotopo.studies.groupings import authors_components
    >>> class Model:
    ...     n_layers, n_neurons = 3, 2
    ...     out = np.array([[4.0, 0.5], [0.25, -2.0]])
    ...     in_rows = lambda self, layer, indices=None, **options: np.eye(2)[indices]
    ...     out_rows = lambda self, layer, indices=None: self.out[indices]
    >>> neurons = [(layer, index) for layer in range(3) for index in range(2)]
    >>> authors_components(NeuronGraph.from_model(Model(), neurons))
    [NeuronSet([(0, 0), (1, 0)])]
    """
    k = len(graph.neurons)
    if k < 2:
        return []
    distances = matrix_a(
        graph.edges,
        graph.layers,
        graph.neurons.layer_slices(),
        aggregation=graph.options.aggregation,
        paths=graph.options.paths,
        max_span=_AUTHORS_SPAN,
        within_layers=graph.options.intra,
    )
    a, b = np.triu_indices(k, 1)
    between: NDArray[np.float64] = distances[a, b]
    between[~np.isfinite(between)] = AUTHORS_INFINITE
    candidates = np.flatnonzero(between < np.quantile(between, _AUTHORS_QUANTILE))
    kept = candidates[np.argsort(between[candidates], kind="stable")][: len(candidates) // 2]
    joined = coo_array((np.ones(len(kept)), (a[kept], b[kept])), shape=(k, k))
    _, labels = connected_components(joined, directed=False)
    groups = [graph.neurons[labels == label] for label in range(int(labels.max()) + 1)]
    return [group for group in groups if len(group) > 1]
