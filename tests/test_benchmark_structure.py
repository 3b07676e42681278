"""The benchmark of the test of separate modes: its clouds, and its tables."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from scipy.spatial.distance import pdist

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import structure
import structure_report


def test_centres_are_the_separation_apart():
    rng = np.random.default_rng(0)
    for d in (1, 3):
        X = structure.blobs(rng, 5000, d, 5, 40.0)
        centres = [X[k::5].mean(axis=0) for k in range(5)]
        assert abs(pdist(centres).min() - 40) < 0.5


def test_cells_are_measured_with_seeds_of_their_own_and_shown():
    cells = list(structure.cells())
    assert len({str(cell) for cell in cells}) == len(cells) == 75 + 180
    noise = {"family": "uniform", "n": 100, "d": 2}
    groups = {"groups": 2, "separation": 8.0, "n": 100, "d": 2}
    rows = [structure.measure(cell, 4) for cell in (noise, groups)]
    assert rows == [structure.measure(cell, 4) for cell in (noise, groups)]
    assert rows[1]["discoveries"] == 4
    rows[0]["discoveries"] = 1
    shown = structure_report.table({"seed": 18, "level": 0.05, "rows": rows})
    assert "1 of 4 in all" in shown
    assert "| uniform | 100 | 1 |" in shown
    assert "| 2 | 100 | 2 | 1.00 |" in shown
