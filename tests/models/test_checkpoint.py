"""Rows read from safetensors are those of the loaded model, and broken folders are named."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from neurotopo.graphs.connections import RowSource
from neurotopo.graphs.neuron_graph import NeuronGraph
from neurotopo.graphs.whole_model import whole_model_tree
from neurotopo.models.checkpoint import CheckpointRows
from neurotopo.models.families import Family, UnsupportedModelError
from tests.support import zoo

SOME = [7, 2, 2, 23, 0, 8]


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Where each model of the zoo is saved, saved when first asked for."""
    saved = {}

    def folder(name):
        if name not in saved:
            saved[name] = tmp_path_factory.mktemp(name)
            zoo.shared(name).hf_model.save_pretrained(saved[name])
        return saved[name]

    return folder


@pytest.fixture
def copy_of(folders, tmp_path):
    """Copy a saved model so that a test may break it."""

    def copy(name):
        return shutil.copytree(folders(name), tmp_path / name)

    return copy


def rewrite(folder, change):
    """Apply a function to the dict of tensors of a folder with one file."""
    file = folder / "model.safetensors"
    tensors = load_file(file)
    save_file(change(tensors) or tensors, file, metadata={"format": "pt"})


def edit_config(folder, **changes):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))


def assert_same_rows(rows, model):
    assert (rows.n_layers, rows.n_neurons, rows.d_model) == (
        model.n_layers,
        model.n_neurons,
        model.d_model,
    )
    assert rows.is_gated == model.is_gated
    for layer in range(rows.n_layers):
        for indices in (None, SOME, [], 4):
            pairs = [(rows.out_rows(layer, indices), model.out_rows(layer, indices))]
            for path in ("up", "gate") if rows.is_gated else ("up",):
                for fold in (False, True) if rows.family.norm else (False,):
                    options = {"path": path, "fold_norm": fold}
                    pairs.append(
                        (
                            rows.in_rows(layer, indices, **options),
                            model.in_rows(layer, indices, **options),
                        )
                    )
            for ours, theirs in pairs:
                assert ours.dtype == theirs.dtype
                assert ours.flags.c_contiguous
                assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("name", zoo.NAMES)
def test_every_family_gives_the_rows_of_its_model(name, folders):
    rows = CheckpointRows(folders(name))
    assert isinstance(rows, RowSource)
    assert_same_rows(rows, zoo.shared(name))


def test_rows_are_those_of_the_stored_matrices(folders):
    """Straight from the files: Conv1D stores (in, out), Linear (out, in)."""
    stored = load_file(folders("gpt2") / "model.safetensors")
    rows = CheckpointRows(folders("gpt2"))
    up, out = (stored[f"transformer.h.1.mlp.{name}.weight"].numpy() for name in ("c_fc", "c_proj"))
    assert up.shape == (zoo.WIDTH, zoo.INNER)
    assert np.array_equal(rows.in_rows(1), up.T)
    assert np.array_equal(rows.out_rows(1), out)
    gain = stored["transformer.h.1.ln_2.weight"].numpy()
    assert np.array_equal(rows.in_rows(1, fold_norm=True), up.T * gain)

    stored = load_file(folders("llama") / "model.safetensors")
    rows = CheckpointRows(folders("llama"))
    gate, out = (stored[f"model.layers.2.mlp.{name}_proj.weight"] for name in ("gate", "down"))
    assert np.array_equal(rows.in_rows(2, path="gate"), gate.numpy())
    assert np.array_equal(rows.out_rows(2, [5]), out.numpy()[:, [5]].T)


@pytest.mark.parametrize("name", ["gpt2", "llama"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_precisions(name, dtype, copy_of):
    folder = copy_of(name)
    rewrite(folder, lambda tensors: {k: t.to(dtype).contiguous() for k, t in tensors.items()})
    model = zoo.build(name)
    model.hf_model.to(dtype)
    rows = CheckpointRows(folder)
    assert rows.out_rows(0).dtype == (np.float64 if dtype == torch.float64 else np.float32)
    assert_same_rows(rows, model)


@pytest.mark.parametrize("name", ["gpt2", "llama", "bert"])
def test_shards(name, tmp_path):
    model = zoo.shared(name)
    model.hf_model.save_pretrained(tmp_path, max_shard_size="6KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 3
    rows = CheckpointRows(tmp_path)
    assert_same_rows(rows, model)
    index = tmp_path / "model.safetensors.index.json"
    assert_same_rows(CheckpointRows(index), model)
    table = json.loads(index.read_text())["weight_map"]
    first = table[next(key for key in table if key.endswith(f"0.{rows.family.up}.weight"))]
    (tmp_path / first).unlink()
    with pytest.raises(FileNotFoundError, match=first):
        CheckpointRows(tmp_path)


@pytest.mark.parametrize(
    ("name", "prefix"),
    [
        ("gpt2", "transformer."),
        ("llama", "model."),
        ("bert", "bert."),
        ("distilbert", "distilbert."),
        ("opt", "model."),
    ],
)
def test_checkpoints_of_the_bare_model_lack_a_prefix(name, prefix, copy_of):
    folder = copy_of(name)
    rewrite(
        folder,
        lambda tensors: {key.removeprefix(prefix): tensor for key, tensor in tensors.items()},
    )
    assert_same_rows(CheckpointRows(folder), zoo.shared(name))


def test_a_model_inside_another(copy_of):
    folder = copy_of("llama")

    def change(tensors):
        inner = {f"language_model.{key}": tensor for key, tensor in tensors.items()}
        # a second tower with the same names, which is not the language model
        tower = {
            f"vision.blocks.{i}.mlp.up_proj.weight": torch.zeros(3, zoo.WIDTH) for i in range(9)
        }
        return inner | tower

    rewrite(folder, change)
    assert_same_rows(CheckpointRows(folder), zoo.shared("llama"))


def test_the_first_bert_checkpoints_call_the_gain_gamma(copy_of):
    folder = copy_of("bert")
    rewrite(
        folder,
        lambda tensors: {
            key.replace("LayerNorm.weight", "LayerNorm.gamma"): tensor
            for key, tensor in tensors.items()
        },
    )
    assert_same_rows(CheckpointRows(folder), zoo.shared("bert"))


def test_one_file_beside_its_configuration(folders):
    assert_same_rows(CheckpointRows(folders("llama") / "model.safetensors"), zoo.shared("llama"))


def test_trees_and_graphs_are_those_of_the_model(folders):
    for name in ("gpt2", "llama"):
        model = zoo.shared(name)
        assert whole_model_tree(folders(name)) == whole_model_tree(model)
        assert whole_model_tree(str(folders(name)), fold_norm=True) == whole_model_tree(
            model, fold_norm=True
        )
    neurons = [(0, 3), (1, 5), (1, 6), (2, 20)]
    ours = NeuronGraph.from_model(CheckpointRows(folders("llama")), neurons)
    theirs = NeuronGraph.from_model(zoo.shared("llama"), neurons)
    assert np.array_equal(ours.weights.toarray(), theirs.weights.toarray())


def test_a_family_of_your_own(copy_of):
    """Unknown to transformers: the width, or else the convention of Linear, tells the axis."""
    for name, known in (("gpt2", "transformer.h"), ("llama", "model.layers")):
        model = zoo.shared(name)
        family = Family(
            name="Mine",
            model_types=("mine",),
            kind="causal",
            layers=(known,),
            up=model.family.up,
            gate=model.family.gate,
            out=model.family.out,
            norm=model.family.norm,
        )
        folder = copy_of(name)
        edit_config(folder, model_type="mine", hidden_size=zoo.WIDTH)
        assert_same_rows(CheckpointRows(folder, family=family), model)
        with pytest.raises(UnsupportedModelError, match="'mine' has no row"):
            CheckpointRows(folder)


def test_nothing_is_read_before_it_is_asked_for(folders, monkeypatch):
    read = []
    from neurotopo.models import checkpoint

    rows = CheckpointRows(folders("llama"))
    original = checkpoint._in_full
    monkeypatch.setattr(
        checkpoint, "_in_full", lambda tensor: read.append(tensor.shape) or original(tensor)
    )
    rows.in_rows(0, [3, 4, 9])
    assert read == [(3, zoo.WIDTH)]


# Mistakes


def test_missing_folder_and_files(tmp_path, copy_of):
    with pytest.raises(FileNotFoundError, match=r"no folder .*nowhere"):
        CheckpointRows(tmp_path / "nowhere")
    with pytest.raises(FileNotFoundError, match=r"no \.safetensors file in"):
        CheckpointRows(tmp_path)
    folder = copy_of("gpt2")
    (folder / "config.json").unlink()
    with pytest.raises(FileNotFoundError, match=r"no config\.json in .*gpt2"):
        CheckpointRows(folder)
    text = tmp_path / "model.txt"
    text.write_text("hello")
    with pytest.raises(ValueError, match=r"model\.txt is not a safetensors file"):
        CheckpointRows(text)


def test_pickled_weights_are_refused(copy_of):
    folder = copy_of("gpt2")
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(FileNotFoundError, match=r"only pytorch_model\.bin, which is pickled"):
        CheckpointRows(folder)


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_truncated_files(keep, copy_of):
    folder = copy_of("gpt2")
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:keep])
    with pytest.raises(ValueError, match=r"model\.safetensors cannot be read, it is truncated"):
        CheckpointRows(folder)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("matrix", ["up_proj", "gate_proj", "down_proj"])
def test_a_missing_tensor_is_named(layer, matrix, copy_of):
    folder = copy_of("llama")
    key = f"model.layers.{layer}.mlp.{matrix}.weight"

    def change(tensors):
        del tensors[key]

    rewrite(folder, change)
    with pytest.raises(ValueError, match=rf"llama lacks the tensor {key}"):
        CheckpointRows(folder)


def test_a_tensor_that_the_index_puts_into_the_wrong_file(tmp_path):
    zoo.shared("gpt2").hf_model.save_pretrained(tmp_path, max_shard_size="6KB")
    index = tmp_path / "model.safetensors.index.json"
    content = json.loads(index.read_text())
    key = "transformer.h.1.mlp.c_proj.weight"
    wrong = next(
        name for name in content["weight_map"].values() if name != content["weight_map"][key]
    )
    content["weight_map"][key] = wrong
    index.write_text(json.dumps(content))
    with pytest.raises(ValueError, match=f"{wrong} lacks the tensor {key}"):
        CheckpointRows(tmp_path)


def test_a_missing_norm_is_found_when_it_is_needed(copy_of):
    folder = copy_of("gpt2")

    def change(tensors):
        del tensors["transformer.h.0.ln_2.weight"]

    rewrite(folder, change)
    rows = CheckpointRows(folder)
    assert rows.in_rows(0).shape == (zoo.INNER, zoo.WIDTH)
    with pytest.raises(ValueError, match=r"lacks the tensor transformer\.h\.0\.ln_2\.weight"):
        rows.in_rows(0, fold_norm=True)


def test_wrong_shapes(copy_of):
    folder = copy_of("llama")

    def change(tensors):
        key = "model.layers.1.mlp.down_proj.weight"
        tensors[key] = tensors[key][:, :-1].contiguous()

    rewrite(folder, change)
    with pytest.raises(ValueError, match=r"layers\.1\.mlp\.down_proj\.weight in .* has shape"):
        CheckpointRows(folder)


def test_a_matrix_stored_the_other_way_round(copy_of):
    folder = copy_of("gpt2")
    rewrite(
        folder,
        lambda tensors: {
            k: t.T.contiguous() if "mlp.c" in k and t.dim() == 2 else t for k, t in tensors.items()
        },
    )
    with pytest.raises(ValueError, match=r"GPT-2 models store \(in, out\) and the configuration"):
        CheckpointRows(folder)


def test_quantised_weights_are_refused(copy_of):
    folder = copy_of("llama")

    def change(tensors):
        key = "model.layers.0.mlp.up_proj.weight"
        tensors[key] = tensors[key].to(torch.int8)

    rewrite(folder, change)
    with pytest.raises(UnsupportedModelError, match="stored as I8"):
        CheckpointRows(folder)


def test_mixtures_of_experts_are_refused(copy_of):
    folder = copy_of("llama")
    edit_config(folder, model_type="mixtral", num_local_experts=8)
    with pytest.raises(UnsupportedModelError, match="mixture-of-experts"):
        CheckpointRows(folder)


def test_another_model_than_the_configuration_says(copy_of):
    folder = copy_of("llama")
    edit_config(folder, model_type="gpt2")
    with pytest.raises(ValueError, match=r"no tensor like transformer\.h\.0\.mlp\.c_fc\.weight"):
        CheckpointRows(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not valid JSON"), ("[]", "does not hold an object"), ("{}", "model_type")],
)
def test_broken_configurations(content, message, copy_of):
    folder = copy_of("gpt2")
    (folder / "config.json").write_text(content)
    with pytest.raises(ValueError, match=rf"config\.json .*{message}"):
        CheckpointRows(folder)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{}", "no weight_map"),
        ('{"weight_map": {"a": 3}}', "no weight_map"),
        ('{"weight_map": {"a": "../b.safetensors"}}', "not a file beside it"),
    ],
)
def test_broken_indices(content, message, copy_of):
    folder = copy_of("gpt2")
    (folder / "model.safetensors.index.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        CheckpointRows(folder)


def test_rows_that_are_not_there(folders):
    rows = CheckpointRows(folders("gpt2"))
    with pytest.raises(IndexError, match=r"layer 3 is not in 0\.\.2"):
        rows.out_rows(3)
    with pytest.raises(IndexError, match=r"neuron 24 is not in 0\.\.23"):
        rows.in_rows(0, [3, 24])
    with pytest.raises(ValueError, match="GPT-2 models have no gated MLPs"):
        rows.in_rows(0, path="gate")
    with pytest.raises(ValueError, match="path must be 'up' or 'gate'"):
        rows.in_rows(0, path="down")
    with pytest.raises(ValueError, match="OLMo2 has no norm before its MLPs"):
        CheckpointRows(folders("olmo2")).in_rows(0, fold_norm=True)
