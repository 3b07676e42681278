"""Tables as text: no digit lost in CSV, nothing taken for markup in the others."""

from __future__ import annotations

import csv
import io
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from neurotopo.report import to_csv, to_latex, to_markdown
from neurotopo.report._cells import CellFormat, columns
from neurotopo.report.summary import Table
from neurotopo.report.tables import csv_frame
from tests.support.reports import HOSTILE, example_summary

PLAIN = CellFormat(str, str)


def _shown(values, spec=None, **options):
    frame = pd.DataFrame({"x": pd.Series(values, **options)})
    (column,) = columns(Table(frame, "t", formats={} if spec is None else {"x": spec}), PLAIN)
    return list(column.cells)


@pytest.mark.parametrize(
    ("values", "spec", "expected"),
    [
        ([np.pi, 1e-7 / 3, 123456.7], None, ["3.142", "3.333e-08", "1.235e+05"]),
        ([1.0, np.nan, 1234567.0], None, ["1", "–", "1,234,567"]),  # noqa: RUF001
        ([1, -20000], None, ["1", "-20,000"]),
        ([1999, 2020], "d", ["1999", "2020"]),
        ([np.inf, -np.inf, 0.5], None, ["∞", "-∞", "0.5"]),
        ([True, False], None, ["yes", "no"]),
        ([0.123, -0.001, -0.0], ".1f", ["0.1", "0.0", "0.0"]),
        ([-0.0, 0.25], None, ["0", "0.25"]),
        ([0.5, -0.001], ".0%", ["50%", "0%"]),
        (
            [3.2e-5, 0.0, 5e-324, 1e-200, 0.04123, 1.0],
            "p",
            ["3.2e-05", "< 1e-300", "< 1e-300", "1e-200", "0.041", "1"],
        ),
        ([1e300, 0.5, 1e16], None, ["1e+300", "0.5", "1e+16"]),
    ],
)
def test_numbers_as_they_are_shown(values, spec, expected):
    assert _shown(values, spec) == expected


def test_values_of_numpy_and_pandas_and_none_of_all_kinds():
    mixed = [np.float32(0.5), np.int64(7), np.bool_(True), None, np.nan, pd.NA, pd.NaT, [1, None]]
    shown = ["0.5", "7", "yes", *4 * ["–"], "[1, None]"]  # noqa: RUF001
    assert _shown(mixed, dtype=object) == shown
    assert _shown([1, None], dtype="Int64") == ["1", "–"]  # noqa: RUF001
    assert _shown(["a", None], dtype="category") == ["a", "–"]  # noqa: RUF001


def test_numbers_are_to_the_right_and_columns_of_one_name_or_several_parts_stay():
    frame = pd.DataFrame([[1, "a", None], [2, "b", None]])
    frame.columns = ["x", "x", "y"]
    assert [c.right for c in columns(Table(frame, "t"), PLAIN)] == [True, False, False]
    frame.columns = pd.MultiIndex.from_tuples([("a", 1), ("a", 2), ("b", 1)])
    assert [c.name for c in columns(Table(frame, "t"), PLAIN)] == ["a / 1", "a / 2", "b / 1"]
    assert to_csv(Table(frame, "t")).startswith("a,a,b\n1,2,1\n")


def test_a_format_that_does_not_fit_names_the_column():
    with pytest.raises(ValueError, match="the format 'd' of the column 'x' does not fit"):
        _shown([0.5], "d")


def test_csv_reads_back_as_it_was():
    rng = np.random.default_rng(0)
    numbers = np.concatenate(
        [
            rng.normal(size=200) * 10.0 ** rng.integers(-300, 300, 200),
            [0.1, 5e-324, np.inf, -np.inf, np.nan],
        ]
    )
    frame = pd.DataFrame({"x": numbers, "n": np.arange(205) * 10**15})
    frame["b"] = frame["n"] % 2 == 0
    back = list(csv.DictReader(io.StringIO(to_csv(Table(frame, "t")))))
    # Not by pandas, some versions of which do not read every digit.
    np.testing.assert_array_equal([float(row["x"] or "nan") for row in back], numbers)
    assert [int(row["n"]) for row in back] == list(frame["n"])
    assert [row["b"] for row in back] == [str(value) for value in frame["b"]]
    assert back[-1]["x"] == ""


def test_csv_of_hostile_text_and_of_nothing():
    texts = [HOSTILE, "a\rb", "c\r\nd", 'say "x"', ",", "ß столица 首都"]
    frame = pd.DataFrame({HOSTILE: texts, "n\rm": [None, np.nan, 1, 2, 3, 12345]})
    text = to_csv(Table(frame, "t", formats={"n\rm": ".1f"}))
    back = pd.read_csv(io.StringIO(text))
    assert list(back.iloc[:, 0]) == [
        re.sub("\r\n?", "\n", each).replace("\x00", "\ufffd") for each in texts
    ]
    assert list(back.columns) == [HOSTILE.replace("\r\n", "\n").replace("\x00", "\ufffd"), "n\nm"]
    assert "12345" in text
    assert "\r" not in text
    assert list(frame.iloc[:, 0]) == texts  # as it was


def test_markdown_is_a_table_and_nothing_else():
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable("table")
    frame = pd.DataFrame({HOSTILE: [HOSTILE, "| x", "\\|", "\\"], "n": [0.5, None, np.inf, 1]})
    for first in ("", "- ", "1. ", "# ", "> ", "    ", "---", "===", "+ "):
        tokens = markdown.parse(to_markdown(Table(frame, first + HOSTILE, first + HOSTILE)))
        kinds = {token.type for token in tokens}
        assert kinds == {
            "paragraph_open",
            "paragraph_close",
            "inline",
            "table_open",
            "table_close",
            "tr_open",
            "tr_close",
            "thead_open",
            "thead_close",
            "th_open",
            "th_close",
            "tbody_open",
            "tbody_close",
            "td_open",
            "td_close",
        }
        inner = [child for token in tokens for child in token.children or ()]
        assert {child.type for child in inner} <= {
            "text",
            "text_special",
            "strong_open",
            "strong_close",
        }
        cells = [
            "".join(child.content for child in token.children)
            for before, token in pairwise(tokens)
            if before.type in ("th_open", "td_open")
        ]
        said = " ".join(HOSTILE.split()).replace("\x00", "\N{REPLACEMENT CHARACTER}")
        assert cells == [said, "n", said, "0.5", "| x", "–", "\\|", "∞", "\\", "1"]  # noqa: RUF001


def _unbraced(text):
    """Check that braces are in pairs, and return what is outside of ``\\commands`` and escapes."""
    depth = 0
    for sign in re.findall(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(sign, 0)
        assert depth >= 0
    assert depth == 0
    return re.sub(r"\\([a-zA-Z]+|.)", "", text)


def test_latex_escapes_all_that_is_special():
    signs = r"#$%&_{}~^\ "
    frame = pd.DataFrame({signs: [signs, "[1]", "*", "a--b---c", "<>"]})
    text = to_latex(Table(frame, signs, signs), "tab:a_b c")
    escaped = r"\#\$\%\&\_\{\}\textasciitilde{}\textasciicircum{}\textbackslash{}"
    assert text.count(escaped) == 4
    assert rf"\caption{{{escaped}}}" in text
    assert r"\label{tab:a-b-c}" in text
    for line in ("{[}1{]}", "{*}", "a-{}-b-{}-{}-c", r"\textless{}\textgreater{}"):
        assert f"\n{line} \\\\\n" in text
    assert not set(_unbraced(text)) & set("#$%_~^")


def test_latex_of_hostile_text_has_no_command_and_no_column_of_its_own():
    frame = pd.DataFrame({HOSTILE: [HOSTILE], "n": [-1.5], "k": [12000], "p": [0.0]})
    text = to_latex(Table(frame, HOSTILE, HOSTILE, {"p": "p"}))
    known = {
        "begin",
        "centering",
        "providecommand",
        "toprule",
        "midrule",
        "bottomrule",
        "hline",
        "end",
        "textless",
        "textgreater",
        "textbackslash",
        "textasciitilde",
        "textasciicircum",
        "caption",
        "label",
        "par",
        "smallskip",
        "footnotesize",
    }
    assert set(re.findall(r"(?<!\\)\\([a-zA-Z]+)", text)) <= known
    rest = _unbraced(text)
    assert [line.count("&") for line in rest.splitlines() if "&" in line] == [3, 3]
    assert r"& $-$1.5 & 12000 & \textless{} 1e-300 \\" in text
    assert "\x00" not in text


def test_latex_of_values_that_are_none():
    text = to_latex(Table(pd.DataFrame({"x": [np.nan, np.inf, -np.inf, 0.5]}), "Ж"))
    assert "–" in text  # noqa: RUF001
    assert "$\\infty$ \\\\\n$-\\infty$ \\\\\n" in text
    assert "\\caption{Ж}" in text


def test_tables_without_rows_or_columns():
    empty = Table(pd.DataFrame({"a": [], "b": []}), "t", "n")
    assert to_csv(empty) == "a,b\n"
    assert to_markdown(empty) == "**t**\n\n| a | b |\n| :--- | :--- |\n\nn\n"
    assert "a & b" in to_latex(empty)
    nothing = Table(pd.DataFrame(), "t")
    assert to_csv(nothing).strip() in ("", '""')
    assert to_markdown(nothing) == "**t**\n"
    assert "tabular" not in to_latex(nothing)


def test_the_example():
    text = to_markdown(example_summary().tables["methods"])
    assert "| NTC | 352 | 1,204 | 3.142 | &lt; 1e-300 | yes |" in text
    assert "| random | 12,345 | 3 | -0.02 | – | – |" in text  # noqa: RUF001


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-2+3", "'-2+3"),
        ("\t=1", "'\t=1"),
        ("-0.5", "-0.5"),
        ("+3 %", "+3 %"),
        ("-1.5e-3", "-1.5e-3"),
        ("-", "-"),
        ("a=b", "a=b"),
        ("a\x07b", "a\ufffdb"),
    ],
)
def test_a_spreadsheet_finds_no_formula_in_a_cell(text, written):
    frame = csv_frame(pd.DataFrame({"fact": [text], text: ["a"]}))
    assert frame["fact"].iloc[0] == written
    assert frame.columns[1] == written
