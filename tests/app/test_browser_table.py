"""Every control of the tab for tables in a real browser, against the library."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest
from sklearn.datasets import make_blobs

from neurotopo import NTCClusterer
from tests.support.app import idle, served, text
from tests.support.browser import NO_BROWSER, PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)

CENTERS = [[0, 0], [6, 0], [0, 7]]
POINTS = np.round(make_blobs(60, centers=CENTERS, cluster_std=0.8, random_state=0)[0], 3)
CSV = "name;x;y;z\n" + "".join(
    f"p{i};{str(x).replace('.', ',')};{str(y).replace('.', ',')};{i * 1000}\n"
    for i, (x, y) in enumerate(POINTS)
)
PARAMETERS = {
    "metric": ("#metric", "manhattan"),
    "rule": ("#rule", "relative"),
    "tau": ("#table-tau", 0.5),
    "scale": ("#table-scale", "log"),
    "min_cluster_size": ("#table-least", 4),
    "min_samples": ("#smoothing", 3),
    "n_clusters": ("#n-clusters", 2),
    "condense": ("#condense", "true"),
}


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    pytest.importorskip("uvicorn")
    with served() as (address, _), Browser() as browser:
        browser.page.set_default_timeout(400_000)  # a busy machine
        browser.resize(1280)
        browser.page.goto(f"{address}#table")
        browser.page.wait_for_selector("body[data-table=ready]")
        yield browser
        idle(browser)
        assert browser.messages == []
        assert all(request.startswith(address[:-7]) for request in browser.requests)


def upload(page, name, content):
    """Choose a file, as a click on its field does."""
    page.page.set_input_files(
        "#file", {"name": name, "mimeType": "text/csv", "buffer": content.encode()}
    )
    page.page.wait_for_selector("#clustered:not([hidden])")
    idle(page)


def change(page, selector, value):
    """Set a field as a user does, and wait for the new clusters."""
    element = f"document.querySelector('{selector}')"
    tag, kind = page.evaluate(f"[{element}.tagName, {element}.type]")
    if tag == "SELECT":
        page.page.select_option(selector, value)
    elif kind == "checkbox":
        page.page.set_checked(selector, value)
    else:
        page.page.fill(selector, str(value))
    page.page.wait_for_timeout(400)  # typing is waited for
    idle(page)


def labels(page):
    """Return the labels that the page saves, by name."""
    link = "document.querySelector('#table-save a[href*=\"table.csv\"]').href"
    saved = page.evaluate(f"fetch({link}).then((reply) => reply.text())")
    rows = list(csv.DictReader(io.StringIO(saved)))
    return [int(row["label"]) for row in rows], [row.get("name") for row in rows]


def read(page):
    page.click("#table-form .nta-main")
    idle(page)


def test_a_file_and_how_it_is_read(page):
    upload(page, "points.csv", CSV)
    assert text(page, "#read").startswith("Read points.csv: 60 rows")
    change(page, "#names", "name")
    change(page, "#drop", "z")
    change(page, "#separator", "semicolon")
    change(page, "#decimal", "comma")
    read(page)
    found, names = labels(page)
    assert found == NTCClusterer().fit_predict(POINTS).tolist()
    assert names[:2] == ["p0", "p1"]
    change(page, "#drop", "")
    change(page, "#standardize", True)
    read(page)
    scaled = np.column_stack([POINTS, 1000.0 * np.arange(60)])
    scaled = (scaled - scaled.mean(0)) / scaled.std(0)
    assert labels(page)[0] == NTCClusterer().fit_predict(scaled).tolist()
    change(page, "#standardize", False)
    change(page, "#drop", "z")
    read(page)


def test_every_parameter_is_that_of_the_clusterer(page):
    chosen = {}
    for name, (selector, value) in PARAMETERS.items():
        change(page, selector, value)
        chosen[name] = value == "true" or value
        expected = NTCClusterer(**chosen).fit_predict(POINTS).tolist()
        assert labels(page)[0] == expected, name
    change(page, "#nested", True)
    assert text(page, "#read").startswith("Read points.csv")
    change(page, "#nested", False)
    for selector, _ in PARAMETERS.values():
        change(page, selector, "")
    change(page, "#preset", "paper")
    assert labels(page)[0] == NTCClusterer.paper().fit_predict(POINTS).tolist()
    change(page, "#preset", "own")


def test_distances_that_are_not_symmetric(page):
    distances = np.abs(POINTS[:12, None, 0] - POINTS[None, :12, 0]) + 1
    np.fill_diagonal(distances, 0)
    distances[0, 1] += 0.5
    for selector in ("#names", "#drop", "#separator", "#decimal"):
        change(page, selector, "")
    page.page.fill("#text", "\n".join(",".join(f"{d:.6f}" for d in row) for row in distances))
    change(page, "#holds", "distances")
    read(page)
    assert "symmetric" in text(page, "#table-work")
    for how in ("max", "min", "mean"):
        change(page, "#symmetrize", how)
        read(page)
        model = NTCClusterer(metric="precomputed", symmetrize=how)
        assert labels(page)[0] == model.fit_predict(distances.round(6)).tolist(), how


def test_an_example_and_what_is_too_long(page):
    page.click("#example")
    idle(page)
    assert "rows" in text(page, "#read")
    page.evaluate("neurotopoPanels.table.most = 10")
    page.page.fill("#text", "1\n2\n3\n4\n5\n6\n")
    read(page)
    assert "has 12 characters, more than 10: use neurotopo explore" in text(page, "#table-work")
    page.evaluate("neurotopoPanels.table.most = 5000000")
