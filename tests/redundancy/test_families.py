"""Total, direct and frozen effects of every family against plain passes with hooks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers.models.cohere.modeling_cohere import CohereLayerNorm
from transformers.models.gemma2.modeling_gemma2 import Gemma2RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.olmo.modeling_olmo import OlmoLayerNorm

from neurotopo import Edit, Fact, NeuronModel
from neurotopo.redundancy import fact_scores, path_scores
from neurotopo.redundancy.paths import _rescaled, _scale
from tests.support import plain_paths, zoo

TOLERANCE = 2e-4
POST_NORM = ("opt_post_norm", "bert", "roberta", "xlm_roberta", "distilbert", "electra")
POST_NORM += ("deberta_v2",)
FOILS = ("Zúnia", "Peko United", "Krone Motor Works")
FACT = zoo.FACTS[1]

EARLY, MIDDLE, LATE = ((layer, index) for layer, index in ((0, 1), (1, 7), (2, 2)))
EDITS = [
    [],
    [Edit([EARLY, (0, 5)], positions="last")],
    [Edit([EARLY], 3.0, positions="last"), Edit([MIDDLE], value=-1.5, positions="last")],
    [Edit([MIDDLE, (1, 8), LATE], value=[[0.5], [1.0], [-2.0]], positions="last")],
    [Edit([LATE, (2, 23)], -2.0, positions="last")],
]
OF_THE_LAST_LAYER = 4


@pytest.fixture(params=zoo.NAMES, scope="module")
def model(request):
    """Return a model in double precision."""
    built = zoo.build(request.param)
    return NeuronModel(built.hf_model.double(), built.tokenizer)


@pytest.fixture
def post_norm(model, request):
    """Return whether the stream of the model passes norms in its layers."""
    return request.node.callspec.params["model"] in POST_NORM


def question(model):
    """Return tokens, predicting position, and the first tokens of the answer and of the foils."""
    encoding = model.encode(FACT)
    valid = encoding.answers
    best = valid[int(model.answers_log_probability(FACT).argmax())]
    if model.is_causal:
        ids, at = list(encoding.prompt), len(encoding.prompt) - 1
    else:
        ids = [*encoding.before, *[encoding.mask] * len(best), *encoding.after]
        at = len(encoding.before)
    own = {answer[0] for answer in valid}
    foils = dict.fromkeys(
        model.encode(type(FACT)(FACT.prompt, foil)).answers[0][0] for foil in FOILS
    )
    return ids, at, [best[0], *(token for token in foils if token not in own)]


def table(scores):
    """Return a column for the answer and for each foil."""
    return np.column_stack([scores.log_answer, scores.log_foils])


def test_every_path_is_the_one_by_hand(model, post_norm):
    ids, at, tokens = question(model)
    found = path_scores(model, FACT, FOILS, EDITS)
    for row, edits in enumerate(EDITS):
        for name, by_hand in (
            ("total", lambda edits: plain_paths.forward(model, ids, edits, at)),
            ("frozen", lambda edits: plain_paths.frozen(model, ids, at, edits, post_norm)),
            ("direct", lambda edits: plain_paths.direct(model, ids, at, edits, post_norm)),
        ):
            wanted = by_hand(edits)[tokens].numpy()
            got = table(getattr(found, name))[row]
            np.testing.assert_allclose(got, wanted, rtol=0, atol=TOLERANCE, err_msg=f"{name} {row}")


def test_without_edits_all_paths_are_the_clean_pass(model):
    ids, at, tokens = question(model)
    found = path_scores(model, FACT, FOILS, [None, EDITS[1], []])
    clean = plain_paths.forward(model, ids, [], at)[tokens].numpy()
    for scores in vars(found).values():
        np.testing.assert_allclose(table(scores)[[0, 2]], [clean] * 2, rtol=0, atol=TOLERANCE)


def test_paths_differ_before_the_last_layer_only(model):
    total, direct, frozen = (
        table(each) for each in vars(path_scores(model, FACT, FOILS, EDITS)).values()
    )
    atol = TOLERANCE / 10
    last = OF_THE_LAST_LAYER
    np.testing.assert_allclose(frozen[last], direct[last], rtol=0, atol=atol)
    assert np.abs(total[2] - direct[2]).max() > atol
    assert np.abs(frozen[2] - direct[2]).max() > atol
    assert np.abs(total[last] - frozen[last]).max() > atol


def test_scores_of_the_first_token_are_those_of_the_model(model):
    """A fact with answers of one token: total is the probability of the model."""
    words = {}
    for token in range(len(model.tokenizer)):
        text = model.tokenizer.decode([token]).strip()
        try:
            (answer,) = model.encode(Fact(FACT.prompt, text)).answers
        except ValueError:  # no text, or a special token
            continue
        if len(answer) == 1:
            words.setdefault(answer, text)
        if len(words) == 4:
            break
    first, *foils = words.values()
    fact = Fact(FACT.prompt, first)
    found = path_scores(model, fact, foils, EDITS).total
    wanted = model.answers_log_probability(Fact(FACT.prompt, (first, *foils)), EDITS)
    np.testing.assert_allclose(table(found), wanted, rtol=0, atol=TOLERANCE)
    one = fact_scores(model, fact, foils, EDITS)
    np.testing.assert_allclose(table(one), wanted, rtol=0, atol=1e-9)
    np.testing.assert_allclose(
        one.of("probability"), model.answer_probability(fact, EDITS), rtol=1e-6
    )


@pytest.mark.parametrize("name", ["gpt2", "olmo2", "opt_post_norm", "bert", "deberta_v2"])
def test_the_size_of_batches_changes_nothing(name):
    model = zoo.shared(name)
    small = NeuronModel(model.hf_model, model.tokenizer, batch_size=2)
    paths = [path_scores(each, FACT, FOILS, EDITS) for each in (model, small)]
    for ours, theirs in zip(*(vars(each).values() for each in paths), strict=True):
        np.testing.assert_allclose(table(theirs), table(ours), rtol=0, atol=TOLERANCE)


def test_edits_of_other_tokens_are_an_error():
    edits = [None, Edit([EARLY])]
    with pytest.raises(ValueError, match=r"edits\[1\] has positions='all'; path_scores takes"):
        path_scores(zoo.shared("gpt2"), FACT, FOILS, edits)


def test_foils_with_the_first_token_of_an_answer_are_left_out():
    found = path_scores(zoo.shared("gpt2"), FACT, ("Peko United", "Marly Motor"), [None])
    assert found.total.log_foils.shape == (1, 0)
    assert np.isnan(found.total.of("contrast")).all()


@pytest.mark.parametrize(
    "norm",
    [
        OlmoLayerNorm(8),
        LlamaRMSNorm(8, eps=1e-5),
        CohereLayerNorm(8, eps=1e-5),
        torch.nn.LayerNorm(8),
        Gemma2RMSNorm(8),
    ],
    ids=lambda norm: type(norm).__name__,
)
def test_a_norm_with_a_frozen_scale_is_affine_also_for_small_inputs(norm):
    x = 2e-3 * torch.randn(1, 3, 8, generator=torch.Generator().manual_seed(0))
    hook = _rescaled([_scale(norm, x)])
    torch.testing.assert_close(hook(norm, (-3 * x,), norm(-3 * x)), -3 * norm(x))
