"""The command line, ``neurotopo`` or ``python -m neurotopo``.

Errors of the user end with one sentence on standard error and status 2. Other exceptions are
defects and keep their traceback.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

import neurotopo
from neurotopo._extras import INSTALL_LLM, LLM_PACKAGES

__all__ = ["main"]

_MISTAKE, _INTERRUPTED = 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status.

    Parameters
    ----------
    arguments : sequence of str, optional
        Arguments of the program. None: ``sys.argv[1:]``.

    Returns
    -------
    int
        0 for success, 2 for a mistake, 130 for an interruption.

    Examples
    --------
    >>> from neurotopo.cli import main
    >>> main(["--version"])
    neurotopo ...
    0
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    # Waiting threads usually spin. If another program uses a core, small models then take several
    # times as long; sleeping threads have no measurable cost.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    try:
        status = _run(words)
        sys.stdout.flush()  # raises BrokenPipeError here, not at exit
        return status
    except KeyboardInterrupt:
        return _ended("interrupted; files that were complete are kept.", _INTERRUPTED)
    except BrokenPipeError:  # the reader of the output, for example head, has ended
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except ModuleNotFoundError as error:
        if error.name not in LLM_PACKAGES:
            raise
        return _ended(f"this command needs {error.name}: {INSTALL_LLM}.", _MISTAKE)
    except OSError as error:
        return _ended(_of_system(error), _MISTAKE)
    except (ValueError, ImportError, MemoryError) as error:
        return _ended(str(error) or "there is not enough memory.", _MISTAKE)


def _run(words: list[str]) -> int:
    if words == ["--version"]:
        sys.stdout.write(f"neurotopo {neurotopo.__version__}\n")
        return 0
    from neurotopo.commands.app import run

    return run(words)


def _of_system(error: OSError) -> str:
    if error.strerror is None:
        return str(error)
    where = "" if error.filename is None else f" ({os.fspath(error.filename)})"
    return f"{error.strerror}{where}."


def _ended(message: str, status: int) -> int:
    sentence = " ".join(message.split()).rstrip(".")
    sys.stderr.write(f"neurotopo: {sentence}.\n")
    return status
