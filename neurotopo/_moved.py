"""Modules that moved: an import of an old name raises an error with the new name."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from typing import Any

__all__ = ["MOVED", "install"]

MOVED = {
    "neurotopo._lazy": "neurotopo._extras",
    "neurotopo.datasets.truth": "neurotopo.knowledge.truth",
    "neurotopo.datasets.words": "neurotopo.knowledge.words",
    "neurotopo.explore.layout": "neurotopo.cluster.layout",
    "neurotopo.explore.shown": "neurotopo.explore.sampled_tree",
    "neurotopo.graphs.lengths": "neurotopo.persistence.lengths",
    "neurotopo.graphs.neurons": "neurotopo.neurons",
    "neurotopo.models.device_products": "neurotopo.graphs.device_products",
    "neurotopo.persistence.prim": "neurotopo.persistence.forest",
    "neurotopo.plots._graph_data": "neurotopo.cluster.drawn_graph",
    "neurotopo.plots._layout": "neurotopo.cluster.layout",
    "neurotopo.plots._rows": "neurotopo.plots._means",
    "neurotopo.studies.acquisition.comparisons": "neurotopo.studies.acquisition.report",
    "neurotopo.studies.acquisition.findings": "neurotopo.studies.acquisition.report",
    "neurotopo.studies.acquisition.graph": "neurotopo.studies.acquisition.explorer",
    "neurotopo.studies.acquisition.options": "neurotopo.studies.acquisition.study",
    "neurotopo.studies.acquisition.pictures": "neurotopo.studies.acquisition.report",
    "neurotopo.studies.acquisition.rows": "neurotopo.studies.acquisition.frames",
    "neurotopo.studies.acquisition.tables": "neurotopo.studies.acquisition.report",
    "neurotopo.studies.acquisition.work": "neurotopo.studies.acquisition.study",
    "neurotopo.studies.choices.agreement": "neurotopo.studies.choices.grouping",
    "neurotopo.studies.choices.comparisons": "neurotopo.studies.choices.report",
    "neurotopo.studies.choices.findings": "neurotopo.studies.choices.report",
    "neurotopo.studies.choices.lengths": "neurotopo.studies.choices.grouping",
    "neurotopo.studies.choices.options": "neurotopo.studies.choices.study",
    "neurotopo.studies.choices.pictures": "neurotopo.studies.choices.report",
    "neurotopo.studies.choices.rows": "neurotopo.studies.choices.report",
    "neurotopo.studies.choices.tables": "neurotopo.studies.choices.report",
    "neurotopo.studies.choices.work": "neurotopo.studies.choices.study",
    "neurotopo.studies.complexity.findings": "neurotopo.studies.complexity.report",
    "neurotopo.studies.complexity.options": "neurotopo.studies.complexity.study",
    "neurotopo.studies.complexity.pictures": "neurotopo.studies.complexity.report",
    "neurotopo.studies.complexity.rows": "neurotopo.studies.complexity.report",
    "neurotopo.studies.complexity.tables": "neurotopo.studies.complexity.report",
    "neurotopo.studies.complexity.work": "neurotopo.studies.complexity.study",
    "neurotopo.studies.critique.cases": "neurotopo.studies.critique.edits",
    "neurotopo.studies.critique.comparisons": "neurotopo.studies.critique.report",
    "neurotopo.studies.critique.edit_work": "neurotopo.studies.critique.edits",
    "neurotopo.studies.critique.findings": "neurotopo.studies.critique.report",
    "neurotopo.studies.critique.measures": "neurotopo.studies.critique.pairs",
    "neurotopo.studies.critique.options": "neurotopo.studies.critique.study",
    "neurotopo.studies.critique.pair_work": "neurotopo.studies.critique.pairs",
    "neurotopo.studies.critique.pictures": "neurotopo.studies.critique.report",
    "neurotopo.studies.critique.rows": "neurotopo.studies.critique.report",
    "neurotopo.studies.critique.tables": "neurotopo.studies.critique.report",
    "neurotopo.studies.critique.work": "neurotopo.studies.critique.study",
    "neurotopo.studies.crosslingual.comparisons": "neurotopo.studies.crosslingual.report",
    "neurotopo.studies.crosslingual.draws": "neurotopo.studies.crosslingual.study",
    "neurotopo.studies.crosslingual.findings": "neurotopo.studies.crosslingual.report",
    "neurotopo.studies.crosslingual.items": "neurotopo.studies.crosslingual.study",
    "neurotopo.studies.crosslingual.options": "neurotopo.studies.crosslingual.study",
    "neurotopo.studies.crosslingual.overlaps": "neurotopo.studies.crosslingual.frames",
    "neurotopo.studies.crosslingual.rows": "neurotopo.studies.crosslingual.frames",
    "neurotopo.studies.crosslingual.tables": "neurotopo.studies.crosslingual.report",
    "neurotopo.studies.crosslingual.work": "neurotopo.studies.crosslingual.study",
    "neurotopo.studies.detection.asking": "neurotopo.studies.detection.study",
    "neurotopo.studies.detection.evaluation": "neurotopo.studies.detection.scoring",
    "neurotopo.studies.detection.findings": "neurotopo.studies.detection.report",
    "neurotopo.studies.detection.metrics": "neurotopo.studies.detection.scoring",
    "neurotopo.studies.detection.options": "neurotopo.studies.detection.study",
    "neurotopo.studies.detection.pictures": "neurotopo.studies.detection.report",
    "neurotopo.studies.detection.rows": "neurotopo.studies.detection.report",
    "neurotopo.studies.detection.sets": "neurotopo.studies.detection.study",
    "neurotopo.studies.detection.tables": "neurotopo.studies.detection.report",
    "neurotopo.studies.detection.work": "neurotopo.studies.detection.study",
    "neurotopo.studies.development.findings": "neurotopo.studies.development.report",
    "neurotopo.studies.development.options": "neurotopo.studies.development.study",
    "neurotopo.studies.development.pictures": "neurotopo.studies.development.report",
    "neurotopo.studies.development.rows": "neurotopo.studies.development.report",
    "neurotopo.studies.development.tables": "neurotopo.studies.development.report",
    "neurotopo.studies.development.work": "neurotopo.studies.development.study",
    "neurotopo.studies.front": "neurotopo.studies.run",
    "neurotopo.studies.learning.options": "neurotopo.studies.learning.study",
    "neurotopo.studies.learning.pictures": "neurotopo.studies.learning.report",
    "neurotopo.studies.learning.rows": "neurotopo.studies.learning.report",
    "neurotopo.studies.learning.sets": "neurotopo.studies.learning.data",
    "neurotopo.studies.learning.summary": "neurotopo.studies.learning.study",
    "neurotopo.studies.learning.tables": "neurotopo.studies.learning.report",
    "neurotopo.studies.learning.work": "neurotopo.studies.learning.study",
    "neurotopo.studies.methods": "neurotopo.studies.groupings",
    "neurotopo.studies.models": "neurotopo.studies.study",
    "neurotopo.studies.options": "neurotopo.studies.study",
    "neurotopo.studies.plain": "neurotopo._codec",
    "neurotopo.studies.robustness.comparisons": "neurotopo.studies.robustness.report",
    "neurotopo.studies.robustness.exclusions": "neurotopo.studies.robustness.report",
    "neurotopo.studies.robustness.findings": "neurotopo.studies.robustness.report",
    "neurotopo.studies.robustness.measures": "neurotopo.studies.robustness.frames",
    "neurotopo.studies.robustness.options": "neurotopo.studies.robustness.study",
    "neurotopo.studies.robustness.rows": "neurotopo.studies.robustness.frames",
    "neurotopo.studies.robustness.tables": "neurotopo.studies.robustness.report",
    "neurotopo.studies.robustness.work": "neurotopo.studies.robustness.study",
    "neurotopo.studies.run_file": "neurotopo.report.run_file",
    "neurotopo.studies.runner": "neurotopo.studies.execute",
    "neurotopo.studies.search": "neurotopo.studies.neurons",
    "neurotopo.studies.subjects": "neurotopo.studies.study",
    "neurotopo.studies.summarising": "neurotopo.studies.study",
    "neurotopo.studies.summary": "neurotopo.report.summary",
    "neurotopo.studies.wording": "neurotopo.studies.findings",
    "neurotopo.studies.work_loop": "neurotopo.studies.execute",
    "neurotopo.testbed.recall": "neurotopo.models.recall",
    "neurotopo.testbed.shelf": "neurotopo.models.builtin_models",
    "neurotopo.testbed.wordings_en": "neurotopo.testbed.wordings",
    "neurotopo.testbed.wordings_fr": "neurotopo.testbed.wordings",
    "neurotopo.testbed.wordings_ru": "neurotopo.testbed.wordings",
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
