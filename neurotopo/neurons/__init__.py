"""Sets of neurons, and files of them."""

from neurotopo.neurons.groups import load_groups, save_groups
from neurotopo.neurons.neuron_set import NeuronSet

__all__ = ["NeuronSet", "load_groups", "save_groups"]
