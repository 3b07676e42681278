"""Links of pages lead to files and headings of the repository: they work without the site too."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md")),
        *(ROOT / "notebooks").glob("*.md"),
        *(ROOT / "benchmarks").glob("*.md"),
        *(ROOT / "docs").glob("*.md"),
    ]
)
NAMES = [path.relative_to(ROOT).as_posix() for path in PAGES]
MADE = ("docs/_build", "docs/generated")  # not in the repository
FENCE = re.compile(r"^(`{3,}).*?^\1`*$", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"(`+)(?!`).+?(?<!`)\1(?!`)", re.DOTALL)
LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?:\s+\"[^\"]*\")?\)")
HEADING = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)
ROLE = re.compile(r"\{[\w:]+\}`")


def links_of(text):
    """Return the links of a page that lead to no other site."""
    text = CODE.sub("", FENCE.sub("", text))
    return [link for link in LINK.findall(text) if not re.match(r"[a-z]+:", link)]


def anchors_of(text):
    """Return the anchors that a web view of the repository makes of the headings."""
    found = []
    for heading in HEADING.findall(FENCE.sub("", text)):
        words = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading).lower().replace("`", "")
        kept = (c for c in words if c in " -_" or unicodedata.category(c)[0] in "LNM")
        slug = "".join(kept).replace(" ", "-")
        n = found.count(slug)
        found.append(f"{slug}-{n}" if n else slug)
    return found


def broken(page, text):
    """Return the links that lead nowhere in the repository."""
    wrong = []
    for link in links_of(text):
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        inside = target.is_relative_to(ROOT)
        name = target.relative_to(ROOT).as_posix() if inside else ""
        if (
            not inside
            or not target.exists()
            or name.startswith(MADE)
            or (
                anchor
                and target.suffix == ".md"
                and anchor not in anchors_of(target.read_text(encoding="utf-8"))
            )
        ):
            wrong.append(link)
    return wrong


@pytest.mark.parametrize("name", NAMES)
def test_links_lead_to_files_and_headings(name):
    page = ROOT / name
    assert broken(page, page.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", [name for name in NAMES if name != "docs/api.md"])
def test_no_page_shows_a_role(name):
    text = FENCE.sub("", (ROOT / name).read_text(encoding="utf-8"))
    assert ROLE.findall(text) == []  # names of the reference are plain code: see code_links.py


def test_broken_links_are_seen():
    text = (
        "# A head\n[a](README.md) [b](no.md) [c](#a-head) [d](#b) [e](docs/generated/x.rst) "
        "[f](https://example.org) `[g](code.md)` [h](docs/index.md#none) [i](../../x.md)\n"
        "```\n[j](fence.md)\n```\n![k](docs/_static/none.png)"
    )
    # a page of its own text has its headings
    page = ROOT / "CONTRIBUTING.md"
    assert broken(page, text.replace("#a-head", "#style")) == [
        *("no.md", "#b", "docs/generated/x.rst", "docs/index.md#none", "../../x.md"),
        "docs/_static/none.png",
    ]
    assert anchors_of("## `a_b` and *c*: d?\n## x\n## x") == ["a_b-and-c-d", "x", "x-1"]
