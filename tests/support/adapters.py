"""Models with a random LoRA."""

from __future__ import annotations

import peft
import torch

TARGETS = {"llama": ["up_proj", "down_proj", "q_proj"], "gpt2": ["c_fc", "c_proj", "c_attn"]}


def lora(model, architecture, seed=0):
    """Return a model with a random LoRA in MLP and attention."""
    config = peft.LoraConfig(
        r=2,
        lora_alpha=4,
        target_modules=TARGETS[architecture],
        init_lora_weights=False,
        fan_in_fan_out=architecture == "gpt2",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(seed)
    return peft.get_peft_model(model, config).eval()
