"""The page in a real browser: what is drawn, what lights up, and that nothing leaves it."""

from __future__ import annotations

import json

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.datasets import make_blobs

import neurotopo as nt
from neurotopo.demo import planted_layered_graph
from neurotopo.explore import explorer_data, explorer_script, labels_at, write_page
from tests.support.browser import NO_BROWSER, PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)
HOSTILE = ["<script>alert(1)</script>", "</script><img src=x onerror=alert(2)>", "a & b", "\u2028"]


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def points():
    X, _ = make_blobs(
        n_samples=60, centers=[[0, 0], [8, 0], [0, 8]], cluster_std=0.8, random_state=0
    )
    return nt.NTCClusterer.paper().fit(X)


@pytest.fixture(scope="module")
def page(points, tmp_path_factory):
    return points.explore(tmp_path_factory.mktemp("page") / "points.html", title="Points")


@pytest.fixture
def opened(browser, page):
    browser.resize(1280)
    browser.open(page)
    yield browser
    assert browser.messages == []
    assert {request.partition(":")[0] for request in browser.requests} == {"file"}


def _state(browser):
    return browser.evaluate("explorer.state()")


def _partition(labels):
    groups: dict[int, list[int]] = {}
    for i, label in enumerate(labels):
        groups.setdefault(-1 - i if label < 0 else label, []).append(i)
    return sorted(groups.values())


def _text(browser, selector):
    return browser.evaluate(f"document.querySelector({json.dumps(selector)}).textContent")


def _now(tree, radius):
    size = np.bincount(tree.cut(radius))
    clusters, single = int((size > 1).sum()), int((size == 1).sum())
    kind = "cluster" if clusters == 1 else "clusters"
    return f"{clusters} {kind} with at least 2 members, {single} single."


@pytest.mark.parametrize("place", [0, 0.1, 0.3, 0.5, 0.8, 1])
def test_the_slider_moves_the_clusters(place, opened, points):
    opened.evaluate(
        f"(() => {{ const s = document.querySelector('.ntx-slider'); s.value = {place} * s.max; "
        "s.dispatchEvent(new Event('input')); })()"
    )
    state = _state(opened)
    tree = points.merge_tree_
    assert state["radius"] == pytest.approx(place * 1.06 * tree.last_merge, rel=1e-2, abs=1e-9)
    assert _partition(state["labels"]) == _partition(tree.cut(state["radius"]).tolist())
    assert _text(opened, ".ntx-now").endswith(_now(tree, state["radius"]))
    # one look for the members of a cluster, another one for every other cluster
    looks = {}
    for label, color in zip(state["labels"], state["colors"], strict=True):
        assert looks.setdefault(label, color) == color
    assert looks.pop(-1, "#9A9A9A circle") == "#9A9A9A circle"
    assert len(set(looks.values())) == len(looks)


def test_the_canvas_has_the_colours_that_are_told(opened):
    state = _state(opened)
    opened.settle()
    painted = opened.evaluate(
        "(() => { const g = explorer.graph, colors = []; const {id} = explorer.data.vertices;"
        "const all = g.context.getImageData(0, 0, g.canvas.width, g.canvas.height).data;"
        "for (let i = 0; i < g.n; i += 1) { const sharp = g.canvas.width / g.width;"
        "const k = 4 * (Math.round(g.y[i] * sharp) * g.canvas.width + Math.round(g.x[i] * sharp));"
        "const p = all.slice(k, k + 3);"
        "colors[id[i]] = '#' + [p[0], p[1], p[2]].map((v) => v.toString(16).padStart(2, '0'))"
        ".join('').toUpperCase(); } return colors; })()"
    )
    told = [color.split()[0] for color in state["colors"]]
    # a sample may lie under the rim of another one
    assert np.mean(np.array(painted) == np.array(told)) > 0.8
    assert len(set(told)) > 1


def test_keys_move_the_radius(opened, points):
    opened.evaluate("document.querySelector('.ntx-slider').focus()")
    before = _state(opened)["radius"]
    opened.key("ArrowRight")
    opened.key("ArrowRight")
    assert _state(opened)["radius"] > before
    opened.key("Home")
    assert _state(opened)["radius"] == 0
    said = opened.evaluate("document.querySelector('.ntx-slider').ariaValueText")
    assert said == "R = 0: 0 clusters with at least 2 members, 60 single."
    opened.key("End")
    assert _text(opened, ".ntx-now").endswith(_now(points.merge_tree_, np.inf))


def test_the_buttons_go_from_merge_to_merge(opened, points):
    births = np.unique(points.merge_tree_.birth)[1:]
    opened.evaluate("explorer.setRadius(0)")
    for birth in births[:5]:
        opened.click(".ntx-buttons button:nth-child(2)")
        state = _state(opened)
        assert state["radius"] == pytest.approx(birth, rel=1e-5)
        assert _partition(state["labels"]) == _partition(points.merge_tree_.cut(birth).tolist())
    for birth in [*births[3::-1], 0.0]:
        opened.click(".ntx-buttons button:nth-child(1)")
        assert _state(opened)["radius"] == pytest.approx(birth, rel=1e-5)
    assert opened.evaluate("document.querySelector('.ntx-buttons button').disabled")


def test_pointing_at_a_bar_lights_its_members_up(opened, points):
    for k in range(points.n_clusters_):
        opened.hover(f'.ntx-bar[data-bar="{k}"]')
        assert _state(opened)["lit"] == points.clusters_[k].tolist()
        detail = _text(opened, ".ntx-detail")
        assert detail.startswith(f"Chosen cluster {k} of {len(points.clusters_[k])} samples: born")
        assert detail.endswith("more.")
        lit = "[...document.querySelectorAll('.ntx-lit')].map((e) => e.dataset.bar)"
        assert opened.evaluate(lit) == [str(k), str(k)]  # the bar and the point
    opened.move(5, 5)
    assert _state(opened)["lit"] == []
    assert _text(opened, ".ntx-detail").startswith("Point at")


def test_pointing_at_a_point_and_at_a_sample(opened, points):
    opened.hover('.ntx-point[data-bar="0"]')
    assert _state(opened)["lit"] == points.clusters_[0].tolist()
    opened.evaluate(f"explorer.setRadius({(points.birth_[0] + points.death_[0]) / 2})")
    opened.evaluate("document.querySelector('.ntx-canvas').scrollIntoView()")
    member = int(points.clusters_[0][0])
    x, y = opened.evaluate(
        "(() => { const g = explorer.graph, b = g.canvas.getBoundingClientRect();"
        f"const i = explorer.data.vertices.id.indexOf({member});"
        "return [b.left + g.x[i], b.top + g.y[i]]; })()"
    )
    opened.move(x, y)
    assert _state(opened)["lit"] == points.clusters_[0].tolist()
    assert "in the chosen cluster 0 of" in _text(opened, ".ntx-detail")
    assert opened.evaluate("document.querySelector('.ntx-bar.ntx-lit').dataset.bar") == "0"


def test_the_keyboard_alone_is_enough(opened, points):
    # the bars are one stop of the tab key; arrows move between them
    tabbed = []
    opened.evaluate("document.querySelector('.ntx-slider').focus()")
    for _ in range(12):
        opened.key("Tab")
        tabbed.append(opened.evaluate("document.activeElement.getAttribute('class')"))
        if "ntx-bar" in (tabbed[-1] or ""):
            break
    assert "ntx-bar" in tabbed[-1]
    first = opened.evaluate("document.activeElement.dataset.bar")
    opened.key("ArrowDown")
    bar = int(opened.evaluate("document.activeElement.dataset.bar"))
    assert str(bar) != first
    data = explorer_data(points)
    start, count = data["bars"]["start"][bar], data["bars"]["count"][bar]
    members = sorted(data["vertices"]["id"][start : start + count])
    assert _state(opened)["lit"] == members
    said = opened.evaluate("document.activeElement.getAttribute('aria-label')")
    assert f"{count} samples, born at " in said
    opened.key("Enter")
    state = _state(opened)
    assert state["pinned"]
    assert data["bars"]["birth"][bar] <= state["radius"] < data["bars"]["death"][bar]
    cluster = {state["labels"][i] for i in members}
    assert len(cluster) == 1
    assert cluster != {-1}
    opened.key("Tab")  # what is kept stays lit without the focus
    assert _state(opened)["lit"] == members
    opened.key("Escape")
    assert _state(opened)["lit"] == []


def test_chosen_clusters_are_shown_and_sorted(opened, points):
    opened.click("input[value=chosen]")
    state = _state(opened)
    assert state["mode"] == "chosen"
    looks = dict(zip(points.labels_.tolist(), state["colors"], strict=True))
    assert [looks[label] for label in points.labels_.tolist()] == state["colors"]
    assert len(set(looks.values())) == len(looks)
    column = (
        "[...document.querySelectorAll('.ntx-table tbody tr')].map((r) => r.cells[{}].textContent)"
    )
    assert opened.evaluate(column.format(0)) == [str(k) for k in range(points.n_clusters_)]
    opened.click(".ntx-table th:nth-child(3) button")  # birth, falling
    births = [float(cell) for cell in opened.evaluate(column.format(2))]
    assert births == sorted(births, reverse=True)
    opened.click(".ntx-table th:nth-child(3) button")
    assert [float(cell) for cell in opened.evaluate(column.format(2))] == sorted(births)
    sort = "document.querySelector('.ntx-table th:nth-child(3)').ariaSort"
    assert opened.evaluate(sort) == "ascending"
    opened.click(".ntx-table tbody tr:first-child button")
    k = int(opened.evaluate(column.format(0))[0])
    assert _state(opened)["lit"] == points.clusters_[k].tolist()


@pytest.mark.parametrize("still", [False, True])
def test_the_clusters_grow_and_pause(still, opened):
    opened.resize(1280, still=still)
    opened.evaluate("explorer.setRadius(0)")
    opened.click(".ntx-buttons button:nth-child(3)")
    opened.evaluate("new Promise((done) => setTimeout(done, 1000))")
    state = _state(opened)
    assert state["playing"]
    assert state["radius"] > 0
    # where motion is not wanted, R goes from merge to merge
    assert still == (state["radius"] in opened.evaluate("explorer.merges"))
    assert opened.evaluate("document.querySelector('.ntx-now').ariaLive") == "off"
    opened.click(".ntx-buttons button:nth-child(3)")
    stopped = _state(opened)["radius"]
    opened.evaluate("new Promise((done) => setTimeout(done, 800))")
    assert _state(opened)["radius"] == stopped
    assert opened.evaluate("document.querySelector('.ntx-now').ariaLive") == "polite"


def test_names_from_data_are_text(browser, tmp_path):
    clusterer = nt.NTCClusterer.paper().fit([[0.0], [1.0], [5.0], [6.5]])
    title = "</title><script>alert(3)</script>"
    browser.open(clusterer.explore(tmp_path / "page.html", names=HOSTILE, title=title))
    browser.hover('.ntx-bar[data-bar="0"]')
    shown = _text(browser, "#explorer")
    assert _text(browser, ".ntx-title") == title
    assert browser.evaluate("document.title") == title
    for name in HOSTILE:
        assert name in shown
    assert browser.evaluate("document.querySelectorAll('img').length") == 0
    assert browser.messages == []
    assert len(browser.requests) == 1


def test_the_policy_of_the_page_stops_what_would_leave_it(browser, page):
    browser.open(page)
    stopped = browser.evaluate(
        "fetch('https://example.org/').then(() => 'went out', () => 'stopped')"
    )
    assert stopped == "stopped"
    assert any("Content Security Policy" in message for message in browser.messages)


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_at_the_side(width, browser, tmp_path):
    graph = planted_layered_graph()
    clusterer = nt.NTCClusterer.paper(metric="precomputed", scale="log")
    clusterer.fit(graph.lengths, strata=[f"layer {layer}" for layer in graph.layer])
    names = [f"a-rather-long-name-without-any-space-{i:03}" for i in range(len(graph.layer))]
    browser.resize(width)
    browser.open(clusterer.explore(tmp_path / "page.html", names=names, title="x" * 200))
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    assert _state(browser)["scale"] == "log"
    browser.click("input[value=linear]")
    assert _state(browser)["scale"] == "linear"
    assert browser.messages == []


def test_light_and_dark(browser, page):
    ground = "getComputedStyle(document.body).backgroundColor"
    browser.resize(1280, dark=True)
    browser.open(page)
    dark = browser.evaluate(ground)
    browser.resize(1280)
    light = browser.evaluate(ground)
    assert dark == "rgb(20, 24, 28)"
    assert light == "rgb(255, 255, 255)"
    browser.evaluate("document.documentElement.dataset.theme = 'dark'")
    assert browser.evaluate(ground) == dark
    browser.resize(1280, dark=True)
    browser.evaluate("document.documentElement.dataset.theme = 'light'")
    assert browser.evaluate(ground) == light
    assert browser.messages == []


def test_one_element_takes_other_data_and_a_page_several(browser, page, tmp_path):
    tree = nt.merge_tree([[0.0], [1.0], [3.0]], metric="euclidean")
    other = explorer_data(tree, title="Other")
    browser.resize(1280)
    browser.open(page)
    browser.evaluate(f"explorer.show({json.dumps(other)})")
    assert _text(browser, ".ntx-title") == "Other"
    assert browser.evaluate("document.querySelector('.ntx-below').hidden")
    browser.evaluate("explorer.setRadius(1.5)")
    assert _partition(_state(browser)["labels"]) == [[0, 1], [2]]
    second = (
        "(() => { const e = document.createElement('div'); document.body.appendChild(e);"
        f"window.second = neurotopoExplorer(e, {json.dumps(other)}, {{heading: 3}});"
        "second.setRadius(0.5); return [e.querySelector('h3').textContent, "
        "second.state().labels, explorer.state().labels]; })()"
    )
    assert browser.evaluate(second) == ["Other", [-1, -1, -1], [0, 0, -1]]
    ids = "[...document.querySelectorAll('[id]')].map((e) => e.id)"
    listed = browser.evaluate(ids)
    assert len(listed) == len(set(listed))
    browser.evaluate("second.destroy()")
    assert browser.messages == []
    assert "window.neurotopoExplorer = " in explorer_script()


@pytest.mark.parametrize("kind", ["nothing merges", "one sample", "zeros", "parts"])
def test_odd_graphs(kind, browser, tmp_path):
    graph = {
        "nothing merges": np.where(np.eye(4) > 0, 0.0, np.inf),
        "one sample": np.zeros((1, 1)),
        "zeros": np.zeros((3, 3)),
        "parts": sp.coo_array(([1.0, 2, 1, 2], ([0, 2, 1, 3], [1, 3, 0, 2])), shape=(5, 5)),
    }
    clusterer = nt.NTCClusterer.paper(metric="precomputed").fit(graph[kind])
    browser.resize(1280)
    data = explorer_data(clusterer)
    browser.open(write_page(data, tmp_path / "page.html"))
    for place in (0, 0.4, 1):
        browser.evaluate(f"explorer.setRadius({place} * explorer.scale.high)")
        state = _state(browser)
        assert _partition(state["labels"]) == _partition(
            clusterer.merge_tree_.cut(state["radius"]).tolist()
        )
        assert _partition(state["labels"]) == _partition(labels_at(data, state["radius"]).tolist())
    browser.evaluate("explorer.setScale(true)")
    assert browser.messages == []


def test_twenty_thousand_points_stay_quick(browser, tmp_path):
    X = np.random.default_rng(0).normal(size=(20_000, 2))
    browser.resize(1280)
    browser.open(nt.NTCClusterer.paper().fit(X).explore(tmp_path / "page.html"))
    # a hundred times what it takes: a page that hangs fails, a busy machine does not
    took = browser.evaluate(
        "(() => { const t = performance.now(); for (const r of [0.01, 0.03, 0.1, 1]) {"
        "explorer.setRadius(r); explorer.graph.drawNow(); } return performance.now() - t; })()"
    )
    assert took < 10_000
    assert browser.messages == []
