"""Merge tree, diagram and barcode
===============================

Three plots that show when clusters are born and when they merge.
"""

# %%
# Twelve points on a line: two tight groups, a loose one, and one point by itself.

import matplotlib.pyplot as plt
import numpy as np
from scipy.cluster.hierarchy import fcluster

import neurotopo as nt
from neurotopo.plots import BarcodeDisplay, MergeTreeDisplay, PersistenceDiagramDisplay

places = np.array([0.0, 0.4, 0.9, 1.5, 4.3, 4.6, 5.4, 9.0, 10.1, 11.4, 12.6, 17.0])
clusterer = nt.NTCClusterer.paper(tau=0.5).fit(places[:, None])
tree = clusterer.merge_tree_
print(tree.to_pandas().iloc[12:].to_string())

# %%
# The tree is drawn as a dendrogram with the radius on the vertical axis. The diagram has a point
# for every cluster, the barcode a bar. A cluster is selected if its bar is longer than the
# threshold.

figure, (left, middle, right) = plt.subplots(1, 3, figsize=(12, 3.8))
MergeTreeDisplay.from_estimator(clusterer, ax=left)
PersistenceDiagramDisplay.from_estimator(clusterer, ax=middle, legend=False)
BarcodeDisplay.from_estimator(clusterer, ax=right, legend=False)
for ax, title in zip((left, middle, right), ("tree", "diagram", "barcode"), strict=True):
    ax.set_title(title)

# %%
# Other libraries can use the tree: scipy draws and cuts it.

print(fcluster(tree.to_linkage(), t=1.2, criterion="distance"))
print(tree.cut(1.2))
