"""Degenerate or not: a suppression curve and its control
======================================================

Degenerate components have a curve that stays low and jumps when the last of them is suppressed.
Other groups of neurons show such a jump too, to some extent: a curve means little without the
curve of random groups.
"""

# %%
# A fact that ``testbed:planted`` knows well; each of three groups of its neurons gives the answer
# alone. First the true groups, and as a control the same neurons split at random into groups of
# the same sizes.

import matplotlib.pyplot as plt
import numpy as np

import neurotopo as nt
from neurotopo.plots.suppression import SuppressionDisplay
from neurotopo.testbed import make_world


def shuffled_groups(groups, rng):
    """Split the neurons of groups at random into groups of the same sizes."""
    everything = [pair for group in groups for pair in group]
    order = rng.permutation(len(everything))
    ends = np.cumsum([len(group) for group in groups])[:-1]
    return [nt.NeuronSet([everything[i] for i in part]) for part in np.split(order, ends)]


model = nt.load_model("testbed:planted", device="cpu")
facts = make_world().core_facts("en").filter(relation="P54")
fact = next(fact for fact in facts if model.answer_probability(fact) > 0.95)
finder = nt.DKNFinder(criterion="active", tau2=0.0)  # keep all groups: the curve is what counts
rng = np.random.default_rng(0)
true = finder.evaluate(model, fact, model.planted_groups)
chance = [
    finder.evaluate(model, fact, shuffled_groups(model.planted_groups, rng)).curve for _ in range(5)
]
chance = np.mean(chance, axis=0)
print("true groups  ", np.round(100 * true.curve, 1), "per cent lost")
print("random groups", np.round(100 * chance, 1))

# %%
# The same for the result of the method: the knowledge neurons of this fact, clustered by NTC.

neurons = nt.AMIG.fast(rule="top", scope="layer", threshold=12).locate(model, fact)
dkn = nt.DKNFinder(tau2=0.0).find(model, fact, neurons)
shuffled = [
    finder.evaluate(model, fact, shuffled_groups(dkn.components, rng)).curve for _ in range(5)
]
shuffled = np.mean(shuffled, axis=0)
print("clusters     ", np.round(100 * dkn.curve, 1), "per cent lost")
print("random groups", np.round(100 * shuffled, 1))

figure, (left, right) = plt.subplots(1, 2, figsize=(10, 4), sharey=True)
SuppressionDisplay.from_dkn(true, controls={"random": chance}, ax=left)
SuppressionDisplay.from_dkn(dkn, controls={"random": shuffled}, ax=right)
left.set_title("planted groups")
right.set_title("clusters of knowledge neurons")

# %%
# One fact proves nothing. The study ``acquisition`` tests *over many facts* whether the curves of
# clusters jump more than those of random groups.
