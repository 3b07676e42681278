"""One small model with random weights for every family and for variants that differ in kind."""

from __future__ import annotations

from functools import cache

import pytest
import torch
import transformers as tf

from neurotopo import Fact, NeuronModel
from tests.support import tokenizers as tok

LAYERS, WIDTH, INNER = 3, 16, 24
VOCABULARY = tok.VOCABULARY

GPT2_LIKE = {"n_layer": LAYERS, "n_embd": WIDTH, "n_head": 2, "n_inner": INNER, "n_positions": 64}
SIZE = {"hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 2}
POSITIONS = {"max_position_embeddings": 64}
USUAL = {**SIZE, "intermediate_size": INNER, **POSITIONS}
LLAMA_LIKE = {**USUAL, "num_key_value_heads": 1}
OPT_LIKE = {**SIZE, "ffn_dim": INNER, "word_embed_proj_dim": WIDTH, **POSITIONS}
GEMMA_LIKE = {**LLAMA_LIKE, "head_dim": 8}
FALCON_LIKE = {**SIZE, "ffn_hidden_size": INNER}
GRANITE = {"logits_scaling": 3.0, "residual_multiplier": 0.5, "embedding_multiplier": 2.0}
DEBERTA = {"relative_attention": True, "pos_att_type": ["p2c", "c2p"], "conv_kernel_size": 3}
MODERN = {"global_attn_every_n_layers": 2, "local_attention": 4}
GPT_NEO_SIZE = {"hidden_size": WIDTH, "intermediate_size": INNER, "num_layers": LAYERS}
GPT_NEO_ATTENTION = {"num_heads": 2, "attention_types": [[["global", "local", "global"], 1]]}
GPT_NEO_LIKE = {**GPT_NEO_SIZE, **GPT_NEO_ATTENTION, "window_size": 4, **POSITIONS}
DISTILBERT_LIKE = {"dim": WIDTH, "hidden_dim": INNER, "n_layers": LAYERS, "n_heads": 2, **POSITIONS}


def causal(kind, tokenizer, sizes, **changes):
    """Return model class, configuration class, its arguments and tokenizer."""
    config = "Gemma3TextConfig" if kind == "Gemma3" else f"{kind}Config"
    head = "LMHeadModel" if kind == "GPT2" else "ForCausalLM"
    return getattr(tf, kind + head), getattr(tf, config), {**sizes, **changes}, tokenizer


def masked(kind, tokenizer, sizes, **changes):
    """Return the same for a masked model."""
    arguments = {**sizes, **changes}
    return getattr(tf, f"{kind}ForMaskedLM"), getattr(tf, f"{kind}Config"), arguments, tokenizer


gpt2, llama2, qwen2 = tok.gpt2_tokenizer, tok.llama2_tokenizer, tok.qwen2_tokenizer
gemma, bert = tok.gemma_tokenizer, tok.bert_tokenizer
parallel = {"parallel_attn": True, "new_decoder_architecture": False}
alibi = {"parallel_attn": False, "alibi": True, "new_decoder_architecture": False}

MAKERS = {
    "gpt2": causal("GPT2", gpt2, GPT2_LIKE),
    "gpt_neo": causal("GPTNeo", gpt2, GPT_NEO_LIKE),
    "gpt_neox": causal("GPTNeoX", gpt2, USUAL),
    "gpt_neox_serial": causal("GPTNeoX", gpt2, USUAL, use_parallel_residual=False),
    "gptj": causal("GPTJ", gpt2, GPT2_LIKE, rotary_dim=4),
    "opt": causal("OPT", gpt2, OPT_LIKE),
    "opt_post_norm": causal("OPT", gpt2, OPT_LIKE, do_layer_norm_before=False),
    "bloom": causal("Bloom", gpt2, {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 2}),
    "falcon": causal("Falcon", gpt2, FALCON_LIKE, **parallel),
    "falcon_new": causal(
        "Falcon", gpt2, FALCON_LIKE, num_kv_heads=1, new_decoder_architecture=True
    ),
    "falcon_alibi": causal("Falcon", gpt2, FALCON_LIKE, **alibi),
    "phi": causal("Phi", gpt2, USUAL),
    "llama": causal("Llama", llama2, USUAL),
    "llama3": causal("Llama", tok.llama3_tokenizer, LLAMA_LIKE, tie_word_embeddings=True),
    "mistral": causal("Mistral", llama2, LLAMA_LIKE, sliding_window=4),
    "qwen2": causal("Qwen2", qwen2, LLAMA_LIKE),
    "qwen3": causal("Qwen3", qwen2, LLAMA_LIKE, head_dim=8),
    "gemma": causal("Gemma", gemma, GEMMA_LIKE),
    "gemma2": causal("Gemma2", gemma, GEMMA_LIKE, sliding_window=4),
    "gemma3": causal("Gemma3", gemma, GEMMA_LIKE, sliding_window=4, sliding_window_pattern=2),
    "gemma2_capped": causal("Gemma2", gemma, GEMMA_LIKE, final_logit_softcapping=5.0),
    "granite": causal("Granite", llama2, LLAMA_LIKE, **GRANITE),
    "cohere": causal("Cohere", gpt2, LLAMA_LIKE, logit_scale=0.25, use_qk_norm=True),
    "olmo2": causal("Olmo2", gpt2, LLAMA_LIKE),
    "cohere2": causal("Cohere2", gpt2, LLAMA_LIKE, logit_scale=0.25, head_dim=8, sliding_window=4),
    "ministral": causal("Ministral", llama2, LLAMA_LIKE, head_dim=8, sliding_window=4),
    "smollm3": causal("SmolLM3", gpt2, LLAMA_LIKE, no_rope_layers=[1, 0, 1], mlp_bias=True),
    "stablelm": causal("StableLm", gpt2, LLAMA_LIKE, partial_rotary_factor=0.5),
    "stablelm_parallel": causal(
        "StableLm", gpt2, LLAMA_LIKE, partial_rotary_factor=0.5, use_parallel_residual=True
    ),
    "olmo": causal("Olmo", gpt2, LLAMA_LIKE, clip_qkv=1.0),
    "olmo3": causal("Olmo3", gpt2, LLAMA_LIKE, sliding_window=4),
    "exaone4": causal("Exaone4", gpt2, LLAMA_LIKE, head_dim=8, sliding_window=4),
    "starcoder2": causal("Starcoder2", gpt2, LLAMA_LIKE),
    "nemotron": causal("Nemotron", gpt2, LLAMA_LIKE, mlp_bias=True),
    "phi3": causal("Phi3", llama2, LLAMA_LIKE),
    "glm": causal("Glm", gpt2, GEMMA_LIKE),
    "glm4": causal("Glm4", gpt2, GEMMA_LIKE),
    "bert": masked("Bert", bert, USUAL),
    "roberta": masked("Roberta", tok.roberta_tokenizer, USUAL),
    "xlm_roberta": masked("XLMRoberta", tok.xlmr_tokenizer, USUAL),
    "distilbert": masked("DistilBert", bert, DISTILBERT_LIKE),
    "electra": masked("Electra", bert, USUAL, embedding_size=8),
    "deberta_v2": masked("DebertaV2", bert, USUAL, **DEBERTA),
    "modernbert": masked("ModernBert", bert, USUAL, mlp_bias=True, norm_bias=True, **MODERN),
}

NAMES = tuple(MAKERS)
# Families that run the same code as another one, named here, once their layers are read. Tests of
# what comes later run on them in `make slow` only.
ALIKE = {
    "gpt_neox_serial": "gpt2",
    "gptj": "phi",
    "opt": "gpt2",
    "falcon": "falcon_new",
    "falcon_alibi": "falcon_new",
    "llama3": "llama",
    "qwen2": "qwen3",
    "gemma": "gemma3",
    "gemma2": "gemma3",
    "cohere": "cohere2",
    "ministral": "mistral",
    "stablelm": "stablelm_parallel",
    "olmo": "llama",
    "olmo3": "olmo2",
    "exaone4": "olmo2",
    "starcoder2": "gpt2",
    "glm": "phi3",
    "glm4": "olmo2",
    "xlm_roberta": "roberta",
    "distilbert": "bert",
    "electra": "bert",
}
DISTINCT = [pytest.param(name, marks=pytest.mark.slow) if name in ALIKE else name for name in NAMES]
HEADS = ("gemma2_capped", "granite", "cohere", "cohere2")  # their models scale or cap the logits

FACTS = (
    Fact("The capital of Brolland is _X_.", "Marly"),
    Fact("Ada Brünn plays for _X_.", ("Marly United", "Peko Motor Works")),
    Fact("_X_ is the head of the government of Zúnia.", "José Ibarra", relation="P6"),
    Fact("Who owns Peko Motor Works?", "Krone & Sons"),
)


def build(name: str, seed: int = 0) -> NeuronModel:
    """Make a fresh model: random weights, biases and norms that are large enough to matter."""
    model_class, config_class, arguments, tokenizer = MAKERS[name]
    words = tokenizer()
    special = {
        "pad_token_id": words.pad_token_id if words.pad_token_id is not None else 0,
        "bos_token_id": words.bos_token_id,
        "eos_token_id": words.eos_token_id,
    }
    config = config_class(vocab_size=max(VOCABULARY, len(words)), **special, **arguments)
    generator = torch.Generator().manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        hf_model = model_class(config).eval()
    with torch.no_grad():
        for parameter in hf_model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter += noise * (0.25 if parameter.dim() > 1 else 0.5)
        if name in HEADS:  # as before training: logits of 0, which a cap or a factor leaves
            hf_model.get_input_embeddings().weight[0] = 0
    return NeuronModel(hf_model, words)


@cache
def shared(name: str) -> NeuronModel:
    """Return one model for all tests that do not change it."""
    return build(name)
