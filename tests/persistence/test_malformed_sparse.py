"""Damaged sparse matrices end in a ValueError, never in a signal."""

from __future__ import annotations

import subprocess
import sys

import pytest

SIZES = [pytest.param(100, 100), pytest.param(5000, 500, marks=pytest.mark.slow)]


@pytest.mark.parametrize(("total", "per_process"), SIZES)
def test_no_damaged_matrix_ends_the_interpreter(total, per_process):
    for first in range(0, total, per_process):
        command = [sys.executable, "-m", "tests.support.malformed_sparse", first, per_process]
        done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
        last = (done.stdout.split() or ["none"])[-1]
        assert done.returncode == 0, f"seed {last}: {done.returncode}\n{done.stderr[-2000:]}"
