"""``run.json``: settings and progress of a run."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from neurotopo._codec import from_text, to_text
from neurotopo._extras import versions
from neurotopo._files import atomic_write, os_errors, read_bytes

__all__ = ["read_run", "write_run"]

_KIND = "neurotopo.run"
_VERSION = 2  # version 1 has no digest


_DIGEST = "digest"


def _digest(plain: Mapping[str, Any]) -> str:
    """Return the hash of everything in the file but the digest."""
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()


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
    whole.pop(_DIGEST, None)
    plain = json.loads(to_text(whole, "run"))
    text = json.dumps({**plain, _DIGEST: _digest(plain)}, indent=1, ensure_ascii=True)
    with os_errors("write to", Path(path)), atomic_write(Path(path)) as file:
        file.write(text.encode() + b"\n")


def read_run(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read a file of :func:`write_run`; another kind of file or a damaged one is a ValueError.

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
        text = read_bytes(path).decode()
        about = dict(from_text(text))
        known = about["kind"] == _KIND and about["version"] in (1, _VERSION)
        plain = json.loads(text)
    except (ValueError, TypeError, KeyError):
        known = False
    if not known:
        raise ValueError(f"{path} was not written by a study, or by another version.")
    if about["version"] != 1 and plain.pop(_DIGEST, None) != _digest(plain):
        raise ValueError(f"{path} is damaged: its digest is wrong. Run the study again.")
    about.pop(_DIGEST, None)
    return about
