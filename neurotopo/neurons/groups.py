"""Files of groups of neurons for each fact, in a plain format for exchange with other tools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from neurotopo._codec import to_lines
from neurotopo.neurons.files import (
    LIMIT,
    PathLike,
    json_field,
    pair_of_cells,
    rows_of_csv,
    write_csv,
    write_text,
)
from neurotopo.neurons.neuron_set import NeuronSet

__all__ = ["load_groups", "save_groups"]

_COLUMNS = ("fact", "group", "layer", "index")


def load_groups(
    path: PathLike, *, n_layers: int | None = None, n_neurons: int | None = None
) -> dict[str, list[NeuronSet]]:
    """Read groups of neurons for each fact, also those of other tools.

    The file is a JSON object. Its keys are the keys of facts (:attr:`neurotopo.Fact.key`), its
    values are lists of groups, and a group is a list of pairs ``[layer, index]``, from 0 on:
    ``{"capital-of-france": [[[0, 5], [3, 1]], [[2, 7]]]}``.

    A file whose name ends in ``.csv`` is a table with the columns ``fact``, ``group``, ``layer``
    and ``index``, a row per neuron; ``group`` is any name.

    Parameters
    ----------
    path : path-like
        The file, in UTF-8.
    n_layers, n_neurons : int, optional
        Number of layers of the model and of neurons in a layer. A neuron outside is an error.

    Returns
    -------
    dict of str to list of NeuronSet
        Facts and groups in the order of the file. A fact may have no groups.

    Raises
    ------
    ValueError
        If the file is not as described, a fact occurs twice, a group has no neurons, or a neuron
        occurs twice in a group. The message names file, line and field.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.neurons import load_groups
    >>> path = Path(tempfile.mkdtemp()) / "groups.json"
    >>> _ = path.write_text('{"capital-of-france": [[[0, 5], [3, 1]], [[2, 7]]]}')
    >>> load_groups(path)
    {'capital-of-france': [NeuronSet([(0, 5), (3, 1)]), NeuronSet([(2, 7)])]}
    """
    limits = LIMIT if n_layers is None else n_layers, LIMIT if n_neurons is None else n_neurons
    if Path(path).suffix.lower() == ".csv":
        return _of_table(path, limits)
    content = json_field(path)
    groups: dict[str, list[NeuronSet]] = {}
    for key in content.object():
        groups[key] = []
        for group in content[key].members():
            pairs = group.pairs(*limits)
            if not pairs:
                raise group.error("the group has no neurons; delete it")
            groups[key].append(NeuronSet(pairs))
    return groups


def _of_table(path: PathLike, limits: tuple[int, int]) -> dict[str, list[NeuronSet]]:
    pairs: dict[str, dict[str, dict[tuple[int, int], None]]] = {}
    for row in rows_of_csv(path, _COLUMNS):
        pair = pair_of_cells(row, *limits)
        group = pairs.setdefault(row["fact"].value, {}).setdefault(row["group"].value, {})
        if pair in group:
            raise row["index"].error(f"the neuron {pair} occurs twice; delete one of the rows")
        group[pair] = None
    return {key: [NeuronSet(each) for each in groups.values()] for key, groups in pairs.items()}


def save_groups(groups: Mapping[str, Iterable[Iterable[tuple[int, int]]]], path: PathLike) -> None:
    """Write groups of neurons for each fact, to be read by :func:`load_groups`.

    An existing file is replaced only after everything is written.

    Parameters
    ----------
    groups : mapping of str to iterable of NeuronSet
        The groups, by the key of the fact (:attr:`neurotopo.Fact.key`).
    path : path-like
        The file; a name that ends in ``.csv`` is for a table, which holds no facts without groups.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.neurons import load_groups, save_groups
    >>> groups = {"capital-of-france": [NeuronSet([(0, 5), (3, 1)]), NeuronSet([(2, 7)])]}
    >>> path = Path(tempfile.mkdtemp()) / "groups.json"
    >>> save_groups(groups, path)
    >>> print(path.read_text().rstrip())
    {
      "capital-of-france": [
        [[0, 5], [3, 1]],
        [[2, 7]]
      ]
    }
    >>> load_groups(path) == groups
    True
    """
    content: dict[str, list[list[list[int]]]] = {}
    for key, of_fact in groups.items():
        if not isinstance(key, str):
            raise TypeError(f"the keys of groups must be keys of facts, got {key!r}.")
        content[key] = [NeuronSet(group).to_array().tolist() for group in of_fact]
        if [] in content[key]:
            position = content[key].index([])
            raise ValueError(f"group {position} of {key!r} has no neurons; leave it out.")
    if Path(path).suffix.lower() == ".csv":
        rows = [
            (key, number, *pair)
            for key, of_fact in content.items()
            for number, group in enumerate(of_fact)
            for pair in group
        ]
        write_csv(path, _COLUMNS, rows)
    else:
        write_text(path, to_lines(content, depth=2) + "\n")
