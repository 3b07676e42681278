"""Conversions of persistence diagrams from and to the forms of other libraries.

Here, as in ripser and persim, the diagrams of one space are a list of (n, 2) arrays of births and
deaths, one per dimension from 0 on. Bars that never die have death ``inf``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = [
    "DiagramList",
    "check_diagram",
    "from_giotto",
    "from_gudhi",
    "from_ripser",
    "to_giotto",
    "to_gudhi",
    "to_ripser",
]

Diagram = NDArray[np.float64]


def check_diagram(diagram: ArrayLike, name: str = "diagram") -> Diagram:
    """Return a diagram as a float64 array of shape (n, 2), after checks.

    Births are finite, no death precedes its birth, and an empty list is an empty diagram.
    """
    array = np.asarray(diagram, dtype=np.float64)
    if array.size == 0:
        return np.empty((0, 2))
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(f"{name} must have shape (n, 2), got {array.shape}.")
    births, deaths = array.T
    wrong = ~np.isfinite(births) | ~(deaths >= births)
    if wrong.any():
        k = int(wrong.argmax())
        raise ValueError(
            f"{name} needs finite births and deaths that do not precede them, but row {k} is "
            f"({births[k]}, {deaths[k]})."
        )
    return array


def _check_diagrams(diagrams: Iterable[ArrayLike]) -> list[Diagram]:
    return [check_diagram(d, f"the diagram of dimension {k}") for k, d in enumerate(diagrams)]


def _sorted(diagram: Diagram) -> Diagram:
    return diagram[np.lexsort((diagram[:, 1], diagram[:, 0]))]


def to_gudhi(diagrams: Sequence[ArrayLike]) -> list[tuple[int, tuple[float, float]]]:
    """Write diagrams as gudhi does: a list of (dimension, (birth, death)).

    Examples
    --------
    >>> from neurotopo.persistence.conversions import to_gudhi
    >>> to_gudhi([[[0.0, 2.0]], [[1.0, float("inf")]]])
    [(0, (0.0, 2.0)), (1, (1.0, inf))]
    """
    return [
        (dimension, (birth, death))
        for dimension, diagram in enumerate(_check_diagrams(diagrams))
        for birth, death in diagram.tolist()
    ]


def from_gudhi(
    pairs: Iterable[tuple[int, tuple[float, float]]], max_dimension: int | None = None
) -> list[Diagram]:
    """Read a list of (dimension, (birth, death)), as gudhi's ``persistence()`` returns it.

    Parameters
    ----------
    pairs : iterable of (int, (float, float))
        The bars, in any order.
    max_dimension : int or None, default=None
        The last dimension of the result; bars above it are left out. None: the highest one that
        occurs (0 without bars).

    Returns
    -------
    list of ndarray of float64, shape (n_bars, 2)
        One diagram per dimension, sorted by birth, then death.

    Examples
    --------
    >>> from neurotopo.persistence.conversions import from_gudhi
    >>> from_gudhi([(1, (1.0, 2.0)), (0, (0.0, float("inf")))])
    [array([[ 0., inf]]), array([[1., 2.]])]
    """
    bars = list(pairs)
    if max_dimension is None:
        max_dimension = max((dimension for dimension, _ in bars), default=0)
    dimensions = range(max_dimension + 1)
    diagrams = [[bar for dimension, bar in bars if dimension == d] for d in dimensions]
    return [_sorted(diagram) for diagram in _check_diagrams(diagrams)]


def to_ripser(diagrams: Sequence[ArrayLike]) -> list[Diagram]:
    """Return the list of arrays of ripser and persim: a checked copy.

    Examples
    --------
    >>> from neurotopo.persistence import to_ripser
    >>> to_ripser([[[0, 1], [0, float("inf")]]])
    [array([[ 0.,  1.],
           [ 0., inf]])]
    """
    return [diagram.copy() for diagram in _check_diagrams(diagrams)]


def from_ripser(result: Mapping[str, Any] | Sequence[ArrayLike]) -> list[Diagram]:
    """Read the result of ``ripser.ripser``, or the list of diagrams in it.

    Rows are sorted and bars of length zero left out; values keep ripser's single precision.

    Examples
    --------
    >>> import numpy as np
    >>> from ripser import ripser
    >>> from neurotopo.persistence.conversions import from_ripser
    >>> from_ripser(ripser(np.array([[0, 3], [3, 0]]), distance_matrix=True, maxdim=0))
    [array([[ 0.,  3.],
           [ 0., inf]])]
    """
    diagrams = result["dgms"] if isinstance(result, Mapping) else result
    return [_sorted(d[d[:, 0] < d[:, 1]]) for d in _check_diagrams(diagrams)]


def to_giotto(
    collection: Sequence[Sequence[ArrayLike]],
    infinity_value: float,
    dimensions: Sequence[int] | None = None,
) -> NDArray[np.float64]:
    """Return the diagrams of several spaces as one array, in the form of giotto-tda.

    Parameters
    ----------
    collection : sequence of sequences of array-like
        For every space its diagrams, one per dimension.
    infinity_value : float
        Death of bars that never die. It must exceed their births; ``inf`` changes nothing.
    dimensions : sequence of int or None, default=None
        The dimensions of the diagrams of a space. None: 0, 1, 2, ...

    Returns
    -------
    ndarray of float64, shape (n_spaces, n_rows, 3)
        Rows (birth, death, dimension), by ascending dimension. Spaces with fewer bars of a
        dimension are padded with rows whose birth and death are the smallest birth of that
        dimension in the collection (0 if there is none).

    Notes
    -----
    giotto-tda itself leaves out one infinite bar of dimension 0 (``reduced_homology=True``); this
    function does not.

    Examples
    --------
    >>> from neurotopo.persistence.conversions import to_giotto
    >>> one, other = [[[0, 1], [0, float("inf")]]], [[[0, float("inf")]]]
    >>> to_giotto([one, other], infinity_value=9)
    array([[[0., 1., 0.],
            [0., 9., 0.]],
           [[0., 9., 0.],
            [0., 0., 0.]]])
    """
    spaces = [_check_diagrams(diagrams) for diagrams in collection]
    if np.isnan(infinity_value):
        raise ValueError("infinity_value must be a number, got nan.")
    if len({len(space) for space in spaces}) > 1:
        raise ValueError("all spaces must have diagrams of the same dimensions.")
    if dimensions is None:
        dimensions = range(len(spaces[0]) if spaces else 0)
    elif spaces and len(dimensions) != len(spaces[0]):
        raise ValueError(
            f"dimensions names {len(dimensions)} dimensions, but a space has {len(spaces[0])} "
            "diagrams."
        )
    for space in spaces:
        for dimension, diagram in zip(dimensions, space, strict=True):
            births = diagram[np.isinf(diagram[:, 1]), 0]
            if births.max(initial=-np.inf) >= infinity_value:
                raise ValueError(
                    f"infinity_value {infinity_value} does not exceed the birth {births.max()} of "
                    f"a bar of dimension {dimension} that never dies."
                )
    blocks = []
    for k, dimension in enumerate(dimensions):
        column = [space[k] for space in spaces]
        n_rows = max(len(diagram) for diagram in column)
        smallest = min((diagram[:, 0].min() for diagram in column if len(diagram)), default=0.0)
        blocks.append(_padded(column, dimension, n_rows, infinity_value, smallest))
    return np.concatenate(blocks, axis=1) if blocks else np.empty((len(spaces), 0, 3))


def _padded(
    diagrams: Sequence[Diagram], dimension: int, n_rows: int, infinity_value: float, padding: float
) -> NDArray[np.float64]:
    """Stack the diagrams of one dimension, in rows (birth, death, dimension)."""
    block = np.full((len(diagrams), n_rows, 3), padding)
    block[:, :, 2] = dimension
    for rows, diagram in zip(block, diagrams, strict=True):
        rows[: len(diagram), :2] = np.where(np.isinf(diagram), infinity_value, diagram)
    return block


def from_giotto(
    array: ArrayLike, infinity_value: float | None = None, max_dimension: int | None = None
) -> list[list[Diagram]]:
    """Read giotto-tda's array of diagrams.

    Parameters
    ----------
    array : array-like of shape (n_spaces, n_rows, 3)
        Rows (birth, death, dimension). Rows whose birth equals their death are padding.
    infinity_value : float or None, default=None
        The death that is read as ``inf``. None: no death is.
    max_dimension : int or None, default=None
        The last dimension of the answer. None: the highest one that occurs.

    Returns
    -------
    list of lists of ndarray of float64, shape (n_bars, 2)
        For every space one diagram per dimension from 0 on, sorted by birth, then death.

    Examples
    --------
    >>> from neurotopo.persistence.conversions import from_giotto
    >>> from_giotto([[[0, 1, 0], [0, 9, 0], [0, 0, 0]]], infinity_value=9)
    [[array([[ 0.,  1.],
           [ 0., inf]])]]
    """
    spaces = np.asarray(array, dtype=np.float64)
    if spaces.ndim != 3 or spaces.shape[2] != 3:
        raise ValueError(
            "giotto-tda's form is an array of shape (n_spaces, n_rows, 3), got shape "
            f"{spaces.shape}."
        )
    named = spaces[:, :, 2]
    if ((named < 0) | (named != np.floor(named))).any():
        raise ValueError("the third column must hold homology dimensions 0, 1, 2, ...")
    if max_dimension is None:
        max_dimension = int(named.max(initial=0))
    return [
        [_read_rows(rows, d, infinity_value) for d in range(max_dimension + 1)] for rows in spaces
    ]


def _read_rows(rows: NDArray[np.float64], dimension: int, infinity_value: float | None) -> Diagram:
    births, deaths = rows[(rows[:, 2] == dimension) & (rows[:, 0] != rows[:, 1]), :2].T
    if infinity_value is not None:
        deaths = np.where(deaths == infinity_value, np.inf, deaths)
    return _sorted(check_diagram(np.column_stack([births, deaths])))


class DiagramList(list[Any]):
    """A list of diagrams, one entry per space, with a conversion to an array.

    The entries are diagrams (for several dimensions, lists of them). ``np.asarray`` returns the
    array of :func:`to_giotto`, padded with zeros, with infinite deaths. An array can be an index.

    Parameters
    ----------
    entries : iterable
        A diagram, or a list of diagrams, for every space.
    dimensions : int or sequence of int
        The homology dimensions of each entry: a number if entries are diagrams.
    n_rows : sequence of int or None, default=None
        Rows per dimension of the padded array. None: as many as the longest diagram needs.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.persistence.conversions import DiagramList
    >>> diagrams = DiagramList([np.array([[0.0, 1.0]]), np.empty((0, 2))], dimensions=1)
    >>> np.asarray(diagrams)
    array([[[0., 1., 1.]],
           [[0., 0., 1.]]])
    """

    def __init__(
        self,
        entries: Iterable[Any],
        dimensions: int | Sequence[int],
        n_rows: Sequence[int] | None = None,
    ):
        super().__init__(entries)
        self.dimensions = dimensions
        self.n_rows = None if n_rows is None else tuple(n_rows)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, int | np.integer):
            return super().__getitem__(index)
        positions = np.arange(len(self))[index]
        entries = [super(DiagramList, self).__getitem__(k) for k in positions]
        return DiagramList(entries, self.dimensions, self.n_rows)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the padded array."""
        return (len(self), sum(self._rows_per_dimension()), 3)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        entries = self._entries()
        rows = zip(self._dimensions(), self._rows_per_dimension(), strict=True)
        blocks = [
            _padded([entry[k] for entry in entries], dimension, n_rows, np.inf, 0.0)
            for k, (dimension, n_rows) in enumerate(rows)
        ]
        array = np.concatenate(blocks, axis=1) if blocks else np.empty((len(self), 0, 3))
        return array.astype(dtype or np.float64, copy=False)

    def _dimensions(self) -> tuple[int, ...]:
        return (self.dimensions,) if isinstance(self.dimensions, int) else tuple(self.dimensions)

    def _entries(self) -> list[Sequence[Diagram]]:
        return [[entry] for entry in self] if isinstance(self.dimensions, int) else list(self)

    def _rows_per_dimension(self) -> tuple[int, ...]:
        if self.n_rows is not None:
            return self.n_rows
        entries = self._entries()
        return tuple(
            max((len(entry[k]) for entry in entries), default=0)
            for k in range(len(self._dimensions()))
        )
