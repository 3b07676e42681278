"""What the pages are made with: the list of the reference, the examples, the pictures."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import pkgutil

import matplotlib.pyplot as plt
import pytest

import neurotopo
import neurotopo.plots
from neurotopo.studies.study import STUDIES, study_named
from tests.support.reference import DOCS, in_the_reference, script

EXAMPLES = sorted((DOCS / "examples").glob("*.py"))
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
gallery = script(DOCS / "_ext" / "gallery.py")
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


SCRIPT = '''"""A title.

Some words.
"""

# %%
# Text with `code`.

import matplotlib.pyplot as plt

figure, ax = plt.subplots()
print("seen")

# %%
# More.

from matplotlib.figure import Figure

Figure()
'''


def test_an_example_becomes_a_page(tmp_path):
    script = tmp_path / "small.py"
    script.write_text(SCRIPT)
    assert gallery.run_example(script, tmp_path) == "A title"
    page = (tmp_path / "small.md").read_text()
    pieces = [
        "# A title\n",
        "Some words.",
        "Text with `code`.",
        "import matplotlib",
        "\nseen\n",
        "small_1.svg",
        "More.",
        "small_2.svg",
    ]
    places = [page.index(piece) for piece in pieces]
    assert places == sorted(places)
    assert {path.name for path in tmp_path.glob("*.svg")} == {"small_1.svg", "small_2.svg"}
    assert not plt.get_fignums()
    (tmp_path / "old.md").write_text("of a script that is gone")
    gallery.run_all(tmp_path, tmp_path)
    assert [path.name for path in tmp_path.glob("*.md")] == ["small.md"]


def test_an_error_in_an_example_ends_the_build_and_names_the_line(tmp_path):
    script = tmp_path / "faulty.py"
    script.write_text('"""A title."""\n\n# %%\n# Text.\n\nx = 1\n1 / 0\n')
    with pytest.raises(ZeroDivisionError) as error:
        gallery.run_example(script, tmp_path)
    last = error.traceback[-1]
    assert (str(last.path), last.lineno + 1) == ("faulty.py", 7)
    script.write_text("x = 1\n")
    with pytest.raises(ValueError, match="docstring"):
        gallery.run_example(script, tmp_path)


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_examples_are_listed_and_have_text_and_code(path):
    assert f"\ngenerated/examples/{path.stem}\n" in (DOCS / "examples.md").read_text()
    title, introduction, cells = gallery.read_script(path)
    assert title
    assert introduction
    assert cells[0].code
    for cell in cells:
        ast.parse(cell.code)


def test_every_study_has_a_picture_on_a_page():
    assert {*study_figures.RUNS, "development"} == set(STUDIES)
    pages = "".join(page.read_text(encoding="utf-8") for page in DOCS.glob("*.md"))
    for study in STUDIES:
        assert f"```{{figure}} figures/study_{study}_" in pages


def test_every_page_is_reached_from_the_index_in_words():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    for page in DOCS.glob("*.md"):
        assert page.stem == "index" or f"]({page.name})" in index
