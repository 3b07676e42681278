"""Child process that measures one method on one input."""

from __future__ import annotations

import json
import os
import resource
import signal
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from memory import give_memory_back, reset_peak, resident_mb
from speed_cases import Case, make_data, tiny
from speed_methods import METHODS

SAMPLING = 0.002  # seconds between two looks of the fallback
LONG = 3.0  # seconds; a fit this long is not repeated


def timed(fit: Callable[[Any], Any], data: Any, limit: float) -> tuple[Any, dict[str, Any]]:
    """Fit; return the result, and wall and CPU seconds.

    After `limit` seconds the process dies of SIGALRM. The default action of the signal is kept,
    for a Python handler would wait for C code to end.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.setitimer(signal.ITIMER_REAL, limit)
    start, cpu = time.perf_counter(), time.process_time()
    try:
        fitted = fit(data)
        seconds = time.perf_counter() - start
        return fitted, {"seconds": seconds, "cpu_seconds": time.process_time() - cpu}
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def run_measured(fit: Callable[[Any], Any], data: Any, limit: float) -> tuple[Any, dict[str, Any]]:
    """Fit; return the result, wall and CPU seconds, extra peak MB and how it was measured."""
    give_memory_back()
    if reset_peak():
        before = resident_mb()
        fitted, measured = timed(fit, data, limit)
        extra_mb = resident_mb("VmHWM") - before
        return fitted, measured | {"extra_mb": extra_mb, "memory_method": "VmHWM"}
    before = resident_mb()
    seen, done = [before], threading.Event()

    def watch() -> None:
        while not done.wait(SAMPLING):
            seen.append(resident_mb())

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    fitted, measured = timed(fit, data, limit)
    done.set()
    watcher.join()
    return fitted, measured | {"extra_mb": max(seen) - before, "memory_method": "sampled"}


def measure(job: dict[str, Any]) -> None:
    """Run one method on some cases; write what is measured of each to a file of its own."""
    warnings.simplefilter("ignore")
    limit = int(job["memory_gb"] * 2**30)
    resource.setrlimit(resource.RLIMIT_AS, (limit + 4 * 2**30, resource.RLIM_INFINITY))
    cases = [Case(**case) for case in job["cases"]]
    if cases[0].family != "cold":
        _warm_up(job["method"], cases[0])
    for i, case in enumerate(cases):
        out = Path(job["folder"]) / f"{i}.json"
        try:
            (_measure_first_call if case.family == "cold" else _measure)(job, case, out)
        except Exception as error:
            first_line = (str(error).strip().splitlines() or ["no message"])[0]
            message = f"{type(error).__name__}: {first_line}"
            _write(out, {"status": "failed", "message": message})
        except BaseException as error:  # SystemExit of a library must not pass for success
            _write(out, {"status": "failed", "message": type(error).__name__})
            raise


def _measure(job: dict[str, Any], case: Case, out: Path) -> None:
    fit, result = METHODS[job["method"]].make(case)
    data = make_data(case)
    record: dict[str, Any] = {"status": "running", "seconds": [], "cpu_seconds": []}
    for repetition in range(job["repeat"]):
        # Some methods write into what they are given.
        fresh = data.copy() if repetition + 1 < job["repeat"] else data
        fitted, measured = run_measured(fit, fresh, job["time_limit"])
        if not record["seconds"]:
            record["result"] = result(fitted)
            record |= {name: measured[name] for name in ("extra_mb", "memory_method")}
            if METHODS[job["method"]].is_hdbscan:
                np.save(out.with_suffix(".npy"), np.asarray(fitted.labels_))
        for name in ("seconds", "cpu_seconds"):
            record[name].append(measured[name])
        _write(out, record)
        del fitted
        if measured["seconds"] > LONG:
            break
    _write(out, record | {"status": "ok"})


def _measure_first_call(job: dict[str, Any], case: Case, out: Path) -> None:
    """Time the import and the first two fits. The child has imported NumPy and SciPy before."""
    data, limit = make_data(case), 10 * job["time_limit"]  # compiling takes long
    (fit, _), imported = timed(METHODS[job["method"]].make, case, limit)
    first, second = (timed(fit, data.copy(), limit)[1]["seconds"] for _ in range(2))
    seconds = {"import": imported["seconds"], "first": first, "second": second}
    _write(out, {"status": "ok", **seconds})


def _warm_up(method: str, case: Case) -> None:
    small = tiny(case)
    try:
        fit, _ = METHODS[method].make(small)
        fit(make_data(small))
    except Exception:
        pass  # the measured fit says what is wrong


def _write(out: Path, record: dict[str, Any]) -> None:
    part = out.with_suffix(".part")
    part.write_text(json.dumps(record))
    os.replace(part, out)
