"""Edits by plain hooks and a whole forward pass for every answer, written from their definition."""

from __future__ import annotations

from contextlib import ExitStack

import torch

from tests.support.slow_attribution import sentences_of


def tokens_of(edit, n_tokens, positions, n_prompt, first):
    """Yield (token, column of its values) for every token that an edit changes."""
    n_columns = edit.columns.shape[1] if edit.value is not None else 1
    own = edit.value is not None and edit.columns.shape[1:] and isinstance(edit.value, tuple)
    own = own and isinstance(edit.value[0], tuple)
    if edit.positions == "all":
        yield from ((t, t if own else 0) for t in range(n_columns if own else n_tokens))
    elif edit.positions == "last":
        for i, token in enumerate(positions, start=first):
            if not own or i < n_columns:
                yield token, i if own else 0
    else:
        for i, position in enumerate(edit.positions):
            yield (position if position >= 0 else n_prompt + position), i if own else 0


def edited(x, edit, layer, *place):
    """Return the values of a layer, (n_tokens, n_neurons), under one edit."""
    x = x.clone()
    for token, column in tokens_of(edit, len(x), *place):
        for row, (at, index) in enumerate(edit.neurons):
            if at == layer and edit.value is None:
                x[token, index] *= edit.scale
            elif at == layer:
                x[token, index] = float(edit.columns[row, column])
    return x


def one_forward(model, fact, edits):
    """Return the log-probability of the best answer."""
    by_weights = [edit for edit in edits if edit.where == "weights"]
    ordered = [*(edit for edit in edits if edit.where == "values"), *by_weights]

    def log_p(ids, positions, targets, first):
        place = (positions, positions[0] + 1 if model.is_causal else len(ids), first)

        def before_out(module, args, layer):
            x = args[0].reshape(len(ids), -1)
            for edit in ordered:
                x = edited(x, edit, layer, *place)
            return (x.reshape(args[0].shape), *args[1:])

        def after_in(module, args, output, layer, projection):
            output = output.clone()
            x = projection.output(output.reshape(len(ids), -1))
            for edit in by_weights:
                x[:] = edited(x, edit, layer, *place)
            return output

        with ExitStack() as hooks, torch.no_grad():
            for layer, mlp in enumerate(model.mlps):
                handle = mlp.out.module.register_forward_pre_hook(
                    lambda m, a, layer=layer: before_out(m, a, layer)
                )
                hooks.callback(handle.remove)
                for projection in mlp.in_projections:
                    handle = projection.module.register_forward_hook(
                        lambda m, a, o, layer=layer, p=projection: after_in(m, a, o, layer, p)
                    )
                    hooks.callback(handle.remove)
            logits = model.hf_model(input_ids=torch.tensor([ids])).logits[0, positions]
        return float(logits.double().log_softmax(1)[range(len(targets)), targets].sum())

    return max(
        sum(
            log_p(*sentence[:3], first)
            for first, sentence in enumerate(sentences_of(model, fact, answer, False))
        )
        for answer in model.encode(fact).answers
    )
