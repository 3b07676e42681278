"""What the working process keeps between two jobs, and the values that it may send."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from typing import Any, Protocol, TypeVar

import numpy as np

__all__ = ["Cache", "Tell", "number", "plain"]

_MOST = {"model": 2, "known": 2, "base": 8, "table": 2, "fitted": 2}

Value = TypeVar("Value")


class Tell(Protocol):
    """Reports progress: a text, and the share of the work that is done."""

    def __call__(self, text: str, share: float | None = None) -> None:
        """Report."""


class Cache:
    """Models, tables and results that are used again; of each kind the latest ones.

    Parameters
    ----------
    settings : mapping
        ``facts``, a file of facts or None, and ``device``.

    Examples
    --------
    >>> from neurotopo.app.cache import Cache
    >>> cache = Cache({})
    >>> cache.get("base", "a", lambda: 1), cache.get("base", "a", lambda: 2)
    (1, 1)
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self.settings = dict(settings)
        self._kept: dict[str, OrderedDict[Hashable, Any]] = {}

    def get(self, kind: str, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return a value, made if it is not there."""
        kept = self._kept.setdefault(kind, OrderedDict())
        if key not in kept:
            while len(kept) >= _MOST[kind]:
                kept.popitem(last=False)  # before the next one needs the memory
            kept[key] = make()
        kept.move_to_end(key)
        value: Value = kept[key]
        return value


def number(value: Any) -> float | None:
    """Return a number for JSON; None for one that is not finite."""
    return float(value) if math.isfinite(value) else None


def plain(value: Any) -> Any:
    """Return arrays as lists, and numbers that JSON lacks as None, also inside lists and dicts."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        value = value.tolist()
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return number(value) if isinstance(value, float) else value
