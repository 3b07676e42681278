"""
Peaks of a density, and a vineyard
==================================

ToMATo joins every sample to its densest neighbour, up to a peak of the density, and keeps the
prominent peaks. How prominent a cluster is depends on the number of neighbours behind the density;
a vineyard follows the clusters along it.
"""

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs
from sklearn.neighbors import kneighbors_graph

from neurotopo import merge_tree
from neurotopo.persistence import distance_to_measure, tomato, vineyard
from neurotopo.plots.vineyard import VineyardDisplay

X, _ = make_blobs(
    400, centers=[[0, 0], [6, 0], [0, 6], [10, 10]], cluster_std=[1, 0.5, 1.2, 0.4], random_state=1
)

# %%
# Four peaks are much more prominent than the others:

peaks = tomato(kneighbors_graph(X, 15), -distance_to_measure(X, 20))
print(np.round(peaks.prominence[:6], 2))


# %%
# The same with a tree for each number of neighbours, here with all distances as lengths. Each line
# is a cluster that is matched from one tree to the next by the samples that they share:


def tree_of(X, k):
    return merge_tree(X, metric="euclidean", births=distance_to_measure(X, k))


vines = vineyard(X, [5, 10, 20, 40, 60, 80], tree_of=tree_of, name="neighbours of the density")
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 4), layout="constrained")
left.scatter(*X.T, c=peaks.labels(n_clusters=4), cmap="tab10", s=8)
left.set(title="four most prominent peaks", aspect="equal")
VineyardDisplay.from_vineyard(vines, ax=right, max_vines=4, log_parameter=True)
