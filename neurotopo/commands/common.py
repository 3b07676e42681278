"""Helpers that the commands share."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timezone
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any

import typer

from neurotopo import _extras
from neurotopo._files import atomic_write

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = [
    "CommandResult",
    "Times",
    "check_device",
    "check_folder",
    "check_writable",
    "command_group",
    "examples",
    "print_json",
    "put",
    "results_in",
    "shortened",
    "without_tokens",
]

_HIDDEN = "***"
_PACKAGES = ("numpy", "scipy", "torch", "transformers", "safetensors")


@dataclass(frozen=True)
class CommandResult:
    """Result of a command.

    Attributes
    ----------
    table : pandas.DataFrame
        What the command found, one row each.
    summary : str
        The result in one line.
    advice : str or None
        Options to try if the result is unclear.
    files : list of Path
        Files written.
    """

    table: pd.DataFrame
    summary: str
    advice: str | None
    files: list[Path]


class Times:
    """Start of a command and seconds of each step, for run.json."""

    def __init__(self) -> None:
        self.started = datetime.now(timezone.utc)
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def step(self, name: str) -> None:
        """Record that a step has ended."""
        now = time.perf_counter()
        self.seconds[name], self._last = round(now - self._last, 3), now

    def to_dict(self) -> dict[str, Any]:
        """Return the times and the versions of the packages that results may depend on."""
        return {
            "started": self.started.isoformat(timespec="seconds"),
            "seconds": self.seconds,
            "versions": _extras.versions(_PACKAGES),
        }


def examples(*commands: str) -> str:
    r"""Return the examples of a help text.

    Parameters
    ----------
    *commands : str
        Command lines of at most 76 characters, which a terminal of 80 does not break. A longer
        command ends in a backslash and continues in the next line.

    Examples
    --------
    >>> from neurotopo.commands.common import examples
    >>> examples("neurotopo demo", "neurotopo demo --graph").split("\n")[-3:]
    ['Examples:', '  neurotopo demo', '  neurotopo demo --graph']
    """
    # A paragraph that begins with a backspace keeps its lines.
    return "\n\n\b\nExamples:\n  " + "\n  ".join(commands)


def command_group(help: str) -> typer.Typer:
    """Return a group of commands that prints its help if no command is given."""
    group = typer.Typer(help=help)

    @group.callback(invoke_without_command=True)
    def entry(context: typer.Context) -> None:
        if context.invoked_subcommand is None:
            typer.echo(context.get_help())
            raise typer.Exit(2)

    return group


def print_json(report: Any) -> None:
    """Print a result as one JSON document; infinite and missing numbers become null."""
    typer.echo(json.dumps(_finite(report), ensure_ascii=False, allow_nan=False, default=str))


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    if hasattr(value, "tolist"):  # an array or number of NumPy
        return _finite(value.tolist())
    return None if isinstance(value, float) and not math.isfinite(value) else value


def check_writable(out: Path) -> None:
    """Raise OSError before the work starts if the folder cannot be written to."""
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the folder {out}: {error.strerror}.") from error


@contextmanager
def results_in(out: Path) -> Iterator[None]:
    """Make a folder and delete its run.json, which marks the results in it as complete."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        (out / "run.json").unlink(missing_ok=True)
        yield
    except OSError as error:
        raise OSError(f"cannot write to the folder {out}: {error.strerror or error}.") from error


def put(path: Path, content: bytes | dict[str, Any] | tuple[Figure, str]) -> Path:
    """Write bytes, a dict as JSON, or a figure in a format to a file, all or nothing."""
    if isinstance(content, dict):
        text = json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False)
        content = f"{text}\n".encode()
    elif isinstance(content, tuple):
        figure, kind = content
        figure.savefig(buffer := BytesIO(), format=kind, dpi=150)
        content = buffer.getvalue()
    with atomic_write(path) as file:
        file.write(content)
    return path


def check_folder(name: str) -> None:
    """Raise FileNotFoundError for a name that must be a folder and is none.

    A name on the hub has at most one slash.
    """
    is_path = name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name
    if is_path and not Path(name).exists():
        raise FileNotFoundError(f"folder {name} does not exist.")


def check_device(name: str | None) -> None:
    """Raise ValueError before anything is loaded if the device cannot be used."""
    import torch

    if name is None:
        return
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used: {reason}") from error


def shortened(text: str, length: int) -> str:
    """Return a text as one line of at most so many characters."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 3]}..."


def without_tokens(words: Sequence[str]) -> list[str]:
    """Return the words of a command line with the values of ``--token`` hidden.

    Examples
    --------
    >>> from neurotopo.commands.common import without_tokens
    >>> without_tokens(["locate", "gpt2", "--token", "secret", "--fast"])
    ['locate', 'gpt2', '--token', '***', '--fast']
    """
    shown: list[str] = []
    for word in words:
        if shown and shown[-1] == "--token":
            shown.append(_HIDDEN)
        else:
            shown.append(f"--token={_HIDDEN}" if word.startswith("--token=") else word)
    return shown
