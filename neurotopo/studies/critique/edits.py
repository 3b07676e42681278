"""Edits: a fact gets a new answer by training the neurons of a set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neurotopo.datasets.perturbation import seeded
from neurotopo.datasets.rewording import paraphrases
from neurotopo.datasets.truth import Truth
from neurotopo.datasets.wrong import counterfactual_answers
from neurotopo.knowledge.facts import Fact
from neurotopo.models.answers import masked_fillings
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.evaluation import dropout_off
from neurotopo.models.passes import Query
from neurotopo.models.prompts import split_prompt
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.critique.pairs import digest_of
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.study import seed_for
from neurotopo.tuning.tuner import NeuronTuner

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.testbed.world import World

__all__ = ["REVERSED", "Candidate", "EditCase", "EditWork", "edit_cases", "reverse_of", "truth_of"]

REVERSED: Mapping[str, str] = {
    "capital": "{answer} is the capital of _X_",
    "founder": "{answer} is the founder of _X_",
    "P6": "{answer} is the head of the government of _X_",
    "P286": "{answer} is the head coach of _X_",
    "P488": "{answer} is the chair of _X_",
}
"""By relation that may be one-to-one: how a causal model is asked for the subject."""

_NEIGHBOURS = 8


@dataclass(frozen=True)
class Candidate:
    """A fact that may be edited.

    Attributes
    ----------
    fact : Fact
        The fact, with the one answer that is replaced.
    new : str
        The new answer, which was never true of the subject.
    wordings : tuple of Fact
        The fact in other words.
    one_to_one : bool
        Whether the relation may be turned round for both answers.
    neighbours : tuple of Fact
        Other facts of the relation.
    """

    fact: Fact
    new: str
    wordings: tuple[Fact, ...] = field(repr=False)
    one_to_one: bool
    neighbours: tuple[Fact, ...] = field(repr=False)

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        return {
            "fact": self.fact.to_dict(),
            "new": self.new,
            "one_to_one": self.one_to_one,
            "wordings": [fact.to_dict() for fact in self.wordings],
            "neighbours": [fact.to_dict() for fact in self.neighbours],
        }


@dataclass(frozen=True)
class EditCase:
    """One edit: of several facts the first that is fit for it.

    Attributes
    ----------
    number : int
        Its number, from 1.
    candidates : tuple of Candidate
        The facts that are tried, in order.
    """

    number: int
    candidates: tuple[Candidate, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Its name among all that is worked on; other candidates have another."""
        return f"edit {self.number} [{self._digest[:8]}]"

    @cached_property
    def _digest(self) -> str:
        return digest_of([one.to_dict() for one in self.candidates])

    def to_dict(self) -> dict[str, Any]:
        """Return what it is, the candidates as a hash."""
        return {
            "part": "edit",
            "number": self.number,
            "n_candidates": len(self.candidates),
            "candidates": self._digest,
        }


@cache
def _world() -> World:
    from neurotopo.testbed.world import make_world

    return make_world()


@cache
def _worded(relation: str, language: str, wording: int) -> dict[str, Fact]:
    from neurotopo.testbed.statements import core_id

    found = _world().facts(language=language, relation=relation, wording=wording)
    return {core_id(fact): fact for fact in found}


def _core_of(fact: Fact) -> str | None:
    """Return what a fact of the test bed's world states; None for others."""
    try:
        core = _world().statement(fact).id
    except ValueError:
        return None
    own = _worded(core.split(":")[0], fact.language, 0)[core]
    same = own.subject == fact.subject and set(fact.answers) <= set(own.answers)
    return core if same else None


def truth_of(facts: Sequence[Fact]) -> Truth:
    """Return what is true: the facts, and all of their world if they are of the test bed's.

    Parameters
    ----------
    facts : sequence of Fact
        The facts.

    Returns
    -------
    Truth
    """
    truth = Truth(facts)
    of_world = {(fact.relation, fact.language) for fact in facts if _core_of(fact) is not None}
    for relation, language in sorted(of_world, key=str):
        truth.update(Truth(_worded(str(relation), language, 0).values()))
    return truth


def edit_cases(facts: Sequence[Fact], truth: Truth, options: Any, seed: int) -> list[EditCase]:
    """Return the edits of a study, every other one of a relation that can be turned round.

    Parameters
    ----------
    facts : sequence of Fact
        The facts.
    truth : Truth
        What is true.
    options : CritiqueOptions
        How many edits, and of how many facts each may choose.
    seed : int
        Seed of the facts, the new answers and the neighbours.

    Returns
    -------
    list of EditCase
        Those that have a fact to try at all.
    """
    if not options.n_edits:
        return []
    order = seeded(seed, "edits", "order").permutation(len(facts))
    drawn = [facts[i] for i in order]
    turned = [fact for fact in drawn if fact.relation in REVERSED]
    others = [fact for fact in drawn if fact.relation not in REVERSED]
    owners = _owners(facts)
    dealt: list[list[Candidate]] = [[] for _ in range(options.n_edits)]
    for i in range(options.n_edits * options.edit_tries):
        row = dealt[i % options.n_edits]
        # first one kind, then the other, then what is left of either
        first, second = (turned, others) if i % options.n_edits % 2 == 0 else (others, turned)
        while (first or second) and (found := _next(first, second, facts, truth, owners, seed)):
            if isinstance(found, Candidate):
                row.append(found)
                break
    return [EditCase(i + 1, tuple(row)) for i, row in enumerate(dealt) if row]


_Owners = dict[tuple[str | None, str | None, str], set[str | None]]


def _next(
    first: list[Fact],
    second: list[Fact],
    facts: Sequence[Fact],
    truth: Truth,
    owners: _Owners,
    seed: int,
) -> Candidate | str:
    """Take the next fact and return what can be asked of it, or why it is passed over."""
    fact = (first or second).pop(0)
    try:
        new = counterfactual_answers(fact, truth, seed=seed)[0]
    except ValueError:
        return "no wrong answer"
    both = (fact.answers[0], new)
    single = all(len(owners.get((fact.relation, fact.date, name), ())) <= 1 for name in both)
    near = [
        other
        for other in facts
        if other.relation == fact.relation
        and other.language == fact.language
        and other.subject != fact.subject
    ]
    chosen = seeded(seed, "neighbours", fact.key).permutation(len(near))[:_NEIGHBOURS]
    one = replace(fact, answers=fact.answers[:1])
    return Candidate(
        fact=one,
        new=new,
        wordings=_wordings(one),
        one_to_one=fact.relation in REVERSED and fact.subject is not None and single,
        neighbours=tuple(near[i] for i in chosen),
    )


def _owners(facts: Iterable[Fact]) -> _Owners:
    """Return of whom each answer is true, by relation and date."""
    facts = list(facts)
    found: _Owners = {}
    of_world = {(fact.relation, fact.language) for fact in facts if _core_of(fact) is not None}
    more = [
        other
        for relation, language in sorted(of_world, key=str)
        for other in _worded(str(relation), language, 0).values()
    ]
    for fact in (*facts, *more):
        for answer in fact.answers:
            found.setdefault((fact.relation, fact.date, answer), set()).add(fact.subject)
    return found


def _wordings(fact: Fact) -> tuple[Fact, ...]:
    """Return a fact in other words: those of its world, or else those of TempLAMA."""
    core = _core_of(fact)
    if core is not None:
        relation = core.split(":")[0]
        texts = range(_world().n_wordings(relation, fact.language))
        found = [_worded(relation, fact.language, i)[core] for i in texts]
        return tuple(
            replace(other, answers=fact.answers) for other in found if other.prompt != fact.prompt
        )
    try:
        return tuple(other for other in paraphrases(fact) if other.prompt != fact.prompt)
    except ValueError:  # nobody wrote other wordings of this relation
        return ()


def reverse_of(fact: Fact, answer: str, causal: bool) -> Fact | None:
    """Ask for the subject of which an answer is true.

    Parameters
    ----------
    fact : Fact
        The fact.
    answer : str
        The answer that is given.
    causal : bool
        A causal model gets a sentence that ends with the subject, :data:`REVERSED`; a masked one
        the sentence of the fact, with the subject masked.

    Returns
    -------
    Fact or None
        None where there is no such sentence.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.critique.edits import reverse_of
    >>> fact = Fact("The capital of Zúnia is _X_.", "São Peko", "capital", subject="Zúnia")
    >>> reverse_of(fact, "Marly", causal=True).prompt
    'Marly is the capital of _X_'
    >>> reverse_of(fact, "Marly", causal=False).prompt
    'The capital of _X_ is Marly.'
    """
    template = REVERSED.get(fact.relation or "")
    if fact.subject is None or template is None:
        return None
    if causal:
        prompt = template.format(answer=answer)
        prompt = prompt if fact.date is None else f"In {fact.date}, {prompt}"
    else:
        parts = split_prompt(fact.prompt) or (f"{fact.prompt} ", "")
        before, after = parts
        if f"{before} {after}".count(fact.subject) != 1:
            return None
        prompt = answer.join(part.replace(fact.subject, "_X_") for part in (before, after))
    return Fact(
        prompt, fact.subject, date=fact.date, id=f"{fact.key}~reverse", language=fact.language
    )


_SIZED = ("dkn", "kn", "random")


class EditWork:
    """Edit one fact with every set of neurons, and ask what came of it.

    Parameters
    ----------
    model : NeuronModel
        The model. It is put back bit for bit after each edit.
    options : CritiqueOptions
        What is done.
    searcher : NeuronFinder
        What finds neurons.
    seed : int
        Seed of random neurons.
    """

    def __init__(self, model: NeuronModel, options: Any, searcher: NeuronFinder, seed: int) -> None:
        self.model = model
        self.options = options
        self.seed = seed
        self._searcher = searcher

    def __call__(self, case: EditCase) -> dict[str, Any]:
        """Return what came of the first candidate that is fit, and why others were not."""
        passed: list[dict[str, str]] = []
        for candidate in case.candidates:
            found = self._fit(candidate)
            if isinstance(found, str):
                passed.append({"fact": candidate.fact.key, "reason": found})
            else:
                return {"passed": passed, "edit": self._edited(candidate, found)}
        return {"passed": passed, "edit": None}

    def _fit(self, candidate: Candidate) -> FactNeurons | str:
        """Return the neurons of a fact that is known and has degenerate ones, or why not."""
        fact = candidate.fact
        try:
            self.model.encode(fact)
            self.model.encode(replace(fact, answers=(candidate.new,)))
        except ValueError:
            return "cannot be encoded"
        if not recalled(self.model, [fact], ends=False)[0]:
            return "not known"
        found = self._searcher.find(fact)
        return found if len(found.degenerate) else "no degenerate neurons"

    def _edited(self, candidate: Candidate, found: FactNeurons) -> dict[str, Any]:
        questions = _Questions(self.model, candidate)
        arms = {"before": questions.asked()}
        sets = self._sets(candidate, found)
        steps: dict[str, int] = {}
        for name, neurons in sets.items():
            with NeuronTuner(self.model, neurons) as tuner:
                steps[name] = self._train(tuner, candidate)
                arms[name] = questions.asked()
        return {
            "fact": candidate.fact.key,
            "relation": candidate.fact.relation,
            "old": candidate.fact.answers[0],
            "new": candidate.new,
            "one_to_one": candidate.one_to_one,
            "sizes": {name: len(neurons) for name, neurons in sets.items()},
            "steps": steps,
            "asked": arms,
        }

    def _sets(self, candidate: Candidate, found: FactNeurons) -> dict[str, NeuronSet]:
        rng = np.random.default_rng(seed_for(self.seed, f"edit {candidate.fact.key}"))
        shape = (self.model.n_layers, self.model.n_neurons)
        sized = size_matched(
            found.degenerate, found.others, rng, n_layers=shape[0], n_neurons=shape[1]
        ).neurons
        every = NeuronSet((layer, i) for layer in range(shape[0]) for i in range(shape[1]))
        return {**{name: sized[name] for name in _SIZED}, "all": every}

    def _train(self, tuner: NeuronTuner, candidate: Candidate) -> int:
        """Train rows until the new answer is likely enough; return the number of steps."""
        options = self.options
        optimizer = torch.optim.Adam(tuner.parameters(), lr=options.edit_lr)
        new = replace(candidate.fact, answers=(candidate.new,))
        queries = list(_queries(self.model, new))
        with dropout_off(self.model.hf_model):
            for step in range(options.edit_steps):
                loss = -_log_probability(self.model, queries)
                likely = float(loss.detach().neg().exp())
                old = self.model.answer_probability(candidate.fact)
                if likely > options.edit_to and likely > old:
                    return step
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return options.edit_steps


class _Questions:
    """What is asked before an edit and after it."""

    def __init__(self, model: NeuronModel, candidate: Candidate) -> None:
        self.model = model
        fact, new = candidate.fact, candidate.new
        self._old, self._new = fact, replace(fact, answers=(new,))
        self._wordings = [one for one in candidate.wordings if _can_ask(model, one)]
        self._reworded = [replace(one, answers=(new,)) for one in self._wordings]
        self._neighbours = [one for one in candidate.neighbours if _can_ask(model, one)]
        turned = [reverse_of(fact, answer, model.is_causal) for answer in (fact.answers[0], new)]
        self._reverses = [
            one
            for one in turned
            if candidate.one_to_one and one is not None and _can_ask(model, one)
        ]

    def asked(self) -> dict[str, Any]:
        """Return the answers of the model as it is now."""
        old, new = self._both([self._old], [self._new])
        worded_old, worded_new = self._both(self._wordings, self._reworded)
        reverses = self._reverses if len(self._reverses) == 2 else []
        return {
            "old": old[0],
            "new": new[0],
            "says_new": self._recalled([self._new])[0],
            "wordings": {
                "old": worded_old,
                "new": worded_new,
                "says_old": self._recalled(self._wordings),
                "says_new": self._recalled(self._reworded),
            },
            "neighbours": self._recalled(self._neighbours),
            # of the old answer, and of the new one
            "reverse": {"says": self._recalled(reverses), "subject": self._probabilities(reverses)},
        }

    def _both(self, old: Sequence[Fact], new: Sequence[Fact]) -> tuple[list[float], list[float]]:
        return self._probabilities(old), self._probabilities(new)

    def _probabilities(self, facts: Sequence[Fact]) -> list[float]:
        return self.model.answer_probabilities(facts, log=True).tolist() if facts else []

    def _recalled(self, facts: Sequence[Fact]) -> list[bool]:
        return recalled(self.model, facts, ends=False).tolist() if facts else []


def _can_ask(model: NeuronModel, fact: Fact) -> bool:
    try:
        model.encode(fact)
    except ValueError:
        return False
    return True


def _queries(model: NeuronModel, fact: Fact) -> Iterator[Query]:
    """Yield the rows, all of one length, whose targets are the tokens of the answer."""
    encoding = model.encode(fact)
    answer = encoding.answers[0]
    if not isinstance(encoding, CausalEncoding):
        yield from masked_fillings(encoding, answer)
        return
    last = len(encoding.prompt) - 1
    positions = tuple(range(last, last + len(answer)))
    yield Query((*encoding.prompt, *answer[:-1]), positions, answer)


def _log_probability(model: NeuronModel, queries: Sequence[Query]) -> torch.Tensor:
    """Return the log-probability of an answer, with gradients."""
    settings = model.pass_settings()
    ids = torch.tensor([list(query.ids) for query in queries], device=settings.device)
    logits = model.hf_model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    values = torch.log_softmax(logits.float(), dim=-1)
    picked = [
        values[row, position, target]
        for row, query in enumerate(queries)
        for position, target in zip(query.positions, query.targets, strict=True)
    ]
    return torch.stack(picked).sum()
