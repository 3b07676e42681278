"""``neurotopo cluster``: what it writes is what the library finds; mistakes are one line."""

from __future__ import annotations

import errno
import json
import resource
import shutil
import subprocess
import sys
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import neurotopo
from neurotopo.cli import main
from neurotopo.commands import cluster as command
from neurotopo.commands.cluster import ClusterOptions, cluster_model, parse_layers
from neurotopo.commands.cluster_pictures import _with_meetings, tree_of_nodes
from neurotopo.graphs.neuron_tree import NeuronTree
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.models.examples import random_model
from neurotopo.persistence.build import merge_tree
from tests.support.commands import refuses
from tests.support.examples import examples

TABLES = {"tree.npz", "clusters.csv", "clusters_by_layer.csv", "run.json"}
PICTURES = {"persistence_diagram", "barcode", "merge_tree", "layers"}
N_LAYERS, N_NEURONS = 4, 24


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    """Folders of small models, saved without a tokenizer."""
    folders = {}
    for kind in ("gpt2", "llama"):
        folders[kind] = tmp_path_factory.mktemp("models") / kind
        random_model(kind, n_layers=N_LAYERS).hf_model.save_pretrained(folders[kind])
    return folders


@pytest.fixture
def no_pictures(monkeypatch):
    """They take longest, and most tests are not about them."""
    monkeypatch.setattr(command, "pictures", lambda *_, **__: ())


def _files(folder):
    return {path.name for path in folder.iterdir()}


# What comes out


@pytest.mark.parametrize(
    ("kind", "arguments", "options", "choice"),
    [
        ("gpt2", [], {}, {}),
        (
            "llama",
            ["--layers", "1:4", "--path", "both", "--fold-norm", "--top", "3", "--scale", "log"],
            {"layers": (1, 4), "path": "both", "fold_norm": True},
            {"n": 3, "scale": "log"},
        ),
        (
            "gpt2",
            [
                "--signed",
                "--condense",
                "--min-cluster-size",
                "3",
                "--min-layers",
                "2",
                "--load",
                "--dtype",
                "float64",
            ],
            {"signed": True, "dtype": "float64"},
            {"min_cluster_size": 3, "condense": True, "min_layers": 2},
        ),
    ],
)
def test_the_files_hold_what_the_library_finds(
    kind, arguments, options, choice, models, tmp_path, capsys, monkeypatch
):
    if arguments:
        monkeypatch.setattr(command, "pictures", lambda *_, **__: ())
    out = tmp_path / "new" / "folder"
    assert main(["cluster", str(models[kind]), "--out", str(out), *arguments]) == 0
    printed = capsys.readouterr()

    expected = whole_model_tree(random_model(kind, n_layers=N_LAYERS), **options)
    tree = NeuronTree.load(out / "tree.npz")
    assert tree.first_layer == expected.first_layer
    assert np.array_equal(tree.parent, expected.parent)
    np.testing.assert_allclose(tree.birth, expected.birth, rtol=1e-5)

    top = tree.top_clusters(**{"n": 20, **choice})
    written = pd.read_csv(out / "clusters.csv", index_col="rank")
    assert len(written) == len(top) > 0
    for name in ("node", "size", "first_layer", "last_layer", "birth", "death", "persistence"):
        np.testing.assert_allclose(written[name], top[name], rtol=1e-12)
    assert written["members"][0] == " ".join(f"{a}:{b}" for a, b in top["members"][0])

    by_layer = pd.read_csv(out / "clusters_by_layer.csv", index_col="rank")
    for rank, node in top["node"].items():
        layers = [layer for layer, _ in tree.neurons(node)]
        counts = {f"layer_{layer}": layers.count(layer) for layer in np.unique(tree.layers)}
        assert by_layer.loc[rank].to_dict() == counts
        assert written["layers_spanned"][rank] == len(set(layers))

    assert f"{tree.n_samples} neurons in layers" in printed.out
    rows = [line for line in printed.out.splitlines() if line.startswith("│")]
    assert len(rows) == len(top)
    assert f"{top['persistence'][0]:.5g}" in rows[0]
    assert printed.err == ""
    drawn = {f"{p}.{kind}" for p in PICTURES for kind in ("png", "svg")}
    assert _files(out) == TABLES | (set() if arguments else drawn)
    for path in out.iterdir():
        assert f"wrote {path}" in printed.out


def test_the_pictures_show_the_clusters_of_the_table(models, tmp_path):
    run = cluster_model(ClusterOptions(model=str(models["gpt2"]), out=tmp_path, top=5))
    drawn = {}
    for name in PICTURES:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        svg = ElementTree.parse(tmp_path / f"{name}.svg")
        # matplotlib writes the texts of a picture as comments, and draws their outlines
        drawn[name] = (tmp_path / f"{name}.svg").read_text(encoding="utf-8")
        assert svg.getroot().tag.endswith("svg")
    for rank, row in run.table.iterrows():
        assert f"<!-- {row['size']} -->" in drawn["barcode"]
        assert f"<!-- {rank} -->" in drawn["merge_tree"]
        assert f"<!-- cluster {rank} ({row['size']}) -->" in drawn["persistence_diagram"]
    for count in np.unique(run.by_layer):
        assert (f"<!-- {count} -->" in drawn["layers"]) or count == 0


@pytest.mark.usefixtures("no_pictures")
def test_the_run_is_told(models, tmp_path):
    options = ["--layers", ":3", "--top", "2", "--quiet"]
    assert main(["cluster", str(models["llama"]), "--out", str(tmp_path), *options]) == 0
    about = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert about["options"]["layers"] == ":3"
    assert about["options"]["top"] == 2
    assert about["model"] == {
        "given": str(models["llama"]),
        "read": "streamed",
        "family": "LLaMA",
        "n_layers": N_LAYERS,
        "neurons_per_layer": N_NEURONS,
    }
    assert about["tree"]["layers"] == [0, 3]
    assert about["tree"]["n_neurons"] == 3 * N_NEURONS
    assert about["versions"]["neurotopo"] == neurotopo.__version__
    assert set(about["seconds"]) == {"open", "tree"}


@pytest.mark.usefixtures("no_pictures")
def test_loading_and_streaming_give_one_tree(models, tmp_path):
    runs = [
        cluster_model(ClusterOptions(model=str(models["llama"]), out=tmp_path, load=load))
        for load in (False, True)
    ]
    assert runs[0].tree == runs[1].tree
    about = json.loads((tmp_path / "run.json").read_text(encoding="utf-8"))
    assert about["model"]["read"] == "loaded"


@pytest.mark.usefixtures("no_pictures")
def test_a_single_file_is_streamed(models, tmp_path, capsys):
    file = models["gpt2"] / "model.safetensors"
    assert main(["cluster", str(file), "--out", str(tmp_path), "-q", "--top", "4"]) == 0
    printed = capsys.readouterr()
    assert len([line for line in printed.out.splitlines() if line.startswith("│")]) == 4
    assert "wrote" not in printed.out


def test_where_nothing_is_large_enough_that_is_said_and_old_pictures_go(models, tmp_path, capsys):
    arguments = ["cluster", str(models["gpt2"]), "--out", str(tmp_path)]
    assert main(arguments) == 0
    assert main([*arguments, "--min-layers", "9"]) == 0
    assert "no cluster is as large" in capsys.readouterr().out
    assert _files(tmp_path) == TABLES | {
        f"{name}.{kind}" for name in ("barcode", "persistence_diagram") for kind in ("png", "svg")
    }
    assert len(pd.read_csv(tmp_path / "clusters.csv")) == 0


@pytest.mark.usefixtures("no_pictures")
def test_one_growing_cluster_is_not_listed_without_a_word(tmp_path, monkeypatch):
    class Chain:
        """Every neuron hangs on the first of the other layer, each more weakly than the last."""

        n_layers, n_neurons = 2, 50

        def in_rows(self, layer, indices=None, *, path="up", fold_norm=False):
            return np.eye(50)

        def out_rows(self, layer, indices=None):
            weights = np.zeros((50, 50))
            weights[0] = 1.0 / np.arange(1, 51) ** 2
            weights[:, 0] = 1.0 / (np.arange(1, 51) ** 2 + 0.5)
            return weights

    monkeypatch.setattr(command, "_open", lambda options: Chain())
    plain = cluster_model(ClusterOptions(model="chain", out=tmp_path))
    assert plain.advice is not None
    assert "--condense" in plain.advice
    condensed = cluster_model(ClusterOptions(model="chain", out=tmp_path, condense=True))
    assert condensed.advice is None
    assert len(condensed.table) < len(plain.table)


@examples(60)
@given(st.lists(st.integers(0, 30), min_size=3, max_size=25), st.data())
def test_the_tree_of_some_nodes_keeps_who_holds_whom(places, data):
    distances = np.abs(np.subtract.outer(places, places)).astype(float)
    distances[distances > 6] = np.inf  # a forest, often
    tree = merge_tree(distances)
    clusters = list(range(tree.n_samples, tree.n_nodes))
    if not clusters:
        return
    chosen = data.draw(st.lists(st.sampled_from(clusters), min_size=1, max_size=6))
    nodes = _with_meetings(tree, np.array([*chosen, -1]))
    assert set(chosen) <= set(nodes.tolist())
    small = tree_of_nodes(tree, nodes)
    everything = [frozenset(tree.members(node).tolist()) for node in range(tree.n_nodes)]
    members = [everything[node] for node in nodes]
    for i, inside in enumerate(members):
        larger = [j for j, outside in enumerate(members) if inside < outside]
        expected = min(larger, key=lambda j: len(members[j]), default=-1)
        assert small.parent[i] == expected
        assert small.size[i] == len(inside)
        assert small.birth[i] == tree.birth[nodes[i]]
        assert small.death[i] == (np.inf if expected < 0 else tree.birth[nodes[expected]])
    for one in members:
        for other in members:
            joint = [m for m in everything if one | other <= m]
            assert not joint or min(joint, key=len) in members


@pytest.mark.parametrize(
    ("text", "layers"), [("4:8", (4, 8)), (":8", (0, 8)), ("4:", (4, None)), (" 0:2 ", (0, 2))]
)
def test_layers_are_read(text, layers):
    assert parse_layers(text) == layers


# What goes wrong


def _mixture(folder, models):
    (folder / "config.json").write_text(
        json.dumps({"model_type": "mixtral", "num_local_experts": 8}), encoding="utf-8"
    )
    (folder / "model.safetensors").write_bytes((models["gpt2"] / "model.safetensors").read_bytes())
    return folder


def _unknown(folder):
    (folder / "config.json").write_text(json.dumps({"model_type": "t5"}), encoding="utf-8")
    return folder


def _truncated(folder, models):
    for name in ("config.json", "model.safetensors"):
        (folder / name).write_bytes((models["gpt2"] / name).read_bytes()[:2000])
    return folder


@pytest.mark.parametrize(
    ("kind", "name", "arguments", "said"),
    [
        ("gpt2", "transformer.h.0.mlp.c_fc", [], "the up matrix of layer 0 of "),
        ("gpt2", "transformer.h.3.mlp.c_proj", [], "the out matrix of layer 3 "),
        ("gpt2", "transformer.h.2.mlp.c_proj", [], "the out-row of neuron (2, "),
        ("llama", "model.layers.2.mlp.gate_proj", [], "the gate matrix of layer 2 "),
        ("llama", "model.layers.1.mlp.gate_proj", ["--layers", "1:3", "--load"], "the gate matrix"),
    ],
)
def test_a_weight_that_is_no_number_is_found(
    kind, name, arguments, said, models, tmp_path, capfd, no_pictures
):
    from safetensors.torch import load_file, save_file

    place = tmp_path / "model"
    shutil.copytree(models[kind], place)
    tensors = load_file(place / "model.safetensors")
    tensors[f"{name}.weight"][3, 4] = np.nan
    save_file(tensors, place / "model.safetensors", metadata={"format": "pt"})
    out = tmp_path / "out"
    refuses(["cluster", str(place), *arguments, "--out", str(out)], capfd, said)
    other = ["--layers", "2:4"] if name.endswith("layers.1.mlp.gate_proj") else None
    if other is not None:  # outside the chosen layers nothing is read
        assert main(["cluster", str(place), *other, "--out", str(out)]) == 0


@pytest.mark.parametrize(
    ("case", "said"),
    [
        ("no folder", "does not exist"),
        ("no model", "cannot load a model from the folder"),
        ("no such built-in", "there is no built-in model 'testbed:nothing'"),
        ("a text file", "is a file, and not one of safetensors"),
        ("truncated", "truncated"),
        ("truncated, loaded", "cannot load a model from the folder"),
        ("mixture of experts", "mixture-of-experts"),
        ("unknown architecture", "'t5' is an encoder-decoder model"),
        ("hub without a network", "cannot load 'nobody/nothing'"),
        (["--layers", "3"], "--layers must look like 4:8"),
        (["--layers", ":"], "--layers must look like 4:8"),
        (["--layers", "a:b"], "--layers must look like 4:8"),
        (["--layers", "0:9"], "0:9 reaches beyond the model, which has 4 layers, 0 to 3"),
        (["--layers", "4:"], "reaches beyond the model"),
        (["--layers", "2:3"], "need two at least"),
        (["--layers", "3:1"], "need two at least"),
        (["--path", "gate"], "GPT-2"),
        (["--path", "both", "--signed"], "both"),
        (["--path", "down"], "--path"),
        (["--dtype", "float16"], "float16"),
        (["--device", "nowhere"], "nowhere"),
        (["--top", "0"], "--top"),
        (["--min-cluster-size", "1"], "--min-cluster-size"),
        (["--tops", "3"], "--tops"),
    ],
    ids=str,
)
def test_a_mistake_is_one_sentence_and_status_2(case, said, models, tmp_path, capfd, monkeypatch):
    place, empty = str(models["gpt2"]), tmp_path / "empty"
    empty.mkdir()
    (tmp_path / "file.txt").write_text("words", encoding="utf-8")
    command_line = {
        "no folder": lambda: [str(tmp_path / "nothing")],
        "no model": lambda: [str(empty)],
        "no such built-in": lambda: ["testbed:nothing"],
        "a text file": lambda: [str(tmp_path / "file.txt")],
        "truncated": lambda: [str(_truncated(empty, models))],
        "truncated, loaded": lambda: [str(_truncated(empty, models)), "--load"],
        "mixture of experts": lambda: [str(_mixture(empty, models))],
        "unknown architecture": lambda: [str(_unknown(empty))],
        "hub without a network": lambda: ["nobody/nothing"],
    }
    arguments = command_line[case]() if isinstance(case, str) else [place, *case]
    out = tmp_path / "out"
    refuses(["cluster", *arguments, "--out", str(out)], capfd, said)
    assert not out.exists()


def test_a_folder_that_cannot_be_written_is_found_out_first(models, tmp_path, capsys, monkeypatch):
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setattr(command, "whole_model_tree", None)  # not to be reached
    for out in (tmp_path / "file", tmp_path / "file" / "folder"):
        assert main(["cluster", str(models["gpt2"]), "--out", str(out)]) == 2
        assert f"cannot write to the folder {out}" in capsys.readouterr().err


def test_a_full_disk_is_a_sentence_and_leaves_no_run(models, tmp_path):
    def allow_small_files():
        resource.setrlimit(resource.RLIMIT_FSIZE, (6000, 6000))

    run = subprocess.run(
        [sys.executable, "-m", "neurotopo", "cluster", str(models["gpt2"]), "--out", str(tmp_path)],
        capture_output=True,
        text=True,
        preexec_fn=allow_small_files,
        check=False,
    )
    assert run.returncode == 2
    assert run.stderr.strip() == (
        f"neurotopo: cannot write to the folder {tmp_path}: File too large."
    )
    assert "run.json" not in _files(tmp_path)
    assert not [name for name in _files(tmp_path) if name.endswith(".tmp")]


@pytest.mark.usefixtures("no_pictures")
def test_a_run_that_fails_does_not_pass_for_the_one_before(models, tmp_path, monkeypatch, capsys):
    arguments = ["cluster", str(models["gpt2"]), "--out", str(tmp_path)]
    assert main(arguments) == 0

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(command, "put", full)
    assert main(arguments) == 2
    assert "No space left on device" in capsys.readouterr().err
    assert "run.json" not in _files(tmp_path)
