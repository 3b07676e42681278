"""Measure the time and memory of ``NTCClusterer.fit`` and of other libraries.

Each method runs in a fresh process for each kind of input and number of threads. It first warms up
on a small input (imports, compiled functions). Then, for each size, the input is made and fitted;
the result is the best wall time of `--repeat` fits (one fit, if the first takes over three
seconds). Extra memory is the peak resident set during the first fit minus the resident set just
before it. The peak comes from the kernel (``VmHWM``, reset through ``/proc/self/clear_refs``) or,
where that file cannot be written, from a thread that samples the resident set every 2 ms. A fit
that takes longer than `--time-limit` is stopped and shown as "> limit"; the method is then not run
on larger inputs of the same kind. Errors are shown as they are.

The record is written after each process. `--budget` ends the run in time: the most important cases
come first. The same command with `--keep` then measures the cases that are missing.

Examples
--------
python benchmarks/speed.py --quick --out /tmp/speed
python benchmarks/speed.py --budget 840 --out benchmarks/results
python benchmarks/speed.py --budget 840 --keep --out benchmarks/results
python benchmarks/speed.py --only "dense n=5000" --only "sparse m=5000000" --out /tmp/speed
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import environment
import numpy as np
from speed_cases import FULL_CASES, QUICK_CASES, Case
from speed_child import LONG, measure
from speed_methods import METHODS, RECOMMENDED, THREADS, Method

SETUP_ALLOWANCE = 300.0  # seconds a child may spend on imports, warm-up and making its input
KINDS = ("family", "dimension", "metric", "n_parts")  # cases that differ in size only


def thread_counts(case: Case, method: Method) -> list[int]:
    """Return the numbers of threads to measure: all cores for points, one for other inputs."""
    if case.family not in ("points", "cold"):
        return [1]
    counts = [len(os.sched_getaffinity(0))] if method.is_hdbscan else []
    return list(dict.fromkeys([*counts, *([1] if case.both else [])]))


def refusal(case: Case, method: Method, memory_gb: float) -> str | None:
    """Return why a method is not run on a case, or None."""
    if case.family not in method.families:
        return "n/a"
    largest = method.at_most.get(case.family, case.size)
    if case.size > largest:
        return f"not run: over {largest:,}"
    gb = method.square_bytes.get(case.family, 0.0) * case.n_samples**2 / 2**30
    if gb > memory_gb:
        return f"not run: n^2 memory ({gb:.0f} GB)"
    return None


def too_slow(rows: list[dict[str, Any]], case: Case, method: str, threads: int) -> str | None:
    """Return the message if a smaller case, or the same with more threads, was stopped."""
    for row in rows:
        alike = all(row[name] == getattr(case, name) for name in KINDS)
        stopped = row["method"] == method and row["status"] == "timeout"
        if alike and stopped and row["size"] <= case.size and row["threads"] >= threads:
            limit = str(row["message"]).partition(" s")[0]
            return f"{limit} s (not run: stopped at n={row['n_samples']})"
    return None


class Measurer:
    """Runs methods in separate processes, and compares their labels."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.labels: dict[str, Any] = {}  # those of NTC, by case

    def __call__(self, cases: list[Case], method: str, threads: int) -> list[dict[str, Any]]:
        """Measure one method on cases of one kind, up to the one that ends the process."""
        with tempfile.TemporaryDirectory() as folder:
            if cases[0].family == "cold":  # the second process finds compiled functions
                cache = {"NUMBA_CACHE_DIR": str(Path(folder) / "compiled")}
                (uncached,) = self.run_child(cases, method, threads, Path(folder), cache)
                (cached,) = self.run_child(cases, method, threads, Path(folder), cache)
                if uncached["status"] != "ok":
                    return [uncached]
                return [cached | {"uncached": uncached}]
            measured = self.run_child(cases, method, threads, Path(folder), {})
            for i, (case, one) in enumerate(zip(cases, measured, strict=False)):
                labels = Path(folder) / f"{i}.npy"
                if one["status"] == "ok" and labels.exists():
                    self.compare(case, method, np.load(labels), one["result"])
            return measured

    def compare(self, case: Case, method: str, labels: Any, result: dict[str, Any]) -> None:
        """Add the adjusted Rand index of the labels and those of NTC."""
        if method == RECOMMENDED:
            self.labels[case.name] = labels
        if case.name in self.labels:
            from sklearn.metrics import adjusted_rand_score

            result["ari"] = float(adjusted_rand_score(self.labels[case.name], labels))

    def run_child(
        self, cases: list[Case], method: str, threads: int, folder: Path, variables: dict[str, str]
    ) -> list[dict[str, Any]]:
        """Run one child process; return what came out."""
        names = ("repeat", "time_limit", "memory_gb")
        job = {name: getattr(self.options, name) for name in names}
        job |= {"cases": [vars(case) for case in cases], "method": method, "folder": str(folder)}
        command = [sys.executable, __file__, "--child", json.dumps(job)]
        limit = self.options.time_limit
        patience = SETUP_ALLOWANCE + limit * self.options.repeat * len(cases)
        variables = os.environ | dict.fromkeys(THREADS, str(threads)) | variables
        paths = [folder / f"{i}.json" for i in range(len(cases))]
        for path in paths:
            path.unlink(missing_ok=True)
        code, late = None, ""
        # a file, not a pipe: worker processes of a child that was killed would keep a pipe open
        with tempfile.TemporaryFile() as log:
            child = subprocess.Popen(
                command, stdout=log, stderr=log, env=variables, start_new_session=True
            )
            try:
                code = child.wait(patience)
            except subprocess.TimeoutExpired:
                late = f"no answer within {patience:.0f} s"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)  # the workers too
            child.wait()
            log.seek(0)
            stderr = late or log.read().decode(errors="replace")
        measured = []
        for path in paths:
            written = json.loads(path.read_text()) if path.exists() else {}
            measured.append(outcome(code, stderr, written, limit))
            if written.get("status") not in ("ok", "failed"):
                break
        return measured


def outcome(
    code: int | None, stderr: str, written: dict[str, Any], time_limit: float
) -> dict[str, Any]:
    """Return the result of a child for a case: what it wrote, a timeout, or a crash."""
    if written.get("status") in ("ok", "failed"):
        return written
    if code == -14:  # SIGALRM, set by the child around the fit
        if written.get("seconds"):  # an earlier repetition was in time
            return written | {"status": "ok"}
        return {"status": "timeout", "message": f"> {time_limit:g} s"}
    if code is None:
        return {"status": "failed", "message": stderr}
    if code < 0:
        import signal

        return {"status": "failed", "message": f"died of {signal.Signals(-code).name}"}
    last = stderr.strip().splitlines()[-1:] or ["no message"]
    return {"status": "failed", "message": f"exit status {code}: {last[0]}"}


def start_record(options: argparse.Namespace) -> dict[str, Any]:
    """Return an empty record or, with --keep, the one in `--out`."""
    record: dict[str, Any] = {
        **environment.new_record("speed"),
        "repeat": options.repeat,
        "time_limit": options.time_limit,
        "memory_gb": round(options.memory_gb, 1),
        "long": LONG,
        "runs": 1,
        "elapsed": 0.0,
        "finished": [],
        "missing": [],
        "rows": [],
    }
    path = options.out / "speed.json"
    if options.keep and path.exists():
        old = json.loads(path.read_text())
        for name in ("environment", "repeat", "time_limit", "memory_gb"):
            if old.get(name) != record[name]:
                raise SystemExit(f"--keep: {path} differs in {name}: {old.get(name)}")
        return old | {"runs": old["runs"] + 1}
    return record


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the selected cases; write the record after each measurement."""
    cases = QUICK_CASES if options.quick else FULL_CASES
    wanted = [c for c in cases if not options.only or any(o in c.name for o in options.only)]
    if not wanted:
        raise SystemExit(f"--only matches no case; there are: {', '.join(c.name for c in cases)}")
    record, measurer, start = start_record(options), Measurer(options), time.monotonic()
    before = record["elapsed"]
    wanted = [case for case in wanted if case.name not in record["finished"]]
    record["missing"] = [case.name for case in wanted]
    done = {(row["case"], row["method"], row["threads"]) for row in record["rows"]}
    for _, kind in itertools.groupby(wanted, lambda c: (c.family, c.dimension, c.metric)):
        alike = list(kind)
        for name, threads in runs(alike, options):
            if time.monotonic() - start > options.budget:
                print(f"budget of {options.budget:g} s used up; continue with --keep")
                return record
            load = os.getloadavg()[0]
            todo = [
                case
                for case in alike
                if threads in thread_counts(case, METHODS[name])
                and (case.name, name, threads) not in done
            ]
            for case, measured in measure_kind(todo, name, threads, record["rows"], measurer):
                about = {"method": name, "threads": threads, "load": load}
                record["rows"].append({"case": case.name, **vars(case), **about, **measured})
                if measured.get("message") != "n/a":
                    print(f"{case.name:32} {name:24} {threads:2} {in_words(measured)}", flush=True)
            record["elapsed"] = before + time.monotonic() - start
            environment.write(record, options.out, "speed")
        if not options.methods:
            record["finished"] += [case.name for case in alike]
        record["missing"] = [n for n in record["missing"] if n not in {c.name for c in alike}]
        environment.write(record, options.out, "speed")
    return record


def runs(cases: list[Case], options: argparse.Namespace) -> Iterator[tuple[str, int]]:
    """Yield the methods for some cases, each with its numbers of threads, the largest first."""
    for name, method in METHODS.items():
        if not options.methods or any(part in name for part in options.methods):
            counts = {count for case in cases for count in thread_counts(case, method)}
            yield from ((name, threads) for threads in sorted(counts, reverse=True))


def measure_kind(
    cases: list[Case], method: str, threads: int, rows: list[dict[str, Any]], measurer: Measurer
) -> Iterator[tuple[Case, dict[str, Any]]]:
    """Yield what a method needs for cases of one kind, in as few processes as possible."""
    todo = []
    for case in cases:
        refused = refusal(case, METHODS[method], measurer.options.memory_gb)
        late = too_slow(rows, case, method, threads)
        if refused:
            yield case, {"status": "refused", "message": refused}
        elif late:
            yield case, {"status": "timeout", "message": late}
        else:
            todo.append(case)
    while todo:
        measured = measurer(todo, method, threads)
        yield from zip(todo, measured, strict=False)
        todo = todo[len(measured) :]
        if todo and measured[-1]["status"] == "timeout":
            yield from measure_kind(todo, method, threads, rows, measurer)
            return


def in_words(measured: dict[str, Any]) -> str:
    if measured["status"] != "ok":
        return str(measured["message"])
    if "first" in measured:
        return (
            f"first call {measured['first']:.3f} s, uncached {measured['uncached']['first']:.3f} s"
        )
    return f"{min(measured['seconds']):.3f} s  +{measured['extra_mb']:.0f} MB  {measured['result']}"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = environment.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs, a few minutes")
    parser.add_argument("--only", action="append", help="only cases whose name contains this")
    parser.add_argument("--methods", action="append", help="only methods whose name contains this")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=30.0, help="seconds per fit")
    parser.add_argument("--budget", type=float, default=math.inf, help="seconds for the whole run")
    parser.add_argument("--keep", action="store_true", help="keep what a run before has finished")
    parser.add_argument(
        "--memory-gb",
        type=float,
        default=0.6 * environment.total_memory_gb(),
        help="memory limit of a process; methods that need more do not run",
    )
    parser.add_argument("--child", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main() -> None:
    options = parse()
    if options.child:
        measure(json.loads(options.child))
        return
    options.out.mkdir(parents=True, exist_ok=True)
    record = run_all(options)
    from speed_figures import draw
    from speed_report import tables

    (options.out / "speed.md").write_text(tables(record))
    for path in draw(record, options.out):
        print(path)
    print(options.out / "speed.md")


if __name__ == "__main__":
    main()
