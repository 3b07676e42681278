"""Make the table of architectures in families.md: small random models, loaded, derived or refused.

Run ``python docs/architectures.py`` after a change of the families; a test compares some rows.
"""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

from neurotopo import NeuronModel
from neurotopo.models.examples import word_tokenizer
from neurotopo.models.families import UnsupportedModelError, kind_of, row_of

PAGE = Path(__file__).with_name("families.md")
START, END = "<!-- architectures: made by architectures.py -->", "<!-- end of architectures -->"

WIDTH, INNER, LAYERS, HEADS, TOKENS = 16, 24, 3, 2, 64
SIZE: dict[str, Any] = {
    "vocab_size": 64,
    "hidden_size": WIDTH,
    "intermediate_size": INNER,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "max_position_embeddings": TOKENS,
    "pad_token_id": 0,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
FFN = {"ffn_dim": INNER}
GPT2 = {
    "n_embd": WIDTH,
    "n_layer": LAYERS,
    "n_head": HEADS,
    "n_inner": INNER,
    "n_positions": TOKENS,
}
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2}
MOE = {**EXPERTS, "moe_intermediate_size": INNER, "n_routed_experts": 4}
MAMBA = {"state_size": 4, "num_heads": 4, "n_groups": 1}
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {},
    "qwen2": {},
    "qwen3": {},
    "gemma": {},
    "gemma2": {},
    "gemma3_text": {},
    "granite": {},
    "cohere": {},
    "cohere2": {},
    "ministral": {},
    "smollm3": {},
    "stablelm": {},
    "olmo": {},
    "olmo2": {},
    "olmo3": {},
    "exaone4": {},
    "phi": {"num_key_value_heads": HEADS, "partial_rotary_factor": 0.5},
    "phi3": {},
    "glm": {},
    "glm4": {},
    "starcoder2": {},
    "nemotron": {},
    "gpt2": GPT2,
    "gpt_neox": {},
    "gptj": {**GPT2, "rotary_dim": 4},
    "opt": {**FFN, "word_embed_proj_dim": WIDTH},
    "bloom": {"n_layer": LAYERS, "n_head": HEADS},
    "falcon": {"ffn_hidden_size": INNER, "head_dim": None},
    "bert": {},
    "roberta": {},
    "electra": {"embedding_size": 8},
    "deberta-v2": {},
    "modernbert": {},
    "arcee": {},
    "apertus": {},
    "bitnet": {},
    "biogpt": {},
    "codegen": {**GPT2, "n_ctx": TOKENS, "rotary_dim": 4, "n_head": 4, "num_attention_heads": 4},
    "cwm": {},
    "diffllama": {"num_key_value_heads": HEADS},
    "ernie4_5": {},
    "gemma3n_text": {"num_kv_shared_layers": 0, "hidden_size_per_layer_input": 4},
    "gpt_bigcode": GPT2,
    "helium": {},
    "hunyuan_v1_dense": {},
    "hyperclovax": {},
    "jais2": {},
    "lfm2": {"layer_types": ["conv", "full_attention", "conv"]},
    "mpt": {"d_model": WIDTH, "n_heads": HEADS, "n_layers": LAYERS, "max_seq_len": TOKENS},
    "nanochat": {},
    "olmo_hybrid": {},
    "persimmon": {"num_key_value_heads": HEADS, "partial_rotary_factor": 0.5},
    "qwen3_next": {**MOE},
    "recurrent_gemma": {"lru_width": WIDTH},
    "seed_oss": {},
    "vaultgemma": {},
    "xglm": {"d_model": WIDTH, **FFN, "num_layers": LAYERS, "attention_heads": HEADS},
    "albert": {"embedding_size": 8},
    "camembert": {},
    "convbert": {"embedding_size": WIDTH},
    "esm": {"mask_token_id": 3},
    "mpnet": {},
    "nystromformer": {},
    "xlm-roberta-xl": {},
    "mixtral": EXPERTS,
    "qwen3_moe": MOE,
    "gpt_oss": EXPERTS,
    "deepseek_v3": MOE,
    "granitemoe": EXPERTS,
    "mamba": MAMBA,
    "falcon_mamba": MAMBA,
    "rwkv": {},
    "t5": {"d_model": WIDTH, "d_ff": INNER, "num_layers": LAYERS, "num_heads": HEADS},
    "bart": {"d_model": WIDTH},
}
SHORT = (
    ("mixture-of-experts", "mixture of experts: a router selects experts for every token"),
    ("encoder-decoder", "encoder and decoder: no single sequence of tokens"),
    ("state-space", "layers without an MLP"),
)


def small_model(model_type: str) -> Any:
    """Return a small model with random weights, biases and gains."""
    arguments = {**SIZE, **ARCHITECTURES[model_type]}
    given = {name: value for name, value in arguments.items() if value is not None}
    config = CONFIG_MAPPING[model_type](**given)
    kind = kind_of(config)
    auto = "AutoModelForCausalLM" if kind == "causal" else "AutoModelForMaskedLM"
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(0)
        hf_model = getattr(transformers, auto).from_config(config).eval()
        for parameter in hf_model.parameters():
            parameter += torch.randn(parameter.shape) * (0.25 if parameter.dim() > 1 else 0.5)
    return hf_model


def outcome(model_type: str) -> tuple[str, str]:
    """Return how a model of an architecture is loaded, and the row or the reason."""
    try:
        hf_model = small_model(model_type)
        row = NeuronModel(hf_model, word_tokenizer()).family
    except UnsupportedModelError as error:
        text = str(error)
        for word, reason in SHORT:
            if word in text:
                return "refused", reason
        found = re.search(r"from its modules: (.*?)\. Describe it", text)
        return "refused", found[1] if found else text
    config = getattr(hf_model.config, "text_config", None) or hf_model.config
    rows = [row.up] if row.gate in (None, row.up) else [row.up, row.gate]
    shown = f"{', '.join(f'`{each}`' for each in rows)} → `{row.out}`"
    shown += f" ({row.fused})" if row.fused else ""
    norm = row.norm_path(config)
    how = "by row" if row_of(hf_model.config) else "derived"
    return how, f"{shown}; norm {f'`{norm}`' if norm else 'none'}"


def table(names: list[str]) -> str:
    """Return the table in Markdown."""
    lines = ["| `model_type` | loaded | MLP of a layer, or the reason |", "|---|---|---|"]
    for name in names:
        how, what = outcome(name)
        lines.append(f"| `{name}` | {how} | {what} |")
    return "\n".join(lines)


def main() -> None:
    """Write the table into the page."""
    logging.disable(logging.WARNING)
    text = PAGE.read_text(encoding="utf-8")
    before, rest = text.split(START)
    after = rest.split(END)[1]
    made = table(list(ARCHITECTURES))
    PAGE.write_text(f"{before}{START}\n\n{made}\n\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
