"""Compare the time and memory of ``whole_model_tree`` with the matrix products it needs.

The neurons of adjacent layers are fully connected, so every weight has to be computed: one matrix
product per pair of layers. `gpt2` is the shape of GPT-2 small with random rows in memory, once
with similar norms and once with different norms; `llama7b` is the shape of LLaMA-2 7B with random
bfloat16 rows in safetensors on disk (9 GB in `--scratch`, deleted afterwards), read during the
products. The products alone are written into one preallocated buffer. They run before and after
the tree (for `llama7b` one half each), so that drift in the machine's speed favours neither.

Examples
--------
python benchmarks/whole_model.py --shape gpt2 --out benchmarks/results
python benchmarks/whole_model.py --shape llama7b --layers-count 4 --out /tmp/whole
python benchmarks/whole_model.py --shape all --out benchmarks/results
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import environment
import numpy as np
from grids import heading
from memory import give_memory_back, reset_peak, resident_mb

from neurotopo.graphs.bipartite import _prim
from neurotopo.graphs.whole_model import whole_model_tree

LAYERS_PER_SHARD = 4


@dataclass(frozen=True)
class Shape:
    """The MLPs of a model."""

    n_layers: int
    n_neurons: int
    d_model: int

    @property
    def tile_mb(self) -> float:
        """Single-precision weights of a pair of layers."""
        return 4 * self.n_neurons**2 / 2**20

    @property
    def rows_mb(self) -> float:
        """Single-precision rows that one pair of layers needs."""
        return 2 * 4 * self.n_neurons * self.d_model / 2**20


GPT2 = Shape(12, 3072, 768)
LLAMA7B = Shape(32, 11008, 4096)
UNEVEN = {"rows alike": 0.0, "rows uneven": 0.5}  # standard deviation of the log of their norms


class InMemory:
    """Random rows, as a loaded model holds them."""

    def __init__(self, shape: Shape, uneven: float = 0.0, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        self.n_layers, self.n_neurons = shape.n_layers, shape.n_neurons

        def draw() -> np.ndarray:
            rows = rng.standard_normal((shape.n_neurons, shape.d_model), dtype=np.float32)
            return rows * np.exp(uneven * rng.normal(size=(len(rows), 1))).astype(np.float32)

        self.into = [draw() for _ in range(shape.n_layers)]
        self.out = [draw() for _ in range(shape.n_layers)]

    def in_rows(self, layer: int, indices: Any = None, **options: Any) -> np.ndarray:
        """Return the input weights of the neurons of a layer."""
        return self.into[layer]

    def out_rows(self, layer: int, indices: Any = None) -> np.ndarray:
        """Return the output weights of the neurons of a layer."""
        return self.out[layer]


def seconds_of(work: Callable[[], Any]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def extra_mb_of(work: Callable[[], Any]) -> float | None:
    """Peak resident set during the work minus the resident set before it."""
    give_memory_back()
    if not reset_peak():
        return None
    before = resident_mb()
    work()
    return resident_mb("VmHWM") - before


def measure_in_memory(shape: Shape, uneven: float, repeat: int) -> dict[str, Any]:
    """Time the products, the tree, and the products with Prim's algorithm on every tile."""
    model = InMemory(shape, uneven)
    buffer = np.zeros((shape.n_neurons, shape.n_neurons), np.float32)

    def products(search: Callable[[np.ndarray], Any] | None = None) -> None:
        for layer in range(shape.n_layers - 1):
            np.matmul(model.out[layer], model.into[layer + 1].T, out=buffer)
            if search is not None:
                search(np.abs(buffer, out=buffer))

    products()
    tree = whole_model_tree(model)  # the first runs warm up
    bare, whole = [seconds_of(products)], []
    for _ in range(repeat):
        whole.append(seconds_of(lambda: whole_model_tree(model)))
        bare.append(seconds_of(products))
    with_prim = seconds_of(lambda: products(lambda tile: _prim(tile, 0.0)))
    extra = extra_mb_of(lambda: whole_model_tree(model))
    # every run of the tree beside the products right before and right after it
    ratios = [2 * w / (a + b) for w, a, b in zip(whole, bare[:-1], bare[1:], strict=True)]
    return {
        "products_s": bare,
        "tree_s": whole,
        "ratio": median(ratios),
        "ratios": ratios,
        "products_and_prim_s": with_prim,
        "prim_ratio": with_prim / median(bare),
        "extra_mb": extra,
        "extra_tiles": extra and extra / shape.tile_mb,
        "clusters": tree.n_clusters,
        "last_merge": tree.last_merge,
    }


def write_checkpoint(folder: Path, shape: Shape) -> None:
    """Write random bfloat16 MLPs as a sharded LLaMA checkpoint; nothing reads the gates."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(0)
    table: dict[str, str] = {}
    sizes = {"up": (shape.n_neurons, shape.d_model), "down": (shape.d_model, shape.n_neurons)}
    for first in range(0, shape.n_layers, LAYERS_PER_SHARD):
        name = f"model-{first // LAYERS_PER_SHARD + 1:05}.safetensors"
        tensors = {}
        for layer in range(first, min(first + LAYERS_PER_SHARD, shape.n_layers)):
            path = f"model.layers.{layer}.mlp."
            for matrix, size in sizes.items():
                drawn = torch.randn(size, generator=generator) * 0.02
                tensors[f"{path}{matrix}_proj.weight"] = drawn.to(torch.bfloat16)
            tensors[f"{path}gate_proj.weight"] = torch.zeros(sizes["up"], dtype=torch.bfloat16)
        save_file(tensors, folder / name, metadata={"format": "pt"})
        table |= dict.fromkeys(tensors, name)
        print(f"wrote {name}", flush=True)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": table}))
    config = {
        "model_type": "llama",
        "architectures": ["LlamaForCausalLM"],
        "hidden_size": shape.d_model,
        "intermediate_size": shape.n_neurons,
        "num_hidden_layers": shape.n_layers,
        "num_attention_heads": 32,
    }
    (folder / "config.json").write_text(json.dumps(config))


def forget(folder: Path) -> None:
    """Ask the system to drop the files from its cache, so that they are read from the disk."""
    os.sync()
    for file in folder.glob("*.safetensors"):
        handle = os.open(file, os.O_RDONLY)
        try:
            os.posix_fadvise(handle, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(handle)


def measure_on_disk(shape: Shape, scratch: Path | None) -> dict[str, Any]:
    """Time the products, reading alone, and the tree of a checkpoint, each once."""
    from neurotopo.models.checkpoint import CheckpointRows

    folder = Path(tempfile.mkdtemp(prefix="whole-model-", dir=scratch))
    n_pairs = shape.n_layers - 1
    try:
        write_checkpoint(folder, shape)
        source = CheckpointRows(folder)

        def read() -> None:
            for layer in range(n_pairs):
                source.out_rows(layer)
                source.in_rows(layer + 1)

        def products(times: int) -> float:
            out, into = source.out_rows(0), source.in_rows(1)
            buffer = np.zeros((shape.n_neurons, shape.n_neurons), np.float32)
            return seconds_of(lambda: [np.matmul(out, into.T, out=buffer) for _ in range(times)])

        products(1)
        halves = [products(n_pairs - n_pairs // 2)]
        print(f"first half of the products: {halves[0]:.1f} s", flush=True)
        forget(folder)
        reading = seconds_of(read)
        print(f"reading alone: {reading:.1f} s", flush=True)
        forget(folder)
        found: list[Any] = []
        whole = 0.0

        def tree() -> None:
            nonlocal whole
            whole = seconds_of(lambda: found.append(whole_model_tree(folder, progress=True)))

        extra = extra_mb_of(tree)
        print(f"tree: {whole:.1f} s", flush=True)
        halves.append(products(n_pairs // 2))
        print(f"second half of the products: {halves[1]:.1f} s", flush=True)
    finally:
        shutil.rmtree(folder)
    # two pairs of layers are in memory, one in use and one being read
    beyond_rows = extra and (extra - 2 * shape.rows_mb) / shape.tile_mb
    return {
        "products_s": [sum(halves)],
        "products_halves_s": halves,
        "tree_s": [whole],
        "ratio": whole / sum(halves),
        "reading_s": reading,
        "extra_mb": extra,
        "extra_tiles": beyond_rows,
        "clusters": found[0].n_clusters,
        "last_merge": found[0].last_merge,
    }


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    record: dict[str, Any] = {**environment.new_record("whole_model"), "rows": []}

    def add(case: str, shape: Shape, measured: dict[str, Any]) -> None:
        record["rows"].append({"case": case, **vars(shape), **measured})
        print(f"{case}: {median(measured['tree_s']):.3g} s, {measured['ratio']:.2f} x", flush=True)
        environment.write(record, options.out, "whole_model")

    if options.shape in ("gpt2", "all"):
        shape = replace(GPT2, n_layers=options.layers_count or GPT2.n_layers)
        for name, uneven in UNEVEN.items():
            add(f"GPT-2 small, {name}", shape, measure_in_memory(shape, uneven, options.repeat))
    if options.shape in ("llama7b", "all"):
        shape = replace(LLAMA7B, n_layers=options.layers_count or LLAMA7B.n_layers)
        add("LLaMA-2 7B, from disk", shape, measure_on_disk(shape, options.scratch))
    return record


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        heading(record, "All cores; medians."),
        "",
        "| shape | neurons | weights | products | whole tree | tree / products | "
        "Prim / products | reading alone | extra memory | in tiles |",
        "|---|--:|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    for row in record["rows"]:
        layers, neurons = row["n_layers"], row["n_neurons"]
        prim = f"{row['prim_ratio']:.2f}" if "prim_ratio" in row else "-"
        reading = f"{row['reading_s']:.3g} s" if "reading_s" in row else "-"
        memory = ["-", "-"]
        if row["extra_mb"] is not None:
            memory = [f"{row['extra_mb']:.0f} MB", f"{row['extra_tiles']:.2f}"]
        cells = [
            f"{row['case']} ({layers} x {neurons}, d = {row['d_model']})",
            f"{layers * neurons:,}",
            f"{(layers - 1) * neurons**2:.2g}",
            f"{median(row['products_s']):.3g} s",
            f"{median(row['tree_s']):.3g} s",
            f"**{row['ratio']:.2f}**",
            prim,
            reading,
            *memory,
        ]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        "Prim: the products and Prim's algorithm on every tile, in NumPy, without the tree. Extra "
        "memory: peak resident set minus the resident set before; in tiles, without the rows of "
        "the two pairs of layers that are read from disk.",
    ]
    return "\n".join(lines) + "\n"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = environment.parser(__doc__)
    parser.add_argument("--shape", choices=["gpt2", "llama7b", "all"], default="all")
    parser.add_argument("--repeat", type=int, default=7, help="runs of each on gpt2")
    parser.add_argument("--layers-count", type=int, help="fewer layers than the model has")
    parser.add_argument("--scratch", type=Path, help="where the checkpoint is written (9 GB)")
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    options.out.mkdir(parents=True, exist_ok=True)
    record = run_all(options)
    (options.out / "whole_model.md").write_text(table(record))
    print(table(record))


if __name__ == "__main__":
    main()
