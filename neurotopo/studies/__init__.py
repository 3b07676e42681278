"""Experiments over many facts: work per fact, kept in a file as it is done, and a summary.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from neurotopo._lazy import lazy_names

if TYPE_CHECKING:
    from neurotopo.studies.engines import Engine, Finished, InlineEngine, Task
    from neurotopo.studies.front import STUDIES, Result, report, run
    from neurotopo.studies.ray_engine import RayEngine
    from neurotopo.studies.rows import Row, Run, StoreError
    from neurotopo.studies.run_file import read_run, write_run
    from neurotopo.studies.runner import FactError, Outcome, Rows, Study, run_study, seed_for
    from neurotopo.studies.store import Store
    from neurotopo.studies.summary import Picture, Summary, Table

__all__ = [
    "STUDIES",
    "Engine",
    "FactError",
    "Finished",
    "InlineEngine",
    "Outcome",
    "Picture",
    "RayEngine",
    "Result",
    "Row",
    "Rows",
    "Run",
    "Store",
    "StoreError",
    "Study",
    "Summary",
    "Table",
    "Task",
    "read_run",
    "report",
    "run",
    "run_study",
    "seed_for",
    "write_run",
]

_HOME = {
    "FactError": "work_loop",
    "Outcome": "runner",
    "Rows": "runner",
    "Study": "runner",
    "run_study": "runner",
    "seed_for": "runner",
    "Engine": "engines",
    "Finished": "engines",
    "InlineEngine": "engines",
    "Task": "engines",
    "RayEngine": "ray_engine",
    "Row": "rows",
    "Run": "rows",
    "StoreError": "rows",
    "read_run": "run_file",
    "write_run": "run_file",
    "Store": "store",
    "STUDIES": "front",
    "Result": "front",
    "report": "front",
    "run": "front",
    "Picture": "summary",
    "Summary": "summary",
    "Table": "summary",
}

__getattr__, __dir__ = lazy_names(__name__, _HOME)
