"""Fitted clusterers that the tests of the pictures share."""

from __future__ import annotations

import inspect
import re
import warnings

import numpy as np
import scipy.sparse as sp
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.demo import planted_layered_graph


def new_axes() -> Axes:
    """Axes that pyplot knows nothing of."""
    return Figure(figsize=(7, 5), layout="constrained").add_subplot()


def assert_artists(display):
    """Check that a display has the attributes that its docstring lists, and no others."""
    doc = inspect.getdoc(type(display))
    listed = doc.partition("Attributes\n----------\n")[2].partition("\n\n")[0]
    names = re.findall(r"^(\w[\w, ]*?) : ", listed, re.MULTILINE)
    promised = {name for line in names for name in line.split(", ")}
    assert {"ax_", "figure_"} < promised
    assert promised == {name for name in vars(display) if name.endswith("_")}


def offsets(collection):
    """Positions of a collection, masked array or not."""
    return np.asarray(collection.get_offsets())


def blobs():
    """Three groups of 12 points in the plane and one far from all of them."""
    rng = np.random.default_rng(0)
    centres = np.repeat([[0.0, 0.0], [6.0, 0.0], [3.0, 6.0]], 12, axis=0)
    return np.vstack([centres + rng.normal(scale=0.5, size=centres.shape), [[9.0, 9.0]]])


def forest():
    """A path 0-1-2 (lengths 1, 2), a path 3-4-5 (1, 4), and vertex 6 alone."""
    source, target, length = [0, 1, 3, 4], [1, 2, 4, 5], [1.0, 2.0, 1.0, 4.0]
    edges = sp.coo_array((length, (source, target)), shape=(7, 7))
    return edges + edges.T


def fitted(name):
    """A fitted clusterer by its name in CASES."""
    if name == "blobs":
        return NTCClusterer.paper().fit(blobs())
    if name == "nested":
        return NTCClusterer.paper(nested=True, tau=0.2).fit(blobs())
    if name == "condensed":
        return NTCClusterer.paper(condense=True, min_cluster_size=4, rule="mass").fit(blobs())
    if name == "layered":
        graph = planted_layered_graph(group_sizes=(6, 5), n_background=4, n_layers=3)
        return NTCClusterer.paper("precomputed").fit(graph.lengths, strata=graph.layer)
    if name == "forest":
        return NTCClusterer.paper("precomputed").fit(forest())
    if name == "one":
        return NTCClusterer.paper().fit([[1.0, 2.0]])
    if name == "one_precomputed":
        return NTCClusterer.paper("precomputed").fit([[0.0]])
    if name == "none_chosen":
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # all samples are noise
            return NTCClusterer.paper(rule="absolute", tau=100.0).fit(blobs())
    if name == "duplicates":
        return NTCClusterer.paper(scale="log").fit([[0.0], [0.0], [0.0], [1.0], [1.0], [5.0]])
    if name == "singles":
        return NTCClusterer.paper(min_cluster_size=1).fit(blobs())
    if name == "huge":
        lengths = 10.0 ** np.random.default_rng(0).uniform(-300, 300, size=(12, 12))
        lengths = np.triu(lengths, 1)
        return NTCClusterer.paper("precomputed", scale="log").fit(lengths + lengths.T)
    if name == "huge_linear":
        return NTCClusterer.paper().fit([[0.0, 0.0], [1e300, 0.0], [1e-300, 0.0], [0.0, 3e300]])
    assert name == "min_samples"
    return NTCClusterer.paper(min_samples=3, max_radius=5.0).fit(blobs())


CASES = (
    "blobs",
    "nested",
    "condensed",
    "layered",
    "forest",
    "one",
    "one_precomputed",
    "none_chosen",
    "duplicates",
    "singles",
    "huge",
    "huge_linear",
    "min_samples",
)
