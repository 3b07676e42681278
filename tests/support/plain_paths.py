"""Direct effects by hand: what an edited MLP adds, carried to the head by skip connections."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from neurotopo import Edit

# The norms between the last layer and the logits, by family.
FINAL_NORMS = (
    *("transformer.ln_f", "model.norm", "model.final_layernorm", "model.final_norm"),
    *("gpt_neox.final_layer_norm", "model.decoder.final_layer_norm", "head.norm"),
    *("cls.predictions.transform.LayerNorm", "vocab_layer_norm", "lm_head.layer_norm"),
    *("generator_predictions.LayerNorm",),
)


def hidden(output):
    """Return the hidden states of a layer."""
    return output[0] if isinstance(output, tuple) else output


def is_norm(module):
    """Whether a module of the families in tests is a norm."""
    name = type(module).__name__
    return "Norm" in name and not list(module.children())


class FrozenNorm:
    """A norm with the scale that it has on one input: an affine function of its input."""

    def __init__(self, module, x):
        x, self.bias = x.double(), module(torch.zeros_like(x)).double()
        ones = torch.full_like(x, 3.0)
        self.centred = bool(torch.allclose(module(ones).double(), self.bias, atol=1e-6))
        self.factor = (module(x.to(x.dtype)).double() - self.bias) / self.centre(x)

    def centre(self, x):
        """Subtract the mean if the norm does."""
        return x - x.mean(-1, keepdim=True) if self.centred else x

    def change(self, difference):
        """Return the change of the output for a change of the input."""
        return self.centre(difference) * self.factor

    def __call__(self, x):
        """Return the output."""
        return self.bias + self.change(x)


def forward(model, ids, edits, at, record=None, replace=None):
    """Run a plain forward pass with edits of the values at one token; record inputs and outputs.

    ``record`` is filled with (module, inputs, output) of every module, in the order of the calls.
    ``replace`` are functions from (input, output) to the output of a module.
    """
    with ExitStack() as hooks, torch.no_grad():

        def before_out(module, args, layer):
            x = args[0].clone().reshape(len(ids), -1)
            for edit in edits:
                for row, (at_layer, index) in enumerate(edit.neurons):
                    if at_layer == layer:
                        changed = x[at, index] * edit.scale
                        x[at, index] = changed if edit.value is None else edit.columns[row, 0]
            return (x.reshape(args[0].shape), *args[1:])

        def after(module, args, output):
            if replace and module in replace:
                output = replace[module](args[0], output)
            if record is not None and args:
                record.append((module, args[0], output))
            return output

        for module in model.hf_model.modules():
            hooks.callback(module.register_forward_hook(after).remove)
        for layer, mlp in enumerate(model.mlps):
            hook = mlp.out.module.register_forward_pre_hook(
                lambda module, args, layer=layer: before_out(module, args, layer)
            )
            hooks.callback(hook.remove)
        logits = model.hf_model(input_ids=torch.tensor([ids])).logits
    return logits[0, at].double().log_softmax(0)


def final_norms(model):
    """Return the norms between the last layer and the logits."""
    modules = dict(model.hf_model.named_modules())
    return [modules[path] for path in FINAL_NORMS if path in modules]


def frozen_head(model, clean):
    """Return functions that give the final norms the scale of a clean pass."""
    inputs = {module: x for module, x, _ in clean}
    frozen = {module: FrozenNorm(module, inputs[module]) for module in final_norms(model)}
    return {
        module: lambda x, out, norm=norm: norm(x.double()).to(out.dtype)
        for module, norm in frozen.items()
    }


def of_layer(edit, layer):
    """Return the part of an edit that is of one layer; None if there is none."""
    here = edit.neurons.layers == layer
    value = None if edit.value is None else edit.columns[here]
    if not here.any():
        return None
    return Edit(edit.neurons[here], edit.scale, positions="last", value=value)


def direct(model, ids, at, edits, post_norm):
    """Return log-probabilities of all tokens with only the direct effects of edits of values.

    The changes of the edited MLPs reach the last hidden states unchanged, or through the norms of
    later layers with the scales of the clean pass (``post_norm``).
    """
    clean: list = []
    forward(model, ids, [], at, clean)
    layers = [mlp.layer for mlp in model.mlps]
    total = torch.zeros(())
    for number, mlp in enumerate(model.mlps):
        own = [part for edit in edits if (part := of_layer(edit, number)) is not None]
        if not own:
            continue
        record: list = []
        forward(model, ids, own, at, record)
        watched = mlp.out.module if post_norm else mlp.layer
        before, after = (
            next(hidden(out) for module, _, out in calls if module is watched)
            for calls in (clean, record)
        )
        change = (after - before).double()
        if post_norm:
            change = change.reshape(1, len(ids), -1)
            calls = [module for module, _, _ in clean]
            start, end = calls.index(mlp.out.module), calls.index(layers[-1])
            for module, x, _ in clean[start:end]:
                if is_norm(module):
                    change = FrozenNorm(module, x.reshape(1, len(ids), -1)).change(change)
        total = total + change

    def last(x, output):
        changed = (hidden(output).double() + total).to(hidden(output).dtype)
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    return forward(model, ids, [], at, replace={layers[-1]: last, **frozen_head(model, clean)})


def frozen(model, ids, at, edits, post_norm):
    """Return log-probabilities of all tokens under edits with the last norms' scales unchanged."""
    clean: list = []
    forward(model, ids, [], at, clean)
    replace = frozen_head(model, clean)
    if post_norm:  # the last layer ends with a norm
        calls = [module for module, _, _ in clean]
        of_last = clean[calls.index(model.mlps[-1].out.module) : calls.index(model.mlps[-1].layer)]
        for module, x, _ in of_last:
            if is_norm(module):
                norm = FrozenNorm(module, x)
                replace[module] = lambda x, out, norm=norm: norm(x.double()).to(out.dtype)
    return forward(model, ids, edits, at, replace=replace)
