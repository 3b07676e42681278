"""A small LLaMA as a GGUF file, written with the package gguf, for the tests of loading."""

from __future__ import annotations

import gguf
import numpy as np
from tokenizers.pre_tokenizers import ByteLevel

WORDS = ["The", "Ġcapital", "Ġof", "ĠFrance", "Ġis", "ĠParis", "ĠRome", "ĠPeru", "ĠLima", "."]


def tokens():
    """Return a vocabulary of bytes and words, as GPT-2 writes them."""
    return ["<|endoftext|>", *sorted(ByteLevel.alphabet()), *merged()[1]]


def merged():
    """Return the merges that build the words, and all words on the way."""
    merges, made = [], []
    for word in WORDS:
        whole = word[0]
        for letter in word[1:]:
            pair = f"{whole} {letter}"
            whole += letter
            if pair not in merges:
                merges.append(pair)
                made.append(whole)
    return merges, made


def write_gguf(path, seed=0, quantised=True):
    """Write a random LLaMA; return its tensors, de-quantised, by the names of GGUF."""
    rng = np.random.default_rng(seed)
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_name("tiny")
    writer.add_context_length(64)
    writer.add_embedding_length(32)
    writer.add_block_count(3)
    writer.add_feed_forward_length(64)
    writer.add_head_count(4)
    writer.add_head_count_kv(2)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(8)
    vocabulary = tokens()
    writer.add_vocab_size(len(vocabulary))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(vocabulary)
    writer.add_token_types([3, *[1] * (len(vocabulary) - 1)])
    writer.add_token_merges(merged()[0])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
    kept = {}

    def add(name, *shape):
        values = rng.normal(size=shape).astype(np.float32) / (1 if len(shape) == 1 else 6)
        if len(shape) == 2 and quantised:
            kind = gguf.GGMLQuantizationType.Q8_0
            blocks = gguf.quants.quantize(values, kind)
            writer.add_tensor(name, blocks, raw_dtype=kind)
            values = gguf.quants.dequantize(blocks, kind)
        else:
            writer.add_tensor(name, values)
        kept[name] = values

    add("token_embd.weight", len(vocabulary), 32)
    add("output.weight", len(vocabulary), 32)
    add("output_norm.weight", 32)
    for layer in range(3):
        for name, *shape in (
            ("attn_q", 32, 32),
            ("attn_k", 16, 32),
            ("attn_v", 16, 32),
            ("attn_output", 32, 32),
            ("ffn_gate", 64, 32),
            ("ffn_up", 64, 32),
            ("ffn_down", 32, 64),
            ("attn_norm", 32),
            ("ffn_norm", 32),
        ):
            add(f"blk.{layer}.{name}.weight", *shape)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return kept
