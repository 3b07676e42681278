"""Measure how well methods find known clusters.

Graphs of planted communities and toy sets of points are drawn from `--seeds` seeds. Each method
runs on all of them with settings that do not use the truth ("default"), and with the setting of
its grid that has the best mean adjusted Rand index over the seeds of a set ("tuned": chosen by the
truth, so an upper bound). All grids have the same size.

Examples
--------
python benchmarks/quality.py --quick --out /tmp/quality
python benchmarks/quality.py --out benchmarks/results
"""

from __future__ import annotations

import json
import os
import time
from typing import Any

for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, "1")  # the matrices are small

import environment  # noqa: E402
import numpy as np  # noqa: E402
from planted import LEVELS, planted_graph  # noqa: E402
from quality_methods import FAMILIES, VARIANTS, Problem, Run, Setting, agrees_with_hdbscan  # noqa: E402
from scoring import ari, mean_and_interval, scores  # noqa: E402
from toys import TOYS, toy_set  # noqa: E402

# The settings in quality_methods were chosen on seeds 0 to 5.
FIRST_SEED = 1000
NO_COMMUNITIES = "no communities"


def draw(kind: str, name: str, seed: int) -> Problem:
    """Return one problem: a planted graph or a toy set."""
    if kind == "toys":
        toy = toy_set(name, seed)
        return Problem(toy.truth, toy.distances, points=toy.points)
    if name == NO_COMMUNITIES:
        graph = planted_graph(LEVELS["noisy"], seed, sizes=())
    else:
        graph = planted_graph(LEVELS[name], seed)
    return Problem(
        graph.truth, graph.distances, edges=graph.edges, layer=graph.layer, paths=graph.paths
    )


def all_sets() -> list[tuple[str, str]]:
    graphs = [("graphs", name) for name in (*LEVELS, NO_COMMUNITIES)]
    return graphs + [("toys", name) for name in TOYS]


class Runs:
    """Runs on one set, each distinct (method, setting) once for all seeds."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        self.done: dict[str, list[np.ndarray] | str] = {}

    def __call__(self, run: Run, setting: Setting) -> list[np.ndarray] | str:
        """Return the labels for each seed, or the error."""
        key = json.dumps([run.__name__, setting], sort_keys=True)
        if key not in self.done:
            try:
                self.done[key] = [run(problem, setting) for problem in self.problems]
            except Exception as error:  # shown in the tables, not hidden
                self.done[key] = f"{type(error).__name__}: {error}"
        return self.done[key]


def mean_ari(problems: list[Problem], labels: list[np.ndarray]) -> float:
    pairs = zip(problems, labels, strict=True)
    return mean_and_interval([ari(problem.truth, found) for problem, found in pairs])[0]


def result_row(
    problems: list[Problem], labels: list[np.ndarray] | str, **about: Any
) -> dict[str, Any]:
    """Return one row of the record: all measures per seed, and for points the first labels."""
    if isinstance(labels, str):
        return {**about, "error": labels}
    each = [scores(p.truth, found) for p, found in zip(problems, labels, strict=True)]
    measures = {name: [round(float(one[name]), 4) for one in each] for name in each[0]}
    drawn = {"labels": labels[0].tolist()} if problems[0].points is not None else {}
    return {**about, **measures, **drawn}


def run_set(kind: str, name: str, seeds: int) -> list[dict[str, Any]]:
    """Run every method on one set."""
    problems = [draw(kind, name, seed) for seed in range(FIRST_SEED, FIRST_SEED + seeds)]
    runs = Runs(problems)
    rows = []
    for variant in VARIANTS:
        if kind not in variant.kinds:
            continue
        about = {"kind": kind, "set": name, "method": variant.name, "mode": "default"}
        labels = runs(variant.run, variant.setting)
        rows.append(result_row(problems, labels, **about, setting=variant.setting))
    for family in FAMILIES:
        if kind not in family.kinds:
            continue
        about = {"kind": kind, "set": name, "method": family.name, "mode": "tuned"}
        tried = [(setting, runs(family.run, setting)) for setting in family.grid]
        worked = [(s, labels) for s, labels in tried if not isinstance(labels, str)]
        if not worked:
            rows.append(result_row(problems, tried[0][1], **about, setting={}))
            continue
        setting, labels = max(worked, key=lambda pair: mean_ari(problems, pair[1]))
        rows.append(result_row(problems, labels, **about, setting=setting))
    return rows


def compare_with_hdbscan(seeds: int) -> dict[str, int]:
    """Count the toy sets for which NTC gives exactly the clusters of HDBSCAN."""
    drawn = [draw("toys", name, FIRST_SEED + seed) for name in TOYS for seed in range(seeds)]
    return {
        "draws": len(drawn),
        "equal": sum(agrees_with_hdbscan(one, break_ties=False) for one in drawn),
        "equal_without_ties": sum(agrees_with_hdbscan(one, break_ties=True) for one in drawn),
    }


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--quick", action="store_true", help="3 seeds")
    parser.add_argument("--only", action="append", help="only sets whose name contains this")
    options = parser.parse_args()
    seeds = 3 if options.quick else options.seeds
    options.out.mkdir(parents=True, exist_ok=True)
    record: dict[str, Any] = {
        **environment.new_record("quality"),
        "seeds": seeds,
        "first_seed": FIRST_SEED,
        "rows": [],
    }
    if not options.only:
        record["hdbscan"] = compare_with_hdbscan(seeds)
    for kind, name in all_sets():
        if options.only and not any(part in name for part in options.only):
            continue
        start = time.perf_counter()
        record["rows"] += run_set(kind, name, seeds)
        print(f"{kind:7} {name:20} {time.perf_counter() - start:6.1f} s", flush=True)
        (options.out / "quality.json").write_text(json.dumps(record) + "\n")
    from quality_figures import draw_all
    from quality_report import tables

    (options.out / "quality.md").write_text(tables(record))
    for path in [*draw_all(record, options.out), options.out / "quality.md"]:
        print(path)


if __name__ == "__main__":
    main()
