"""A neuron graph as the radius grows
==================================

The four neurons of the paper's Figure 2, and then the neurons of a model with three planted
groups.
"""

# %%
# Four neurons. *a* and *b* are joined first, then *c*, and *d* much later: the cluster {a, b, c}
# exists over the longest range of radii.

import matplotlib.pyplot as plt
import numpy as np

import neurotopo as nt
from neurotopo.plots import GraphDisplay, GrowthDisplay, MergeTreeDisplay

points = np.array([[0.0, 0.0], [1.0, 0.0], [1.6, 1.4], [4.6, -0.4]])
clusterer = nt.NTCClusterer.paper().fit(points)
print("chosen:", ["".join("abcd"[i] for i in members) for members in clusterer.clusters_])
display = GrowthDisplay.from_estimator(clusterer, radii=[0.0, 1.0, 1.53, 3.63])
display.figure_.set_size_inches(9, 2.8)

# %%
# ``testbed:planted`` is a small language model in which each of three groups of neurons gives the
# answers alone. The neurons of a group are connected; the clusterer sees only the weights.

model = nt.load_model("testbed:planted", device="cpu")
few = [pair for group in model.planted_groups for pair in list(group)[::16]]
neurons = nt.NeuronSet(few)
graph = nt.NeuronGraph.from_model(model, neurons)
ntc = nt.NTCClusterer.paper(metric="precomputed")
ntc.fit(graph.clustering_input(), strata=graph.layers)
for members in ntc.clusters_:
    groups = [
        [pair in group for group in model.planted_groups].index(True) for pair in neurons[members]
    ]
    print(len(members), "neurons, of the planted groups", sorted(set(groups)))

figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4.2))
GraphDisplay.from_estimator(ntc, strata=graph.layers, ax=left, legend=False)
MergeTreeDisplay.from_estimator(ntc, ax=right)
right.set_xticks([])
