"""Run the parts of the plan for one model; each part resumes and keeps its record."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import environment

import neurotopo as nt
from neurotopo.datasets import Reworded, load_facts
from neurotopo.knowledge.facts import FactSet
from neurotopo.neurons import load_groups
from neurotopo.studies import Result, Store, report, run
from neurotopo.studies.study import digest_of, identity_of_model
from replication.beyond import MEASUREMENTS
from replication.effects import effects_of, precision_effects
from replication.facts import Facts
from replication.plan import BEYOND, N_WORDINGS, PARTS, Part
from replication.planting import planted_copy
from replication.variants import PRECISIONS, variant_of


class Replication:
    """The parts of one model.

    Parameters
    ----------
    name : str
        Name of the model in the plan.
    source : str
        What :func:`neurotopo.load_model` takes.
    work : Path
        Folder of the runs and records.
    planted : Path or None
        Folder of the planted copy. None: a folder in ``work``; the copy is made if it is not there.
    **data
        Parameters of :class:`~replication.facts.Facts`.
    """

    def __init__(
        self, name: str, source: str, work: Path, planted: Path | None = None, **data: Any
    ) -> None:
        self.name, self.source, self.work = name, source, work
        self._planted, self.data = planted or work / "planted", data
        self.work.mkdir(parents=True, exist_ok=True)
        self._variant: tuple[str, nt.NeuronModel] | None = None

    def model(self, variant: str) -> nt.NeuronModel:
        """Return a variant of the model; one is in memory at a time, besides the model itself."""
        if variant == "itself":
            return self.itself
        if self._variant is None or self._variant[0] != variant:
            self._variant = None
            gc.collect()
            if variant == "planted":
                self._variant = variant, variant_of("itself", str(self.planted))
            else:
                self._variant = variant, variant_of(variant, self.source)
        return self._variant[1]

    @cached_property
    def itself(self) -> nt.NeuronModel:
        """The model."""
        return variant_of("itself", self.source)

    @cached_property
    def planted(self) -> Path:
        """The folder of the planted copy."""
        if not (self._planted / "planting.json").exists():
            planted_copy(self.itself, self._planted, list(self.facts.known))
        return self._planted

    @cached_property
    def facts(self) -> Facts:
        """The facts of all parts: those of the record of the funnel, if they were the same."""
        facts = Facts(self.itself, self.work, **self.data)
        place = self.work / "funnel.json"
        record = json.loads(place.read_text()) if place.exists() else {}
        if record.get("asked") == digest_of(sorted(facts.asked.wordings)):
            facts.listed = record["known"]
        return facts

    def parts(self) -> dict[str, Part]:
        """Return the parts of this model."""
        return {name: part for name, part in PARTS.items() if part.only in (None, self.name)}

    def run_all(self, only: tuple[str, ...] = (), again: bool = False) -> None:
        """Run what has no record yet: the funnel, the parts, and what goes beyond the paper."""
        self._record("funnel", self.funnel, again)
        for name, part in self.parts().items():
            if not only or name in only:
                self._record(name, partial(self.part, name, part), again)
        for name in BEYOND:
            if not only or name in only:
                self._record(name, partial(MEASUREMENTS[name].of, self), again)

    def _record(self, name: str, work: Callable[[], Mapping[str, Any]], again: bool) -> None:
        """Write the record of a part, unless there is one of the same plan."""
        place, plan = self.work / f"{name}.json", plan_of(name)
        if place.exists() and not again and json.loads(place.read_text())["plan"] == plan:
            return
        print(time.strftime("%H:%M"), self.name, name, flush=True)
        start = time.time()
        try:
            found = work()
        except (ValueError, FileNotFoundError) as error:
            found = {"problem": str(error)}
        found = {"plan": plan, "wall_seconds": round(time.time() - start, 1), **found}
        place.write_text(json.dumps(found, indent=1, allow_nan=True) + "\n")

    def funnel(self) -> dict[str, Any]:
        """Ask the model all facts."""
        replies = self.facts.replies
        wordings = [sum(r.exact for r in replies.replies[f.key]) for f in self.facts.known]
        return {
            "funnel": replies.funnel().to_dict("records"),
            "by_relation": replies.by_relation().to_dict("records"),
            "known_wordings": {str(n): wordings.count(n) for n in sorted(set(wordings))},
            "n_draws": [
                len(self.facts.named(name)) for name in ("first draw", "second draw", "given")
            ],
            "asked": digest_of(sorted(self.facts.asked.wordings)),
            "known": self.facts.known_wordings,
            "model": identity_of_model(self.itself),
            "environment": environment.describe_environment(),
        }

    def part(self, name: str, part: Part) -> dict[str, Any]:
        """Run or resume a part and return its record."""
        options, planted = {**part.options}, part.facts == "planted"
        if planted:
            named: Any = load_facts(self.planted / "facts.jsonl")
            options["groups"] = load_groups(self.planted / "groups.json")
        else:
            named = self.facts.named(part.facts)
            if part.study == "audit" and part.facts not in ("commonsense", "linguistic"):
                options["background"] = self.facts.background
        facts = _first(named, part.n)
        model = self.model(part.variant)
        result = run(
            part.study,
            model=model,
            facts=facts,
            out=self.work / name,
            seed=part.seed,
            preset=part.preset,
            check=False,
            progress=True,
            **options,
        )
        relations = {fact.key: fact.relation or "" for fact in facts}
        outcome = result.outcome
        assert outcome.out is not None
        with Store(outcome.out / "results.sqlite", read_only=True) as store:
            seconds = sum(row.seconds for row in store.rows(outcome.run))
        return {
            "n_facts": len(facts),
            "n_relations": len(set(relations.values())),
            "facts": digest_of(sorted(relations)),
            "n_done": outcome.n_done,
            "n_failed": outcome.n_failed,
            "unit": outcome.unit,
            "seconds": round(float(seconds), 1),
            "effects": effects_of(part.study, result, relations),
            "findings": list(result.findings),
            "claims": list(result.claims),
            **({"planting": self._planting()} if planted else {}),
            **self._beside_float32(part, result, relations),
            "tables": {
                table: result.tables[table].to_dict("records")
                for table in _TABLES.get(part.study, ())
                if table in result.tables
            },
        }

    def _beside_float32(
        self, part: Part, result: Result, relations: Mapping[str, str]
    ) -> dict[str, Any]:
        """Compare the audit of another precision with that of the same facts in float32."""
        single = self.work / "audit"
        if part.variant not in PRECISIONS or not (single / "run.json").exists():
            return {}
        return {"beside_float32": precision_effects(result, report(single), relations)}

    def _planting(self) -> dict[str, Any]:
        """Return what was planted, and what the copy answers; no texts."""
        record = json.loads((self.planted / "planting.json").read_text())
        del record["losses"], record["after"]["redundant"]
        return dict(record)


_TABLES = {
    "audit": ("facts", "nulls", "ablations", "quantities", "wordings"),
    "acquisition": ("facts", "table1", "table1_counts", "dkns", "exclusions", "layers"),
    "robustness": ("facts", "figure6a", "figure7"),
    "learning": ("table2", "gains", "table11", "sets"),
    "detection": ("detection", "neurons"),
    "critique": ("knowledge", "categorical", "edits"),
    "choices": ("choices",),
    "crosslingual": ("facts",),
}
"""Tables of each study that go into the record; none of them has texts of facts."""


def _first(facts: Any, most: int) -> Any:
    """Return the first facts, in an order that does not depend on their content."""
    if len(facts) <= most:
        return facts
    if isinstance(facts, Reworded):
        return facts.sample(most, seed=0)
    return list(facts.sample(most, seed=0) if isinstance(facts, FactSet) else facts)[:most]


def plan_of(name: str) -> Any:
    """Return what a record says about its plan, in types that JSON can hold."""
    if name == "funnel":
        return {"wordings": N_WORDINGS}
    plan = {"n": MEASUREMENTS[name].n} if name in BEYOND else asdict(PARTS[name])
    return json.loads(json.dumps(plan))


def restore(work: Path, out: Path, name: str) -> None:
    """Write the records in ``out`` to ``work``, where there are none: these parts do not run."""
    place = out / f"replication_{name}.json"
    for part, record in _current(json.loads(place.read_text())["parts"] if place.exists() else {}):
        if not (work / f"{part}.json").exists():
            (work / f"{part}.json").write_text(json.dumps(record, indent=1) + "\n")


def collect(work: Path, out: Path, name: str) -> None:
    """Write the records of all parts as one file, ``replication_NAME.json``."""
    places = {place.stem: place for place in work.glob("*.json")}
    found = {part: json.loads(place.read_text()) for part, place in places.items()}
    environment.write({"model": name, "parts": dict(_current(found))}, out, f"replication_{name}")


def _current(records: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the records of the present plan, in its order."""
    for name in ("funnel", *PARTS, *BEYOND):
        if name in records and records[name]["plan"] == plan_of(name):
            yield name, records[name]
