"""Records of files: what is read, and what is said of what cannot be read."""

from __future__ import annotations

import gzip
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo.datasets import load_blimp, load_templama
from neurotopo.datasets.files import Faults, data_files, read_records, read_text
from tests.datasets.files import BROKEN_LINES, DISGUISES, blimp_pair, disguised, line, templama_row

RECORDS = [{"a": 1}, {"a": "x\u2028y\x85z", "b": [2, {"c": "é"}]}, {"a": 3}]
LINES = b"".join(json.dumps(r, ensure_ascii=False).encode() + b"\n" for r in RECORDS)


def values(path, on_error="raise"):
    faults = Faults(on_error)
    return [dict(record.values) for record in read_records(path, faults)], faults


@pytest.mark.parametrize("how", DISGUISES)
@pytest.mark.parametrize("indent", [None, 0, 2])
def test_lines_and_lists_are_read_however_they_are_written(how, indent, tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(disguised(LINES, how))
    assert values(path)[0] == RECORDS
    path.write_bytes(disguised(json.dumps(RECORDS, indent=indent).encode() + b"\n", how))
    assert values(path)[0] == RECORDS


def test_only_a_line_feed_ends_a_line(tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"a":\r 1}\n{"a": 2\x0b}\n')
    records, faults = values(path, "skip")
    assert records == [{"a": 1}]
    assert [fault.line for fault in faults.skipped] == [2]


@pytest.mark.parametrize(("broken", "reason"), BROKEN_LINES)
def test_a_broken_line_is_named_or_left_out(broken, reason, tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(b'{"a": 1}\n\n' + broken + b'\n{"a": 3}\r\n')
    with pytest.raises(ValueError) as error:
        values(path)
    assert str(error.value) == f"{path}, line 3: {reason}."
    records, faults = values(path, "skip")
    assert records == [{"a": 1}, {"a": 3}]
    assert [(fault.file, fault.line, fault.reason) for fault in faults.skipped] == [
        (str(path), 3, reason)
    ]


@pytest.mark.parametrize(
    ("load", "row"), [(load_blimp, blimp_pair()), (load_templama, templama_row())]
)
@pytest.mark.parametrize(("broken", "reason"), BROKEN_LINES)
def test_a_reader_names_or_leaves_out_a_broken_line(load, row, broken, reason, tmp_path):
    path = tmp_path / "f.jsonl"
    path.write_bytes(line(row).encode() + b"\n" + broken)
    with pytest.raises(ValueError, match=re.escape(f"line 2: {reason}.")):
        load(path)
    records = load(path, on_error="skip")
    assert (len(records), [fault.line for fault in records.skipped]) == (1, [2])


@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('[{"a": 1},\n\n 5]', 3, "must be a JSON object, got 5"),
        ('[\n{"a": 1},\n"x"]', 3, "must be a JSON object, got 'x'"),
    ],
)
def test_a_member_that_is_no_object_is_named_or_left_out(text, line, reason, tmp_path):
    path = tmp_path / "f.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=f"line {line}: ") as error:
        values(path)
    assert str(error.value) == f"{path}, line {line}: {reason}."
    records, faults = values(path, "skip")
    assert records == [{"a": 1}]
    assert [fault.line for fault in faults.skipped] == [line]


@pytest.mark.parametrize("on_error", ["raise", "skip"])
@pytest.mark.parametrize(
    ("text", "line", "reason"),
    [
        ('[{"a": 1},\n{"a" 2}]', 2, "not JSON (Expecting ':' delimiter at column 6)."),
        ('[{"a": 1}\n{"a": 2}]', 2, "not JSON (',' or ']' is missing)."),
        ('[{"a": 1},\n', 2, "not JSON (Expecting value at column 1)."),
        ('[{"a": 1}', 1, "not JSON (',' or ']' is missing)."),
        ('[{"a": 1}]\n\n{}', 3, "not JSON (text after the list)."),
        ('[\n{"a": 1, "a": 2}]', 2, "field 'a' occurs twice."),
        ("[\n" + "[" * 100_000, 2, "nested too deeply."),
    ],
)
def test_a_list_that_is_not_json_is_an_error_in_any_case(text, line, reason, on_error, tmp_path):
    path = tmp_path / "f.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError) as error:
        values(path, on_error)
    assert str(error.value) == f"{path}, line {line}: {reason}"


@given(st.lists(st.dictionaries(st.text(), st.text() | st.integers())), st.sampled_from([None, 1]))
def test_any_list_is_read_like_the_json_module_does(tmp_path_factory, records, indent):
    path = tmp_path_factory.getbasetemp() / "list.json"
    path.write_text(json.dumps(records, indent=indent), encoding="utf-8")
    records_read, _ = values(path)
    assert records_read == records
    text = path.read_text(encoding="utf-8").splitlines()
    for record in read_records(path, Faults("raise")):
        assert "{" in text[record.line - 1]


@pytest.mark.parametrize(
    "data",
    [
        gzip.compress(LINES, mtime=0)[:-9],
        gzip.compress(LINES, mtime=0)[:12],
        b"\x1f\x8b\x08garbage",
        gzip.compress(LINES, mtime=0)[:20] + b"\0\0\0\0" + gzip.compress(LINES)[24:],
    ],
)
def test_a_damaged_gzip_file_is_named(data, tmp_path):
    path = tmp_path / "f.jsonl.gz"
    path.write_bytes(data)
    with pytest.raises(ValueError, match="the gzip file is damaged") as error:
        values(path, "skip")
    assert str(path) in str(error.value)


def test_a_text_that_is_not_utf_8_is_named_with_its_line(tmp_path):
    path = tmp_path / "f.csv"
    path.write_bytes(b"a,b\n\xe9,c\n")
    with pytest.raises(ValueError, match=r"f\.csv, line 2: not UTF-8"):
        read_text(path)
    path.write_bytes("[\n{}\n]".encode("utf-16"))
    with pytest.raises(ValueError, match="line 1: not UTF-8"):
        values(path)


def test_the_files_of_a_folder_are_those_of_json(tmp_path):
    for name in ("b.jsonl", "a.json.gz", ".hidden.json", "c.txt", "d.jsonl.gz", "_e.json"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "folder.json").mkdir()
    assert [path.name for path in data_files(tmp_path)] == ["a.json.gz", "b.jsonl", "d.jsonl.gz"]


def test_there_are_two_ways_to_deal_with_errors():
    with pytest.raises(ValueError, match="on_error must be 'raise' or 'skip', got 'ignore'"):
        Faults("ignore")
