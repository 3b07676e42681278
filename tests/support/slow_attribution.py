"""Integrated gradients written straight from the formula: one layer, one point, one forward."""

from __future__ import annotations

import numpy as np
import torch


def nodes_and_weights(rule, n):
    """The integration rules, written out again."""
    if rule == "right":
        return [k / n for k in range(1, n + 1)], [1 / n] * n
    if rule == "left":
        return [k / n for k in range(n)], [1 / n] * n
    if rule == "midpoint":
        return [(k + 0.5) / n for k in range(n)], [1 / n] * n
    if rule == "trapezoid":
        return [k / n for k in range(n + 1)], [0.5 / n] + [1 / n] * (n - 1) + [0.5 / n]
    x, w = np.polynomial.legendre.leggauss(n)
    return list((x + 1) / 2), list(w / 2)


def sentences_of(model, fact, answer, first_only):
    """(ids, positions, targets, places) of each sentence that predicts tokens of the answer."""
    encoding = model.encode(fact)
    special = set(model.tokenizer.all_special_ids)
    if model.is_causal:
        answer = answer[:1] if first_only else answer
        ids = [*encoding.prompt, *answer[:-1]]
        first = len(encoding.prompt) - 1
        places = [i for i, token in enumerate(encoding.prompt) if token not in special]
        return [(ids, list(range(first, len(ids))), list(answer), places)]
    rows = []
    for i, token in enumerate(answer[:1] if first_only else answer):
        masks = [encoding.mask] * (len(answer) - i)
        ids = [*encoding.before, *answer[:i], *masks, *encoding.after]
        outside = set(range(len(encoding.before))) | set(
            range(len(ids) - len(encoding.after), len(ids))
        )
        places = [j for j in sorted(outside) if ids[j] not in special]
        rows.append((ids, [len(encoding.before) + i], [token], places))
    return rows


def run(model, ids, layer=None, positions=(), values=None):
    """One plain forward of one sentence; the values of a layer caught, or replaced."""
    caught = {}

    def catch(module, args, layer):
        caught[layer] = args[0].reshape(len(ids), -1)

    def replace(module, args):
        x = args[0].reshape(len(ids), -1).clone()
        x[positions] = values
        return (x.reshape(args[0].shape), *args[1:])

    handles = [
        mlp.out.module.register_forward_pre_hook(lambda m, a, n=n: catch(m, a, n))
        for n, mlp in enumerate(model.mlps)
    ]
    if layer is not None:
        handles.append(model.mlps[layer].out.module.register_forward_pre_hook(replace))
    logits = model.hf_model(input_ids=torch.tensor([ids])).logits[0]
    for handle in handles:
        handle.remove()
    return logits, caught


def slow_attribution(
    model,
    fact,
    answer,
    *,
    steps,
    baseline,
    quadrature,
    target,
    replacement,
    positions=None,
    foils=(),
):
    """Scores of all neurons, (n_layers, n_neurons): no cache, no batch, no sharing.

    ``positions`` are the tokens with a score, those that predict the answer by default; ``foils``
    are tokens, for ``target="contrast"``; an array as ``baseline`` has the start of the paths.
    """
    nodes, weights = nodes_and_weights(quadrature, steps)
    first_only = target in ("first", "contrast")
    sentences = [
        (ids, reads if positions is None else positions(ids), reads, targets, places)
        for ids, reads, targets, places in sentences_of(model, fact, answer, first_only)
    ]
    scores = np.zeros((model.n_layers, model.n_neurons))
    for layer in range(model.n_layers):
        ends, starts = [], []
        for ids, at, _, _, places in sentences:
            with torch.no_grad():
                ends.append(run(model, ids)[1][layer][at])
                if isinstance(baseline, np.ndarray):
                    starts.append([torch.from_numpy(baseline[layer]).expand_as(ends[-1])])
                    continue
                if baseline == "zero":
                    starts.append([torch.zeros_like(ends[-1])])
                    continue
                found = []
                for place in places:
                    changed = [*ids[:place], replacement, *ids[place + 1 :]]
                    found.append(run(model, changed)[1][layer][at])
                starts.append([sum(found) / len(found)] if baseline == "mean" else found)
        for path in range(len(starts[0])):
            for node, weight in zip(nodes, weights, strict=True):
                points, total = [], torch.zeros((), dtype=torch.float64)
                for (ids, at, reads, targets, _), end, start in zip(
                    sentences, ends, starts, strict=True
                ):
                    point = (start[path] + node * (end - start[path])).detach().requires_grad_()
                    logits, _ = run(model, ids, layer, at, point)
                    log_p = logits[reads].double().log_softmax(dim=1)
                    total = total + sum(log_p[i, token] for i, token in enumerate(targets))
                    if foils:
                        total = total - log_p[0, list(foils)].exp().mean().log()
                    points.append(point)
                value = total if target in ("log", "contrast") else total.exp()
                gradients = torch.autograd.grad(value, points)
                for gradient, end, start in zip(gradients, ends, starts, strict=True):
                    change = (end - start[path]).double() * gradient.double()
                    scores[layer] += weight * change.sum(dim=0).detach().numpy()
    return scores
