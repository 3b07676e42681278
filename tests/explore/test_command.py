"""``neurotopo explore``: columns, positions and labels, from the command line."""

from __future__ import annotations

import json
import re
import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from sklearn.datasets import load_iris
from sklearn.preprocessing import StandardScaler

import neurotopo as nt
from neurotopo.cli import main

IRIS = load_iris()


def _data(page):
    text = page.read_text(encoding="utf-8")
    element = re.search(r'<script type="application/json" id="explorer-data">(.*?)</script>', text)
    return json.loads(element[1])


def _positions(page):
    """Positions in the order of the file."""
    vertices = _data(page)["vertices"]
    at = np.empty((len(vertices["id"]), 2))
    at[vertices["id"]] = np.column_stack([vertices["x"], vertices["y"]])
    return at


@pytest.fixture
def iris(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    table = pd.DataFrame(IRIS.data, columns=["sl", "sw", "pl", "pw"])
    table["species"] = IRIS.target_names[IRIS.target]
    table.to_csv("iris.csv", index=False)
    return tmp_path


def test_more_than_two_columns_are_drawn_by_principal_components(iris, capsys):
    assert main(["explore", "iris.csv", "--names", "species"]) == 0
    assert "4 columns (sl, sw, pl, pw)" in capsys.readouterr().out
    centred = IRIS.data - IRIS.data.mean(axis=0)
    _, s, axes = np.linalg.svd(centred, full_matrices=False)
    at = _positions(iris / "iris.explore.html")
    np.testing.assert_allclose(np.abs(at), np.abs(centred @ axes[:2].T), rtol=1e-4, atol=1e-5)
    share = 100 * s**2 / (s**2).sum()
    data = _data(iris / "iris.explore.html")
    told = f"{share[0] + share[1]:.1f} % of the variance"
    assert any(f"{told} ({share[0]:.1f} and {share[1]:.1f})" in note for note in data["notes"])
    assert ["drawn by", f"two principal components, {told}"] in data["about"]
    assert ["columns", "sl, sw, pl, pw"] in data["about"]


def test_two_columns_are_drawn_as_they_are(iris):
    assert main(["explore", "iris.csv", "--columns", "sl,pw", "--out", "a.html"]) == 0
    np.testing.assert_allclose(_positions(iris / "a.html"), IRIS.data[:, [0, 3]])
    assert "drawn by" not in dict(_data(iris / "a.html")["about"])


def test_standardized_columns(iris, capsys):
    options = ["--drop", "species", "--standardize", "--paper", "--tau", "0.3", "--labels", "l.csv"]
    assert main(["explore", "iris.csv", *options]) == 0
    assert "left out species; standardized\n" in capsys.readouterr().out
    X = StandardScaler().fit_transform(IRIS.data)
    labels = nt.NTCClusterer.paper(tau=0.3).fit_predict(X)
    assert pd.read_csv("l.csv")["label"].tolist() == labels.tolist()
    about = dict(_data(iris / "iris.explore.html")["about"])
    assert about["columns"] == "sl, sw, pl, pw (standardized)"


@pytest.mark.parametrize("kind", ["columns", "file"])
def test_positions_are_given(kind, iris, capsys):
    np.savetxt("at.csv", IRIS.data[:, :2])
    given = {"columns": ["--coordinates", "sl,sw", "--columns", "1-4"], "file": []}[kind]
    given = given or ["--coordinates", "at.csv"]
    assert main(["explore", "iris.csv", "--names", "species", *given]) == 0
    assert f"drawn by {'sl, sw' if kind == 'columns' else 'at.csv'}" in capsys.readouterr().out
    data = _data(iris / "iris.explore.html")
    assert not data["discs"]
    assert not any("principal" in note for note in data["notes"])
    np.testing.assert_allclose(_positions(iris / "iris.explore.html"), IRIS.data[:, :2])


def test_positions_of_a_graph(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    sp.save_npz("graph.npz", sp.csr_array([[0.0, 1, 0], [1, 0, 2], [0, 2, 0]]))
    np.save("at.npy", [[0.0, 0], [1, 0], [3, 5]])
    assert main(["explore", "graph.npz", "--coordinates", "at.npy"]) == 0
    assert _positions(tmp_path / "graph.explore.html").tolist() == [[0, 0], [1, 0], [3, 5]]
    assert capsys.readouterr().out.startswith(
        "read graph.npz: a graph of 3 vertices, 4 entries; drawn by at.npy\n"
    )


def test_labels_follow_the_rows_of_the_file(iris):
    rows = (iris / "iris.csv").read_text().splitlines()
    order = np.random.default_rng(0).permutation(len(rows) - 1)
    named = [f"{rows[0]},plant", *(f"{row},p{k}" for k, row in enumerate(rows[1:]))]
    tables = []
    for lines in (named, [named[0], *(named[1 + k] for k in order)]):
        (iris / "a.csv").write_text("\n".join(lines))
        options = ["--names", "plant", "--drop", "species", "--paper", "--labels", "l.csv"]
        assert main(["explore", "a.csv", *options]) == 0
        tables.append(pd.read_csv("l.csv"))
    plain, moved = tables
    assert list(plain.columns) == ["index", "name", "label", "probability"]
    assert plain["index"].tolist() == moved["index"].tolist() == list(range(150))
    assert plain["name"].tolist() == [f"p{k}" for k in range(150)]
    both = plain.merge(moved, on="name", suffixes=("", "_moved"))
    assert both["probability"].tolist() == both["probability_moved"].tolist()
    pairs = set(zip(both["label"], both["label_moved"], strict=True))
    assert len(pairs) == both["label"].nunique() == both["label_moved"].nunique()


def test_options_not_given_are_those_of_the_clusterer(iris):
    assert main(["explore", "iris.csv", "--drop", "species", "--labels", "l.csv"]) == 0
    labels = nt.NTCClusterer(random_state=0).fit_predict(IRIS.data)
    assert pd.read_csv("l.csv")["label"].tolist() == labels.tolist()
    options = ["--rule", "mass", "--condense", "--min-cluster-size", "20", "--min-samples", "5"]
    assert main(["explore", "iris.csv", "--drop", "species", "--labels", "l.csv", *options]) == 0
    clusterer = nt.NTCClusterer(rule="mass", condense=True, min_cluster_size=20, min_samples=5)
    labels = clusterer.fit_predict(IRIS.data)
    assert pd.read_csv("l.csv")["label"].tolist() == labels.tolist()


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["--tau", "high"], "--tau must be a number or \"auto\", got 'high'."),
        (["--min-samples", "1.5"], "--min-samples must be a whole number or \"auto\", got '1.5'."),
        (["--labels", "iris.csv"], "--labels iris.csv is the file to be read."),
        (["--labels", "a.html", "--out", "a.html"], "--labels a.html is the page."),
        (["--labels", "."], "--labels . is a folder"),
        (["--labels", "no/a.csv"], "--labels no/a.csv: folder no does not exist."),
        (["--coordinates", "short.csv"], "must hold 150 rows of 2 columns, got 2 x 2."),
        (["--coordinates", "named.csv"], "row 1 is named 'a', but that of the samples 'setosa'."),
        (["--coordinates", "none.csv"], "iris.csv has no column 'none.csv' (--coordinates)"),
        (["--precomputed", "--standardize"], "is not a number"),
        (["--precomputed", "--drop", "1"], "--drop is for points; iris.csv is a matrix"),
        (["--separator", "dash"], "'dash' is not one of"),
    ],
)
def test_faulty_options_end_in_one_sentence(options, error, iris, capsys):
    (iris / "short.csv").write_text("1,2\n3,4\n")
    (iris / "named.csv").write_text("a,1,2\n" * 150)
    given = [] if "--precomputed" in options else ["--names", "species"]
    assert main(["explore", "iris.csv", *given, *options]) == 2
    said = capsys.readouterr().err
    assert error in said
    assert said.count("\n") == 1
    assert not list(iris.glob("*.html"))


@pytest.mark.parametrize(
    ("options", "error"),
    [(["--standardize"], "--standardize is for points"), (["--drop", "1"], "--drop is for points")],
)
def test_a_graph_has_no_columns(options, error, tmp_path, capsys):
    sp.save_npz(tmp_path / "graph.npz", sp.csr_array([[0.0, 1], [1, 0]]))
    assert main(["explore", str(tmp_path / "graph.npz"), *options]) == 2
    assert error in capsys.readouterr().err


def test_a_matrix_of_distances_that_is_read_as_points(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    lengths = np.abs(np.subtract.outer(IRIS.data[:, 0], IRIS.data[:, 0]))
    np.save("lengths.npy", lengths)
    assert main(["explore", "lengths.npy", "--paper"]) == 0
    assert "if it holds distances, add --precomputed" in capsys.readouterr().err
    assert main(["explore", "lengths.npy", "--paper", "--precomputed"]) == 0
    assert "add --precomputed" not in capsys.readouterr().err
    np.save("lengths.npy", lengths + np.eye(150))
    assert main(["explore", "lengths.npy", "--paper"]) == 0
    assert "add --precomputed" not in capsys.readouterr().err


def test_a_warning_is_one_line(iris, capsys, monkeypatch):
    fit = nt.NTCClusterer.fit

    def warn(self, X):
        warnings.warn("most samples\n are in none", UserWarning, stacklevel=2)
        return fit(self, X)

    monkeypatch.setattr(nt.NTCClusterer, "fit", warn)
    assert main(["explore", "iris.csv", "--drop", "species", "--paper"]) == 0
    assert capsys.readouterr().err == "warning: most samples are in none\n"
