"""Points, distances and graphs from files; errors name the line and column."""

from __future__ import annotations

import csv
import math
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

__all__ = ["Read", "read_samples"]

KINDS = (".csv", ".tsv", ".npy", ".npz")
_SPARSE = {"format", "shape"}  # in files of scipy.sparse.save_npz, besides the entries
_NAMES = ("", "id", "index", "label", "name")  # headings of a column of names
_TOO_LONG = 30


@dataclass(frozen=True)
class Read:
    """Content of a file."""

    samples: Any  # points, one per row, or a square matrix of lengths, dense or sparse
    names: list[str] | None
    graph: bool  # whether it is a sparse graph, whose entries are lengths


def read_samples(path: Path, *, distances: bool = False) -> Read:
    """Read points, or a matrix of distances.

    A text file may have a line of headings, and a first column of names: one that holds text, or
    whose heading is empty or ``id``, ``index``, ``label`` or ``name``.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .npy or .npz file.
    distances : bool, default=False
        Whether a dense file is a matrix of distances, in which ``inf`` is allowed.

    Returns
    -------
    Read

    Raises
    ------
    ValueError
        If the content is invalid. The message names the file, and in a text file line and column.
    OSError
        If it cannot be read.
    """
    kind = path.suffix.lower()
    if kind not in KINDS:
        raise ValueError(f"{path}: expected a file that ends in {', '.join(KINDS)}.")
    if kind in (".csv", ".tsv"):
        return _read_text(path, distances)
    if kind == ".npy":
        with path.open("rb") as file:
            return Read(_checked(_loaded(path, file), path, distances), None, False)
    return _read_npz(path, distances)


def _read_text(path: Path, distances: bool) -> Read:
    lines = list(_lines(path))
    if not lines:
        raise ValueError(f"{path} is empty.")
    headed = _is_heading(lines)
    heading = lines[0][1] if headed else None
    lines = lines[1:] if headed else lines
    if not lines:
        raise ValueError(f"{path} has a line of headings and nothing below it.")
    width = len(lines[0][1]) if heading is None else len(heading)
    named = _number(lines[0][1][0]) is None and bool(lines[0][1][0].strip())
    named = named or (heading is not None and heading[0].strip().lower() in _NAMES)
    first = 1 if named else 0
    if width <= first:
        raise ValueError(f"{path}: there is no column of numbers.")
    rows = np.empty((len(lines), width - first))
    for k, (line, cells) in enumerate(lines):
        if len(cells) != width:
            raise ValueError(f"{path}, line {line}: {len(cells)} cells, expected {width}.")
        for column in range(first, width):
            value = _number(cells[column])
            if value is None or math.isnan(value) or (math.isinf(value) and not distances):
                raise ValueError(
                    f"{path}, line {line}, column {_column(column, heading)}: "
                    f"{_shown(cells[column])} is not a {'' if distances else 'finite '}number."
                )
            rows[k, column - first] = value
    names = [cells[0] for _, cells in lines] if named else None
    return Read(rows, names, False)


def _lines(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the number and the cells of every line that is not empty."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        try:
            start = file.readline()
            semicolons = "," not in start and ";" in start
            tabs = path.suffix.lower() == ".tsv"
            file.seek(0)
            reader = csv.reader(
                file, delimiter="\t" if tabs else ";" if semicolons else ",", strict=True
            )
            for cells in reader:
                if any(cell.strip() for cell in cells):
                    yield reader.line_num, cells
        except UnicodeDecodeError as error:
            raise ValueError(f"{path} is not text in UTF-8: {error.reason}.") from error
        except csv.Error as error:
            raise ValueError(f"{path}, line {reader.line_num}: {error}.") from error


def _is_heading(lines: list[tuple[int, list[str]]]) -> bool:
    """Return whether the first line has headings: text in place of numbers."""
    cells = lines[0][1]
    if not any(_number(cell) is None for cell in cells[1:]):
        # one cell of text before numbers is a name; alone above a number it is a heading
        below = lines[1][1] if len(lines) > 1 else cells
        return len(cells) == 1 and _number(cells[0]) is None and _number(below[0]) is not None
    # a faulty first line has numbers, headings have none
    return not any(_number(cell) is not None for cell in cells[1:])


def _number(cell: str) -> float | None:
    """Return the number in a cell, None where there is none."""
    text = cell.strip()
    if "_" in text:  # Python would read 1_000
        return None
    try:
        return float(text)
    except ValueError:
        return None


def _column(column: int, heading: list[str] | None) -> str:
    name = "" if heading is None else heading[column].strip()
    return f"{column + 1} ({name})" if name else str(column + 1)


def _shown(cell: str) -> str:
    if not cell.strip():
        return "an empty cell"
    return repr(cell if len(cell) <= _TOO_LONG else f"{cell[:_TOO_LONG]}...")


def _read_npz(path: Path, distances: bool) -> Read:
    if not zipfile.is_zipfile(path):
        path.open("rb").close()  # a file that cannot be opened raises its OSError
        raise ValueError(f"{path} is not an .npz file.")
    with path.open("rb") as file:
        arrays = _loaded(path, file)
        try:
            names = set(arrays.files)
            if names >= _SPARSE:
                return Read(_sparse(path), None, True)
            if len(names) != 1:
                held = ", ".join(sorted(names)) or "nothing"
                raise ValueError(
                    f"{path} holds {held}: expected one array, or a graph written by "
                    "scipy.sparse.save_npz."
                )
            return Read(_checked(_member(path, arrays, *names), path, distances), None, False)
        finally:
            arrays.close()


def _loaded(path: Path, file: Any) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _member(path: Path, arrays: Any, name: str) -> Any:
    try:
        return arrays[name]
    except (ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> ValueError:
    if "pickle" in str(error).lower():
        return ValueError(
            f"{path} holds Python objects (a pickle), which are not read: they may run code. Save "
            "an array of numbers."
        )
    return ValueError(f"{path} cannot be read as an array: {error or 'it is cut off'}.")


def _sparse(path: Path) -> Any:
    """Read a graph, and check its indices."""
    try:
        graph = sp.load_npz(path)
        if hasattr(graph, "check_format"):
            graph.check_format(full_check=True)
        graph = graph.tocsr()
    except (ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise ValueError(f"{path} is not a valid sparse matrix: {error}.") from error
    if graph.dtype.kind not in "fiub":
        raise ValueError(f"{path} must hold real numbers, got {graph.dtype}.")
    return graph


def _checked(samples: Any, path: Path, distances: bool) -> NDArray[np.float64]:
    if not isinstance(samples, np.ndarray) or samples.dtype.kind not in "fiub":
        kind = getattr(samples, "dtype", type(samples).__name__)
        raise ValueError(f"{path} must hold real numbers, got {kind}.")
    if samples.ndim == 1 and not distances:
        samples = samples[:, None]
    if samples.ndim != 2:
        raise ValueError(f"{path} must hold a matrix, got shape {samples.shape}.")
    if 0 in samples.shape:
        raise ValueError(f"{path} is empty: its shape is {samples.shape}.")
    values = samples.astype(np.float64)
    wrong = np.isnan(values) if distances else ~np.isfinite(values)
    if wrong.any():
        row, column = (int(at[0]) for at in np.nonzero(wrong))
        raise ValueError(f"{path}: entry [{row}, {column}] is {values[row, column]}.")
    return values
