"""The examples of the README and of the documentation's pages run and print what they show."""

from __future__ import annotations

import doctest
import re
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

from neurotopo.models import families

ROOT = Path(__file__).parents[1]
PAGES = ["README.md", *sorted(str(p.relative_to(ROOT)) for p in (ROOT / "docs").glob("*.md"))]
HEADING = re.compile(r"^## +(.+)$", re.MULTILINE)
BLOCK = re.compile(r"^```(pycon|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def _sections():
    """Yield (page, heading, code blocks): the blocks of one section share their names."""
    for page in PAGES:
        pieces = HEADING.split((ROOT / page).read_text(encoding="utf-8"))
        for heading, text in zip(["top", *pieces[1::2]], pieces[::2], strict=True):
            blocks = BLOCK.findall(text)
            if blocks:
                yield pytest.param(blocks, id=f"{page}: {heading}")


@pytest.mark.parametrize("blocks", list(_sections()))
def test_the_examples_of_a_section(blocks, tmp_path, monkeypatch, request):
    monkeypatch.chdir(tmp_path)
    # a family that an example registers is for that example only
    monkeypatch.setattr(families, "_BY_MODEL_TYPE", dict(families._BY_MODEL_TYPE))
    names: dict[str, object] = {}
    for language, code in blocks:
        if language == "python":
            exec(compile(code, request.node.name, "exec"), names)
            continue
        examples = doctest.DocTestParser().get_doctest(code, names, request.node.name, None, 0)
        assert examples.examples, f"a pycon block without a prompt:\n{code}"
        shown: list[str] = []
        runner = doctest.DocTestRunner(optionflags=OPTIONS, verbose=False)
        result = runner.run(examples, out=shown.append, clear_globs=False)
        assert result.failed == 0, "".join(shown)
        names = examples.globs
    assert not plt.get_fignums(), "an example left a figure of pyplot open"


def test_every_page_is_in_the_table_of_contents():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").glob("*.md"):
        entries = (f"\n{page.stem}\n", f" <{page.stem}>\n")
        assert page.stem == "index" or any(entry in index for entry in entries)
