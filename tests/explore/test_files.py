"""``neurotopo explore``: what files may hold, and where it is said to be wrong."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.sparse as sp

import neurotopo as nt
from neurotopo.cli import main
from neurotopo.explore.files import read_samples

POINTS = [[0.0, 0.0], [0.0, 1.0], [9.0, 9.0]]


def _data(page):
    text = page.read_text(encoding="utf-8")
    element = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', text)
    return json.loads(element[1])


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("0,0\n0,1\n9,9\n", None),
        ("x,y\n0,0\n0,1\n9,9\n", None),
        ("\ufeffx;y\r\n0;0\r\n0;1\r\n\r\n9;9\r\n", None),
        ("a,0,0\nb,0,1\nc d,9,9\n", ["a", "b", "c d"]),
        (",x,y\n10,0,0\n11,0,1\n12,9,9\n", ["10", "11", "12"]),
        ("Name,x,y\n10,0,0\n11,0,1\n12, 9 ,9e0\n", ["10", "11", "12"]),
        ('word,x,y\n"a,b",0,0\nb,0,1\nc,9,9\n', ["a,b", "b", "c"]),
    ],
)
def test_points_in_text(text, names, tmp_path):
    file = tmp_path / "points.csv"
    file.write_text(text, encoding="utf-8", newline="")
    read = read_samples(file)
    assert read.samples.tolist() == POINTS
    assert read.names == names
    assert not read.graph


def test_tabs_and_a_single_column(tmp_path):
    file = tmp_path / "points.tsv"
    file.write_text("x, in cm\ty\n0\t0\n0\t1\n9\t9\n")
    assert read_samples(file).samples.tolist() == POINTS
    file.write_text("height\n1\n2.5\n")
    assert read_samples(file).samples.tolist() == [[1.0], [2.5]]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("", " is empty."),
        ("\n \n", " is empty."),
        ("x,y\n", " has a line of headings and nothing below it."),
        ("name\na\nb\n", ": there is no column of numbers."),
        ("x,y\n0,0\n1\n", ", line 3: 1 cells, expected 2; the separator is a comma."),
        ("x,y\n0,0\n\n1,2,3\n", ", line 4: 3 cells, expected 2; the separator is a comma."),
        ("x,y\n0,0\n1,two\n", ", line 3, column 2 (y): 'two' is not a finite number."),
        ("0,0\n1,two\n", ", line 2, column 2: 'two' is not a finite number."),
        ("0,0\nb,1\n", ", line 2, column 1: 'b' is not a finite number."),
        ("x,y\n0,0\n1,nan\n", ", line 3, column 2 (y): 'nan' is not a finite number."),
        ("x,y\n0,0\n1,inf\n", ", line 3, column 2 (y): 'inf' is not a finite number."),
        ("x,y\n0,0\n1,\n", ", line 3, column 2 (y): an empty cell is not a finite number."),
        ("x,y\n0,0\n1,1_000\n", ", line 3, column 2 (y): '1_000' is not a finite number."),
        ('x,y\n0,0\n1,"2\n', ", line 3: unexpected end of data."),
        ("x,y\n0,0\n1," + "z" * 99, f", line 3, column 2 (y): '{'z' * 30}...' is not a finite"),
    ],
)
def test_faulty_text_is_named_by_line_and_column(text, error, tmp_path, capsys):
    file = tmp_path / "points.csv"
    file.write_text(text)
    assert main(["explore", str(file)]) == 2
    said = capsys.readouterr().err
    assert f"{file}{error}" in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


def _save(path, **arrays):
    np.savez(path, **arrays)


@pytest.mark.parametrize(
    ("name", "write", "error"),
    [
        ("a.txt", lambda p: p.write_text("1"), "expected a file that ends in .csv"),
        ("a.csv", lambda p: p.write_bytes(b"x,y\n0,\xff\n"), "is not text in UTF-8"),
        ("a.npy", lambda p: p.write_bytes(b""), "cannot be read as an array"),
        ("a.npy", lambda p: p.write_bytes(b"nothing"), "holds Python objects (a pickle)"),
        ("a.npy", lambda p: np.save(p, np.array([{}])), "holds Python objects (a pickle)"),
        ("a.npy", lambda p: np.save(p, np.array(["a"])), "must hold real numbers, got <U1"),
        ("a.npy", lambda p: np.save(p, np.zeros((2, 2, 2))), "got shape (2, 2, 2)"),
        ("a.npy", lambda p: np.save(p, np.zeros((0, 2))), "is empty: its shape is (0, 2)"),
        ("a.npy", lambda p: np.save(p, [[0, 1], [np.nan, 1]]), "entry [1, 0] is nan"),
        ("a.npz", lambda p: p.write_bytes(b"nothing"), "is not an .npz file"),
        ("a.npz", lambda p: _save(p, a=[1], b=[2]), "holds a, b: expected one array"),
        ("a.npz", lambda p: _save(p, a=np.array([{}])), "holds Python objects (a pickle)"),
        (
            "a.npz",
            lambda p: _save(
                p, format=b"csr", shape=[2, 2], data=[1.0], indices=[7], indptr=[0, 1, 1]
            ),
            "is not a valid sparse matrix",
        ),
        ("a.npz", lambda p: sp.save_npz(p, sp.csr_array([[0.0, 1.0], [2.0, 0.0]])), "symmetric"),
        ("a.npz", lambda p: sp.save_npz(p, sp.csr_array((2, 3))), "must be square"),
    ],
)
def test_faulty_files_end_in_one_sentence(name, write, error, tmp_path, capsys):
    file = tmp_path / name
    write(file)
    assert main(["explore", str(file)]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert str(file) in said
    assert said.count("\n") == 1
    assert not list(tmp_path.glob("*.html"))


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--tau", "-1"], "'tau' parameter"),
        (["--rule", "best"], "'rule' parameter"),
        (["--metric", "nonsense"], "nonsense"),
        (["--precomputed"], "must be square"),
        (["--out", "points.csv"], "is the file to be read"),
        (["--out", "."], "is a folder"),
        (["--min-cluster-size", "0"], "'min_cluster_size' parameter"),
    ],
)
def test_faulty_options_end_in_one_sentence(options, error, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "points.csv").write_text("0,0\n0,1\n9,9\n")
    assert main(["explore", "points.csv", *options]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1


def test_a_file_that_is_missing(tmp_path, capsys):
    for name in ("a.csv", "a.npy", "a.npz"):
        assert main(["explore", str(tmp_path / name)]) == 2
        assert "No such file or directory" in capsys.readouterr().err


def test_the_page_shows_what_the_clusterer_finds(tmp_path, capsys):
    rng = np.random.default_rng(0)
    X = np.concatenate([rng.normal(size=(20, 2)), rng.normal(size=(30, 2)) + 12])
    file = tmp_path / "points.csv"
    rows = [f"<b>{i}</b>,{x!r},{y!r}" for i, (x, y) in enumerate(X.tolist())]
    file.write_text("\n".join(["name,x,y", *rows]))
    options = ["--paper", "--tau", "0.3", "--nested", "--scale", "log"]
    assert main(["explore", str(file), *options]) == 0
    page = tmp_path / "points.explore.html"
    clusterer = nt.NTCClusterer.paper(tau=0.3, nested=True, scale="log").fit(X)
    none = int((clusterer.labels_ < 0).sum())
    assert capsys.readouterr().out.splitlines() == [
        f"read {file}: 50 rows, 2 columns (x, y); separator comma, decimal point, headings in line "
        "1; names from column name",
        f"{clusterer.n_clusters_} clusters of 50 samples; {none} in none",
        f"wrote {page}",
    ]
    data = _data(page)
    assert data["title"] == "points.csv"
    assert [row["size"] for row in data["chosen"]] == [len(m) for m in clusterer.clusters_]
    assert data["vertices"]["name"] == [f"<b>{i}</b>" for i in data["vertices"]["id"]]


def test_distances_and_graphs_give_the_same_page(tmp_path):
    D = np.array([[0, 1, np.inf], [1, 0, 2], [np.inf, 2, 0]])
    lengths = sp.csr_array(np.where(np.isfinite(D), D, 0.0))
    np.savetxt(tmp_path / "text.csv", D, delimiter=",")
    np.save(tmp_path / "dense.npy", D)
    np.savez(tmp_path / "dense.npz", D)
    sp.save_npz(tmp_path / "graph.npz", lengths)
    sp.save_npz(tmp_path / "coo.npz", lengths.tocoo())
    births = []
    for name in ("text.csv", "dense.npy", "dense.npz", "graph.npz", "coo.npz"):
        out = tmp_path / f"{name}.html"
        given = [] if name in ("graph.npz", "coo.npz") else ["--precomputed"]
        assert main(["explore", str(tmp_path / name), *given, "--out", str(out)]) == 0
        births.append(_data(out)["clusters"]["birth"])
    assert births == [[1.0, 2.0]] * 5


def test_it_needs_no_torch(tmp_path):
    (tmp_path / "points.csv").write_text("0,0\n0,1\n9,9\n")
    script = """
import sys
class Absent:
    def find_spec(self, name, *_):
        if name.partition(".")[0] in ("torch", "transformers", "jinja2"):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)
sys.meta_path.insert(0, Absent())
from neurotopo.cli import main
sys.exit(main(["explore", "points.csv"]))
"""
    run = subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert (tmp_path / "points.explore.html").exists()
