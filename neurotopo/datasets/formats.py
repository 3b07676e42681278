"""Recognition of the format of a file of facts, and one reader for all formats."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from neurotopo.datasets.blimp import load_blimp
from neurotopo.datasets.counterfact import load_counterfact
from neurotopo.datasets.dataset import Dataset
from neurotopo.datasets.files import Faults, PathLike, data_files, read_bytes, read_records
from neurotopo.datasets.lama import load_mlama, load_pararel
from neurotopo.datasets.tables import load_csv, load_jsonl
from neurotopo.datasets.templama import load_templama

__all__ = ["FORMATS", "format_of", "load_facts"]


def _blimp(path: PathLike, on_error: str) -> Dataset:
    pairs = load_blimp(path, on_error=on_error)
    if not len(pairs.facts):
        raise ValueError(f"{os.fspath(path)} has no pair where one word decides, so no facts.")
    return Dataset(pairs.facts, skipped=pairs.skipped)


_READERS: Mapping[str, Callable[..., Dataset]] = {
    "templama": load_templama,
    "mlama": load_mlama,
    "pararel": load_pararel,
    "counterfact": load_counterfact,
    "blimp": _blimp,
    "csv": load_csv,
    "jsonl": load_jsonl,
}
_FIELDS = (
    ("templama", {"query", "answer"}),
    ("counterfact", {"requested_rewrite"}),
    ("blimp", {"sentence_good", "sentence_bad"}),
    ("mlama", {"sub_label", "obj_label", "template"}),
    ("jsonl", {"prompt", "answers"}),
)
FORMATS = tuple(_READERS)
"""The names of the formats."""


def load_facts(path: PathLike, format: str = "auto", on_error: str = "raise") -> Dataset:
    """Read a file or folder of facts in any of the known formats.

    Parameters
    ----------
    path : path-like
        The file or folder.
    format : str, default="auto"
        One of :data:`FORMATS`, or ``"auto"``: see :func:`format_of`.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of rows that are not valid facts.

    Returns
    -------
    Dataset

    Examples
    --------
    >>> from neurotopo.datasets import load_facts
    >>> from neurotopo.models.builtin_models import find
    >>> load_facts(find("planted") / "facts.jsonl")
    Dataset of 322 facts, 12 relations
    """
    if format == "auto":
        format = format_of(path)
    if format not in _READERS:
        raise ValueError(f"format must be 'auto' or one of {', '.join(FORMATS)}, got {format!r}.")
    return _READERS[format](path, on_error=on_error)


def format_of(path: PathLike) -> str:
    """Tell the format of a file by its name and its first rows, and of a folder by its files.

    Parameters
    ----------
    path : path-like
        The file or folder.

    Returns
    -------
    str
        One of :data:`FORMATS`.

    Raises
    ------
    ValueError
        If it is none of them.

    Examples
    --------
    >>> from neurotopo.datasets import format_of
    >>> from neurotopo.models.builtin_models import find
    >>> format_of(find("planted") / "facts.jsonl")
    'jsonl'
    """
    place, faults = Path(path), Faults("skip")
    if place.is_dir():
        name = _format_of_folder(place, faults)
    elif place.name.removesuffix(".gz").endswith((".csv", ".tsv")):
        name = "csv"
    else:
        name = _format_of_rows(place, faults)
    if name is None:
        if place.is_file() and not faults.skipped and not read_bytes(place).strip():
            raise ValueError(f"{os.fspath(path)} is empty.")
        known = f"in none of the known formats ({', '.join(FORMATS)})"
        first = f"; {faults.skipped[0]}" if faults.skipped else "."
        raise ValueError(f"{os.fspath(path)} is {known}{first}")
    return name


def _format_of_folder(folder: Path, faults: Faults) -> str | None:
    if (folder / "pattern_data" / "graphs_json").is_dir():
        return "pararel"
    inside = [folder, *(place for place in sorted(folder.iterdir()) if place.is_dir())]
    if any(file.name.startswith("templates.json") for f in inside for file in data_files(f)):
        return "mlama"
    formats = {_format_of_rows(file, faults) for file in data_files(folder)} - {None}
    # The readers of other formats take one file.
    return formats.pop() if len(formats) == 1 and formats <= {"templama", "blimp"} else None


def _format_of_rows(file: Path, faults: Faults) -> str | None:
    """Return the format of the first row that has all fields of a format.

    If no row does: that of the first row with some. Its reader names the missing field.
    """
    partial = None
    for record in read_records(file, faults):
        shares = {
            name: len(fields & record.values.keys()) / len(fields) for name, fields in _FIELDS
        }
        best = max(shares, key=lambda name: shares[name])
        if shares[best] == 1:
            return best
        if partial is None and shares[best]:
            partial = best
    return partial
