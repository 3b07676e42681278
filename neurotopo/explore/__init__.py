"""An interactive page that shows the clusters at every radius."""

from __future__ import annotations

from neurotopo.explore.data import explore, explorer_data, labels_at
from neurotopo.explore.page import explorer_script, explorer_style, write_page
from neurotopo.explore.slices import vineyard_data

__all__ = [
    "explore",
    "explorer_data",
    "explorer_script",
    "explorer_style",
    "labels_at",
    "vineyard_data",
    "write_page",
]
