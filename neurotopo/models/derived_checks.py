"""Checks of a derived family row: its passes against plain forward passes with plain hooks."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn

from neurotopo.models.baseline_values import sentence_values, shared_values
from neurotopo.models.edits import Edit
from neurotopo.models.evaluation import evaluating, upcast_half
from neurotopo.models.families import Family
from neurotopo.models.passes import PassSettings, Query, log_probabilities, prefix_cache
from neurotopo.models.path_gradients import line_points, without_training
from neurotopo.models.path_layouts import (
    LONGEST_BLOCK,
    Blocks,
    FixedRows,
    JoiningRows,
    Layout,
    Piece,
)
from neurotopo.models.path_waves import Line
from neurotopo.models.projections import MLP, find_mlps
from neurotopo.models.row_edits import RowEdits
from neurotopo.neurons import NeuronSet

__all__ = ["ERRORS", "HALF", "check_passes", "checked_offset", "failure", "joins_rows"]

# of a model that does not run as the checks assume
ERRORS = (RuntimeError, ValueError, IndexError, KeyError, TypeError, AttributeError)

_N_TOKENS, _N_PREFIX = 9, 6
_WINDOWS = ("sliding_window", "window_size")  # of which attribution knows
_NO_WINDOWS = ("use_sliding_window", "max_window_layers", "_sliding_window_pattern")
HALF = (torch.float16, torch.bfloat16)


def failure(error: Exception) -> str:
    """Return the sentence for a check that ended in an error."""
    text = " ".join(str(error).split()).rstrip(".")
    return (
        "a forward pass does not run as the checks need it: with rows that are added, or with the "
        f"keys and values of a prefix ({type(error).__name__}: {text})"
    )


def checked_offset(norm: nn.Module, width: int) -> float | None:
    """Return the difference of a norm's gain and its stored weight; None for an unknown norm."""
    weight: torch.Tensor | None = getattr(norm, "weight", None)
    like = weight if weight is not None else next(norm.parameters(), None)
    if weight is not None and weight.shape != (width,):
        return None
    generator = torch.Generator().manual_seed(0)
    x = 100 * torch.randn(4, width, generator=generator)
    x = x.to(like.device, like.dtype) if like is not None else x
    with evaluating(norm):
        y = upcast_half(norm(x)) - upcast_half(norm(torch.zeros_like(x)))
    x = upcast_half(x)
    stored = torch.ones(width) if weight is None else upcast_half(weight.detach())
    centred = x - x.mean(dim=1, keepdim=True)
    tolerance = 2e-2 if like is not None and like.dtype in HALF else 1e-3
    for numbers in (x, centred):
        unit = numbers / numbers.square().mean(dim=1, keepdim=True).sqrt()
        for offset in (0.0, 1.0):
            expected = unit * (stored.to(unit) + offset)
            if bool((y - expected).abs().max() <= tolerance * max(1e-6, float(y.abs().max()))):
                return offset
    return None


def _settings(hf_model: Any, row: Family, *, joins: bool) -> PassSettings:
    return PassSettings(hf_model, find_mlps(hf_model, row), row.kind == "causal", 0, None, joins)


def _tokens(hf_model: Any) -> tuple[int, ...]:
    vocabulary = hf_model.get_input_embeddings().weight.shape[0]
    generator = torch.Generator().manual_seed(3)
    return tuple(torch.randint(vocabulary, (_N_TOKENS,), generator=generator).tolist())


def _query(hf_model: Any) -> Query:
    """Return random tokens; the last three positions predict random targets."""
    ids = _tokens(hf_model)
    return Query(ids, tuple(range(_N_PREFIX, _N_TOKENS)), ids[: _N_TOKENS - _N_PREFIX])


def _some_layers(mlps: Sequence[MLP]) -> list[int]:
    return sorted({0, len(mlps) // 2, len(mlps) - 1})


def _edits(mlps: Sequence[MLP]) -> list[list[Edit]]:
    """Return an edit of values and one of weights, in the first, a middle and the last layer."""
    half = [(i, n) for i in _some_layers(mlps) for n in range(0, mlps[0].up.n_neurons, 2)]
    third, rest = NeuronSet(half[::3]), NeuronSet(half[1::2])
    return [[Edit(NeuronSet(half))], [Edit(third, 2.0, where="weights")], [Edit(rest, -1.0)]]


def _plain(settings: PassSettings, query: Query, edits: Sequence[Edit]) -> float:
    """Return the log-probability of the targets in a plain forward pass with plain hooks."""

    def scaled(x: torch.Tensor, edit: Edit, layer: int, entries: Any) -> torch.Tensor:
        chosen = edit.neurons.by_layer().get(layer)
        if chosen is None:
            return x
        x = x.clone()
        x[..., entries(torch.tensor(chosen))] *= edit.scale
        return x

    def before(layer: int, mlp: MLP) -> Any:
        def hook(module: Any, args: Any) -> Any:
            x = args[0]
            for edit in edits:
                x = scaled(x, edit, layer, mlp.out.entries)
            return (x, *args[1:])

        return hook

    def after(layer: int, projection: Any) -> Any:
        def hook(module: Any, args: Any, output: Any) -> Any:
            for edit in edits:
                if edit.where == "weights":
                    output = scaled(output, edit, layer, projection.entries)
            return output

        return hook

    with ExitStack() as hooks, evaluating(settings.hf_model):
        for layer, mlp in enumerate(settings.mlps):
            handle = mlp.out.module.register_forward_pre_hook(before(layer, mlp))
            hooks.callback(handle.remove)
            for projection in mlp.in_projections:
                handle = projection.module.register_forward_hook(after(layer, projection))
                hooks.callback(handle.remove)
        ids = torch.tensor([query.ids], device=settings.device)
        logits = settings.hf_model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0]
    log_p = upcast_half(logits[list(query.positions)]).log_softmax(dim=-1)
    return float(sum(log_p[i, target] for i, target in enumerate(query.targets)))


def _tolerance(settings: PassSettings) -> float:
    return 0.2 if settings.mlps[0].up.weight.dtype in HALF else 2e-3


def check_passes(hf_model: Any, row: Family) -> str | None:
    """Compare edits and gradients with plain forward passes; return the reason of a failure."""
    try:
        return _difference(hf_model, row)
    except ERRORS as error:
        return failure(error)


def _difference(hf_model: Any, row: Family) -> str | None:
    settings = _settings(hf_model, row, joins=False)
    query, edits = _query(hf_model), [[], *_edits(settings.mlps)]
    expected = [_plain(settings, query, some) for some in edits]
    queries = [Query(query.ids, query.positions, query.targets, i) for i in range(len(edits))]
    found = log_probabilities(settings, queries, RowEdits([tuple(some) for some in edits]))
    limit = _tolerance(settings)
    for some, ours, theirs in zip(edits, found, expected, strict=True):
        if not abs(ours - theirs) <= limit * max(1.0, abs(theirs)):
            what = some[0].where if some else "nothing"
            return (
                f"an edit of {what} gives the log-probability {ours:.6g}, plain hooks {theirs:.6g}"
            )
    if max(abs(each - expected[0]) for each in expected[1:]) < 1e-6:
        return "suppressing half of the neurons of three layers changes nothing"
    gradients = _gradients(settings, FixedRows)[_some_layers(settings.mlps)]
    plain = _plain_gradients(settings)
    if not _close(gradients, plain, limit):
        return "gradients of the values are not those of a plain forward pass"
    return None


def _line(settings: PassSettings, layout: type[Layout]) -> tuple[Piece, Line, Any]:
    query = _query(settings.hf_model)
    keys: Any = None
    prefix = query.ids[:_N_PREFIX] if settings.causal else ()
    if layout is Blocks:
        ends, _, keys = shared_values(settings, [query.ids], [()], 0, query.positions)
        keys = keys.prefixes([0], len(prefix))
    else:
        ends = sentence_values(settings, [query.ids], query.positions)
        keys = prefix_cache(settings, prefix)
    start = len(prefix)
    positions = tuple(p - start for p in query.positions)
    piece = Piece(query.ids[start:], positions, positions, query.targets)
    return piece, Line(torch.zeros_like(ends[0]), ends[0]), keys


def _gradients(settings: PassSettings, layout: type[Layout]) -> torch.Tensor:
    """Return gradients with respect to half of each layer's values."""
    with without_training(settings.hf_model):
        with torch.no_grad():
            piece, line, keys = _line(settings, layout)
        fractions = torch.tensor([0.5], dtype=line.end.dtype)
        (points,) = line_points(settings, [piece], [line], fractions, layout=layout, keys=keys)
    return points.gradient[:, 0]


def _plain_gradients(settings: PassSettings) -> torch.Tensor:
    """Return the same for some layers, each from a plain forward pass."""
    query = _query(settings.hf_model)
    with torch.no_grad():
        values = sentence_values(settings, [query.ids], query.positions)[0]
    result = []
    ids = torch.tensor([query.ids], device=settings.device)
    with without_training(settings.hf_model):
        for layer in _some_layers(settings.mlps):
            mlp, end = settings.mlps[layer], values[layer]
            leaf = (0.5 * end).to(mlp.out.weight.dtype).requires_grad_(True)

            def hook(module: Any, args: Any, leaf: torch.Tensor = leaf) -> Any:
                x = args[0].clone()
                x.reshape(_N_TOKENS, -1)[list(query.positions)] = leaf.to(x.device)
                return (x, *args[1:])

            handle = mlp.out.module.register_forward_pre_hook(hook)
            try:
                logits = settings.hf_model(
                    input_ids=ids, attention_mask=torch.ones_like(ids)
                ).logits
            finally:
                handle.remove()
            log_p = upcast_half(logits[0][list(query.positions)]).log_softmax(dim=-1)
            total = log_p[range(len(query.targets)), list(query.targets)].sum()
            (gradient,) = torch.autograd.grad(total, [leaf])
            result.append(upcast_half(gradient))
    return torch.stack(result)


def _close(a: torch.Tensor, b: torch.Tensor, limit: float) -> bool:
    return a.shape == b.shape and bool((a - b).abs().max() <= limit * b.abs().max())


def joins_rows(hf_model: Any, row: Family) -> bool:
    """Return whether rows may join a batch at a later layer, by trial.

    A window of attention under an unknown name counts as a no.
    """
    config = getattr(hf_model.config, "text_config", None) or hf_model.config
    words = ("window", "local_att", "chunk")
    windows = {
        name
        for name, value in vars(config).items()
        if value and any(word in name for word in words) and name not in _NO_WINDOWS
    }
    if row.kind == "causal" and not windows <= {*_WINDOWS}:
        return False
    # AMIG uses no blocks if a window is narrower than their sequences
    layouts: list[type[Layout]] = [JoiningRows]
    if row.kind == "causal" and all(getattr(config, name) > 2 * LONGEST_BLOCK for name in windows):
        layouts.append(Blocks)
    settings = _settings(hf_model, row, joins=True)
    query, edits = _query(hf_model), [[], *_edits(settings.mlps)]
    queries = [Query(query.ids, query.positions, query.targets, i) for i in range(len(edits))]
    rows = RowEdits([tuple(some) for some in edits])
    try:
        found = log_probabilities(settings, queries, rows)
        gradients = [_gradients(settings, layout) for layout in layouts]
    except ERRORS:
        return False  # a model that fixes the number of rows fails in its own way
    apart = _settings(hf_model, row, joins=False)
    expected = log_probabilities(apart, queries, rows)
    limit = _tolerance(settings)
    fixed = _gradients(apart, FixedRows)
    return bool((abs(found - expected) <= limit * abs(expected).clip(1.0)).all()) and all(
        _close(each, fixed, limit) for each in gradients
    )
