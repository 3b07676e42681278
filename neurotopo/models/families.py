"""Families by model type: built-in and registered rows, and what no row can describe."""

from __future__ import annotations

from typing import Any

from neurotopo.models.family import Family, Kind, UnsupportedModelError
from neurotopo.models.family_rows import BUILT_IN

__all__ = [
    "BUILT_IN",
    "Family",
    "UnsupportedModelError",
    "family_of",
    "kind_of",
    "known_families",
    "register_family",
    "row_of",
]

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
