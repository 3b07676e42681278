"""What the commands share."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryFile

__all__ = ["check_device", "check_writable", "examples", "is_path", "versions"]

_PACKAGES = ("numpy", "scipy", "torch", "transformers", "safetensors")


def examples(*commands: str) -> str:
    r"""Return the part of a help text that shows how a command is used.

    Parameters
    ----------
    *commands : str
        Command lines of at most 76 characters, which is what a terminal of 80 does not break. A
        longer command ends in a backslash and goes on in the next line.

    Returns
    -------
    str

    Examples
    --------
    >>> from neurotopo.commands.common import examples
    >>> examples("neurotopo demo", "neurotopo demo --graph").split("\n")[-3:]
    ['Examples:', '  neurotopo demo', '  neurotopo demo --graph']
    """
    # A paragraph that begins with a backspace keeps its lines.
    return "\n\n\b\nExamples:\n  " + "\n  ".join(commands)


def check_writable(out: Path) -> None:
    """Find out before the work, and not after it, whether the folder can be written."""
    there = next(place for place in (out.absolute(), *out.absolute().parents) if place.exists())
    try:
        with TemporaryFile(dir=there):
            pass
    except OSError as error:
        raise OSError(f"cannot write to the folder {out}: {error.strerror}.") from error


def is_path(name: str) -> bool:
    """Tell what cannot be a name on the hub, which has at most one slash."""
    return name.startswith((".", "/", "~")) or name.count("/") > 1 or "\\" in name


def versions() -> dict[str, str]:
    """Return the versions of the packages that results may depend on."""
    from neurotopo import _extras

    return _extras.versions(_PACKAGES)


def check_device(name: str | None) -> None:
    """Find out whether there is such a device before anything is loaded."""
    import torch

    if name is None:
        return
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        reason = str(error).splitlines()[0]
        raise ValueError(f"--device {name} cannot be used: {reason}") from error
