"""What notebooks show of results: HTML without script, rendered in a browser, light and dark."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import sklearn
from sklearn.datasets import make_blobs
from sklearn.pipeline import make_pipeline

import neurotopo as nt
from neurotopo.explore import InlinePage, explorer_data
from neurotopo.explore import inline as inline_explorer
from neurotopo.models.examples import random_model
from neurotopo.report.inline import html_of, result_html, verdicts_html
from neurotopo.report.summary import Claim, Picture, Summary, Table, free_axes
from neurotopo.studies import Outcome, Result
from neurotopo.studies.audit.judge import Audit
from tests.support.browser import NO_BROWSER, PROGRAM, Browser

HOSTILE = "</script><img src=x onerror=alert(1)> & <b>"
LIGHT, DARK = "#ffffff", "#111111"
VERDICTS = pd.DataFrame(
    {
        "question": [f"Is it {HOSTILE}?", "Or not?", "Or what?"],
        "verdict": ["yes", "no", "undecided"],
        "effect": [0.5, -0.02, float("nan")],
        "low": [0.3, -0.05, float("nan")],
        "high": [0.7, 0.01, float("nan")],
        "margin": [0.1] * 3,
        "facts": [20, 20, 0],
    }
)


def clusterer():
    X, _ = make_blobs(n_samples=300, centers=4, cluster_std=0.8, random_state=0)
    return nt.NTCClusterer().fit(X)


def summary():
    ax = free_axes(5, 2.5)
    ax.plot([0, 1, 2], [0, 1, 4])
    frame = pd.DataFrame({"name": [HOSTILE] * 20, "p": np.linspace(0, 1, 20), "n": range(20)})
    frame = frame.assign(**{f"column {i}": i for i in range(20)})
    return Summary(
        f"Is it {HOSTILE}?",
        (f"12 facts {HOSTILE}.", Claim("A exceeds B.")),
        {"t": Table(frame, f"Table {HOSTILE}", formats={"p": "p"})},
        {"curve": Picture(ax.figure, "Curve", HOSTILE)},
        frame,
    )


def result(kind=Result):
    given = summary()
    if kind is Audit:
        given.tables["verdicts"] = Table(VERDICTS, "Verdicts")
    outcome = Outcome("audit", "9f2c", 12, 0, 12, {}, False, given, None)
    return kind(outcome, given)


def knowledge():
    model, fact = random_model("gpt2"), nt.Fact("The capital of France is _X_", "Paris")
    amig = nt.AMIG.fast()
    attribution = amig.attribute(model, fact)
    return attribution, nt.DKNFinder("kmeans").find(model, fact, amig.locate(model, fact))


@pytest.fixture(scope="module")
def shown():
    """Return the HTML of everything that notebooks show."""
    attribution, dkn = knowledge()
    fitted = clusterer()
    return {
        "clusterer": fitted._repr_mimebundle_()["text/html"],
        "tree": fitted.merge_tree_._repr_html_(),
        "forest": nt.merge_tree(
            np.array([[0, 1, np.inf], [1, 0, np.inf], [np.inf] * 2 + [0]])
        )._repr_html_(),
        "one": nt.merge_tree([[0.0]], metric="euclidean")._repr_html_(),
        "dkn": dkn._repr_html_(),
        "attribution": attribution._repr_html_(),
        "result": result()._repr_html_(),
        "audit": result(Audit)._repr_html_(),
        "explorer": fitted.explore(title=HOSTILE)._repr_html_(),
    }


def test_each_is_light_and_has_no_script(shown):
    for name, text in shown.items():
        if name == "explorer":
            continue
        own = text[text.index('<div class="ntr">') :]
        assert len(own) < 60_000, name
        assert not re.search(r"<script|<iframe|(?<!img )src=|href=\"(?!#)|url\((?!#)", own), name
        for svg in re.findall(r"<svg.*?</svg>", own, re.S):
            ET.fromstring(svg)
        assert "nan" not in re.sub(r"<[^>]*>", " ", own).split(), name


def test_the_clusterer_is_beside_scikit_learn(shown):
    text = shown["clusterer"]
    assert text.index("sk-top-container") < text.index('<div class="ntr">')
    fitted, fresh = clusterer(), nt.NTCClusterer()
    for one, n in ((fitted, 2), (fresh, 0)):
        for html in (one._repr_html_(), one._repr_mimebundle_()["text/html"]):
            assert html.count("<svg xmlns") == n
    assert f"{fitted.n_clusters_} clusters of 300 samples" in text
    with sklearn.config_context(display="text"):
        assert not hasattr(fitted, "_repr_html_")
        assert list(fitted._repr_mimebundle_()) == ["text/plain"]
    assert 'class="ntr"' not in make_pipeline(fresh)._repr_html_()


def test_the_tree_has_every_cluster_and_its_colour():
    tree = nt.merge_tree([[0.0], [1.0], [3.0], [7.0]], metric="euclidean")
    drawn = html_of(tree)
    path = re.search(r'<path d="([^"]*)" fill="none"', drawn)[1]
    assert path.count("M") == tree.n_nodes
    assert path.count("H") == tree.n_nodes - tree.n_components
    assert drawn.count("<circle") == (tree.size >= 2).sum()
    fitted = clusterer()
    colors = set(re.findall(r'stroke="(#\w+)"', html_of(fitted)))
    assert len(colors) == fitted.n_clusters_
    dots = re.findall(r'cx="([\d.]+)" cy="([\d.]+)" r="4.2" fill="(#\w+)"', html_of(fitted))
    order = np.argsort([float(x) for x, *_ in dots])
    assert order.tolist() == np.argsort(fitted.birth_).tolist()
    many = html_of(nt.merge_tree(np.random.default_rng(0).random((3000, 2)), metric="euclidean"))
    assert "80 of 3,000 samples" in many
    assert many.count("<circle") == 300


def test_numbers_of_a_dkn_and_an_attribution():
    attribution, dkn = knowledge()
    text = html_of(dkn)
    assert f"{dkn.n} components of {len(dkn.potential)} potential" in text
    assert f">{dkn.base_probability:.4g}<" in text
    assert f">{dkn.potential_without[0]:.4g}<" in text
    text = html_of(attribution)
    layer, neuron = np.unravel_index(attribution.scores.argmax(), attribution.scores.shape)
    assert f'<td class="ntr-n">{layer}</td><td class="ntr-n">{neuron}</td>' in text
    with pytest.raises(TypeError, match="no HTML for a int"):
        html_of(1)


def test_a_result_has_findings_claims_and_the_first_rows(shown):
    text = shown["result"]
    assert "<strong>Claim.</strong> A exceeds B." in text
    assert "8 more rows and 9 more columns" in text
    assert text.count("<details>") == 2
    assert "audit: 12 of 12 facts done." in text
    assert "<pre>3</pre>" in result_html(3, "done", "r")
    assert verdicts_html(VERDICTS).count("<svg") == 3
    assert verdicts_html(VERDICTS).count("<circle") == 2


def test_texts_are_escaped(shown):
    for name in ("result", "audit", "explorer"):
        assert "<img" not in shown[name], name
        assert "&lt;img" in shown[name], name


def test_the_explorer_is_shown_inline_or_written(tmp_path, monkeypatch):
    fitted = clusterer()
    inline = fitted.explore(title="Points")
    assert isinstance(inline, InlinePage)
    assert repr(inline).startswith("InlinePage('Points')")
    assert inline._repr_mimebundle_()["text/html"] == inline._repr_html_()
    page = inline.save(tmp_path / "inline.html").read_text(encoding="utf-8")
    assert page == fitted.explore(tmp_path / "p.html", title="Points").read_text(encoding="utf-8")
    assert len(fitted.merge_tree_.explore().page) < len(page)
    data = explorer_data(fitted, most=50)
    assert len(data["vertices"]["id"]) == 50
    monkeypatch.setattr("neurotopo.explore.data.LARGEST", 70_000)
    assert len(fitted.explore().page) < len(page)
    assert inline_explorer.LARGEST == 1_000_000


# In a browser

browser_there = pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


def notebook(shown, ground, text):
    """Return a page with the outputs below each other, as a notebook has them."""
    cells = "".join(f'<section id="{name}">{html}</section>' for name, html in shown.items())
    style = f"background:{ground};color:{text};margin:1rem;max-width:60rem"
    return f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body style="{style}">{cells}'


@browser_there
@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [390, 1280])
def test_every_repr_in_a_browser(shown, browser, tmp_path, dark, width):
    ground, text = (DARK, LIGHT) if dark else (LIGHT, DARK)
    page = tmp_path / "notebook.html"
    page.write_text(notebook(shown, ground, text), encoding="utf-8")
    browser.resize(width, dark=dark)
    browser.open(page)
    assert browser.messages == []
    assert {request.partition(":")[0] for request in browser.requests} <= {"file", "about"}
    for name in shown:
        box = browser.page.locator(f"#{name}").bounding_box()
        assert box["height"] > 30, name
        if name == "explorer":
            continue
        wide = browser.evaluate(
            f"Math.max(...[...document.querySelectorAll('#{name} .ntr > *')]"
            ".map((e) => e.getBoundingClientRect().right))"
        )
        assert wide <= width, name
        # text has the colour of the notebook: it is readable on its ground
        colors = browser.evaluate(
            f"[...document.querySelectorAll('#{name} .ntr text, #{name} .ntr td, #{name} .ntr h4')]"
            ".map((e) => getComputedStyle(e).color)"
        )
        expected = "rgb(255, 255, 255)" if dark else "rgb(17, 17, 17)"
        assert set(colors) <= {expected}, name


@browser_there
def test_labels_of_a_picture_do_not_overlap(shown, browser, tmp_path):
    page = tmp_path / "notebook.html"
    page.write_text(notebook(shown, LIGHT, DARK), encoding="utf-8")
    browser.resize(1280)
    browser.open(page)
    found = browser.evaluate(
        """[...document.querySelectorAll('.ntr svg[role=img]')].flatMap((svg) => {
          const all = [...svg.querySelectorAll('text')].map((t) => [t.textContent,
            t.getBoundingClientRect()]);
          return all.flatMap(([a, p], i) => all.slice(i + 1).filter(([, q]) =>
            p.left < q.right - 1 && q.left < p.right - 1 && p.top < q.bottom - 2
            && q.top < p.bottom - 2).map(([b]) => [a, b]));
        })"""
    )
    assert found == []


@browser_there
def test_the_inline_explorer_works_in_its_sandbox(shown, browser, tmp_path):
    page = tmp_path / "notebook.html"
    page.write_text(notebook({"explorer": shown["explorer"]}, LIGHT, DARK), encoding="utf-8")
    browser.resize(1280)
    browser.open(page)
    frame = browser.page.frame_locator("iframe")
    slider = frame.locator(".ntx-slider")
    slider.wait_for(timeout=10_000)
    before = frame.locator(".ntx-now").text_content()
    slider.press("End")
    browser.settle()
    assert frame.locator(".ntx-now").text_content() != before
    assert browser.messages == []
    (inner,) = [one for one in browser.page.frames if one.parent_frame]
    assert inner.evaluate("window.origin") == "null"  # it cannot reach the notebook
    assert HOSTILE in frame.locator("h1").text_content()
