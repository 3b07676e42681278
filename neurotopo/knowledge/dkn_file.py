"""JSON and CSV files of the fields of a DKN."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from neurotopo.knowledge.suppression import SuppressionCurve
from neurotopo.neurons import NeuronSet
from neurotopo.neurons.files import (
    Field,
    PathLike,
    ending_of,
    number_cell,
    pair_of_cells,
    read_json,
    rows_of_csv,
    whole_cell,
    write_csv,
    write_json,
)

__all__ = ["read_dkn", "write_dkn"]

_KIND, _VERSION = "neurotopo.dkn", 1
_OF_ALL = ("potential_probabilities", "potential_without")
_NUMBERS = (
    *("base_probability", "all_suppressed_probability", "potential_suppressed_probability"),
    *("tolerance", "contrast", "max_change"),
)
_COLUMNS = ("field", "component", "layer", "index", "value")
_LISTS = ("neurons", "potential", "passed", *_OF_ALL, "active_probabilities", "suppressed")
_PROBABILITIES = "suppressed_probabilities"
_FIELDS = (*_LISTS, _PROBABILITIES, *_NUMBERS)


def write_dkn(path: PathLike, values: Mapping[str, Any]) -> None:
    """Write the fields of a DKN."""
    ending, content = ending_of(path), _content(values)
    if ending == ".json":
        write_json(path, _KIND, _VERSION, content)
    else:
        write_csv(path, _COLUMNS, list(_rows(content)))


def read_dkn(path: PathLike) -> dict[str, Any]:
    """Return the fields of a DKN."""
    if ending_of(path) == ".json":
        return _values(read_json(path, _KIND, _VERSION, _FIELDS))
    return _values(_content_of_rows(path))


def _content(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields as JSON values; subsets are lists of numbers of potential components."""
    curve: SuppressionCurve = values["suppression"]
    base = values["base_probability"]
    if not np.array_equal(curve.base_probability, base, equal_nan=True):
        raise ValueError(
            f"base_probability of the DKN is {base}, that of its suppression curve "
            f"{curve.base_probability}; they must be equal."
        )
    kept = np.flatnonzero(values["passed"])
    return {
        "neurons": values["neurons"].to_array().tolist(),
        "potential": [group.to_array().tolist() for group in values["potential"]],
        **{name: values[name].tolist() for name in ("passed", *_OF_ALL, "active_probabilities")},
        "suppressed": [kept[row].tolist() for row in curve.subsets],
        _PROBABILITIES: curve.probabilities.tolist(),
        **{name: float(values[name]) for name in _NUMBERS},
    }


def _values(content: Field) -> dict[str, Any]:
    """Return the fields of a DKN, after checks."""
    groups = [NeuronSet(group.pairs()) for group in content["potential"].members()]
    n = len(groups)
    flags = list(_members(content["passed"], n))
    for flag in flags:
        if not isinstance(flag.value, bool):
            raise flag.error(f"must be true or false, got {flag.value!r}")
    passed = np.array([flag.value for flag in flags], dtype=bool)
    kept = np.flatnonzero(passed).tolist()
    sets = list(content["suppressed"].members())
    subsets = np.zeros((len(sets), len(kept)), dtype=bool)
    for row, one in zip(subsets, sets, strict=True):
        row[[_position(member, kept) for member in one.members()]] = True
        if row.sum() != len(one.value) or not len(one.value):
            raise one.error("must have one or more different components")
    numbers = {name: content[name].number() for name in _NUMBERS}
    return {
        "neurons": NeuronSet(content["neurons"].pairs()),
        "potential": groups,
        "passed": passed,
        **{name: _array(content[name], n) for name in _OF_ALL},
        "active_probabilities": _array(content["active_probabilities"], len(kept)),
        "suppression": SuppressionCurve(
            subsets, _array(content[_PROBABILITIES], len(sets)), numbers["base_probability"]
        ),
        **numbers,
    }


def _members(field: Field, n: int) -> Iterator[Field]:
    members = list(field.members())
    if len(members) != n:
        raise field.error(f"must have {n} entries, got {len(members)}")
    return iter(members)


def _array(field: Field, n: int) -> Any:
    return np.array([member.number() for member in _members(field, n)], dtype=np.float64)


def _position(member: Field, kept: list[int]) -> int:
    if isinstance(member.value, bool) or member.value not in kept:
        raise member.error(f"{member.value!r} is not the number of a component that passed")
    return kept.index(member.value)


# The table: a row for each neuron and each number


def _rows(content: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    for layer, index in content["neurons"]:
        yield "neurons", "", layer, index, ""
    for component, group in enumerate(content["potential"]):
        for layer, index in group:
            yield "potential", component, layer, index, ""
    for name in ("passed", *_OF_ALL):
        for component, value in enumerate(content[name]):
            yield name, component, "", "", value
    kept = [component for component, passed in enumerate(content["passed"]) if passed]
    for component, value in zip(kept, content["active_probabilities"], strict=True):
        yield "active_probabilities", component, "", "", value
    for some, value in zip(content["suppressed"], content[_PROBABILITIES], strict=True):
        yield "suppressed", " ".join(map(str, some)), "", "", value
    for name in _NUMBERS:
        yield name, "", "", "", content[name]


def _content_of_rows(path: PathLike) -> Field:
    """Return what the rows say as the content of a JSON file, whose places have the rows' lines."""
    rows: dict[str, list[dict[str, Field]]] = {name: [] for name in (*_LISTS, *_NUMBERS)}
    content: dict[str, Any] = {name: [] for name in (*_LISTS, _PROBABILITIES)}
    lines: dict[tuple[str | int, ...], int] = {(): 1}
    for row in rows_of_csv(path, _COLUMNS):
        name = row["field"].value
        if name not in rows:
            raise row["field"].error(f"must be one of {', '.join(rows)}, got {name!r}")
        _check_blanks(name, row)
        rows[name].append(row)
        lines.setdefault((name,), row["field"].line(()))
    n = len(rows["passed"])
    content["potential"] = [[] for _ in range(n)]
    for row in rows["neurons"]:
        lines["neurons", len(content["neurons"])] = row["field"].line(())
        content["neurons"].append(list(pair_of_cells(row)))
    for row in rows["potential"]:
        component = whole_cell(row["component"], n, "the component")
        group = content["potential"][component]
        lines["potential", component, len(group)] = row["field"].line(())
        group.append(list(pair_of_cells(row)))
    for name in ("passed", *_OF_ALL):
        _fill(name, rows[name], range(n), content, lines)
    kept = [i for i, passed in enumerate(content["passed"]) if passed is True]
    _fill("active_probabilities", rows["active_probabilities"], kept, content, lines)
    for position, row in enumerate(rows["suppressed"]):
        cell = row["component"]
        parts = [replace(cell, value=part) for part in cell.value.split()]
        content["suppressed"].append([whole_cell(part, n, "the component") for part in parts])
        content[_PROBABILITIES].append(number_cell(row["value"]))
        lines["suppressed", position] = lines[_PROBABILITIES, position] = cell.line(())
    for name in _NUMBERS:
        if len(rows[name]) > 1:
            raise rows[name][1]["field"].error(f"the field {name!r} occurs twice")
        if rows[name]:
            content[name] = number_cell(rows[name][0]["value"])

    def line(place: tuple[str | int, ...]) -> int:
        while place not in lines:
            place = place[:-1]
        return lines[place]

    return Field(content, str(path), line)


def _check_blanks(name: str, row: dict[str, Field]) -> None:
    """Raise an error for a cell that the field has no use for."""
    used = {"neurons": ("layer", "index"), "potential": ("component", "layer", "index")}
    has = used.get(name, ("value",) if name in _NUMBERS else ("component", "value"))
    for column in _COLUMNS[1:]:
        if column not in has and row[column].value:
            raise row[column].error(f"must be blank for {name!r}, got {row[column].value!r}")


def _fill(
    name: str,
    rows: list[dict[str, Field]],
    components: Any,
    content: dict[str, Any],
    lines: dict[tuple[str | int, ...], int],
) -> None:
    """Add the values of components, each of which has one row, in order."""
    for position, row in enumerate(rows):
        lines[name, position] = row["field"].line(())
        expected = components[position] if position < len(components) else None
        if row["component"].value != str(expected):
            which = "no further component" if expected is None else f"component {expected}"
            raise row["component"].error(
                f"{which} is expected for {name!r}, got {row['component'].value!r}"
            )
        cell = row["value"]
        if name == "passed":
            if cell.value not in ("True", "False"):
                raise cell.error(f"must be True or False, got {cell.value!r}")
            content[name].append(cell.value == "True")
        else:
            content[name].append(number_cell(cell))
