"""Greedy replies to facts, and the margin of an exact reply over foils."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.reply import Reply
from neurotopo.models.answers import answer_queries, masked_fillings
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from neurotopo.models.evaluation import upcast_half
from neurotopo.models.passes import Query, log_probabilities, position_logits
from neurotopo.models.scripts import ends_unspaced

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["ask"]

_Encoding = CausalEncoding | MaskedEncoding
_Tokens = tuple[int, ...]

# Foils of several tokens that a fact evaluates at a time: the strongest ones rule out the others.
_WAVE = 8


def ask(
    model: NeuronModel, facts: Sequence[Fact], foils: Callable[[Fact], Sequence[str]]
) -> list[Reply]:
    """Return the greedy reply of a model to each fact.

    A reply of a causal model is exact if it begins with the tokens of an accepted answer and the
    next token does not continue the last word: " Port" and "uguese" are not the answer "Port". A
    masked model fills as many masks as the answer has tokens, from the left.

    Parameters
    ----------
    model : NeuronModel
    facts : sequence of Fact
        One wording each. A fact that the model cannot be asked gets a ``problem``.
    foils : callable
        Returns the foils of a fact; it is called for exact replies only. Foils that the tokenizer
        cannot write are left out, as are those whose tokens begin with those of an accepted
        answer, or the other way round.

    Returns
    -------
    list of Reply

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.asking import ask
    >>> from neurotopo.models.examples import random_model
    >>> fact = Fact("The capital of Italy is _X_", "Rome")
    >>> ask(random_model(), [fact], lambda fact: ["Paris"])
    [Reply(exact=False, answer=None, log_p=None, margin=None, foil=None, n_foils=0, problem=None)]
    """
    encodings: dict[int, _Encoding] = {}
    replies = [Reply(False)] * len(facts)
    for i, fact in enumerate(facts):
        try:
            encodings[i] = _encoded(model, fact)
        except ValueError as error:
            replies[i] = Reply(False, problem=str(error))
    exact = _exact(model, encodings)
    for i, (answer, log_p) in exact.items():
        replies[i] = Reply(True, _text(model, answer), log_p)
    named = {i: _foils(model, facts[i], encodings[i], foils(facts[i])) for i in exact}
    for i, (foil, foil_log_p) in _strongest(model, encodings, named).items():
        margin = exact[i][1] - foil_log_p
        text = _text(model, foil)
        replies[i] = replace(replies[i], margin=margin, foil=text, n_foils=len(named[i]))
    return replies


def _encoded(model: NeuronModel, fact: Fact) -> _Encoding:
    encoding = model.encode(fact)
    for answer in encoding.answers:
        # One more token of a causal model shows whether the answer ends there.
        model.check_length(fact, replace(encoding, answers=(answer,)).n_tokens + model.is_causal)
    return encoding


def _first(encoding: _Encoding, n_tokens: int) -> Query:
    """Return the query for the first of so many tokens of an answer."""
    if isinstance(encoding, CausalEncoding):
        return Query(encoding.prompt, (len(encoding.prompt) - 1,), (0,))
    return next(masked_fillings(encoding, (encoding.mask,) * n_tokens))


def _firsts(
    encodings: dict[int, _Encoding], answers: dict[int, list[_Tokens]]
) -> tuple[list[Query], list[tuple[int, list[_Tokens]]]]:
    """Return the queries for first tokens; for each its fact and the answers that it decides."""
    queries: list[Query] = []
    decided: list[tuple[int, list[_Tokens]]] = []
    for i, some in answers.items():
        causal = isinstance(encodings[i], CausalEncoding)
        groups: dict[int, list[_Tokens]] = {}
        for answer in some:
            groups.setdefault(0 if causal else len(answer), []).append(answer)
        for n_tokens, group in groups.items():
            queries.append(_first(encodings[i], n_tokens))
            decided.append((i, group))
    return queries, decided


def _exact(model: NeuronModel, encodings: dict[int, _Encoding]) -> dict[int, tuple[_Tokens, float]]:
    """Return the most probable answer that greedy decoding gives, by fact."""
    settings = model.pass_settings()
    begun: list[tuple[int, _Tokens]] = []
    queries, decided = _firsts(encodings, {i: list(e.answers) for i, e in encodings.items()})
    for number, logits in position_logits(settings, queries):
        i, answers = decided[number]
        token = int(logits[0].argmax())
        begun += [(i, answer) for answer in answers if answer[0] == token]
    whole = [(n, query) for n, (i, a) in enumerate(begun) for query in _whole(encodings[i], a)]
    queries = [query for _, query in whole]
    right = [True] * len(begun)
    log_p = np.zeros(len(begun))
    for row, logits in position_logits(settings, queries):
        number = whole[row][0]
        answer, wanted = begun[number][1], queries[row].targets
        best = logits.argmax(-1).tolist()
        right[number] &= best[: len(wanted)] == list(wanted)
        if len(best) > len(wanted):
            right[number] &= not _goes_on(model, answer, best[-1])
        values = upcast_half(logits[: len(wanted)]).log_softmax(-1)
        log_p[number] += float(values[range(len(wanted)), list(wanted)].double().sum())
    result: dict[int, tuple[_Tokens, float]] = {}
    for (i, answer), is_right, value in zip(begun, right, log_p.tolist(), strict=True):
        if is_right and (i not in result or value > result[i][1]):
            result[i] = (answer, value)
    return result


def _whole(encoding: _Encoding, answer: _Tokens) -> Iterator[Query]:
    """Yield the queries for all tokens of an answer; a causal one also predicts the next token."""
    for query in answer_queries(encoding, answer):
        if isinstance(encoding, CausalEncoding):
            ids = (*encoding.prompt, *answer)
            query = replace(query, ids=ids, positions=(*query.positions, len(ids) - 1))
        yield query


def _goes_on(model: NeuronModel, answer: _Tokens, token: int) -> bool:
    """Tell whether a token continues the last word of an answer."""
    decode = model.tokenizer.decode
    text = decode(list(answer))
    after = decode([*answer, token])
    if not after.startswith(text) or token in model.tokenizer.all_special_ids:
        return False
    following = after[len(text) :][:1]
    return text[-1:].isalnum() and following.isalnum() and not ends_unspaced(text[-1:])


def _foils(
    model: NeuronModel, fact: Fact, encoding: _Encoding, foils: Sequence[str]
) -> list[_Tokens]:
    """Return the tokens of the foils that can be compared."""
    named: list[_Tokens] = []
    try:
        named += model.encode(replace(fact, answers=tuple(foils))).answers if foils else ()
    except ValueError:  # one of them cannot be written
        for foil in foils:
            try:
                named += model.encode(replace(fact, answers=(foil,))).answers
            except ValueError:
                continue
    return [
        foil
        for foil in dict.fromkeys(named)
        if not any(foil[: len(a)] == a or a[: len(foil)] == foil for a in encoding.answers)
    ]


def _strongest(
    model: NeuronModel, encodings: dict[int, _Encoding], foils: dict[int, list[_Tokens]]
) -> dict[int, tuple[_Tokens, float]]:
    """Return the most probable foil and its log-probability, for each fact with foils.

    No foil is more probable than its first token, so most need no pass of their own.
    """
    settings = model.pass_settings()
    best: dict[int, tuple[_Tokens, float]] = {}
    waiting: dict[int, list[tuple[float, _Tokens]]] = {}

    def update(i: int, foil: _Tokens, log_p: float) -> None:
        if i not in best or (log_p, foil) > (best[i][1], best[i][0]):
            best[i] = (foil, log_p)

    queries, decided = _firsts(encodings, foils)
    for number, logits in position_logits(settings, queries):
        i, some = decided[number]
        values = upcast_half(logits[0]).log_softmax(-1)
        firsts = values[torch.tensor([foil[0] for foil in some], device=values.device)].tolist()
        for foil, bound in zip(some, firsts, strict=True):
            if len(foil) == 1:
                update(i, foil, bound)
            else:
                waiting.setdefault(i, []).append((bound, foil))
    for each in waiting.values():
        each.sort()
    while waiting:
        wave = [
            (i, foil)
            for i, each in waiting.items()
            for bound, foil in each[-_WAVE:]
            if i not in best or bound > best[i][1]
        ]
        rows = [
            (number, query)
            for number, (i, foil) in enumerate(wave)
            for query in answer_queries(encodings[i], foil)
        ]
        log_p = log_probabilities(settings, [query for _, query in rows], None)
        sums = np.bincount([number for number, _ in rows], weights=log_p, minlength=len(wave))
        for (i, foil), value in zip(wave, sums.tolist(), strict=True):
            update(i, foil, value)
        rest = {i: each[:-_WAVE] for i, each in waiting.items()}
        waiting = {i: each for i, each in rest.items() if each and each[-1][0] > best[i][1]}
    return best


def _text(model: NeuronModel, tokens: _Tokens) -> str:
    return str(model.tokenizer.decode(list(tokens))).strip()
