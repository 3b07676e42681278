"""The study ``development``: how degenerate components come about in a training."""
