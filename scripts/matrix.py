"""Run tests on every Python, with the lowest and the newest versions of the dependencies.

``python scripts/matrix.py`` makes a fresh environment for each Python that is found, once with the
newest versions that pyproject.toml allows, and on the lowest Python once with the lowest versions.
It prints a table as Markdown. ``--tests all`` runs the whole suite; by default, the examples of all
modules and the tests of the clusterer and of the package run. Exit status 1 if something fails.

``--json FILE`` keeps the rows: another call replaces those of its own Pythons and keeps the others.

``--pin torch==2.13.0`` keeps a version in every environment, such as a build without CUDA.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.requirements import Requirement
from release_check import PYTHONS, ROOT, interpreter, run

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

EXTRAS = ("llm", "report", "app", "tune")
TOOLS = ("pytest>=8", "pytest-xdist>=3.6", "hypothesis>=6.100", "networkx>=3.1", "pyyaml")
SMOKE = ("neurotopo", "tests/cluster", "tests/persistence", "tests/test_package.py")
VERSIONS = ("newest", "lowest")
_SHOWN = ("numpy", "scipy", "scikit-learn", "pandas", "torch", "transformers")


@dataclass
class Row:
    """One environment and what became of it."""

    python: str
    versions: str
    installed: dict[str, str]
    result: str
    passed: int
    failed: int
    seconds: float


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the matrix and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=PYTHONS, help="versions, as 3.11")
    parser.add_argument("--versions", nargs="*", choices=VERSIONS, help="default: see above")
    parser.add_argument("--tests", choices=("smoke", "all"), default="smoke")
    parser.add_argument("--pin", nargs="*", default=[], help="requirements, as torch==2.13.0")
    parser.add_argument("--workers", default="2")
    parser.add_argument("--json", type=Path, help="file of the rows; earlier ones stay")
    options = parser.parse_args(arguments)
    kept = read(options.json)
    rows, missing = [], []
    with tempfile.TemporaryDirectory() as name:
        for version in options.python:
            python = interpreter(version)
            if python is None:
                missing.append(version)
                continue
            every = options.versions or (VERSIONS if version == PYTHONS[0] else VERSIONS[:1])
            for versions in every:
                pins = [*options.pin, *(lowest(options.pin) if versions == "lowest" else [])]
                tests = SMOKE if options.tests == "smoke" else ()
                row = case(python, version, versions, pins, tests, Path(name), options.workers)
                print(f"Python {version}, {versions}: {row.result}", flush=True)
                rows.append(row)
                if options.json:
                    write(options.json, joined(kept, rows))
    print("\n" + table(joined(kept, rows)))
    if missing:
        print(f"\nnot found, so not run: Python {', '.join(missing)}")
    return 1 if not rows or any(row.failed for row in rows) else 0


def requirements() -> Iterator[Requirement]:
    """Yield what the package and its extras for users need."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    yield from map(Requirement, project["dependencies"])
    for extra in EXTRAS:
        yield from map(Requirement, project["optional-dependencies"][extra])


def lowest(pins: Sequence[str] = ()) -> list[str]:
    """Return the lowest version of each dependency, unless it has a pin."""
    pinned = {Requirement(pin).name for pin in pins}
    found = {}
    for requirement in requirements():
        (low,) = (s.version for s in requirement.specifier if s.operator == ">=")
        if requirement.name not in pinned:
            found[requirement.name] = f"{requirement.name}=={low}"
    return sorted(found.values())


def case(
    python: str,
    version: str,
    versions: str,
    pins: Sequence[str],
    tests: Sequence[str],
    folder: Path,
    workers: str,
) -> Row:
    """Run the tests in a fresh environment."""
    place = folder / f"{version}-{versions}"
    program = str(place / "bin" / "python")
    pip = [program, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
    limits = folder / f"{version}-{versions}.txt"
    limits.write_text("\n".join(pins) + "\n")
    begun = time.perf_counter()
    row = Row(version, versions, {}, "", 0, 1, 0.0)
    try:
        run([python, "-m", "venv", str(place)], folder)
        run([*pip, "-c", str(limits), "-e", f"{ROOT}[{','.join(EXTRAS)}]", *TOOLS], folder)
        row.installed = installed(program)
        words = [program, "-m", "pytest", "-q", "-n", workers, "-p", "no:cacheprovider", *tests]
        ran = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
        last = (ran.stdout.strip().splitlines() or [ran.stderr.strip()])[-1]
        counts = {what: int(n) for n, what in re.findall(r"(\d+) (passed|failed|error)", last)}
        row.passed = counts.get("passed", 0)
        row.failed = counts.get("failed", 0) + counts.get("error", 0) or int(ran.returncode != 0)
        row.result = re.sub(r" in [\d.:s() ]+$", "", last.strip("= "))
        if row.failed:
            print(ran.stdout[-6000:])
    except subprocess.CalledProcessError as error:
        print(error.output[-6000:])
        row.result = f"not installed: {(error.output.strip().splitlines() or [''])[-1][:200]}"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    row.seconds = round(time.perf_counter() - begun, 1)
    return row


def installed(program: str) -> dict[str, str]:
    """Return the versions that an environment has of some packages."""
    words = [program, "-m", "pip", "list", "--format", "json", "--disable-pip-version-check"]
    ran = subprocess.run(words, capture_output=True, text=True, check=True)
    found = {each["name"].lower(): each["version"] for each in json.loads(ran.stdout)}
    return {name: found[name] for name in _SHOWN if name in found}


def read(place: Path | None) -> list[Row]:
    """Return the rows of earlier calls."""
    if place is None or not place.exists():
        return []
    return [Row(**row) for row in json.loads(place.read_text(encoding="utf-8"))]


def write(place: Path, rows: Sequence[Row]) -> None:
    """Keep the rows for later calls."""
    text = json.dumps([asdict(row) for row in rows], indent=1)
    place.write_text(text + "\n", encoding="utf-8")


def joined(before: Sequence[Row], now: Sequence[Row]) -> list[Row]:
    """Return the rows of earlier calls and of this one, which replace those of the same case."""
    found = {(row.python, row.versions): row for row in (*before, *now)}
    return sorted(found.values(), key=lambda r: (PYTHONS.index(r.python), r.versions != "newest"))


def table(rows: Sequence[Row]) -> str:
    """Return the rows as Markdown."""
    lines = ["| Python | versions | tests | installed |", "|---|---|---|---|"]
    for row in rows:
        names = ", ".join(f"{name} {version}" for name, version in row.installed.items())
        lines.append(f"| {row.python} | {row.versions} | {row.result} | {names} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
