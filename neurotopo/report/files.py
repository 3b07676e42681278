"""Files of a report: each is written atomically, and only own files are deleted."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import numpy as np

from neurotopo._files import atomic_write, os_errors, read_json, refuse_links
from neurotopo.report.page import FIGURE_FORMATS, TABLE_FORMATS, make_page, page_template
from neurotopo.report.pictures import to_png, to_svg
from neurotopo.report.run_file import read_run
from neurotopo.report.summary import Summary
from neurotopo.report.tables import csv_frame, to_csv, to_latex, to_markdown

__all__ = ["write_report"]

PAGE, ROWS, LIST, RUN = "report.html", "rows.csv", "report.json", "run.json"
RAW = "rows.jsonl"
_KIND, _VERSION = "neurotopo.report", 1
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.-]*"
# only files that match are deleted
_OURS = re.compile(
    rf"tables/{_NAME}\.({'|'.join(TABLE_FORMATS)})|figures/{_NAME}\.({'|'.join(FIGURE_FORMATS)})"
)

Hashes = dict[str, list[str]]  # of the content, by file; several after an interruption


def write_report(
    summary: Summary,
    folder: str | os.PathLike[str],
    *,
    about: Mapping[str, Any] | None = None,
    failures: Mapping[str, str] | None = None,
) -> list[Path]:
    """Write the report of a run to its folder.

    Parameters
    ----------
    summary : Summary
        Content of the report.
    folder : path-like
        The folder; it is created if needed.
    about : mapping, optional
        Settings of the run; ``command``, text or a list of words, repeats it. None: those in
        ``run.json`` of the folder, if it exists.
    failures : mapping of str to str, optional
        Reasons of failed facts, by key. None: only their number is shown, if known.

    Returns
    -------
    list of Path
        The files: ``tables/*.csv``, ``.md`` and ``.tex``, ``figures/*.svg`` and ``.png``,
        ``rows.csv`` (safe to open as a spreadsheet), ``rows.jsonl`` (the raw values),
        ``report.json``, and last ``report.html``.

    Raises
    ------
    ImportError, ValueError
        If jinja2 is not installed, a name is no valid file name, a format does not fit the numbers
        of its column, or ``run.json`` is another kind of file; then nothing is written.
    OSError
        If a file cannot be written; an earlier file is kept.

    Notes
    -----
    ``report.json`` lists the tables and pictures with their hashes. Files of an earlier report that
    are no longer part of it are deleted, unless they were changed since.

    Examples
    --------
    >>> import tempfile
    >>> import pandas as pd
    >>> from neurotopo.report import write_report
    >>> from neurotopo.report.summary import Summary, Table
    >>> rows = pd.DataFrame({"fact": ["paris", "rome"], "n": [3, 5]})
    >>> table = Table(rows, "Sizes", "n: number of neurons.")
    >>> summary = Summary("How large are they?", ("4 on average.",), {"sizes": table}, {}, rows)
    >>> [path.name for path in write_report(summary, tempfile.mkdtemp())]
    ['sizes.csv', 'sizes.md', 'sizes.tex', 'rows.csv', 'rows.jsonl', 'report.json', 'report.html']
    """
    page_template()  # fails early without jinja2
    folder = Path(folder)
    _check_names(summary)
    refuse_links(folder, ("tables", "figures"))
    if about is None and (folder / RUN).is_file():
        about = read_run(folder / RUN)
    svgs = {name: to_svg(each.figure, name) for name, each in summary.pictures.items()}
    parts = _contents(summary, svgs)
    page = make_page(summary, about=about, failures=failures, svgs=svgs)

    earlier = _read_list(folder / LIST)
    new = {name: [hashlib.sha256(data).hexdigest()] for name, data in parts.items()}
    for place in (folder, *sorted({(folder / name).parent for name in parts})):
        with os_errors("make the folder", place):
            place.mkdir(parents=True, exist_ok=True)
    # Listed before they are written: after an interruption all own files are known.
    both = {name: [*new.get(name, []), *earlier.get(name, [])] for name in {**earlier, **new}}
    _write_list(folder / LIST, both)
    for name, data in parts.items():
        with _writing(folder / name) as file:
            file.write(data)
    with _writing(folder / ROWS) as file:
        options: Any = {"lineterminator": "\n", "encoding": "utf-8", "errors": "backslashreplace"}
        csv_frame(summary.rows).to_csv(file, index=False, **options)
    with _writing(folder / RAW) as file:
        for row in summary.rows.to_dict("records"):
            file.write(json.dumps({str(name): _raw(value) for name, value in row.items()}).encode())
            file.write(b"\n")
    for name in earlier.keys() - new.keys():
        _remove(folder / name, earlier[name])
    _write_list(folder / LIST, new)
    with _writing(folder / PAGE) as file:
        file.write(page.encode())
    return [folder / name for name in (*parts, ROWS, RAW, LIST, PAGE)]


def _raw(value: Any) -> Any:
    """Return a cell for JSON; None for a missing number."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float) and not math.isfinite(plain):
        return None if math.isnan(plain) else str(plain)
    if plain is None or isinstance(plain, bool | int | float | str):
        return plain
    return str(plain)


def _check_names(summary: Summary) -> None:
    for names in (summary.tables, summary.pictures):
        seen: dict[str, str] = {}
        for name in names:
            if not isinstance(name, str) or not re.fullmatch(_NAME, name):
                raise ValueError(
                    f"{name!r} cannot be the name of a file: letters of ASCII, digits and _.- only."
                )
            # Many file systems ignore case.
            if seen.setdefault(name.lower(), name) != name:
                raise ValueError(f"{name!r} and {seen[name.lower()]!r} would be the same file.")


def _contents(summary: Summary, svgs: Mapping[str, str]) -> dict[str, bytes]:
    """Return the content of the files of tables and pictures, by path."""
    contents = {}
    for name, table in summary.tables.items():
        csv = to_csv(table).encode("utf-8", "backslashreplace")
        texts = (csv, to_markdown(table).encode(), to_latex(table, f"tab:{name}").encode())
        for ending, text in zip(TABLE_FORMATS, texts, strict=True):
            contents[f"tables/{name}.{ending}"] = text
    for name, picture in summary.pictures.items():
        images = (svgs[name].encode(), to_png(picture.figure))
        for ending, data in zip(FIGURE_FORMATS, images, strict=True):
            contents[f"figures/{name}.{ending}"] = data
    return contents


def _read_list(path: Path) -> Hashes:
    """Return the files of an earlier report; none if the list is another kind of file."""
    try:
        whole = read_json(path)
        if whole["kind"] != _KIND or whole["version"] != _VERSION:
            return {}
        return {
            name: [str(each) for each in hashes]
            for name, hashes in whole["files"].items()
            if _OURS.fullmatch(name)
        }
    except (OSError, ValueError, TypeError, KeyError, AttributeError):
        return {}


def _write_list(path: Path, files: Hashes) -> None:
    whole = {"kind": _KIND, "version": _VERSION, "files": dict(sorted(files.items()))}
    with _writing(path) as file:
        file.write(json.dumps(whole, indent=1).encode() + b"\n")


def _remove(path: Path, hashes: list[str]) -> None:
    """Delete an own file, unless it was changed since."""
    with os_errors("remove", path):
        if path.is_symlink() or not path.is_file():
            return
        if hashlib.sha256(path.read_bytes()).hexdigest() in hashes:
            path.unlink()


@contextmanager
def _writing(path: Path) -> Iterator[IO[bytes]]:
    with os_errors("write to", path), atomic_write(path) as file:
        yield file
