"""What one edit does: a fact gets a new answer by training the neurons of a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from neurotopo.knowledge.facts import Fact
from neurotopo.models.answers import masked_fillings
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.evaluation import dropout_off
from neurotopo.models.passes import Query
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.critique.cases import Candidate, EditCase, reverse_of
from neurotopo.studies.critique.options import CritiqueOptions
from neurotopo.studies.search import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.study import seed_for
from neurotopo.tuning.tuner import NeuronTuner

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["EditWork"]

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

    def __init__(
        self, model: NeuronModel, options: CritiqueOptions, searcher: NeuronFinder, seed: int
    ) -> None:
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
