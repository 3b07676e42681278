"""Tables of text and their columns: what is read is what was written, or an error says where."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.explore.columns import ColumnChoice
from neurotopo.explore.files import read_samples
from neurotopo.explore.text_tables import SEPARATORS, read_text_table
from tests.support.examples import examples


def _written(path, text):
    path.write_text(text, encoding="utf-8")
    return path


NUMBERS = st.one_of(
    st.integers(-2000, 2000).map(float),
    st.floats(-1e6, 1e6),
    st.sampled_from([0.5, 1.125, 1234.567]),
)


@examples(150)
@given(
    rows=st.integers(1, 5).flatmap(
        lambda width: st.lists(
            st.lists(NUMBERS, min_size=width, max_size=width), min_size=1, max_size=6
        )
    ),
    separator=st.sampled_from(sorted(SEPARATORS.values())),
    decimal=st.sampled_from([".", ","]),
    whole=st.booleans(),
    headed=st.booleans(),
    named=st.booleans(),
)
def test_a_table_is_read_as_it_was_written_or_refused(
    rows, separator, decimal, whole, headed, named, tmp_path_factory
):
    def text(value):
        short = whole and value.is_integer()  # as people write them: 3, not 3.0
        return str(int(value) if short else value).replace(".", decimal)

    path = tmp_path_factory.mktemp("table") / "a.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=separator)
        if headed:
            writer.writerow(["name"] * named + [f"c{k}" for k in range(len(rows[0]))])
        writer.writerows([f"row {k}"] * named + list(map(text, row)) for k, row in enumerate(rows))
    single = len(rows[0]) == 1 and decimal == ","  # may be two columns
    try:
        read = read_samples(path)
    except ValueError as error:
        refused = str(error)
    else:
        assert single or read.samples.tolist() == rows
        assert single or (read.names is not None) == named
        return
    assert refused.startswith(str(path))
    assert single or "may have a decimal comma or a separator of thousands" in refused


@pytest.mark.parametrize(
    ("text", "expected", "names"),
    [
        ("x;y\n1,5;2\n3;4,25\n", [[1.5, 2.0], [3.0, 4.25]], None),
        ("1,5;2,5\n3,5;4,5\n", [[1.5, 2.5], [3.5, 4.5]], None),
        ("a;1,5\nb;2\n", [[1.5], [2.0]], ["a", "b"]),
        ('"0,5","1,25"\n"3","4"\n', [[0.5, 1.25], [3.0, 4.0]], None),
        ("x|y\n1|2\n", [[1.0, 2.0]], None),
        (" 1.0   2.5\n10.0  3.5\n", [[1.0, 2.5], [10.0, 3.5]], None),
        ("1,000e3;2\n", [[1000.0, 2.0]], None),
        # columns that pandas counts
        (",0,1\n0,0.5,1.5\n1,2.5,3\n", [[0.5, 1.5], [2.5, 3.0]], ["0", "1"]),
        ("0,1\n0.5,1.5\n2.5,3.0\n", [[0.5, 1.5], [2.5, 3.0]], None),
        ("0,1\n0.5,1.5\n2.5,3\n", [[0.0, 1.0], [0.5, 1.5], [2.5, 3.0]], None),
        ("0,1,2\n3,4,5.5\n", [[3.0, 4.0, 5.5]], None),
        ("0,1,2\n3,4,5\n", [[0.0, 1.0, 2.0], [3.0, 4.0, 5.0]], None),
        (",".join(map(str, range(10))) + "\n" + ",".join("1" * 10), [[1.0] * 10], None),
    ],
)
def test_separators_decimals_and_headings(text, expected, names, tmp_path):
    read = read_samples(_written(tmp_path / "a.csv", text))
    assert read.samples.tolist() == expected
    assert read.names == names


@pytest.mark.parametrize(
    ("text", "error"),
    [
        # a numeric column is no column of names, though its first cell is text
        ("x;y\nn/a;1\n2;3\n", "line 2, column 1 (x): 'n/a' is not a finite number."),
        (
            "x,2020,2021\n1,2,3\n",
            "line 1, column 1: 'x' is not a finite number. If this line holds",
        ),
        (
            "x;y\n1,5;2.5\n",
            "line 2, column 2 (y): '2.5' has a decimal point, but line 2, column 1 ",
        ),
        ("x;y\n1,500;2\n", "line 2, column 1 (x): '1,500' may have a decimal comma or a separator"),
        ("x;y\n1.234,5;2\n", "line 2, column 1 (x): '1.234,5' is not a finite number."),
        ("x;y\n5%;2\n7%;3\n", "line 2, column 1 (x): '5%' is not a finite number."),
        (
            "x;y\n0,5;1,234,567\n",
            "line 2, column 2 (y): '1,234,567' is not a finite number with a ",
        ),
        ("x,kind\n1,a\n2,b\n", "'a' is not a finite number. Leave the column out with --drop kind"),
        ("x\n1,5\n2,5\n", "line 2: 2 cells, expected 1; the separator is a comma."),
        ("x y\n1 2\n3 4 5\n", "line 3: 3 cells, expected 2; the separator is a space."),
    ],
)
def test_what_is_uncertain_is_refused(text, error, tmp_path):
    path = _written(tmp_path / "a.csv", text)
    with pytest.raises(ValueError) as caught:
        read_samples(path)
    assert str(caught.value).startswith(str(path))
    assert error in str(caught.value)


def test_options_decide_what_is_uncertain(tmp_path):
    path = _written(tmp_path / "a.csv", "1,500;2\n")
    assert read_samples(path, decimal="comma").samples.tolist() == [[1.5, 2.0]]
    path = _written(tmp_path / "b.csv", "1,5\n2,5\n")
    assert read_samples(path).samples.tolist() == [[1.0, 5.0], [2.0, 5.0]]
    read = read_samples(path, separator="semicolon", decimal="comma")
    assert read.samples.tolist() == [[1.5], [2.5]]
    np.save(tmp_path / "c.npy", np.eye(2))
    for option in ({"separator": "comma"}, {"decimal": "comma"}):
        with pytest.raises(ValueError, match=rf"--{next(iter(option))} is for .csv and .tsv"):
            read_samples(tmp_path / "c.npy", **option)


TABLE = "id,x,y,z,kind\n7,0,1,2,a\n8,3,4,5,b\n"


@pytest.mark.parametrize(
    ("choice", "samples", "names", "coordinates"),
    [
        ({"drop": ["kind"]}, [[0, 1, 2], [3, 4, 5]], ["7", "8"], None),
        ({"drop": ["kind", "1"]}, [[0, 1, 2], [3, 4, 5]], None, None),
        ({"names": "kind", "drop": ["id"]}, [[0, 1, 2], [3, 4, 5]], ["a", "b"], None),
        ({"names": "kind"}, [[7, 0, 1, 2], [8, 3, 4, 5]], ["a", "b"], None),
        ({"columns": ["z,x"]}, [[2, 0], [5, 3]], ["7", "8"], None),
        ({"columns": ["2-4"]}, [[0, 1, 2], [3, 4, 5]], ["7", "8"], None),
        ({"columns": ["x-y", "4"]}, [[0, 1, 2], [3, 4, 5]], ["7", "8"], None),
        ({"columns": ["id", "x"]}, [[7, 0], [8, 3]], None, None),
        ({"drop": ["5"], "coordinates": ["x", "y"]}, [[2], [5]], ["7", "8"], [[0, 1], [3, 4]]),
        (
            {"columns": ["x-z"], "coordinates": ["z,x"]},
            [[0, 1, 2], [3, 4, 5]],
            ["7", "8"],
            [[2, 0], [5, 3]],
        ),
    ],
)
def test_columns_are_chosen(choice, samples, names, coordinates, tmp_path):
    read = read_samples(_written(tmp_path / "a.csv", TABLE), choice=ColumnChoice(**choice))
    assert read.samples.tolist() == samples
    assert read.names == names
    assert (None if read.coordinates is None else read.coordinates.tolist()) == coordinates


@pytest.mark.parametrize(
    ("choice", "error"),
    [
        ({"columns": ["w"]}, r"no column 'w' \(--columns\); it has id, x, y, z, kind"),
        ({"columns": ["x,w"]}, r"no column 'w' \(--columns\)"),
        ({"drop": ["6"]}, r"no column '6' \(--drop\)"),
        ({"drop": ["0"]}, r"no column '0' \(--drop\)"),
        ({"columns": ["3-2"]}, "no column '3-2'"),
        ({"columns": ["x", "2"]}, "--columns names column 2 twice"),
        ({"columns": ["x"], "drop": ["x"]}, "column 2 is in both --columns and --drop"),
        ({"columns": ["x"], "names": "x"}, "column 2 is in both --columns and --names"),
        ({"names": "x,y"}, "--names needs one column, got 2"),
        ({"coordinates": ["x"]}, "--coordinates needs two columns or a file of two, got 1"),
        ({"drop": ["1-5"]}, "there is no column of numbers"),
    ],
)
def test_choices_that_do_not_fit(choice, error, tmp_path):
    path = _written(tmp_path / "a.csv", TABLE)
    with pytest.raises(ValueError, match=error):
        read_samples(path, choice=ColumnChoice(**choice))


def test_headings_that_are_equal_or_numbers(tmp_path):
    path = _written(tmp_path / "a.csv", "x,x,y\n1,2,3\n")
    with pytest.raises(ValueError, match=r"several columns are headed 'x' .*: give 1 or 2"):
        read_samples(path, choice=ColumnChoice(columns=["x"]))
    # a heading comes before a number, also at the ends of a range
    path = _written(tmp_path / "a.csv", ",0,1,2\n9,0.5,1.5,2.5\n")
    for text in ("1-2", "1,2"):
        read = read_samples(path, choice=ColumnChoice(columns=[text]))
        assert read.samples.tolist() == [[1.5, 2.5]]


def test_columns_of_an_array(tmp_path):
    np.save(tmp_path / "a.npy", [[1.0, 2.0, 3.0], [4.0, 5.0, 6.5]])
    choice = ColumnChoice(names="3", coordinates=["1-2"], columns=["2"])
    read = read_samples(tmp_path / "a.npy", choice=choice)
    assert (read.samples.tolist(), read.names) == ([[2.0], [5.0]], ["3", "6.5"])
    assert read.coordinates.tolist() == [[1.0, 2.0], [4.0, 5.0]]
    with pytest.raises(ValueError, match="it has 1 to 3"):
        read_samples(tmp_path / "a.npy", choice=ColumnChoice(drop=["4"]))


def test_the_table_has_the_lines_of_the_file(tmp_path):
    table = read_text_table(_written(tmp_path / "a.csv", 'x,y\n\n"a\nb",2\n3,4\n'))
    assert table.heading_line == 1
    assert table.line == [4, 5]  # a quoted cell ends on its last line
