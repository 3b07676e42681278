"""The data of a page with a slider over the slices of a vineyard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from neurotopo.explore.data import RadiusRounding, explorer_data
from neurotopo.explore.sampled_tree import shown_tree
from neurotopo.persistence.vineyard import Vineyard

__all__ = ["vineyard_data"]


def vineyard_data(
    vineyard: Vineyard,
    *,
    positions: ArrayLike | None = None,
    names: Sequence[Any] | None = None,
    title: str | None = None,
    about: Mapping[str, Any] | None = None,
    unit: tuple[str, str] = ("sample", "samples"),
) -> dict[str, Any]:
    """Collect the data of a page with a slider over the slices of a vineyard.

    Each slice has a page of its own: the clusters at every radius, and its bars by the elder rule,
    coloured by vine.

    Parameters
    ----------
    vineyard : Vineyard
        The vineyard; its trees have no negative births.
    positions : array-like, shape (n_samples, 2), optional
        Positions of the samples. None: in leaf order, which differs between slices.
    names, title, about, unit
        As for :func:`explorer_data`.

    Returns
    -------
    dict
        For :func:`write_page`. ``slices`` has the data of each slice.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.explore import vineyard_data, write_page
    >>> from neurotopo.persistence import vineyard
    >>> X = [[0.0, 0.0], [0.1, 0.0], [0.2, 0.0], [5.0, 0.0], [5.2, 0.0], [9.0, 0.0]]
    >>> data = vineyard_data(vineyard(X, [2, 3]), positions=X)
    >>> data["slice_names"], data["slices"][0]["bars"]["chosen"]
    (['min_samples = 2', 'min_samples = 3'], [0, 1])
    >>> write_page(data, Path(tempfile.mkdtemp()) / "vineyard.html").name
    'vineyard.html'
    """
    if not isinstance(vineyard, Vineyard):
        raise TypeError(f"expected a Vineyard, got {type(vineyard).__name__}.")
    title = "Clusters along a parameter" if title is None else str(title)
    options: dict[str, Any] = {"positions": positions, "names": names, "title": title}
    options |= {"about": about, "unit": unit}
    return {
        "kind": "neurotopo.explorer.slices",
        "version": 1,
        "title": title,
        "slice_names": [f"{vineyard.name} = {value:g}" for value in vineyard.parameters.tolist()],
        "slices": [_slice(vineyard, k, options) for k in range(vineyard.n_slices)],
    }


def _slice(vineyard: Vineyard, k: int, options: Mapping[str, Any]) -> dict[str, Any]:
    """Return the data of one slice: that of its tree, with its bars and vines."""
    tree = vineyard.trees[k]
    data = explorer_data(tree, **options)
    shown = shown_tree(tree, len(data["vertices"]["id"]))
    rows = np.flatnonzero(vineyard.slice == k)
    radii = RadiusRounding.of(tree.birth)
    node = tree.elder_nodes()[vineyard.peak[rows]]
    start, count = shown.ranges(tree, node)
    vines = vineyard.vine[rows].tolist()
    data["vertices"]["label"] = vineyard.labels[k][shown.sample].tolist()
    data["chosen_name"] = "vine"
    data["n_bars"] = len(rows)
    data["bars"] = {
        "birth": radii.list(vineyard.birth[rows]),
        "death": [radii.death(death) for death in vineyard.death[rows].tolist()],
        "persistence": [float(f"{life:.6g}") for life in vineyard.prominence[rows].tolist()],
        "start": start.tolist(),
        "count": count.tolist(),
        "size": tree.size[node].tolist(),
        "chosen": vines,
        "color": vines,
    }
    data["notes"] = [
        "Bars follow the elder rule: where components merge, the one with the oldest "
        f"{data['unit'][0]} goes on. A bar highlights its component just before it merges. Vines "
        "join the bars of neighbouring slices.",
        *data["notes"],
    ]
    return data
