"""Random generators that depend on a fact alone, not on the other facts."""

from __future__ import annotations

import hashlib

import numpy as np

__all__ = ["seeded"]


def seeded(seed: int, purpose: str, key: str) -> np.random.Generator:
    """Return a random generator that depends on seed, purpose and fact alone, on any machine."""
    digest = hashlib.sha256(f"{seed}\0{purpose}\0{key}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))
