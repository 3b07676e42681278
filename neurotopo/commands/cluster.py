"""``neurotopo cluster``: the most persistent clusters of all neurons of a model, in a folder."""

from __future__ import annotations

import io
import json
import re
import time
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from neurotopo._files import atomic_write
from neurotopo.commands.cluster_pictures import pictures
from neurotopo.commands.common import check_writable, is_path, versions
from neurotopo.commands.options import ClusterOptions
from neurotopo.graphs.connections import RowSource
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.whole_model import whole_model_tree

__all__ = ["ClusterOptions", "ClusterRun", "cluster_model", "parse_layers"]

_TESTBED = "testbed:"
_PICTURES_OF_CLUSTERS = ("merge_tree.png", "merge_tree.svg", "layers.png", "layers.svg")
_LAYERS = re.compile(r"(\d*):(\d*)", re.ASCII)


@dataclass(frozen=True)
class ClusterRun:
    """What came out.

    Attributes
    ----------
    tree : NeuronTree
        All clusters.
    table : pandas.DataFrame
        The most persistent ones, by falling persistence.
    by_layer : pandas.DataFrame
        How many neurons each of them has in each layer.
    summary : str
        One line on all of it.
    advice : str or None
        What to try where the table says little.
    files : list of Path
        What was written.
    """

    tree: NeuronTree
    table: pd.DataFrame
    by_layer: pd.DataFrame
    summary: str
    advice: str | None
    files: list[Path]


def cluster_model(options: ClusterOptions) -> ClusterRun:
    """Build the merge tree of a model, choose its most persistent clusters and write them.

    Parameters
    ----------
    options : ClusterOptions
        What is wanted.

    Returns
    -------
    ClusterRun
        What came out.

    Raises
    ------
    OSError, ValueError, ImportError
        With a message for the user: the model cannot be read, an option makes no sense for it, the
        folder cannot be written.
    """
    started, clock = datetime.now(timezone.utc), time.perf_counter()
    wanted = None if options.layers is None else parse_layers(options.layers)
    check_writable(options.out)
    source = _open(options)
    layers = _within(wanted, source.n_layers)
    opened = time.perf_counter()
    tree = whole_model_tree(
        source,
        layers=layers,
        path=options.path,
        fold_norm=options.fold_norm,
        signed=options.signed,
        device=options.device,
        dtype=options.dtype,
        progress=options.progress,
    )
    built = time.perf_counter()
    table = _table(tree, options)
    by_layer = _by_layer(tree, table)
    summary = (
        f"{tree.n_samples:,} neurons in layers {layers[0]} to {layers[1] - 1}; "
        f"{tree.n_clusters:,} clusters in {tree.n_components:,} separate part"
        f"{'' if tree.n_components == 1 else 's'}; "
        f"last merge at R = {tree.last_merge:.5g}"
    )
    seconds = {"open": opened - clock, "tree": built - opened}
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
        "started": started.isoformat(timespec="seconds"),
        "seconds": {name: round(value, 3) for name, value in seconds.items()},
        "versions": versions(),
    }
    files = _write(options, tree, table, by_layer, about)
    return ClusterRun(tree, table, by_layer, summary, _advice(tree, table, options), files)


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
            f"--layers {first}:{last} holds {max(last - first, 0)} of the layers, and connections "
            "need two at least."
        )
    return first, last


def _open(options: ClusterOptions) -> RowSource:
    name, place = options.model, Path(options.model)
    source: Any
    from neurotopo.models.quiet import quiet_transformers

    with quiet_transformers(options.progress):
        if not name.startswith(_TESTBED):
            if is_path(name) and not place.exists():
                raise FileNotFoundError(f"there is no folder {name}.")
            if place.exists() and not options.load and _has_safetensors(place):
                from neurotopo.models.checkpoint import CheckpointRows

                source = CheckpointRows(place)
                return source
            if place.is_file():
                raise ValueError(f"{name} is a file, and not one of safetensors.")
        from neurotopo.models.loading import load_model

        source = load_model(
            name,
            device="cpu",  # the rows are needed there, or go to the device two layers at a time
            tokenizer=_NO_TOKENIZER,
            trust_remote_code=options.trust_remote_code,
        )
    return source


_NO_TOKENIZER = object()  # rows are read from weights alone, so a folder may lack a tokenizer


def _has_safetensors(place: Path) -> bool:
    if place.is_file():
        return place.suffix == ".safetensors"
    return any(place.glob("*.safetensors"))


def _table(tree: NeuronTree, options: ClusterOptions) -> pd.DataFrame:
    table = tree.top_clusters(
        options.top,
        min_cluster_size=options.min_cluster_size,
        scale=options.scale,
        condense=options.condense,
        min_layers=options.min_layers,
    )
    spanned = table["last_layer"] - table["first_layer"] + 1
    table.insert(table.columns.get_loc("members"), "layers_spanned", spanned)
    return table


def _advice(tree: NeuronTree, table: pd.DataFrame, options: ClusterOptions) -> str | None:
    n_huge = int((table["size"] > tree.n_samples / 2).sum())
    if options.condense or n_huge < max(2, len(table) / 2):
        return None
    return (
        f"{n_huge} of these {len(table)} are one cluster of most neurons as it takes up the last "
        "ones; --condense counts it once."
    )


def _by_layer(tree: NeuronTree, table: pd.DataFrame) -> pd.DataFrame:
    """Return the number of neurons of each cluster, one row each, in every layer."""
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
    """Write every file at once or not at all; a folder with a run.json is complete."""
    out = options.out
    run = out / "run.json"
    members = table["members"].map(lambda pairs: " ".join(f"{a}:{b}" for a, b in pairs))
    written = [out / "tree.npz"]
    try:
        out.mkdir(parents=True, exist_ok=True)
        run.unlink(missing_ok=True)
        tree.save(written[0])
        texts = {
            out / "clusters.csv": table.assign(members=members).to_csv(),
            out / "clusters_by_layer.csv": by_layer.to_csv(),
        }
        for path, text in texts.items():
            written.append(_put(path, text.encode()))
        for name, figure in pictures(
            tree,
            table,
            by_layer,
            scale=options.scale,
            condense=options.condense,
            min_cluster_size=options.min_cluster_size,
        ):
            for kind in ("png", "svg"):
                drawn = io.BytesIO()
                figure.savefig(drawn, format=kind, dpi=150)
                written.append(_put(out / f"{name}.{kind}", drawn.getvalue()))
        for old in _PICTURES_OF_CLUSTERS:  # of an earlier run, where this one has nothing to show
            if out / old not in written:
                (out / old).unlink(missing_ok=True)
        written.append(_put(run, (json.dumps(about, indent=2, allow_nan=False) + "\n").encode()))
    except OSError as error:
        raise OSError(f"cannot write to the folder {out}: {error.strerror or error}.") from error
    return written


def _put(path: Path, content: bytes) -> Path:
    with atomic_write(path) as file:
        file.write(content)
    return path
