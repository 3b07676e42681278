"""The benchmarks draw what they say they draw, and score it as they say they do."""

from __future__ import annotations

import json
import math
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from scipy import stats
from scipy.sparse.csgraph import connected_components

from neurotopo import Fact
from neurotopo.models.builtin_models import find
from neurotopo.models.examples import random_model
from neurotopo.models.recall import recalled
from neurotopo.studies import STUDIES, run
from neurotopo.studies.study import study_named

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import make_results
import quality
import quality_methods
import studies
import studies_report
import studies_tables
from planted import LEVELS, N_LAYERS, SIZES, Level, planted_graph
from quality_findings import findings
from quality_report import Numbers, tables
from scoring import ari, ari_on_clustered, mean_and_interval, scores, strict_ari
from toys import N_POINTS, TOYS, toy_set

SMALL = (4, 6, 9)


def floyd_warshall(lengths: np.ndarray) -> np.ndarray:
    paths = lengths.copy()
    for middle in range(len(paths)):
        for i in range(len(paths)):
            for j in range(len(paths)):
                paths[i, j] = min(paths[i, j], paths[i, middle] + paths[middle, j])
    return paths


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("seed", range(3))
def test_planted_graph_is_layered_and_has_the_communities_asked_for(level: str, seed: int) -> None:
    graph = planted_graph(LEVELS[level], seed)
    assert np.array_equal(graph.weights, graph.weights.T)
    row, col = np.nonzero(graph.weights)
    assert np.all(np.abs(graph.layer[row] - graph.layer[col]) == 1)
    assert set(graph.layer) <= set(range(N_LAYERS))
    assert [np.sum(graph.truth == k) for k in range(len(SIZES))] == list(SIZES)
    assert np.sum(graph.truth == -1) == round(LEVELS[level].noise * sum(SIZES))
    for community in range(len(SIZES)):
        members = graph.truth == community
        inside = graph.edges[members][:, members]
        assert connected_components(inside, directed=False)[0] == 1


def test_planted_weights_are_strong_inside_and_weak_outside() -> None:
    level = Level(
        contrast=8.0, spread=0.0, strongest=3.0, density_in=(0.5, 0.5), density_out=0.5, noise=0.5
    )
    graph = planted_graph(level, 0)
    same = (graph.truth[:, None] == graph.truth) & (graph.truth >= 0)
    magnitude = np.abs(graph.weights)
    assert np.all(magnitude[same & (magnitude > 0)] >= 1.0)
    assert np.all(magnitude[same] <= 3.0)
    assert np.allclose(magnitude[~same & (magnitude > 0)], 1 / 8)
    assert (graph.weights < 0).any()
    assert (graph.weights > 0).any()
    # so the communities are the components of the edges of length 1 or less
    short = sp.csr_array(magnitude >= 1.0)
    found = connected_components(short, directed=False)[1]
    members = graph.truth >= 0
    assert ari(graph.truth[members], found[members]) == 1.0


def test_planted_distances_are_the_papers_matrix() -> None:
    graph = planted_graph(LEVELS["noisy"], 1, sizes=SMALL)
    gap = np.abs(graph.layer[:, None] - graph.layer)
    with np.errstate(divide="ignore"):
        direct = np.where(graph.weights != 0, 1 / np.abs(graph.weights), np.inf)
    expected = floyd_warshall(direct)
    expected[gap == 1] = direct[gap == 1]
    expected[gap == 0] = np.inf
    np.fill_diagonal(expected, 0.0)
    assert np.allclose(graph.distances, expected)
    assert np.array_equal(graph.distances, graph.distances.T)


def test_seeds_repeat_and_differ() -> None:
    first, again, other = (planted_graph(LEVELS["hard"], seed) for seed in (3, 3, 4))
    assert np.array_equal(first.weights, again.weights)
    assert not np.array_equal(first.truth, other.truth)
    for name in TOYS:
        assert np.array_equal(toy_set(name, 1).points, toy_set(name, 1).points)
        assert not np.array_equal(toy_set(name, 1).points, toy_set(name, 2).points)


def test_a_graph_without_communities_is_noise() -> None:
    graph = planted_graph(LEVELS["noisy"], 0, sizes=())
    assert set(graph.truth) == {-1}
    assert len(graph.truth) == sum(SIZES)


@pytest.mark.parametrize("name", TOYS)
def test_toy_sets(name: str) -> None:
    toy = toy_set(name, 0)
    assert toy.points.shape == (N_POINTS, 2)
    assert np.isclose(toy.points.std(), 1.0)
    share = float(name.split()[1]) / 100 if "%" in name else 0.0
    assert np.sum(toy.truth == -1) == round(share * N_POINTS)
    groups = {"moons": 2, "circles": 2, "no structure": 1}.get(name, 3)
    assert toy.truth.max() + 1 == groups


def test_scaling_keeps_the_shape_of_a_toy_set() -> None:
    toy = toy_set("two close, one far", 0)
    centres = np.array([toy.points[toy.truth == k].mean(axis=0) for k in range(3)])
    near = np.linalg.norm(centres[0] - centres[1])
    far = np.linalg.norm(centres[1] - centres[2])
    assert far / near == pytest.approx(21 / 4, rel=0.1)
    inside = toy.points[toy.truth == 0].std(axis=0)
    assert inside[0] / inside[1] == pytest.approx(1.0, rel=0.3)


def test_scores() -> None:
    truth = np.array([0, 0, 0, 1, 1, 1, -1, -1])
    assert scores(truth, truth)["ari"] == 1.0
    all_noise = scores(truth, np.full(8, -1))
    assert all_noise["ari"] == 0.0
    assert math.isnan(all_noise["ari_clustered"])
    assert all_noise["noise"] == 1.0
    assert all_noise["clusters"] == 0
    half = scores(truth, np.array([0, 0, 0, -1, -1, -1, -1, -1]))
    assert half["ari_clustered"] == 1.0
    assert half["ari"] < 1.0
    assert half["noise"] == 5 / 8
    assert half["clusters"] == 1
    # leaving a whole group out is found out by the strict index only
    assert ari(truth[:6], np.array([0, 0, 0, -1, -1, -1])) == 1.0
    assert strict_ari(truth[:6], np.array([0, 0, 0, -1, -1, -1])) < 1.0
    assert strict_ari(truth, truth) == 1.0
    assert strict_ari(truth, np.full(8, -1)) == 0.0
    # noise that is clustered costs, also on the clustered samples
    assert ari_on_clustered(truth, np.array([0, 0, 0, 1, 1, 1, 1, 1])) < 1.0
    assert ari_on_clustered(truth, np.array([0, 0, 0, 1, 1, 1, -1, -1])) == 1.0


def test_mean_and_interval() -> None:
    values = [0.2, 0.5, 0.9, 0.4]
    mean, half, n = mean_and_interval([*values, math.nan])
    low, high = stats.t.interval(0.95, 3, loc=np.mean(values), scale=stats.sem(values))
    assert n == 4
    assert (mean - half, mean + half) == (pytest.approx(low), pytest.approx(high))
    assert math.isnan(mean_and_interval([math.nan])[0])
    assert mean_and_interval([0.5])[0] == 0.5


def test_grids_are_of_equal_size() -> None:
    for family in quality_methods.FAMILIES:
        written = {json.dumps(setting, sort_keys=True) for setting in family.grid}
        assert len(written) == len(family.grid) == quality_methods.GRID_SIZE, family.name


@pytest.mark.parametrize("kind", ["graphs", "toys"])
def test_every_method_runs(kind: str) -> None:
    problem = quality.draw(kind, "easy" if kind == "graphs" else "moons", 0)
    for variant in quality_methods.VARIANTS:
        if kind in variant.kinds:
            labels = variant.run(problem, variant.setting)
            assert labels.shape == problem.truth.shape, variant.name
            assert labels.min() >= -1, variant.name


def test_cached_trees_give_what_a_fresh_fit_gives() -> None:
    from neurotopo import NTCClusterer

    problem = quality.draw("graphs", "noisy", 0)
    for _ in range(2):  # the second round meets a clusterer that was cut otherwise before
        for variant in quality_methods.VARIANTS:
            if variant.run is quality_methods.run_ntc and "significance" not in variant.name:
                fresh = NTCClusterer.paper(metric="precomputed", **variant.setting)
                expected = fresh.fit_predict(problem.distances)
                assert np.array_equal(variant.run(problem, variant.setting), expected)


def test_significance_is_that_of_the_clusterer() -> None:
    from neurotopo import NTCClusterer

    problem = quality.draw("graphs", "easy", 0)
    found = quality_methods.run_ntc(problem, {"rule": "significance", "tau": 0.2})
    clusterer = NTCClusterer.paper(
        metric="precomputed", rule="significance", tau=0.2, random_state=0
    )
    clusterer.fit(problem.edges, strata=problem.layer)
    assert np.array_equal(found, clusterer.labels_)


@pytest.fixture(scope="module")
def record() -> dict:
    rows = quality.run_set("graphs", "easy", seeds=2) + quality.run_set("toys", "blobs", seeds=2)
    about = {"environment": "somewhere", "command": "a command", "seeds": 2}
    return {**about, "first_seed": quality.FIRST_SEED, "rows": rows}


def test_tuning_never_scores_less_than_any_setting_of_the_grid(record: dict) -> None:
    numbers = Numbers(record)
    problems = [quality.draw("toys", "blobs", quality.FIRST_SEED + i) for i in range(2)]
    for family in quality_methods.FAMILIES:
        if family.name not in ("NTC relative (the paper)", "K-Means"):
            continue
        best = numbers.mean("toys", "blobs", family.name, "tuned")
        each = [
            np.mean([ari(p.truth, family.run(p, setting)) for p in problems])
            for setting in family.grid
        ]
        assert best == pytest.approx(max(each), abs=1e-4)


def test_report_shows_the_numbers_of_the_record(record: dict) -> None:
    text = tables(record)
    paper = quality_methods.PAPER
    row = Numbers(record).by["toys", "blobs", paper, "default"]
    mean, half, _ = mean_and_interval(row["ari"])
    assert f"| {paper} | {mean:.2f} ± {half:.2f} |" in text
    told = findings(record)
    assert "**The paper's rule**" in told
    assert "Two close blobs" not in told  # that set was not run


def test_a_method_that_fails_is_shown_with_its_error() -> None:
    def broken(problem: quality_methods.Problem, setting: dict) -> np.ndarray:
        raise RuntimeError("no such luck")

    problems = [quality.draw("toys", "moons", 0)]
    labels = quality.Runs(problems)(broken, {})
    row = quality.result_row(problems, labels, kind="toys", set="moons", method="X", mode="default")
    assert row["error"] == "RuntimeError: no such luck"


def test_page_names_what_was_not_run(tmp_path: Path) -> None:
    text = make_results.assemble(tmp_path, tmp_path / "RESULTS.md")
    assert "there is no speed.json" in text
    assert "there is no quality.json" in text


def test_runs_of_the_benchmark_of_studies() -> None:
    found = list(studies.cases())
    assert len({case.name for case in found}) == len(found)
    trained = {case.study for case in found if case.answers is None}
    assert trained == set(STUDIES) - {"acquisition", "audit", "learning"}
    assert trained == set(studies_tables.SECTIONS)
    for study in set(STUDIES) - {"learning"}:
        world = [case.seed for case in found if (case.study, case.answers) == (study, "world")]
        assert world == [0, 1, 2, 3, 4]
    for case in found:
        if case.answers is None and case.model != studies.SNAPSHOTS:
            for name in case.model.split(","):
                assert find(name.strip()).is_dir()


def test_only_some_rows_of_the_tables_of_a_study_are_recorded() -> None:
    sizes = pd.DataFrame({"facts": ["all", "known in both"], "matched": [0.25, math.nan]})
    found = studies_report.kept("development", {"matching": sizes, "exclusions": sizes})
    assert found == {"matching": [{"facts": "known in both", "matched": None}]}


def test_a_random_model_knows_its_own_answers() -> None:
    model = studies.random_models("robustness", 1)
    facts = study_named("crosslingual")().load("factworld:20", model, seed=1)
    own = studies.own_answers(model, facts)
    assert 0 < len(own) < len(facts) == 40
    assert recalled(model, own, ends=False).all()
    assert not recalled(model, facts, ends=False).any()
    asked = {fact.prompt: fact.answers for fact in facts}
    assert all(fact.answers != asked[fact.prompt] for fact in own)
    both = Counter(fact.id.partition(":")[2] for fact in own)
    assert set(both.values()) == {2}  # in both languages, or not at all


_LANDS = {"France": "Paris", "Italy": "Rome", "Spain": "Paris", "Peru": "Rome"}
_CAPITALS = [
    Fact(f"The capital of {land} is _X_", answer, "P36", subject=land)
    for land, answer in _LANDS.items()
]
_SMALL_RUNS = {
    "robustness": {"model": "testbed:planted", "facts": "factworld:3"},
    "detection": {"facts": _CAPITALS, "steps": 2, "least": 4, "seed": 1},
    "complexity": {"model": [2, 3], "facts": _CAPITALS[:1]},
    "development": {"model": [2, 2], "facts": _CAPITALS[:1]},
    "crosslingual": {
        "facts": [
            Fact(text.format(land), "Paris", "P36", id=f"{language}:{land}", language=language)
            for land in ("France", "Peru")
            for language, text in (("en", "The capital of {} is _X_"), ("fr", "capital {} _X_"))
        ]
    },
    "critique": {"model": "testbed:gpt2", "facts": "factworld:8", "n_edits": 1, "n_pairs": 8},
    "choices": {"facts": _CAPITALS[:1], "choices": ["aggregation"]},
}


@pytest.mark.parametrize("study", _SMALL_RUNS)
def test_what_a_study_came_to_is_shown(
    study: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(study_named(study), "draw", lambda *_: {})  # the record has no pictures
    given = dict(_SMALL_RUNS[study])
    model = given.pop("model", None)
    if model is None:
        model = random_model(seed=7)
    elif isinstance(model, list):
        model = [random_model(n_layers=n, seed=n) for n in model]
    result = run(study, model=model, out=tmp_path, quick=True, **given)
    case = studies.Case(study, "a model", seed=0)
    record = studies.recorded(case, result, load=1.5)
    kept = studies_report.kept(study, result.tables)
    assert set(kept) == set(studies_report.KEPT[study]) & set(result.tables)
    trained = {**record, "facts": "some", "findings": list(result.findings), "tables": kept}
    drawn = {**record, "facts": 4, "answers": "own", "known": [4], "claims": ["A exceeds B."]}
    about = {"command": "a command", "environment": "somewhere"}
    text = studies_report.table({**about, "runs": [trained, drawn]})
    title, told = studies_tables.SECTIONS[study]
    assert f"### {title}" in text
    assert text.count("\n### ") == 3
    unit = f"{result.outcome.n_facts} {result.outcome.unit}s"
    start = f"| {study} | a model | some | {unit} | 0 | "
    assert f"| 1.5 | {len(result.findings)} | {len(result.claims)} |" in text.split(start)[1]
    assert f"- {study}, own, seed 0: A exceeds B." in text
    for grid in [part for part in told([trained]) if part.startswith("|")]:
        widths = {line.count("|") for line in grid.splitlines()}
        assert len(widths) == 1
    assert "None" not in "".join(told([trained]))
    assert "nan" not in "".join(told([trained]))


def test_figures_of_the_benchmark_of_studies() -> None:
    row = {"model": "m", "AUC": 0.75, "AUC low": 0.7, "AUC high": 0.8, "macro F1": 0.5}
    row |= {"F1 low": None, "F1 high": None, "undecided": 0.25, "method": "dkn"}
    against = {"method": "dkn", "against": "random", "n": 8, "AUC": 0.75, "other": 0.5}
    against |= {"difference": 0.25, "low": 0.125, "high": 0.375, "p": 0.012345}
    tables = {
        "detection": [row],
        "comparisons": [against],
        "relations": [{"test": 5, "answered": 4}, {"test": 3, "answered": 3}],
    }
    _, told = studies_tables.SECTIONS["detection"]
    _, scores, _, differences = told([{"model": "m", "tables": tables}])
    assert scores.splitlines()[2] == "| m | 8 (7) | dkn | 0.750 (0.700 to 0.800) | 0.500 | 25% |"
    assert differences.splitlines()[2] == (
        "| m | dkn - random | 8 | 0.750 | 0.500 | 0.250 (0.125 to 0.375) | 0.012 |"
    )


def test_of_many_choices_the_first_and_the_last_are_shown() -> None:
    cells = {"choice": "c", "facts": 9.0, "same": 0.5, "n": 4.0, "change": 1.0, "p": 1.0}
    cells |= {"low": 0.0, "high": 2.0, "ARI low": None, "ARI high": None}
    aris = [0.5, 0.1, 0.9, 0.3, 0.7, 0.2, 0.6, 0.4, 0.8, None]
    rows = [{"variation": f"v{ari}", "ARI": ari, **cells} for ari in aris]
    rows.append({"variation": "default", "ARI": 1.0, **cells})
    _, told = studies_tables.SECTIONS["choices"]
    _, grid = told([{"model": "m", "tables": {"choices": rows}}])
    shown = [line.split("`")[1] for line in grid.splitlines()[2:]]
    assert shown == ["v0.1", "v0.2", "v0.3", "v0.4", "v0.6", "v0.7", "v0.8", "v0.9"]


def test_the_benchmark_of_studies_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = []

    def work_on(case: studies.Case, work: Path, quick: bool) -> dict:
        done.append(case.name)
        load = 3.0 if len(done) == 1 else None
        return {
            "study": case.study,
            "model": case.model,
            "seed": case.seed,
            "answers": "world",
            "facts": 60,
            "known": [0],
            "claims": [],
            "n_failed": 0,
            "seconds": 1.0,
            "load": load,
        }

    monkeypatch.setattr(studies, "cases", lambda quick: iter([studies.Case("choices", "random")]))
    monkeypatch.setattr(studies, "work_on", work_on)
    words = ["studies.py", "--out", str(tmp_path / "out"), "--work", str(tmp_path / "work")]
    for more, n_done in (([], 1), ([], 1), (["--again"], 2)):
        monkeypatch.setattr(sys, "argv", [*words, *more])
        studies.main()
        assert len(done) == n_done
        (told,) = json.loads((tmp_path / "out" / "studies.json").read_text())["runs"]
        assert told["load"] == 3.0  # that of the time of the work
