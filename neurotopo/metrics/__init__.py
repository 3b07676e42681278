"""Measures of clusterings."""

from neurotopo.metrics.validity import dbcv

__all__ = ["dbcv"]
