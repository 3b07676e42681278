"""What the pages are made with: the list of the reference, the examples, the pictures."""

from __future__ import annotations

import ast
import importlib
import os
import pkgutil
import re
import subprocess
import sys

import pytest
from sphinx_gallery.py_source_parser import split_code_and_text_blocks

import neurotopo
import neurotopo.plots
from neurotopo.studies.study import STUDIES, study_named
from tests.support.reference import DOCS, in_the_reference, script

EXAMPLES = sorted((DOCS / "examples").glob("*/*.py"))
PACKAGES = (
    "cluster",
    "datasets",
    "explore",
    "graphs",
    "knowledge",
    "models",
    "persistence",
    "plots",
    "report",
    "studies",
    "testbed",
    "tuning",
)


api_names = script(DOCS / "_ext" / "api_names.py")
study_figures = script(DOCS / "study_figures.py")
API = (DOCS / "api.md").read_text(encoding="utf-8")


def _object(name: str):
    parts = name.split(".")
    for n in range(len(parts) - 1, 0, -1):
        try:
            found = importlib.import_module(".".join(parts[:n]))
        except ImportError:
            continue
        for part in parts[n:]:
            found = getattr(found, part)
        return found
    raise ImportError(name)


@pytest.fixture(scope="module")
def listed():
    """Every object of the reference; a name that is listed and not there is an error."""
    return {id(_object(name)) for name in in_the_reference()}


def _public(module_name: str):
    module = importlib.import_module(module_name)
    return [(name, getattr(module, name)) for name in getattr(module, "__all__", ())]


def _missing(pairs, module, listed):
    return [
        name
        for name, found in pairs
        if id(found) not in listed and f"`{module}.{name}`" not in API  # a constant
    ]


@pytest.mark.parametrize("name", ["neurotopo", *(f"neurotopo.{part}" for part in PACKAGES)])
def test_every_public_name_is_in_the_reference(name, listed):
    assert _missing(_public(name), name, listed) == []


def test_every_picture_and_all_options_are_in_the_reference(listed):
    for module in pkgutil.iter_modules(neurotopo.plots.__path__, "neurotopo.plots."):
        if not module.name.rpartition(".")[2].startswith("_"):
            assert _missing(_public(module.name), module.name, listed) == []
    assert [name for name in STUDIES if id(study_named(name).Options) not in listed] == []


def test_stubs_that_are_not_listed_any_more_are_removed(tmp_path):
    page = tmp_path / "api.md"
    page.write_text(
        "```{eval-rst}\n.. currentmodule:: a.b\n.. autosummary::\n   :toctree: generated\n\n"
        "   Kept\n   deeper.name\n```\n"
    )
    assert api_names.listed(page.read_text()) == {"a.b.Kept", "a.b.deeper.name"}
    for stub in ("a.b.Kept", "a.b.Gone"):
        (tmp_path / f"{stub}.rst").write_text("")
    api_names.remove_stale(page, tmp_path)
    assert [stub.name for stub in tmp_path.glob("*.rst")] == ["a.b.Kept.rst"]


SCRIPT = '''"""A title
=======

Some words.
"""

# %%
# Text with ``code``.

import matplotlib.pyplot as plt
from tqdm import tqdm

figure, ax = plt.subplots()
print("seen", list(tqdm([1])))

# %%
# More.

from matplotlib.figure import Figure

Figure()

# %%
# No picture.

value = 1
'''
CONF = f"""
import sys
sys.path.insert(0, {str(DOCS / "_ext")!r})
import gallery
extensions = ["sphinx_gallery.gen_gallery"]
exclude_patterns = ["examples"]
sphinx_gallery_conf = gallery.SETTINGS
"""


def _build(folder, script):
    """Build a documentation that has one script; return the process and the page of the script."""
    (folder / "examples").mkdir()
    (folder / "examples" / "GALLERY_HEADER.rst").write_text("Examples\n========\n")
    (folder / "examples" / "small.py").write_text(script)
    (folder / "conf.py").write_text(CONF)
    (folder / "index.rst").write_text(".. toctree::\n\n   generated/examples/index\n")
    command = [sys.executable, "-m", "sphinx", "-W", "-b", "dummy", "."]
    environment = {**os.environ, "MPLBACKEND": "agg"}
    ran = subprocess.run(
        [*command, "out"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    return ran, folder / "generated" / "examples" / "small.rst"


def test_an_example_becomes_a_page(tmp_path):
    ran, page = _build(tmp_path, SCRIPT)
    assert ran.returncode == 0, ran.stderr
    text = page.read_text()
    pieces = [
        "\nA title\n",
        "Some words.",
        "Text with ``code``.",
        "import matplotlib",
        "sphx_glr_small_001.svg",
        "\n    seen [1]\n",
        "More.",
        "sphx_glr_small_002.svg",
        "No picture.",
    ]
    places = [text.index(piece) for piece in pieces]
    assert places == sorted(places)
    assert "it/s" not in text  # no progress bar
    images = page.parent / "images"
    assert {path.name for path in images.glob("*.*")} == {
        "sphx_glr_small_001.svg",
        "sphx_glr_small_002.svg",
    }
    assert "dc:date" not in (images / "sphx_glr_small_001.svg").read_text()


def test_an_error_in_an_example_ends_the_build_and_names_the_line(tmp_path):
    ran, _ = _build(tmp_path, '"""\nA title\n=======\n"""\n\n# %%\n# Text.\n\nx = 1\n1 / 0\n')
    assert ran.returncode != 0
    assert re.search(r'small\.py", line 10', ran.stdout + ran.stderr)
    assert "ZeroDivisionError" in ran.stdout + ran.stderr


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_have_a_section_a_title_text_and_code(path):
    assert (path.parent / "GALLERY_HEADER.rst").is_file()
    _, (head, *cells) = split_code_and_text_blocks(str(path))
    assert head.type == "text"
    title, line, introduction = head.content.strip().split("\n", 2)
    assert line == "=" * len(title)
    assert introduction.strip()
    code = [cell for cell in cells if cell.type == "code"]
    assert code
    for cell in code:
        ast.parse(cell.content)


def test_every_study_has_a_picture_on_a_page():
    assert {*study_figures.RUNS, "development"} == set(STUDIES)
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    for study in STUDIES:
        assert f"](figures/study_{study}_" in pages


def test_every_page_is_reached_from_the_index_in_words():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    index = index.replace("](../benchmarks/RESULTS.md)", "](benchmarks.md)")  # as the site does
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or f"]({page.name})" in index


def test_the_files_that_contributing_names_exist():
    root = DOCS.parent
    text = (root / "CONTRIBUTING.md").read_text(encoding="utf-8")
    roots = "neurotopo|tests|docs|benchmarks"
    named = set(re.findall(rf"`((?:{roots})/[\w./-]+\.\w+)`", text))
    assert len(named) > 20
    missing = {name for name in named if "NAME" not in name and not (root / name).is_file()}
    assert missing == set()


def test_code_in_a_text_that_means_a_public_name(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS / "_ext"))
    links = script(DOCS / "_ext" / "code_links.py")
    listed = {"neurotopo.AMIG", "neurotopo.merge_tree", "neurotopo.audit", "neurotopo.a.gcr"}
    listed |= {"neurotopo.a.Same", "neurotopo.b.Same", "neurotopo.b.MergeTree"}
    short = links.short_names(listed)
    meant = {
        "AMIG": "neurotopo.AMIG",
        "nt.AMIG": "neurotopo.AMIG",
        "AMIG.locate": "neurotopo.AMIG.locate",
        "merge_tree": "neurotopo.merge_tree",
        "merge_tree.cut": None,  # a function has no methods
        "audit": None,  # may be the command
        "audit()": "neurotopo.audit",
        "neurotopo.audit": "neurotopo.audit",
        "gcr": None,
        "gcr()": "neurotopo.a.gcr",
        "a.gcr": "neurotopo.a.gcr",
        "Same": None,  # of which module?
        "a.Same": "neurotopo.a.Same",
        "MergeTree.h0_diagram": "neurotopo.b.MergeTree.h0_diagram",
        "tau=0.5": None,
        "labels_": None,
    }
    assert {code: links.target_of(code, listed, short) for code in meant} == meant


def test_links_that_work_in_the_repository_lead_to_pages_of_the_site():
    conf = (DOCS / "conf.py").read_text(encoding="utf-8")
    start = conf.index("def to_the_pages")
    names: dict[str, object] = {"re": re}
    exec(conf[start : conf.index("\n\n\n", start)], names)
    source = ["[a](examples/models/03_x.py) [b](examples) [c](../benchmarks/RESULTS.md#speed)\n"]
    source[0] += "Source: [x.py](../x.py)\n[d](other.md)"
    names["to_the_pages"](None, "page", source)
    assert source == [
        "[a](generated/examples/models/03_x.rst) [b](generated/examples/index.rst) "
        "[c](benchmarks.md#speed)\n[d](other.md)"
    ]
