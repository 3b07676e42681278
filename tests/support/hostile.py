"""Give every reader of files hostile ones: ``python -m tests.support.hostile NUMBER SEED``.

Each input must be read, or end in an accepted error of one short line. The process limits its
address space; it prints what failed, and ends with status 1 if anything did.
"""

from __future__ import annotations

import gzip
import io
import json
import os
import random
import re
import shutil
import signal
import sqlite3
import sys
import tempfile
import traceback
import warnings
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from neurotopo._memory import MEMORY_VARIABLE
from neurotopo.models.examples import random_model
from tests.support.hostile_files import targets

ACCEPTED = (ValueError, OSError, MemoryError)
LONGEST = 600
MEMORY = "200MB"
SECONDS = 60

VALUES = (
    *(None, True, -1, 0, 1.5, 10**30, 10**400, 2**63, 1e308, float("nan"), float("-inf")),
    *("", " ", "\ud800", "\0", "a" * 100_000, "\u202e", "1e999", "../../etc/passwd", "[X]", "\n"),
    *([], {}, [[]], [None], {"": None}, [[1, 2], [3]], {"$float": "nan"}, {"$float": []}),
)


# What is done to a file


def _random(rng: random.Random, data: bytes) -> bytes:
    return rng.randbytes(rng.choice([1, 7, 100, 4096, 100_000]))


def _cut(rng: random.Random, data: bytes) -> bytes:
    return data[: rng.randrange(max(len(data), 1))]


def _flipped(rng: random.Random, data: bytes) -> bytes:
    changed = bytearray(data or b"\0")
    for _ in range(rng.choice([1, 1, 1, 3, 50])):
        changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def _flipped_head(rng: random.Random, data: bytes) -> bytes:
    return _flipped(rng, data[:200]) + data[200:]


def _pasted(rng: random.Random, data: bytes) -> bytes:
    at = rng.randrange(len(data) + 1)
    there = (b"\xff\xfe", b"\0" * 64, b"\xed\xa0\x80", b'"', b"[" * 100_000, b"\r", b"9" * 5000)
    return data[:at] + rng.choice(there) + data[at:]


def _encoded(rng: random.Random, data: bytes) -> bytes:
    text = data.decode("latin-1")
    return text.encode(rng.choice(["utf-16", "utf-32", "utf-7", "cp037", "utf-8-sig"]))


def _deep(rng: random.Random, data: bytes) -> bytes:
    n = rng.choice([500, 990, 5_000, 200_000])
    ends = rng.choice([(b"[", b"]"), (b'{"a":', b"}"), (b'[{"a":', b"}]")])
    return ends[0] * n + b"1" + ends[1] * n


def _fixed(rng: random.Random, data: bytes) -> bytes:
    texts = ("", "null", "[]", "{}", "0", '""', "[[]]", "[null]", "\n\n", "NaN", "[1e999]", "\x1a")
    return rng.choice(texts).encode()


def _packed(rng: random.Random, data: bytes) -> bytes:
    packed = gzip.compress(data)
    return rng.choice([packed, packed[: len(packed) // 2], packed + b"\0junk", _bomb()])


_BOMB: list[bytes] = []


def _bomb() -> bytes:
    if not _BOMB:
        _BOMB.append(gzip.compress(b" " * 50_000_000) * 40)
    return _BOMB[0]


def _values(rng: random.Random, data: bytes) -> bytes:
    """Replace values in JSON, or in one line of it."""
    text = data.decode()
    try:
        return json.dumps(_replaced(rng, json.loads(text))).encode()
    except ValueError:
        lines = text.splitlines()
        i = rng.randrange(len(lines))
        lines[i] = json.dumps(_replaced(rng, json.loads(lines[i])))
        return "\n".join(lines).encode()


def _replaced(rng: random.Random, value: object, depth: int = 0) -> object:
    if isinstance(value, dict | list) and value and (depth == 0 or rng.random() < 0.7):
        value = value.copy()
        key = rng.choice(list(value)) if isinstance(value, dict) else rng.randrange(len(value))
        if rng.random() < 0.1:
            del value[key]
        else:
            value[key] = _replaced(rng, value[key], depth + 1)
        return value
    return rng.choice(VALUES)


def _cells(rng: random.Random, data: bytes) -> bytes:
    cells = re.split(r"([,;\t\n])", data.decode())
    for _ in range(rng.choice([1, 2, 10])):
        cells[rng.randrange(len(cells))] = rng.choice(
            ["", '"', "1e999", "nan", "inf", "-1", "9" * 400, "\0", "a" * 200_000, ",,,", "\r", "x"]
        )
    return "".join(cells).encode()


def _header(rng: random.Random, data: bytes) -> bytes:
    """Change the header of a safetensors file."""
    n = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + n])
    for _ in range(rng.choice([1, 1, 3])):
        name = rng.choice([name for name in header if name != "__metadata__"])
        if isinstance(header[name], dict):
            field = rng.choice(["shape", "data_offsets", "dtype"])
            header[name] = {**header[name], field: rng.choice([[2**40, 2**40], [0], [-1], *VALUES])}
    text = json.dumps(header).encode()
    size = rng.choice([len(text), len(text), 0, 2**40, 2**63, 100_000_000])
    return size.to_bytes(8, "little") + text + data[8 + n :]


def _arrays(rng: random.Random, data: bytes) -> bytes:
    """Replace one array of a file of arrays, also by one whose header lies."""
    if data[:2] != b"PK":
        return _npy(rng)
    out = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(data)) as old,
        zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new,
    ):
        chosen = rng.choice(old.namelist())
        for name in old.namelist():
            if name == chosen and rng.random() < 0.1:
                continue
            new.writestr(name, _npy(rng) if name == chosen else old.read(name))
            if name == chosen and rng.random() < 0.1:
                new.writestr(name, old.read(name))
    return out.getvalue()


def _npy(rng: random.Random) -> bytes:
    out = io.BytesIO()
    shape = rng.choice([(10**12,), (2**40, 2**40), (0,), (3, 3), (-1,), (4,) * 32, (2**62,), ()])
    kind = rng.choice(["<f8", "|O", "<i8", "<U5", "<c16", "|b1", "<M8[D]", "|V8", "<f2", ">f8"])
    if rng.random() < 0.3:  # a bomb of zeros
        np.save(out, np.zeros(rng.choice([10, 30_000_000]), dtype="f8"))
    elif rng.random() < 0.5:
        values = rng.choice([np.nan, np.inf, -1, 1e308, -(2**62), 0])
        np.save(out, np.full(rng.choice([(3, 3), (5, 2), (5,), ()]), values))
    else:
        about = {"shape": shape, "fortran_order": rng.random() < 0.5, "descr": kind}
        np.lib.format.write_array_header_1_0(out, about)
        out.write(b"\0" * rng.choice([0, 8, 800]))
    return out.getvalue()


def _sql(rng: random.Random, data: bytes) -> bytes:
    """Change a table of a database."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "a.sqlite")
        path.write_bytes(data)
        connection = sqlite3.connect(path)
        table = rng.choice(["runs", "facts", "results", "asked", "digest"])
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        statements = [
            f"DROP TABLE {table}",
            f"DELETE FROM {table}",
            "PRAGMA user_version = 99",
            "PRAGMA application_id = 7",
            *(f"UPDATE {table} SET {column} = ?" for column in columns),
        ]
        statement = rng.choice(statements)
        value = rng.choice([None, -1, "x", b"\xff", "[" * 5000, 2**62, "{}", "\ud7ff" * 9, 1e308])
        try:
            connection.execute(statement, (value,) if "?" in statement else ())
            connection.commit()
        except sqlite3.Error:
            pass
        connection.close()
        return path.read_bytes()


PLAIN = (_random, _cut, _flipped, _flipped_head, _pasted, _encoded, _deep, _fixed, _packed)
BY_ENDING = {
    ".json": (_values,) * 6,
    ".jsonl": (_values,) * 6,
    ".csv": (_cells,) * 4,
    ".tsv": (_cells,) * 4,
    ".npz": (_arrays,) * 6,
    ".npy": (_arrays,) * 6,
    ".safetensors": (_header,) * 6,
    ".sqlite": (_sql,) * 6,
}


def _placed(rng: random.Random, path: Path) -> str:
    """Put something else than a file in its place."""
    path.unlink()
    kind = rng.choice(["folder", "pipe", "loop", "nowhere", "zeros", "missing"])
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind != "missing":
        ends = {"loop": path, "nowhere": path.parent / "nothing", "zeros": Path("/dev/null")}
        path.symlink_to(ends[kind])
    return kind


def damage(rng: random.Random, path: Path) -> str:
    """Make a file hostile; return how."""
    if rng.random() < 0.08:
        return _placed(rng, path)
    how = rng.choice((*PLAIN, *BY_ENDING.get(path.suffix, ())))
    path.write_bytes(how(rng, path.read_bytes()))
    return how.__name__


# The run


class TooSlow(BaseException):
    """A reader that does not end."""


@contextmanager
def _ends_within(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlow

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def wrong_with(read: Callable[[Path], object], folder: Path) -> str | None:
    """Read hostile input; return what is wrong with the error, None if nothing is."""
    try:
        with _ends_within(SECONDS), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(folder)
    except ACCEPTED as error:
        said = str(error)
        if not said.strip():
            return f"{type(error).__name__} without a message"
        if len(said.splitlines()) > 1:
            return f"a message of several lines: {said[:300]!r}"
        return (
            None if len(said) <= LONGEST else f"a message of {len(said)} characters: {said[:200]}"
        )
    except TooSlow:
        return f"no end after {SECONDS} s\n{traceback.format_exc(limit=-3)}"
    except Exception:
        return traceback.format_exc(limit=-3)
    return None


def run(number: int, seed: int, root: Path) -> tuple[int, list[str]]:
    """Read hostile inputs, each reader equally often; return how many were read, and failures."""
    (root / "valid").mkdir()
    found = targets(root / "valid")
    failures, n_read = [], 0
    order = random.Random(seed).sample(range(len(found)), len(found))
    for i in range(number):
        rng = random.Random(f"{seed} {i}")
        target = found[order[i % len(order)]]
        folder = root / "case"
        shutil.copytree(root / "valid" / target.name, folder)
        how = damage(rng, folder / target.file)
        wrong = wrong_with(target.read, folder)
        n_read += 1
        if wrong is not None:
            failures.append(f"{i} {target.name}/{target.file} {how}: {wrong}")
        shutil.rmtree(folder)
    return n_read, failures


def main() -> None:
    """Run in this process, under a limit of its address space."""
    import resource

    from transformers.utils import logging

    logging.disable_progress_bar()

    number, seed = map(int, sys.argv[1:3])
    os.environ[MEMORY_VARIABLE] = MEMORY
    random_model().answer_probabilities  # noqa: B018
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + 3 * 2**30
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    with tempfile.TemporaryDirectory() as folder:
        n_read, failures = run(number, seed, Path(folder))
    sys.stdout.writelines(f"{failure}\n" for failure in failures)
    sys.stdout.write(f"{n_read} inputs, {len(failures)} failures\n")
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
