"""Scores of answers and foils of any number of tokens, against plain passes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from neurotopo import Edit, Fact
from neurotopo.models import passes
from neurotopo.redundancy import Ablation, chosen_foils, fact_scores
from neurotopo.redundancy.scores import Scores
from tests.support import plain_edits, zoo

FAMILIES = ("gpt2", "llama", "olmo2", "phi3", "opt_post_norm", "bert", "modernbert")
FACT = Fact("Ada Brünn plays for _X_.", ("Marly United", "Peko Motor Works"))
OTHER = Fact("Zúnia plays for _X_.", FACT.answers)
FOILS = ("Ibarra", "Krone & Sons", "Marly Motor Works United Works", "José")
NEURONS = [(0, 1), (0, 5), (1, 0), (1, 7), (2, 2), (2, 23)]


@pytest.fixture(params=FAMILIES, scope="module")
def model(request):
    """Return a model of the matrix."""
    return zoo.shared(request.param)


def n_tokens(model, answer):
    """Return the number of tokens of an answer."""
    return len(model.encode(replace(FACT, answers=(answer,))).answers[0])


def edits_of(model):
    """Return edits of all kinds."""
    counterfactual = Ablation("counterfactual", model.activations(OTHER, "answer"))
    mean = Ablation("mean", model.activations(OTHER))
    one = Edit(NEURONS).neurons
    return [
        None,
        Edit(one),
        Edit(one, positions="last"),
        mean.edit(one),
        counterfactual.edit(one),
        [Edit([(0, 1)], 2.0, positions="last"), counterfactual.edit(one[2:])],
    ]


def by_hand(model, answer, edits):
    """Return the log-probability of one answer, token by token."""
    edits = [] if edits is None else [edits] if isinstance(edits, Edit) else list(edits)
    return plain_edits.one_forward(model, replace(FACT, answers=(answer,)), edits)


def cut_to_first(row):
    """Return the edits of a row with the values for the first predicting token alone."""
    if isinstance(row, list):
        return [cut_to_first(edit) for edit in row]
    if row is None or row.n_columns is None:
        return row
    return Edit(row.neurons, value=row.columns[:, :1], positions="last")


def test_answers_and_foils_of_any_length(model):
    """Values of later tokens belong to the text of the answer, so foils have the first one only."""
    edits = edits_of(model)
    assert len({n_tokens(model, foil) for foil in FOILS}) > 1
    assert edits[4].n_columns == len(model.encode(FACT).answers[0]) > 1
    for number, answer in enumerate(FACT.answers):
        scores = fact_scores(model, FACT, FOILS, edits, answer=number)
        wanted = [by_hand(model, answer, row) for row in edits]
        np.testing.assert_allclose(scores.log_answer, wanted, rtol=0, atol=2e-4)
    for column, foil in enumerate(FOILS):
        cut = [cut_to_first(row) for row in edits]
        wanted = [by_hand(model, foil, row) for row in cut]
        np.testing.assert_allclose(scores.log_foils[:, column], wanted, rtol=0, atol=2e-4)


def test_the_best_answer_without_edits_counts(model):
    scores = fact_scores(model, FACT, FOILS, edits_of(model))
    each = [fact_scores(model, FACT, FOILS, [None], answer=i).log_answer[0] for i in (0, 1)]
    assert scores.log_answer[0] == pytest.approx(max(each), abs=1e-4)
    number = int(np.argmax(each))
    fixed = fact_scores(model, FACT, FOILS, edits_of(model), answer=number)
    np.testing.assert_allclose(scores.log_answer, fixed.log_answer, atol=1e-5)


def test_values_of_the_fact_itself_change_nothing(model):
    """Restoring what is there already, for the answer and the foils."""
    first = replace(FACT, answers=FACT.answers[:1])
    clean = Ablation("clean", model.activations(first, "answer"))
    everything = Edit([(i, j) for i in range(model.n_layers) for j in range(model.n_neurons)])
    n = len(model.encode(first).answers[0])
    # a foil of another length has another number of masks, so values of its own
    foils = [f for f in FOILS if model.is_causal or n_tokens(model, f) == n]
    scores = fact_scores(model, first, foils, [None, clean.edit(everything.neurons)])
    np.testing.assert_allclose(scores.log_answer[1], scores.log_answer[0], atol=1e-4)
    np.testing.assert_allclose(scores.log_foils[1], scores.log_foils[0], atol=1e-4)


CAUSAL = ("gpt2", "llama", "gemma2", "mistral", "falcon_alibi", "opt", "cohere2", "phi3", "bloom")


@pytest.mark.parametrize("name", CAUSAL)
def test_a_cached_prompt_changes_nothing(name, monkeypatch):
    model = zoo.shared(name)
    edits = [row for row in edits_of(model) if not isinstance(row, Edit) or row.positions == "last"]
    caches = []
    made = passes.prefix_cache

    def prefix_cache(settings, prefix):
        caches.append(len(prefix))
        return made(settings, prefix)

    monkeypatch.setattr(passes, "prefix_cache", prefix_cache)
    cached = fact_scores(model, FACT, FOILS, edits)
    assert min(caches) > 0
    caches.clear()
    plain = fact_scores(model, FACT, FOILS, [*edits, Edit([(0, 0)], 1.0)])  # acts on the prompt
    assert 0 in caches
    np.testing.assert_allclose(plain.log_answer[:-1], cached.log_answer, atol=1e-4)
    np.testing.assert_allclose(plain.log_foils[:-1], cached.log_foils, atol=1e-4)


@pytest.mark.parametrize("batch_size", [1, 2, 5])
def test_the_size_of_batches_changes_nothing(model, batch_size):
    other = type(model)(model.hf_model, model.tokenizer, batch_size=batch_size)
    ours, theirs = (fact_scores(m, FACT, FOILS, edits_of(model)) for m in (model, other))
    np.testing.assert_allclose(ours.log_answer, theirs.log_answer, atol=1e-4)
    np.testing.assert_allclose(ours.log_foils, theirs.log_foils, atol=1e-4)


def test_scores_are_their_formulas():
    p, q = np.array([0.7, 0.01]), np.array([[0.1, 0.1, 0.02], [0.5, 0.2, 0.2]])
    scores = Scores(np.log(p), np.log(q))
    np.testing.assert_allclose(scores.of("contrast"), np.log(p / q.mean(axis=1)))
    np.testing.assert_allclose(scores.of("log-odds"), np.log(p / (1 - p)))
    np.testing.assert_allclose(scores.of("probability"), p)
    assert np.isnan(Scores(np.log(p), np.empty((2, 0))).of("contrast")).all()
    certain = Scores(np.array([0.0, -1e-9]), np.log(q)).of("log-odds")
    assert np.isfinite(certain).all()
    assert certain[1] == pytest.approx(-np.log(1e-9))
    with pytest.raises(ValueError, match="score must be one of contrast, log-odds, probability"):
        scores.of("gcr")


def test_foils_as_long_as_the_answer_come_first():
    model = zoo.shared("gpt2")
    n = len(model.encode(FACT).answers[0])
    chosen = chosen_foils(model, FACT, (*FOILS, *FOILS, *FACT.answers))
    assert sorted(chosen) == sorted(FOILS)
    gaps = [abs(n_tokens(model, foil) - n) for foil in chosen]
    assert gaps == sorted(gaps)
    assert chosen_foils(model, FACT, FOILS, most=2) == chosen[:2]
    assert chosen_foils(model, FACT, ()) == ()


def test_a_foil_that_is_an_answer_is_an_error():
    model = zoo.shared("gpt2")
    for foils in (("Peko Motor Works",), ("Ibarra", "Ibarra")):
        with pytest.raises(ValueError, match="foils must have other tokens"):
            fact_scores(model, FACT, foils, [None])
