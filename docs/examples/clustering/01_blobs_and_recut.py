"""Selecting again from one tree
=============================

``fit`` builds one tree of all clusters at all radii. ``recut`` selects clusters from this tree
again, without another fit.
"""

# %%
# Three groups of points; one of them is much looser than the others.

import matplotlib.pyplot as plt
import numpy as np
from sklearn.datasets import make_blobs

import neurotopo as nt

X, truth = make_blobs(
    n_samples=[60, 60, 60],
    centers=[[0, 0], [3, 0], [12, 0]],
    cluster_std=[0.4, 0.4, 1.5],
    random_state=3,
)
clusterer = nt.NTCClusterer.paper(condense=True, min_cluster_size=8).fit(X)
print([len(members) for members in clusterer.clusters_])

# %%
# With ``condense=True`` a cluster survives the arrival of stray points. The two tight groups are
# close to each other compared with the loose one: together they form a cluster, which is the more
# persistent one. The logarithmic scale, which compares ratios of radii, and HDBSCAN's rule select
# other clusters from the same tree.

choices = {"default": {}, 'scale="log"': {"scale": "log"}, 'rule="mass"': {"rule": "mass"}}
default = {"rule": "relative", "scale": "difference"}
colors = np.array(["#1f77b4", "#d95f02", "#2a9d5c", "#7b4fa3", "#c2a000", "#d14f8f", "#b8b8b8"])
figure, axes = plt.subplots(1, 3, figsize=(11, 2.6), sharey=True)
for ax, (title, choice) in zip(axes, choices.items(), strict=True):
    labels = clusterer.recut(**{**default, **choice}).labels_
    ax.scatter(*X.T, s=9, c=colors[np.where(labels < 0, 6, labels % 6)])
    ax.set(title=title, xlabel=f"{clusterer.n_clusters_} clusters", aspect="equal")
    print(f"{title:13} sizes {[len(members) for members in clusterer.clusters_]}")
