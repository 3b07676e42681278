"""Whether groups of neurons of one fact add up, replace each other, or need each other."""

from neurotopo.redundancy.lattice import Lattice

__all__ = ["Lattice"]
