"""Train given neurons and nothing else (needs ``neurotopo[llm]``; LoRA needs ``neurotopo[tune]``).

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo._lazy import lazy_names

if TYPE_CHECKING:
    from neurotopo.tuning.lora import LoraArm, lora_like, to_lora
    from neurotopo.tuning.tuner import NeuronTuner

__all__ = ["LoraArm", "NeuronTuner", "lora_like", "to_lora"]

_HOME = {"LoraArm": "lora", "NeuronTuner": "tuner", "lora_like": "lora", "to_lora": "lora"}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
