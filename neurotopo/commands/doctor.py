"""``neurotopo doctor``: what is installed, and whether it works."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

import typer
from packaging.requirements import Requirement
from packaging.version import Version
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurotopo._version import __version__
from neurotopo.commands.common import examples, print_json
from neurotopo.commands.options import CommandOptions, command, json_option, option

__all__ = ["Diagnosis", "DoctorOptions", "Package", "diagnose", "register"]

_DOCTOR = (
    "Report what is installed, and whether it works.\n\n"
    "Versions of Python, neurotopo, its dependencies and extras; devices, threads, memory, caches "
    "and the environment variables that matter. Add the output to a bug report. Imports the "
    "packages of the plain install and torch in another process, which takes a few seconds.\n\n"
    "Exit status 1 if something is broken: a package of the plain install is missing, a package "
    "has an unsupported version, an import fails, or a cache cannot be written to. A missing "
    "extra is no error."
) + examples("neurotopo doctor", "neurotopo doctor --full --json")

_MODULES = {"scikit-learn": "sklearn"}
_PATIENCE = 300
_FOR_DEVELOPERS = ("dev", "bench")
VARIABLES = (
    *(
        "NEUROTOPO_CACHE",
        "NEUROTOPO_MEMORY",
        "HF_HOME",
        "HF_HUB_CACHE",
        "HF_HUB_OFFLINE",
        "HF_TOKEN",
    ),
    *("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "MKL_NUM_THREADS"),
    *("OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "NUMBA_DISABLE_JIT", "NUMBA_CACHE_DIR"),
    *("RAY_ADDRESS", "MPLBACKEND", "MPLCONFIGDIR", "PYTHONPATH"),
)
_SECRET = ("HF_TOKEN",)

# Run in another process: an import of a broken package may end the process.
_PROBE = """
import sys
def say(*words): print(*words, sep="\\t", flush=True)
for name in sys.argv[1:]:
    say("try", name)
    try:
        __import__(name)
        say("ok", name)
    except BaseException as error:
        say("failed", name, f"{type(error).__name__}: {' '.join(str(error).split())[:200]}")
torch, numba = sys.modules.get("torch"), sys.modules.get("numba")
if torch is not None:
    say("threads", "torch", torch.get_num_threads())
    for k in range(torch.cuda.device_count()):
        about = torch.cuda.get_device_properties(k)
        say("device", f"cuda:{k}", f"{about.name}, {about.total_memory / 1e9:.1f} GB")
    if torch.backends.mps.is_available():
        say("device", "mps", "Apple GPU")
if numba is not None:
    say("threads", "numba", numba.get_num_threads())
"""


@dataclass(frozen=True)
class DoctorOptions(CommandOptions):
    """Options of ``neurotopo doctor``."""

    full: bool = option(False, "Import the packages of the extras too.")
    as_json: bool = json_option()


@dataclass
class Package:
    """A package that neurotopo needs.

    Attributes
    ----------
    name : str
        Its name on the Python index.
    needed : str
        Versions that neurotopo supports.
    extra : str or None
        The extra that needs it; None: the plain install.
    installed : str or None
        Its version; None: not installed.
    state : str
        ok, missing, unsupported: not a version in `needed`, or broken: its import fails.
    """

    name: str
    needed: str
    extra: str | None
    installed: str | None
    state: str

    @property
    def module(self) -> str:
        """Name of the module that is imported."""
        return _MODULES.get(self.name, self.name.replace("-", "_"))


@dataclass
class Diagnosis:
    """What ``neurotopo doctor`` reports; `problems` are what is broken, one sentence each."""

    neurotopo: str
    python: str
    executable: str
    platform: str
    packages: list[Package] = field(default_factory=list)
    extras: dict[str, str] = field(default_factory=dict)
    devices: dict[str, str] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    memory: dict[str, int] = field(default_factory=dict)
    caches: list[dict[str, Any]] = field(default_factory=list)
    environment: dict[str, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, DoctorOptions, _DOCTOR, "doctor")(_doctor)


def diagnose(full: bool = False) -> Diagnosis:
    """Look at the installation.

    Parameters
    ----------
    full : bool, default=False
        Import the packages of the extras too.

    Returns
    -------
    Diagnosis
    """
    # this command itself sets a variable of OpenMP, see neurotopo.cli
    set_by_us = {"OMP_WAIT_POLICY": "PASSIVE"}
    found = Diagnosis(
        neurotopo=__version__,
        python=platform.python_version(),
        executable=sys.executable,
        platform=platform.platform(),
        packages=list(_packages()),
        memory=_memory(),
        caches=list(_caches()),
        environment={
            name: "(set)" if name in _SECRET else os.environ[name]
            for name in VARIABLES
            if name in os.environ and set_by_us.get(name) != os.environ[name]
        },
    )
    if not found.packages:
        found.problems.append(
            "neurotopo is not installed, so its requirements are not known: pip install neurotopo"
        )
    found.devices["cpu"] = platform.processor() or platform.machine()
    found.threads["cpus"] = os.cpu_count() or 1
    if hasattr(os, "sched_getaffinity"):
        found.threads["usable cpus"] = len(os.sched_getaffinity(0))
    _import(found, full)
    for package in found.packages:
        if package.state == "unsupported":
            found.problems.append(
                f"{package.name} {package.installed} is not supported, neurotopo needs "
                f"{package.needed}: pip install '{package.name}{package.needed}'"
            )
        elif package.state == "missing" and package.extra is None:
            found.problems.append(f"{package.name} is missing: pip install {package.name}")
    for extra in dict.fromkeys(each.extra for each in found.packages if each.extra):
        lacking = [p.name for p in found.packages if p.extra == extra and p.state == "missing"]
        wrong = any(
            p.extra == extra and p.state in ("unsupported", "broken") for p in found.packages
        )
        found.extras[extra] = (
            f"missing {', '.join(lacking)}" if lacking else "broken" if wrong else "installed"
        )
    found.problems += [
        f"the cache {cache['path']} cannot be written to"
        for cache in found.caches
        if not cache["writable"]
    ]
    return found


def _packages() -> Iterator[Package]:
    try:
        texts = metadata.requires("neurotopo") or []
    except metadata.PackageNotFoundError:
        return
    for text in texts:
        need = Requirement(text)
        extra = None
        if need.marker is not None and not need.marker.evaluate({"extra": ""}):
            extras = metadata.metadata("neurotopo").get_all("Provides-Extra") or []
            extra = next((e for e in extras if need.marker.evaluate({"extra": e})), None)
            if extra is None or extra in _FOR_DEVELOPERS:
                continue
        try:
            version = metadata.version(need.name)
        except metadata.PackageNotFoundError:
            yield Package(need.name, str(need.specifier), extra, None, "missing")
        else:
            fits = need.specifier.contains(Version(version), prereleases=True)
            state = "ok" if fits else "unsupported"
            yield Package(need.name, str(need.specifier), extra, version, state)


def _import(found: Diagnosis, full: bool) -> None:
    """Import packages in another process; write to the diagnosis what fails and what is there."""
    wanted = [
        each
        for each in found.packages
        if each.installed and (full or each.extra is None or each.name == "torch")
    ]
    left = {each.module: each for each in wanted}
    while True:
        lines, ending = _probe(list(left))
        trying = None
        for kind, name, *rest in lines:
            if kind == "try":
                trying = name
            elif kind == "ok":
                del left[name]
                trying = None
            elif kind == "failed":
                _broken(found, left.pop(name), rest[0])
                trying = None
            elif kind == "threads":
                found.threads[name] = int(rest[0])
            elif kind == "device":
                found.devices[name] = rest[0]
        if trying is None:
            if ending:
                found.problems.append(f"devices and threads are not known: {ending}")
            return
        _broken(found, left.pop(trying), ending or "the process ended")


def _probe(modules: Sequence[str]) -> tuple[list[list[str]], str]:
    """Import modules in a new process; return what it told, and how it ended if not well."""
    words = [sys.executable, "-c", _PROBE, *modules]
    try:
        ran = subprocess.run(words, capture_output=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired as error:
        told, ending = error.stdout or b"", f"the process did not end within {_PATIENCE} s"
    else:
        told = ran.stdout
        ending = f"the process ended with status {ran.returncode}" if ran.returncode else ""
    kinds = ("try", "ok", "failed", "threads", "device")
    lines = [line.split("\t") for line in told.decode(errors="replace").splitlines()]
    return [words for words in lines if words[0] in kinds and len(words) > 1], ending


def _broken(found: Diagnosis, package: Package, why: str) -> None:
    for each in found.packages:
        if each.module == package.module:  # several extras may need it
            each.state = "broken"
    found.problems.append(f"import {package.module} fails: {why}")


def _memory() -> dict[str, int]:
    """Return the bytes of memory, as far as the system tells them."""
    with suppress(OSError, ValueError, AttributeError):
        page = os.sysconf("SC_PAGE_SIZE")
        memory = {"total": page * os.sysconf("SC_PHYS_PAGES")}
        with suppress(OSError, ValueError):
            memory["available"] = page * os.sysconf("SC_AVPHYS_PAGES")
        with suppress(OSError):
            text = Path("/proc/meminfo").read_text(encoding="ascii")
            told = dict(line.split(":", 1) for line in text.splitlines())
            memory["available"] = 1024 * int(told["MemAvailable"].split()[0])
        return memory
    return {}


def _caches() -> Iterator[dict[str, Any]]:
    """Yield the folders for converted models and for downloads of the hub."""
    from neurotopo.models.cache import cache_folder

    folders: dict[str, Path] = {}
    with suppress(ImportError):  # without an extra, its place is not known, and nothing is there
        folders["converted models"] = cache_folder()
    home = Path(os.environ.get("HF_HOME", "~/.cache/huggingface"))
    folders["Hugging Face hub"] = Path(os.environ.get("HF_HUB_CACHE", home / "hub")).expanduser()
    for what, folder in folders.items():
        there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
        yield {
            "what": what,
            "path": str(folder),
            "bytes": _size(folder),
            "writable": there.is_dir() and os.access(there, os.W_OK),
        }


def _size(folder: Path) -> int:
    total = 0
    for place, _, files in os.walk(folder):
        for name in files:
            with suppress(OSError):
                total += os.lstat(os.path.join(place, name)).st_size
    return total


def _doctor(context: typer.Context, options: DoctorOptions) -> int:
    """Report the installation; return the exit status."""
    found = diagnose(options.full)
    if options.as_json:
        print_json(asdict(found))
    else:
        _show(found)
    return 1 if found.problems else 0


def _show(found: Diagnosis) -> None:
    typer.echo(f"neurotopo {found.neurotopo}, Python {found.python}, {found.platform}")
    typer.echo(found.executable)
    table = Table()
    for name in ("package", "needed", "installed", "extra", "state"):
        table.add_column(name, no_wrap=True)
    for each in found.packages:
        cells = (each.name, each.needed, each.installed or "", each.extra or "", each.state)
        table.add_row(*map(Text, cells))
    Console().print(table)
    lines = [f"extra {name}: {state}" for name, state in found.extras.items()]
    lines += [f"device {name}: {about}" for name, about in found.devices.items()]
    lines.append("threads: " + ", ".join(f"{name} {n}" for name, n in found.threads.items()))
    sizes = ", ".join(f"{n / 1e9:.1f} GB {name}" for name, n in found.memory.items())
    lines.append(f"memory: {sizes or 'not known'}")
    for cache in found.caches:
        lines.append(f"cache of {cache['what']}: {cache['path']}, {cache['bytes'] / 1e6:,.0f} MB")
    lines += [f"variable {name}={value}" for name, value in found.environment.items()]
    lines += [f"problem: {problem}." for problem in found.problems] or ["Nothing is broken."]
    for line in lines:
        typer.echo(line)
