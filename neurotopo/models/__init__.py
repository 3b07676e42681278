"""A Hugging Face language model seen as layers of MLP neurons (needs ``neurotopo[llm]``).

The names are loaded when they are first used: prompts are strings and need no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo._lazy import lazy_names

if TYPE_CHECKING:
    from neurotopo.models.checkpoint import CheckpointRows
    from neurotopo.models.edits import Edit
    from neurotopo.models.families import (
        Family,
        UnsupportedModelError,
        family_of,
        known_families,
        register_family,
    )
    from neurotopo.models.loading import load_model
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "CheckpointRows",
    "Edit",
    "Family",
    "NeuronModel",
    "UnsupportedModelError",
    "family_of",
    "known_families",
    "load_model",
    "register_family",
]

_HOME = {
    "CheckpointRows": "checkpoint",
    "Edit": "edits",
    "Family": "families",
    "NeuronModel": "neuron_model",
    "UnsupportedModelError": "families",
    "family_of": "families",
    "known_families": "families",
    "load_model": "loading",
    "register_family": "families",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
