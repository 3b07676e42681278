"""The demonstration: its graph is as announced, and its files hold what the clusterer found."""

from __future__ import annotations

import numpy as np
import pandas as pd
from sklearn.metrics import adjusted_rand_score

from neurotopo.cluster.ntc import NTCClusterer
from neurotopo.demo import main, planted_layered_graph


def test_only_adjacent_layers_are_joined_and_all_of_them():
    graph = planted_layered_graph(group_sizes=(4, 3), n_background=2, n_layers=3)
    lengths = graph.lengths.toarray()
    gap = np.abs(graph.layer[:, None] - graph.layer[None, :])
    assert np.array_equal(lengths > 0, gap == 1)
    assert np.array_equal(lengths, lengths.T)


def test_the_seed_decides_the_graph():
    first, again, other = (planted_layered_graph(seed=seed).lengths for seed in (3, 3, 4))
    assert (first != again).nnz == 0
    assert (first != other).nnz > 0


def _agreement_with_the_planted_groups(contrast):
    scores = []
    for seed in range(10):
        graph = planted_layered_graph(contrast=contrast, seed=seed)
        labels = NTCClusterer.paper(metric="precomputed").fit_predict(graph.lengths)
        scores.append(adjusted_rand_score(graph.group, labels))
    return np.mean(scores)


def test_groups_are_found_where_they_are_planted_and_only_there():
    assert _agreement_with_the_planted_groups(contrast=10.0) > 0.9
    assert _agreement_with_the_planted_groups(contrast=1.0) < 0.1


def test_the_files_of_a_run(tmp_path, capsys):
    assert main(["--out", str(tmp_path / "new" / "folder")]) == 0
    out = tmp_path / "new" / "folder"
    pictures = ("persistence_diagram", "barcode", "merge_tree")
    expected = {"clusters.csv"} | {f"{name}.{kind}" for name in pictures for kind in ("png", "svg")}
    assert {path.name for path in out.iterdir()} == expected
    for name in pictures:
        assert (out / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "</svg>" in (out / f"{name}.svg").read_text(encoding="utf-8")
    table = pd.read_csv(out / "clusters.csv")
    clusterer = NTCClusterer.paper(metric="precomputed").fit(planted_layered_graph().lengths)
    assert table["size"].tolist() == [len(members) for members in clusterer.clusters_]
    np.testing.assert_allclose(table["persistence"], clusterer.persistence_)
    printed = capsys.readouterr().out
    assert f"{clusterer.n_clusters_} clusters found" in printed
    assert str(out / "clusters.csv") in printed


def test_a_folder_that_cannot_be_made_is_one_sentence_and_status_2(tmp_path, capsys):
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["--out", str(tmp_path / "file" / "folder")]) == 2
    message = capsys.readouterr().err
    assert message.startswith("Cannot write to")
    assert message.count("\n") == 1
