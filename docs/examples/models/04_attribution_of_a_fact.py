"""The neurons that carry a fact
=============================

AMIG attributes the probability of an answer to all neurons of a model. The plot shows all scores
by layer, with the highest marked; suppressing these neurons measures their effect.
"""

# %%
# A fact from the training data of the small model ``testbed:gpt2``.

import numpy as np

import neurotopo as nt
from neurotopo.plots.attribution import AttributionDisplay
from neurotopo.testbed import make_world

model = nt.load_model("testbed:gpt2", device="cpu")
fact = make_world().core_facts("en").filter(relation="P54")[3]
print(fact.prompt, "->", fact.answers[0], f"({model.answer_probability(fact):.3f})")

# %%
# The scores of a layer add up to the change of the probability along the path; the remaining gap
# measures the error of the integration.

amig = nt.AMIG.fast()
attribution = amig.attribute(model, fact)
neurons = attribution.neurons(threshold=0.2)
print(f"{len(neurons)} neurons, largest gap {attribution.relative_gap:.1e}")
display = AttributionDisplay.from_attribution(attribution, neurons=neurons)
display.figure_.set_size_inches(8, 4)

# %%
# Three suppressions: these neurons, as many random ones, and the same neurons with another fact. A
# natural model has no single place for a fact: the answer mostly survives.

rng = np.random.default_rng(0)
everything = [(layer, i) for layer in range(model.n_layers) for i in range(model.n_neurons)]
chosen = rng.choice(len(everything), size=len(neurons), replace=False)
random = nt.NeuronSet([everything[i] for i in chosen])
other = make_world().core_facts("en").filter(relation="capital")[0]
for name, asked, edited in (
    ("its own neurons", fact, neurons),
    ("random neurons", fact, random),
    ("its neurons, another fact", other, neurons),
):
    before, after = model.answer_probability(asked, edits=[None, nt.Edit(edited)])
    print(f"{name:26} {before:.3f} -> {after:.3f}")
