"""Loading of GGUF files: found, joined, converted once, and damaged."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys

import numpy as np
import pytest
import torch

from neurotopo import Fact, load_model, whole_model_tree
from neurotopo.models import converted
from neurotopo.models.cache import cache_folder, sha256_of
from neurotopo.models.checkpoint import CheckpointRows
from neurotopo.models.gguf_files import find_gguf
from tests.support.gguf_models import write_gguf

FACT = Fact("The capital of France is", "Paris")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gguf")
    return folder / "tiny.gguf", write_gguf(folder / "tiny.gguf")


@pytest.fixture(scope="module")
def filled(tmp_path_factory, written):
    """Return a cache that holds the copy."""
    cache = tmp_path_factory.mktemp("filled")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NEUROTOPO_CACHE", str(cache))
        load_model(written[0], device="cpu")
    return cache


@pytest.fixture
def cache(tmp_path, monkeypatch, filled):
    place = tmp_path / "cache"
    shutil.copytree(filled, place)
    monkeypatch.setenv("NEUROTOPO_CACHE", str(place))
    return place


def no_conversion(*args):
    raise AssertionError("converted again")


def the_copy(cache):
    (folder,) = [each for each in (cache / "converted").iterdir() if each.is_dir()]
    return folder


def test_rows_are_the_dequantised_tensors_and_stay_exact(written, cache, monkeypatch):
    monkeypatch.setattr(converted, "_convert", no_conversion)
    path, tensors = written
    model = load_model(path, device="cpu")
    assert model.dtype == torch.float32
    for layer in range(3):
        for name, rows in (
            ("ffn_up", model.in_rows(layer)),
            ("ffn_gate", model.in_rows(layer, path="gate")),
            ("ffn_down", model.out_rows(layer).T),
        ):
            assert np.array_equal(rows, tensors[f"blk.{layer}.{name}.weight"])
    assert model.encode(FACT).n_prompt == 5
    assert 0 < model.answer_probability(FACT) < 1
    assert model.source == {"gguf": hashlib.sha256(path.read_bytes()).hexdigest()}
    assert not hasattr(model.hf_model.config, "quantization_config")
    half = load_model(str(path), dtype="bfloat16", device="cpu")
    assert half.dtype == torch.bfloat16


def test_every_way_to_name_a_file_gives_the_same_copy(written, cache, monkeypatch):
    monkeypatch.setattr(converted, "_convert", no_conversion)
    path = written[0]
    expected = load_model(path, device="cpu").answer_probability(FACT)
    assert load_model(path.parent, device="cpu").answer_probability(FACT) == expected
    by_option = load_model(path.parent, gguf_file=path.name, device="cpu")
    assert by_option.answer_probability(FACT) == expected
    rows = CheckpointRows(path)
    assert np.array_equal(rows.out_rows(1), load_model(path, device="cpu").out_rows(1))
    assert whole_model_tree(path).n_samples == 3 * 64


def test_the_second_start_hashes_nothing(written, cache, monkeypatch):
    monkeypatch.setattr("neurotopo.models.cache.digest_of", no_conversion)
    monkeypatch.setattr(converted, "_convert", no_conversion)
    assert load_model(written[0], device="cpu").n_layers == 3
    os.utime(the_copy(cache) / "config.json", ns=(1, 1))
    with pytest.raises(AssertionError):
        load_model(written[0], device="cpu")


@pytest.mark.parametrize("damage", ["truncated", "missing", "changed", "no record", "bad record"])
def test_a_damaged_copy_is_made_again(damage, written, cache):
    copy = the_copy(cache)
    weights, record = copy / "model.safetensors", copy / "neurotopo.json"
    right = weights.read_bytes()
    if damage == "truncated":
        weights.write_bytes(right[:-10])
    elif damage == "missing":
        weights.unlink()
    elif damage == "changed":
        weights.write_bytes(right[:-1] + bytes([right[-1] ^ 1]))
    elif damage == "no record":
        record.unlink()
    else:
        record.write_text('{"sha256"')
    load_model(written[0], device="cpu")
    assert weights.read_bytes() == right
    assert json.loads(record.read_text())["version"] == converted.VERSION
    left = [each.name for each in (cache / "converted").iterdir() if each.name.startswith(".new")]
    assert left == []


def test_a_changed_file_is_converted_anew(written, cache, tmp_path):
    path = tmp_path / "tiny.gguf"
    shutil.copy(written[0], path)
    first = load_model(path, device="cpu")
    write_gguf(path, seed=1)
    second = load_model(path, device="cpu")
    assert first.source != second.source
    assert not np.array_equal(first.in_rows(0), second.in_rows(0))


def split(path, folder, n=3):
    whole = path.read_bytes()
    size = len(whole) // n + 1
    for i in range(n):
        (folder / f"{path.name}.part{i:02}").write_bytes(whole[i * size : (i + 1) * size])


def test_parts_are_joined_in_order(written, cache, tmp_path, monkeypatch):
    folder = tmp_path / "parts"
    folder.mkdir()
    split(written[0], folder)
    monkeypatch.setattr(converted, "_convert", no_conversion)  # equal contents, the same copy
    for place in (folder, folder / "tiny.gguf.part01"):
        assert load_model(place, device="cpu").n_layers == 3
    monkeypatch.undo()
    joined = find_gguf(folder).placed_in(tmp_path)
    assert joined.read_bytes() == written[0].read_bytes()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda folder: (folder / "tiny.gguf.part01").unlink(), "lacks its part 1"),
        (lambda folder: (folder / "tiny.gguf.part00").unlink(), "is no GGUF file"),
        (lambda folder: (folder / "tiny.gguf.part02").unlink(), "cannot convert tiny.gguf"),
        (
            lambda folder: (folder / "SHA256SUMS").write_text(f"{'0' * 64}  tiny.gguf\n"),
            "tiny.gguf is damaged: its SHA-256",
        ),
        (lambda folder: write_gguf(folder / "other.gguf"), "2 GGUF files: other.gguf, tiny.gguf"),
        (
            lambda folder: (folder / "tiny.gguf.part2").write_bytes(b""),
            "part 2 of tiny.gguf is there twice",
        ),
    ],
)
def test_what_is_wrong_with_parts_is_said(change, said, written, cache, tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    split(written[0], folder)
    change(folder)
    with pytest.raises(ValueError, match=said):
        load_model(folder)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no file .*other\.gguf"):
        load_model(tmp_path / "other.gguf")


def test_a_truncated_file_and_one_that_is_none(written, cache, tmp_path):
    short = tmp_path / "short.gguf"
    short.write_bytes(written[0].read_bytes()[:-3000])
    with pytest.raises(ValueError, match=r"cannot convert short.gguf: .* may be damaged"):
        load_model(short)
    html = tmp_path / "page.gguf"
    html.write_text("<html>")
    with pytest.raises(ValueError, match=r"page\.gguf is no GGUF file: it begins with b'<htm'"):
        load_model(html)
    shard = tmp_path / "big-00001-of-00002.gguf"
    shutil.copy(written[0], shard)
    with pytest.raises(ValueError, match="one of several shards"):
        load_model(shard)
    other = tmp_path / "model.bin"
    other.write_bytes(b"x")
    with pytest.raises(OSError, match="is no GGUF file"):
        load_model(other)


@pytest.fixture
def installed(tmp_path, monkeypatch):
    """Return a function that installs a package with files."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def install(name, files, requires=()):
        package = site / name
        (package / "data").mkdir(parents=True)
        (package / "__init__.py").write_text("raise RuntimeError('imported')")
        info = site / f"{name}-1.0.dist-info"
        info.mkdir()
        lines = [f"Requires-Dist: {other}==1.0" for other in requires]
        about = ["Metadata-Version: 2.1", f"Name: {name.replace('_', '-')}", "Version: 1.0", *lines]
        (info / "METADATA").write_text("\n".join(about) + "\n")
        record = []
        for file in files:
            shutil.copy(file, package / "data" / file.name)
            record.append(f"{name}/data/{file.name},,")
        (info / "RECORD").write_text("\n".join(record) + "\n")

    return install


def test_a_package_with_a_file(written, cache, installed, monkeypatch):
    installed("tiny_model", [written[0]])
    monkeypatch.setattr(converted, "_convert", no_conversion)
    assert load_model("tiny_model", device="cpu").n_layers == 3
    assert load_model("tiny-model", device="cpu").n_layers == 3
    assert "tiny_model" not in sys.modules


def test_parts_in_several_packages(written, cache, installed, tmp_path, monkeypatch):
    folder = tmp_path / "parts"
    folder.mkdir()
    split(written[0], folder)
    sums = folder / "SHA256SUMS"
    sums.write_text(f"{hashlib.sha256(written[0].read_bytes()).hexdigest()}  tiny.gguf\n")
    installed("tiny_gguf", [sums], requires=["tiny-gguf-part1", "tiny-gguf-part2"])
    installed("tiny_gguf_part2", [folder / "tiny.gguf.part02"])
    with pytest.raises(ValueError, match=r"tiny-gguf-part1 is not installed: pip install"):
        load_model("tiny_gguf")
    installed("tiny_gguf_part1", [folder / "tiny.gguf.part00", folder / "tiny.gguf.part01"])
    monkeypatch.setattr(converted, "_convert", no_conversion)
    assert load_model("tiny_gguf", device="cpu").n_layers == 3
    assert find_gguf("tiny-gguf").expected == sums.read_text()[:64]


def test_other_names_are_no_packages(tmp_path):
    assert find_gguf("numpy") is None
    assert find_gguf("nobody/nothing") is None
    assert find_gguf(tmp_path) is None


def test_missing_packages_are_named(written, tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROTOPO_CACHE", str(tmp_path / "new"))
    monkeypatch.setattr(converted, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"packages gguf and accelerate: pip install 'neurotopo"):
        load_model(written[0])


def test_a_cache_that_cannot_be_written(written, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("NEUROTOPO_CACHE", str(tmp_path / "file"))
    with pytest.raises(OSError, match=r"NEUROTOPO_CACHE"):
        load_model(written[0])


def test_hashes_are_kept_until_a_file_changes(tmp_path, monkeypatch):
    monkeypatch.setenv("NEUROTOPO_CACHE", str(tmp_path / "cache"))
    files = [tmp_path / "a", tmp_path / "b"]
    files[0].write_bytes(b"one")
    files[1].write_bytes(b"two")
    assert sha256_of(files) == hashlib.sha256(b"onetwo").hexdigest()
    (record,) = (cache_folder() / "hashes").iterdir()
    kept = json.loads(record.read_text())
    record.write_text(json.dumps({**kept, "sha256": "known"}))
    assert sha256_of(files) == "known"
    files[1].write_bytes(b"TWO!")
    assert sha256_of(files) == hashlib.sha256(b"oneTWO!").hexdigest()
    record.write_text("[")
    assert sha256_of(files) == hashlib.sha256(b"oneTWO!").hexdigest()
