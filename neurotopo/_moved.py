"""Modules that moved: an import of an old name says where the new one is."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any

__all__ = ["MOVED", "install"]

MOVED = {
    "neurotopo._lazy": "neurotopo._extras",
    "neurotopo.explore.shown": "neurotopo.explore.sampled_tree",
    "neurotopo.graphs.neurons": "neurotopo.neurons",
    "neurotopo.models.device_products": "neurotopo.graphs.device_products",
    "neurotopo.studies.complexity.options": "neurotopo.studies.complexity.study",
    "neurotopo.studies.critique.options": "neurotopo.studies.critique.study",
    "neurotopo.studies.crosslingual.options": "neurotopo.studies.crosslingual.study",
    "neurotopo.studies.development.options": "neurotopo.studies.development.study",
    "neurotopo.studies.front": "neurotopo.studies.run",
    "neurotopo.studies.options": "neurotopo.studies.study",
    "neurotopo.studies.plain": "neurotopo._codec",
    "neurotopo.studies.run_file": "neurotopo.report.run_file",
    "neurotopo.studies.runner": "neurotopo.studies.run",
    "neurotopo.studies.subjects": "neurotopo.studies.study",
    "neurotopo.studies.summary": "neurotopo.report.summary",
    "neurotopo.studies.wording": "neurotopo.studies.findings",
    "neurotopo.studies.work_loop": "neurotopo.studies.run",
    "neurotopo.testbed.recall": "neurotopo.models.recall",
    "neurotopo.testbed.shelf": "neurotopo.models.builtin_models",
}
"""The old name of each module, and the module that has its content now."""


class _Finder(MetaPathFinder):
    """Raises the error for a module that moved; it is asked after all other finders."""

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: Any = None) -> None:
        if fullname in MOVED:
            raise ModuleNotFoundError(
                f"{fullname} has moved: import {MOVED[fullname]} instead.", name=fullname
            )


def install() -> None:
    """Let imports of old names say where the new ones are. Idempotent."""
    if not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.append(_Finder())
