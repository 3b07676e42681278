"""Facts in a conversation: every token is where the chat template puts it."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from neurotopo import AMIG, Edit, Fact, NeuronModel, load_model
from neurotopo.knowledge.locate import locate
from neurotopo.models.chat import Chat
from neurotopo.models.encoding import encode_causal
from neurotopo.models.examples import random_model
from neurotopo.studies.study import identity_of_model
from tests.support.tokenizers import gemma_tokenizer, gpt2_tokenizer, llama2_tokenizer

CHATML = (
    "{% for m in messages %}{% if loop.first and m['role'] != 'system' %}<|im_start|>system\n"
    "You are kind.<|im_end|>\n{% endif %}<|im_start|>{{ m['role'] }}\n"
    "{{ m['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
# The beginning of the text is in the template, which trims, and there is no system prompt.
TURNS = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'system' %}"
    "{{ raise_exception('no system role') }}{% endif %}<start_of_turn>"
    "{{ 'model' if m['role'] == 'assistant' else m['role'] }}\n{{ m['content'] | trim }}"
    "<end_of_turn>\n{% endfor %}{% if add_generation_prompt %}<start_of_turn>model\n{% endif %}"
)
# A reply has a space before it.
INST = (
    "{{ bos_token }}{% for m in messages %}{% if m['role'] == 'user' %}[INST] {{ m['content'] }} "
    "[/INST]{% else %} {{ m['content'] }} {{ eos_token }}{% endif %}{% endfor %}"
)
SPACED = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }} {% endfor %}" + (
    "{% if add_generation_prompt %}assistant: {% endif %}"
)
THINKING = CHATML.replace(
    "{{ m['content'] }}",
    "{% if m['role'] == 'assistant' %}<think>\n\n</think>\n\n{% endif %}{{ m['content'] }}",
)
# A finished reply is written in another way than the beginning of one.
REWRITTEN = "{{ messages[0]['content'] }}{% if add_generation_prompt %} A:{% else %}!{% endif %}"

FACT = Fact("The capital of Brolland is _X_.", ["Marly", "São Peko"], subject="Brolland")


def with_template(make, template, *special):
    tokenizer = deepcopy(make())  # tests share it
    tokenizer.add_special_tokens({"additional_special_tokens": list(special)})
    tokenizer.chat_template = template
    return tokenizer


def chatml():
    return with_template(gpt2_tokenizer, CHATML, "<|im_start|>", "<|im_end|>")


def turns():
    return with_template(gemma_tokenizer, TURNS, "<start_of_turn>", "<end_of_turn>")


def inst():
    return with_template(llama2_tokenizer, INST)


def spaced():
    return with_template(gpt2_tokenizer, SPACED)


def thinking():
    return with_template(gpt2_tokenizer, THINKING, "<|im_start|>", "<|im_end|>")


EVERY = pytest.mark.parametrize("make", [chatml, turns, inst, spaced, thinking])


def ids(tokenizer, text):
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


@EVERY
def test_prompt_and_answer_begin_the_finished_conversation(make):
    tokenizer = make()
    encoding = encode_causal(tokenizer, FACT, chat=Chat("Finish: {prompt}"))
    for answer, own in zip(FACT.answers, encoding.answers, strict=True):
        whole = tokenizer.apply_chat_template(
            [
                {"role": "user", "content": "Finish: The capital of Brolland is"},
                {"role": "assistant", "content": answer},
            ],
            tokenize=False,
        )
        both = (*encoding.prompt, *own)
        assert ids(tokenizer, whole)[: len(both)] == both
        assert tokenizer.decode(own).strip() == answer
    first = tokenizer.bos_token_id
    if make in (turns, inst):
        assert encoding.prompt.count(first) == 1
        assert encoding.prompt[0] == first
    elif first is not None:
        assert first not in encoding.prompt


@pytest.mark.parametrize("make", [chatml, turns])
def test_the_prompt_is_that_of_transformers(make):
    tokenizer = make()
    messages = [{"role": "user", "content": Chat().turn("The capital of Brolland is")}]
    given = tokenizer.apply_chat_template(messages, add_generation_prompt=True, return_dict=True)
    assert encode_causal(tokenizer, FACT, chat=Chat()).prompt == tuple(given["input_ids"])


def test_a_reply_has_the_space_of_the_template_and_no_other():
    spaces = {}
    for make in (chatml, turns, inst, spaced):
        tokenizer = make()
        first = encode_causal(tokenizer, FACT, chat=Chat()).answers[0][0]
        spaces[make.__name__] = tokenizer.convert_ids_to_tokens(first)[0] in "▁Ġ"
    assert spaces == {"chatml": False, "turns": False, "inst": True, "spaced": True}


def test_what_a_template_writes_before_a_reply_is_in_the_prompt():
    tokenizer = thinking()
    text = tokenizer.decode(encode_causal(tokenizer, FACT, chat=Chat()).prompt)
    assert text.endswith("<|im_start|>assistant\n<think>\n\n</think>\n\n")


def test_a_reply_that_is_rewritten_follows_the_prompt():
    tokenizer = with_template(gpt2_tokenizer, REWRITTEN)
    encoding = encode_causal(tokenizer, FACT, chat=Chat("{prompt}"))
    assert tokenizer.decode(encoding.prompt) == "The capital of Brolland is A:"
    assert tokenizer.decode(encoding.answers[0]) == "Marly"


def test_the_system_prompt_is_that_of_the_template_unless_given():
    tokenizer = chatml()
    texts = [
        tokenizer.decode(encode_causal(tokenizer, FACT, chat=chat).prompt)
        for chat in (Chat(), Chat(system="Be brief."), Chat(system=""))
    ]
    assert ["You are kind." in text for text in texts] == [True, False, False]
    assert "<|im_start|>system\nBe brief.<|im_end|>" in texts[1]
    assert "<|im_start|>system\n<|im_end|>" in texts[2]
    with pytest.raises(ValueError, match=r"no system role.*Some templates have no system prompt"):
        encode_causal(turns(), FACT, chat=Chat(system="Be brief."))


def test_options_are_variables_of_the_template():
    tokenizer = with_template(gpt2_tokenizer, "{{ messages[0]['content'] }}{{ mood }}")
    encoding = encode_causal(tokenizer, FACT, chat=Chat("{prompt}", options={"mood": " Hm."}))
    assert tokenizer.decode(encoding.prompt).endswith("is Hm.")


def test_a_question_is_the_whole_turn():
    assert Chat("Do: {prompt}").turn("Who owns Marly?") == "Who owns Marly?"
    assert Chat("Do: {prompt}").turn("马里在哪里\uff1f") == "马里在哪里\uff1f"
    assert Chat("Do: {prompt}").turn("{prompt} of") == "Do: {prompt} of"


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ messages[0]['content'] | upper }}", "changes the text of the user's turn"),
        ("{{ messages[0]['content'][:9] }}", "changes the text of the user's turn"),
        ("{{ raise_exception('no luck') }}", "the chat template of the tokenizer fails: no luck"),
    ],
)
def test_a_template_that_loses_the_prompt_is_refused(template, message):
    tokenizer = with_template(gpt2_tokenizer, template)
    with pytest.raises(ValueError, match=message):
        encode_causal(tokenizer, FACT, chat=Chat())


def test_what_cannot_chat_is_refused():
    plain, masked = random_model("gpt2"), random_model("bert")
    with pytest.raises(ValueError, match=r"a tokenizer with a chat template.*chat_template"):
        load_model(plain, prompting="chat")
    with pytest.raises(ValueError, match="needs a causal model"):
        load_model(masked, prompting="chat")
    with pytest.raises(ValueError, match="must be 'completion', 'chat' or a Chat, got 'talk'"):
        load_model(plain, prompting="talk")
    with pytest.raises(ValueError, match=r"instruction must have \{prompt\} once"):
        Chat("Complete")
    with pytest.raises(TypeError, match="system must be a string or None"):
        Chat(system=3)


@pytest.fixture(scope="module")
def model():
    tokenizer = chatml()
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=12,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        max_position_embeddings=90,
        initializer_range=0.2,
    )
    return NeuronModel(LlamaForCausalLM(config).eval(), tokenizer, prompting="chat")


def test_the_probability_is_that_of_the_reply(model):
    text = model.tokenizer.apply_chat_template(
        [{"role": "user", "content": Chat().turn("The capital of Brolland is")}],
        add_generation_prompt=True,
        tokenize=False,
    )
    prompt = ids(model.tokenizer, text)
    expected = []
    for answer in FACT.answers:
        whole = ids(model.tokenizer, text + answer)
        logits = model.hf_model(torch.tensor([whole])).logits[0].log_softmax(-1)
        terms = [logits[i - 1, whole[i]].item() for i in range(len(prompt), len(whole))]
        expected.append(sum(terms))
    assert model.answers_log_probability(FACT) == pytest.approx(expected, abs=1e-5)
    others = [FACT, Fact("Who owns Marly?", "Ilse"), Fact("Peko is in", "Zúnia")]
    one_by_one = [model.answer_probability(fact) for fact in others]
    assert model.answer_probabilities(others) == pytest.approx(one_by_one, rel=1e-5)


@pytest.mark.parametrize("baseline", ["mean", "zero"])
def test_attribution_and_edits_see_the_conversation(model, baseline):
    attribution = AMIG(steps=4, baseline=baseline).attribute(model, FACT)
    assert attribution.value == pytest.approx(model.answer_probability(FACT), rel=1e-4)
    neuron = [np.unravel_index(np.abs(attribution.scores).argmax(), attribution.scores.shape)]
    for positions in ("all", "last"):
        edit = Edit([(int(a), int(b)) for a, b in neuron], positions=positions)
        assert model.answer_probability(FACT, edits=edit) != model.answer_probability(FACT)
    assert model.activations(FACT, "all").shape[1] == model.encode(FACT).n_prompt


def test_the_length_is_that_of_the_conversation(model):
    long = Fact("Marly " * 60 + "is", "Peko")
    with pytest.raises(ValueError, match="the limit of LlamaForCausalLM is 90"):
        model.answer_probability(long)


def test_prompting_is_part_of_the_identity(model, tmp_path):
    plain = load_model(model, prompting="completion")
    assert load_model(model).chat == model.chat == Chat()
    assert plain.chat is None
    assert "chat" not in identity_of_model(plain)
    assert identity_of_model(model)["chat"] == Chat().to_dict()
    fact = Fact("Peko is in", "Zúnia", id="z")
    locate(model, [fact], AMIG.fast(), out=tmp_path / "located.jsonl")
    with pytest.raises(ValueError, match="was made with other options"):
        locate(plain, [fact], AMIG.fast(), out=tmp_path / "located.jsonl")
