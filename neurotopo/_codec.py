"""Lossless JSON, also for nan, infinity and arrays of numbers."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

__all__ = ["difference", "from_text", "line_of", "to_lines", "to_text"]

_FLOAT = "$float"  # JSON has no nan and no infinity: they become {"$float": "nan"} and so on


def to_text(value: Any, where: str = "value") -> str:
    """Return a value as JSON, the same text for equal values.

    Parameters
    ----------
    value : object
        Mappings with strings as keys, sequences, strings, numbers, booleans, None, and numpy's
        arrays and numbers. Tuples and arrays become lists; numbers keep every digit.
    where : str, default="value"
        Its name in error messages.

    Raises
    ------
    TypeError, ValueError
        For other values; the message names the place.

    Examples
    --------
    >>> from neurotopo._codec import from_text, to_text
    >>> to_text({"sizes": (2, 3), "gcr": float("nan")})
    '{"gcr": {"$float": "nan"}, "sizes": [2, 3]}'
    >>> from_text(to_text({"gcr": float("inf")}))
    {'gcr': inf}
    """
    try:
        return json.dumps(_plain(value, where), sort_keys=True, allow_nan=False)
    except RecursionError:
        raise ValueError(f"{where} is nested too deeply.") from None


def from_text(text: str, *, distinct: bool = False) -> Any:
    """Return the value of a text of :func:`to_text`; raise ValueError if it is no JSON.

    With ``distinct``, a key that occurs twice in an object is a KeyError.
    """
    hook: dict[str, Any] = (
        {"object_pairs_hook": _distinct} if distinct else {"object_hook": _floats}
    )
    try:
        return json.loads(text, parse_constant=_refuse, **hook)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def to_lines(value: Any, depth: int, indent: str = "") -> str:
    """Return a value as JSON in lines: a line for each member, in their order, to a depth.

    Examples
    --------
    >>> from neurotopo._codec import to_lines
    >>> print(to_lines({"sizes": [[1, 2], [3]], "gcr": float("nan")}, depth=2))
    {
      "sizes": [
        [1, 2],
        [3]
      ],
      "gcr": {"$float": "nan"}
    }
    """
    if depth == 0 or not isinstance(value, dict | list) or not value:
        return to_text(value)
    inner = f"{indent}  "
    if isinstance(value, dict):
        members = [f"{to_text(k)}: {to_lines(v, depth - 1, inner)}" for k, v in value.items()]
        start, end = "{}"
    else:
        members = [to_lines(member, depth - 1, inner) for member in value]
        start, end = "[]"
    return f"{start}\n{inner}" + f",\n{inner}".join(members) + f"\n{indent}{end}"


def line_of(text: str, place: Sequence[str | int], occurrence: int = 1) -> int:
    r"""Return the line, from 1 on, of a member of a JSON text.

    Parameters
    ----------
    text : str
        The JSON.
    place : sequence of str and int
        Keys of objects and positions in lists, from the outermost on.
    occurrence : int, default=1
        Which one, if the last key occurs several times in its object.

    Examples
    --------
    >>> from neurotopo._codec import line_of
    >>> text = '{"a": [1,\n2],\n"b": 3}'
    >>> line_of(text, ["a", 1]), line_of(text, ["b"])
    (2, 3)
    """
    decode = json.JSONDecoder().raw_decode
    at = line_start = _next(text, 0)
    for depth, step in enumerate(place, start=1):
        seen, at = 0, _next(text, at + 1)  # past the bracket
        while text[at : at + 1] not in ("", "]", "}"):
            if isinstance(step, str):
                key, end = decode(text, at)
                line_start, at = at, _next(text, _next(text, end) + 1)  # past the colon
                seen += key == step
                reached = key == step and (depth < len(place) or seen == occurrence)
            else:
                line_start, reached, seen = at, seen == step, seen + 1
            if reached:
                break
            at = _next(text, decode(text, at)[1])
            at = _next(text, at + 1) if text[at : at + 1] == "," else at
    return text.count("\n", 0, line_start) + 1


def _next(text: str, at: int) -> int:
    while text[at : at + 1] in (" ", "\t", "\r", "\n"):
        at += 1
    return at


def difference(there: Any, here: Any, name: str = "") -> str:
    """Return a sentence on the first difference of two nested mappings.

    Examples
    --------
    >>> from neurotopo._codec import difference
    >>> difference({"filter": {"tau2": 0.3}}, {"filter": {"tau2": 0.4}})
    'filter.tau2 was 0.3 and is 0.4'
    """
    if isinstance(there, dict) and isinstance(here, dict):
        for key in [*here, *(key for key in there if key not in here)]:
            inner = f"{name}.{key}" if name else str(key)
            if key not in there:
                return f"{inner} was not given and is {_short(here[key])}"
            if key not in here:
                return f"{inner} was {_short(there[key])} and is not given"
            # As text, because nan is not equal to itself.
            if to_text(there[key]) != to_text(here[key]):
                return difference(there[key], here[key], inner)
    return f"{name or 'it'} was {_short(there)} and is {_short(here)}"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _plain(value: Any, where: str) -> Any:
    if value is None or isinstance(value, bool | str):
        return str(value) if isinstance(value, str) else value
    if isinstance(value, np.ndarray | np.generic):
        if value.dtype.kind not in "biufU":
            raise TypeError(f"{where} holds {value.dtype}, which JSON cannot hold.")
        return _plain(value.tolist(), where)
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else {_FLOAT: str(float(value))}
    if isinstance(value, Mapping):
        for key in value:
            if not isinstance(key, str):
                raise TypeError(f"the keys of {where} must be strings, got {key!r}.")
            if key == _FLOAT:
                raise ValueError(f"{where} has the key {_FLOAT!r}, which is reserved.")
        return {str(key): _plain(each, f"{where}[{key!r}]") for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each, f"{where}[{i}]") for i, each in enumerate(value)]
    raise TypeError(f"{where} is a {type(value).__name__}, which JSON cannot hold.")


def _floats(mapping: dict[str, Any]) -> Any:
    if mapping.keys() != {_FLOAT}:
        return mapping
    if not isinstance(mapping[_FLOAT], str):
        raise ValueError(f"the value of {_FLOAT!r} is no text")
    return float(mapping[_FLOAT])


def _distinct(pairs: list[tuple[str, Any]]) -> Any:
    mapping: dict[str, Any] = {}
    for key, value in pairs:
        if key in mapping:
            raise KeyError(key)
        mapping[key] = value
    return _floats(mapping)


def _refuse(constant: str) -> float:
    raise ValueError(f"{constant} is no JSON")
