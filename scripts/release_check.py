"""Build wheel and sources, install them in fresh environments, and try what users do first.

``python scripts/release_check.py --python 3.11 --extra llm`` checks the plain install of both files
and one extra on one Python; without options, everything on every Python that is found. Needs
hatchling, and the package index. Exit status 1 if something fails.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.14")

PLAIN = """
import importlib.util
import neurotopo as nt
from sklearn.datasets import make_blobs
assert importlib.util.find_spec("torch") is None
X, _ = make_blobs(150, centers=[[0, 0], [8, 0], [0, 8]], cluster_std=0.7, random_state=0)
assert nt.NTCClusterer().fit(X).n_clusters_ == 3
"""
LOCATE = """
import neurotopo as nt
model = nt.load_model("testbed:gpt2")
fact = nt.Fact("In 2010, Pavel Sarnik plays for _X_", "Kolvport Athletic")
assert len(nt.AMIG().locate(model, fact)) > 0
"""
REPORT = """
import tempfile
import pandas as pd
from neurotopo.report import write_report
from neurotopo.report.summary import Summary
paths = write_report(Summary("Title", ("It is.",), {}, {}, pd.DataFrame()), tempfile.mkdtemp())
assert "report.html" in [path.name for path in paths]
"""
TUNE = """
import tempfile
from neurotopo.models.examples import random_model
from neurotopo.tuning import NeuronTuner, to_lora
folder = tempfile.mkdtemp()
with NeuronTuner(random_model("gpt2"), [(0, 3), (0, 7), (2, 1)]) as tuner:
    to_lora(tuner, folder)
from peft import PeftModel
PeftModel.from_pretrained(random_model("gpt2").hf_model, folder)
"""
STUDY = "run acquisition --model testbed:gpt2 --facts factworld:3 --quick --no-check --json"
RAY = f"{STUDY} --engine ray --workers 1 --out run"

# extra: (what is installed, Python code, command lines)
CHECKS: dict[str, tuple[str, str, tuple[str, ...]]] = {
    "": ("", PLAIN, ("--version", "demo --graph --out demo", "doctor")),
    "llm": ("llm", LOCATE, ("demo --graph --out demo", "doctor --full")),
    "report": ("report", REPORT, ("doctor --full",)),
    "ray": ("llm,report,ray", "import ray", (RAY,)),
    "tune": ("llm,tune", TUNE, ("doctor --full",)),
    "app": ("llm,app", "import neurotopo.app", ("app --help", "doctor --full")),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Check a release and return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=PYTHONS, help="versions, as 3.11")
    parser.add_argument("--extra", nargs="*", help="extras to try; none: only the plain install")
    parser.add_argument("--constraints", type=Path, help="file of versions for pip")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        wheel, sources = build(folder)
        there = extras_of(wheel)
        wanted = [e for e in CHECKS if e] if options.extra is None else options.extra
        absent = [extra for extra in wanted if extra not in there]
        failed, missing = [], []
        for version in options.python:
            python = interpreter(version)
            if python is None:
                missing.append(version)
                continue
            cases = [(wheel, ""), (sources, "")]
            cases += [(wheel, extra) for extra in wanted if extra in there]
            for file, extra in cases:
                title = f"Python {version}, {file.suffix[1:]}{f' [{extra}]' if extra else ''}"
                begun = time.perf_counter()
                told = check(python, file, extra, folder / "environment", options.constraints)
                print(f"{title}: {told or 'works'} ({time.perf_counter() - begun:.0f} s)")
                failed += [title] if told else []
    if missing:
        print(f"not found, so not checked: Python {', '.join(missing)}")
    if absent:
        print(f"the package has no extra {', '.join(absent)}")
    print(f"{len(failed)} failed" if failed else "nothing failed")
    return 1 if failed or len(missing) == len(options.python) else 0


def build(folder: Path) -> tuple[Path, Path]:
    """Build the package and return the wheel and the sources."""
    out = folder / "dist"
    run([sys.executable, "-m", "hatchling", "build", "-d", str(out)], ROOT)
    (wheel,), (sources,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sources


def extras_of(wheel: Path) -> list[str]:
    """Return the names of the extras of a wheel."""
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (n for n in archive.namelist() if n.endswith(".dist-info/METADATA"))
        return re.findall(r"^Provides-Extra: (\S+)", archive.read(name).decode(), re.MULTILINE)


def interpreter(version: str) -> str | None:
    """Return a Python of this version: on the path, of pyenv, or from uv."""
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), shutil.which("python3"), sys.executable]
    candidates += map(str, sorted(versions.glob(f"{version}.*/bin/python{version}")))
    for python in filter(None, candidates):
        if says(python, version):
            return python
    if shutil.which("uv"):
        subprocess.run(["uv", "python", "install", version], capture_output=True, check=False)
        found = subprocess.run(
            ["uv", "python", "find", version], capture_output=True, text=True, check=False
        )
        if found.returncode == 0 and says(found.stdout.strip(), version):
            return found.stdout.strip()
    return None


def says(python: str, version: str) -> bool:
    """Tell whether an interpreter runs and is of a version."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    ran = subprocess.run([python, "-c", code], capture_output=True, text=True, check=False)
    return ran.returncode == 0 and ran.stdout.strip() == version


def check(python: str, file: Path, extra: str, place: Path, constraints: Path | None) -> str:
    """Install a file in a fresh environment and try it; return what failed, empty if nothing."""
    shutil.rmtree(place, ignore_errors=True)
    extras, code, commands = CHECKS[extra]
    programs = place / ("Scripts" if os.name == "nt" else "bin")
    pip = [str(programs / "python"), "-m", "pip", "--quiet", "--disable-pip-version-check"]
    limits = ["-c", str(constraints.absolute())] if constraints else []
    try:
        run([python, "-m", "venv", str(place)], place.parent)
        run([*pip, "install", f"{file}[{extras}]" if extras else str(file), *limits], place)
        run([*pip, "check"], place)
        run([str(programs / "python"), "-c", code], place)
        for words in commands:
            run([str(programs / "neurotopo"), *words.split()], place)
    except subprocess.CalledProcessError as error:
        return f"{' '.join(map(str, error.cmd))[:300]} failed:\n{error.output[-2000:]}"
    finally:
        shutil.rmtree(place, ignore_errors=True)
    return ""


def run(words: list[str], folder: Path) -> None:
    """Run a program in a folder, without the settings of this one's Python."""
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
    subprocess.run(
        words,
        cwd=folder,
        env=environment,
        check=True,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )


if __name__ == "__main__":
    sys.exit(main())
