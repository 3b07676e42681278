"""Where the loops are
===================

A persistence diagram says how many loops there are and how large they are, but not where.
``representative_cycles`` gives a cycle of points for each bar.
"""

# %%
# Points on two rings that touch, and points that belong to neither.

import matplotlib.pyplot as plt
import numpy as np
import persim
from ripser import ripser

import neurotopo as nt
from neurotopo.persistence import bottleneck_distance, representative_cycles

rng = np.random.default_rng(4)
angle = rng.uniform(0, 2 * np.pi, 160)
radius, middle = np.repeat([1.0, 0.55], [100, 60]), np.repeat([0.0, 1.6], [100, 60])
rings = np.column_stack([middle + radius * np.cos(angle), radius * np.sin(angle)])
noise = rng.normal(scale=0.05, size=rings.shape)
X = np.vstack([rings + noise, rng.uniform([-1.2, -1.2], [2.4, 1.2], size=(25, 2))])

cycles = representative_cycles(X, metric="euclidean")
cycles.sort(key=lambda cycle: cycle.birth - cycle.death)
for cycle in cycles[:4]:
    print(f"from {cycle.birth:.2f} to {cycle.death:.2f}: {len(cycle.edges)} points")

# %%
# The two longest bars are the rings. A loop is closed by the edge of length ``birth``; at the
# radius ``death`` triangles fill it. Loops of short bars are gaps between points.

figure, (left, right) = plt.subplots(
    1, 2, figsize=(10, 4), layout="constrained", width_ratios=[3, 2]
)
left.scatter(*X.T, s=10, color="0.4")
colors = ["#d95f02", "#1f77b4"]
for k, cycle in enumerate(cycles):
    color, width = (colors[k], 2.5) if k < 2 else ("#7b4fa3", 0.8)
    for loop in cycle.loops:
        left.plot(*X[np.append(loop, loop[0])].T, color=color, linewidth=width, zorder=0)
left.set(title="a cycle for each bar", aspect="equal", xticks=[], yticks=[])
h1 = np.array([(cycle.birth, cycle.death) for cycle in cycles])
persim.plot_diagrams(h1, legend=False, ax=right, size=0)
right.scatter(*h1.T, s=30, color=[*colors, *["#7b4fa3"] * (len(h1) - 2)], zorder=3)
right.set_title("the diagram, drawn by persim")

# %%
# The bars are those of ``persistence_diagrams``, and, up to single precision, of ripser.

print("bars", len(nt.persistence_diagrams(X, "euclidean")[1]))
print(f"distance to ripser {bottleneck_distance(ripser(X)['dgms'][1], h1):.1e}")

# %%
# A cycle gives the bar a size in the units of the data, and a place: here the middle of its points.

for cycle in cycles[:2]:
    (loop,) = cycle.loops
    there = X[loop]
    length = np.linalg.norm(there - np.roll(there, 1, axis=0), axis=1).sum()
    print(f"middle {there.mean(axis=0).round(1)}, length {length:.1f}")
