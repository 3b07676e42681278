"""The sentences in which an answer is predicted, and where an attribution looks in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.models.answers import masked_fillings
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.passes import Query, log_probabilities
from neurotopo.models.path_layouts import Piece
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.models.subject_position import subject_position

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Asked", "Sentence", "ask", "plain_targets"]


@dataclass(frozen=True)
class Sentence:
    """A sentence in which tokens of the answer are predicted.

    A causal model predicts all of them in one sentence, a masked model one per sentence.

    Attributes
    ----------
    ids : tuple of int
        The tokens.
    positions : tuple of int
        Consecutive tokens whose values are scored.
    reads, targets : tuple of int
        ``targets[i]`` is predicted at the token ``reads[i]``.
    places : tuple of int
        Tokens that baselines replace.
    n_prefix : int
        Tokens before the first one with a score.
    foils : tuple of int
        Tokens with which the target is compared.
    """

    ids: tuple[int, ...]
    positions: tuple[int, ...]
    reads: tuple[int, ...]
    targets: tuple[int, ...]
    places: tuple[int, ...]
    n_prefix: int
    foils: tuple[int, ...] = ()

    @property
    def shape(self) -> tuple[Any, ...]:
        """Sentences of equal shape can share a forward pass."""
        return len(self.ids), self.n_prefix, self.positions, self.reads

    def piece(self) -> Piece:
        """Return the tokens after the prefix."""
        n = self.n_prefix
        return Piece(
            self.ids[n:],
            tuple(p - n for p in self.positions),
            tuple(p - n for p in self.reads),
            self.targets,
            self.foils,
        )


@dataclass(frozen=True)
class Asked:
    """A fact's answer and the sentences that predict it."""

    answer: tuple[int, ...]
    sentences: tuple[Sentence, ...]

    @property
    def shape(self) -> tuple[Any, ...]:
        """Facts of equal shape can share forward passes."""
        return tuple(sentence.shape for sentence in self.sentences)


def ask(
    model: NeuronModel,
    fact: FactLike,
    target: str,
    positions: str,
    foils: Sequence[str] | None = None,
) -> Asked:
    """Return the most probable answer of a fact, and the sentences that predict it.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
    target : {"joint", "log", "first", "contrast"}
        ``"first"`` and ``"contrast"`` are about the first token of the answer.
    positions : {"last", "subject", "all"}
        Tokens with a score.
    foils : sequence of str, optional
        For ``"contrast"``: wrong answers.

    Returns
    -------
    Asked
    """
    encoding = model.encode(fact)
    answer = _likeliest(model, fact, encoding.answers)
    tokens = _foil_tokens(model, fact, encoding, foils) if target == "contrast" else ()
    n_tokens = 1 if target in ("first", "contrast") else None
    sentences = []
    for sentence in _sentences(model, encoding, answer, n_tokens):
        model.check_length(fact, len(sentence.ids))
        where = _positions(model, fact, encoding, sentence, positions)
        n_prefix = where[0] if model.is_causal else 0
        sentence = replace(sentence, positions=where, n_prefix=n_prefix, foils=tokens)
        sentences.append(sentence)
    return Asked(answer, tuple(sentences))


def _likeliest(
    model: NeuronModel, fact: FactLike, answers: Sequence[tuple[int, ...]]
) -> tuple[int, ...]:
    if len(answers) == 1:
        return answers[0]
    return answers[int(np.argmax(model.answers_log_probability(fact)))]


def _sentences(
    model: NeuronModel,
    encoding: CausalEncoding | MaskedEncoding,
    answer: tuple[int, ...],
    n_tokens: int | None,
) -> Iterator[Sentence]:
    special = set(model.tokenizer.all_special_ids)
    if isinstance(encoding, CausalEncoding):
        answer, prompt = answer[:n_tokens], encoding.prompt
        last = len(prompt) - 1
        places = tuple(i for i, token in enumerate(prompt) if token not in special)
        reads = tuple(range(last, last + len(answer)))
        yield Sentence((*prompt, *answer[:-1]), reads, reads, answer, places, last)
        return
    n_before, n_after = len(encoding.before), len(encoding.after)
    for query in list(masked_fillings(encoding, answer))[:n_tokens]:
        around = [*range(n_before), *range(len(query.ids) - n_after, len(query.ids))]
        places = tuple(i for i in around if query.ids[i] not in special)
        yield Sentence(query.ids, query.positions, query.positions, query.targets, places, 0)


def _positions(
    model: NeuronModel,
    fact: FactLike,
    encoding: CausalEncoding | MaskedEncoding,
    sentence: Sentence,
    positions: str,
) -> tuple[int, ...]:
    if positions == "last":
        return sentence.reads
    if positions == "all":
        return tuple(range(len(sentence.ids)))
    if isinstance(encoding, CausalEncoding):
        return (subject_position(model.tokenizer, fact, encoding.prompt),)
    around = (*encoding.before, encoding.mask, *encoding.after)
    place = subject_position(model.tokenizer, fact, around)
    masks_and_answer = len(sentence.ids) - len(around)  # beyond one mask
    return (place if place < len(encoding.before) else place + masks_and_answer,)


def _foil_tokens(
    model: NeuronModel,
    fact: FactLike,
    encoding: CausalEncoding | MaskedEncoding,
    foils: Sequence[str] | None,
) -> tuple[int, ...]:
    """Return the first tokens of the foils, without those of the answers."""
    if isinstance(foils, str):
        raise TypeError(f"{describe_fact(fact)}: foils must be a sequence of texts, got {foils!r}.")
    if not foils:
        raise ValueError(
            f"{describe_fact(fact)}: target='contrast' needs foils, wrong answers of the fact: "
            "attribute(model, fact, foils=[...]), or a mapping from Fact.key in the option foils."
        )
    wrong: Any = replace(fact, answers=tuple(foils))  # type: ignore[type-var]
    firsts = {answer[0] for answer in encoding.answers}
    tokens = dict.fromkeys(answer[0] for answer in model.encode(wrong).answers)
    kept = tuple(token for token in tokens if token not in firsts)
    if not kept:
        raise ValueError(
            f"{describe_fact(fact)}: every foil begins with the first token of an answer, so there "
            "is nothing to compare with; give other foils, or use target='log'."
        )
    return kept


def plain_targets(model: NeuronModel, asked: Sequence[Asked]) -> np.ndarray[Any, Any]:
    """Return the logarithmic target of each fact in plain forward passes of the model.

    It is the log-probability of the answer; with foils minus the logarithm of their mean
    probability.
    """
    queries, owners, n_foils = [], [], []
    for i, one in enumerate(asked):
        for s in one.sentences:
            queries.append(Query(s.ids, s.reads, s.targets))
            queries += [Query(s.ids, s.reads, (foil,)) for foil in s.foils]
            n_foils.append(len(s.foils))
            owners.append(i)
    terms = log_probabilities(model.pass_settings(), queries, None)
    totals, at = np.zeros(len(asked)), 0
    for owner, n in zip(owners, n_foils, strict=True):
        totals[owner] += terms[at]
        if n:
            totals[owner] -= np.logaddexp.reduce(terms[at + 1 : at + 1 + n]) - np.log(n)
        at += 1 + n
    return totals
