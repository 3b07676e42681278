"""Points, distances and graphs from files; errors name the line and column."""

from __future__ import annotations

import zipfile
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from neurotopo._files import abridged, size_of
from neurotopo._memory import check_npy, check_npz, require_array, require_memory
from neurotopo.explore.columns import ChosenColumns, ColumnChoice, choose_columns, columns_named
from neurotopo.explore.text_tables import read_text_table

__all__ = ["Read", "read_samples", "standardized", "with_coordinates"]

KINDS = (".csv", ".tsv", ".npy", ".npz")
# zipfile raises the last two for unknown compression and encrypted members
_DAMAGED = (ValueError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)
_SPARSE = {"format", "shape"}  # in files of scipy.sparse.save_npz, besides the entries
_ALL = ColumnChoice()


@dataclass(frozen=True)
class Read:
    """Content of a file."""

    samples: Any  # points, one per row, or a square matrix of lengths, dense or sparse
    names: list[str] | None
    graph: bool  # whether it is a sparse graph, whose entries are lengths
    summary: str  # what was read, in one sentence
    columns: str | None = None  # the columns used, if samples are points
    coordinates: NDArray[np.float64] | None = None  # positions in the plane
    drawn_by: str | None = None  # the columns or the file of the positions


def read_samples(
    path: Path,
    *,
    distances: bool = False,
    choice: ColumnChoice = _ALL,
    separator: str | None = None,
    decimal: str | None = None,
) -> Read:
    """Read points, or a matrix of distances.

    A text file may have a line of headings, and a first column of names: one that holds only text,
    or whose heading is empty or ``id``, ``index``, ``label`` or ``name``.

    Parameters
    ----------
    path : Path
        A .csv, .tsv, .npy or .npz file.
    distances : bool, default=False
        Whether a dense file is a matrix of distances, in which ``inf`` is allowed.
    choice : ColumnChoice, optional
        Columns to use, all by default.
    separator, decimal : str, optional
        Of a text file: ``"comma"``, ``"semicolon"``, ``"tab"``, ``"bar"`` or ``"space"``, and
        ``"point"`` or ``"comma"``. None: recognised.

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
    text = kind in (".csv", ".tsv")
    for option, given in (("--separator", separator), ("--decimal", decimal)):
        if given is not None and not text:
            raise ValueError(f"{option} is for .csv and .tsv files, not for {path}.")
    unfit = [name for name in choice.given() if not (name == "--names" and text)]
    if distances and unfit:
        raise ValueError(f"{unfit[0]} is for points; {path} is a matrix of distances.")
    if text:
        return _read_text(path, distances, choice, separator, decimal)
    size = size_of(path)
    if kind == ".npy":
        with path.open("rb") as file:
            _check_npy(file, path, size)
            return _of_array(
                _checked(_loaded(path, file), path, distances), path, distances, choice
            )
    return _read_npz(path, distances, choice)


def with_coordinates(samples: Read, path: Path) -> Read:
    """Add positions in the plane from a file of two columns, one row for each sample."""
    read, n = read_samples(path), samples.samples.shape[0]
    if read.graph or read.samples.shape != (n, 2):
        shape = " x ".join(f"{size:,}" for size in read.samples.shape)
        raise ValueError(f"{path} (--coordinates) must hold {n:,} rows of 2 columns, got {shape}.")
    if read.names is not None and samples.names is not None and read.names != samples.names:
        row = next(k for k in range(n) if read.names[k] != samples.names[k])
        raise ValueError(
            f"{path} (--coordinates): row {row + 1} is named {read.names[row]!r}, but that of the "
            f"samples {samples.names[row]!r}."
        )
    summary = f"{samples.summary}; drawn by {path}"
    return replace(samples, coordinates=read.samples, drawn_by=str(path), summary=summary)


def standardized(samples: Read, path: Path) -> Read:
    """Give every column of points mean 0 and variance 1."""
    from sklearn.preprocessing import StandardScaler

    if samples.columns is None:
        raise ValueError(f"--standardize is for points; {path} holds lengths.")
    scaled = StandardScaler().fit_transform(samples.samples)
    columns, summary = f"{samples.columns} (standardized)", f"{samples.summary}; standardized"
    return replace(samples, samples=scaled, columns=columns, summary=summary)


def _read_text(
    path: Path, distances: bool, choice: ColumnChoice, separator: str | None, decimal: str | None
) -> Read:
    table = read_text_table(path, separator)
    chosen = choose_columns(
        choice, table.n_columns, table.headings, path, first_has_names=table.looks_like_names()
    )
    asked = [*chosen.used, *chosen.coordinates]
    values, sign = table.numbers(asked, decimal=decimal, infinite=distances)
    shown = f"separator {table.separator}, decimal {sign}, "
    shown += "no headings" if table.headings is None else f"headings in line {table.heading_line}"
    names = None if chosen.names is None else table.column(chosen.names)
    return _read_of(values, chosen, table.headings, names, shown, path, distances)


def _of_array(
    values: NDArray[np.float64], path: Path, distances: bool, choice: ColumnChoice
) -> Read:
    """Choose columns of an array."""
    chosen = choose_columns(choice, values.shape[1], None, path)
    names = None
    if chosen.names is not None:
        names = [f"{value:.17g}" for value in values[:, chosen.names].tolist()]
    asked = values[:, [*chosen.used, *chosen.coordinates]]
    return _read_of(asked, chosen, None, names, "", path, distances)


def _read_of(
    values: NDArray[np.float64],
    chosen: ChosenColumns,
    headings: list[str] | None,
    names: list[str] | None,
    shown: str,
    path: Path,
    distances: bool,
) -> Read:
    """Split what was read, and say it."""
    width, used = len(chosen.used), columns_named(chosen.used, headings)
    rows, columns = _counted(len(values), "row"), _counted(width, "column")
    parts = [f"read {path}: {rows}, {columns}{'' if distances or not headings else f' ({used})'}"]
    parts += [shown] if shown else []
    if chosen.names is not None:
        parts.append(f"names from column {columns_named([chosen.names], headings)}")
    else:
        parts.append("no names")
    drawn_by = columns_named(chosen.coordinates, headings) if chosen.coordinates else None
    if drawn_by is not None:
        parts.append(f"drawn by {drawn_by}")
    if chosen.unused:
        parts.append(f"left out {columns_named(chosen.unused, headings)}")
    at = values[:, width:] if chosen.coordinates else None
    return Read(
        values[:, :width], names, False, "; ".join(parts), None if distances else used, at, drawn_by
    )


def _counted(n: int, word: str) -> str:
    return f"{n:,} {word}{'' if n == 1 else 's'}"


def _read_npz(path: Path, distances: bool, choice: ColumnChoice) -> Read:
    if not zipfile.is_zipfile(path):
        path.open("rb").close()  # a file that cannot be opened raises its OSError
        raise ValueError(f"{path} is not an .npz file.")
    with path.open("rb") as file:
        try:
            check_npz(file, path)
        except _DAMAGED as error:
            raise _unreadable(path, error) from error
        file.seek(0)
        arrays = _loaded(path, file)
        try:
            names = set(arrays.files)
            if names >= _SPARSE:
                if choice.given():
                    raise ValueError(f"{choice.given()[0]} is for points; {path} is a graph.")
                graph = _sparse(path)
                size = f"{graph.shape[0]:,} vertices, {graph.nnz:,} entries"
                return Read(graph, None, True, f"read {path}: a graph of {size}")
            if len(names) != 1:
                held = ", ".join(sorted(names)) or "nothing"
                raise ValueError(
                    f"{path} holds {held}: expected one array, or a graph written by "
                    "scipy.sparse.save_npz."
                )
            values = _checked(_member(path, arrays, *names), path, distances)
            return _of_array(values, path, distances, choice)
        finally:
            arrays.close()


def _loaded(path: Path, file: Any) -> Any:
    try:
        return np.load(file, allow_pickle=False)
    except (ValueError, EOFError, zipfile.BadZipFile) as error:
        raise _unreadable(path, error) from error


def _check_npy(file: Any, path: Path, size: int) -> None:
    """Check that an array fits into memory, and that its header belongs to its size."""
    require_memory(2 * size, f"the array in {path}")
    is_array = file.read(6) == b"\x93NUMPY"  # numpy has its own sentence for other files
    file.seek(0)
    try:
        if is_array:
            check_npy(file, size, path.name)
    except _DAMAGED as error:
        raise _unreadable(path, error) from error
    file.seek(0)


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
    reason = abridged(error) or "it is cut off"
    return ValueError(f"{path} cannot be read as an array: {reason}.")


def _sparse(path: Path) -> Any:
    """Read a graph, and check its indices."""
    try:
        graph = sp.load_npz(path)
        if hasattr(graph, "check_format"):
            graph.check_format(full_check=True)
        require_array((max(graph.shape),), f"the graph of {max(graph.shape):,} vertices in {path}")
        graph = graph.tocsr()
    except (*_DAMAGED, LookupError, TypeError, AttributeError, OverflowError) as error:
        raise ValueError(f"{path} is not a valid sparse matrix: {abridged(error)}.") from error
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
