"""Regression test of the studies: run all of them, store every table, compare two runs.

::

    python benchmarks/study_net.py record before
    python benchmarks/study_net.py record after
    python benchmarks/study_net.py compare before after

The first two commands run each study on fixed facts and seeds of the built-in models, with one
thread, and store the tables and ``rows.csv``. The third exits with status 1 if a file is missing
or a byte differs.
"""

from __future__ import annotations

import argparse
import filecmp
import shutil
import sys
import tempfile
from pathlib import Path

LADDER = ("testbed:ladder-1", "testbed:ladder-2")
LEARNING = {"arms": ("dkn", "random"), "epochs": 1, "n_seeds": 2}
CASES = {
    "acquisition": ("acquisition", "testbed:gpt2", 24, {}),
    "acquisition-planted": ("acquisition", "testbed:planted", 24, {}),
    "robustness": ("robustness", "testbed:gpt2", 24, {}),
    "robustness-planted": ("robustness", "testbed:planted", 12, {}),
    "detection": ("detection", "testbed:llama", 24, {}),
    "detection-planted": ("detection", "testbed:planted", 24, {}),
    "complexity": ("complexity", LADDER, 24, {}),
    "development": ("development", LADDER, 24, {}),
    "crosslingual": ("crosslingual", "testbed:gpt2", 24, {}),
    "crosslingual-bert": ("crosslingual", "testbed:bert", 12, {}),
    "critique": ("critique", "testbed:gpt2", 24, {"n_edits": 2, "n_pairs": 20}),
    "choices": ("choices", "testbed:gpt2", 24, {}),
    "learning": ("learning", "testbed:gpt2", 24, LEARNING),
}
"""Name of a case: the study, its models, the number of facts, and its options."""

SECONDS = ("table11.csv", "trials.csv")
"""Tables of the study learning that hold seconds and memory, which no two runs share."""


def record(out: Path, only: list[str]) -> None:
    """Run the cases and keep their tables."""
    import torch

    import neurotopo as nt

    torch.set_num_threads(1)  # sums depend on the number of threads
    for name, (study, model, n_facts, options) in CASES.items():
        if only and name not in only:
            continue
        with tempfile.TemporaryDirectory() as folder:
            nt.studies.run(
                study,
                model=list(model) if isinstance(model, tuple) else model,
                facts=f"factworld:{n_facts}",
                out=folder,
                quick=True,
                device="cpu",
                **{"threshold": 0.2, **options},
            )
            place = out / name
            shutil.rmtree(place, ignore_errors=True)
            place.mkdir(parents=True)
            for file in [*sorted(Path(folder, "tables").glob("*.csv")), Path(folder, "rows.csv")]:
                if file.name not in SECONDS:
                    shutil.copy(file, place / file.name)
            figures = sorted(path.name for path in Path(folder, "figures").iterdir())
            (place / "figures.txt").write_text("\n".join(figures) + "\n", encoding="utf-8")
        print(f"{name}: {len(list(place.iterdir()))} files", flush=True)


def compare(before: Path, after: Path) -> int:
    """Compare two folders byte by byte, and print how they differ."""
    names = {
        str(path.relative_to(folder))
        for folder in (before, after)
        for path in folder.rglob("*")
        if path.is_file()
    }
    differing = []
    for name in sorted(names):
        if not (before / name).is_file() or not (after / name).is_file():
            differing.append(f"{name}: only in one folder")
        elif not filecmp.cmp(before / name, after / name, shallow=False):
            differing.append(f"{name}: the bytes differ")
    print("\n".join(differing) if differing else f"{len(names)} files, byte-equal")
    return 1 if differing else 0


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    recorder = commands.add_parser("record", help="run the studies and keep their tables")
    recorder.add_argument("out", type=Path)
    recorder.add_argument("--only", nargs="*", default=[], choices=list(CASES))
    comparer = commands.add_parser("compare", help="compare two folders byte by byte")
    comparer.add_argument("before", type=Path)
    comparer.add_argument("after", type=Path)
    given = parser.parse_args()
    if given.command == "record":
        record(given.out, given.only)
        return 0
    return compare(given.before, given.after)


if __name__ == "__main__":
    sys.exit(main())
