"""``run.json``: settings and progress of a run."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurotopo._codec import from_text, to_text
from neurotopo._extras import versions
from neurotopo._files import atomic_write, os_errors

__all__ = ["read_run", "write_run"]

_KIND = "neurotopo.run"
_VERSION = 1


def write_run(path: str | os.PathLike[str], about: Mapping[str, Any]) -> None:
    """Write the settings of a run; the file is replaced atomically.

    Parameters
    ----------
    path : path-like
        The file.
    about : mapping
        Settings, JSON-serialisable; versions of the packages are added.

    Raises
    ------
    OSError
        If the file cannot be written; an earlier file is kept.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.report.run_file import read_run, write_run
    >>> path = Path(tempfile.mkdtemp()) / "run.json"
    >>> write_run(path, {"study": "sizes", "options": {"tau": 0.5}, "seeds": {"groups": 0}})
    >>> read_run(path)["options"], "numpy" in read_run(path)["versions"]
    ({'tau': 0.5}, True)
    """
    whole = {"kind": _KIND, "version": _VERSION, **about, "versions": versions()}
    text = json.dumps(json.loads(to_text(whole, "run")), indent=1, ensure_ascii=True)
    with os_errors("write to", Path(path)), atomic_write(Path(path)) as file:
        file.write(text.encode() + b"\n")


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of :func:`write_run`; another kind of file raises a ValueError.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.report.run_file import read_run, write_run
    >>> write_run(path := Path(tempfile.mkdtemp()) / "run.json", {"study": "sizes"})
    >>> read_run(path)["study"]
    'sizes'
    """
    try:
        about = from_text(Path(path).read_text(encoding="utf-8"))
        known = about["kind"] == _KIND and about["version"] == _VERSION
    except (ValueError, TypeError, KeyError):
        known = False
    if not known:
        raise ValueError(f"{path} was not written by a study, or by another version.")
    return dict(about)
