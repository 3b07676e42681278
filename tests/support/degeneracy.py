"""A network small enough to compute by hand."""

from __future__ import annotations

import math

import numpy as np
import torch

from neurotopo import Fact, NeuronSet

FACT = Fact("The capital of France is _X_", "Paris")


# A network of three layers, drawn on paper: three groups, 10 within and 0.1 between them.
GROUPS = [
    NeuronSet([(0, 0), (1, 0)]),
    NeuronSet([(1, 1), (2, 1)]),
    NeuronSet([(0, 2), (1, 2), (2, 2)]),
]
ALL = NeuronSet(pair for group in GROUPS for pair in group)
BY_INTACT = (0.08, 0.64, 0.72, 0.8)


class Toy:
    """Neuron i writes to and reads from direction i; the answer depends on the intact groups."""

    n_layers, n_neurons = 3, 4

    def __init__(self, groups=GROUPS, by_intact=BY_INTACT, between=0.1):
        self.groups, self.by_intact, self.between = groups, by_intact, between
        self.calls = []

    def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
        return np.eye(4)[indices]

    def out_rows(self, layer, indices=None):
        return (np.full((4, 4), self.between) + (10 - self.between) * np.eye(4))[indices]

    def answer_probability(self, fact, edits=None, *, reduce="best", log=False):
        self.calls.append([edit.neurons for edit in edits])
        assert all(edit.scale == 0 for edit in edits)
        return np.array([self.probability(edit.neurons) for edit in edits])

    def probability(self, suppressed):
        return self.by_intact[sum(group.isdisjoint(suppressed) for group in self.groups)]


def impossible(model):
    """Make every answer but the padding impossible: logits of -inf."""

    def hook(module, args, output):
        output.logits[..., 1:] = -math.inf
        return output

    model.hf_model.register_forward_hook(hook)
    return model


def with_nan(model):
    """Set one weight of a GPT-2 model to nan."""
    with torch.no_grad():
        model.hf_model.transformer.h[1].mlp.c_proj.weight[3, 0] = math.nan
    return model
