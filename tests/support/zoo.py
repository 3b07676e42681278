"""One small model with random weights for every family and for variants that differ in kind."""

from __future__ import annotations

from functools import cache

import torch
import transformers as tf

from neurotopo import Fact, NeuronModel
from tests.support import tokenizers as tok

LAYERS, WIDTH, INNER = 3, 16, 24
VOCABULARY = tok.VOCABULARY

GPT2_LIKE = {"n_layer": LAYERS, "n_embd": WIDTH, "n_head": 2, "n_inner": INNER, "n_positions": 64}
USUAL = {
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
}
LLAMA_LIKE = dict(**USUAL, num_key_value_heads=1)
OPT_LIKE = {
    "hidden_size": WIDTH,
    "ffn_dim": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
    "max_position_embeddings": 64,
    "word_embed_proj_dim": WIDTH,
}
GEMMA_LIKE = dict(**LLAMA_LIKE, head_dim=8)
FALCON_LIKE = {
    "hidden_size": WIDTH,
    "ffn_hidden_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": 2,
}

# name -> (model class, configuration class, its arguments, tokenizer)
MAKERS = {
    "gpt2": (tf.GPT2LMHeadModel, tf.GPT2Config, GPT2_LIKE, tok.gpt2_tokenizer),
    "gpt_neo": (
        tf.GPTNeoForCausalLM,
        tf.GPTNeoConfig,
        {
            "hidden_size": WIDTH,
            "intermediate_size": INNER,
            "num_layers": LAYERS,
            "num_heads": 2,
            "attention_types": [[["global", "local", "global"], 1]],
            "window_size": 4,
            "max_position_embeddings": 64,
        },
        tok.gpt2_tokenizer,
    ),
    "gpt_neox": (tf.GPTNeoXForCausalLM, tf.GPTNeoXConfig, USUAL, tok.gpt2_tokenizer),
    "gpt_neox_serial": (
        tf.GPTNeoXForCausalLM,
        tf.GPTNeoXConfig,
        dict(**USUAL, use_parallel_residual=False),
        tok.gpt2_tokenizer,
    ),
    "gptj": (
        tf.GPTJForCausalLM,
        tf.GPTJConfig,
        dict(**GPT2_LIKE, rotary_dim=4),
        tok.gpt2_tokenizer,
    ),
    "opt": (tf.OPTForCausalLM, tf.OPTConfig, OPT_LIKE, tok.gpt2_tokenizer),
    "opt_post_norm": (
        tf.OPTForCausalLM,
        tf.OPTConfig,
        dict(**OPT_LIKE, do_layer_norm_before=False),
        tok.gpt2_tokenizer,
    ),
    "bloom": (
        tf.BloomForCausalLM,
        tf.BloomConfig,
        {"hidden_size": WIDTH, "n_layer": LAYERS, "n_head": 2},
        tok.gpt2_tokenizer,
    ),
    "falcon": (
        tf.FalconForCausalLM,
        tf.FalconConfig,
        dict(**FALCON_LIKE, parallel_attn=True, new_decoder_architecture=False),
        tok.gpt2_tokenizer,
    ),
    "falcon_new": (
        tf.FalconForCausalLM,
        tf.FalconConfig,
        dict(**FALCON_LIKE, num_kv_heads=1, new_decoder_architecture=True),
        tok.gpt2_tokenizer,
    ),
    "falcon_alibi": (
        tf.FalconForCausalLM,
        tf.FalconConfig,
        dict(**FALCON_LIKE, parallel_attn=False, alibi=True, new_decoder_architecture=False),
        tok.gpt2_tokenizer,
    ),
    "phi": (tf.PhiForCausalLM, tf.PhiConfig, USUAL, tok.gpt2_tokenizer),
    "llama": (tf.LlamaForCausalLM, tf.LlamaConfig, USUAL, tok.llama2_tokenizer),
    "llama3": (
        tf.LlamaForCausalLM,
        tf.LlamaConfig,
        dict(**LLAMA_LIKE, tie_word_embeddings=True),
        tok.llama3_tokenizer,
    ),
    "mistral": (
        tf.MistralForCausalLM,
        tf.MistralConfig,
        dict(**LLAMA_LIKE, sliding_window=4),
        tok.llama2_tokenizer,
    ),
    "qwen2": (tf.Qwen2ForCausalLM, tf.Qwen2Config, LLAMA_LIKE, tok.qwen2_tokenizer),
    "qwen3": (
        tf.Qwen3ForCausalLM,
        tf.Qwen3Config,
        dict(**LLAMA_LIKE, head_dim=8),
        tok.qwen2_tokenizer,
    ),
    "gemma": (tf.GemmaForCausalLM, tf.GemmaConfig, GEMMA_LIKE, tok.gemma_tokenizer),
    "gemma2": (
        tf.Gemma2ForCausalLM,
        tf.Gemma2Config,
        dict(**GEMMA_LIKE, sliding_window=4),
        tok.gemma_tokenizer,
    ),
    "gemma3": (
        tf.Gemma3ForCausalLM,
        tf.Gemma3TextConfig,
        dict(**GEMMA_LIKE, sliding_window=4, sliding_window_pattern=2),
        tok.gemma_tokenizer,
    ),
    "olmo2": (tf.Olmo2ForCausalLM, tf.Olmo2Config, LLAMA_LIKE, tok.gpt2_tokenizer),
    "bert": (tf.BertForMaskedLM, tf.BertConfig, USUAL, tok.bert_tokenizer),
    "roberta": (tf.RobertaForMaskedLM, tf.RobertaConfig, USUAL, tok.roberta_tokenizer),
    "xlm_roberta": (tf.XLMRobertaForMaskedLM, tf.XLMRobertaConfig, USUAL, tok.xlmr_tokenizer),
    "distilbert": (
        tf.DistilBertForMaskedLM,
        tf.DistilBertConfig,
        {
            "dim": WIDTH,
            "hidden_dim": INNER,
            "n_layers": LAYERS,
            "n_heads": 2,
            "max_position_embeddings": 64,
        },
        tok.bert_tokenizer,
    ),
    "electra": (
        tf.ElectraForMaskedLM,
        tf.ElectraConfig,
        dict(**USUAL, embedding_size=8),
        tok.bert_tokenizer,
    ),
}

NAMES = tuple(MAKERS)

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
    return NeuronModel(hf_model, words)


@cache
def shared(name: str) -> NeuronModel:
    """Return one model for all tests that leave it as it is."""
    return build(name)
