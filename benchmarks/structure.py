"""Error and power of the test whether points have separate modes, over densities and sizes.

The formula of ``neurotopo.persistence.point_null`` was fitted to quantiles of other clouds than
those that are counted here.

Examples
--------
python benchmarks/structure.py --out benchmarks/results/structure.json --clouds 100
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from neurotopo.persistence.modes import SMOOTHINGS
from neurotopo.persistence.point_null import (
    SmoothedPoints,
    can_test,
    largest_prominence,
    prominence_p_value,
)
from neurotopo.persistence.tree_building import tree_of_forest

SEED = 18
LEVEL = 0.05
SIZES = (100, 300, 1000)
DIMENSIONS = (1, 2, 3, 5, 10)
SEPARATIONS = (3.0, 4.0, 5.0, 6.0)
GROUPS = (2, 3, 5)

Points = np.ndarray
Draw = Callable[[np.random.Generator, int, int], Points]


def _student(rng: np.random.Generator, n: int, d: int) -> Points:
    return rng.normal(size=(n, d)) / np.sqrt(rng.chisquare(3, size=(n, 1)) / 3)


ONE_MODE: dict[str, Draw] = {
    "uniform": lambda rng, n, d: rng.random((n, d)),
    "normal": lambda rng, n, d: rng.normal(size=(n, d)),
    "Student t, independent": lambda rng, n, d: rng.standard_t(3, size=(n, d)),
    "Student t, spherical": _student,
    "lognormal": lambda rng, n, d: np.exp(rng.normal(size=(n, d))),
}


def blobs(rng: np.random.Generator, n: int, d: int, groups: int, separation: float) -> Points:
    """Draw normal groups of equal size; the nearest centres are ``separation`` deviations apart."""
    centres = np.zeros((groups, d))
    if d == 1:
        centres[:, 0] = np.arange(groups) * separation
    else:  # on a circle
        angle = 2 * np.pi * np.arange(groups) / groups
        radius = separation / (2 * np.sin(np.pi / groups))
        centres[:, 0], centres[:, 1] = radius * np.cos(angle), radius * np.sin(angle)
    return centres[np.arange(n) % groups] + rng.normal(size=(n, d))


def smallest_p_value(X: Points) -> float:
    """Return the smallest p-value that any cluster of any rule can have."""
    points, p_values = SmoothedPoints(X), []
    smoothings = [k for k in SMOOTHINGS if can_test(len(X), k)]
    for k in smoothings:
        prominence = largest_prominence(tree_of_forest(points.forest(k)))
        p_values.append(float(prominence_p_value(prominence, len(X), points.dimension(k), k)))
    return min(1.0, min(p_values) * len(smoothings))


def cells() -> Iterator[dict[str, Any]]:
    """All settings: one mode first, then groups."""
    for n in SIZES:
        for d in DIMENSIONS:
            for family in ONE_MODE:
                yield {"family": family, "n": n, "d": d}
    for n in SIZES:
        for d in DIMENSIONS:
            for groups in GROUPS:
                for separation in SEPARATIONS:
                    yield {"groups": groups, "separation": separation, "n": n, "d": d}


def measure(cell: dict[str, Any], n_clouds: int) -> dict[str, Any]:
    """Share of clouds with a discovery."""
    n, d = cell["n"], cell["d"]
    key = [*str(sorted(cell.items())).encode()]
    rng = np.random.default_rng([SEED, *key])
    p_values = []
    for _ in range(n_clouds):
        if "family" in cell:
            X = ONE_MODE[cell["family"]](rng, n, d)
        else:
            X = blobs(rng, n, d, cell["groups"], cell["separation"])
        p_values.append(smallest_p_value(X))
    found = int(np.sum(np.array(p_values) <= LEVEL))
    return {**cell, "clouds": n_clouds, "discoveries": found}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--out", type=Path)
    parser.add_argument("--clouds", type=int, default=100)
    parser.add_argument("--powers", type=int, default=30, help="clouds of groups per cell")
    parser.add_argument("--part", default="0/1", help="every which cell, for example 1/2")
    arguments = parser.parse_args()
    which, of = map(int, arguments.part.split("/"))
    rows = []
    for cell in list(cells())[which::of]:
        rows.append(measure(cell, arguments.clouds if "family" in cell else arguments.powers))
        print(rows[-1], flush=True)
        if arguments.out:
            record = {"seed": SEED, "level": LEVEL, "rows": rows}
            arguments.out.write_text(json.dumps(record, indent=1) + "\n")


if __name__ == "__main__":
    main()
