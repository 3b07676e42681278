"""Facts, and the neurons of a model that store them."""

from neurotopo.knowledge.facts import Fact, FactSet

__all__ = ["Fact", "FactSet"]
