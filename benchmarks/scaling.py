"""Measure the speed-up of several workers of Ray, and the memory of each.

The study of acquisition (`--quick`) on a built-in model, by 1, 2 and 4 workers of one thread in
turn, in several rounds. The clock starts when all workers have loaded the model.

seconds
    Wall clock of all facts; the median of the rounds.
speed-up
    Time of one worker over the time of several in the same round; the median of the rounds.
memory
    Largest peak of the resident set of a worker; libraries that workers share count in each.
load
    The machine's load average before and after. Above the number of cores, other programs take
    time, and the speed-up is not that of an idle machine.

Examples
--------
python benchmarks/scaling.py --facts 24 --rounds 1 --out /tmp/scaling
python benchmarks/scaling.py --out benchmarks/results  # idle machine with 4 cores
"""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import environment
from memory import resident_mb

from neurotopo.studies import RayEngine, Task
from neurotopo.studies.facts import facts_for
from neurotopo.studies.run import options_for
from neurotopo.studies.study import study_named

WORKERS = (1, 2, 4)


def prepare(model: str) -> Callable[[Any], dict[str, int]]:
    """Load the model, and return a function that works on a fact and says in which process."""
    study = study_named("acquisition")
    given = {**options_for(study(), {}, quick=True).to_dict(), "device": "cpu"}
    work = study.prepare(model, given)

    def named(fact: Any) -> dict[str, int]:
        work(fact)
        return {"pid": os.getpid()}

    return named


def measure(model: str, tasks: list[Task], workers: int) -> tuple[float, float]:
    """Return the seconds of the tasks, and the largest peak of a worker."""
    ready = partial(prepare, model)
    with RayEngine(workers, cpus=1, threads=1) as engine:
        seen: set[int] = set()
        while len(seen) < workers:
            warm = tasks[: 2 * workers]
            seen |= {each.payload["pid"] for each in engine.run(warm, ready) if each.payload}
        start = time.perf_counter()
        done = list(engine.run(tasks, ready))
        seconds = time.perf_counter() - start
        assert [each.error for each in done] == [None] * len(tasks)
        return seconds, max(resident_mb("VmHWM", pid) for pid in seen)


def table(record: dict[str, Any]) -> str:
    """Return the results in Markdown."""
    lines = ["| workers | seconds | speed-up | memory of a worker |", "|--:|--:|--:|--:|"]
    of_one = record["seconds"]["1"]
    for n, all_seconds in record["seconds"].items():
        ratios = [one / several for one, several in zip(of_one, all_seconds, strict=True)]
        seconds = statistics.median(all_seconds)
        lines.append(
            f"| {n} | {seconds:.1f} | {statistics.median(ratios):.2f} | {record['mb'][n]:.0f} MB |"
        )
    before, after = record["load"]
    about = (
        f"{record['n_facts']} facts of `{record['model']}`, {len(record['seconds']['1'])} rounds. "
        f"{record['cores']} cores, load {before:.1f} before and {after:.1f} after."
    )
    return "\n".join([*lines, "", about, ""])


def main() -> None:
    """Measure, and write the record and its table."""
    arguments = environment.parser(__doc__)
    arguments.add_argument("--model", default="testbed:gpt2")
    arguments.add_argument("--facts", type=int, default=200)
    arguments.add_argument("--rounds", type=int, default=3)
    given = arguments.parse_args()
    facts = facts_for(f"factworld:{given.facts}", given.model)
    tasks = [Task(i, fact) for i, fact in enumerate(facts)]
    record = environment.new_record("scaling")
    seconds: dict[str, list[float]] = {str(n): [] for n in WORKERS}
    mb = dict.fromkeys(seconds, 0.0)
    before = os.getloadavg()[0]
    for _ in range(given.rounds):
        for n in WORKERS:
            took, peak = measure(given.model, tasks, n)
            seconds[str(n)].append(took)
            mb[str(n)] = max(mb[str(n)], peak)
    record.update(model=given.model, n_facts=len(tasks), cores=os.cpu_count())
    record.update(load=[before, os.getloadavg()[0]], seconds=seconds, mb=mb)
    environment.write(record, given.out, "scaling", table(record))
    print(table(record))


if __name__ == "__main__":
    main()
