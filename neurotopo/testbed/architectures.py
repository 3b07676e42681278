"""New models of a recipe, with their first weights."""

from __future__ import annotations

from typing import Any

import torch

from neurotopo.testbed.recipe import Recipe

__all__ = ["new_model"]


def new_model(recipe: Recipe, tokenizer: Any, *, n_positions: int | None = None, seed: int) -> Any:
    """Return a model with random weights; the random state of torch does not change.

    Parameters
    ----------
    recipe : Recipe
        Architecture and size.
    tokenizer : PreTrainedTokenizerBase
        The tokenizer of the model.
    n_positions : int or None, default=None
        Longest sequence, if it is above that of the recipe.
    seed : int
        Seed of the weights.

    Returns
    -------
    transformers.PreTrainedModel
    """
    positions = max(recipe.n_positions, n_positions or 0)
    build = {"gpt2": _gpt2, "llama": _llama, "bert": _bert}[recipe.arch]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = build(recipe, tokenizer, positions)
        torch.nn.init.normal_(model.get_input_embeddings().weight, std=recipe.embedding_std)
    return model


def _tokens(tokenizer: Any) -> dict[str, Any]:
    names = ("pad_token_id", "bos_token_id", "eos_token_id")
    return {"vocab_size": len(tokenizer), **{name: getattr(tokenizer, name) for name in names}}


def _sizes(recipe: Recipe, positions: int) -> dict[str, Any]:
    return {
        "hidden_size": recipe.d_model,
        "intermediate_size": recipe.n_inner,
        "num_hidden_layers": recipe.n_layers,
        "num_attention_heads": recipe.n_heads,
        "max_position_embeddings": positions,
        "initializer_range": recipe.init_std,
        "tie_word_embeddings": True,
    }


def _gpt2(recipe: Recipe, tokenizer: Any, positions: int) -> Any:
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        n_layer=recipe.n_layers,
        n_embd=recipe.d_model,
        n_inner=recipe.n_inner,
        n_head=recipe.n_heads,
        n_positions=positions,
        initializer_range=recipe.init_std,
        resid_pdrop=recipe.dropout,
        embd_pdrop=recipe.dropout,
        attn_pdrop=recipe.dropout,
        **_tokens(tokenizer),
    )
    return GPT2LMHeadModel(config)


def _llama(recipe: Recipe, tokenizer: Any, positions: int) -> Any:
    from transformers import LlamaConfig, LlamaForCausalLM

    config = LlamaConfig(
        attention_dropout=recipe.dropout, **_sizes(recipe, positions), **_tokens(tokenizer)
    )
    return LlamaForCausalLM(config)


def _bert(recipe: Recipe, tokenizer: Any, positions: int) -> Any:
    from transformers import BertConfig, BertForMaskedLM

    config = BertConfig(
        type_vocab_size=1,
        hidden_dropout_prob=recipe.dropout,
        attention_probs_dropout_prob=recipe.dropout,
        **_sizes(recipe, positions),
        **_tokens(tokenizer),
    )
    return BertForMaskedLM(config)
