"""Pictures in the style of scikit-learn's displays, one class each.

A class method ``from_*`` creates a display and draws it, on ``ax`` or on a new figure. The display
stores the artists in ``ax_``, ``figure_`` and further attributes. It shows no window and changes no
global setting.
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
