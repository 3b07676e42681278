"""The page with a slider over the slices of a vineyard."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from neurotopo import merge_tree
from neurotopo.explore import explorer_data, labels_at, vineyard_data, write_page
from neurotopo.persistence import vineyard
from tests.support.browser import NO_BROWSER, PROGRAM, Browser

HOSTILE = "</script><img src=x onerror=alert(2)>"
SLIDE = (
    "(() => {{ const s = document.querySelector('.ntx-slice'); s.value = {k}; "
    "s.dispatchEvent(new Event('input')); }})()"
)


@pytest.fixture(scope="module")
def points():
    return make_blobs(60, centers=[[0, 0], [8, 0], [0, 8]], random_state=0)[0]


@pytest.fixture(scope="module")
def vines(points):
    return vineyard(points, [2, 5, 9], max_bars=5)


def test_every_slice_has_its_clusters_labels_and_bars(points, vines):
    data = vineyard_data(vines, positions=points)
    assert data["slice_names"] == ["min_samples = 2", "min_samples = 5", "min_samples = 9"]
    json.dumps(data, allow_nan=False)
    for k, (part, tree) in enumerate(zip(data["slices"], vines.trees, strict=True)):
        plain = explorer_data(tree, positions=points)
        assert {name: part["clusters"][name] for name in ("birth", "start")} == {
            name: plain["clusters"][name] for name in ("birth", "start")
        }
        radius = float(np.median(tree.birth))
        assert np.array_equal(labels_at(part, radius), labels_at(plain, radius))
        vertices, bars, rows = part["vertices"], part["bars"], np.flatnonzero(vines.slice == k)
        assert vertices["label"] == vines.labels[k][vertices["id"]].tolist()
        assert bars["chosen"] == bars["color"] == vines.vine[rows].tolist()
        assert part["n_bars"] == len(rows) == len(bars["birth"])
        deaths = [np.inf if death is None else death for death in bars["death"]]
        assert np.allclose(deaths, vines.death[rows], rtol=1e-5)
        for bar, row in enumerate(rows):
            # the members of a bar: the component of its peak just before it merges
            members = vertices["id"][bars["start"][bar] :][: bars["count"][bar]]
            before = np.nextafter(vines.death[row], 0) if bars["death"][bar] else np.inf
            cut = tree.cut(before)
            assert sorted(members) == np.flatnonzero(cut == cut[vines.peak[row]]).tolist()
            assert bars["size"][bar] == len(members)


def test_what_is_not_a_vineyard_is_refused(points):
    with pytest.raises(TypeError, match="expected a Vineyard, got MergeTree"):
        vineyard_data(merge_tree(points, metric="euclidean"))
    below = vineyard(points, [1], tree_of=lambda X, k: merge_tree(X > 9e9, "euclidean"))
    assert vineyard_data(below)["slices"][0]["n"] == 60
    with pytest.raises(ValueError, match="names must hold 60 names"):
        vineyard_data(below, names=["a"])


@pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)
def test_the_slider_goes_from_slice_to_slice(points, vines, tmp_path):
    data = vineyard_data(vines, positions=points, names=[HOSTILE] * 60, title=HOSTILE)
    data["slice_names"][1] = HOSTILE
    with Browser() as browser:
        browser.resize(1280)
        browser.open(write_page(data, tmp_path / "page.html"))
        for k in (0, 2, 1):
            browser.evaluate(SLIDE.format(k=k))
            state = browser.evaluate("explorer.state()")
            assert (state["slice"], state["mode"]) == (k, "chosen")
            shown = browser.evaluate("explorer.data.vertices.label")
            assert shown == data["slices"][k]["vertices"]["label"]
            bars = browser.evaluate("document.querySelectorAll('.ntx-bar').length")
            assert bars == data["slices"][k]["n_bars"]
            radius = state["radius"]
            assert state["labels"] == labels_at(data["slices"][k], radius).tolist()
            text = browser.evaluate("document.querySelector('.ntx-slices label').textContent")
            assert text == data["slice_names"][k]
        assert browser.evaluate("document.querySelector('.ntx-legend').textContent").count("vine ")
        browser.evaluate("explorer.setMode('radius')")
        browser.evaluate(SLIDE.format(k=2))
        assert browser.evaluate("explorer.state().mode") == "radius"
        assert browser.evaluate("document.querySelector('.ntx-title').textContent") == HOSTILE
        assert browser.evaluate("document.querySelectorAll('img').length") == 0
        other = explorer_data(merge_tree(points, metric="euclidean"))
        browser.evaluate(f"explorer.show({json.dumps(other)})")
        assert browser.evaluate("document.querySelector('.ntx-slices').hidden")
        assert browser.evaluate("explorer.state().slice") is None
        assert browser.messages == []
        assert {request.partition(":")[0] for request in browser.requests} == {"file"}
