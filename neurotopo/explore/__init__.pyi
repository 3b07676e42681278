from .data import explore, explorer_data, labels_at
from .inline import InlinePage
from .page import explorer_script, explorer_style, write_page
from .slices import vineyard_data

__all__ = [
    "InlinePage",
    "explore",
    "explorer_data",
    "explorer_script",
    "explorer_style",
    "labels_at",
    "vineyard_data",
    "write_page",
]
