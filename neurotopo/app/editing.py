"""The answer, its foils and the next words while groups of neurons are suppressed or enhanced."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from neurotopo.app.cache import Cache, Tell, number, plain
from neurotopo.app.facts import model_of
from neurotopo.knowledge.facts import Fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    from neurotopo.models.edits import Edit
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.redundancy import Scores

__all__ = [
    "Positions",
    "asked_fact",
    "base_of",
    "edit",
    "lattice",
    "reword",
    "scores_of",
    "shown_base",
]

Positions = Literal["all", "last"]

MOST_GROUPS, MOST_WORDINGS = 8, 20
_TOGETHER = 16  # rows of edits in one call, between two reports of progress
_N_WORDS = 10
_SCORES = ("probability", "contrast", "log-odds")


@dataclass(frozen=True, eq=False)
class Base:
    """The answers of a model without edits."""

    answer: int  # number of the most probable valid answer
    text: str
    scores: Scores
    foils: tuple[str, ...]
    log_words: np.ndarray[Any, Any]  # log-probability of every token as the next one

    @property
    def probability(self) -> float:
        """Probability of the answer."""
        return float(self.scores.of("probability")[0])


def asked_fact(content: Mapping[str, Any]) -> Fact:
    """Return the fact of the page; fields that are empty are left out."""
    fields = {name: value for name, value in content.items() if value not in (None, "")}
    for name in ("prompt", "answers"):
        if not fields.get(name):
            raise ValueError(f"the fact needs {'a prompt' if name == 'prompt' else 'an answer'}.")
    return Fact(**fields)


def base_of(
    cache: Cache, model: NeuronModel, key: tuple[str, str], fact: Fact, foils: Sequence[str]
) -> Base:
    """Return the answers without edits, computed once."""
    from neurotopo.redundancy import fact_scores

    def computed() -> Base:
        table = model.answers_log_probability(fact)
        answer = int(np.argmax(table))
        scores = fact_scores(model, fact, foils, [None], answer)
        text = str(model.tokenizer.decode(list(model.encode(fact).answers[answer]))).strip()
        return Base(answer, text, scores, tuple(foils), _words(model, fact, [None])[0])

    return cache.get("base", (key, fact, tuple(foils)), computed)


def shown_base(model: NeuronModel, base: Base) -> dict[str, Any]:
    """Return the answers without edits for the page."""
    return _shown(model, base, base.scores, base.log_words)


def edit(
    cache: Cache,
    tell: Tell,
    *,
    model: str,
    dtype: str,
    fact: Mapping[str, Any],
    foils: Sequence[str],
    neurons: Sequence[Sequence[int]],
    groups: Sequence[Mapping[str, Any]],
    positions: Positions,
) -> dict[str, Any]:
    """Return the answers while groups of neurons are suppressed or enhanced."""
    from neurotopo.redundancy import fact_scores

    loaded, asked = model_of(cache, tell, model, dtype), asked_fact(fact)
    base = base_of(cache, loaded, (model, dtype), asked, foils)
    row = _row(neurons, groups, positions)
    if not row:
        return {"base": shown_base(loaded, base), "edited": None}
    scores = fact_scores(loaded, asked, foils, [row], base.answer)
    words = _words(loaded, asked, [row])[0]
    return {
        "base": _shown(loaded, base, base.scores, base.log_words, also=words),
        "edited": _shown(loaded, base, scores, words, also=base.log_words),
    }


def reword(
    cache: Cache,
    tell: Tell,
    *,
    model: str,
    dtype: str,
    fact: Mapping[str, Any],
    neurons: Sequence[Sequence[int]],
    groups: Sequence[Mapping[str, Any]],
    positions: Positions,
    prompts: Sequence[str],
) -> list[dict[str, Any]]:
    """Return the probability of the answer in other wordings, before and after the edits."""
    loaded, asked = model_of(cache, tell, model, dtype), asked_fact(fact)
    if not 0 < len(prompts) <= MOST_WORDINGS:
        raise ValueError(f"give 1 to {MOST_WORDINGS} wordings, got {len(prompts)}.")
    row = _row(neurons, groups, positions)
    rows: list[dict[str, Any]] = []
    for done, prompt in enumerate(prompts):
        tell("asking in other words", done / len(prompts))
        try:
            other = replace(asked, prompt=prompt)
            before, after = loaded.answer_probability(other, edits=[None, row])
            rows.append({"prompt": prompt, "before": float(before), "after": float(after)})
        except ValueError as error:
            rows.append({"prompt": prompt, "problem": str(error)})
    return rows


def lattice(
    cache: Cache,
    tell: Tell,
    *,
    model: str,
    dtype: str,
    fact: Mapping[str, Any],
    foils: Sequence[str],
    neurons: Sequence[Sequence[int]],
    groups: Sequence[Sequence[int]],
    positions: Positions,
    score: str,
) -> dict[str, Any]:
    """Suppress every subset of some groups of neurons."""
    from neurotopo import Edit
    from neurotopo.knowledge.suppression import subsets
    from neurotopo.redundancy import Lattice

    n = len(groups)
    if not 2 <= n <= MOST_GROUPS:
        raise ValueError(f"choose 2 to {MOST_GROUPS} components for the lattice, got {n}.")
    if score == "contrast" and not foils:
        raise ValueError("the contrast needs wrong answers: give some, or choose another score.")
    loaded, asked = model_of(cache, tell, model, dtype), asked_fact(fact)
    base = base_of(cache, loaded, (model, dtype), asked, foils)
    sets = [_neurons(neurons, members) for members in groups]
    members = subsets(n, max_exact=MOST_GROUPS)
    rows = [
        Edit(NeuronSet(pair for k in np.flatnonzero(row) for pair in sets[k]), positions=positions)
        for row in members
    ]
    values: list[float] = []
    tell(f"suppressing {len(rows):,} subsets", 0.0)
    for done, scores in scores_of(loaded, asked, foils, rows, base.answer):
        tell(f"suppressing {len(rows):,} subsets", done / len(rows))
        values += scores.of(score).tolist()
    found = Lattice(members, np.array(values), float(base.scores.of(score)[0]))
    return {
        "score": score,
        "subsets": [np.flatnonzero(row).tolist() for row in members],
        "scores": plain(found.scores),
        "base": number(found.base),
        **{
            name: plain(getattr(found, name))
            for name in ("rho", "redundancy", "necessity", "effects", "shapley", "interactions")
        },
    }


def scores_of(
    model: NeuronModel, fact: Fact, foils: Sequence[str], rows: Sequence[Edit], answer: int
) -> Iterator[tuple[int, Scores]]:
    """Yield the number of edits done and the scores of the last ones."""
    from neurotopo.redundancy import fact_scores

    for start in range(0, len(rows), _TOGETHER):
        part = rows[start : start + _TOGETHER]
        yield start + len(part), fact_scores(model, fact, foils, part, answer)


def _neurons(neurons: Sequence[Sequence[int]], members: Sequence[int]) -> NeuronSet:
    for member in members:
        if not 0 <= member < len(neurons):
            raise ValueError(f"there is no neuron number {member} among {len(neurons)}.")
    return NeuronSet(tuple(neurons[member]) for member in members)


def _row(
    neurons: Sequence[Sequence[int]], groups: Sequence[Mapping[str, Any]], positions: Positions
) -> tuple[Edit, ...]:
    """Return the edits of the page as one row."""
    from neurotopo import Edit

    return tuple(
        Edit(_neurons(neurons, group["members"]), scale=group["scale"], positions=positions)
        for group in groups
        if group["scale"] != 1
    )


def _words(
    model: NeuronModel, fact: Fact, rows: Sequence[tuple[Edit, ...] | None]
) -> np.ndarray[Any, Any]:
    """Return the log-probability of every token at the place of the answer's first one."""
    from neurotopo.models.answers import masked_fillings
    from neurotopo.models.edits import as_rows
    from neurotopo.models.encoding import CausalEncoding
    from neurotopo.models.evaluation import upcast_half
    from neurotopo.models.passes import Query, position_logits
    from neurotopo.models.row_edits import RowEdits

    encoding = model.encode(fact)
    if isinstance(encoding, CausalEncoding):
        query = Query(encoding.prompt, (len(encoding.prompt) - 1,), (0,))
    else:
        query = next(masked_fillings(encoding, encoding.answers[0]))
    queries = [replace(query, edits=k) for k in range(len(rows))]
    edits = as_rows(rows, model.n_layers, model.n_neurons)
    plan = RowEdits(edits) if any(edits) else None
    table: list[Any] = [None] * len(rows)
    for k, logits in position_logits(model.pass_settings(), queries, plan):
        table[k] = upcast_half(logits[0]).log_softmax(-1).double().cpu().numpy()
    return np.array(table)


def _shown(
    model: NeuronModel, base: Base, scores: Scores, words: Any, *, also: Any = None
) -> dict[str, Any]:
    """Return answers for the page: with ``also``, the next words of both are included."""
    answers = {name: number(scores.of(name)[0]) for name in _SCORES}
    shown = [each for each in (words, also) if each is not None]
    tops = [np.argsort(-each, kind="stable")[:_N_WORDS] for each in shown]
    tokens = np.unique(np.concatenate(tops))
    foils = zip(base.foils, np.exp(scores.log_foils[0]).tolist(), strict=True)
    return {
        "answer": base.text,
        **answers,
        "foils": [{"text": text, "probability": value} for text, value in foils],
        "words": [
            {
                "token": int(token),
                "text": str(model.tokenizer.decode([int(token)])),
                "probability": float(np.exp(words[token])),
            }
            for token in tokens
        ],
    }
