"""Prompts of pretrained models: spaces, conversations, known facts."""

from __future__ import annotations

import pytest

from neurotopo import Fact, FactSet, load_model
from neurotopo.datasets import known_facts
from neurotopo.models.chat import Chat


def test_scripts_without_spaces_have_none_before_the_answer(model):
    encoding = model.encode(Fact("法国的首都是", ["巴黎", "Paris"]))
    texts = [
        model.tokenizer.decode([*encoding.prompt, *ids], skip_special_tokens=True)
        for ids in encoding.answers
    ]
    assert texts == ["法国的首都是巴黎", "法国的首都是 Paris"]


def test_a_conversation_is_that_of_the_template(model):
    if not model.tokenizer.chat_template:
        with pytest.raises(ValueError, match="needs a tokenizer with a chat template"):
            load_model(model, prompting="chat")
        return
    chat = load_model(model, prompting=Chat("Complete: {prompt}"))
    encoding = chat.encode(Fact("The capital of France is _X_", ["Paris", "New Amsterdam"]))
    turn = {"role": "user", "content": "Complete: The capital of France is"}
    given = model.tokenizer.apply_chat_template(
        [turn], add_generation_prompt=True, return_dict=True
    )
    assert list(encoding.prompt) == given["input_ids"]
    for answer, ids in zip(("Paris", "New Amsterdam"), encoding.answers, strict=True):
        whole = model.tokenizer.apply_chat_template(
            [turn, {"role": "assistant", "content": answer}], return_dict=True
        )["input_ids"]
        both = [*encoding.prompt, *ids]
        assert whole[: len(both)] == both


def test_capitals_are_known_with_a_margin(model):
    capitals = {"France": "Paris", "Italy": "Rome", "Spain": "Madrid", "Japan": "Tokyo"}
    facts = FactSet(
        Fact(f"The capital of {land} is the city of", city, "P36", id=land, subject=land)
        for land, city in capitals.items()
    )
    result = known_facts(model, facts, margin=1.0)
    assert len(result.facts(given=False)) >= 2
    for replies in result.replies.values():
        assert replies[0].n_foils in (0, 3)
