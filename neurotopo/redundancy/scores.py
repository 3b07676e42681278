"""Scores of an answer: its contrast with the relation's other answers, log-odds, probability."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from neurotopo.knowledge.facts import Fact
from neurotopo.models.edits import Edit, as_rows

if TYPE_CHECKING:
    from neurotopo.models.edits import Rows
    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["SCORES", "Scores", "chosen_foils", "fact_scores"]

SCORES = ("contrast", "log-odds", "probability")


@dataclass(frozen=True, eq=False)
class Scores:
    r"""Scores of one answer, one entry per row of edits.

    Attributes
    ----------
    log_answer : ndarray of float64, shape (m,)
        Logarithm of the probability of the answer, all tokens.
    log_foils : ndarray of float64, shape (m, n_foils)
        Those of the foils.

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo.redundancy.scores import Scores
    >>> scores = Scores(np.log([0.5, 0.2]), np.log([[0.1, 0.3], [0.1, 0.3]]))
    >>> scores.of("contrast").round(2), scores.of("log-odds").round(2), scores.of("probability")
    (array([0.92, 0.  ]), array([ 0.  , -1.39]), array([0.5, 0.2]))
    """

    log_answer: NDArray[np.float64]
    log_foils: NDArray[np.float64]

    def of(self, name: str) -> NDArray[np.float64]:
        r"""Return one score.

        Parameters
        ----------
        name : {"contrast", "log-odds", "probability"}
            ``"contrast"``: :math:`\log p(\text{answer}) - \log \text{mean } p(\text{foil})`, nan
            without foils. ``"log-odds"``: :math:`\log p - \log(1 - p)`. ``"probability"``: p.

        Returns
        -------
        ndarray of float64, shape (m,)
        """
        if name not in SCORES:
            raise ValueError(f"score must be one of {', '.join(SCORES)}, got {name!r}.")
        if name == "probability":
            return np.exp(self.log_answer)
        if name == "log-odds":
            # log(1 - p) loses no digits for p near 1, and a p that rounds to 1 stays finite
            rest = -np.expm1(np.minimum(self.log_answer, -np.finfo(np.float64).eps))
            return np.asarray(self.log_answer - np.log(rest))
        n_foils = self.log_foils.shape[1]
        if not n_foils:
            return np.full(len(self.log_answer), np.nan)
        return np.asarray(
            self.log_answer - np.logaddexp.reduce(self.log_foils, axis=1) + np.log(n_foils)
        )

    def __getitem__(self, rows: slice) -> Scores:
        return Scores(self.log_answer[rows], self.log_foils[rows])


def chosen_foils(
    model: NeuronModel, fact: Fact, foils: Sequence[str], most: int = 8
) -> tuple[str, ...]:
    """Return the foils whose number of tokens is nearest to that of the fact's first answer.

    The probability of an answer falls with its number of tokens, so foils as long as the answer
    come first; among equal ones the order of ``foils`` counts. Foils with the tokens of a valid
    answer or of an earlier foil are left out, and those that the tokenizer cannot write.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
    foils : sequence of str
        For example those of :func:`~neurotopo.knowledge.foils.foils_of`.
    most : int, default=8
        The most foils.

    Returns
    -------
    tuple of str

    Examples
    --------
    >>> from neurotopo.redundancy import chosen_foils
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("or")
    >>> chosen_foils(net.model, net.facts[0], ["no", "yes", "maybe", "no"])
    ('no', 'maybe')
    """
    valid = model.encode(fact).answers
    n_tokens = len(valid[0])
    tokens: dict[tuple[int, ...], str] = {}
    for foil in foils:
        try:
            (ids, *_) = model.encode(replace_answers(fact, (foil,))).answers
        except ValueError:  # the tokenizer does not know its letters
            continue
        if ids not in valid:
            tokens.setdefault(ids, foil)
    order = sorted(tokens, key=lambda ids: abs(len(ids) - n_tokens))
    return tuple(tokens[ids] for ids in order[:most])


def fact_scores(
    model: NeuronModel, fact: Fact, foils: Sequence[str], edits: Rows, answer: int | None = None
) -> Scores:
    """Return the scores of a fact's answer under each of several edits, in one call.

    Parameters
    ----------
    model : NeuronModel
    fact : Fact
    foils : sequence of str
        Foils, of other tokens than the answers (:func:`chosen_foils`).
    edits : sequence
        As in :meth:`NeuronModel.answer_probability <neurotopo.NeuronModel.answer_probability>`.
        Of an edit with a value for each token of the answer (:class:`Ablation`), foils of any
        length get the value of the first predicting token alone, where answer and foils follow
        the same text: the other values belong to the text that goes on with the answer.
    answer : int, optional
        Number of the answer in ``model.encode(fact).answers``. Default: the most probable one
        under the first edit.

    Returns
    -------
    Scores

    Examples
    --------
    Either of two groups suffices for the answer:

    >>> from neurotopo import Edit
    >>> from neurotopo.redundancy import fact_scores
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("or")
    >>> first, second = net.groups
    >>> edits = [None, Edit(first), Edit(second), Edit(first | second)]
    >>> scores = fact_scores(net.model, net.facts[0], ["no", "maybe"], edits)
    >>> abs(scores.of("contrast")).round(2)
    array([4., 4., 4., 0.])
    """
    n_valid = len(model.encode(fact).answers)
    both = replace_answers(fact, (*fact.answers, *foils))
    if len(model.encode(both).answers) != n_valid + len(foils):
        raise ValueError("foils must have other tokens than the answers and than each other.")
    rows = as_rows(edits, model.n_layers, model.n_neurons)
    first = [tuple(map(_at_first_token, row)) for row in rows]
    if first == rows or not foils:
        table = model.answers_log_probability(both, rows)
    else:
        own = model.answers_log_probability(fact, rows)
        others = model.answers_log_probability(replace_answers(fact, foils), first)
        table = np.hstack([own, others])
    number = int(table[0, :n_valid].argmax()) if answer is None else answer
    return Scores(table[:, number], table[:, n_valid:])


def _at_first_token(edit: Edit) -> Edit:
    """Return an edit without the values that belong to later tokens of an answer."""
    if edit.positions != "last" or (edit.n_columns or 1) == 1:
        return edit
    return Edit(edit.neurons, value=edit.columns[:, :1], positions="last")


def replace_answers(fact: Fact, answers: Sequence[str]) -> Fact:
    """Return the fact with other answers."""
    return replace(fact, answers=tuple(answers))
