"""What the page is given: the same clusters as the tree's, and colours that stay."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

import neurotopo as nt
from neurotopo.cluster.layout import leaf_positions
from neurotopo.explore import drawing, explorer_data, labels_at, write_page
from neurotopo.explore.page import json_in_html, make_page
from tests.support.examples import examples

LINE = [[0.0], [1.0], [3.0], [10.0], [10.5], [30.0]]


def _graph(seed, n, share, ties):
    """A sparse graph, in several parts where the share is low."""
    rng = np.random.default_rng(seed)
    length = rng.integers(1, 5, (n, n)) if ties else rng.lognormal(sigma=2.0, size=(n, n))
    upper = sp.coo_array(np.triu(np.where(rng.random((n, n)) < share, length, 0.0), k=1))
    return (upper + upper.T).tocsr()


def _same_partition(labels, expected):
    """Single samples have no cluster on the page, and one of their own in a cut."""
    own = np.where(labels < 0, -1 - np.arange(len(labels)), labels)
    pairs = set(zip(own.tolist(), expected.tolist(), strict=True))
    return len(pairs) == len(set(own.tolist())) == len(set(expected.tolist()))


def _members(data, start, count):
    return sorted(data["vertices"]["id"][start : start + count])


@examples(60)
@given(
    seed=st.integers(0, 10**6),
    n=st.integers(1, 25),
    share=st.sampled_from([0.05, 0.2, 0.7]),
    ties=st.booleans(),
)
def test_the_clusters_at_a_radius_are_those_of_the_tree(seed, n, share, ties):
    clusterer = nt.NTCClusterer.paper(metric="precomputed").fit(_graph(seed, n, share, ties))
    tree = clusterer.merge_tree_
    data = explorer_data(clusterer)
    births = data["clusters"]["birth"]
    assert np.allclose(births, np.sort(tree.birth[n:]), rtol=1e-5)
    middles = [(a + b) / 2 for a, b in pairwise(births)]
    for radius in [0.0, *middles, data["end"] * 1.01, np.inf]:
        assert _same_partition(labels_at(data, radius), tree.cut(radius))
    # at an event itself the page follows the rounded radius, and so shows what is there after it
    for radius, exact in zip(births, np.sort(tree.birth[n:]), strict=True):
        assert _same_partition(labels_at(data, radius), tree.cut(exact))
    for bar in range(len(data["bars"]["birth"])):
        members = _members(data, data["bars"]["start"][bar], data["bars"]["count"][bar])
        assert len(members) == data["bars"]["size"][bar]
    for row in data["chosen"]:
        members = _members(data, row["start"], row["count"])
        assert members == clusterer.clusters_[row["id"]].tolist()


def test_the_numbers_of_a_small_tree():
    data = explorer_data(nt.NTCClusterer.paper().fit(LINE))
    assert data["clusters"] == {
        "birth": [0.5, 1.0, 2.0, 7.0, 19.5],
        "parent": [3, 2, 3, 4, -1],
        "start": [3, 0, 0, 0, 0],
        "size": [2, 2, 3, 5, 6],
        # {0, 1} grows into everything, through the chosen cluster; {10, 10.5} joins it
        "color": [1, 0, 0, 0, 0],
    }
    assert [row["size"] for row in data["chosen"]] == [5]
    assert data["end"] == 19.5
    assert data["low"] == 0.5
    assert data["discs"]
    never = [bar for bar, death in enumerate(data["bars"]["death"]) if death is None]
    assert [data["bars"]["size"][bar] for bar in never] == [6]


def test_a_chosen_cluster_has_the_colour_of_its_number():
    clusterer = nt.NTCClusterer.paper(tau=0.2).fit(
        [[0.0], [1.0], [10.0], [10.5], [30.0], [30.2], [30.4]]
    )
    data = explorer_data(clusterer)
    assert clusterer.n_clusters_ == 3
    for row in data["chosen"]:
        assert labels_at(data, row["birth"])[clusterer.clusters_[row["id"]]].min() >= 0
        cluster = labels_at(data, row["birth"])[clusterer.clusters_[row["id"]][0]]
        assert data["clusters"]["color"][cluster] == row["id"]
    chosen = data["bars"]["chosen"]
    assert chosen[:3] == [0, 1, 2]
    assert set(chosen[3:]) == {-1}
    assert data["bars"]["color"][:3] == [0, 1, 2]


def test_clusters_that_live_at_one_radius_have_different_numbers():
    data = explorer_data(nt.NTCClusterer.paper().fit(np.random.default_rng(0).normal(size=(80, 2))))
    for radius in np.linspace(0.01, data["end"], 25):
        alive = set(labels_at(data, radius).tolist()) - {-1}
        numbers = [data["clusters"]["color"][k] for k in alive]
        assert len(numbers) == len(set(numbers))


def test_the_larger_branch_hands_its_colour_on_and_of_equal_ones_the_older():
    # {0, 1} and {2} at 1, {3, 4} at 0.5: at the merge three beat two
    larger = explorer_data(nt.merge_tree([[0.0], [1.0], [2.0], [6.0], [6.5]], metric="euclidean"))
    color = larger["clusters"]["color"]
    assert larger["clusters"]["size"] == [2, 3, 5]
    assert color[2] == color[1] != color[0]
    older = explorer_data(nt.merge_tree([[0.0], [1.0], [6.0], [6.5]], metric="euclidean"))
    color = older["clusters"]["color"]
    assert older["clusters"]["birth"] == [0.5, 1.0, 5.0]
    assert color[2] == color[0] != color[1]


def test_radii_that_differ_late_stay_different():
    lengths = 1000.0 + 1e-6 * np.arange(1, 5)
    upper = sp.coo_array((lengths, (range(4), range(1, 5))), shape=(5, 5))
    clusterer = nt.NTCClusterer.paper(metric="precomputed").fit(upper + upper.T)
    births = explorer_data(clusterer)["clusters"]["birth"]
    assert len(set(births)) == 4
    many = explorer_data(nt.merge_tree([[0.0], [1 / 3], [1.0]], metric="euclidean"))
    assert many["clusters"]["birth"] == [0.333333, 0.666667]


def test_of_a_large_tree_an_even_part_is_shown():
    X = np.random.default_rng(1).normal(size=(150, 2))
    clusterer = nt.NTCClusterer.paper().fit(X)
    data = explorer_data(clusterer, names=[f"point {i}" for i in range(150)], most=40)
    shown = np.array(data["vertices"]["id"])
    assert len(shown) == 40
    assert data["n"] == 150
    assert data["notes"][0].startswith("Shown are 40 of 150 samples, taken evenly")
    assert data["vertices"]["name"][3] == f"point {shown[3]}"
    for radius in np.linspace(0, data["end"], 12):
        cut = clusterer.merge_tree_.cut(radius)[shown]
        assert _same_partition(labels_at(data, radius)[shown], cut)
    for row in data["chosen"]:
        members = set(clusterer.clusters_[row["id"]].tolist())
        assert set(_members(data, row["start"], row["count"])) == members & set(shown.tolist())
        assert row["size"] == len(members)
    assert max(data["edges"]["source"] + data["edges"]["target"]) < 40


def test_twenty_thousand_points_make_a_page_that_a_browser_can_read(tmp_path):
    X = np.random.default_rng(0).normal(size=(20_000, 2))
    clusterer = nt.NTCClusterer.paper().fit(X)
    data = explorer_data(clusterer)
    assert len(data["vertices"]["id"]) == 20_000
    assert len(data["bars"]["birth"]) == 500
    assert data["n_bars"] == len(clusterer.diagram_)
    assert write_page(data, tmp_path / "page.html").stat().st_size < 2_500_000
    assert _same_partition(labels_at(data, 0.05), clusterer.merge_tree_.cut(0.05))


@pytest.mark.parametrize(
    "options",
    [
        {"nested": True, "tau": 0.1},
        {"min_cluster_size": 1, "tau": 0.2},
        {"condense": True, "rule": "mass", "min_cluster_size": 4},
        {"max_radius": 0.3},
        {"scale": "log"},
        {"rule": "gap"},
        {"rule": "significance", "tau": 0.05, "random_state": 0},
        {"min_samples": 4},
    ],
)
def test_every_way_of_choosing(options):
    X = np.random.default_rng(2).normal(size=(40, 3))
    clusterer = nt.NTCClusterer.paper(**options).fit(X)
    data = explorer_data(clusterer)
    json.dumps(data, allow_nan=False)
    assert not data["discs"]
    assert len(data["chosen"]) == clusterer.n_clusters_
    for row in data["chosen"]:
        k = row["id"]
        assert _members(data, row["start"], row["count"]) == clusterer.clusters_[k].tolist()
        assert row["birth"] == pytest.approx(clusterer.birth_[k], rel=1e-5)
        assert (row["death"] is None) == np.isinf(clusterer.death_[k])
        assert row["persistence"] == pytest.approx(clusterer.persistence_[k], rel=1e-5)
    labels = np.empty(40, dtype=int)
    labels[data["vertices"]["id"]] = data["vertices"]["label"]
    assert labels.tolist() == clusterer.labels_.tolist()
    told = dict(data["about"])
    for name, value in options.items():
        assert told[name] == (f"{value:g}" if isinstance(value, float) else str(value))
    assert (data["threshold"] is None) == (
        options.get("rule") == "mass" or not np.isfinite(clusterer.threshold_)
    )


def test_an_observation_that_ends_early_is_told():
    X = np.random.default_rng(2).normal(size=(300, 2))
    clusterer = nt.NTCClusterer.paper(condense=True, min_cluster_size=50).fit(X)
    assert clusterer.end_of_observation_ < clusterer.merge_tree_.last_merge
    notes = explorer_data(clusterer)["notes"]
    assert any(note.startswith("The observation ends at R = ") for note in notes)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_a_tree_in_which_nothing_ever_merges(n, tmp_path):
    tree = nt.merge_tree(sp.csr_array((n, n)))
    data = explorer_data(tree)
    assert data["clusters"]["birth"] == []
    assert data["low"] is None
    assert data["bars"]["birth"] == []
    assert labels_at(data, 3.0).tolist() == [-1] * n
    assert tree.explore(tmp_path / "tree.html").exists()


def test_a_small_bare_tree_grows_inside_a_circle():
    data = explorer_data(nt.merge_tree(_graph(3, 20, 0.15, False)))
    assert data["circle"]
    assert data["edges"]["length"] == []
    assert np.allclose(np.hypot(data["vertices"]["x"], data["vertices"]["y"]), 1)
    assert not explorer_data(nt.NTCClusterer.paper().fit(LINE))["circle"]


def test_the_lines_of_a_larger_bare_tree_join_neighbours_when_they_merge(monkeypatch):
    monkeypatch.setattr(drawing, "MOST_ON_CIRCLE", 10)
    tree = nt.merge_tree(_graph(3, 20, 0.15, False))
    data = explorer_data(tree)
    assert data["chosen"] is None
    assert data["vertices"]["label"] is None
    edges = data["edges"]
    assert edges["target"] == [source + 1 for source in edges["source"]]
    ids = data["vertices"]["id"]
    for source, length in zip(edges["source"], edges["length"], strict=True):
        one, other = ids[source], ids[source + 1]
        before, after = tree.cut(length * (1 - 1e-4)), tree.cut(length * (1 + 1e-4))
        assert before[one] != before[other]
        assert after[one] == after[other]


def test_layers_are_drawn_from_left_to_right():
    strata = ["b", "a", "c", "a", "b", "c"]
    for source in (nt.NTCClusterer.paper().fit(LINE), nt.merge_tree(LINE, metric="euclidean")):
        data = explorer_data(source, strata=strata)
        assert data["layers"] == ["a", "b", "c"]
        named = [data["layers"][layer] for layer in data["vertices"]["layer"]]
        assert named == [strata[i] for i in data["vertices"]["id"]]
        assert data["vertices"]["x"] == data["vertices"]["layer"]
        assert not data["discs"]


def test_positions_that_are_given():
    positions = np.arange(12.0).reshape(6, 2)
    for source in (nt.NTCClusterer.paper().fit(LINE), nt.merge_tree(LINE, metric="euclidean")):
        data = explorer_data(source, positions=positions, strata=[0] * 6)
        assert data["layers"] is None
        assert data["vertices"]["x"] == [2.0 * i for i in data["vertices"]["id"]]


@pytest.mark.parametrize("n", [5, 300, 301, 1000, 5000])
def test_samples_in_leaf_order_have_places_of_their_own(n):
    at = leaf_positions(n)
    assert at.shape == (n, 2)
    assert len(np.unique(at.round(9), axis=0)) == n
    # neighbours lie together
    steps = np.hypot(*np.diff(at, axis=0).T)
    assert steps.max() < 0.12 * np.ptp(at, axis=0).max() or n == 5


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ({"names": ["a"]}, "names must hold 6 names, got 1"),
        ({"positions": [[0.0, 0.0]]}, r"pos must have shape \(6, 2\)"),
        ({"positions": np.full((6, 2), np.nan)}, "pos must be finite"),
        ({"strata": [1, 2]}, r"strata must have shape \(6,\)"),
    ],
)
def test_mistakes(arguments, error):
    for source in (nt.NTCClusterer.paper().fit(LINE), nt.merge_tree(LINE, metric="euclidean")):
        with pytest.raises(ValueError, match=error):
            explorer_data(source, **arguments)


def test_what_is_no_clustering():
    with pytest.raises(TypeError, match="expected a fitted NTCClusterer or a MergeTree, got list"):
        explorer_data([1, 2])
    with pytest.raises(ValueError, match="not fitted"):
        explorer_data(nt.NTCClusterer.paper())


def test_the_data_cannot_end_their_script():
    text = json_in_html({"a": "</script><!--&\u2028\ud800é"})
    assert not set("<>&\u2028") & set(text)
    assert text.isascii()
    assert json.loads(text) == {"a": "</script><!--&\u2028\ud800é"}


def test_the_page_names_nothing_outside_itself(tmp_path):
    X = np.random.default_rng(0).normal(size=(200, 2))
    path = nt.NTCClusterer.paper().fit(X).explore(tmp_path / "page.html", title="A < B & \ud800")
    text = path.read_text(encoding="utf-8")
    assert "<title>A &lt; B &amp; ?</title>" in text
    assert path.stat().st_size < 300_000
    assert "default-src 'none'" in text
    assert "unsafe" not in text
    assert "http" not in text.replace("http-equiv", "").replace("http://www.w3.org/2000/svg", "")
    assert "eval(" not in text
    assert "innerHTML" not in text


def test_a_page_takes_the_place_of_another_only_when_it_is_written(tmp_path):
    data = explorer_data(nt.merge_tree(LINE, metric="euclidean"))
    assert make_page(data, title="one") != make_page(data, title="two")
    path = write_page(data, tmp_path / "page.html", title="one")
    with pytest.raises(ValueError):
        write_page({**data, "end": float("nan")}, path)
    assert "<title>one</title>" in path.read_text(encoding="utf-8")
    with pytest.raises(OSError, match="cannot write to"):
        write_page(data, tmp_path / "missing" / "page.html")


def test_samples_have_a_name_and_chosen_clusters_a_remark():
    clusterer = nt.NTCClusterer.paper().fit([[0.0], [0.1], [5.0], [5.2], [9.0]])
    plain = explorer_data(clusterer)
    assert (plain["unit"], plain["remark"]) == (["sample", "samples"], None)
    assert "remark" not in plain["chosen"][0]
    data = explorer_data(
        clusterer, unit=("city", "cities"), remarks=("visited", ["yes", "<b>"]), about={"year": 7}
    )
    assert (data["unit"], data["remark"]) == (["city", "cities"], "visited")
    assert data["about"][0] == ["cities", "5"]
    assert data["about"][-1] == ["year", "7"]
    assert [row["remark"] for row in data["chosen"]] == ["yes", "<b>"]
    with pytest.raises(ValueError, match="remarks must hold 2 texts, got 1"):
        explorer_data(clusterer, remarks=("visited", ["yes"]))
