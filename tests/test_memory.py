"""Limits on what files ask for, before memory is allocated."""

from __future__ import annotations

import gzip
import io
import json
import os
import re
import subprocess
import sys
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from numpy.lib import format as npy

from neurotopo import _memory
from neurotopo._memory import MEMORY_VARIABLE, check_npz, free_memory, require_memory
from neurotopo.datasets import load_facts
from neurotopo.explore.files import read_samples
from neurotopo.graphs.storage import read_arrays, write_arrays
from neurotopo.neurons import load_groups


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


@pytest.mark.parametrize("name", ["facts.jsonl", "facts.csv", "groups.json", "points.csv"])
def test_a_file_that_does_not_fit_is_not_read(tmp_path, limit, name):
    path = tmp_path / name
    path.touch()
    os.truncate(path, 10**13)  # a hole: it takes no place on the disk
    limit("8GB")
    read = {"groups.json": load_groups, "points.csv": read_samples}.get(name, load_facts)
    with pytest.raises(MemoryError, match=rf"the contents of .*{name} need 40\.0 TB .* Split"):
        read(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes")
def test_a_pipe_is_not_waited_for(tmp_path):
    path = tmp_path / "facts.jsonl"
    os.mkfifo(path)
    with pytest.raises(OSError, match="is a pipe or a device"):
        load_facts(path)


def test_an_array_that_tells_of_more_is_not_allocated(tmp_path):
    path = tmp_path / "points.npy"
    np.save(path, np.zeros((3, 2)))
    data = path.read_bytes()
    path.write_bytes(data.replace(b"(3, 2), ", b"(3,2000)"))
    with pytest.raises(ValueError, match=r"the header of points\.npy tells of"):
        read_samples(path)


LIMITED = """
import resource, sys
import numpy as np
from neurotopo import NTCClusterer
from neurotopo.cluster.baselines import finite_distances
from neurotopo.graphs.shortest_paths import matrix_a
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.persistence.diagram_distances import wasserstein_distance
from neurotopo.persistence.edge_list import EdgeList
X = np.random.default_rng(0).random((20_000, 3))
resource.setrlimit(resource.RLIMIT_AS, (4 * 10**9, 4 * 10**9))
none = np.empty(0, dtype=int)
edges = EdgeList(40_000, none, none, np.empty(0))
bars = np.column_stack([np.zeros(30_000), np.arange(1, 30_001)])
class Model:
    n_layers, n_neurons, d_model = 3, 200_000, 20_000
    in_rows = out_rows = None
for work in (
    lambda: NTCClusterer(metric="braycurtis").fit(X),
    lambda: NTCClusterer(metric="precomputed").fit(np.zeros(30_000 * 29_999 // 2, np.int8)),
    lambda: finite_distances(edges),
    lambda: matrix_a(edges, np.zeros(40_000, int), []),
    lambda: wasserstein_distance(bars, bars),
    lambda: whole_model_tree(Model()),
):
    try:
        work()
        print("allocated")
    except MemoryError as error:
        print(error)
print(NTCClusterer(metric="euclidean", min_samples=5).fit(X[:5000]).n_clusters_ >= 0)
"""


SAID = (
    (r"the distances of 20,000 samples need 6\.4 GB of memory, but only ", "need no matrix"),
    (r"the distances of 30,000 samples need 7\.2 GB", "A sparse graph of nearest neighbours"),
    (r"the lengths between 40,000 vertices, as a matrix, need 12\.8 GB", ""),
    (r"the distances between 40,000 neurons need 51\.2 GB", "a higher threshold"),
    (r"the moves between diagrams of 30,000 and 30,000 bars need 36\.0 GB", r"delta=0\.01"),
    (r"the rows, tiles and edges of 600,000 neurons need \d+\.\d GB", "smaller tile_size"),
)


def test_a_matrix_that_does_not_fit_is_one_sentence_before_it_is_allocated():
    done = subprocess.run(
        [sys.executable, "-c", LIMITED], capture_output=True, text=True, check=True
    )
    *said, fits = done.stdout.splitlines()
    for line, (start, remedy) in zip(said, SAID, strict=True):
        assert re.match(start, line), line
        assert re.search(remedy, line), line
        assert MEMORY_VARIABLE in line
    assert fits == "True"


def test_weights_that_do_not_fit_are_not_loaded(tmp_path, limit):
    pytest.importorskip("torch")
    from neurotopo.models.examples import random_model
    from neurotopo.models.loading import load_model

    made = random_model("llama")
    for part in (made.hf_model, made.tokenizer):
        part.save_pretrained(tmp_path)
    n_bytes = 2 * sum(each.numel() for each in made.hf_model.parameters())
    limit(str(n_bytes + 10))
    assert load_model(tmp_path, device="cpu", dtype="bfloat16").n_layers == 3
    with pytest.raises(MemoryError, match=rf"the weights of the model in {tmp_path} .*dtype='bfl"):
        load_model(tmp_path, device="cpu")


@pytest.mark.parametrize("dtype", [None, "float32"])
def test_layers_that_are_not_there_are_found_first(tmp_path, dtype):
    pytest.importorskip("torch")
    from neurotopo.models.checkpoint import CheckpointRows
    from neurotopo.models.examples import random_model
    from neurotopo.models.loading import load_model

    random_model("llama").hf_model.save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**12}))
    with pytest.raises(OSError, match="tells of 1,000,000,000,000 layers, its files hold 30 tens"):
        load_model(tmp_path, device="cpu", dtype=dtype)
    with pytest.raises(ValueError, match=r"lacks the tensor model\.layers\.3\.mlp"):
        CheckpointRows(tmp_path)


def test_a_batch_that_does_not_fit_names_its_size(limit, monkeypatch):
    pytest.importorskip("torch")
    from neurotopo import AMIG, Fact
    from neurotopo.models import passes
    from neurotopo.models.examples import random_model

    model, fact = random_model(), Fact("The capital of France is _X_", "Paris")
    model.batch_size = 8
    facts = [replace(fact, id=str(i)) for i in range(8)]
    monkeypatch.setattr(passes, "_CPU_BYTES", 1)
    limit("1kB")
    with pytest.raises(MemoryError, match=r"passes of 8 texts of \d+ tokens .*smaller batch_size"):
        model.answer_probabilities(facts)
    with pytest.raises(ValueError, match=r"GB of memory.*or use a smaller batch_size"):
        AMIG(steps=1).attribute(model, fact)
    model.batch_size = None
    limit("1GB")
    assert model.answer_probabilities(facts).shape == (8,)


HOSTILE_MODEL = """
import json, os, resource, sys
from pathlib import Path
from neurotopo import load_model
folder = Path(sys.argv[1])
about = {"dtype": "F32", "shape": [10**6, 10**4], "data_offsets": [0, 4 * 10**10]}
header = json.dumps({"lm_head.weight": about}).encode()
file = folder / "model.safetensors"
file.write_bytes(len(header).to_bytes(8, "little") + header)
os.truncate(file, 8 + len(header) + 4 * 10**10)
(folder / "config.json").write_text(json.dumps({"model_type": "llama", "num_hidden_layers": 1}))
resource.setrlimit(resource.RLIMIT_AS, (8 * 10**9, 8 * 10**9))
for dtype in ("float32", "bfloat16", None):
    try:
        load_model(folder, device="cpu", dtype=dtype)
    except MemoryError as error:
        print(error)
"""


@pytest.mark.slow
def test_weights_that_do_not_fit_the_process_are_one_sentence(tmp_path):
    pytest.importorskip("transformers")
    done = subprocess.run(
        [sys.executable, "-c", HOSTILE_MODEL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
    )
    needed = re.findall(r"the weights of the model in \S+ need (\S+ GB) of memory", done.stdout)
    assert needed == ["40.0 GB", "20.0 GB", "40.0 GB"]
