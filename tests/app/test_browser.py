"""The page in a real browser: every control by script, two tabs, cancelling, a crash."""

from __future__ import annotations

import os
import re
import signal

import pytest

from tests.support.app import idle, served, text, until
from tests.support.browser import NO_BROWSER, PROGRAM, Browser

pytestmark = pytest.mark.skipif(PROGRAM is None, reason=NO_BROWSER)
HOSTILE = "<img src=x onerror=alert(1)></script><script>alert(2)</script> _X_"


@pytest.fixture(scope="module")
def site():
    with served() as both:
        yield both


@pytest.fixture(scope="module")
def browser(site):
    with Browser() as opened:
        opened.page.set_default_timeout(400_000)  # a busy machine
        opened.resize(1280)
        opened.page.goto(site[0])
        until(opened, "!document.querySelector('#fact-form').hidden")
        opened.click("#fact-form .nta-main")
        until(opened, "!document.querySelector('#found').hidden")
        yield opened


@pytest.fixture
def page(browser, site):
    """The page with the neurons of a fact; no message and no request to elsewhere is left."""
    browser.resize(1280)
    if not browser.evaluate("document.querySelector('#tab-fact').ariaSelected === 'true'"):
        browser.click("#tab-fact")
    browser.evaluate("document.querySelector('#restore').click()")
    idle(browser)
    yield browser
    idle(browser)
    assert browser.messages == []
    assert {request.split("/secret/")[0] for request in browser.requests} == {site[0][:-8]}


def answer(browser):
    """Return the probability of the answer, in per cent: before and after."""
    found = re.search(r"([\d.]+) %(?: → ([\d.]+) %)?", text(browser, "#now"))
    return tuple(float(value) for value in found.groups() if value)


def pick_bar(browser, bar=0):
    browser.click(f'#graph .ntx-bar[data-bar="{bar}"]')
    idle(browser)


def test_a_click_suppresses_a_component_and_a_second_one_restores_it(page):
    (before,) = answer(page)
    pick_bar(page)
    assert answer(page)[0] == before
    assert answer(page)[1] < before - 5
    assert "0 suppressed" in text(page, "#now")
    assert page.evaluate("document.querySelector('[data-of=\"0-0\"]').checked")
    assert "→" in text(page, "#answer .nta-number")
    pick_bar(page)
    assert answer(page) == (before,)


def test_a_click_in_the_graph_takes_the_cluster_at_that_radius(page):
    page.move(5, 5)  # nothing is pointed at
    page.evaluate("neurotopoPanels.fact.explorer.setRadius(0)")
    page.evaluate("neurotopoPanels.fact.explorer.step(1)")
    page.evaluate("neurotopoPanels.fact.explorer.canvas.scrollIntoView({block: 'center'})")
    page.settle()
    x, y, size = page.evaluate(
        "(() => { const e = neurotopoPanels.fact.explorer, g = e.graph;"
        "const b = g.canvas.getBoundingClientRect();"
        "const i = e.labels.findIndex((k) => k >= 0);"
        "return [b.left + g.x[i], b.top + g.y[i], e.data.clusters.size[e.labels[i]]]; })()"
    )
    page.move(x, y)
    page.page.mouse.click(x, y)
    idle(page)
    assert "A suppressed" in text(page, "#now")
    row = text(page, "#components tbody tr:last-child")
    assert row.startswith("A, at R = ")
    assert row.split("\t")[1].strip() == str(size)
    page.click("#restore")
    idle(page)
    assert "A, at R" not in text(page, "#components")


def test_enhancing_by_a_click_and_only_showing(page):
    page.click("input[value=enhance]")
    page.page.fill("#factor", "3")
    page.page.locator("#factor").blur()
    pick_bar(page)
    assert "0 times 3" in text(page, "#now")
    page.page.fill("#factor", "1.5")
    page.page.locator("#factor").blur()
    idle(page)
    assert "0 times 1.5" in text(page, "#now")
    page.click("#restore")
    idle(page)
    page.click("input[value=show]")
    pick_bar(page)
    assert "nothing is changed" in text(page, "#now")
    page.click("input[value=suppress]")


def test_the_keyboard_alone_is_enough(page):
    page.evaluate("document.querySelector('#tab-fact').focus()")
    for _ in range(60):  # to the states of the first component
        page.key("Tab")
        if page.evaluate("document.activeElement.name === 'state-0'"):
            break
    page.key("ArrowRight")
    idle(page)
    assert "0 suppressed" in text(page, "#now")
    assert page.evaluate("document.activeElement.dataset.of") == "0-0"  # the focus is kept
    page.key("ArrowRight")
    idle(page)
    assert "0 times" in text(page, "#now")
    page.key("ArrowLeft")
    page.key("ArrowLeft")
    idle(page)
    assert "nothing is changed" in text(page, "#now")
    page.evaluate("document.querySelector('#graph .ntx-bar[tabindex=\"0\"]').focus()")
    page.key("Enter")
    idle(page)
    assert "suppressed" in text(page, "#now")
    page.evaluate("document.querySelector('#tab-fact').focus()")
    page.key("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-table"
    assert page.evaluate("document.querySelector('#fact').hidden")
    page.key("ArrowLeft")
    assert not page.evaluate("document.querySelector('#fact').hidden")


def test_every_subset_and_other_words(page):
    page.evaluate("neurotopoPanels.fact.explorer.setRadius(0)")
    page.evaluate("neurotopoPanels.fact.pick({members: [0, 1, 2], radius: 1})")
    idle(page)
    page.click("#components tbody tr:last-child input[type=checkbox]")
    assert "4 subsets of 2 components" in text(page, "#lattice-hint")
    for score in ("probability", "log-odds", "contrast"):
        page.page.select_option("#score", score)
        page.click("#lattice-run")
        idle(page)
        assert re.search(r"rho = -?[\d.]+: ", text(page, "#lattice .nta-rho"))
        assert len(page.evaluate("[...document.querySelectorAll('.nta-node')].map(String)")) == 4
    page.evaluate("document.querySelectorAll('.nta-node')[3].focus()")
    page.key("Enter")
    idle(page)
    assert "0 suppressed, A suppressed" in text(page, "#now")
    page.click("#wordings-run")
    idle(page)
    assert text(page, "#wording-table").count("→") == 5
    page.page.fill("#wording", "_X_ or _X_")
    page.page.press("#wording", "Enter")
    idle(page)
    assert "2 placeholders" in text(page, "#wording-table")


def test_other_settings_cluster_anew(page):
    n = "document.querySelectorAll('#components tbody tr').length"
    before = page.evaluate(n)
    page.page.fill("#least", "3")
    page.page.locator("#least").blur()
    page.evaluate(
        "(() => { const t = document.querySelector('#tau'); t.value = '0'; "
        "for (const e of ['input', 'change']) t.dispatchEvent(new Event(e)); })()"
    )
    idle(page)
    assert text(page, "#tau-value") == "0"
    assert page.evaluate(n) >= before
    page.page.select_option("#scale", "log")
    idle(page)
    assert page.evaluate("neurotopoPanels.fact.explorer.scale.log") in (True, False)
    page.click("summary")
    page.page.select_option("#select", "share")
    assert page.evaluate("document.querySelector('#threshold').value") == "0.2"
    page.page.select_option("#select", "model")
    page.page.fill("#threshold", "12")
    page.page.select_option("#positions", "last")
    idle(page)
    page.click("#fact-form .nta-main")
    idle(page)
    assert "neurons 12" in text(page, "#graph .ntx-about").replace("\n", " ")
    page.page.select_option("#known", "1")
    prompt = page.evaluate("neurotopoPanels.fact.facts[1].prompt")
    assert page.evaluate("document.querySelector('#prompt').value") == prompt
    page.page.select_option("#select", "layer")
    page.page.select_option("#positions", "all")
    page.page.select_option("#known", "0")
    page.click("#fact-form .nta-main")
    idle(page)
    page.click("summary")


def test_a_hostile_prompt_is_text_and_mistakes_are_told(page):
    page.page.fill("#prompt", HOSTILE)
    page.page.fill("#foils", "<b>Consul</b>; Senator")
    page.click("#fact-form .nta-main")
    idle(page)
    assert text(page, "#answer-head") == HOSTILE
    assert page.evaluate("document.querySelectorAll('img, #found b').length") == 0
    page.page.fill("#prompt", "_X_ _X_")
    page.click("#fact-form .nta-main")
    idle(page)
    assert "2 placeholders" in text(page, "#fact-work [role=alert]")
    page.page.fill("#model", "testbed:<i>none</i>")
    page.click("#model-form button")
    idle(page)
    assert "no built-in model 'testbed:<i>none</i>'" in text(page, "#fact-work [role=alert]")
    page.page.fill("#model", "testbed:planted")
    page.page.select_option("#dtype", "float32")
    page.click("#model-form button")
    idle(page)
    page.click("#fact-form .nta-main")
    idle(page)


def test_files_are_saved(page, tmp_path):
    for kind, part in (("json", '"neurotopo.app.fact"'), ("html", "<!DOCTYPE"), ("py", "import")):
        with page.page.expect_download() as waiting:
            page.click(f"#fact-save a[download$='{kind}']")
        path = tmp_path / f"saved.{kind}"
        waiting.value.save_as(path)
        assert part in path.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_crash_is_told_and_mended(page, site):
    os.kill(site[1].workers["models"].pid, signal.SIGSTOP)
    page.click('[data-of="0-0"]')
    page.settle()
    os.kill(site[1].workers["models"].pid, signal.SIGKILL)
    idle(page)
    assert "has ended (signal SIGKILL" in text(page, "#fact-work [role=alert]")
    page.click("#restore")
    idle(page)
    pick_bar(page)
    assert len(answer(page)) == 2
    assert page.evaluate("document.querySelector('#fact-work [role=alert]').hidden")


@pytest.mark.slow
def test_work_is_cancelled_and_other_tabs_are_not_disturbed(page, site, browser):
    pick_bar(page)
    here = text(page, "#now")
    other = browser.page.context.browser.new_page()
    other.set_default_timeout(400_000)
    try:
        other.goto(f"{site[0]}#table")
        other.wait_for_selector("body[data-table=ready]")
        os.kill(site[1].workers["models"].pid, signal.SIGSTOP)  # so that it takes long
        page.click('[data-of="0-2"]')
        page.settle()
        assert page.evaluate("!document.querySelector('#fact-work .nta-row').hidden")
        other.fill("#text", "0\n0.1\n5\n5.2\n9\n")
        other.click("#table-form .nta-main")
        other.wait_for_selector("#clustered:not([hidden])")
        page.click("#fact-work .nta-cancel")
        idle(page)
        assert text(page, "#fact-work [role=alert]") == "Cancelled."
        assert other.inner_text("#read").startswith("Read pasted.csv: 5 rows")
    finally:
        other.close()
    page.click("#restore")
    idle(page)
    pick_bar(page)
    assert text(page, "#now") == here
