"""Comparison with K-Means, DBSCAN and HDBSCAN
===========================================

The same data sets for all clusterers, each with one setting for all sets. No method is best
everywhere, and toy data prove little; the benchmarks use planted graphs, tuned settings and
scores.
"""

# %%
import matplotlib.pyplot as plt
import numpy as np
from sklearn.cluster import DBSCAN, HDBSCAN, KMeans
from sklearn.datasets import make_blobs, make_circles, make_moons
from sklearn.metrics import adjusted_rand_score
from sklearn.preprocessing import StandardScaler

import neurotopo as nt

rng = np.random.default_rng(0)
moons, moons_truth = make_moons(200, noise=0.06, random_state=0)
circles, circles_truth = make_circles(200, factor=0.45, noise=0.05, random_state=0)
blobs, blobs_truth = make_blobs([70, 70, 60], cluster_std=[0.3, 0.6, 1.2], random_state=8)
sets = {
    "moons": (moons, moons_truth),
    "circles": (circles, circles_truth),
    "blobs": (blobs, blobs_truth),
    "nothing": (rng.uniform(size=(200, 2)), np.zeros(200, dtype=int)),
}
methods = {
    "K-Means, 3": lambda: KMeans(3, n_init=10, random_state=0),
    "DBSCAN": lambda: DBSCAN(eps=0.3),
    "HDBSCAN": lambda: HDBSCAN(min_cluster_size=15, min_samples=5, copy=True),
    "NTC": lambda: nt.NTCClusterer(),
    "NTC (paper)": lambda: nt.NTCClusterer.paper(),
}

# %%
# NTC decides by itself how small a cluster may be, and finds none in noise. With the paper's
# setting a cluster ends when a single point joins it, and at least one cluster is kept.

palette = np.array(["#1f77b4", "#d95f02", "#2a9d5c", "#7b4fa3", "#c2a000", "#d14f8f", "#b8b8b8"])
figure, axes = plt.subplots(len(sets), len(methods), figsize=(11, 8))
for row, (title, (X, truth)) in zip(axes, sets.items(), strict=True):
    row[0].set_ylabel(title)
    X = StandardScaler().fit_transform(X)
    for ax, make in zip(row, methods.values(), strict=True):
        labels = make().fit_predict(X)
        ax.scatter(*X.T, s=5, c=palette[np.where(labels < 0, 6, labels % 6)])
        score = adjusted_rand_score(truth, labels)
        n_clusters = len(set(labels.tolist()) - {-1})
        ax.set(xticks=[], yticks=[], xlabel=f"{n_clusters} clusters, ARI {score:.2f}")
for ax, name in zip(axes[0], methods, strict=True):
    ax.set_title(name)
