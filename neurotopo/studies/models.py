"""The model of a study, and its identity."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["MODEL_SETTINGS", "identity_of", "identity_of_model", "model_for"]

MODEL_SETTINGS = ("device", "dtype", "device_map", "batch_size", "trust_remote_code")
"""The settings for loading a model."""


def model_for(model: Any, given: Mapping[str, Any]) -> NeuronModel:
    """Return the model of a study; load it, with the settings among ``given``, if it is a name."""
    from neurotopo.models.loading import load_model
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.models.quiet import quiet_transformers

    if isinstance(model, NeuronModel):
        return model
    settings = {name: given[name] for name in MODEL_SETTINGS if given.get(name) is not None}
    with quiet_transformers(False):
        return load_model(model, **settings)


def identity_of(work: Any) -> dict[str, Any]:
    """Return the identity of the model of some work; it does not depend on the source.

    Work with several models has a method ``identity``.
    """
    own = getattr(work, "identity", None)
    if own is not None:
        return dict(own())
    return identity_of_model(work.model)


def identity_of_model(model: NeuronModel) -> dict[str, Any]:
    """Return the identity of a model."""
    from neurotopo.models.fingerprint import fingerprint

    identity = fingerprint(model).to_dict()
    if model.planted_groups is not None:
        groups = [group.to_array().tolist() for group in model.planted_groups]
        identity["planted"] = hashlib.sha256(json.dumps(groups).encode()).hexdigest()[:16]
    return identity
