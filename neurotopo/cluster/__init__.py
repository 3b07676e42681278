"""Clusterers: the persistence-based one and the baselines it is compared with."""

from neurotopo.cluster.ntc import NTCClusterer

__all__ = ["NTCClusterer"]
