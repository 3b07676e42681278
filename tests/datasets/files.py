"""Files for the tests, and the ways in which the same content may be written."""

from __future__ import annotations

import gzip
import json


def line(record):
    return json.dumps(record, ensure_ascii=False)


def write_lines(path, records):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(line(record).encode() + b"\n" for record in records))
    return path


def disguised(data, how):
    """Return the bytes of a text file as another program might have written them."""
    return {
        "plain": lambda: data,
        "byte order mark": lambda: b"\xef\xbb\xbf" + data,
        "CRLF": lambda: data.replace(b"\n", b"\r\n"),
        "blank lines": lambda: b"\n \t\n" + data.replace(b"\n", b"\n\r\n\n"),
        "gzip": lambda: gzip.compress(data),
        "gzip of all": lambda: gzip.compress(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n\r\n")),
        "no last line end": lambda: data.removesuffix(b"\n"),
    }[how]()


DISGUISES = (
    "plain",
    "byte order mark",
    "CRLF",
    "blank lines",
    "gzip",
    "gzip of all",
    "no last line end",
)

# A line, and what is said of it. They are wrong in files of every format of lines.
BROKEN_LINES = [
    (b"{", "not JSON (Expecting property name enclosed in double quotes at column 2)"),
    (b'{"a": 1} {"b": 2}', "not JSON (Extra data at column 10)"),
    (b"[1, 2]", "must be a JSON object, got [1, 2]"),
    (b'"text"', "must be a JSON object, got 'text'"),
    (b"null", "must be a JSON object, got None"),
    (b'{"a": 1, "a": 2}', "field 'a' occurs twice"),
    (b'{"a": "\xff"}', "not UTF-8 (invalid start byte at byte 7)"),
    (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "nested too deeply"),
]
