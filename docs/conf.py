"""Sphinx configuration: ``sphinx-build -W -b html docs docs/_build/html``."""

from __future__ import annotations

import os
import re
import shutil
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE / "_ext")]

import api_names  # noqa: E402
import gallery  # noqa: E402

import neurotopo  # noqa: E402

project = "neurotopo"
author = "The neurotopo authors"
copyright = "2026, The neurotopo authors"
version = release = neurotopo.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_gallery.gen_gallery",
    "mathml",
    "code_links",
]
sphinx_gallery_conf = gallery.SETTINGS
html_math_renderer = "mathml"
myst_enable_extensions = ["amsmath", "attrs_block", "colon_fence", "deflist", "dollarmath"]
myst_heading_anchors = 3
exclude_patterns = ["_build", "README.md", "examples"]
nitpicky = False

autosummary_generate = True
autodoc_typehints = "none"  # numpydoc's parameter lists name the types in words
numpydoc_show_class_members = False  # the page template of the class lists them
numpydoc_xref_param_type = False

html_theme = "pydata_sphinx_theme"
html_title = "neurotopo"
html_show_sourcelink = False
templates_path = ["_templates"]
html_static_path = ["_static"]
html_css_files = ["neurotopo.css"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_prev_next": False,
    "secondary_sidebar_items": ["page-toc"],
    "navbar_center": [],
}
if "NEUROTOPO_DOCS_VERSIONS" in os.environ:  # the address of the list of versions of the site
    html_theme_options["switcher"] = {
        "json_url": os.environ["NEUROTOPO_DOCS_VERSIONS"],
        "version_match": os.environ["NEUROTOPO_DOCS_VERSION"],
    }
    html_theme_options["navbar_end"] = ["version-switcher", "theme-switcher", "navbar-icon-links"]
    html_theme_options["check_switcher"] = False  # the first build has no list yet
html_sidebars = {"**": ["contents.html"]}


def make_pages(app):
    """Remove old pages, so that every example runs in every build."""
    api_names.remove_stale(HERE / "api.md", HERE / "generated")
    shutil.rmtree(HERE / "generated" / "examples", ignore_errors=True)


def to_the_pages(app, name, source):
    """Let links to examples and results, which work in the repository, lead to their pages."""
    text = re.sub(r"\]\(examples/(\w+/\w+)\.py\)", r"](generated/examples/\1.rst)", source[0])
    text = re.sub(r"^Source: .*\n", "", text, flags=re.MULTILINE)  # the site has the docstrings
    text = text.replace("](../benchmarks/RESULTS.md", "](benchmarks.md")
    source[0] = text.replace("](examples)", "](generated/examples/index.rst)")


def setup(app):
    app.connect("source-read", to_the_pages)
    # before autosummary and sphinx-gallery, which look at the files that are there
    app.connect("builder-inited", make_pages, priority=100)
