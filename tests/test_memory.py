"""Limits on what files ask for, before memory is allocated."""

from __future__ import annotations

import gzip
import io
import subprocess
import sys
import zipfile

import numpy as np
import pytest
from numpy.lib import format as npy

from neurotopo import _memory
from neurotopo._memory import MEMORY_VARIABLE, check_npz, free_memory, require_memory
from neurotopo.datasets import load_facts
from neurotopo.explore.files import read_samples
from neurotopo.graphs.storage import read_arrays, write_arrays


@pytest.fixture
def limit(monkeypatch):
    def to(text):
        monkeypatch.setenv(MEMORY_VARIABLE, text)

    return to


def lying_npz(path, shape, content=b"\0" * 8):
    """Write a small file whose header tells of a huge array."""
    header = io.BytesIO()
    npy.write_array_header_1_0(
        header, {"shape": shape, "fortran_order": False, "descr": np.dtype(float).str}
    )
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("points.npy", header.getvalue() + content)


def test_free_memory_is_what_the_limit_of_the_process_leaves():
    code = (
        "import resource; from neurotopo._memory import free_memory;"
        "resource.setrlimit(resource.RLIMIT_AS, (3 * 10**9, 3 * 10**9)); print(free_memory())"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert 1e9 < int(found.stdout) < 3e9
    assert free_memory() > 1e8


@pytest.mark.parametrize(("text", "n"), [("8GB", 8e9), ("1.5 M", 1.5e6), ("12", 12), ("2tb", 2e12)])
def test_the_variable_is_a_number_with_a_unit(limit, text, n):
    limit(text)
    assert _memory.memory_limit() == n
    with pytest.raises(MemoryError, match=rf"the array need .* {MEMORY_VARIABLE}"):
        require_memory(n + 1, "the array")
    require_memory(n, "the array")


@pytest.mark.parametrize("text", ["lots", "-1", "8 XB", "1e9"])
def test_another_text_is_an_error(limit, text):
    limit(text)
    with pytest.raises(ValueError, match="must be a number of bytes"):
        _memory.memory_limit()


def test_a_bomb_of_gzip_is_not_unpacked(tmp_path, limit):
    path = tmp_path / "facts.jsonl.gz"
    line = b'{"prompt": "The capital of Peru is", "answers": ["Lima"]}\n'
    path.write_bytes(gzip.compress(line + b" " * 3_000_000))
    limit("1MB")
    with pytest.raises(MemoryError, match=r"the contents of .*facts\.jsonl\.gz"):
        load_facts(path)
    limit("4MB")
    assert len(load_facts(path)) == 1


def test_an_archive_says_beforehand_how_large_it_is(tmp_path, limit):
    path = tmp_path / "points.npz"
    np.savez_compressed(path, points=np.zeros((100_000, 2)))
    assert path.stat().st_size < 10_000
    limit("1MB")
    with pytest.raises(MemoryError, match=r"points\.npz need 1\.6 MB"):
        read_samples(path)
    limit("4MB")
    assert read_samples(path).samples.shape == (100_000, 2)


@pytest.mark.parametrize("shape", [(10**12,), (2**40, 2**40), (10**6, 4)])
def test_a_header_that_lies_is_found_before_memory_is_allocated(tmp_path, shape):
    path = tmp_path / "points.npz"
    lying_npz(path, shape)
    with pytest.raises(ValueError, match="header"):
        check_npz(path, path)
    with pytest.raises(ValueError, match=r"points\.npz"):
        read_samples(path)
    with pytest.raises(ValueError, match=r"points\.npz"):
        read_arrays(path, "graph")


def test_own_files_pass(tmp_path):
    path = tmp_path / "graph.npz"
    write_arrays(path, "graph", {"a": np.arange(5), "b": np.zeros((0, 3))}, {"n": 1})
    arrays, options = read_arrays(path, "graph")
    assert options == {"n": 1}
    assert arrays["b"].shape == (0, 3)
    np.testing.assert_array_equal(arrays["a"], np.arange(5))


LIMITED = """
import resource, sys
import numpy as np
from neurotopo import NTCClusterer
X = np.random.default_rng(0).random((20_000, 3))
resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))
try:
    NTCClusterer(metric="braycurtis").fit(X)
except MemoryError as error:
    print(error)
print(NTCClusterer(metric="euclidean", min_samples=5).fit(X[:5000]).n_clusters_ >= 0)
"""


def test_a_matrix_that_does_not_fit_is_one_sentence_before_it_is_allocated():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    said, fits = done.stdout.splitlines()
    assert said.startswith("the distances of 20,000 samples need 6.4 GB of memory, but only ")
    assert "need no matrix" in said
    assert MEMORY_VARIABLE in said
    assert fits == "True"
