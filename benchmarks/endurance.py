"""A long run that is killed again and again: the same tables in the end, and flat memory.

The study of acquisition on a built-in model runs twice, as ``neurotopo run`` does: once to the end,
and once with ``kill -9`` at random moments, after which the same command goes on. The resident set
of the first run is read every second, until the report is made.

lost, twice
    Facts that the killed run lacks in the end, and facts stored before a kill and worked on again.
equal tables
    Whether all tables of both runs are equal, byte by byte.
memory
    Resident set of the run that was not killed, at tenths of its facts, and its growth: the slope
    of a straight line through the second half, in MB for 1,000 facts.

Examples
--------
python benchmarks/endurance.py --facts 60 --kills 3 --out /tmp/endurance
python benchmarks/endurance.py --out benchmarks/results
"""

from __future__ import annotations

import random
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import environment
import numpy as np
from memory import resident_mb

from neurotopo.knowledge.facts import FactSet
from neurotopo.testbed.world import make_world

# little work for each fact: what grows with the number of facts is measured
OPTIONS = ("steps=2", "quadrature=gauss-legendre", "methods=ntc", "max_exact=4")
MORE = ("n_samples=5", "sweep_tau1=", "sweep_tau2=")


def write_facts(place: Path, n: int) -> None:
    """Write facts of FactWorld in one wording after another."""
    world = make_world(seed=0)
    fewest = min(map(world.n_wordings, world.facts().relations))
    facts = [fact for wording in range(fewest) for fact in world.facts(wording=wording)]
    if len(facts) < n:
        raise ValueError(f"there are {len(facts)} facts, not {n}.")
    FactSet(facts[:n]).to_jsonl(place)


def start(model: str, facts: Path, out: Path) -> subprocess.Popen[bytes]:
    """Start a run, or go on with one."""
    words = [sys.executable, "-W", "ignore", "-m", "neurotopo", "run", "acquisition", "--quiet"]
    words += ["--model", model, "--facts", str(facts), "--out", str(out), "--no-check"]
    for option in (*OPTIONS, *MORE):
        words += ["--option", option]
    return subprocess.Popen(words, stdout=subprocess.DEVNULL)


def stored(out: Path) -> dict[str, float]:
    """Return the facts that are stored, with their seconds."""
    place = out / "results.sqlite"
    try:
        with closing(sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True)) as connection:
            return dict(connection.execute("SELECT fact, seconds FROM facts"))
    except sqlite3.OperationalError:  # no file or no table yet
        return {}


def watched(process: subprocess.Popen[bytes], out: Path) -> Iterator[tuple[int, float]]:
    """Yield the number of facts and the resident set in MB, every second until the end."""
    while process.poll() is None:
        with suppress(OSError):  # it has just ended
            yield len(stored(out)), resident_mb(pid=process.pid)
        time.sleep(1.0)
    if process.returncode:
        raise RuntimeError(f"the run ended with status {process.returncode}.")


def kill_again_and_again(
    model: str, facts: Path, out: Path, n: int, times: int
) -> list[dict[str, float]]:
    """Kill a run at random moments; return what was stored after each time."""
    rng = random.Random(0)
    left: list[dict[str, float]] = []
    for moment in sorted(rng.sample(range(1, n), times)):
        process = start(model, facts, out)
        while len(stored(out)) < moment and process.poll() is None:
            time.sleep(0.02)
        time.sleep(rng.random() * 0.2)
        process.send_signal(signal.SIGKILL)
        process.wait()
        left.append(stored(out))
    return left


def tables(out: Path) -> dict[str, bytes]:
    """Return the contents of the tables, and of the rows."""
    places = [*(out / "tables").glob("*.csv"), out / "rows.csv"]
    return {place.name: place.read_bytes() for place in places}


def growth(curve: list[tuple[int, float]], n: int) -> float:
    """Return the MB that are added for 1,000 facts, in the second half, before the report."""
    done, mb = np.array([pair for pair in curve if n / 2 < pair[0] < n]).T
    return float(np.polyfit(done / 1000, mb, 1)[0])


def table(record: dict[str, Any]) -> str:
    """Return the results in Markdown."""
    lines = [
        "| facts | kills | lost | twice | equal tables | memory at 10 %, 50 %, 100 % | growth |",
        "|--:|--:|--:|--:|---|---|--:|",
        f"| {record['n_facts']:,} | {record['kills']} | {record['lost']} | {record['twice']} "
        f"| {'yes' if record['equal'] else 'no'} of {record['n_tables']} "
        f"| {', '.join(f'{mb:.0f}' for mb in record['memory_mb'])} MB "
        f"| {record['growth_mb']:.1f} MB for 1,000 facts |",
        "",
        f"Model: `{record['model']}`. {record['seconds']:.0f} seconds without kills.",
    ]
    return "\n".join([*lines, ""])


def main() -> None:
    """Measure, and write the record and its table."""
    arguments = environment.parser(__doc__)
    arguments.add_argument("--model", default="testbed:ladder-1")
    arguments.add_argument("--facts", type=int, default=5000)
    arguments.add_argument("--kills", type=int, default=20)
    given = arguments.parse_args()
    record = environment.new_record("endurance")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        facts, whole, killed = folder / "facts.jsonl", folder / "whole", folder / "killed"
        write_facts(facts, given.facts)
        begun = time.perf_counter()
        curve = list(watched(start(given.model, facts, whole), whole))
        record["seconds"] = round(time.perf_counter() - begun, 1)
        before = kill_again_and_again(given.model, facts, killed, given.facts, given.kills)
        list(watched(start(given.model, facts, killed), killed))
        now, expected = stored(killed), stored(whole)
        ours, theirs = tables(killed), tables(whole)
    at = [next(mb for done, mb in curve if done >= given.facts * x) for x in (0.1, 0.5, 0.99)]
    record.update(
        model=given.model,
        n_facts=len(expected),
        kills=len(before),
        left=[len(each) for each in before],
        lost=len(set(expected) - set(now)),
        twice=sum(now[key] != seconds for each in before for key, seconds in each.items()),
        equal=ours == theirs,
        n_tables=len(theirs),
        memory_mb=at,
        growth_mb=growth(curve, given.facts),
        curve=curve[:: max(1, len(curve) // 200)],
    )
    environment.write(record, given.out, "endurance", table(record))
    print(table(record))


if __name__ == "__main__":
    main()
