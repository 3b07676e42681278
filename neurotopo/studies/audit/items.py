"""What the audit of one fact needs: its wordings, foils, other facts and given groups."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.truth import Truth
from neurotopo.neurons import NeuronSet, load_groups
from neurotopo.studies.study import digest_of

__all__ = ["AuditItem", "audit_items", "check_groups", "digest_of", "given_groups", "groups_digest"]

Relation: TypeAlias = tuple[str | None, str]
"""Name and language."""

_MOST_FOILS = 50


@dataclass(frozen=True, eq=False)
class AuditItem:
    """A fact, and the other facts that its audit needs.

    Attributes
    ----------
    fact : Fact
        The fact in its first wording.
    wordings : tuple of Fact
        Its other wordings.
    foils : tuple of str
        Wrong answers, see :func:`~neurotopo.knowledge.foils.foils_of`.
    relation : tuple of Fact
        Facts of the relation, for ablation; the same for all its facts, so one may be ``fact``.
    peers : tuple of Fact
        Facts of the relation whose groups are the null ``other-fact``; one may be ``fact``.
    same, others : tuple of Fact
        Facts of the relation (one may be ``fact``) and of other relations, for specificity.
    groups : mapping of str to list of NeuronSet, or None
        The groups that were given for the fact, for its wordings and for facts of the relation.
        None: a method finds them.
    """

    fact: Fact
    wordings: tuple[Fact, ...]
    foils: tuple[str, ...]
    relation: tuple[Fact, ...]
    peers: tuple[Fact, ...]
    same: tuple[Fact, ...]
    others: tuple[Fact, ...]
    groups: Mapping[str, list[NeuronSet]] | None

    @property
    def key(self) -> str:
        """The key of the fact."""
        return self.fact.key

    @property
    def relation_key(self) -> Relation:
        """Relation and language of the fact, whose facts share ``relation``."""
        return self.fact.relation, self.fact.language

    def to_dict(self) -> dict[str, Any]:
        """Return what identifies the item in types that JSON can hold."""
        names = {name: getattr(self, name) for name in ("relation", "peers", "same", "others")}
        content: dict[str, Any] = {
            "fact": self.fact.to_dict(),
            "wordings": [fact.to_dict() for fact in self.wordings],
            "foils": list(self.foils),
            **{
                name: digest_of([fact.to_dict() for fact in facts]) for name, facts in names.items()
            },
        }
        if self.groups is not None:
            content["groups"] = _plain(self.groups)
        return content


def audit_items(
    facts: Sequence[Fact],
    background: Iterable[Fact],
    given: Mapping[str, list[NeuronSet]] | None,
    *,
    n_wordings: int,
    n_relation: int,
    n_peers: int,
    n_others: int,
    seed: int,
) -> list[AuditItem]:
    """Return the items of the facts, those of a relation one after the other.

    Facts of one relation, subject, language, date and answers are wordings of one fact: the first
    one is judged, the next ones are its other wordings.

    Parameters
    ----------
    facts : sequence of Fact
        The facts that are judged.
    background : iterable of Fact
        More facts, for foils, ablation and specificity only.
    given : mapping of str to list of NeuronSet, or None
        Groups by the key of a fact.
    n_wordings, n_relation, n_peers, n_others : int
        The most other wordings; facts of the relation for ablation, and those whose groups are a
        null; other facts of the relation and of other relations.
    seed : int
        Seed of the draws; they depend on the relation alone, so that its facts share their values.

    Returns
    -------
    list of AuditItem
    """
    judged = _by_subject(facts)
    firsts = {wordings[0].key: wordings[0] for wordings in judged}
    pool = dict(firsts)
    own = {fact.key for fact in facts}
    for wordings in _by_subject(fact for fact in background if fact.key not in own):
        pool.setdefault(wordings[0].key, wordings[0])
    truth = Truth([*facts, *pool.values()])
    relations: dict[Relation, list[Fact]] = {}
    for fact in pool.values():
        relations.setdefault((fact.relation, fact.language), []).append(fact)
    most = {"relation": n_relation, "peers": n_peers, "same": n_others, "others": n_others}
    drawn = {name: _Drawn(name, relations, firsts, most, seed) for name in relations}
    items = []
    for wordings in judged:
        fact, more = wordings[0], tuple(wordings[1 : n_wordings + 1])
        draws = drawn[fact.relation, fact.language]
        keys = [each.key for each in (fact, *more, *draws.peers)]
        items.append(
            AuditItem(
                fact,
                more,
                foils_of(truth, fact, _MOST_FOILS, seed=seed),
                draws.relation,
                draws.peers,
                draws.same,
                draws.others,
                None if given is None else {key: given[key] for key in keys if key in given},
            )
        )
    order = list(relations)
    return sorted(items, key=lambda item: order.index(item.relation_key))


class _Drawn:
    """The facts that all facts of a relation share; one more than needed of the relation."""

    def __init__(
        self,
        name: Relation,
        relations: Mapping[Relation, Sequence[Fact]],
        judged: Mapping[str, Fact],
        most: Mapping[str, int],
        seed: int,
    ) -> None:
        own = relations[name]
        rest = [
            fact
            for other, facts in relations.items()
            if other != name and other[1] == name[1]
            for fact in facts
        ]

        def draw(purpose: str, pool: Sequence[Fact]) -> list[Fact]:
            order = seeded(seed, purpose, f"{name[0]} {name[1]}").permutation(len(pool))
            return [pool[i] for i in order]

        self.relation = tuple(draw("relation", own)[: most["relation"] + 1])
        # the groups of judged facts are found anyway
        peers = sorted(draw("peers", own), key=lambda fact: fact.key not in judged)
        self.peers = tuple(peers[: most["peers"] + 1])
        self.same = tuple(draw("same", own)[: most["same"] + 1])
        self.others = tuple(draw("others", rest)[: most["others"]])


def _by_subject(facts: Iterable[Fact]) -> list[list[Fact]]:
    """Return the wordings of each fact; a fact without a subject has one."""
    found: dict[Any, list[Fact]] = {}
    for fact in facts:
        topic = (fact.relation, fact.subject, fact.language, fact.date, fact.answers)
        own = found.setdefault(topic if fact.subject is not None else fact.key, [])
        if all(fact.prompt != other.prompt for other in own):
            own.append(fact)
    return list(found.values())


def given_groups(groups: Any) -> dict[str, list[NeuronSet]]:
    """Return groups from a file or a mapping, checked.

    Parameters
    ----------
    groups : path-like, str or mapping
        A file (:func:`~neurotopo.neurons.load_groups`), or groups by the key of the fact.

    Returns
    -------
    dict of str to list of NeuronSet

    Raises
    ------
    ValueError
        If a group is empty or two groups of a fact share a neuron.

    Examples
    --------
    >>> from neurotopo.studies.audit.items import given_groups
    >>> given_groups({"paris": [[(0, 1), (2, 3)], [(1, 1)]]})
    {'paris': [NeuronSet([(0, 1), (2, 3)]), NeuronSet([(1, 1)])]}
    >>> given_groups({"paris": [[(0, 1), (2, 3)], [(2, 3)]]})
    Traceback (most recent call last):
        ...
    ValueError: groups 0 and 1 of 'paris' share the neuron (2, 3). Groups of a fact must not ...
    """
    if isinstance(groups, str | os.PathLike):
        found = load_groups(groups)
    elif isinstance(groups, Mapping):
        found = {}
        for key, of_fact in groups.items():
            if not isinstance(key, str):
                raise TypeError(f"the keys of groups must be keys of facts, got {key!r}.")
            try:
                found[key] = [NeuronSet(group) for group in of_fact]
            except (TypeError, ValueError) as error:
                raise type(error)(f"the groups of {key!r}: {error}") from None
    else:
        raise TypeError(
            "groups must be the name of a method, a file, or a mapping from keys of facts to lists "
            f"of groups, got {type(groups).__name__}."
        )
    for key, of_fact in found.items():
        check_groups(key, of_fact)
    return found


def check_groups(key: str, groups: Sequence[NeuronSet]) -> None:
    """Raise an error for groups that are empty or share neurons."""
    owner: dict[tuple[int, int], int] = {}
    for number, group in enumerate(groups):
        if not len(group):
            raise ValueError(f"group {number} of {key!r} has no neurons; leave it out.")
        for pair in group:
            if owner.setdefault(pair, number) != number:
                raise ValueError(
                    f"groups {owner[pair]} and {number} of {key!r} share the neuron {pair}. Groups "
                    "of a fact must not overlap: the effect of a shared neuron would count twice."
                )


def _plain(groups: Mapping[str, Sequence[NeuronSet]]) -> dict[str, Any]:
    return {
        key: [group.to_array().tolist() for group in of_fact] for key, of_fact in groups.items()
    }


def groups_digest(given: Mapping[str, Sequence[NeuronSet]]) -> str:
    """Return a hash of given groups."""
    return digest_of(_plain(given))
