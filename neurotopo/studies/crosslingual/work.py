"""What is measured about one fact in several languages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.languages import cross_lingual_edit
from neurotopo.models.edits import Edit
from neurotopo.neurons import NeuronSet
from neurotopo.studies.acquisition.work import AcquisitionWork
from neurotopo.studies.crosslingual.draws import KINDS, random_like, some
from neurotopo.studies.crosslingual.items import LanguageFact
from neurotopo.studies.crosslingual.options import CrosslingualOptions
from neurotopo.studies.models import model_for
from neurotopo.studies.study import seed_for

__all__ = ["STAGES", "CrosslingualWork", "prepare"]

STAGES = ("fact", "languages", "edits")


def prepare(model: Any, given: Mapping[str, Any]) -> CrosslingualWork:
    """Load the model and return the work per fact."""
    return CrosslingualWork(model_for(model, given), CrosslingualOptions.of(given), given["seed"])


class CrosslingualWork:
    """The neurons of a fact in each language, and edits of them asked for in the others.

    Parameters
    ----------
    model : NeuronModel
        The model.
    options : CrosslingualOptions
        What is done.
    seed : int
        Seed of everything that is random; each fact has one of its own made from it.
    """

    def __init__(self, model: Any, options: CrosslingualOptions, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self._by_language: dict[str, AcquisitionWork] = {}

    def __call__(self, item: LanguageFact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        nothing: dict[str, Any] = {"languages": {}, "edits": {}}
        if item.missing:
            return {
                "fact": {"known": {}, "languages": [], "missing": list(item.missing)},
                **nothing,
            }
        known = self._known(item)
        # a mapping is stored by the letters of its names, so their order is stored beside it
        about = {"fact": {"known": known, "languages": list(item.facts), "missing": []}}
        if self.options.only_known and not all(known.values()):
            return {**about, **nothing}
        found = {language: self._acquire(language, fact) for language, fact in item.facts.items()}
        neurons = {
            language: NeuronSet(map(tuple, result["fact"]["neurons"].tolist()))
            for language, result in found.items()
        }
        return {**about, "languages": found, "edits": self._edits(item, neurons)}

    def _known(self, item: LanguageFact) -> dict[str, bool]:
        from neurotopo.models.recall import recalled

        given = recalled(self.model, list(item.facts.values()), ends=False)
        return dict(zip(item.facts, map(bool, given), strict=True))

    def _acquire(self, language: str, fact: Fact) -> dict[str, Any]:
        """Return what the acquisition study measures about the fact in one language."""
        if language not in self._by_language:
            options = self.options.acquisition(language)
            self._by_language[language] = AcquisitionWork(self.model, options, self.seed)
        result = self._by_language[language](fact)
        return {"fact": result["fact"], "methods": result["methods"]}

    def _edits(self, item: LanguageFact, neurons: Mapping[str, NeuronSet]) -> dict[str, Any]:
        arms: dict[str, list[Any]] = {}
        matched: dict[str, list[Any]] = {}
        for first, second in combinations(item.facts, 2):
            facts = {language: item.facts[language] for language in (first, second)}
            own = {language: neurons[language] for language in facts}
            rng = np.random.default_rng(
                [seed_for(self.seed, item.key), *f"{first}+{second}".encode()]
            )
            shape = {"n_layers": self.model.n_layers, "n_neurons": self.model.n_neurons}
            sets = {
                "own": own,
                "random": random_like(own, rng, **shape),
                "random_layers": random_like(own, rng, **shape, by_layer=True),
            }
            for scale in self.options.scales:
                at = {"first": first, "second": second, "scale": float(scale)}
                for kind in KINDS:
                    for row in self._arms(facts, sets[kind], scale):
                        _add(arms, {**at, "neurons": kind, **row})
            for row in self._matched(facts, own, rng):
                _add(matched, {"first": first, "second": second, **row})
        return {"arms": arms, "matched": matched}

    def _arms(
        self, facts: Mapping[str, Fact], neurons: Mapping[str, NeuronSet], scale: float
    ) -> list[dict[str, Any]]:
        options = self.options
        result = cross_lingual_edit(
            self.model,
            facts,
            neurons,
            scale=scale,
            positions=options.positions,  # type: ignore[arg-type]
            least_change=options.least_change,
            reduce=options.reduce,  # type: ignore[arg-type]
        )
        rows = []
        for asked in result.results:
            row = {name: value for name, value in asdict(asked).items() if name != "edited"}
            rows.append({**row, "reason": self._reason(asked.before, asked.after)})
        return rows

    def _reason(self, before: float, *after: float) -> str | None:
        """Return why a relative change does not count, as Eq 18 has it."""
        if not before > 0:
            return "probability zero"
        largest = max(abs(value - before) / before for value in after)
        return "extreme change" if largest > self.options.max_change else None

    def _matched(
        self, facts: Mapping[str, Fact], own: Mapping[str, NeuronSet], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Edit as many shared neurons of one language as others of it, and ask in the other."""
        rows = []
        for edited, asked in (tuple(facts), tuple(facts)[::-1]):
            shared = own[edited] & own[asked]
            others = own[edited] - shared
            n = min(len(shared), len(others))
            chosen = [some(shared, n, rng), some(others, n, rng)]
            for scale in self.options.scales:
                edits = [
                    Edit(each, scale=scale, positions=self.options.positions)  # type: ignore[arg-type]
                    for each in chosen
                ]
                before = after = others_after = math.nan
                reason: str | None = "nothing to compare"
                if n:
                    before, after, others_after = self.model.answer_probability(
                        facts[asked], edits=[None, *edits], reduce=self.options.reduce
                    ).tolist()
                    reason = self._reason(before, after, others_after)
                rows.append(
                    {
                        "edited": edited,
                        "asked": asked,
                        "scale": float(scale),
                        "n_neurons": n,
                        "before": before,
                        "shared": after,
                        "others": others_after,
                        "reason": reason,
                    }
                )
        return rows


def _add(columns: dict[str, list[Any]], row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)
