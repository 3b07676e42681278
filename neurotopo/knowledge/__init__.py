"""Facts, and where a model keeps them."""

from neurotopo.knowledge.facts import Fact, FactSet

__all__ = ["Fact", "FactSet"]
