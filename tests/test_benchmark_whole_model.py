"""The benchmark of the whole model measures what it says, on models small enough for a test."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import whole_model as benchmark

from neurotopo.graphs.whole_model import whole_model_tree

SMALL = benchmark.Shape(5, 40, 64)


@pytest.fixture(scope="module")
def measured() -> dict:
    return benchmark.measure_in_memory(SMALL, 0.5, repeat=3)


def test_times_in_memory(measured: dict) -> None:
    assert len(measured["tree_s"]) == len(measured["ratios"]) == 3
    assert len(measured["products_s"]) == 4
    first = 2 * measured["tree_s"][0] / sum(measured["products_s"][:2])
    assert measured["ratios"][0] == pytest.approx(first)
    assert measured["ratio"] == sorted(measured["ratios"])[1]
    tree = whole_model_tree(benchmark.InMemory(SMALL, 0.5))
    assert (measured["clusters"], measured["last_merge"]) == (tree.n_clusters, tree.last_merge)


def test_uneven_rows_differ_in_their_norms() -> None:
    even, uneven = (benchmark.InMemory(SMALL, spread).out[1] for spread in (0.0, 0.5))
    spread = [np.log(np.linalg.norm(rows, axis=1)).std() for rows in (even, uneven)]
    assert spread[0] < 0.15
    assert 0.35 < spread[1] < 0.7


def test_a_checkpoint_on_disk_is_measured_and_deleted(tmp_path: Path) -> None:
    found = benchmark.measure_on_disk(SMALL, tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert found["ratio"] == pytest.approx(found["tree_s"][0] / found["products_s"][0])
    assert found["clusters"] > 0

    folder = tmp_path / "again"
    folder.mkdir()
    benchmark.write_checkpoint(folder, SMALL)
    assert len(list(folder.glob("*.safetensors"))) == 2
    tree = whole_model_tree(folder)
    assert (tree.n_layers, tree.n_neurons) == (5, 40)
    assert (found["clusters"], found["last_merge"]) == (tree.n_clusters, tree.last_merge)


def test_the_table_shows_the_record(measured: dict) -> None:
    row = {"case": "small", **vars(SMALL), **measured}
    text = benchmark.table({"environment": "here", "command": "so", "rows": [row]})
    assert f"**{measured['ratio']:.2f}**" in text
    assert "| small (5 x 40, d = 64) | 200 |" in text
    without = {key: value for key, value in row.items() if "prim" not in key}
    text = benchmark.table(
        {"environment": "here", "command": "so", "rows": [{**without, "extra_mb": None}]}
    )
    assert "| - | - | - | - |" in text


def test_records_are_written_as_they_come_in(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(benchmark, "GPT2", SMALL)
    options = benchmark.parse(["--shape", "gpt2", "--layers-count", "3", "--repeat", "1"])
    options.out = tmp_path
    record = benchmark.run_all(options)
    assert json.loads((tmp_path / "whole_model.json").read_text()) == record
    assert [row["n_layers"] for row in record["rows"]] == [3, 3]
