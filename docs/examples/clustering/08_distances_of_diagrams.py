"""Distances between diagrams
==========================

Two persistence diagrams are close if their points can be matched by short moves: the bottleneck
distance is the longest of these moves. It bounds the effect of noise. persim computes the same.
"""

# %%
# Points on a circle, and the same points moved by at most 0.05 in each coordinate.

import matplotlib.pyplot as plt
import numpy as np
import persim

import neurotopo as nt
from neurotopo.persistence import bottleneck_distance, wasserstein_distance

rng = np.random.default_rng(0)
angle = rng.uniform(0, 2 * np.pi, 60)
circle = np.column_stack([np.cos(angle), np.sin(angle)])
moved = circle + rng.uniform(-0.05, 0.05, circle.shape)
one, other = (nt.persistence_diagrams(X, metric="euclidean") for X in (circle, moved))
for dimension, name in enumerate(("components", "loops")):
    ours = bottleneck_distance(one[dimension], other[dimension])
    finite = [diagram[np.isfinite(diagram[:, 1])] for diagram in (one[dimension], other[dimension])]
    theirs = persim.bottleneck(*finite)
    w = wasserstein_distance(one[dimension], other[dimension])
    print(f"{name:10} bottleneck {ours:.4f}, by persim {theirs:.4f}; Wasserstein {w:.3f}")

# %%
# No point moved by more than 0.05 times the square root of 2, so no distance between two points
# changed by more than twice that. By the stability theorem this bounds the bottleneck distance.

print(f"bound {2 * 0.05 * np.sqrt(2):.4f}")
figure, (left, right) = plt.subplots(1, 2, figsize=(8.5, 3.8))
for ax, dimension, title in ((left, 0, "components"), (right, 1, "loops")):
    plt.sca(ax)
    persim.plot_diagrams([one[dimension], other[dimension]], labels=["circle", "moved"], ax=ax)
    ax.set_title(title)

# %%
# ripser and persim take the diagrams as they are; ``to_gudhi`` and ``to_giotto`` convert them.
