"""A report in a real browser: facts one by one, tables that sort, and nothing that leaves it."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from neurotopo.report import write_report
from neurotopo.studies.acquisition.explorer import clusterer_of
from tests.support.browser import NO_BROWSER, PROGRAM, Browser
from tests.support.reports import ABOUT, HOSTILE, explored_summary, fact_row, fact_rows

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)
ROWS = fact_rows(12)
LAYERS = [0, 0, 0, 1, 1, 1, 2, 2, 2]
EXPLORER = "neurotopoFacts.explorer"


@pytest.fixture(scope="module")
def browser():
    with Browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    files = write_report(explored_summary(ROWS), tmp_path_factory.mktemp("run"), about=ABOUT)
    return files[-1]


@pytest.fixture
def opened(browser, page):
    browser.resize(1280)
    browser.open(page)
    yield browser
    assert browser.messages == []
    assert browser.requests == [page.as_uri()]


def _texts(browser, selector):
    return browser.evaluate(
        f"[...document.querySelectorAll({json.dumps(selector)})].map((e) => e.textContent)"
    )


def _head(browser):
    return _texts(browser, ".fact > h3")[0]


def _type(browser, text):
    browser.evaluate(
        "(() => { const s = neurotopoFacts.search; s.focus(); "
        f"s.value = {json.dumps(text)}; s.dispatchEvent(new Event('input')); }})()"
    )


def _partition(labels):
    groups = {}
    for i, label in enumerate(labels):
        groups.setdefault(-1 - i if label < 0 else label, []).append(i)
    return sorted(groups.values())


def test_a_fact_is_found_by_search_and_keyboard_alone(opened):
    assert _head(opened) == "The capital of land 1 is Town1"  # the first with two components
    assert len(_texts(opened, ".facts-list li")) == 12
    _type(opened, "TOWN capital 10")
    assert _texts(opened, ".facts-list .facts-text") == ["The capital of land 10 is Town10"]
    assert _texts(opened, ".facts-choice output") == ["1 of 12 facts"]
    assert _head(opened) == "The capital of land 1 is Town1"
    opened.key("Enter")
    assert _head(opened) == "The capital of land 10 is Town10"
    _type(opened, "")
    opened.key("ArrowUp")
    assert _head(opened) == "The capital of land 9 is Town9"
    active = opened.evaluate("neurotopoFacts.search.getAttribute('aria-activedescendant')")
    selected = opened.evaluate(f"document.getElementById('{active}').ariaSelected")
    assert (active, selected) == ("facts-option-9", "true")
    opened.evaluate("neurotopoFacts.list.focus()")
    opened.key("Home")
    assert _head(opened) == "The capital of land 0 is Town0"
    assert _texts(opened, ".fact > .soft")[0].startswith("not known to the model: changes")
    opened.key("End")
    shown = opened.evaluate(
        "(() => { const o = document.querySelector('[aria-selected=true]').getBoundingClientRect();"
        "const l = neurotopoFacts.list.getBoundingClientRect();"
        "return o.top >= l.top - 1 && o.bottom <= l.bottom + 1; })()"
    )
    assert shown
    _type(opened, "no such fact")
    assert _texts(opened, ".facts-list li") == ["No fact matches."]
    opened.key("Enter")
    _type(opened, "en:capital:004")
    assert _texts(opened, ".facts-list .facts-text") == ["The capital of land 4 is Town4"]


def test_only_facts_with_two_components(opened):
    opened.click(".facts-only input")
    few = [row for row in ROWS if sum(row.stages["methods"]["ntc"]["passed"]) >= 2]
    assert _texts(opened, ".facts-choice output") == [f"{len(few)} of 12 facts"]
    assert len(_texts(opened, ".facts-list li")) == len(few) == 9
    opened.click(".facts-only input")
    assert len(_texts(opened, ".facts-list li")) == 12


@pytest.mark.parametrize("fact", [2, 7])
def test_the_slider_moves_the_clusters_of_the_chosen_fact(fact, opened):
    opened.evaluate(f"neurotopoFacts.choose({fact})")
    tree = clusterer_of(ROWS[fact].stages["graph"], LAYERS).merge_tree_
    seen = set()
    for share in (0, 0.1, 0.2, 0.3, 0.5, 0.8, 1):
        opened.evaluate(
            "(() => { const s = document.querySelector('.ntx-slider'); "
            f"s.value = {share} * s.max; s.dispatchEvent(new Event('input')); }})()"
        )
        state = opened.evaluate(f"{EXPLORER}.state()")
        assert _partition(state["labels"]) == _partition(tree.cut(state["radius"]))
        seen.add(len(set(state["labels"])))
    assert len(seen) > 2


def test_pointing_at_a_bar_lights_its_members_up(opened):
    opened.evaluate("neurotopoFacts.choose(4)")
    clusterer = clusterer_of(ROWS[4].stages["graph"], LAYERS)
    for k, members in enumerate(clusterer.clusters_):
        opened.hover(f'.ntx-bar[data-bar="{k}"]')
        assert opened.evaluate(f"{EXPLORER}.state().lit") == members.tolist()
        (detail,) = _texts(opened, ".ntx-detail")
        assert f"cluster {k} of {len(members)} neurons: born at" in detail
        assert "layer 0 \u00b7 1" in detail
    assert _texts(opened, ".ntx-table td:nth-child(6)") == ["passed", "left out"]


def test_the_curves_can_be_read_with_the_keyboard(opened):
    points = opened.evaluate("[...document.querySelectorAll('.curve-point')].length")
    assert points == 4
    opened.hover(".curve-point:nth-of-type(2)")
    assert _texts(opened, ".curve-detail") == [
        "NTC, 2 of 2 suppressed: 90.0 % of the answer's probability is lost."
    ]
    opened.evaluate("document.querySelector('.curve-point[tabindex=\"0\"]').focus()")
    opened.key("ArrowDown")
    opened.key("ArrowRight")
    assert _texts(opened, ".curve-detail") == [
        "Random groups beside NTC, 2 of 2 suppressed: 50.0 % of the answer's probability is lost."
    ]
    assert opened.evaluate("document.querySelectorAll('.curve-point[tabindex=\"0\"]').length") == 1
    # 50 % is half way between 0 % and 100 %
    assert _texts(opened, ".fact-curves svg .ntx-text")[:3] == ["0 %", "20 %", "40 %"]


def test_the_methods_of_a_fact(opened):
    opened.evaluate("neurotopoFacts.choose(0)")
    cells = _texts(opened, ".fact-methods tbody tr:first-child > *")
    ntc = "NTC (persistence above half of the largest)"
    assert cells == [ntc, "2", "1", "4", "70.0", "20.0", "0.3", "\u2013", "0.8", "\u2013"]
    opened.click(".fact-methods th:first-child button")
    assert _texts(opened, ".fact-methods tbody th") == ["K-Means", ntc]


def _column(browser, table, k):
    return browser.evaluate(
        f"[...document.querySelector('[aria-labelledby=\"table-{table}\"] tbody').rows]"
        f".filter((row) => !row.hidden).map((row) => row.cells[{k}].textContent)"
    )


def test_tables_sort_as_numbers_with_nothing_last(opened):
    button = '[aria-labelledby="table-methods"] th:nth-child({}) button'
    counts = ["352", "352", "351", "12,345"]
    assert _column(opened, "methods", 1) == counts
    opened.evaluate(f"document.querySelector('{button.format(2)}').focus()")
    opened.key("Enter")
    assert _column(opened, "methods", 1) == ["351", "352", "352", "12,345"]
    assert _column(opened, "methods", 0) == ["Louvain", "NTC", "k-means", "random"]
    head = "document.querySelector('[aria-labelledby=\"table-methods\"] th:nth-child(2)').ariaSort"
    assert opened.evaluate(head) == "ascending"
    opened.key("Enter")
    assert _column(opened, "methods", 1) == ["12,345", "352", "352", "351"]
    assert opened.evaluate(head) == "descending"
    opened.key("Enter")
    assert _column(opened, "methods", 1) == counts
    assert opened.evaluate(head) is None
    opened.click(button.format(4))
    assert _column(opened, "methods", 3) == ["-0.02", "0.3333", "3.142", "\u221e"]
    opened.click(button.format(5))
    assert _column(opened, "methods", 4) == ["< 1e-300", "3.2e-05", "0.041", "\u2013"]
    opened.click(button.format(5))
    assert _column(opened, "methods", 4) == ["0.041", "3.2e-05", "< 1e-300", "\u2013"]


def test_long_tables_are_filtered(opened):
    # the tables of four and eight rows have no filter, that of fourteen has one
    assert _texts(opened, "main > section[aria-labelledby=tables] .search") == ["Filter"]
    opened.evaluate(
        "(() => { const s = document.querySelector('[aria-labelledby=tables] .search input'); "
        "s.value = 'land 12'; s.dispatchEvent(new Event('input')); })()"
    )
    assert _column(opened, "lands", 0) == ["Land 12"]
    assert _texts(opened, "section[aria-labelledby=tables] output") == ["1 of 14 rows"]
    opened.click('[aria-labelledby="table-lands"] th:last-child button')
    assert _column(opened, "lands", 0) == ["Land 12"]


def test_text_of_facts_is_text(opened):
    opened.evaluate("neurotopoFacts.choose(11)")
    assert "<script>alert('x')</script>" in _head(opened)
    assert _head(opened) == f"{HOSTILE} {HOSTILE}"
    assert opened.evaluate("document.querySelectorAll('script').length") == 2
    assert opened.evaluate("document.querySelectorAll('[onload]').length") == 0


def test_facts_without_neurons_or_curves_and_one_fact_alone(browser, tmp_path):
    bare = fact_row(1, 0)
    bare.stages["fact"]["neurons"] = []
    bare.stages["graph"].update(source=[], target=[], length=[], n_edges=0)
    bare.stages["methods"] = {"ntc": {**bare.stages["methods"]["ntc"], "curve": []}}
    path = write_report(explored_summary([bare]), tmp_path, about=ABOUT)[-1]
    browser.resize(1280)
    browser.open(path)
    assert browser.evaluate("document.querySelector('.facts-choice').hidden")
    assert browser.evaluate("document.querySelector('.fact-explorer').hidden")
    assert _texts(browser, ".fact > p:not(.soft)")[0].startswith("This fact has no knowledge")
    assert _texts(browser, ".curve-legend li") == ["NTC (no group passed the filter)"]
    assert browser.messages == []


def test_a_report_without_facts_sorts_its_tables_too(browser, tmp_path):
    summary = replace(explored_summary(ROWS), explorer=None)
    browser.open(write_report(summary, tmp_path, about=ABOUT)[-1])
    browser.click('[aria-labelledby="table-methods"] th:first-child button')
    assert _column(browser, "methods", 0) == ["k-means", "Louvain", "NTC", "random"]
    assert browser.evaluate("typeof window.neurotopoExplorer") == "undefined"
    assert browser.messages == []


def test_the_policy_stops_what_would_leave_the_page(browser, page):
    browser.open(page)
    stopped = browser.evaluate(
        "fetch('https://example.org/').then(() => 'went out', () => 'stopped')"
    )
    assert stopped == "stopped"
    browser.evaluate(
        "(() => { const s = document.createElement('script'); s.textContent = 'window.ran = 1'; "
        "document.body.appendChild(s); })()"
    )
    assert browser.evaluate("window.ran") is None


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_sticks_out_at_the_side_light_and_dark(width, dark, browser, page):
    browser.resize(width, dark=dark)
    browser.open(page)
    browser.evaluate("neurotopoFacts.choose(11)")
    browser.settle()
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    ground = browser.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == ("rgb(20, 24, 28)" if dark else "rgb(255, 255, 255)")
    # the text of the chart is as light or dark as that of the page
    text = browser.evaluate(
        "getComputedStyle(document.querySelector('.fact-curves .ntx-text')).fill"
    )
    assert text == browser.evaluate("getComputedStyle(document.body).color")
    assert np.mean([int(part) for part in text[4:-1].split(",")]) > 128 or not dark
    assert browser.messages == []
