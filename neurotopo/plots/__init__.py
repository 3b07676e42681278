"""Pictures: one class each, in the style of scikit-learn's displays.

Create a display with a class method ``from_*``. It draws on ``ax`` or on a new figure, and stores
the artists in ``ax_``, ``figure_`` and further attributes. It shows no window and changes no global
setting.
"""

from neurotopo.plots.barcode import BarcodeDisplay
from neurotopo.plots.graph import GraphDisplay
from neurotopo.plots.growth import GrowthDisplay
from neurotopo.plots.merge_tree import MergeTreeDisplay
from neurotopo.plots.persistence_diagram import PersistenceDiagramDisplay

__all__ = [
    "BarcodeDisplay",
    "GraphDisplay",
    "GrowthDisplay",
    "MergeTreeDisplay",
    "PersistenceDiagramDisplay",
]
