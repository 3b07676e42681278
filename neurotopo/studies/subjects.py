"""What the studies ask. Without any import, as the help of the command line shows it."""

from __future__ import annotations

__all__ = ["SUBJECTS"]

SUBJECTS = {
    "acquisition": "which way of grouping a fact's neurons finds degenerate ones",
    "learning": "does training them teach new facts and keep the old ones",
    "robustness": "do they make a model robust against faulty prompts",
    "detection": "do they tell true statements from false ones",
    "complexity": "is there more degeneracy in larger models",
    "crosslingual": "are they the same in several languages",
    "critique": "what the critics of knowledge neurons ask, asked of these",
    "choices": "which choice of the method matters",
    "development": "how components come about while a model is trained",
}
"""What each study asks, in a few words."""
