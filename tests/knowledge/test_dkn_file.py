"""Files of DKNs: exact round trips, tables by hand, and errors with the place."""

from __future__ import annotations

import json
import re
from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import DKN, DKNFinder, NeuronSet
from neurotopo.knowledge.suppression import SuppressionCurve
from tests.support.degeneracy import ALL, FACT, GROUPS, Toy

NUMBER = st.floats(width=64)
NEURONS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 2**31 - 1)), max_size=6).map(
    NeuronSet
)


@st.composite
def dkns(draw):
    groups = draw(st.lists(NEURONS, max_size=5))
    passed = np.array(draw(st.lists(st.booleans(), min_size=len(groups), max_size=len(groups))))
    passed = passed.astype(bool)
    n, n_kept = len(groups), int(passed.sum())
    row = st.lists(st.booleans(), min_size=n_kept, max_size=n_kept).filter(any)
    rows = draw(st.lists(row, max_size=6)) if n_kept else []

    def numbers(size):
        return np.array(draw(st.lists(NUMBER, min_size=size, max_size=size)), dtype=np.float64)

    base, everything, potential, tolerance, contrast, change = numbers(6).tolist()
    return DKN(
        neurons=draw(NEURONS),
        potential=groups,
        potential_probabilities=numbers(n),
        potential_without=numbers(n),
        passed=passed,
        base_probability=base,
        all_suppressed_probability=everything,
        potential_suppressed_probability=potential,
        active_probabilities=numbers(n_kept),
        suppression=SuppressionCurve(
            np.array(rows, dtype=bool).reshape(len(rows), n_kept), numbers(len(rows)), base
        ),
        tolerance=tolerance,
        contrast=contrast,
        max_change=change,
    )


def assert_same(one, other):
    """Compare all fields, numbers bit by bit except for the kind of nan."""
    for field in fields(one):
        a, b = getattr(one, field.name), getattr(other, field.name)
        assert type(a) is type(b)
        if isinstance(a, SuppressionCurve):
            assert_same(a, b)
        elif isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            assert a.shape == b.shape
            np.testing.assert_array_equal(a, b)
            np.testing.assert_array_equal(
                np.signbit(a) & ~np.isnan(a), np.signbit(b) & ~np.isnan(b)
            )
        else:
            assert repr(a) == repr(b)
            assert a == b or a != a


@pytest.mark.parametrize("ending", ["json", "csv"])
@given(dkn=dkns())
def test_a_dkn_comes_back(tmp_path_factory, ending, dkn):
    path = tmp_path_factory.mktemp("dkn") / f"dkn.{ending}"
    dkn.save(path)
    assert_same(DKN.load(path), dkn)


@pytest.fixture
def toy():
    return DKNFinder().find(Toy(), FACT, ALL)


def test_measurements_of_a_loaded_dkn(toy, tmp_path):
    for ending in ("json", "csv"):
        toy.save(tmp_path / f"dkn.{ending}")
        there = DKN.load(tmp_path / f"dkn.{ending}")
        assert_same(there, toy)
        assert there.to_dict() == toy.to_dict()
        assert there.gcr == toy.gcr


def test_the_json_by_hand(toy, tmp_path):
    toy.save(tmp_path / "dkn.json")
    content = json.loads((tmp_path / "dkn.json").read_text())
    assert (content["kind"], content["version"]) == ("neurotopo.dkn", 1)
    assert content["potential"] == [[list(pair) for pair in group] for group in toy.potential]
    assert content["suppressed"] == [[0], [1], [2], [0, 1], [0, 2], [1, 2], [0, 1, 2]]
    assert content["suppressed_probabilities"] == [0.72] * 3 + [0.64] * 3 + [0.08]
    assert content["base_probability"] == 0.8


def test_components_have_their_number_among_the_potential_ones(toy, tmp_path):
    curve = SuppressionCurve(np.array([[True, False], [True, True]]), np.array([0.7, 0.1]), 0.8)
    some = replace(
        toy,
        passed=np.array([True, False, True]),
        active_probabilities=np.array([0.5, 0.6]),
        suppression=curve,
    )
    some.save(tmp_path / "dkn.csv")
    table = pd.read_csv(tmp_path / "dkn.csv", dtype=str, keep_default_na=False)
    rows = table[table["field"] == "suppressed"]
    assert rows[["component", "value"]].to_numpy().tolist() == [["0", "0.7"], ["0 2", "0.1"]]
    rows = table[table["field"] == "active_probabilities"]
    assert rows[["component", "value"]].to_numpy().tolist() == [["0", "0.5"], ["2", "0.6"]]
    assert_same(DKN.load(tmp_path / "dkn.csv"), some)


def test_frames_by_hand(toy):
    pd.testing.assert_frame_equal(toy.to_frame(), toy.to_pandas())
    assert toy.to_frame()["n_neurons"].tolist() == [len(group) for group in toy.potential]
    table = toy.to_frame("neurons")
    assert table[["component", "layer", "index"]].to_numpy().tolist() == [
        [i, *pair] for i, group in enumerate(toy.potential) for pair in group
    ]
    assert table["drop_without"].tolist() == pytest.approx([0.1] * sum(map(len, GROUPS)))
    with pytest.raises(ValueError, match="of must be 'components' or 'neurons', got 'rows'"):
        toy.to_frame("rows")


def test_frames_without_components(toy):
    nothing = np.array([])
    curve = SuppressionCurve(np.zeros((0, 0), dtype=bool), nothing, 0.8)
    empty = replace(
        toy,
        potential=[],
        potential_probabilities=nothing,
        potential_without=nothing,
        passed=nothing.astype(bool),
        active_probabilities=nothing,
        suppression=curve,
    )
    for of in ("components", "neurons"):
        table = empty.to_frame(of)
        assert len(table) == 0
        assert table.dtypes.tolist() == toy.to_frame(of).dtypes.tolist()


def test_curves_of_another_probability_are_refused(toy, tmp_path):
    with pytest.raises(ValueError, match=r"is 0\.9, that of its suppression curve 0\.8"):
        replace(toy, base_probability=0.9).save(tmp_path / "dkn.json")
    assert not list(tmp_path.iterdir())


def line(text, start):
    """Return the number of the first line that starts so."""
    return next(i for i, each in enumerate(text.split("\n"), 1) if each.strip().startswith(start))


@pytest.mark.parametrize(
    ("old", "new", "start", "message"),
    [
        ('"tolerance": 0.2', '"tolerance": "0.2"', '"tolerance"', "'tolerance': must be a number"),
        ('"tolerance": 0.2,', "", "{", "the field 'tolerance' is missing"),
        ('"tolerance"', '"tolerances"', '"tolerances"', "'tolerances': is unknown"),
        ("    true,\n", "", '"passed"', r"'passed': must have 3 entries, got 2"),
        ("    true,\n", "    1,\n", "1,", r"'passed'\[1\]: must be true or false, got 1"),
        ("    [0, 2]", "    [0, 3]", "[0, 3]", r"'suppressed'\[4\]\[1\]: 3 is not the number"),
        ("    [0, 2]", "    [0, true]", "[0, true]", r"True is not the number of a component"),
        ("    [0, 2]", "    [0, 0, 0]", "[0, 0, 0]", "must have one or more different components"),
        ("    [0, 2]", "    []", "[],", "must have one or more different components"),
    ],
)
def test_an_invalid_json_file(toy, tmp_path, old, new, start, message):
    path = tmp_path / "dkn.json"
    toy.save(path)
    text = path.read_text()
    assert old in text
    text = new.join(text.rsplit(old, 1))
    path.write_text(text)
    with pytest.raises(ValueError, match=message) as raised:
        DKN.load(path)
    assert str(raised.value).startswith(f"{path}, line {line(text, start)}: ")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("tolerance,,,,0.2", "tolerance,,,,high", "'value': must be a number, got 'high'"),
        ("tolerance,,,,0.2", "tolerance,0,,,0.2", "'component': must be blank for 'tolerance'"),
        ("tolerance,,,,0.2", "contrast,,,,0.2", "the field 'contrast' occurs twice"),
        ("tolerance,,,,0.2", "height,,,,0.2", "'field': must be one of neurons, potential"),
        ("passed,1,,,True", "passed,1,,,1", "'value': must be True or False, got '1'"),
        ("passed,1,,,True", "passed,2,,,True", "component 1 is expected for 'passed', got '2'"),
        ("potential,1,", "potential,3,", "the component must be a whole number from 0 to 2"),
        ("suppressed,0 2,", "suppressed,0 4,", "the component must be .* got 4"),
        ("suppressed,0 2,", "suppressed,0 0,", r"'suppressed'\[4\]: must have one or more"),
        ("suppressed,0 2,", "suppressed,,", r"'suppressed'\[4\]: must have one or more"),
        ("active_probabilities,2,", "active_probabilities,3,", "component 2 is expected"),
    ],
)
def test_an_invalid_table(toy, tmp_path, old, new, message):
    path = tmp_path / "dkn.csv"
    toy.save(path)
    lines = path.read_text().split("\n")
    at = next(i for i, each in enumerate(lines) if each.startswith(old))
    lines[at] = lines[at].replace(old, new)
    path.write_text("\n".join(lines))
    with pytest.raises(ValueError, match=message) as raised:
        DKN.load(path)
    expected = at + 1 + ("twice" in message)  # the second row of the field is named
    assert str(raised.value).startswith(f"{path}, line {expected}: ")


def test_a_missing_row(toy, tmp_path):
    path = tmp_path / "dkn.csv"
    toy.save(path)
    whole = path.read_text()
    for name in ("tolerance", "potential_without,1", "active_probabilities,2"):
        kept = [each for each in whole.split("\n") if not each.startswith(name)]
        path.write_text("\n".join(kept))
        with pytest.raises(ValueError, match=re.escape(str(path)) + ", line "):
            DKN.load(path)
