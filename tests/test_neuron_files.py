"""Files of neuron sets and of groups for each fact: round trips, and errors with the place."""

from __future__ import annotations

import csv
import json
import re
import subprocess
import sys

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import NeuronSet
from neurotopo._codec import from_text, line_of, to_lines
from neurotopo.neurons import load_groups, save_groups

NUMBER = st.one_of(st.integers(0, 9), st.integers(0, 2**31 - 1))
NEURONS = st.lists(st.tuples(NUMBER, NUMBER), max_size=20).map(NeuronSet)
KEYS = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES = st.recursive(
    st.none() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
    max_leaves=20,
)


@pytest.mark.parametrize("ending", ["json", "csv", "JSON"])
@given(neurons=NEURONS)
def test_a_neuron_set_comes_back(tmp_path_factory, ending, neurons):
    path = tmp_path_factory.mktemp("sets") / f"neurons.{ending}"
    neurons.save(path)
    assert NeuronSet.load(path) == neurons


def test_the_files_are_plain(tmp_path):
    neurons = NeuronSet([(3, 7), (0, 5)])
    neurons.save(tmp_path / "n.json")
    neurons.save(tmp_path / "n.csv")
    assert json.loads((tmp_path / "n.json").read_text()) == {
        "kind": "neurotopo.neurons",
        "version": 1,
        "neurons": [[0, 5], [3, 7]],
    }
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "n.csv"), neurons.to_frame())
    assert neurons.to_frame().to_numpy().tolist() == [[0, 5], [3, 7]]
    assert NeuronSet().to_frame().shape == (0, 2)


def test_tables_of_other_programs(tmp_path):
    path = tmp_path / "n.csv"
    path.write_bytes('\ufeffindex, layer\r\n"5",0\r\n\r\n7,3\r\n'.encode())
    assert NeuronSet.load(path) == NeuronSet([(0, 5), (3, 7)])


HEAD = '{"kind": "neurotopo.neurons", "version": 1,\n'
INVALID = [
    ("n.json", "[[0, 5]]", r"n\.json, line 1: must be a JSON object, got \[\[0, 5\]\]"),
    ("n.json", '{"kind": "neurotopo.neurons"}', r"line 1: the field 'version' is missing"),
    ("n.json", '{\n"kind": "other"}', r"line 2: field 'kind': must be 'neurotopo.neurons'"),
    ("n.json", HEAD.replace(" 1", " 2").rstrip(",\n") + "}", r"has version 2; only 1 can be read"),
    ("n.json", HEAD.replace(" 1", "true").rstrip(",\n") + "}", r"has version True; only 1"),
    ("n.json", HEAD + '"neurons": [],\n"more": 1}', r"line 3: field 'more': is unknown"),
    (
        "n.json",
        HEAD + '"neurons": [[0, 5],\n[0]]}',
        r"line 3: field 'neurons'\[1\]: must be a pair",
    ),
    ("n.json", HEAD + '"neurons": [[0,\n-5]]}', r"line 3: field 'neurons'\[0\]\[1\]: the index"),
    ("n.json", HEAD + '"neurons": [[true, 5]]}', r"line 2: .*the layer must be .* got True"),
    ("n.json", HEAD + '"neurons": [[0.0, 5]]}', r"the layer must be .* got 0\.0"),
    ("n.json", HEAD + '"neurons": [[0, 2147483648]]}', r"from 0 to 2147483647, got 2147483648"),
    ("n.json", HEAD + '"neurons": [[0, 5],\n\n[0, 5]]}', r"line 4: .*\[0, 5\] occurs twice"),
    ("n.json", HEAD + '"neurons": [[0, 5],]}', r"n\.json, line 2: not JSON"),
    (
        "n.json",
        HEAD + '"neurons": [],\n"neurons": []}',
        r"line 3: the field 'neurons' occurs twice",
    ),
    ("n.json", "[" * 100_000, r"n\.json: not JSON \(nested too deeply\)"),
    ("n.json", HEAD + '"neurons": [[NaN, 5]]}', r"n\.json: not JSON \(NaN"),
    ("n.csv", "", r"n\.csv is empty; the columns must be layer, index"),
    ("n.csv", "layer,neuron\n0,5\n", r"n\.csv, line 1: the columns must be layer, index"),
    ("n.csv", "layer,index\n0,5\n0\n", r"line 3: must have 2 cells, got 1"),
    ("n.csv", "layer,index\n0,5\n0,1.0\n", r"line 3: field 'index': the index .* got '1\.0'"),
    ("n.csv", "layer,index\n0,5\n-1,1\n", r"line 3: field 'layer': the layer .* got '-1'"),
    ("n.csv", "layer,index\n0,1_0\n", r"got '1_0'"),
    ("n.csv", "layer,index\n0,\u0663\n", r"line 2: field 'index'"),
    ("n.csv", "layer,index\n0,5\n\n0,5\n", r"line 4: .*\(0, 5\) occurs twice"),
    ("n.csv", 'layer,index\n0,"5\n', r"line 2: not CSV"),
    ("n.txt", "", r"must end in \.json or \.csv, got .*n\.txt"),
]


@pytest.mark.parametrize(("name", "text", "message"), INVALID)
def test_an_invalid_file_of_neurons(tmp_path, name, text, message):
    path = tmp_path / name
    path.write_bytes(text.encode())
    with pytest.raises(ValueError, match=message) as raised:
        NeuronSet.load(path)
    assert str(path) in str(raised.value)


def test_text_that_is_not_utf_8(tmp_path):
    (tmp_path / "n.csv").write_bytes(b"layer,index\n0,5\n\xff,1\n")
    with pytest.raises(ValueError, match=r"n\.csv, line 3: not UTF-8"):
        NeuronSet.load(tmp_path / "n.csv")


def test_a_failed_save_keeps_the_file(tmp_path):
    path = tmp_path / "groups.json"
    save_groups({"fact": [[(0, 5)]]}, path)
    before = path.read_bytes()
    for wrong, error in (({"fact": [[]]}, ValueError), ({3: [[(0, 5)]]}, TypeError)):
        with pytest.raises(error):
            save_groups(wrong, path)
    with pytest.raises(ValueError, match="end in"):
        NeuronSet([(0, 5)]).save(tmp_path / "neurons.pkl")
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["groups.json"]


# Groups

GROUPS = st.dictionaries(KEYS, st.lists(NEURONS.filter(len), max_size=4), max_size=5)


@given(groups=GROUPS)
def test_groups_come_back(tmp_path_factory, groups):
    path = tmp_path_factory.mktemp("groups") / "groups.json"
    save_groups(groups, path)
    there = load_groups(path)
    assert there == groups
    assert list(there) == list(groups)
    plain = json.loads(path.read_text())  # what another program reads
    assert {k: [NeuronSet(g) for g in of_fact] for k, of_fact in plain.items()} == groups


@given(groups=GROUPS)
def test_groups_come_back_from_a_table(tmp_path_factory, groups):
    path = tmp_path_factory.mktemp("groups") / "groups.csv"
    save_groups(groups, path)
    # cells are read without the spaces around them
    there = {key: of_fact for key, of_fact in groups.items() if of_fact}
    if all(key == key.strip() != "" for key in there):
        assert load_groups(path) == there


def test_a_table_of_groups_with_faults(tmp_path):
    path = tmp_path / "groups.csv"
    for rows, message in (
        ("a,0,0,1\na,0,0,1", r"line 3: field 'index': the neuron \(0, 1\) occurs twice"),
        ("a,0,2,1", "line 2: field 'layer': the layer must be"),
        ("a,0,0,x", "line 2: field 'index': the index must be"),
    ):
        path.write_text(f"fact,group,layer,index\n{rows}\n", encoding="utf-8")
        with pytest.raises(ValueError, match=message):
            load_groups(path, n_layers=2, n_neurons=7)


def test_groups_of_another_program(tmp_path):
    path = tmp_path / "groups"
    path.write_text(json.dumps({"b": [[[3, 1], [0, 5]], [[0, 5]]], "a": []}))
    there = load_groups(path, n_layers=4, n_neurons=6)
    assert there == {"b": [NeuronSet([(0, 5), (3, 1)]), NeuronSet([(0, 5)])], "a": []}
    assert list(there) == ["b", "a"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[]", r"line 1: must be a JSON object"),
        ('{\n"a": {"0": [1]}}', r"line 2: field 'a': must be a list, got \{'0'"),
        (
            '{"a": [\n[0, 5]]}',
            r"line 2: field 'a'\[0\]\[0\]: must be a pair \[layer, index\], got 0",
        ),
        ('{"a": [[[0, 1]],\n[]]}', r"line 2: field 'a'\[1\]: the group has no neurons; delete it"),
        ('{"a": [[[0, 1],\n["0", 1]]]}', r"line 2: field 'a'\[0\]\[1\]\[0\]: the layer .* got '0'"),
        ('{"a": [[[0, 1],\n[0, 1]]]}', r"line 2: field 'a'\[0\]\[1\]: the neuron \[0, 1\] occurs"),
        ('{"a": [],\n"a": []}', r"line 2: the field 'a' occurs twice"),
        ('{"a": [], "b":\n[[[2, 1]]]}', r"line 2: .*the layer must be .* from 0 to 1, got 2"),
        ('{"a": [], "b": [[[1,\n7]]]}', r"line 2: .*the index must be .* from 0 to 6, got 7"),
    ],
)
def test_invalid_groups(tmp_path, text, message):
    path = tmp_path / "groups.json"
    path.write_text(text)
    with pytest.raises(ValueError, match="^" + re.escape(f"{path}, ") + message):
        load_groups(path, n_layers=2, n_neurons=7)


# JSON


@given(value=VALUES, depth=st.integers(0, 4))
def test_lines_hold_the_same_value(value, depth):
    assert from_text(to_lines(value, depth), distinct=True) == value


@given(value=VALUES, data=st.data())
def test_the_line_of_a_member(value, data):
    """With each member on a line of its own, the first line of a member is known from its text."""
    place, at, n_before = [], value, 1
    while isinstance(at, dict | list) and at and data.draw(st.booleans()):
        n_before += 1
        steps = list(at) if isinstance(at, dict) else list(range(len(at)))
        step = data.draw(st.sampled_from(steps))
        for other in steps[: steps.index(step)]:
            n_before += json.dumps(at[other], indent=1).count("\n") + 1
        place.append(step)
        at = at[step]
    assert line_of(json.dumps(value, indent=1), place) == n_before


def test_neurons_load_without_torch():
    code = "import sys, neurotopo.neurons; print('torch' in sys.modules, 'pandas' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]


def test_a_table_can_be_read_by_others(tmp_path):
    NeuronSet([(1, 2)]).save(tmp_path / "n.csv")
    with open(tmp_path / "n.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"layer": "1", "index": "2"}]
