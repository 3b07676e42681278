"""Settings of sphinx-gallery, which runs the scripts of ``docs/examples`` and writes pages."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.pyplot as plt
from matplotlib.figure import Figure
from sphinx_gallery.scrapers import figure_rst

# sphinx-gallery shows what a script writes to stderr, and progress bars do not belong there
os.environ["TQDM_DISABLE"] = "1"

STYLE = {"svg.hashsalt": "neurotopo", "figure.constrained_layout.use": True}

SETTINGS: dict[str, Any] = {
    "examples_dirs": "examples",
    "gallery_dirs": "generated/examples",
    "backreferences_dir": "generated/examples/uses",
    "filename_pattern": r"\.py$",
    "within_subsection_order": "FileNameSortKey",
    "nested_sections": False,
    "image_scrapers": ("gallery.save_figures",),
    "reset_modules": ("matplotlib", "gallery.set_style"),
    "capture_repr": (),
    "abort_on_example_error": True,
    "download_all_examples": False,
    "show_signature": False,
    "min_reported_time": float("inf"),
    "write_computation_times": False,
    "inspect_global_variables": False,
    "doc_module": ("neurotopo",),
    "log_level": {"backreference_missing": "info"},
}


def set_style(gallery_conf: dict[str, Any], script: str) -> None:
    """Set the style of all pictures; sphinx-gallery calls this before each script."""
    mpl.rcParams.update(STYLE)


def save_figures(block: Any, script: dict[str, Any], gallery_conf: dict[str, Any]) -> str:
    """Save the open figures of pyplot and the figure that a cell ends with, as SVG."""
    figures = [plt.figure(number) for number in plt.get_fignums()]
    names = script["example_globals"]
    last = names.get("___")  # the value of the last expression
    if isinstance(last, Figure):
        names["___"] = None  # shown once, also if the next cell ends without an expression
        if last not in figures:
            figures.append(last)
    paths = []
    for figure, path in zip(figures, script["image_path_iterator"], strict=False):
        paths.append(Path(path).with_suffix(".svg"))
        figure.savefig(paths[-1], metadata={"Date": None})
    plt.close("all")
    return figure_rst(paths, gallery_conf["src_dir"])
