"""The data of the explorer's page, as one dictionary for JSON."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.cluster.selection import RULES
from neurotopo.explore.drawing import drawing_of_clusterer, drawing_of_tree
from neurotopo.explore.inline import LARGEST, InlinePage
from neurotopo.explore.page import make_page, write_page
from neurotopo.explore.sampled_tree import SampledTree, branch_colors, shown_tree
from neurotopo.persistence.clusters import CandidateClusters, candidate_clusters
from neurotopo.persistence.merge_tree import MergeTree

__all__ = ["RadiusRounding", "explore", "explorer_data", "labels_at"]

_MOST_SAMPLES, _MOST_BARS, _MOST_CHOSEN = 20_000, 500, 500
_MOST_INLINE, _FEWEST_INLINE = 4000, 100  # samples of a page inside a notebook
_LONGEST_NAME = 200
_DIGITS = (6, 9, 12, 17)  # significant digits of radii: the first that keep them different
_FLAT = 0.02  # of the axis: with the median birth below, a linear axis shows little


def explorer_data(
    source: NTCClusterer | MergeTree,
    *,
    positions: ArrayLike | None = None,
    strata: ArrayLike | None = None,
    names: Sequence[Any] | None = None,
    title: str | None = None,
    about: Mapping[str, Any] | None = None,
    unit: tuple[str, str] = ("sample", "samples"),
    remarks: tuple[str, Sequence[str]] | None = None,
    most: int = _MOST_SAMPLES,
) -> dict[str, Any]:
    """Collect the data that the explorer shows of a clustering.

    Parameters
    ----------
    source : NTCClusterer or MergeTree
        A fitted clusterer, or a tree, which has no edges and no chosen clusters.
    positions : array-like, shape (n_samples, 2), optional
        Positions of the samples. None: by layer if there are strata, else points by their columns
        or by the first two principal components of more than two (a note has their share of the
        variance), graphs by scaling of their shortest paths, and trees in leaf order.
    strata : array-like, shape (n_samples,), optional
        Layer of each sample. None: as given to ``fit``.
    names : sequence, optional
        Names of the samples.
    title : str, optional
        Title of the page.
    about : mapping, optional
        Further lines of the list of settings.
    unit : tuple of str, default=("sample", "samples")
        Word for a sample, singular and plural.
    remarks : tuple, optional
        A further column of the chosen clusters: its heading, and a text for each.
    most : int, default=20000
        The most samples shown, taken evenly over the leaf order of the tree.

    Returns
    -------
    dict
        For ``json.dumps(..., allow_nan=False)``. Samples are in leaf order, so that every cluster
        is a range of them; a death of None means never. Radii have six significant digits, or more
        if these would make different radii equal.

    See Also
    --------
    neurotopo.explore.write_page : Make a page of it.
    labels_at : The clusters that the page shows at a radius.

    Examples
    --------
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.explore import explorer_data
    >>> data = explorer_data(NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.2], [9.0]]))
    >>> data["clusters"]["birth"], data["clusters"]["size"]
    ([0.1, 0.2, 3.8, 4.9], [2, 2, 3, 5])
    >>> [row["death"] for row in data["chosen"]]
    [4.9, 3.8]
    """
    tree, candidates = _tree_and_candidates(source)
    if names is not None and len(names) != tree.n_samples:
        raise ValueError(f"names must hold {tree.n_samples} names, got {len(names)}.")
    clusterer = source if isinstance(source, NTCClusterer) else None
    n_chosen = 0 if clusterer is None else clusterer.n_clusters_
    if remarks is not None and len(remarks[1]) != n_chosen:
        raise ValueError(f"remarks must hold {n_chosen} texts, got {len(remarks[1])}.")
    if tree.birth.min(initial=0.0) < 0:
        raise ValueError(
            "the page shows radii from 0 on, but the tree has negative births. Build it with "
            "births - min(births)."
        )
    shown = shown_tree(tree, most)
    if clusterer is None:
        drawing = drawing_of_tree(tree, shown, positions, strata)
    else:
        drawing = drawing_of_clusterer(clusterer, shown, positions, strata)
    radii = RadiusRounding.of(tree.birth)
    chosen = np.zeros(0, dtype=np.intp) if clusterer is None else clusterer.nodes_
    starts, counts = shown.ranges(tree, chosen)
    color = branch_colors(shown, shown.clusters_at(starts, counts))
    bars, bar_notes = _bars(candidates, clusterer, shown, color, radii)
    return {
        "kind": "neurotopo.explorer",
        "version": 1,
        "title": "Clusters by persistence" if title is None else str(title),
        "unit": list(unit),
        "about": _about(tree, clusterer, about, unit[1], drawing.projection),
        "notes": _notes(tree, shown, candidates.end, unit[1]) + drawing.notes + bar_notes,
        "n": tree.n_samples,
        "end": radii(candidates.end),
        "low": radii(candidates.unit) if (tree.birth > 0).any() else None,
        "log": _begins_logarithmic(candidates, clusterer),
        "vertices": {
            "id": shown.sample.tolist(),
            "name": None if names is None else [_name(names[i]) for i in shown.sample],
            "x": _six(drawing.positions[:, 0]),
            "y": _six(drawing.positions[:, 1]),
            "layer": None if drawing.layer is None else drawing.layer.tolist(),
            "label": None if clusterer is None else clusterer.labels_[shown.sample].tolist(),
        },
        "layers": drawing.layers,
        "discs": drawing.discs,
        "circle": drawing.circle,
        "edges": {
            "source": drawing.source.tolist(),
            "target": drawing.target.tolist(),
            "length": radii.list(drawing.length),
        },
        "clusters": {
            "birth": radii.list(shown.birth),
            "parent": shown.parent.tolist(),
            "start": shown.start.tolist(),
            "size": shown.size.tolist(),
            "color": color.tolist(),
        },
        "bars": bars,
        "n_bars": len(candidates),
        "chosen": _chosen(clusterer, starts, counts, radii, remarks),
        "remark": None if remarks is None else remarks[0],
        "n_chosen": None if clusterer is None else clusterer.n_clusters_,
        "threshold": _threshold(clusterer, candidates),
    }


def labels_at(data: Mapping[str, Any], radius: float) -> NDArray[np.intp]:
    """Return the cluster of each sample that the page shows at a radius, as its script does.

    Parameters
    ----------
    data : mapping
        The result of :func:`explorer_data`.
    radius : float
        Largest length of an edge that connects.

    Returns
    -------
    ndarray of int, shape (n_samples,)
        A position in ``data["clusters"]``, -1 for a sample that is single or not shown.

    Examples
    --------
    >>> from neurotopo import NTCClusterer
    >>> from neurotopo.explore import explorer_data, labels_at
    >>> data = explorer_data(NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.2], [9.0]]))
    >>> labels_at(data, 0.15).tolist(), labels_at(data, 4.0).tolist()
    ([0, 0, -1, -1, -1], [0, 0, 2, 2, 2])
    """
    clusters = data["clusters"]
    labels = np.full(data["n"], -1, dtype=np.intp)
    for k, (birth, parent) in enumerate(zip(clusters["birth"], clusters["parent"], strict=True)):
        if birth <= radius and (parent < 0 or clusters["birth"][parent] > radius):
            start = clusters["start"][k]
            labels[data["vertices"]["id"][start : start + clusters["size"][k]]] = k
    return labels


@overload
def explore(
    source: NTCClusterer | MergeTree, path: str | os.PathLike[str], **options: Any
) -> Path: ...
@overload
def explore(source: NTCClusterer | MergeTree, path: None = None, **options: Any) -> InlinePage: ...
def explore(
    source: NTCClusterer | MergeTree, path: str | os.PathLike[str] | None = None, **options: Any
) -> Path | InlinePage:
    """Write the page of a clustering, or show it in a notebook.

    Parameters
    ----------
    source : NTCClusterer or MergeTree
        A fitted clusterer or a tree.
    path : path-like, optional
        The page: one HTML file that needs no network. None: a page inside a notebook, of fewer
        samples where it would have more than a million characters.
    **options
        As for :func:`explorer_data`.

    Returns
    -------
    Path or InlinePage
        The page.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo import merge_tree
    >>> from neurotopo.explore import explore
    >>> tree = merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")
    >>> explore(tree, Path(tempfile.mkdtemp()) / "tree.html").name
    'tree.html'
    """
    if path is not None:
        return write_page(explorer_data(source, **options), path)
    most = min(options.pop("most", _MOST_INLINE), _MOST_INLINE)
    while True:
        data = explorer_data(source, most=most, **options)
        page = make_page(data)
        if len(page) <= LARGEST or most <= _FEWEST_INLINE:
            return InlinePage(page, data["title"])
        most //= 2


class RadiusRounding:
    """Rounds radii to the fewest significant digits that keep different ones different."""

    def __init__(self, digits: int) -> None:
        self.digits = digits

    @classmethod
    def of(cls, radii: NDArray[np.float64]) -> RadiusRounding:
        """Return the rounding for some radii."""
        values = np.unique(radii)
        for digits in _DIGITS[:-1]:
            if len(np.unique(cls(digits).list(values))) == len(values):
                return cls(digits)
        return cls(_DIGITS[-1])

    def __call__(self, radius: float) -> float:
        """Round a radius."""
        return float(f"{radius:.{self.digits}g}")

    def list(self, radii: ArrayLike) -> list[float]:
        """Round several radii."""
        return [self(radius) for radius in np.asarray(radii).tolist()]

    def death(self, radius: float) -> float | None:
        """Round a death; None if it is infinite."""
        return self(radius) if np.isfinite(radius) else None


def _six(values: NDArray[np.float64]) -> list[float]:
    return [float(f"{value:.6g}") for value in values.tolist()]


def _name(name: Any) -> str:
    text = str(name)
    return text if len(text) <= _LONGEST_NAME else f"{text[: _LONGEST_NAME - 3]}..."


def _tree_and_candidates(source: NTCClusterer | MergeTree) -> tuple[MergeTree, CandidateClusters]:
    if isinstance(source, MergeTree):
        return source, candidate_clusters(source)
    if not isinstance(source, NTCClusterer):
        raise TypeError(
            f"expected a fitted NTCClusterer or a MergeTree, got {type(source).__name__}."
        )
    check_is_fitted(source, "merge_tree_")
    return source.merge_tree_, source.candidates


def _about(
    tree: MergeTree,
    clusterer: NTCClusterer | None,
    more: Mapping[str, Any] | None,
    many: str,
    projection: str | None,
) -> list[list[str]]:
    rows: list[list[str]] = [[many, f"{tree.n_samples:,}"]]
    if tree.n_components > 1:
        rows.append(["connected parts", f"{tree.n_components:,}"])
    if clusterer is not None:
        metric = clusterer.metric
        rows.append(["metric", getattr(metric, "__name__", str(metric))])
        shown = {"tau", "rule", "scale", "min_cluster_size"}
        default = NTCClusterer.paper().get_params()
        for name, value in clusterer.get_params().items():
            listed = name in shown or (value is not default[name] and value != default[name])
            if listed and name not in ("metric", "engine", "n_jobs"):
                rows.append([name, _setting_text(clusterer, name)])
        rows.append(["chosen clusters", f"{clusterer.n_clusters_:,}"])
    if projection is not None:
        rows.append(["drawn by", projection])
    return rows + [[str(name), str(value)] for name, value in (more or {}).items()]


def _decided(clusterer: NTCClusterer, name: str) -> Any:
    """Return a parameter, or what the clusterer decided where it is "auto"."""
    value = getattr(clusterer, name)
    return getattr(clusterer, f"{name}_", value) if isinstance(value, str) else value


def _setting_text(clusterer: NTCClusterer, name: str) -> str:
    given, value = getattr(clusterer, name), _decided(clusterer, name)
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return f"{text} (auto)" if value is not given and value != given else text


def _notes(tree: MergeTree, shown: SampledTree, end: float, many: str) -> list[str]:
    n, drawn = tree.n_samples, len(shown.sample)
    notes = []
    if tree.has_births:
        notes.append(
            f"The {many} are born at radii of their own. Until one is in a cluster it is shown as "
            "single, also before its birth."
        )
    if drawn < n:
        notes.append(
            f"Shown are {drawn:,} of {n:,} {many}, taken evenly over the clusters. Clusters at R "
            f"are those of the {many} shown; bars and chosen clusters are counted with all {many}."
        )
    if tree.last_merge > end:
        notes.append(
            f"The observation ends at R = {end:.4g}. The last merge, at R = {tree.last_merge:.4g}, "
            "lies beyond it."
        )
    return notes


def _begins_logarithmic(candidates: CandidateClusters, clusterer: NTCClusterer | None) -> bool:
    if clusterer is not None and clusterer.scale == "log":
        return True
    return len(candidates) > 0 and float(np.median(candidates.birth)) < _FLAT * candidates.end


def _bars(
    candidates: CandidateClusters,
    clusterer: NTCClusterer | None,
    shown: SampledTree,
    color: NDArray[np.intp],
    radii: RadiusRounding,
) -> tuple[dict[str, list[Any]], list[str]]:
    """Return the most persistent clusters, chosen ones first, column by column."""
    scale = "difference" if clusterer is None else clusterer.scale
    persistence = candidates.persistence(scale)
    chosen = np.full(candidates.tree.n_nodes, -1, dtype=np.intp)
    if clusterer is not None:
        chosen[clusterer.nodes_] = np.arange(clusterer.n_clusters_)
    rank = chosen[candidates.node]
    order = np.lexsort((candidates.birth, -persistence, rank < 0))[:_MOST_BARS]
    node = candidates.node[order]
    start, count = shown.ranges(candidates.tree, node)
    cluster = shown.clusters_at(start, count)
    tone = np.where(cluster >= 0, np.append(color, -1)[cluster], -1)
    columns = {
        "birth": radii.list(candidates.birth[order]),
        "death": [radii.death(death) for death in candidates.death[order].tolist()],
        "persistence": _six(persistence[order]),
        "start": start.tolist(),
        "count": count.tolist(),
        "size": candidates.tree.size[node].tolist(),
        "chosen": rank[order].tolist(),
        "color": np.where(rank[order] >= 0, rank[order], tone).tolist(),
    }
    if len(candidates) <= _MOST_BARS:
        return columns, []
    left = f"{len(candidates) - _MOST_BARS:,} are left out."
    return columns, [f"The diagram shows the {_MOST_BARS} most persistent clusters; {left}"]


def _chosen(
    clusterer: NTCClusterer | None,
    starts: NDArray[np.intp],
    counts: NDArray[np.intp],
    radii: RadiusRounding,
    remarks: tuple[str, Sequence[str]] | None,
) -> list[dict[str, Any]] | None:
    if clusterer is None:
        return None
    sizes = clusterer.clusters_.sizes
    return [
        {
            "id": k,
            "size": int(sizes[k]),
            "birth": radii(clusterer.birth_[k]),
            "death": radii.death(clusterer.death_[k]),
            "persistence": float(f"{clusterer.persistence_[k]:.6g}"),
            "start": int(starts[k]),
            "count": int(counts[k]),
            **({} if remarks is None else {"remark": str(remarks[1][k])}),
        }
        for k in range(min(clusterer.n_clusters_, _MOST_CHOSEN))
    ]


def _threshold(
    clusterer: NTCClusterer | None, candidates: CandidateClusters
) -> dict[str, Any] | None:
    """Return the threshold of the persistence, None without one."""
    if clusterer is None or not RULES[_decided(clusterer, "rule")].of_persistence:
        return None
    if not np.isfinite(clusterer.threshold_):
        return None
    value, unit = float(clusterer.threshold_), float(candidates.unit)
    return {"value": value, "scale": clusterer.scale, "unit": unit}
