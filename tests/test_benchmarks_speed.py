"""The speed benchmark compares the same question, and shows what it measured."""

from __future__ import annotations

import json
import math
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.cluster.hierarchy import is_valid_linkage
from scipy.sparse.csgraph import connected_components
from sklearn.metrics import adjusted_rand_score

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import make_results
import speed
import speed_cases
import speed_child
import speed_methods
import speed_report

Case = speed_cases.Case


@pytest.mark.parametrize("n_parts", [1, 10])
def test_sparse_input_of_the_speed_benchmark(n_parts: int) -> None:
    graph = speed_cases.make_sparse(10_000, 1000, n_parts)
    assert graph.shape == (1000, 1000)
    assert (graph != graph.T).nnz == 0
    assert graph.diagonal().sum() == 0
    assert 8_000 < graph.nnz / 2 <= 10_000
    assert connected_components(graph, directed=False)[0] == n_parts
    assert np.diff(sp.csr_array(graph).indptr).min() >= 5  # neighbours that HDBSCAN asks for
    assert (graph != speed_cases.make_sparse(10_000, 1000, n_parts)).nnz == 0


def test_dense_and_point_input_of_the_speed_benchmark() -> None:
    dense = speed_cases.make_dense(60, n_parts=3)
    assert np.array_equal(dense, dense.T)
    finite = np.isfinite(dense)
    assert connected_components(sp.csr_array(finite), directed=False)[0] == 3
    whole = speed_cases.make_dense(60)
    assert np.array_equal(dense[finite], whole[finite])
    assert speed_cases.make_points(100, 8).shape == (100, 8)


@pytest.mark.parametrize("family", ["dense", "sparse", "points"])
def test_methods_of_the_speed_benchmark_find_the_same_tree(family: str) -> None:
    case = speed_cases.tiny(speed_cases.Case(family, 0, 0, dimension=3))
    data = speed_cases.make_data(case)
    sums = {}
    for name, method in speed_methods.METHODS.items():
        if family in method.families and (not method.is_hdbscan or name == speed_methods.PAPER):
            fit, result = method.make(case)
            summed = result(fit(data.copy()))
            if "sum_of_heights" in summed:
                sums[name] = (summed["merges"], summed["sum_of_heights"])
    assert len(sums) >= 4
    merges, total = sums.pop(speed_methods.PAPER)
    assert merges == case.n_samples - 1
    for name, other in sums.items():
        assert other == (merges, pytest.approx(total, rel=1e-6)), name  # ripser: float32


def test_how_a_child_ended() -> None:
    done = {"status": "ok", "seconds": [1.0]}
    assert speed.outcome(0, "", done, 120.0) == done
    late = speed.outcome(-14, "", {"status": "running", "seconds": []}, 120.0)
    assert (late["status"], late["message"]) == ("timeout", "> 120 s")
    once = speed.outcome(-14, "", {"status": "running", "seconds": [100.0]}, 120.0)
    assert once["status"] == "ok"
    assert speed.outcome(-11, "", {}, 1.0)["message"] == "died of SIGSEGV"
    assert speed.outcome(None, "no answer", {}, 1.0)["message"] == "no answer"
    assert "boom" in speed.outcome(1, "Traceback\nboom\n", {}, 1.0)["message"]


def test_methods_that_are_not_run_say_why() -> None:
    linkage = speed_methods.METHODS["scipy linkage"]
    big = speed_cases.Case("points", 10**5, 10**5, dimension=2)
    assert speed.refusal(big, linkage, memory_gb=10.0) == "not run: over 10,000"
    rips = speed_methods.METHODS["gudhi Rips"]
    assert speed.refusal(big, rips, memory_gb=10.0) == "not run: n^2 memory (503 GB)"
    assert speed.refusal(big, rips, memory_gb=1000.0) is None
    assert speed.refusal(speed_cases.Case("sparse", 10, 5), linkage, memory_gb=100.0) == "n/a"


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_extra_memory_is_the_peak_of_the_fit() -> None:
    def fit(size: int) -> int:
        return int(np.ones(size, dtype=np.uint8).sum())  # written, summed and dropped

    value, measured = speed_child.run_measured(fit, 64 * 2**20, limit=60.0)
    assert value == 64 * 2**20
    assert measured["seconds"] > 0
    assert 60 <= measured["extra_mb"] <= 80


def test_forest_input_and_its_methods_give_one_tree() -> None:
    edges = speed_cases.make_forest(300)
    matrix = sp.coo_array((edges.length, (edges.source, edges.target)), shape=(300, 300))
    assert len(edges.length) == 299
    assert connected_components(matrix, directed=False)[0] == 1
    linkage = speed_methods.union_find(edges.rows[np.argsort(edges.length)])
    assert is_valid_linkage(linkage)
    assert linkage[-1, 3] == 300
    digests = set()
    for method in speed_methods.METHODS.values():
        if "forest" in method.families:
            try:
                fit, result = method.make(Case("forest", 300, 300))
            except ImportError:
                continue  # a library that is not installed
            digests.add(result(fit(edges.copy()))["digest"])
    assert len(digests) == 1


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
@pytest.mark.parametrize(
    "name", [name for name, method in speed_methods.METHODS.items() if method.is_hdbscan]
)
def test_libraries_of_hdbscan_get_the_question_of_ntc(name: str, metric: str) -> None:
    case = Case("points", 600, 600, dimension=3, metric=metric)
    data = speed_cases.make_data(case)
    try:
        fit, result = speed_methods.METHODS[name].make(case)
        fitted = fit(data.copy())
    except ImportError as missing:
        pytest.skip(str(missing))
    if name == speed_methods.PAPER:
        return
    ntc, ntc_result = speed_methods.METHODS[speed_methods.RECOMMENDED].make(case)
    expected = ntc(data)
    same = metric == "euclidean" or name != "fast_plscan"  # which has no cosine
    if name != "hdbscan-rs" and same:
        rel = 1e-2 if name == "hdbscan" else 1e-6  # approximate by default; single precision
        total = ntc_result(expected)["sum_of_heights"]
        assert result(fitted)["sum_of_heights"] == pytest.approx(total, rel=rel)
    if name == "sklearn HDBSCAN" and metric == "euclidean":
        assert result(fitted)["digest"] == ntc_result(expected)["digest"]
    lowest = 0.3 if name == "fast_plscan" else 0.75  # PLSCAN chooses the smallest size
    assert adjusted_rand_score(expected.labels_, fitted.labels_) > lowest


def options_of(*words: str, out: Path) -> object:
    return speed.parse(["--quick", "--out", str(out), "--repeat", "1", *words])


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_a_run_of_the_speed_benchmark(tmp_path: Path) -> None:
    words = ("--only", "forest", "--only", "points n=3000 d=2", "--methods", "union-find")
    record = speed.run_all(options_of(*words, "--methods", "mass", out=tmp_path))
    done = [row for row in record["rows"] if row["status"] == "ok"]
    forests = [row for row in done if row["family"] == "forest"]
    assert [row["n_samples"] for row in forests] == [1000, 3000]
    (points,) = (row for row in done if row["family"] == "points")
    assert points["threads"] == len(os.sched_getaffinity(0))
    assert points["result"]["merges"] == 2999
    assert points["result"]["ari"] == 1.0
    assert points["cpu_seconds"][0] > 0
    assert json.loads((tmp_path / "speed.json").read_text()) == record
    page = make_results.assemble(tmp_path, tmp_path / "RESULTS.md")
    assert "### Points, euclidean, d=2" in page
    assert "### Growth with the size" in page
    assert (tmp_path / "speed_points_d2.png").exists()
    assert "(speed_forest.png)" in page


def test_a_fit_that_is_stopped_ends_larger_ones(tmp_path: Path) -> None:
    words = ("--only", "forest", "--methods", "union-find", "--time-limit", "0.0001")
    first, second = speed.run_all(options_of(*words, out=tmp_path))["rows"]
    assert (first["status"], first["message"]) == ("timeout", "> 0.0001 s")
    assert second["status"] == "timeout"
    assert second["message"] == "> 0.0001 s (not run: stopped at n=1000)"


def test_fewer_threads_are_not_tried_where_more_were_too_slow() -> None:
    small, large = (Case("points", n, n, dimension=2) for n in (10, 100))
    row = {**vars(small), "method": "m", "threads": 2, "status": "timeout", "message": "> 3 s"}
    assert speed.too_slow([row], large, "m", 2).startswith("> 3 s (not run")
    assert speed.too_slow([row], small, "m", 1)
    assert speed.too_slow([row | {"threads": 1}], small, "m", 2) is None
    assert speed.too_slow([row | {"size": 200}], large, "m", 2) is None
    assert speed.too_slow([row], Case("points", 100, 100, dimension=3), "m", 2) is None
    assert speed.too_slow([row], large, "other", 2) is None


def test_a_cut_run_is_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def measured(self: object, cases: list[Case], method: str, threads: int) -> list[dict]:
        asked.append((cases[0].family, method))
        one = {"status": "ok", "seconds": [1.0], "extra_mb": 1.0, "memory_method": "VmHWM"}
        return [one | {"result": {}} for _ in cases]

    monkeypatch.setattr(speed.Measurer, "__call__", measured)
    words = ("--only", "forest", "--only", "dense")
    cut = speed.run_all(options_of(*words, "--budget", "-1", out=tmp_path))
    assert not cut["rows"]
    assert len(cut["missing"]) == 5
    assert "Not finished: forest n=1000," in speed_report.tables(cut)
    speed.run_all(options_of("--only", "forest", out=tmp_path))
    assert {family for family, _ in asked} == {"forest"}
    n_forest = len(asked)
    kept = speed.run_all(options_of(*words, "--keep", out=tmp_path))
    assert {family for family, _ in asked[n_forest:]} == {"dense"}
    assert {row["family"] for row in kept["rows"]} == {"forest", "dense"}
    assert (kept["missing"], kept["runs"]) == ([], 2)
    with pytest.raises(SystemExit, match="differs in time_limit: 30"):
        speed.run_all(options_of("--keep", "--time-limit", "3", out=tmp_path))


def a_row(case: Case, method: str, threads: int = 1, **measured: object) -> dict:
    about = {"status": "ok", "extra_mb": 1.0, "memory_method": "VmHWM", "result": {}}
    return (
        {"case": case.name, **vars(case), "method": method, "threads": threads} | about | measured
    )


def a_record(*rows: dict) -> dict:
    about = {"environment": "somewhere", "command": "c", "repeat": 2, "time_limit": 120.0}
    return {**about, "memory_gb": 8.0, "rows": list(rows)}


def test_speed_tables_compare_with_the_reference() -> None:
    case = Case("dense", 5000, 5000)
    record = a_record(
        a_row(case, speed_methods.PAPER, seconds=[0.2, 0.1]),
        a_row(case, "scipy linkage", seconds=[0.5]),
        a_row(case, "gudhi Rips", status="timeout", message="> 120 s"),
        a_row(case, "fast_hdbscan", status="refused", message="n/a"),
    )
    text = speed_report.tables(record)
    assert "| scipy linkage | 0.5 s (5x) |" in text
    assert "| gudhi Rips | > 120 s |" in text
    assert "Do not support this input: fast_hdbscan." in text
    summary = speed_report.speed_summary(record)
    assert "5.00 times as fast (0.1 s, 0.5 s) | yes |" in summary
    # a stopped fit proves a ratio of the limit to the time of NTC, and not more
    assert "over 1200.0 times as fast (0.1 s, > 120 s) | yes |" in summary


def test_points_are_compared_with_as_many_threads() -> None:
    case, peer = Case("points", 20_000, 20_000, dimension=8), "fast_plscan"
    ours, both = speed_methods.RECOMMENDED, {"digest": "a", "merges": 2, "sum_of_heights": 3.0}
    record = a_record(
        a_row(case, ours, 2, seconds=[1.0], result=both),
        a_row(case, ours, 1, seconds=[3.0], result=both),
        a_row(case, peer, 2, seconds=[0.5], result=both | {"digest": "b"}),
        a_row(case, peer, 1, seconds=[1.0], result=both),
        a_row(case, "hdbscan", 2, status="timeout", message="> 120 s"),
    )
    text = speed_report.tables(record)
    assert f"| {peer}, 2 threads | 0.5 s (0.5x) |" in text
    assert f"| {peer}, 1 thread | 1 s (0.33x) |" in text
    assert f"| {peer}, 2 threads | 2 merges, sum 3 |" in text
    assert f"| {peer}, 1 thread | 2 merges, sum 3 (=) |" in text
    summary = speed_report.speed_summary(record)
    assert (
        "at most 1.5 times the time of fast_plscan | 0.50 times as fast (1 s, 0.5 s) | no"
        in summary
    )
    assert f"| {ours} / {peer} | 2 |" in summary
    assert f"| {ours} / hdbscan | < 0.0083 |" in summary


def test_exponents_of_growth() -> None:
    cases = [Case("forest", n, n) for n in (10, 100, 1000)]
    rows = [a_row(case, speed_methods.TREE, seconds=[case.size**1.5]) for case in cases]
    assert speed_report.exponent(rows) == pytest.approx(1.5)
    assert math.isnan(speed_report.exponent(rows[:1]))
    assert f"| {speed_methods.TREE} | 1.50 |" in speed_report.growth_table(a_record(*rows))


def test_first_calls_are_shown() -> None:
    row = a_row(Case("cold", 9, 9, dimension=2), "fast_hdbscan", 2)
    times = {"import": 1.0, "first": 2.0, "second": 0.25}
    row |= times | {"uncached": times | {"first": 40.0}}
    shown = speed_report.first_calls(a_record(row))
    assert "| fast_hdbscan | 1 s | 2 s | 0.25 s | 1 s | 40 s |" in shown
