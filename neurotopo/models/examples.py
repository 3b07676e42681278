"""Very small models with random weights, for examples and tests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["random_model", "word_tokenizer"]

_TEXT = (
    "The capital of France is Paris . The capital of Italy is Rome . "
    "Ada works for Acme . Bob plays for Rovers . Who owns it ?"
)


def word_tokenizer(text: str = _TEXT) -> Any:
    """Return a tokenizer whose tokens are the words of a text; other words are ``[UNK]``."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    words = ["[PAD]", "[UNK]", "[MASK]", "[EOS]", *dict.fromkeys(text.split())]
    tokenizer = Tokenizer(models.WordLevel({w: i for i, w in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="[PAD]",
        unk_token="[UNK]",
        mask_token="[MASK]",
        eos_token="[EOS]",
    )


def random_model(kind: str = "gpt2", *, n_layers: int = 3, seed: int = 0) -> NeuronModel:
    """Return a random model (``"gpt2"``, ``"llama"`` or ``"bert"``) with 24 neurons per layer.

    Examples
    --------
    >>> from neurotopo.models.examples import random_model
    >>> random_model("bert")
    NeuronModel(BertForMaskedLM, n_layers=3, n_neurons=24, masked, device=cpu)
    """
    import torch
    import transformers

    from neurotopo.models.neuron_model import NeuronModel

    tokenizer = word_tokenizer()
    size: dict[str, Any] = {"vocab_size": len(tokenizer), "pad_token_id": tokenizer.pad_token_id}
    wide: dict[str, Any] = {
        "hidden_size": 12,
        "intermediate_size": 24,
        "num_hidden_layers": n_layers,
        "num_attention_heads": 2,
        "max_position_embeddings": 64,
    }
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if kind == "gpt2":
            narrow = {"n_layer": n_layers, "n_embd": 12, "n_inner": 24, "n_head": 2}
            ends = {"n_positions": 64, "bos_token_id": 0, "eos_token_id": 3}
            gpt2 = transformers.GPT2Config(initializer_range=0.2, **narrow, **ends, **size)
            hf_model: Any = transformers.GPT2LMHeadModel(gpt2)
        elif kind == "llama":
            llama = transformers.LlamaConfig(initializer_range=0.2, **wide, **size)
            hf_model = transformers.LlamaForCausalLM(llama)
        elif kind == "bert":
            bert = transformers.BertConfig(initializer_range=0.2, **wide, **size)
            hf_model = transformers.BertForMaskedLM(bert)
        else:
            raise ValueError(f"kind must be 'gpt2', 'llama' or 'bert', got {kind!r}.")
    return NeuronModel(hf_model.eval(), tokenizer)
