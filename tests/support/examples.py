"""How many examples a property is tested on."""

from __future__ import annotations

import os

from hypothesis import settings

MANY = os.environ.get("HYPOTHESIS_PROFILE", "ci") != "ci"  # in ``make slow``


def examples(n: int) -> settings:
    """Return settings of ``n`` examples, or of a fifth of them in ``make test``."""
    return settings(max_examples=n if MANY else max(n // 5, min(n, 20)))
