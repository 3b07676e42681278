from __future__ import annotations

import sys

import numpy as np
import pytest

from neurotopo.graphs import storage
from neurotopo.graphs.storage import read_arrays, write_arrays

FORMATS = ["thing.npz", "thing.safetensors"]
ARRAYS = {
    "numbers": np.array([1.5, -np.inf, np.nan]),
    "empty": np.empty((0, 2), np.int64),
    "turned": np.arange(6).reshape(2, 3).T,
}


@pytest.fixture(params=FORMATS)
def path(request, tmp_path):
    if request.param.endswith(".safetensors"):
        pytest.importorskip("safetensors")
    return tmp_path / request.param


def test_what_is_written_is_read(path):
    options = {"a": None, "b": [1, 2.5], "c": "ü"}
    write_arrays(path, "thing", ARRAYS, options)
    arrays, again = read_arrays(path, "thing")
    assert again == options
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert arrays[name].dtype == array.dtype
        np.testing.assert_array_equal(arrays[name], array)
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_truncated_file_is_named(path):
    write_arrays(path, "thing", ARRAYS, {})
    whole = path.read_bytes()
    for size in [*range(0, len(whole), 37), len(whole) - 1]:
        path.write_bytes(whole[:size])
        with pytest.raises(ValueError, match=path.name):
            read_arrays(path, "thing")


def test_a_file_with_a_wrong_byte_is_named_or_means_the_same(tmp_path):
    path = tmp_path / "thing.npz"  # every member has a checksum
    write_arrays(path, "thing", ARRAYS, {"a": 1})
    whole = path.read_bytes()
    refused = 0
    for at in range(0, len(whole), 5):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
        try:
            arrays, options = read_arrays(path, "thing")
        except ValueError as error:
            assert path.name in str(error)  # noqa: PT017
            refused += 1
        else:
            assert options == {"a": 1}
            np.testing.assert_array_equal(arrays["numbers"], ARRAYS["numbers"])
    assert refused > len(whole) / 10  # the rest is padding, dates and lengths that are not needed


@pytest.mark.parametrize("content", [b"", b"hello, this is no such file\n" * 20, b"PK\x03\x04"])
def test_a_foreign_file_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(ValueError, match=rf"{path.name} cannot be read"):
        read_arrays(path, "thing")


def test_files_of_other_programs(tmp_path):
    npz, npy = tmp_path / "a.npz", tmp_path / "b.npz"
    np.savez(npz, x=np.zeros(3))
    with pytest.raises(ValueError, match=r"a\.npz was not written by neurotopo"):
        read_arrays(npz, "thing")
    with open(npy, "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match=r"b\.npz cannot be read"):
        read_arrays(npy, "thing")


def test_tensors_of_other_programs(tmp_path):
    pytest.importorskip("safetensors")
    from safetensors.numpy import save_file

    path = tmp_path / "c.safetensors"
    save_file({"x": np.zeros(3)}, path)
    with pytest.raises(ValueError, match=r"c\.safetensors was not written by neurotopo"):
        read_arrays(path, "thing")


def test_nothing_is_unpickled(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, neurotopo=np.array([{"kind": "thing"}], dtype=object))
    with pytest.raises(ValueError, match=r"a\.npz cannot be read"):
        read_arrays(path, "thing")


def test_another_kind_and_another_version(path, monkeypatch):
    write_arrays(path, "thing", {}, {})
    with pytest.raises(ValueError, match=rf"{path.name} holds a thing, not a graph"):
        read_arrays(path, "graph")
    dumps = storage.json.dumps
    monkeypatch.setattr(storage.json, "dumps", lambda header: dumps({**header, "version": 2}))
    write_arrays(path, "thing", {}, {})
    with pytest.raises(ValueError, match=rf"{path.name} is of version 2, and only 1 can be read"):
        read_arrays(path, "thing")
    monkeypatch.setattr(storage.json, "dumps", lambda header: "[1]")
    write_arrays(path, "thing", {}, {})
    with pytest.raises(ValueError, match=rf"{path.name} was not written by neurotopo"):
        read_arrays(path, "thing")


def test_no_such_file(path):
    with pytest.raises(FileNotFoundError, match=path.name):
        read_arrays(path, "thing")


def test_other_names_are_refused(tmp_path):
    for act in (lambda p: write_arrays(p, "thing", {}, {}), lambda p: read_arrays(p, "thing")):
        with pytest.raises(ValueError, match=r"must end in \.npz or \.safetensors, got .*a\.pkl"):
            act(tmp_path / "a.pkl")


def test_a_file_is_replaced_whole_or_not_at_all(path, monkeypatch):
    write_arrays(path, "thing", {"a": np.zeros(3)}, {})
    before = path.read_bytes()

    def fails(file, arrays, header):
        file.write(b"half")
        raise OSError("no space left on device")

    monkeypatch.setitem(storage._FORMATS, path.suffix, (fails, storage._FORMATS[path.suffix][1]))
    with pytest.raises(OSError, match="no space left"):
        write_arrays(path, "thing", {"a": np.ones(3)}, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    monkeypatch.undo()

    def unplugged(temporary, target):
        assert target.read_bytes() == before
        raise KeyboardInterrupt

    monkeypatch.setattr(storage.os, "replace", unplugged)
    with pytest.raises(KeyboardInterrupt):
        write_arrays(path, "thing", {"a": np.ones(3)}, {})
    assert path.read_bytes() == before
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    monkeypatch.undo()
    write_arrays(path, "thing", {"a": np.ones(3)}, {})
    assert read_arrays(path, "thing")[0]["a"].tolist() == [1, 1, 1]


def test_without_safetensors(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    write_arrays(tmp_path / "a.npz", "thing", {}, {})
    path = tmp_path / "a.safetensors"
    with pytest.raises(ImportError, match=r"neurotopo\[llm\]"):
        write_arrays(path, "thing", {}, {})
    assert not path.exists()
    path.write_bytes(b"whatever")
    with pytest.raises(ImportError, match=r"neurotopo\[llm\]"):
        read_arrays(path, "thing")
