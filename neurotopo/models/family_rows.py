"""The built-in rows, one per architecture family."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from neurotopo.models.family import Family, NormName

__all__ = ["BUILT_IN", "GAINLESS"]


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
    replace(
        _encoder("DeBERTa-v2 / v3", "deberta-v2", base="deberta"),
        # a convolution adds the input of the first layer to its output
        fixed_batch=lambda config: getattr(config, "conv_kernel_size", 0) > 0,
    ),
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
