"""Measure the time and memory of ``NTCClusterer.fit`` and of other libraries.

Each (input, method) pair runs in a fresh process with one thread. A run first warms up the method
on a tiny input (imports, compiled functions), then makes the input, then fits it; the result is
the best wall time of `--repeat` fits (one fit, if the first takes over ten seconds). Extra memory
is the peak resident set during the first fit minus the resident set just before it. The peak comes
from the kernel (``VmHWM``, reset through ``/proc/self/clear_refs``) or, where that file cannot be
written, from a thread that samples the resident set every 2 ms. A fit that takes longer than
`--time-limit` is stopped and shown as "> limit"; errors are shown as they are.

Examples
--------
python benchmarks/speed.py --quick --out /tmp/speed
python benchmarks/speed.py --out benchmarks/results
python benchmarks/speed.py --only "dense n=5000" --only "sparse m=5000000" --out /tmp/speed
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

THREADS = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMBA_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
)
SETUP_ALLOWANCE = 300.0  # seconds a child may spend on imports, warm-up and making its input

for _name in THREADS:  # before numpy is imported, here and in every child
    os.environ[_name] = "1"

import environment  # noqa: E402
from speed_cases import FULL_CASES, METHODS, QUICK_CASES, Case, Method  # noqa: E402
from speed_child import measure  # noqa: E402


def refusal(case: Case, method: Method, memory_gb: float) -> str | None:
    """Return why a method is not run on a case, or None."""
    if case.family not in method.families:
        return "n/a"
    gb = method.square_bytes.get(case.family, 0.0) * case.n_samples**2 / 2**30
    if gb > memory_gb:
        return f"not run: n^2 memory ({gb:.0f} GB)"
    return None


def run_child(case: Case, method: str, options: argparse.Namespace) -> dict[str, Any]:
    """Measure one method on one case in a separate process."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "measured.json"
        job = {
            "case": vars(case),
            "method": method,
            "repeat": options.repeat,
            "time_limit": options.time_limit,
            "memory_gb": options.memory_gb,
            "out": str(out),
        }
        command = [sys.executable, __file__, "--child", json.dumps(job)]
        patience = SETUP_ALLOWANCE + options.time_limit * options.repeat
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
        except subprocess.TimeoutExpired:
            return {"status": "failed", "message": f"no answer within {patience:.0f} s"}
        written = json.loads(out.read_text()) if out.exists() else {}
        return outcome(done.returncode, done.stderr, written, options.time_limit)


def outcome(code: int, stderr: str, written: dict[str, Any], time_limit: float) -> dict[str, Any]:
    """Return the result of a child: what it wrote, a timeout, or a crash."""
    if written.get("status") in ("ok", "failed"):
        return written
    if code == -14:  # SIGALRM, set by the child around the fit
        if written.get("seconds"):  # an earlier repetition was in time
            return written | {"status": "ok"}
        return {"status": "timeout", "message": f"> {time_limit:g} s"}
    if code < 0:
        import signal

        return {"status": "failed", "message": f"died of {signal.Signals(-code).name}"}
    last = stderr.strip().splitlines()[-1:] or ["no message"]
    return {"status": "failed", "message": f"exit status {code}: {last[0]}"}


def run_all(options: argparse.Namespace) -> dict[str, Any]:
    """Measure the selected cases; write the record after each measurement."""
    cases = QUICK_CASES if options.quick else FULL_CASES
    wanted = [c for c in cases if not options.only or any(o in c.name for o in options.only)]
    if not wanted:
        raise SystemExit(f"--only matches no case; there are: {', '.join(c.name for c in cases)}")
    record: dict[str, Any] = {
        **environment.new_record("speed"),
        "repeat": options.repeat,
        "time_limit": options.time_limit,
        "memory_gb": options.memory_gb,
        "rows": [],
    }
    for case in wanted:
        for name, method in METHODS.items():
            if options.methods and not any(part in name for part in options.methods):
                continue
            refused = refusal(case, method, options.memory_gb)
            if refused:
                measured = {"status": "refused", "message": refused}
            else:
                measured = run_child(case, name, options)
            record["rows"].append({"case": case.name, **vars(case), "method": name, **measured})
            print(f"{case.name:32} {name:24} {in_words(measured)}", flush=True)
            environment.write(record, options.out, "speed")
    return record


def in_words(measured: dict[str, Any]) -> str:
    if measured["status"] != "ok":
        return str(measured["message"])
    return f"{min(measured['seconds']):.3f} s  +{measured['extra_mb']:.0f} MB  {measured['result']}"


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    parser = environment.parser(__doc__)
    parser.add_argument("--quick", action="store_true", help="small inputs, a few minutes")
    parser.add_argument("--only", action="append", help="only cases whose name contains this")
    parser.add_argument("--methods", action="append", help="only methods whose name contains this")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--time-limit", type=float, default=120.0, help="seconds per fit")
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
    from speed_report import draw, tables

    (options.out / "speed.md").write_text(tables(record))
    for path in draw(record, options.out):
        print(path)
    print(options.out / "speed.md")


if __name__ == "__main__":
    main()
