"""Hostile files for every reader: each ends in one sentence, never in a traceback or a signal."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from neurotopo._memory import MEMORY_VARIABLE
from neurotopo.explore.files import read_samples

pytest.importorskip("torch")
pytest.importorskip("resource")

from tests.support import hostile

ROOT = Path(__file__).resolve().parent.parent


def test_hostile_inputs_end_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv(MEMORY_VARIABLE, hostile.MEMORY)
    n_read, failures = hostile.run(120, 0, tmp_path)
    assert n_read == 120
    assert not failures, "\n".join(failures)


@pytest.mark.slow
def test_thousands_of_hostile_inputs_under_a_limit_of_memory():
    done = subprocess.run(
        [sys.executable, "-m", "tests.support.hostile", "2000", "1"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert done.stdout.endswith("2000 inputs, 0 failures\n")


def test_a_sparse_matrix_with_one_infinite_number(tmp_path):
    path = tmp_path / "graph.npz"
    np.savez(
        path,
        format=np.array(b"coo"),
        shape=np.array([3, 3]),
        row=np.array([0]),
        col=np.array([1]),
        data=np.array(np.inf),
    )
    with pytest.raises(ValueError, match="is not a valid sparse matrix"):
        read_samples(path)
