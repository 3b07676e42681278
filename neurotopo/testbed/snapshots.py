"""Snapshots of training: complete models after some of the steps."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from neurotopo._files import read_json

__all__ = ["SNAPSHOTS", "Snapshots", "snapshot_steps", "snapshots_of", "step_of"]

SNAPSHOTS = "snapshots"
"""Name of the folder in a model's folder."""

_RECORD = "recipe.json"
_NAME = re.compile(r"step-(\d+)")


def snapshot_steps(n_steps: int, n: int) -> tuple[int, ...]:
    """Return the steps of n snapshots: evenly spread, the last at the end.

    Examples
    --------
    >>> from neurotopo.testbed.snapshots import snapshot_steps
    >>> snapshot_steps(100, 3), snapshot_steps(100, 0)
    ((33, 67, 100), ())
    """
    if not 0 <= n <= n_steps:
        raise ValueError(f"snapshots must be from 0 to the number of steps, {n_steps}, got {n}.")
    return tuple(round(k * n_steps / n) for k in range(1, n + 1))


def snapshots_of(folder: str | Path) -> list[Path]:
    """Return the snapshots in a model's folder, in the order of their steps.

    Parameters
    ----------
    folder : path-like
        A folder of ``neurotopo testbed build --snapshots``.

    Returns
    -------
    list of Path
        Folders of models, for ``neurotopo.load_model``; possibly none.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.testbed.snapshots import snapshots_of
    >>> folder = Path(tempfile.mkdtemp())
    >>> for name in ("step-000200", "step-000100"):
    ...     (folder / "snapshots" / name).mkdir(parents=True)
    >>> [each.name for each in snapshots_of(folder)]
    ['step-000100', 'step-000200']
    """
    place = Path(folder) / SNAPSHOTS
    if not place.is_dir():
        return []
    snapshots = [each for each in place.iterdir() if step_of(each) is not None]
    return sorted(snapshots, key=lambda each: step_of(each) or 0)


def step_of(snapshot: str | Path) -> int | None:
    """Return the step of a snapshot from the name of its folder; None for another name.

    Examples
    --------
    >>> from neurotopo.testbed.snapshots import step_of
    >>> step_of("ladder/snapshots/step-000123"), step_of("ladder")
    (123, None)
    """
    match = _NAME.fullmatch(Path(snapshot).name)
    return None if match is None else int(match[1])


@dataclass(frozen=True)
class Snapshots:
    """The snapshots of one training: folder of the model, fingerprint and steps.

    ``write(place, step)`` writes the model to a new folder, completely or not at all.
    """

    folder: Path
    name: str
    steps: tuple[int, ...]
    write: Callable[[Path, int], None]

    def place(self, step: int) -> Path:
        """Return the folder of a snapshot."""
        return self.folder / SNAPSHOTS / f"step-{step:06d}"

    def missing(self, until: int) -> list[int]:
        """Return the steps up to ``until`` without a snapshot."""
        return [step for step in self.steps if step <= until and not self.place(step).exists()]

    def clear(self, overwrite: bool) -> None:
        """Raise an error if a snapshot is of another training, or remove it."""
        for place in snapshots_of(self.folder):
            if _fingerprint(place) == self.name:
                continue
            if not overwrite:
                advice = "choose another folder or overwrite it"
                raise ValueError(f"{place} is a snapshot of another training; {advice}.")
            shutil.rmtree(place)

    def take(self, step: int) -> None:
        """Write the snapshot of a step if it is wanted and missing."""
        if step in self.steps and not self.place(step).exists():
            self.write(self.place(step), step)


def _fingerprint(place: Path) -> str | None:
    try:
        about = read_json(place / _RECORD)
    except (OSError, ValueError):
        return None
    return about.get("fingerprint") if isinstance(about, dict) else None
