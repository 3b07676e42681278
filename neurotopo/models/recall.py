"""Recall of facts: greedy exact match."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurotopo.models.answers import masked_fillings
from neurotopo.models.edit_places import check_places
from neurotopo.models.edits import Rows, rows_of_facts
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.passes import Query, position_logits
from neurotopo.models.row_edits import RowEdits

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["Score", "recalled", "scores_of"]


@dataclass(frozen=True)
class Score:
    """Share ``exact`` of ``n`` prompts in a language that a model answers exactly.

    ``wordings`` is ``"trained"`` for prompts of the training, or ``"held out"``.

    Examples
    --------
    >>> from neurotopo.models.recall import Score
    >>> score = Score("en", "held out", n=200, exact=0.85)
    >>> f"{100 * score.exact:.0f} % of {score.n}"
    '85 % of 200'
    """

    language: str
    wordings: str
    n: int
    exact: float


def recalled(
    model: NeuronModel,
    facts: Sequence[Fact],
    *,
    ends: bool = True,
    first: bool = False,
    edits: Rows | None = None,
) -> NDArray[np.bool_]:
    """Return which facts a model answers exactly, with greedy decoding.

    A causal model must write all tokens of the answer and then end the text. A masked model
    fills as many masks as the answer has tokens, from the left.

    Parameters
    ----------
    model : NeuronModel
    facts : sequence of Fact
    ends : bool, default=True
        False: a causal model may write more after the answer, as it may without an end-of-text
        token.
    first : bool, default=False
        Compare the first token of an answer only.
    edits : sequence or None, default=None
        One entry per fact: an :class:`~neurotopo.Edit`, a sequence of Edits that act together, or
        None.

    Returns
    -------
    ndarray of bool, shape (n_facts,)

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.models.examples import random_model
    >>> from neurotopo.models.recall import recalled
    >>> recalled(random_model("gpt2"), [Fact("The capital of Italy is _X_", "Rome")])
    array([False])
    """
    asked = list(_queries(model, facts, ends, first))
    plan = None if edits is None else _plan(model, facts, edits)
    # Greedy decoding gives the answer if and only if each of its tokens is the most probable one
    # after those before it.
    correct = _all_correct(model, [query for _, _, query in asked], plan)
    failed = {(i, j) for (i, j, _), right in zip(asked, correct, strict=True) if not right}
    known = np.zeros(len(facts), dtype=bool)
    for i, j in dict.fromkeys((i, j) for i, j, _ in asked):
        known[i] |= (i, j) not in failed
    return known


def scores_of(model: NeuronModel, trained: Sequence[Fact], held_out: Sequence[Fact]) -> list[Score]:
    """Return the recall by language, on wordings of the training and on held-out wordings."""
    scores = []
    for name, facts in (("trained", trained), ("held out", held_out)):
        known = recalled(model, facts)
        languages = np.array([fact.language for fact in facts])
        for language in dict.fromkeys(languages.tolist()):
            some = known[languages == language]
            scores.append(Score(language, name, len(some), round(float(some.mean()), 6)))
    return scores


def _queries(
    model: NeuronModel, facts: Sequence[Fact], ends: bool, first: bool
) -> Iterator[tuple[int, int, Query]]:
    """Yield (number of the fact, number of its answer, query)."""
    end = getattr(model.tokenizer, "eos_token_id", None) if ends else None
    for i, fact in enumerate(facts):
        encoding = model.encode(fact)
        for j, answer in enumerate(encoding.answers):
            if isinstance(encoding, CausalEncoding):
                wanted = answer if end is None else (*answer, int(end))
                wanted = wanted[:1] if first else wanted
                last = len(encoding.prompt) - 1
                positions = tuple(range(last, last + len(wanted)))
                yield i, j, Query((*encoding.prompt, *wanted[:-1]), positions, wanted, i)
            else:
                fillings = list(masked_fillings(encoding, answer))
                for query in fillings[:1] if first else fillings:
                    yield i, j, replace(query, edits=i)


def _plan(model: NeuronModel, facts: Sequence[Fact], edits: Rows) -> RowEdits | None:
    rows = rows_of_facts(edits, len(facts), model.n_layers, model.n_neurons)
    for row, fact in zip(rows, facts, strict=True):
        check_places(row, fact, model.encode)
    return RowEdits(rows) if any(rows) else None


def _all_correct(
    model: NeuronModel, queries: Sequence[Query], edits: RowEdits | None
) -> NDArray[np.bool_]:
    """Return for each query whether every target is the most probable token at its position."""
    correct = np.zeros(len(queries), dtype=bool)
    for i, logits in position_logits(model.pass_settings(), queries, edits):
        correct[i] = logits.argmax(-1).tolist() == list(queries[i].targets)
    return correct
