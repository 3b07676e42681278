"""Description of one architecture family: where its MLP neurons are.

The neuron of every family is an input of the out-projection: the factor of its row in the output
to the residual stream. The module, not the row, determines whether a projection stores its matrix
as (in, out), like GPT-2's ``Conv1D``, or as (out, in), like ``Linear``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = ["Family", "Fused", "Kind", "NormName", "UnsupportedModelError"]

Kind = Literal["causal", "masked"]
Fused = Literal["gate_first", "up_first", "gate_even", "up_even"]
NormName = str | None | Callable[[Any], str | None]


class UnsupportedModelError(ValueError):
    """The architecture has no row, or no fixed set of neurons, or computes in an unknown way.

    Examples
    --------
    >>> import transformers
    >>> from neurotopo import NeuronModel
    >>> from neurotopo.models import UnsupportedModelError
    >>> from neurotopo.models.examples import word_tokenizer
    >>> config = transformers.T5Config(d_model=8, d_ff=8, num_layers=1, num_heads=1, vocab_size=16)
    >>> try:
    ...     NeuronModel(transformers.T5ForConditionalGeneration(config), word_tokenizer())
    ... except UnsupportedModelError as error:
    ...     type(error).__name__
    'UnsupportedModelError'
    """


@dataclass(frozen=True)
class Family:
    """Location of the MLP neurons in one architecture family.

    Attributes
    ----------
    name : str
        Name of the family.
    model_types : tuple of str
        Its values of ``config.model_type``.
    kind : {"causal", "masked"}
        Whether the language-model head predicts the next token or masked tokens.
    layers : tuple of str
        Dotted paths of the list of layers, from the model with its head; the first that exists
        is used.
    up, out : str
        Dotted paths of the in- and the out-projection, from a layer.
    gate : str or None
        The projection with the nonlinearity of a gated MLP, whose value is
        ``act(gate(x)) * up(x)``; None if the value is ``act(up(x))``.
    fused : {"gate_first", "up_first", "gate_even", "up_even"} or None
        Division of the outputs of a module that computes both in-projections, whose path is given
        for ``up`` and for ``gate``: the gate is the first half, the second half, the entries
        0, 2, 4 and so on, or the entries 1, 3, 5 and so on. None: two modules.
    norm : str, None or callable
        Path, from a layer, of the norm whose output the MLP reads, or a function from the
        configuration to it. None if the MLP reads the residual stream directly.
    norm_offset : float
        Difference of the norm's gain and its stored weight (1 for Gemma).
    fixed_batch : bool or callable
        Whether the number of rows is fixed before the first layer, so that no row can join
        later; or a function from the configuration to it.

    Examples
    --------
    A LLaMA-like architecture whose class is registered with transformers:

    >>> from neurotopo.models.families import Family
    >>> Family(
    ...     name="MyLM",
    ...     model_types=("my_lm",),
    ...     kind="causal",
    ...     layers=("model.layers",),
    ...     up="mlp.up_proj",
    ...     gate="mlp.gate_proj",
    ...     out="mlp.down_proj",
    ...     norm="post_attention_layernorm",
    ... ).is_gated
    True
    """

    name: str
    model_types: tuple[str, ...]
    kind: Kind
    layers: tuple[str, ...]
    up: str
    out: str
    gate: str | None = None
    norm: NormName = None
    norm_offset: float = 0.0
    fixed_batch: bool | Callable[[Any], bool] = False
    fused: Fused | None = None

    def __post_init__(self) -> None:
        if self.fused is not None and self.fused not in get_args(Fused):
            words = ", ".join(get_args(Fused))
            raise ValueError(f"fused must be None or one of {words}, got {self.fused!r}.")
        if (self.fused is not None) != (self.gate == self.up):
            raise ValueError(
                f"{self.name}: up={self.up!r} and gate={self.gate!r} with fused={self.fused!r}; "
                "fused is for one module with both in-projections: give its path twice, and say "
                "with fused which of its outputs are the gate."
            )

    @property
    def is_gated(self) -> bool:
        """Whether a second in-projection gates the neuron."""
        return self.gate is not None

    def part_of(self, name: Literal["up", "gate"], n_outputs: int) -> slice | None:
        """Return the part of a fused module that is one of the in-projections, else None."""
        if self.fused is None:
            return None
        if n_outputs % 2:
            raise UnsupportedModelError(
                f"{self.up} of {self.name} has {n_outputs} outputs, an odd number: it cannot hold "
                "a gate and an up-projection of equal size."
            )
        at = 0 if self.fused.startswith(name) else 1
        if self.fused.endswith("_even"):
            return slice(at, n_outputs, 2)
        half = n_outputs // 2
        return slice(at * half, (at + 1) * half, 1)

    def norm_path(self, config: Any) -> str | None:
        """Return the path of the norm before the MLP for a model of this configuration."""
        return self.norm(config) if callable(self.norm) else self.norm

    def has_fixed_batch(self, config: Any) -> bool:
        """Return whether rows cannot join a batch at a later layer."""
        return self.fixed_batch(config) if callable(self.fixed_batch) else self.fixed_batch
