"""The version of neurotopo."""

__version__ = "0.1.0"
