"""Greedy replies and margins, against a model that generates and a sum over every foil."""

from __future__ import annotations

import itertools
from copy import deepcopy
from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel

from neurotopo import Fact, NeuronModel
from neurotopo.knowledge.asking import ask
from neurotopo.knowledge.reply import Reply
from neurotopo.models.examples import random_model
from neurotopo.models.recall import recalled
from tests.support.tokenizers import gpt2_tokenizer

WORDS = ["Paris", "Rome", "France", "Italy", "capital"]
FOILS = [
    " ".join(words)
    for n, every in ((1, 1), (2, 2), (3, 6))
    for words in list(itertools.permutations(WORDS, n))[::every]
]


PROMPTS = ["The capital of Italy is _X_", "France capital _X_", "Rome is the capital _X_"]


@pytest.fixture(scope="module", params=[("gpt2", 4), ("llama", 14), ("bert", 0)], ids=str)
def model(request):
    """A model that replies in words to the prompts, but for one."""
    kind, seed = request.param
    return random_model(kind, seed=seed)


def written(model, prompt, n):
    """Return the greedy reply of n tokens, one forward pass per token."""
    encoding = model.encode(Fact(prompt, "Paris"))
    done = []
    for i in range(n):
        if model.is_causal:
            ids = [*encoding.prompt, *done]
            at = len(ids) - 1
        else:
            ids = [*encoding.before, *done, *[encoding.mask] * (n - i), *encoding.after]
            at = len(encoding.before) + i
        with torch.no_grad():
            done.append(int(model.hf_model(torch.tensor([ids])).logits[0, at].argmax()))
    return model.tokenizer.decode(done)


def slow(model, fact, foils):
    """Return margin and strongest foil by the definition."""
    own = [model.encode(fact).answers[0]]
    tokens = {foil: model.encode(replace(fact, answers=(foil,))).answers[0] for foil in foils}
    kept = [
        foil
        for foil, ids in tokens.items()
        if not any(ids[: len(a)] == a or a[: len(ids)] == ids for a in own)
    ]
    log_p = [model.answer_probability(replace(fact, answers=(foil,)), log=True) for foil in kept]
    best = int(np.argmax(log_p))
    return model.answer_probability(fact, log=True) - log_p[best], kept[best], len(kept)


@pytest.mark.parametrize("n_tokens", [1, 2, 3])
def test_exact_reply_and_margin(model, n_tokens):
    replies = {prompt: written(model, prompt, n_tokens) for prompt in PROMPTS}
    facts = [Fact(prompt, text) for prompt, text in replies.items() if "[" not in text]
    n = len(facts)
    assert n >= 2
    facts += [replace(fact, answers=(f"{fact.answers[0]} Rome Paris",)) for fact in facts]
    replies = ask(model, facts, lambda fact: FOILS)
    assert [reply.exact for reply in replies] == recalled(model, facts, ends=False).tolist()
    assert all(reply.exact for reply in replies[:n])
    for fact, reply in zip(facts, replies, strict=True):
        if reply.exact:
            margin, foil, n_foils = slow(model, fact, FOILS)
            assert reply.margin == pytest.approx(margin, abs=1e-4)
            assert (reply.foil, reply.n_foils) == (foil, n_foils)
            assert reply.log_p == pytest.approx(model.answer_probability(fact, log=True), abs=1e-4)
            assert reply.answer == fact.answers[0]


def test_replies_do_not_depend_on_the_batch(model):
    facts = [Fact(f"{a} {b} _X_", WORDS) for a, b in itertools.permutations(WORDS, 2)]
    together = ask(model, facts, lambda fact: FOILS)
    for fact, reply in zip(facts, together, strict=True):
        (alone,) = ask(model, [fact], lambda fact: FOILS)
        assert (alone.exact, alone.answer, alone.foil) == (reply.exact, reply.answer, reply.foil)
        if alone.margin is not None:
            assert alone.margin == pytest.approx(reply.margin, abs=1e-4)
    backwards = ask(model, facts[::-1], lambda fact: FOILS)[::-1]
    assert [r.exact for r in backwards] == [r.exact for r in together]


def test_any_accepted_answer_counts(model):
    prompt = "The capital of Italy is _X_"
    right = written(model, prompt, 1)
    others = [word for word in WORDS if word != right]
    (reply,) = ask(model, [Fact(prompt, [*others, right])], lambda fact: ())
    assert (reply.exact, reply.answer) == (True, right)
    assert (reply.margin, reply.foil, reply.n_foils) == (None, None, 0)
    assert not ask(model, [Fact(prompt, others)], lambda fact: ())[0].exact


def test_foils_that_cannot_be_written_are_left_out(model):
    prompt = "The capital of Italy is _X_"
    fact = Fact(prompt, written(model, prompt, 1))
    foils = [word for word in WORDS if word != fact.answers[0]]
    wanted = ask(model, [fact], lambda fact: foils)
    assert ask(model, [fact], lambda fact: [*foils, "Zúnia"]) == wanted


def test_a_problem_is_not_a_reply(model):
    facts = [Fact("The capital of Italy is _X_", "Zúnia"), Fact("Paris " * 80 + "_X_", "Rome")]
    unknown, long = ask(model, facts, lambda fact: FOILS)
    assert "does not know" in unknown.problem
    assert "the limit" in long.problem
    assert not unknown.exact


def taught(*texts):
    """Return a model that was taught texts until it writes them."""
    tokenizer = deepcopy(gpt2_tokenizer())
    torch.manual_seed(0)
    config = GPT2Config(n_layer=1, n_embd=32, n_head=2, n_positions=40, vocab_size=len(tokenizer))
    hf_model = GPT2LMHeadModel(config)
    optimizer = torch.optim.Adam(hf_model.parameters(), lr=0.01)
    for _ in range(60):
        for text in texts:
            ids = torch.tensor([tokenizer(text)["input_ids"]])
            hf_model(ids, labels=ids).loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return NeuronModel(hf_model.eval(), tokenizer)


def test_the_answer_must_end_where_a_word_ends():
    assert gpt2_tokenizer().tokenize(" Marlyport")[0] == "ĠMarly"
    model = taught("Ada is in Marlyport, today", "Who is it? Krone & Sons, today")
    facts = [
        Fact("Ada is in", "Marlyport"),
        Fact("Ada is in", "Marly"),
        Fact("Who is it?", "Krone"),
        Fact("Who is it?", "Krone & Sons"),
    ]
    replies = ask(model, facts, lambda fact: ())
    assert [reply.exact for reply in replies] == [True, False, True, True]
    assert recalled(model, facts, ends=False).all(), "the tokens alone would agree"


def test_words_of_scripts_without_spaces_end_anywhere():
    model = taught("博朗国的首都是马里祖尼亚")
    (reply,) = ask(model, [Fact("博朗国的首都是", "马里")], lambda fact: ())
    assert reply.exact


def test_known_needs_the_margin():
    reply = Reply(True, "Paris", -0.1, margin=1.0, foil="Rome", n_foils=3)
    assert reply.known(None)
    assert reply.known(1.0)
    assert not reply.known(1.5)
    assert not replace(reply, exact=False).known(None)
    assert replace(reply, margin=None).known(None)
    assert not replace(reply, margin=None).known(-5.0)


def test_every_foil_needs_few_passes(monkeypatch):
    """The strongest foils rule out the others, so their number does not matter."""
    from neurotopo.knowledge import asking

    model = random_model("gpt2", seed=4)
    prompt = "The capital of Italy is _X_"
    fact = Fact(prompt, written(model, prompt, 1))
    passes = []
    plain = asking.log_probabilities

    def counted(settings, queries, edits):
        passes.append(len(queries))
        return plain(settings, queries, edits)

    monkeypatch.setattr(asking, "log_probabilities", counted)
    ask(model, [fact], lambda fact: FOILS)
    assert sum(passes) < len(FOILS) / 2
