"""Derivation of a family row from the modules of a model, checked against plain forward passes.

The layers are the one list of modules whose members all hold an MLP under names in common use. A
forward pass with scaled outputs of the in-projections tells the gate from the up-projection
without knowledge of the nonlinearity: the value of a neuron is linear in the output of ``up`` only.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import Any, get_args

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from neurotopo.models.derived_checks import (
    ERRORS,
    HALF,
    check_passes,
    checked_offset,
    failure,
    joins_rows,
)
from neurotopo.models.evaluation import evaluating, upcast_half
from neurotopo.models.families import kind_of
from neurotopo.models.family import Family, Fused, Kind, UnsupportedModelError

__all__ = ["derive_family"]

logger = logging.getLogger(__name__)

# up, gate and out-projection of a module; without a gate, ``up`` may be fused
_NAMES: tuple[tuple[str, str | None, str], ...] = (
    ("up_proj", "gate_proj", "down_proj"),
    ("w3", "w1", "w2"),
    ("c_fc_1", "c_fc_0", "c_proj"),
    ("wi_1", "wi_0", "wo"),
    ("up_proj", None, "down_proj"),
    ("gate_up_proj", None, "down_proj"),
    ("input_linear", None, "output_linear"),
    ("fc1", None, "fc2"),
    ("c_fc", None, "c_proj"),
    ("fc_in", None, "fc_out"),
    ("dense_h_to_4h", None, "dense_4h_to_h"),
    ("intermediate.dense", None, "output.dense"),
    ("lin1", None, "lin2"),
    ("linear1", None, "linear2"),
    ("linear_1", None, "linear_2"),
    ("dense1", None, "dense2"),
    ("w1", None, "w2"),
    ("wi", None, "wo"),
    ("Wi", None, "Wo"),
)
_REMEDY = "Describe it by a row: neurotopo.models.register_family(Family(...))."
_FACTOR = -2.0  # exact in every precision; a gate of relu is linear for positive factors


@dataclass(frozen=True)
class _Found:
    """An MLP of a layer: paths from the layer."""

    up: str
    gate: str | None
    out: str
    is_fused: bool


@dataclass
class _Seen:
    """What a pass shows of one layer; the first row is unchanged."""

    read: dict[str, torch.Tensor] = field(default_factory=dict)
    values: list[torch.Tensor] = field(default_factory=list)
    norms: list[str] = field(default_factory=list)


def derive_family(hf_model: Any) -> Family:
    """Derive the row of an architecture from the modules of a model, and check it.

    Parameters
    ----------
    hf_model : transformers.PreTrainedModel
        A model with its language-model head and its weights in memory.

    Returns
    -------
    Family
        The row, which the log shows too.

    Raises
    ------
    UnsupportedModelError
        If the layers have no MLP, or several; if a check fails; with the reason.

    Examples
    --------
    >>> import transformers
    >>> from neurotopo.models.derived import derive_family
    >>> config = transformers.ArceeConfig(
    ...     vocab_size=32,
    ...     hidden_size=8,
    ...     intermediate_size=12,
    ...     num_hidden_layers=2,
    ...     num_attention_heads=2,
    ...     num_key_value_heads=1,
    ... )
    >>> row = derive_family(transformers.ArceeForCausalLM(config))
    >>> row.up, row.gate, row.out, row.norm
    ('mlp.up_proj', None, 'mlp.down_proj', 'post_attention_layernorm')
    """
    kind = _kind(hf_model)
    name = str(hf_model.config.model_type)
    if any(parameter.is_meta for parameter in hf_model.parameters()):
        raise UnsupportedModelError(
            f"model type {name!r} has no row, and the row cannot be derived: weights are not in "
            f"memory. Load the model without offloading. {_REMEDY}"
        )
    path, found = _find_layers(hf_model, name)
    layers = hf_model.get_submodule(path)
    try:
        watched = _watch(hf_model, layers, found)
    except ERRORS as error:
        raise _refusal(name, failure(error)) from error
    checked = [_checked(name, path, i, seen, found) for i, seen in enumerate(watched)]
    first = checked[0]
    for i, each in enumerate(checked):
        if each != first:
            named = ("up", "gate", "fused", "norm")
            of_each = (dict(zip(named, layer, strict=True)) for layer in (first, each))
            raise _refusal(
                name, f"{path}.0 and {path}.{i} differ: {' and '.join(map(str, of_each))}"
            )
    up, gate, fused, norm = first
    offset = 0.0
    if norm is not None:
        width = _sizes(layers[0].get_submodule(up))[0]  # type: ignore[index]
        offsets = {checked_offset(layer.get_submodule(norm), width) for layer in layers}
        if len(offsets) > 1 or None in offsets:
            logger.warning("%s: the gain of %s is not known: no fold_norm.", name, norm)
            norm = None
        else:
            offset = offsets.pop() or 0.0
    row = Family(
        f"{name} (derived)",
        (name,),
        kind,
        (path,),
        up=up,
        gate=gate,
        out=found.out,
        norm=norm,
        norm_offset=offset,
        fixed_batch=True,
        fused=fused,
    )
    reason = check_passes(hf_model, row)
    if reason is not None:
        raise _refusal(name, reason)
    if joins_rows(hf_model, row):
        row = replace(row, fixed_batch=False)
    logger.warning(
        "model type %r has no row; derived from its modules and checked against plain forward "
        "passes: %r. register_family(model.family) keeps it.",
        name,
        row,
    )
    return row


def _kind(hf_model: Any) -> Kind:
    kind = kind_of(hf_model.config)  # refuses what no row can describe
    name = type(hf_model).__name__
    if name.endswith("ForMaskedLM"):
        return "masked"
    return "causal" if name.endswith(("ForCausalLM", "LMHeadModel")) else kind


def _refusal(name: str, reason: str) -> UnsupportedModelError:
    return UnsupportedModelError(
        f"model type {name!r} has no row, and none can be derived from its modules: {reason}. "
        f"{_REMEDY}"
    )


def _find_layers(hf_model: Any, name: str) -> tuple[str, _Found]:
    """Return the path of the layers and the paths of the MLP in each."""
    lists: list[str] = []
    found: dict[str, _Found] = {}
    problems: list[str] = []
    for path, module in hf_model.named_modules():
        if not isinstance(module, nn.ModuleList) or not len(module):
            continue
        if any(path.startswith(f"{outer}.") for outer in lists):
            continue
        lists.append(path)
        of_layers = [list(_mlps_of(layer)) for layer in module]
        if not any(of_layers):
            continue
        numbers = [len(mlps) for mlps in of_layers]
        if max(numbers) > 1:
            i = next(i for i, n in enumerate(numbers) if n > 1)
            outs = ", ".join(mlp.out for mlp in of_layers[i][:3])
            problems.append(f"{path}.{i} has {numbers[i]} MLPs ({outs}), not one")
        elif min(numbers) == 0:
            without = numbers.index(0)
            problems.append(f"{path}.{without} has no MLP, but {path}.{numbers.index(1)} has one")
        elif len({mlps[0] for mlps in of_layers}) > 1:
            problems.append(f"the layers of {path} have MLPs with different names")
        else:
            found[path] = of_layers[0][0]
    if len(found) > 1:  # a tower for images is not called for text
        called = _called(hf_model, [f"{path}.0" for path in found])
        found = {path: mlp for path, mlp in found.items() if f"{path}.0" in called}
    if len(found) == 1 and not problems:
        return next(iter(found.items()))
    if found and not problems:
        problems.append(f"several lists of layers have MLPs: {', '.join(found)}")
    if not problems:
        held = ", ".join(lists) or "none"
        problems.append(
            "no list of layers with an MLP, an in- and an out-projection under usual names "
            f"(lists of modules: {held})"
        )
    raise _refusal(name, "; ".join(problems))


def _mlps_of(layer: nn.Module) -> Iterator[_Found]:
    modules = dict(layer.named_modules())
    taken: set[str] = set()
    for up, gate, out in _NAMES:
        for path in modules:
            if not (path == out or path.endswith(f".{out}")) or path in taken:
                continue
            prefix = path[: len(path) - len(out)]
            names = [f"{prefix}{each}" for each in (up, gate) if each is not None]
            sizes = [_sizes(modules.get(each)) for each in (*names, path)]
            if None in sizes:
                continue
            n, width = sizes[-1]  # type: ignore[misc]
            reads = set(sizes[:-1])
            is_fused = reads == {(width, 2 * n)} and gate is None
            if is_fused or reads == {(width, n)}:
                taken.add(path)
                yield _Found(names[0], names[1] if gate else None, path, is_fused)


def _sizes(module: nn.Module | None) -> tuple[int, int] | None:
    """Return the numbers of inputs and outputs of a linear module, else None."""
    if isinstance(module, nn.Linear):
        return module.in_features, module.out_features
    if isinstance(module, Conv1D):
        return int(module.nx), int(module.nf)
    return None


def _called(hf_model: Any, paths: Sequence[str]) -> set[str]:
    """Return the modules that a forward pass of one token calls."""
    called: set[str] = set()
    with ExitStack() as hooks, evaluating(hf_model):
        for path in paths:
            handle = hf_model.get_submodule(path).register_forward_pre_hook(
                lambda module, args, path=path: called.add(path)
            )
            hooks.callback(handle.remove)
        device = hf_model.get_input_embeddings().weight.device
        hf_model(input_ids=torch.ones(1, 1, dtype=torch.long, device=device))
    return called


def _variants(found: _Found, n_outputs: int) -> list[tuple[str, slice]]:
    """Return the parts of outputs that may be those of ``up``: module and part."""
    if not found.is_fused:
        names = [found.up] if found.gate is None else [found.up, found.gate]
        return [(name, slice(0, n_outputs, 1)) for name in names]
    rows = [
        Family("", (), "causal", (), "x", "y", gate="x", fused=kind) for kind in get_args(Fused)
    ]
    return [(found.up, part) for row in rows if (part := row.part_of("up", n_outputs))]


def _watch(hf_model: Any, layers: nn.ModuleList, found: _Found) -> list[_Seen]:
    """Run a batch whose rows differ only within each layer, and return what is seen of each.

    In row i some outputs of the i-th variant are scaled; after the layer all rows are equal again.
    """
    n_outputs = _sizes(layers[0].get_submodule(found.up))[1]  # type: ignore[index]
    variants = _variants(found, n_outputs)
    shape = (1 + len(variants), 5)
    generator = torch.Generator().manual_seed(0)
    vocabulary = hf_model.get_input_embeddings().weight.shape[0]
    ids = torch.randint(vocabulary, (1, 5), generator=generator).repeat(shape[0], 1)
    seen = [_Seen() for _ in layers]

    def hooks_of(layer: nn.Module, at: _Seen) -> Iterator[Any]:
        outputs: list[tuple[str, torch.Tensor]] = []

        def after_leaf(name: str, module: Any, args: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                outputs.append((name, output))

        def before_in(name: str, module: Any, args: Any) -> None:
            x = args[0]
            at.read[name] = x.detach()
            same = [
                n
                for n, y in outputs
                if y.numel() == x.numel() and torch.equal(y.reshape(x.shape), x)
            ]
            at.norms = same if not at.norms else [n for n in at.norms if n in same]

        def after_in(name: str, module: Any, args: Any, output: Any) -> Any:
            changed = output.reshape(*shape, -1).clone()
            for row, (of_variant, part) in enumerate(variants, start=1):
                if of_variant == name:
                    changed[row, :, part] *= _scales(n_outputs, part).to(changed)
            return changed.reshape(output.shape)

        def before_out(module: Any, args: Any) -> None:
            at.values.append(upcast_half(args[0].detach().reshape(*shape, -1)))

        def after_layer(module: Any, args: Any, output: Any) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            hidden = hidden[:1].expand(shape[0], *hidden.shape[1:]).clone()
            return (hidden, *output[1:]) if isinstance(output, tuple) else hidden

        for name, module in layer.named_modules():
            if "norm" in type(module).__name__.lower():
                yield module.register_forward_hook(
                    lambda m, a, o, name=name: after_leaf(name, m, a, o)
                )
        for name in dict.fromkeys(name for name, _ in variants):
            module = layer.get_submodule(name)
            yield module.register_forward_pre_hook(lambda m, a, name=name: before_in(name, m, a))
            yield module.register_forward_hook(lambda m, a, o, name=name: after_in(name, m, a, o))
        yield layer.get_submodule(found.out).register_forward_pre_hook(before_out)
        yield layer.register_forward_hook(after_layer)

    ids = ids.to(hf_model.get_input_embeddings().weight.device)
    with ExitStack() as hooks, evaluating(hf_model):
        for layer, at in zip(layers, seen, strict=True):
            for handle in hooks_of(layer, at):
                hooks.callback(handle.remove)
        hf_model.base_model(input_ids=ids, attention_mask=torch.ones_like(ids))
    return seen


def _scales(n_outputs: int, part: slice) -> torch.Tensor:
    """Return the factors of a part of outputs: those of some neurons differ from 1."""
    n = len(range(n_outputs)[part])
    chosen = torch.rand(n, generator=torch.Generator().manual_seed(1)) < 0.5
    return torch.where(chosen, _FACTOR, 1.0)


def _checked(
    name: str, path: str, number: int, seen: _Seen, found: _Found
) -> tuple[str, str | None, Fused | None, str | None]:
    """Return the paths of ``up`` and the gate, the division of a fused module, and the norm."""
    where = f"{path}.{number}"
    if len(seen.values) != 1:
        raise _refusal(
            name,
            f"{where}.{found.out} was called {len(seen.values)} times in a forward pass, not once",
        )
    reads = list(seen.read.values())
    if not all(torch.equal(reads[0], x) for x in reads):
        raise _refusal(name, f"{found.up} and {found.gate} of {where} read different inputs")
    values = seen.values[0]
    plain, changed = values[0], values[1:]
    scales = _scales(plain.shape[-1], slice(None)).to(plain)
    share = 2e-2 if seen.read[found.up].dtype in HALF else 1e-4
    tolerance = share * float(plain.abs().max())
    norm = seen.norms[-1] if seen.norms else None
    is_plain = found.gate is None and not found.is_fused
    if is_plain:
        moved = (changed[0] - plain).abs() > tolerance
        if not bool(moved.any()) or bool((moved & (scales == 1)).any()):
            raise _refusal(name, f"values of {where}.{found.out} mix several outputs of {found.up}")
        return found.up, None, None, norm
    fits = [bool(((row - plain * scales).abs() <= tolerance).all()) for row in changed]
    if not bool(plain.any()) or fits.count(True) != 1:
        what = "no part" if not any(fits) else "more than one part"
        raise _refusal(
            name,
            f"the values at {where}.{found.out} are linear in {what} of the outputs of "
            f"{found.up if found.is_fused else f'{found.up} and {found.gate}'}, so the gate is "
            "not known (or a norm lies between them)",
        )
    if found.is_fused:
        kinds: tuple[Fused, ...] = get_args(Fused)
        return found.up, found.up, kinds[fits.index(True)], norm
    assert found.gate is not None
    names = (found.up, found.gate) if fits[0] else (found.gate, found.up)
    return *names, None, norm
