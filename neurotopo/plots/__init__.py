"""Pictures, in the manner of scikit-learn's displays: one class per picture.

Every display is made by a classmethod ``from_estimator`` (some also by ``from_tree`` or
``from_diagrams``), draws on the axes given as ``ax`` or on a new figure, and keeps what it drew
in ``ax_``, ``figure_`` and further attributes. Nothing is shown and no global setting is touched.
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
