"""The sweep against the formula for random prompts and answers of one to four tokens."""

from __future__ import annotations

import numpy as np
import pytest

from neurotopo import AMIG, Fact
from neurotopo.models.encoding import CausalEncoding, MaskedEncoding
from tests.support import zoo
from tests.support.slow_attribution import slow_attribution

FACT = Fact("not read", "not read")


def random_encoding(model, rng, n_answer):
    """A prompt of 2 to 8 tokens and an answer, none of them special."""
    special = set(model.tokenizer.all_special_ids)
    ordinary = [i for i in range(5, len(model.tokenizer)) if i not in special]

    def draw(n):
        return tuple(int(i) for i in rng.choice(ordinary, n))

    answers = (draw(n_answer),)
    if model.is_causal:
        return CausalEncoding(draw(rng.integers(2, 9)), answers)
    before, after = draw(rng.integers(1, 5)), draw(rng.integers(0, 4))
    tokenizer = model.tokenizer
    around = ((tokenizer.cls_token_id, *before), (*after, tokenizer.sep_token_id))
    return MaskedEncoding(*around, answers=answers, mask=tokenizer.mask_token_id)


@pytest.mark.parametrize(
    "n_answer",
    [1, pytest.param(2, marks=pytest.mark.slow), 3, pytest.param(4, marks=pytest.mark.slow)],
)
@pytest.mark.parametrize("name", zoo.DISTINCT)
def test_random_prompts(name, n_answer, monkeypatch):
    model = zoo.shared(name)
    rng = np.random.default_rng([n_answer, *name.encode()])
    encoding = random_encoding(model, rng, n_answer)
    monkeypatch.setattr(model, "encode", lambda fact: encoding)
    tokenizer = model.tokenizer
    replacement = tokenizer.eos_token_id if model.is_causal else tokenizer.mask_token_id
    wanted = slow_attribution(
        model,
        FACT,
        encoding.answers[0],
        steps=2,
        baseline="mean",
        quadrature="right",
        target="joint",
        replacement=replacement,
    )
    assert np.abs(wanted).max() > 0
    for batch_size in (1, 7, None):
        attribution = AMIG(steps=2, batch_size=batch_size).attribute(model, FACT)
        np.testing.assert_allclose(
            attribution.scores, wanted, rtol=0, atol=1e-4 * np.abs(wanted).max()
        )
