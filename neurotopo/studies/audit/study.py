"""The study ``audit``: do groups of neurons each carry a fact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neurotopo.datasets.dataset import pluralize
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.truth import Truth
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.redundancy.ablation import RelationValues
from neurotopo.redundancy.scores import chosen_foils
from neurotopo.studies.audit.fact import audited
from neurotopo.studies.audit.frames import AuditFrames, AuditSummary, collect
from neurotopo.studies.audit.groups import GroupFinder
from neurotopo.studies.audit.items import AuditItem, audit_items
from neurotopo.studies.audit.options import AuditOptions
from neurotopo.studies.audit.pictures import PICTURES, fact_pictures
from neurotopo.studies.audit.report import TABLES, findings_of
from neurotopo.studies.audit.specificity import Bystanders
from neurotopo.studies.facts import worded_facts
from neurotopo.studies.rows import Row
from neurotopo.studies.study import Picture, Study, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STUDY", "AuditStudy"]


class AuditStudy(Study):
    """The study ``audit``: everything about the groups of each fact."""

    name, Options = "audit", AuditOptions
    title = "Do groups of neurons each carry a fact"
    notes = (
        "Scores are those of the answer at the tokens that predict it, teacher-forced. contrast: "
        "log p(answer) - log mean p(foil), over other answers of the relation. Neurons are ablated "
        "at these tokens only.",
        "rho = (necessity - sum of the single effects) / necessity. 0: the effects of the groups "
        "add up. Above 0: the groups replace each other. Below 0: they need each other.",
        "Verdicts: yes, no (below the margin beyond chance), undecided. Neurons chosen by "
        "attribution lower the score when they are ablated, in any model: necessity alone is no "
        "evidence that groups mean anything.",
        "Components that pass the paper's filter are chosen by what they keep alone, so "
        "sufficiency within is biased upwards for groups='dkn'; shuffled groups are not filtered.",
    )
    tables, pictures = TABLES, PICTURES
    frames = staticmethod(collect)
    findings = staticmethod(findings_of)

    def load(
        self, facts: Any, model: Any = None, *, most: int | None = None, seed: int = 0
    ) -> list[Fact]:
        """Return the facts in all their wordings; ``most`` counts facts, not wordings."""
        loaded = worded_facts(facts)
        if loaded is None:
            return super().load(facts, model, most=most, seed=seed)
        kept = loaded if most is None or most >= len(loaded) else loaded.sample(most, seed=seed)
        return [wording for fact in kept for wording in loaded.wordings[fact.key]]

    def check(self, facts: Sequence[Fact], options: AuditOptions, seed: int) -> tuple[str, ...]:
        """Refuse facts of which none has a foil."""
        if options.score != "contrast":
            return ()
        truth = Truth([*facts, *(options.background or ())])
        without = sum(not foils_of(truth, fact, most=1) for fact in facts)
        if without == len(facts):
            raise ValueError(
                "no fact has a foil: another answer of its relation. Add facts of the relation, "
                "as background too, or choose score='log-odds'."
            )
        return (f"{pluralize(without, 'fact')} without a foil cannot be judged.",) * bool(without)

    def draw(self, frames: AuditFrames, tables: Mapping[str, Table]) -> dict[str, Picture]:
        """Return the pictures by name; the number of those of single facts depends on the data."""
        return {**super().draw(frames, tables), **fact_pictures(frames)}

    def items(
        self, facts: Sequence[Fact], options: AuditOptions, seed: int, model: Any
    ) -> Sequence[AuditItem]:
        """Return the facts with all that their audit needs."""
        given = options.groups if isinstance(options.groups, Mapping) else None
        items = audit_items(
            facts,
            options.background or (),
            given,
            n_wordings=options.n_wordings,
            n_relation=options.n_relation,
            n_peers=options.n_draws,
            n_others=options.n_others,
            seed=seed,
        )
        if given is not None and not any(item.key in given for item in items):
            raise ValueError(
                f"groups: none of the {len(given)} keys is that of a fact; the first key is "
                f"{next(iter(given), None)!r}, that of the first fact {items[0].key!r}."
            )
        return items

    def setup(self) -> None:
        """Prepare the search for groups; values of relations are computed when needed."""
        self._finder = GroupFinder(self.model, self.options, self.seed)
        self._writes: dict[str, bool] = {}
        self._values: dict[Any, RelationValues] = {}
        self._bystanders: dict[Any, Bystanders] = {}

    def measure(self, item: AuditItem) -> dict[str, Any]:
        """Return the results about a fact."""
        item = self._usable(item)
        options, model, fact = self.options, self.model, item.fact
        known = bool(recalled(model, [fact], ends=False)[0])
        foils = chosen_foils(model, fact, item.foils, options.n_foils)
        about: dict[str, Any] = {
            "known": known,
            "score": options.score,
            "margin": options.margin,
            "n_foils": len(foils),
            "groups": [],
            "reason": None,
        }
        if options.only_known and not known:
            return {**about, "reason": "not known"}
        if options.score == "contrast" and not foils:
            return {**about, "reason": "no foils"}
        found = self._finder.find([fact, *item.wordings], item.groups)
        groups = found[0].groups
        about["groups"] = [group.to_array().tolist() for group in groups]
        if len(groups) < 2:
            return {**about, "reason": "fewer than two groups"}
        return {**about, **audited(self, item, foils, found)}

    def _usable(self, item: AuditItem) -> AuditItem:
        """Return the item without other facts that the model cannot be asked."""

        def usable(facts: Sequence[Fact]) -> tuple[Fact, ...]:
            for fact in facts:
                if fact.key not in self._writes:
                    try:
                        self.model.encode(fact)
                    except ValueError:
                        self._writes[fact.key] = False
                    else:
                        self._writes[fact.key] = True
            return tuple(fact for fact in facts if self._writes[fact.key])

        names = ("wordings", "relation", "peers", "same", "others")
        kept: dict[str, Any] = {name: usable(getattr(item, name)) for name in names}
        return replace(item, **kept)

    def rows(self, frames: AuditFrames) -> pd.DataFrame:
        """Return a row per fact."""
        return frames.facts

    def summary_of(self, frames: AuditFrames, rows: Sequence[Row]) -> AuditSummary:
        """Return the summary, with the frames."""
        return AuditSummary(**vars(super().summary_of(frames, rows)), frames=frames)

    def values_of(self, item: AuditItem) -> RelationValues:
        """Return the values of the relation of a fact; those of the last relation are kept."""
        name = item.relation_key
        if name not in self._values:
            self._values = {
                name: RelationValues(
                    self.model, item.relation, most=self.options.n_relation, seed=self.seed
                )
            }
        return self._values[name]

    def bystanders_of(self, item: AuditItem) -> Bystanders:
        """Return the other facts of a relation, on which effects are measured."""
        name = item.relation_key
        if name not in self._bystanders:
            self._bystanders = {name: Bystanders(self.model, [*item.same, *item.others])}
        return self._bystanders[name]

    def others_of(self, item: AuditItem) -> list[list[NeuronSet]]:
        """Return the groups of other facts of the relation, for the null ``other-fact``."""
        others = [fact for fact in item.peers if fact.key != item.key]
        return self._finder.others(others[: self.options.n_draws], item.groups)


STUDY = AuditStudy
