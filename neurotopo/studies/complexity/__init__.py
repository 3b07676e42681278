"""The study ``complexity``: whether larger models are more degenerate."""
