"""``neurotopo cluster``: the most persistent clusters of all neurons of a model, in a folder."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurotopo.commands.cluster_pictures import pictures
from neurotopo.commands.common import (
    CommandResult,
    Times,
    check_folder,
    check_writable,
    put,
    results_in,
)
from neurotopo.commands.options import ClusterOptions
from neurotopo.graphs.connections import RowSource
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.models.builtin_models import PREFIX

__all__ = ["ClusterOptions", "ClusterRun", "cluster_model", "parse_layers"]

_NO_TOKENIZER = object()  # rows are read from weights alone, so a folder may lack a tokenizer
_LAYERS = re.compile(r"(\d*):(\d*)", re.ASCII)


@dataclass(frozen=True)
class ClusterRun(CommandResult):
    """Result of ``neurotopo cluster``; the table has the most persistent clusters.

    Attributes
    ----------
    tree : NeuronTree
        All clusters.
    by_layer : pandas.DataFrame
        Number of neurons of each cluster of the table in each layer.
    """

    tree: NeuronTree
    by_layer: pd.DataFrame

    def to_dict(self) -> dict[str, Any]:
        """Return what is printed as JSON."""
        return {
            "n_neurons": self.tree.n_samples,
            "n_clusters": self.tree.n_clusters,
            "n_components": self.tree.n_components,
            "last_merge": self.tree.last_merge,
            "clusters": self.table.reset_index().to_dict("records"),
            "advice": self.advice,
            "files": [str(file) for file in self.files],
        }


def cluster_model(options: ClusterOptions) -> ClusterRun:
    """Build the merge tree of a model, choose its most persistent clusters and write them.

    OSError, ValueError and ImportError have a message for the user.
    """
    times = Times()
    wanted = None if options.layers is None else parse_layers(options.layers)
    check_writable(options.out)
    source = _open(options)
    layers = _within(wanted, source.n_layers)
    times.step("open")
    _check_unread(source, layers, options)
    tree = whole_model_tree(
        source,
        layers=layers,
        **options.pick("path", "fold_norm", "signed", "device", "dtype", "progress"),
    )
    times.step("tree")
    table = _table(tree, options)
    by_layer = _by_layer(tree, table)
    about = {
        "command": "cluster",
        "options": options.to_dict(),
        "model": _about_model(source, options),
        "tree": {
            "layers": list(layers),
            "n_neurons": tree.n_samples,
            "n_clusters": tree.n_clusters,
            "n_components": tree.n_components,
            "last_merge": float(tree.last_merge),
        },
        **times.to_dict(),
    }
    parts = "part" if tree.n_components == 1 else "parts"
    return ClusterRun(
        table,
        f"{tree.n_samples:,} neurons in layers {layers[0]} to {layers[1] - 1}; "
        f"{tree.n_clusters:,} clusters in {tree.n_components:,} separate {parts}; "
        f"last merge at R = {tree.last_merge:.5g}",
        _advice(tree, table, options),
        _write(options, tree, table, by_layer, about),
        tree,
        by_layer,
    )


def parse_layers(text: str) -> tuple[int, int | None]:
    """Return the first layer and the one after the last, None where the text leaves it open.

    Examples
    --------
    >>> from neurotopo.commands.cluster import parse_layers
    >>> parse_layers("4:8"), parse_layers(":8"), parse_layers("4:")
    ((4, 8), (0, 8), (4, None))
    """
    match = _LAYERS.fullmatch(text.strip())
    if match is None or match.group() == ":":
        raise ValueError(f"--layers must look like 4:8, :8 or 4:, got {text!r}.")
    first, last = match.groups()
    return int(first or 0), int(last) if last else None


def _within(wanted: tuple[int, int | None] | None, n_layers: int) -> tuple[int, int]:
    if wanted is None:
        return 0, n_layers
    first, last = wanted[0], n_layers if wanted[1] is None else wanted[1]
    if last > n_layers or first >= n_layers:
        raise ValueError(
            f"--layers {first}:{last} reaches beyond the model, which has {n_layers} layers, "
            f"0 to {n_layers - 1}."
        )
    if last - first < 2:
        raise ValueError(
            f"--layers {first}:{last} selects {max(last - first, 0)} layers; connections "
            "need two at least."
        )
    return first, last


def _open(options: ClusterOptions) -> RowSource:
    from neurotopo.models.quiet import quiet_transformers

    source: Any
    changed = options.load or options.adapter or options.quantization
    if not options.model.startswith(PREFIX) and not changed:
        from neurotopo.models.checkpoint import CheckpointRows
        from neurotopo.models.converted import local_folder

        check_folder(options.model)
        place = Path(local_folder(options.model)[0])
        if place.exists() and _has_safetensors(place):
            with quiet_transformers(options.progress):
                source = CheckpointRows(place)
            return source
        if place.is_file():
            raise ValueError(f"{place} is a file, and not one of safetensors or GGUF.")
    # rows move to the device two layers at a time
    source = options.load_model(device="cpu", dtype=None, tokenizer=_NO_TOKENIZER)
    return source


def _check_unread(source: RowSource, layers: tuple[int, int], options: ClusterOptions) -> None:
    """Raise an error if a matrix that the tree does not read holds NaN or infinity.

    The tree checks the matrices that it reads.
    """
    first, last = layers
    read = ("up", "gate") if options.path == "both" else (options.path,)
    for layer in range(first, last):
        for name in ("up", "gate", "out") if getattr(source, "is_gated", False) else ("up", "out"):
            if name == "out":
                unread, rows = layer == last - 1, partial(source.out_rows, layer)
            else:
                unread = layer == first or name not in read
                rows = partial(source.in_rows, layer, path=name)
            finite = np.isfinite(rows()).all(axis=1) if unread else np.True_
            if not finite.all():
                raise ValueError(
                    f"the {name} matrix of layer {layer} of {options.model} holds NaN or infinity, "
                    f"first at neuron ({layer}, {int(finite.argmin())}): the weights are damaged."
                )


def _has_safetensors(place: Path) -> bool:
    if place.is_file():
        return place.suffix == ".safetensors"
    return any(place.glob("*.safetensors"))


def _table(tree: NeuronTree, options: ClusterOptions) -> pd.DataFrame:
    table = tree.top_clusters(
        options.top, **options.pick("min_cluster_size", "scale", "condense", "min_layers")
    )
    spanned = table["last_layer"] - table["first_layer"] + 1
    table.insert(table.columns.get_loc("members"), "layers_spanned", spanned)
    return table


def _advice(tree: NeuronTree, table: pd.DataFrame, options: ClusterOptions) -> str | None:
    n_huge = int((table["size"] > tree.n_samples / 2).sum())
    if options.condense or n_huge < max(2, len(table) / 2):
        return None
    return (
        f"{n_huge} of these {len(table)} are the same large cluster at different sizes; "
        "--condense counts it once."
    )


def _by_layer(tree: NeuronTree, table: pd.DataFrame) -> pd.DataFrame:
    """Count the neurons of each cluster (rows) in each layer (columns)."""
    counts = [
        np.bincount(tree.layer_of(tree.members(node)) - tree.first_layer, minlength=tree.n_layers)
        for node in table["node"]
    ]
    columns = [f"layer_{tree.first_layer + step}" for step in range(tree.n_layers)]
    rows = np.array(counts, dtype=np.intp).reshape(len(table), tree.n_layers)
    return pd.DataFrame(rows, index=table.index, columns=columns)


def _about_model(source: RowSource, options: ClusterOptions) -> dict[str, Any]:
    family = getattr(source, "family", None)
    return {
        "given": options.model,
        "read": "loaded" if hasattr(source, "hf_model") else "streamed",
        "family": getattr(family, "name", None),
        "n_layers": source.n_layers,
        "neurons_per_layer": source.n_neurons,
    }


def _write(
    options: ClusterOptions,
    tree: NeuronTree,
    table: pd.DataFrame,
    by_layer: pd.DataFrame,
    about: dict[str, Any],
) -> list[Path]:
    """Write the results; run.json, the last file, marks the folder as complete."""
    out = options.out
    written = [out / "tree.npz"]
    with results_in(out):
        tree.save(written[0])
        for name, content in _contents(options, tree, table, by_layer):
            written.append(put(out / name, content))
        for name in ("merge_tree", "layers"):  # of an earlier run; without clusters none is drawn
            for old in (out / f"{name}.png", out / f"{name}.svg"):
                if old not in written:
                    old.unlink(missing_ok=True)
        written.append(put(out / "run.json", about))
    return written


def _contents(
    options: ClusterOptions, tree: NeuronTree, table: pd.DataFrame, by_layer: pd.DataFrame
) -> Iterator[tuple[str, Any]]:
    members = table["members"].map(lambda pairs: " ".join(f"{a}:{b}" for a, b in pairs))
    yield "clusters.csv", table.assign(members=members).to_csv().encode()
    yield "clusters_by_layer.csv", by_layer.to_csv().encode()
    chosen = options.pick("scale", "condense", "min_cluster_size")
    for name, figure in pictures(tree, table, by_layer, **chosen):
        for kind in ("png", "svg"):
            yield f"{name}.{kind}", (figure, kind)
