"""Work of the development study: the neurons and components of one fact in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo.studies.development.options import DevelopmentOptions
from neurotopo.studies.several_models import ModelFact, SeveralModelsWork, Shuffles, items_of
from neurotopo.studies.study import seed_for
from neurotopo.testbed.snapshots import snapshots_of, step_of

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact

__all__ = ["DevelopmentWork", "expanded", "items", "prepare"]


def expanded(models: Sequence[Any]) -> list[Any]:
    """Return the models in the order of training, folders with snapshots as these.

    The model of such a folder itself is the last of its snapshots, or follows them if training
    went on behind the last.
    """
    found: list[Any] = []
    for model in models:
        snapshots = snapshots_of(model) if isinstance(model, str) else []
        found.extend(str(each) for each in snapshots)
        if not snapshots or _steps(Path(model)) not in (None, step_of(snapshots[-1])):
            found.append(model)
    return found


def _steps(folder: Path) -> int | None:
    """Return how many steps made the model of a folder; None where it is not finished."""
    from neurotopo.testbed.folder import finished

    about = finished(folder)
    return None if about is None else int(about["n_steps"])


def items(
    facts: Sequence[Fact], options: DevelopmentOptions, seed: int, models: Sequence[Any]
) -> list[ModelFact]:
    """Return every fact with every snapshot."""
    return items_of(facts, expanded(models))


def prepare(model: Sequence[Any], given: Mapping[str, Any]) -> DevelopmentWork:
    """Return the work per snapshot and fact."""
    return DevelopmentWork(expanded(model), DevelopmentOptions.of(given), given)


class DevelopmentWork(SeveralModelsWork[DevelopmentOptions]):
    """What is found of a fact in a snapshot; the parameters are those of its base."""

    def __call__(self, item: ModelFact) -> dict[str, Any]:
        """Return what was found; groups as places among the fact's neurons."""
        searcher = self.searcher(item.place)
        found = searcher.find(item.fact)
        dkn = found.dkn
        shuffles = Shuffles.of(
            searcher, found, self.options.n_shuffles, seed_for(self.seed, item.key)
        )
        place = {pair: at for at, pair in enumerate(found.neurons)}
        return {
            **self.asked(item),
            "relation": item.fact.relation,
            "neurons": found.neurons.to_array(),
            "groups": [[place[pair] for pair in group] for group in dkn.potential],
            "passed": dkn.passed,
            "excluded": dkn.excluded,
            "reason": dkn.reason,
            "jump": dkn.potential_jump,
            "jump_excluded": dkn.potential_excluded
            or any(each.potential_excluded for each in shuffles.judged),
            "shuffled": [
                {
                    "groups": [[place[pair] for pair in group] for group in groups],
                    "n": each.n,
                    "jump": each.potential_jump,
                }
                for groups, each in zip(shuffles.groups, shuffles.judged, strict=True)
            ],
        }
