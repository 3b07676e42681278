"""The benchmark of suppressions compares equal numbers, on a model small enough for a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import suppression as benchmark


@pytest.fixture(scope="module")
def row() -> dict:
    model = benchmark.smollm2(n_layers=4)
    return benchmark.measure(model, 1, n_components=3, seed=0, repeat=2, every=3)


def test_every_subset_is_drawn() -> None:
    model = benchmark.smollm2(n_layers=4)
    sets = benchmark.subsets_of_components(model, 3, 1, seed=0)
    assert [len(neurons) for neurons in sets] == [3, 3, 3, 6, 6, 6, 9]
    assert all(neurons.layers.min() == 1 for neurons in sets)
    assert sets[3] == sets[0] | sets[1]


def test_the_three_ways_agree(row: dict) -> None:
    assert row["subsets"] == 7
    assert 0 <= row["difference"] < 1e-5
    assert len(row["one_pass"]) == len(row["full_batch"]) == 2
    json.dumps(row)


def test_the_table_shows_the_record(row: dict) -> None:
    rows = [{"case": "upper half", **row}]
    text = benchmark.table({"environment": "here", "command": "so", "threads": 1, "rows": rows})
    ratio = benchmark.least(row, "full_batch", "cpu") / benchmark.least(row, "one_pass", "cpu")
    assert "`so`" in text
    assert "here. Threads: 1." in text
    assert "| upper half (from 1) | 0 |" in text
    assert f"| **{ratio:.2f}** (" in text
    assert "7 subsets" in text
