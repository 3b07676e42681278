"""The study ``development``: how degenerate components form while a model is trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurotopo.studies.development import report
from neurotopo.studies.findings import RULE
from neurotopo.studies.several_models import ModelFact, SeveralModelsStudy, ShuffleOptions, Shuffles
from neurotopo.studies.study import seed_for
from neurotopo.testbed.folder import finished
from neurotopo.testbed.snapshots import snapshots_of, step_of

__all__ = ["STUDY", "Development", "DevelopmentOptions"]


@dataclass(frozen=True)
class DevelopmentOptions(ShuffleOptions):
    """Options of the study ``development``: those of :class:`ShuffleOptions`.

    Examples
    --------
    >>> from neurotopo.studies.development.study import DevelopmentOptions
    >>> DevelopmentOptions(n_shuffles=0)
    Traceback (most recent call last):
        ...
    ValueError: n_shuffles must be a whole number of at least 1, got 0.
    """


class Development(SeveralModelsStudy):
    """The study ``development``: every fact in every snapshot of a training."""

    name, Options = "development", DevelopmentOptions
    title = "Development: how degenerate components form while a model is trained"
    notes = (
        "Appendix D of the paper calls its analysis static and leaves open how degenerate neurons "
        "evolve during training. Here the neurons of a fact are found in every snapshot of a "
        "training, and the components are matched between snapshots.",
        "Clusters are made of weights, and late in a training weights hardly change. So it is no "
        "surprise when the same neurons are grouped in the same way again: the component lasts, "
        "but it need not have an effect. The jump measures the effect.",
        "A component that passed the filter counts, even if it is the only one of its fact.",
        f"{RULE} Claims that components are kept need this against shuffled neurons and against "
        "another fact, on facts that both snapshots answer "
        "correctly.",
    )
    tables = report.TABLES
    pictures = report.PICTURES
    frames = staticmethod(report.collect)
    findings = staticmethod(report.findings)

    @staticmethod
    def models_of(models: Sequence[Any]) -> list[Any]:
        """Return the models in the order of training; a folder is replaced by its snapshots.

        The model of the folder itself is the last of its snapshots. It follows them if training
        continued after the last one.
        """
        listed: list[Any] = []
        for model in models:
            snapshots = snapshots_of(model) if isinstance(model, str) else []
            listed.extend(str(each) for each in snapshots)
            if not snapshots or _steps(Path(model)) not in (None, step_of(snapshots[-1])):
                listed.append(model)
        return listed

    def measure(self, item: ModelFact) -> dict[str, Any]:
        """Return the groups of a fact in a snapshot; neurons by their places in ``"neurons"``."""
        finder = self.finder(item.place)
        result = finder.find(item.fact)
        dkn = result.dkn
        seed = seed_for(self.seed, item.key)
        shuffles = Shuffles.of(finder, result, self.options.n_shuffles, seed)
        place = {pair: at for at, pair in enumerate(result.neurons)}

        def places(groups: Sequence[Any]) -> list[list[int]]:
            return [[place[pair] for pair in group] for group in groups]

        return {
            **self.asked(item),
            "relation": item.fact.relation,
            "neurons": result.neurons.to_array(),
            "groups": places(dkn.potential),
            "passed": dkn.passed,
            "excluded": dkn.excluded,
            "reason": dkn.reason,
            "jump": dkn.potential_jump,
            "jump_excluded": dkn.potential_excluded
            or any(each.potential_excluded for each in shuffles.judged),
            "shuffled": [
                {"groups": places(groups), "n": each.n, "jump": each.potential_jump}
                for groups, each in zip(shuffles.groups, shuffles.judged, strict=True)
            ],
        }


def _steps(folder: Path) -> int | None:
    """Return the number of training steps of the model in a folder; None if it is not finished."""
    about = finished(folder)
    return None if about is None else int(about["n_steps"])


STUDY = Development
