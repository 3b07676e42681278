"""The facts of every part: the known facts of a model, drawn once, and other kinds of facts."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

import neurotopo as nt
from neurotopo.datasets import Reworded, known_facts, load_pararel, load_templama
from neurotopo.datasets.known import KnownFacts
from neurotopo.datasets.lama import in_wordings
from neurotopo.knowledge.subject_leak import answer_in_subject
from replication import kinds
from replication.plan import N_DRAW, N_WORDINGS, PER_RELATION

MOST_FOILS = 8
N_BACKGROUND = 50
_DATED = ("P54", "P39", "P108", "P286", "P102", "P488", "P6", "P127", "P69")


class Facts:
    """The facts of one model, by name; replies are written to a file and asked once.

    Parameters
    ----------
    model : NeuronModel
    folder : Path
        Folder of the replies.
    pararel, templama : path-like or None
        The data; without them the facts that need them are missing.
    per_relation, n_draw : int
        The most facts of a relation that are asked, and facts of a draw.
    listed : mapping of str to list of int, optional
        The known facts of an earlier funnel, with the numbers of the wordings in which they are
        known: the model is not asked again. They must be facts of ``asked``.
    """

    def __init__(
        self,
        model: nt.NeuronModel,
        folder: Path,
        *,
        pararel: str | os.PathLike[str],
        templama: str | os.PathLike[str] | None = None,
        per_relation: int = PER_RELATION,
        n_draw: int = N_DRAW,
        listed: Mapping[str, Sequence[int]] | None = None,
    ) -> None:
        self.model = model
        self.folder = folder
        self.pararel = pararel
        self.templama = templama
        self.per_relation = per_relation
        self.n_draw = n_draw
        self.listed = listed

    @cached_property
    def asked(self) -> Reworded:
        """Facts of ParaRel, drawn within each relation, in their first causal wordings."""
        every = load_pararel(self.pararel, prompts="causal", on_error="skip")
        return _drawn(every, self.per_relation, seed=0)

    @cached_property
    def replies(self) -> KnownFacts:
        """The replies of the model; an interrupted call goes on."""
        return known_facts(
            self.model,
            self.asked,
            most_foils=MOST_FOILS,
            store=self.folder / "replies.jsonl",
            progress=True,
        )

    @cached_property
    def known(self) -> Reworded:
        """The facts that the model knows in at least one wording."""
        if self.listed is None:
            return self.replies.facts()
        asked = self.asked.wordings
        wordings = {
            key: in_wordings(key, [asked[key][i] for i in numbers])
            for key, numbers in self.listed.items()
        }
        return Reworded(wordings, truth=self.asked.truth)

    @cached_property
    def known_wordings(self) -> dict[str, list[int]]:
        """The numbers of the wordings in which each known fact is known; no texts."""
        return {key: list(about["number"]) for key, about in self.replies.facts().known.items()}

    @cached_property
    def _draws(self) -> tuple[list[str], list[str]]:
        """Keys of two draws without common facts, in turn from every relation."""
        by_relation: dict[str, list[str]] = {}
        for fact in self.known:
            if answer_in_subject(fact) is None:
                by_relation.setdefault(fact.relation or "", []).append(fact.key)
        rng = np.random.default_rng(0)
        queues = [list(rng.permutation(keys)) for _, keys in sorted(by_relation.items())]
        order: list[str] = []
        while any(queues):
            order += [queue.pop() for queue in queues if queue]
        order = order[: 2 * self.n_draw]
        return sorted(order[::2]), sorted(order[1::2])

    @cached_property
    def background(self) -> list[nt.Fact]:
        """Facts of all relations, for foils and for values of other subjects."""
        return list(_drawn(self.asked, N_BACKGROUND, seed=1))

    def named(self, name: str) -> Any:
        """Return the facts with a name of the plan."""
        first, second = self._draws if "draw" in name else ([], [])
        if name == "first draw":
            return _some(self.known, first)
        if name == "second draw":
            return _some(self.known, second)
        if name == "both draws":
            return _some(self.known, [*first, *second])
        if name == "given":
            given = [f.key for f in self.known if answer_in_subject(f) is not None]
            return _some(self.known, given)
        if name == "unknown":
            known = {fact.key for fact in self.known}
            unknown = [fact.key for fact in self.asked if fact.key not in known]
            return _some(self.asked, unknown)
        if name == "two languages":
            return kinds.capitals()
        if name == "dated":
            if self.templama is None:
                raise FileNotFoundError("TempLAMA is not given (NEUROTOPO_TEMPLAMA)")
            dated = load_templama(Path(self.templama) / "train.jsonl", on_error="skip")
            return dated.filter(predicate=lambda f: f.relation in _DATED and f.date == "2018")
        if name in ("commonsense", "linguistic"):
            return known_facts(self.model, Reworded(kinds.kinds(name))).facts()
        raise ValueError(f"there are no facts with the name {name!r}.")


def _some(facts: Reworded, keys: list[str]) -> Reworded:
    wanted = set(keys)
    return facts.filter(predicate=lambda fact: fact.key in wanted)


def _drawn(facts: Reworded, most: int, seed: int) -> Reworded:
    """Draw at most so many facts of each relation, in at most so many wordings as the plan has."""
    rng = np.random.default_rng(seed)
    by_relation: dict[str, list[str]] = {}
    for fact in facts:
        by_relation.setdefault(fact.relation or "", []).append(fact.key)
    keys = {
        str(key) for _, some in sorted(by_relation.items()) for key in rng.permutation(some)[:most]
    }
    kept: Mapping[str, tuple[nt.Fact, ...]] = {
        fact.key: facts.wordings[fact.key][:N_WORDINGS] for fact in facts if fact.key in keys
    }
    return Reworded(kept, truth=facts.truth)
