"""Location of the MLP neurons, one declarative row per architecture family.

The neuron of every family is an input of the out-projection: the factor of its row in the output
to the residual stream. The module, not the row, determines whether a projection stores its matrix
as (in, out), like GPT-2's ``Conv1D``, or as (out, in), like ``Linear``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, get_args

__all__ = [
    "Family",
    "UnsupportedModelError",
    "family_of",
    "kind_of",
    "known_families",
    "register_family",
    "row_of",
]

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


def _opt_norm(config: Any) -> str:
    # the 350m variant normalises after each block: its MLP reads the norm of the attention block
    return "final_layer_norm" if config.do_layer_norm_before else "self_attn_layer_norm"


def _falcon_norm(config: Any) -> str:
    if not config.parallel_attn:
        return "post_attention_layernorm"
    n_norms = config.num_ln_in_parallel_attn
    if n_norms is None and config.new_decoder_architecture:
        n_norms = 2
    return "ln_mlp" if n_norms == 2 else "input_layernorm"


# the text part of a model with images is one level deeper
_LAYERS = ("model.layers", "model.language_model.layers")


def _stablelm_norm(config: Any) -> str:
    return "input_layernorm" if config.use_parallel_residual else "post_attention_layernorm"


def _ungated(
    name: str,
    model_type: str,
    layers: str,
    up: str,
    out: str,
    norm: NormName,
    fixed_batch: bool | Callable[[Any], bool] = False,
    offset: float = 0.0,
) -> Family:
    return Family(
        name,
        (model_type,),
        "causal",
        (layers,),
        up,
        out,
        norm=norm,
        norm_offset=offset,
        fixed_batch=fixed_batch,
    )


def _gated(name: str, *model_types: str, norm: NormName, offset: float = 0.0) -> Family:
    return Family(
        name,
        model_types,
        "causal",
        _LAYERS,
        up="mlp.up_proj",
        gate="mlp.gate_proj",
        out="mlp.down_proj",
        norm=norm,
        norm_offset=offset,
    )


def _fused(name: str, *model_types: str) -> Family:
    in_projections = "mlp.gate_up_proj"
    return Family(
        name,
        model_types,
        "causal",
        _LAYERS,
        up=in_projections,
        gate=in_projections,
        out="mlp.down_proj",
        norm="post_attention_layernorm",
        fused="gate_first",
    )


def _encoder(name: str, *model_types: str, base: str) -> Family:
    return Family(
        name,
        model_types,
        "masked",
        (f"{base}.encoder.layer",),
        up="intermediate.dense",
        out="output.dense",
        norm="attention.output.LayerNorm",
    )


_H_MLP = "transformer.h"

BUILT_IN: tuple[Family, ...] = (
    _ungated("GPT-2", "gpt2", _H_MLP, "mlp.c_fc", "mlp.c_proj", "ln_2"),
    _ungated("GPT-Neo", "gpt_neo", _H_MLP, "mlp.c_fc", "mlp.c_proj", "ln_2"),
    _ungated(
        "GPT-NeoX / Pythia",
        "gpt_neox",
        "gpt_neox.layers",
        "mlp.dense_h_to_4h",
        "mlp.dense_4h_to_h",
        "post_attention_layernorm",
    ),
    _ungated("GPT-J", "gptj", _H_MLP, "mlp.fc_in", "mlp.fc_out", "ln_1"),
    _ungated("OPT", "opt", "model.decoder.layers", "fc1", "fc2", _opt_norm),
    _ungated(
        "BLOOM",
        "bloom",
        _H_MLP,
        "mlp.dense_h_to_4h",
        "mlp.dense_4h_to_h",
        "post_attention_layernorm",
        fixed_batch=True,  # its position biases have one entry per row of the input
    ),
    _ungated(
        "Falcon",
        "falcon",
        _H_MLP,
        "mlp.dense_h_to_4h",
        "mlp.dense_4h_to_h",
        _falcon_norm,
        fixed_batch=lambda config: bool(config.alibi),
    ),
    _ungated("Phi", "phi", "model.layers", "mlp.fc1", "mlp.fc2", "input_layernorm"),
    _gated("LLaMA", "llama", norm="post_attention_layernorm"),
    _gated("Mistral", "mistral", norm="post_attention_layernorm"),
    _gated("Qwen2", "qwen2", norm="post_attention_layernorm"),
    _gated("Qwen3", "qwen3", norm="post_attention_layernorm"),
    _gated("Gemma", "gemma", norm="post_attention_layernorm", offset=1.0),
    _gated("Gemma 2", "gemma2", norm="pre_feedforward_layernorm", offset=1.0),
    _gated("Gemma 3", "gemma3_text", "gemma3", norm="pre_feedforward_layernorm", offset=1.0),
    _gated("Granite", "granite", norm="post_attention_layernorm"),
    _gated("Cohere", "cohere", norm="input_layernorm"),
    _gated("Cohere 2", "cohere2", norm="input_layernorm"),
    _gated("Ministral", "ministral", norm="post_attention_layernorm"),
    _gated("SmolLM3", "smollm3", norm="post_attention_layernorm"),
    _gated("StableLM", "stablelm", norm=_stablelm_norm),
    _gated("OLMo", "olmo", norm="post_attention_layernorm"),
    # these normalise the output of the MLP, not the input
    _gated("OLMo2", "olmo2", norm=None),
    _gated("OLMo3", "olmo3", norm=None),
    _gated("EXAONE 4", "exaone4", norm=None),
    _fused("Phi-3 / Phi-4", "phi3"),
    _fused("GLM", "glm"),
    _fused("GLM-4", "glm4"),
    _ungated(
        "StarCoder2",
        "starcoder2",
        "model.layers",
        "mlp.c_fc",
        "mlp.c_proj",
        "post_attention_layernorm",
    ),
    _ungated(
        "Nemotron",
        "nemotron",
        "model.layers",
        "mlp.up_proj",
        "mlp.down_proj",
        "post_attention_layernorm",
        offset=1.0,
    ),
    _encoder("BERT", "bert", base="bert"),
    _encoder("RoBERTa / XLM-R", "roberta", "xlm-roberta", base="roberta"),
    _encoder("ELECTRA", "electra", base="electra"),
    _encoder("DeBERTa-v2 / v3", "deberta-v2", base="deberta"),
    Family(
        "ModernBERT",
        ("modernbert",),
        "masked",
        ("model.layers",),
        up="mlp.Wi",
        gate="mlp.Wi",
        out="mlp.Wo",
        norm="mlp_norm",
        fused="gate_first",
    ),
    Family(
        "DistilBERT",
        ("distilbert",),
        "masked",
        ("distilbert.transformer.layer",),
        up="ffn.lin1",
        out="ffn.lin2",
        norm="sa_layer_norm",
    ),
)

GAINLESS = tuple(family for family in BUILT_IN if family.name == "OLMo")  # norms without weights

_BY_MODEL_TYPE: dict[str, Family] = {t: family for family in BUILT_IN for t in family.model_types}

_NO_MLP = ("mamba", "mamba2", "falcon_mamba", "rwkv", "xlstm")
_EXPERT_COUNTS = ("num_local_experts", "num_experts", "n_routed_experts", "moe_num_experts")


def known_families() -> tuple[Family, ...]:
    """Return all known families, including registered ones.

    Examples
    --------
    >>> from neurotopo.models import known_families
    >>> "gpt2" in {model_type for family in known_families() for model_type in family.model_types}
    True
    """
    return tuple(dict.fromkeys(_BY_MODEL_TYPE.values()))


def register_family(family: Family, *, overwrite: bool = False) -> None:
    """Register an architecture for :class:`~neurotopo.NeuronModel` and ``load_model``.

    Parameters
    ----------
    family : Family
        The row, for its ``model_types``.
    overwrite : bool, default=False
        Replace rows of the same model type instead of raising an error.

    Examples
    --------
    >>> from neurotopo.models import known_families, register_family
    >>> row = next(family for family in known_families() if "gpt2" in family.model_types)
    >>> register_family(row, overwrite=True)  # the same row: no change
    >>> register_family(row)
    Traceback (most recent call last):
        ...
    ValueError: model type 'gpt2' already has a row (GPT-2); pass overwrite=True to replace it.
    """
    taken = [t for t in family.model_types if t in _BY_MODEL_TYPE]
    if taken and not overwrite:
        raise ValueError(
            f"model type {taken[0]!r} already has a row ({_BY_MODEL_TYPE[taken[0]].name}); "
            "pass overwrite=True to replace it."
        )
    for model_type in family.model_types:
        _BY_MODEL_TYPE[model_type] = family


def family_of(config: Any) -> Family:
    """Return the family of a configuration.

    Parameters
    ----------
    config : PretrainedConfig
        ``model.config``, for its ``model_type``.

    Raises
    ------
    UnsupportedModelError
        For model types without a row, with the reason for mixtures of experts, encoder-decoder
        models and layers without an MLP.

    Examples
    --------
    >>> from transformers import BertConfig
    >>> from neurotopo.models.families import family_of
    >>> family_of(BertConfig()).up
    'intermediate.dense'
    """
    row = row_of(config)
    if row is not None:
        return row
    _check_kind(config)
    names = ", ".join(sorted(_BY_MODEL_TYPE))
    raise UnsupportedModelError(
        f"model type {config.model_type!r} has no row in neurotopo.models.families. Known are: "
        f"{names}. Load the model, whose row can perhaps be derived from its modules, and register "
        "it: register_family(load_model(...).family); or describe it by "
        "neurotopo.models.register_family(Family(...))."
    )


def row_of(config: Any) -> Family | None:
    """Return the row for a configuration, None if there is none."""
    return _BY_MODEL_TYPE.get(getattr(config, "model_type", None) or "")


def kind_of(config: Any) -> Kind:
    """Return whether a model of a configuration predicts the next or masked tokens.

    Raises
    ------
    UnsupportedModelError
        For architectures that no row can describe, and models without a language-model head.

    Examples
    --------
    >>> from transformers import ArceeConfig, BertConfig
    >>> from neurotopo.models.families import kind_of
    >>> kind_of(BertConfig()), kind_of(ArceeConfig())
    ('masked', 'causal')
    """
    row = row_of(config)
    if row is not None:
        return row.kind
    _check_kind(config)
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
        MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    )

    causal = config.model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES
    masked = config.model_type in MODEL_FOR_MASKED_LM_MAPPING_NAMES
    for name in getattr(config, "architectures", None) or ():
        if masked and name.endswith("ForMaskedLM"):
            return "masked"
        if causal and name.endswith(("ForCausalLM", "LMHeadModel")):
            return "causal"
    if causal or masked:
        return "masked" if masked else "causal"  # an encoder can often be used as a decoder
    names = " ".join(getattr(config, "architectures", None) or ())
    if names.endswith("MaskedLM"):  # code of its own
        return "masked"
    if "CausalLM" in names or "LMHeadModel" in names:
        return "causal"
    raise UnsupportedModelError(
        f"model type {config.model_type!r} has no causal or masked language model in transformers, "
        "so it gives no probabilities of answers. Use a model with such a head, or describe it by "
        "neurotopo.models.register_family(Family(...))."
    )


def _check_kind(config: Any) -> None:
    """Raise an error for architectures without a fixed set of neurons in every layer."""
    model_type = getattr(config, "model_type", None)
    other = "Use a decoder or an encoder with one MLP in every layer (LLaMA, Qwen3, BERT, ...)."
    if _is_mixture_of_experts(config):
        raise UnsupportedModelError(
            f"{model_type!r} is a mixture-of-experts model, which is not supported: a router "
            "selects experts for every token, so a neuron has no fixed connections, and "
            f"suppressing it has no effect where its expert is not selected. {other}"
        )
    if getattr(config, "is_encoder_decoder", False):
        raise UnsupportedModelError(
            f"{model_type!r} is an encoder-decoder model, which is not supported: it has two "
            "stacks of layers, and a prompt and its answer are not tokens of one sequence. "
            f"{other}"
        )
    if model_type in _NO_MLP:
        raise UnsupportedModelError(
            f"{model_type!r} has layers without an MLP (a state-space or recurrent model), so no "
            f"neurons in the sense of this package. {other}"
        )


def _is_mixture_of_experts(config: Any) -> bool:
    text = getattr(config, "text_config", None) or config
    counts = [getattr(text, name, None) for name in _EXPERT_COUNTS]
    return any(isinstance(count, int) and count > 1 for count in counts) or "moe" in str(
        getattr(config, "model_type", "")
    )
