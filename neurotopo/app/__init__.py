"""The local page of ``neurotopo app``: models and tables, shown on this machine only."""
