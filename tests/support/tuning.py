"""What the tests of tuning share: batches, losses, and a model trained densely with a mask."""

from __future__ import annotations

import torch

from neurotopo import NeuronModel, NeuronSet
from neurotopo.models.examples import random_model

KINDS = ["gpt2", "llama"]
NEURONS = NeuronSet([(0, 3), (0, 7), (2, 0), (2, 5), (2, 23)])


def small(kind="gpt2", seed=0, dropout=0.0, dtype=torch.float32) -> NeuronModel:
    model = random_model(kind, seed=seed)
    for module in model.hf_model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = dropout
    with torch.no_grad():  # biases of a new model are zero
        for mlp in model.mlps:
            for projection in (*mlp.in_projections, mlp.out):
                if projection.bias is not None:
                    projection.bias.normal_(0.0, 0.2, generator=torch.Generator().manual_seed(seed))
    model.hf_model.to(dtype)
    return model


def batch(model: NeuronModel, seed=0, shape=(2, 6)) -> torch.Tensor:
    size = model.hf_model.get_input_embeddings().weight.shape[0]
    return torch.randint(4, size, shape, generator=torch.Generator().manual_seed(seed))


def loss_of(model: NeuronModel, tokens: torch.Tensor) -> torch.Tensor:
    return model.hf_model(input_ids=tokens, labels=tokens).loss


def logits_of(model: NeuronModel, tokens: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return model.hf_model(input_ids=tokens).logits


def bits(model: NeuronModel) -> dict[str, torch.Tensor]:
    return {name: each.clone() for name, each in model.hf_model.state_dict().items()}


def same_bits(left, right) -> bool:
    return list(left) == list(right) and all(
        torch.equal(_as_bytes(left[name]), _as_bytes(right[name])) for name in left
    )


def _as_bytes(tensor):
    # compared as bytes, for a zero and a negative zero are equal as numbers
    return tensor.detach().contiguous().reshape(-1).view(torch.uint8)


def outside(model: NeuronModel, state, neurons=NEURONS, bias=True):
    """Return a state in which the rows that may change are zero."""
    state = {name: each.clone() for name, each in state.items()}
    for layer, indices in neurons.by_layer().items():
        mlp = model.mlps[layer]
        index = torch.tensor(indices)
        for projection in (*mlp.in_projections, mlp.out):
            at = projection.entries(index)
            state[f"{projection.name}.weight"].index_fill_(projection.neuron_axis, at, 0)
        for projection in mlp.in_projections:
            if bias and projection.bias is not None:
                state[f"{projection.name}.bias"].index_fill_(0, projection.entries(index), 0)
    return state


def masks(model: NeuronModel, neurons=NEURONS) -> dict[str, torch.Tensor]:
    """Return 1 where a parameter may change and 0 elsewhere, by name."""
    ones = {name: torch.ones_like(each) for name, each in model.hf_model.named_parameters()}
    zeroed = outside(model, ones, neurons)
    return {name: ones[name] - zeroed[name] for name in ones}


def rows_of(tuner) -> dict[str, torch.Tensor]:
    """Return the rows that the matrices of a tuner's model hold now, named as in state()."""
    result = {}
    for layer, indices in tuner.neurons.by_layer().items():
        mlp = tuner.model.mlps[layer]
        for word, projection in (("up", mlp.up), ("gate", mlp.gate), ("out", mlp.out)):
            if projection is None:
                continue
            index = torch.tensor(indices)
            result[f"layer_{layer}.{word}.weight"] = projection.rows(index)
            if word != "out" and projection.bias is not None:
                result[f"layer_{layer}.{word}.bias"] = projection.bias.detach()[index]
    return result


def train(model, parameters, steps, make=None, **kwargs) -> torch.optim.Optimizer:
    make = make or torch.optim.AdamW
    optimizer = make(list(parameters), **(kwargs or {"lr": 0.01, "weight_decay": 0.1}))
    for step in range(steps):
        loss_of(model, batch(model, step)).backward()
        optimizer.step()
        optimizer.zero_grad()
    return optimizer
