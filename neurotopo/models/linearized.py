r"""A model's backward pass with frozen norms, attention patterns and gates.

The forward pass is that of the model. The backward pass is that of a function linear in the hidden
states, which has the same values: every nonlinear step is replaced by a product with a constant.

- Norm: the denominator is a constant.
- Attention: the pattern is a constant, so gradients pass through the values only.
- Nonlinearity: :math:`f(x) = x \cdot (f(x) / x)` with a constant factor.
- Gate: :math:`f(g) u` divides the gradient into halves, with the factors :math:`f(g)` for u and
  :math:`f(g) u / g` for g.

A function that is linear, with these constants, equals the sum of its inputs and biases, each
times its derivative. :func:`check_linear` tests this for a model.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch.nn import functional
from torch.overrides import TorchFunctionMode

from neurotopo.models.evaluation import upcast_half
from neurotopo.models.families import UnsupportedModelError
from neurotopo.models.passes import PassSettings
from neurotopo.models.projections import MLP, check_called

__all__ = ["LinearizedPass", "check_linear", "linear_gap"]

_TOLERANCE = {torch.float64: 1e-9, torch.float32: 2e-5, torch.float16: 0.01, torch.bfloat16: 0.05}


class _Secant(torch.autograd.Function):
    """Values of a nonlinear function, with the slope values / argument.

    With a second argument, the gate, each has half of the slope.
    """

    @staticmethod
    def forward(
        ctx: Any, values: torch.Tensor, argument: torch.Tensor, gate: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Return the values."""
        ctx.save_for_backward(values, argument, gate)
        return values.clone()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> Any:
        """Return the gradients of the arguments."""
        values, argument, gate = ctx.saved_tensors
        if gate is None:
            return None, gradient * _ratio(values, argument), None
        half = gradient / 2
        return None, half * _ratio(values, argument), half * _ratio(values, gate)


def _ratio(values: torch.Tensor, argument: torch.Tensor) -> torch.Tensor:
    """Return values / argument, 0 where the argument is 0."""
    ratio = upcast_half(values) / upcast_half(argument)
    return torch.where(argument == 0, 0.0, ratio).to(values.dtype)


def _secant(values: torch.Tensor, *arguments: torch.Tensor) -> torch.Tensor:
    result: torch.Tensor = _Secant.apply(values.detach(), *arguments)  # type: ignore[no-untyped-call]
    return result


def _layer_norm(
    values: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    bias: torch.Tensor | None = None,
    eps: float = 1e-5,
) -> torch.Tensor:
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    single = upcast_half(values)
    centred = single - single.mean(dim=axes, keepdim=True)
    variance = centred.detach().square().mean(dim=axes, keepdim=True)
    return _scaled(centred * (variance + eps).rsqrt(), weight, bias, values.dtype)


def _rms_norm(
    values: torch.Tensor,
    normalized_shape: Any,
    weight: torch.Tensor | None = None,
    eps: float | None = None,
) -> torch.Tensor:
    axes = tuple(range(-len(tuple(normalized_shape)), 0))
    single = upcast_half(values)
    variance = single.detach().square().mean(dim=axes, keepdim=True)
    eps = torch.finfo(values.dtype).eps if eps is None else eps
    return _scaled(single * (variance + eps).rsqrt(), weight, None, values.dtype)


def _scaled(
    values: torch.Tensor, weight: torch.Tensor | None, bias: torch.Tensor | None, dtype: torch.dtype
) -> torch.Tensor:
    values = values if weight is None else values * weight
    return (values if bias is None else values + bias).to(dtype)


def _attention(query: torch.Tensor, key: torch.Tensor, *rest: Any, **options: Any) -> torch.Tensor:
    attend = functional.scaled_dot_product_attention
    return attend(query.detach(), key.detach(), *rest, **options)


_NORMS: Mapping[Any, Any] = {functional.layer_norm: _layer_norm, functional.rms_norm: _rms_norm}
_CONSTANT = frozenset(
    [
        *(functional.softmax, torch.softmax, torch.Tensor.softmax),  # the attention pattern
        *(torch.rsqrt, torch.Tensor.rsqrt),  # the denominator of a norm
    ]
)
_NONLINEAR = frozenset(
    [
        *(functional.gelu, functional.relu, functional.silu, torch.tanh, torch.Tensor.tanh),
        *(torch.clamp, torch.Tensor.clamp),
    ]
)


class _Constants(TorchFunctionMode):
    """Replaces the nonlinear functions of PyTorch within a block, up to the output embedding."""

    active = True

    def __torch_function__(
        self, func: Any, types: Any, args: Any = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        """Call a function, or its replacement."""
        kwargs = kwargs or {}
        if not self.active:
            return func(*args, **kwargs)
        if func is torch.Tensor.clamp_ and args[0].is_floating_point():
            clamped = args[0].detach().clamp(*args[1:], **kwargs)
            return args[0].mul_(_ratio(clamped, args[0].detach()))
        if func in _NORMS:
            return _NORMS[func](*args, **kwargs)
        if func is functional.scaled_dot_product_attention:
            return _attention(*args, **kwargs)
        result = func(*args, **kwargs)
        if func in _CONSTANT:
            return result.detach()
        if func in _NONLINEAR and result.requires_grad:
            return _secant(result, args[0] if args else kwargs["input"])
        return result


class LinearizedPass:
    """Hooks for a forward pass whose backward pass is linear.

    Attributes
    ----------
    values : dict of int to torch.Tensor
        The values of each layer's neurons, (n_rows, n_tokens, n_neurons) or flattened; gradients
        with respect to them are those of the linear function.
    hidden : torch.Tensor or None
        Input of the first layer.
    """

    hidden: torch.Tensor | None = None

    def __init__(self, settings: PassSettings) -> None:
        self.settings = settings
        self.values: dict[int, torch.Tensor] = {}
        self._inner: dict[tuple[int, str], torch.Tensor] = {}

    @contextmanager
    def hooked(self, check: bool = False) -> Iterator[None]:
        """Install the hooks for a block; with ``check``, test that gates are what they should be.

        Only the model itself should run in the block.
        """
        hf_model, mlps = self.settings.hf_model, self.settings.mlps
        with ExitStack() as hooks, _Constants() as constants:

            def stop(module: Any, args: Any) -> None:  # what follows is part of the target
                constants.active = False

            handle = hf_model.get_output_embeddings().register_forward_pre_hook(stop)
            hooks.callback(handle.remove)
            for module in (_parent(hf_model, mlps[0].layer), mlps[0].layer):
                handle = module.register_forward_pre_hook(self._start, with_kwargs=True)
                hooks.callback(handle.remove)
            for layer, mlp in enumerate(mlps):
                for name in ("up", "gate") if mlp.gate is not None else ("up",):
                    module = getattr(mlp, name).module
                    handle = module.register_forward_hook(self._keep(layer, name))
                    hooks.callback(handle.remove)
                handle = mlp.out.module.register_forward_pre_hook(self._replace(layer, mlp, check))
                hooks.callback(handle.remove)
            yield
        check_called(mlps, self.values, range(len(mlps)))

    def _start(self, module: Any, args: Any, kwargs: Any) -> Any:
        given = kwargs.get("hidden_states", args[0] if args else None)
        if self.hidden is not None or given is None or not given.is_floating_point():
            return args, kwargs  # token ids
        self.hidden = given.detach().requires_grad_(True)
        if "hidden_states" in kwargs:
            return args, {**kwargs, "hidden_states": self.hidden}
        return (self.hidden, *args[1:]), kwargs

    def _keep(self, layer: int, name: str) -> Any:
        def hook(module: Any, args: Any, output: torch.Tensor) -> None:
            self._inner[layer, name] = output

        return hook

    def _replace(self, layer: int, mlp: MLP, check: bool) -> Any:
        def hook(module: Any, args: Any) -> Any:
            values = args[0]
            names = ("up", "gate") if mlp.gate is not None else ("up",)
            outputs = {name: self._inner.pop((layer, name)) for name in names}
            if check:
                _check_gate(mlp, values, outputs)
            values = _secant(values, *(getattr(mlp, n).output(o) for n, o in outputs.items()))
            self.values[layer] = values
            return (values, *args[1:])

        return hook


def _parent(hf_model: torch.nn.Module, layer: torch.nn.Module) -> torch.nn.Module:
    """Return the module that runs the layers; some use the input of the first one again."""
    for module in hf_model.modules():
        for child in module.children():
            if isinstance(child, torch.nn.ModuleList) and len(child) and child[0] is layer:
                return module
    return layer


def _check_gate(mlp: MLP, values: torch.Tensor, outputs: Mapping[str, torch.Tensor]) -> None:
    """Test that a neuron depends on its own entries alone, and is proportional to ``up``."""
    wholes, parts = list(outputs.values()), [getattr(mlp, name).output for name in outputs]
    arguments = [part(whole) for part, whole in zip(parts, wholes, strict=True)]
    if any(argument.shape != values.shape for argument in arguments):
        raise UnsupportedModelError(
            f"RelP: the shapes of {mlp.up.name} and {mlp.out.name} differ; use AMIG for this model."
        )
    generator = torch.Generator().manual_seed(0)
    chosen = torch.rand(values.shape, generator=generator).to(values.device) < 0.5
    total = values[chosen].sum()
    slopes: Any = [None]
    if total.requires_grad:
        slopes = torch.autograd.grad(total, wholes, retain_graph=True, allow_unused=True)
    fits = all(slope is not None for slope in slopes)
    if fits:
        slopes = [part(slope) for part, slope in zip(parts, slopes, strict=True)]
        fits = not any(slope[~chosen].any() for slope in slopes)
    if fits and len(arguments) == 2:
        linear = upcast_half(slopes[0] * arguments[0])[chosen]
        gap = (linear - upcast_half(values[chosen])).abs().max()
        fits = bool(gap <= 10 * torch.finfo(values.dtype).eps * values.abs().max())
    if not fits:
        what = "act(gate(x)) * up(x)" if len(arguments) == 2 else "act(up(x)), entry by entry"
        raise UnsupportedModelError(
            f"RelP: the input of {mlp.out.name} is not {what}; use AMIG for this model."
        )


def linear_gap(settings: PassSettings, ids: torch.Tensor, mask: torch.Tensor) -> float:
    """Return the difference of a logit from the sum of its inputs and biases times derivatives.

    It is relative to the sum of their sizes, and 0 up to rounding for a linear backward pass. The
    logit is a random combination of those at the last token.
    """
    linear, logits = LinearizedPass(settings), []
    head = settings.hf_model.get_output_embeddings()
    handle = head.register_forward_hook(lambda module, args, output: logits.append(output))
    biases = [
        parameter
        for name, parameter in settings.hf_model.named_parameters()
        if name.rpartition(".")[2] == "bias"
    ]
    options = {"use_cache": False} if settings.causal else {}
    try:
        for bias in biases:
            bias.requires_grad_(True)
        with linear.hooked(check=True):
            settings.hf_model(input_ids=ids, attention_mask=mask, **options)
        last = logits[0].reshape(*ids.shape, -1)[0, -1]
        generator = torch.Generator().manual_seed(0)
        mixed = torch.randn(last.shape, generator=generator).to(last)
        total = (last * mixed).sum()
        assert linear.hidden is not None
        inputs = [linear.hidden, *biases]
        slopes = torch.autograd.grad(total, inputs, allow_unused=True)
    finally:
        handle.remove()
        for bias in biases:
            bias.requires_grad_(False)
    terms = torch.cat(
        [
            (upcast_half(each.detach()) * upcast_half(slope)).flatten().to(ids.device)
            for each, slope in zip(inputs, slopes, strict=True)
            if slope is not None
        ]
    ).double()
    return float((terms.sum() - total.detach().double()).abs() / terms.abs().sum())


def check_linear(settings: PassSettings, ids: torch.Tensor, mask: torch.Tensor) -> None:
    """Raise an error for a model whose backward pass is not linear in these hooks."""
    gap = linear_gap(settings, ids, mask)
    if not gap <= _TOLERANCE[settings.mlps[0].up.weight.dtype]:
        raise UnsupportedModelError(
            f"RelP cannot linearise {type(settings.hf_model).__name__}: its logits differ from the "
            f"sum of contributions by {gap:.2g} of their size. Load it with "
            "attn_implementation='eager'; if that does not help, use AMIG for this model."
        )
