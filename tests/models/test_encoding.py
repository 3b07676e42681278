"""Token ids of prompts and answers, against what each tokenizer makes of the whole sentence."""

from __future__ import annotations

import json
import os
import warnings
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from tokenizers import AddedToken, Tokenizer, pre_tokenizers
from transformers import (
    BertTokenizer,
    GPT2Tokenizer,
    LlamaTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
)

from neurotopo.knowledge import Fact
from neurotopo.models.encoding import _alone, encode_causal, encode_masked, prefix_free
from neurotopo.models.prompts import causal_parts, masked_parts
from tests.support.tokenizers import (
    CAUSAL_TOKENIZERS,
    CORPUS,
    MASKED_TOKENIZERS,
    bert_tokenizer,
    gemma_tokenizer,
    gpt2_tokenizer,
    llama2_tokenizer,
    llama3_tokenizer,
    roberta_tokenizer,
    xlmr_tokenizer,
)

BYTE_LEVEL = {"gpt2_tokenizer", "llama3_tokenizer", "qwen2_tokenizer", "roberta_tokenizer"}
EVERY_CAUSAL = pytest.mark.parametrize("make", CAUSAL_TOKENIZERS, ids=lambda make: make.__name__)
EVERY_MASKED = pytest.mark.parametrize("make", MASKED_TOKENIZERS, ids=lambda make: make.__name__)
EVERY = pytest.mark.parametrize(
    "make", CAUSAL_TOKENIZERS + MASKED_TOKENIZERS, ids=lambda make: make.__name__
)


def plain(tokenizer, text):
    return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])


def tokens(tokenizer, ids):
    return tokenizer.convert_ids_to_tokens(list(ids))


def special_ids(tokenizer):
    return {*tokenizer.all_special_ids, *tokenizer.added_tokens_decoder}


def in_front(tokenizer):
    """What the tokenizer puts before a text."""
    ids = tokenizer("Marly")["input_ids"]
    return tuple(ids[: ids.index(plain(tokenizer, "Marly")[0])])


def normalized(tokenizer, text):
    normalizer = tokenizer.backend_tokenizer.normalizer
    return text if normalizer is None else normalizer.normalize_str(text)


def squeezed(text):
    return "".join(text.split())


def test_the_tokenizers_are_small_and_have_the_special_tokens_of_the_real_ones():
    for make in CAUSAL_TOKENIZERS + MASKED_TOKENIZERS:
        assert len(make()) <= 400
    assert {make.__name__ for make in MASKED_TOKENIZERS} == {
        make.__name__ for make in MASKED_TOKENIZERS if make().mask_token_id is not None
    }
    for make in (gpt2_tokenizer, llama2_tokenizer, llama3_tokenizer):
        assert make().pad_token_id is None
        assert make().eos_token_id is not None
        assert make().mask_token_id is None


# The defects of earlier code, one test each ------------------------------------------------------


def test_one_token_stays_one_token():
    tokenizer = gpt2_tokenizer()
    encoding = encode_causal(tokenizer, Fact("The capital of Brolland is _X_.", "Marly"))
    assert tokens(tokenizer, encoding.answers[0]) == ["ĠMarly"]
    # Decoded, stripped and encoded once more it would be three.
    assert len(plain(tokenizer, tokenizer.decode(encoding.answers[0]).strip())) == 3


@EVERY
def test_no_answer_holds_a_special_token(make):
    tokenizer = make()
    encode = encode_causal if make in CAUSAL_TOKENIZERS else encode_masked
    for prompt in ("The capital of Brolland is _X_.", "It is (_X_)", "Where is Ada?"):
        encoding = encode(tokenizer, Fact(prompt, ["Marly", "São Peko", "Vèze 12"]))
        assert len(encoding.answers) == 3
        assert not special_ids(tokenizer).intersection(*encoding.answers)
        for ids in encoding.answers:
            assert not special_ids(tokenizer) & set(ids)


@EVERY_CAUSAL
def test_no_prompt_keeps_a_placeholder(make):
    tokenizer = make()
    for relation, prompt in (
        ("P6", "_X_ is the head of the government of Zúnia."),
        ("P286", "_X_ is the head coach of Marly United."),
        ("P488", "_X_ is the chair of Peko Motor Works."),
    ):
        encoding = encode_causal(tokenizer, Fact(prompt, "Ada", relation=relation))
        text = tokenizer.decode(encoding.prompt, skip_special_tokens=True).strip()
        assert text == "The " + prompt[4:].removeprefix("is the ").removesuffix(".") + " is"


# Against the whole sentence ----------------------------------------------------------------------


@EVERY_CAUSAL
@pytest.mark.parametrize("answer", ["Marly", "São Peko", "Émile Vèze", "35,206", "马里"])
def test_prompt_and_answer_are_the_tokens_of_the_sentence(make, answer):
    tokenizer = make()
    encoding = encode_causal(tokenizer, Fact("The capital of Brolland is _X_.", answer))
    sentence = tokenizer(f"The capital of Brolland is {answer}")["input_ids"]
    assert [*encoding.prompt, *encoding.answers[0]] == sentence


@pytest.mark.parametrize("make", [bert_tokenizer, roberta_tokenizer])
@pytest.mark.parametrize("prompt", ["The capital of Brolland is _X_.", "_X_ is a port", "A (_X_)"])
@pytest.mark.parametrize("answer", ["Marly", "São Peko", "Émile Vèze", "35,206"])
def test_text_around_and_answer_are_the_tokens_of_the_sentence(make, prompt, answer):
    tokenizer = make()
    encoding = encode_masked(tokenizer, Fact(prompt, answer))
    sentence = tokenizer(prompt.replace("_X_", answer))["input_ids"]
    assert [*encoding.before, *encoding.answers[0], *encoding.after] == sentence


letters = st.sampled_from(sorted({*"".join(CORPUS)}))
known_text = st.lists(
    st.sampled_from([word for text in CORPUS for word in text.split()])
    | st.text(alphabet=letters, min_size=1, max_size=6),
    min_size=1,
    max_size=4,
).map(" ".join)
any_text = st.text(alphabet=st.characters(exclude_categories=["Cs", "Cn"]), min_size=1, max_size=12)


@EVERY
@given(data=st.data())
def test_random_texts(make, data):
    tokenizer = make()
    bytewise = make.__name__ in BYTE_LEVEL
    text = known_text | any_text if bytewise else known_text
    before, answer = data.draw(text), data.draw(text.filter(str.strip))
    prompt = f"{before}{data.draw(st.sampled_from(['', ' ']))}_X_."
    assume(before.strip() and "_X_" not in before + answer and "__" not in prompt + answer)
    fact = Fact(prompt, answer)
    if make in CAUSAL_TOKENIZERS:
        parts, encoding = causal_parts(fact), encode_causal(tokenizer, fact)
        start = in_front(tokenizer)
        assert encoding.prompt == start + plain(tokenizer, parts.before)
        read = encoding.prompt[len(start) :]
    else:
        parts, encoding = masked_parts(fact), encode_masked(tokenizer, fact)
        assert encoding.before[0] == tokenizer.cls_token_id
        assert encoding.after[-1] == tokenizer.sep_token_id
        read = encoding.before[1:]
    (ids,) = encoding.answers
    assert ids
    assert not special_ids(tokenizer) & set(ids)
    sentence = f"{parts.before}{parts.separator}{fact.answers[0]}"
    whole, start = plain(tokenizer, sentence), plain(tokenizer, parts.before)
    if whole[: len(start)] == start and len(whole) > len(start):
        assert start + ids == whole
    if bytewise:
        assert tokenizer.decode(read + ids) == normalized(tokenizer, sentence)
    else:
        assert squeezed(tokenizer.decode(read + ids)) == squeezed(tokenizer.decode(whole))


# Boundaries inside a token -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "prompt", "answer", "language", "expected"),
    [
        # the model's own first token would be the last one of the prompt with more behind it
        (gpt2_tokenizer, "圣_X_", "佩科", "zh", ["ä½", "©ç", "§ĳ"]),
        (llama3_tokenizer, "圣_X_", "佩科", "zh", ["ä½", "©ç", "§ĳ"]),
        (llama2_tokenizer, "博朗国的_X_", "首都", "zh", ["首", "都"]),
        (gemma_tokenizer, "博朗国的_X_", "首都", "zh", ["首", "都"]),
        (xlmr_tokenizer, "博朗国的_X_", "首都", "zh", ["首都"]),
        (gpt2_tokenizer, "Is it Brolland'_X_", "s", "en", ["s"]),
        (llama3_tokenizer, "Is it Brolland'_X_", "s", "en", ["s"]),
        (bert_tokenizer, "Mar_X_", "ly", "en", ["l", "##y"]),
    ],
)
def test_a_token_across_the_boundary_is_cut(make, prompt, answer, language, expected):
    tokenizer = make()
    fact = Fact(prompt, answer, language=language)
    parts = masked_parts(fact)
    start, whole = plain(tokenizer, parts.before), plain(tokenizer, parts.before + answer)
    assert whole[: len(start)] != start  # else the case shows nothing
    if tokenizer.cls_token_id is None:
        encoding = encode_causal(tokenizer, fact)
        assert encoding.prompt == in_front(tokenizer) + start
    else:
        encoding = encode_masked(tokenizer, fact)
        assert encoding.before == (tokenizer.cls_token_id, *start)
    assert tokens(tokenizer, encoding.answers[0]) == expected


def of_pieces(pieces, merges):
    pieces = ["<|endoftext|>", *pieces]
    return GPT2Tokenizer({piece: i for i, piece in enumerate(pieces)}, merges)


def test_the_space_of_an_answer_is_kept_where_a_token_would_cross_it():
    merges = [("i", "s"), ("Ġ", "a"), ("is", "Ġa")]
    tokenizer = of_pieces([*"Zisa:Ċ", "Ġ", "is", "Ġa", "isĠa"], merges)
    whole_line = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    tokenizer.backend_tokenizer.pre_tokenizer = whole_line
    assert tokens(tokenizer, plain(tokenizer, "Zis a")) == ["Z", "isĠa"]
    encoding = encode_causal(tokenizer, Fact("Zis _X_", "a"))
    assert tokens(tokenizer, encoding.prompt + encoding.answers[0]) == ["Z", "is", "Ġa"]


def test_line_breaks_that_are_split_otherwise_before_a_word_stay_as_they_are():
    tokenizer = of_pieces([*"ZisaĊ", "ĊĊ"], [("Ċ", "Ċ")])
    assert tokens(tokenizer, plain(tokenizer, "Z\n\na")) == ["Z", "Ċ", "Ċ", "a"]
    encoding = encode_causal(tokenizer, Fact("Z\n\n_X_", "a"))
    assert tokens(tokenizer, encoding.prompt + encoding.answers[0]) == ["Z", "ĊĊ", "a"]


@EVERY
@pytest.mark.parametrize("answer", ["Marly", "São Peko", "12", "马里"])
@pytest.mark.parametrize("separator", ["", " "])
def test_an_answer_by_itself_has_the_tokens_it_has_in_a_text(make, answer, separator):
    tokenizer = make()
    start, whole = plain(tokenizer, "It ("), plain(tokenizer, f"It ({separator}{answer}")
    assert whole[: len(start)] == start
    assert _alone(tokenizer, separator + answer) == whole[len(start) :]


# Special tokens ----------------------------------------------------------------------------------


def test_what_is_put_in_front_is_kept_and_what_is_appended_is_dropped():
    llama2 = llama2_tokenizer()
    model = json.loads(llama2.backend_tokenizer.to_str())["model"]
    parts = {"vocab": model["vocab"], "merges": [tuple(pair) for pair in model["merges"]]}
    fact = Fact("The capital of Brolland is _X_.", "Marly")
    expected = encode_causal(llama2, fact)
    assert tokens(llama2, expected.prompt)[:3] == ["<s>", "▁", "The"]
    both = LlamaTokenizer(**parts, add_bos_token=True, add_eos_token=True)
    assert both("Marly")["input_ids"][-1] == both.eos_token_id
    assert encode_causal(both, fact) == expected
    neither = LlamaTokenizer(**parts, add_bos_token=False)
    assert encode_causal(neither, fact).prompt == expected.prompt[1:]
    at_end = LlamaTokenizer(**parts, add_bos_token=False, add_eos_token=True)
    assert encode_causal(at_end, fact).prompt == expected.prompt[1:]
    bert = encode_causal(bert_tokenizer(), fact)  # a BERT used as a decoder
    assert list(bert.prompt) == bert_tokenizer()("The capital of Brolland is")["input_ids"][:-1]


@EVERY_CAUSAL
def test_only_what_the_tokenizer_puts_there_comes_first(make):
    tokenizer = make()
    encoding = encode_causal(tokenizer, Fact("Who owns Peko?", "Ada"))
    bos = {"llama3_tokenizer", "llama2_tokenizer", "llama2_legacy_tokenizer", "gemma_tokenizer"}
    if make.__name__ in bos:
        assert encoding.prompt[0] == tokenizer.bos_token_id
    assert not special_ids(tokenizer) & set(encoding.prompt[make.__name__ in bos :])


def test_padding_and_truncation_of_the_tokenizer_file_are_not_applied():
    backend = Tokenizer.from_str(llama3_tokenizer().backend_tokenizer.to_str())
    backend.enable_padding(pad_id=1, pad_token="<|end_of_text|>", length=50)
    backend.enable_truncation(4)
    bos, eos = "<|begin_of_text|>", "<|end_of_text|>"
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token=bos, eos_token=eos)
    fact = Fact("The capital of Brolland is _X_.", ["Marly", "São Peko"])
    assert encode_causal(tokenizer, fact) == encode_causal(llama3_tokenizer(), fact)


def test_a_long_prompt_is_neither_cut_nor_complained_about(caplog):
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=gpt2_tokenizer().backend_tokenizer, model_max_length=8
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        encoding = encode_causal(tokenizer, Fact("Who owns Peko? " * 20 + "_X_", "Ada"))
    assert len(encoding.prompt) > 60
    assert not caplog.records


# Masks -------------------------------------------------------------------------------------------


@EVERY_MASKED
@pytest.mark.parametrize(
    "prompt", ["The capital of Brolland is _X_.", "_X_ is a port.", "It (_X_) is a port."]
)
def test_the_text_around_is_what_the_tokenizer_makes_of_one_mask(make, prompt):
    tokenizer = make()
    encoding = encode_masked(tokenizer, Fact(prompt, "Marly"))
    sentence = prompt.replace("_X_", tokenizer.mask_token)
    assert [*encoding.before, encoding.mask, *encoding.after] == tokenizer(sentence)["input_ids"]
    assert encoding.mask == tokenizer.mask_token_id


@EVERY_MASKED
def test_the_first_token_carries_the_space_of_the_text(make):
    tokenizer = make()

    def first(prompt):
        return tokens(tokenizer, encode_masked(tokenizer, Fact(prompt, "Marly")).answers[0])[0]

    spaced, joined, at_start = first("It is _X_."), first("It is (_X_)."), first("_X_ is it.")
    assert {
        "bert_tokenizer": ("marly", "marly", "marly"),
        "roberta_tokenizer": ("ĠMarly", "M", "M"),
        "xlmr_tokenizer": ("▁Marly", "Marly", "▁Marly"),
    }[make.__name__] == (spaced, joined, at_start)


@pytest.mark.parametrize("prompt", ["It is _X_.", "It is (_X_).", "_X_ is it."])
def test_a_mask_that_absorbs_no_space_gives_the_same_ids(prompt):
    model = json.loads(roberta_tokenizer().backend_tokenizer.to_str())["model"]
    merges = [tuple(pair) for pair in model["merges"]]
    mask = AddedToken("<mask>", lstrip=False, special=True, normalized=False)
    other = RobertaTokenizer(vocab=model["vocab"], merges=merges, mask_token=mask)
    assert plain(other, "is <mask>") != plain(roberta_tokenizer(), "is <mask>")
    fact = Fact(prompt, ["Marly", "São Peko"])
    assert encode_masked(other, fact) == encode_masked(roberta_tokenizer(), fact)


def test_templates_do_not_change_a_masked_prompt():
    fact = Fact("_X_ is the chair of Peko.", "Ada", relation="P488")
    with_templates = encode_masked(bert_tokenizer(), fact, {"P488": "The chair is _X_."})
    assert with_templates == encode_masked(bert_tokenizer(), fact)


def test_templates_turn_a_causal_prompt_round():
    fact = Fact("_X_ plays for Marly.", "Ada", relation="P54")
    templates = {"P54": ("_X_ plays for [Y].", "The player of [Y] is _X_.")}
    encoding = encode_causal(gpt2_tokenizer(), fact, templates)
    assert gpt2_tokenizer().decode(encoding.prompt) == "The player of Marly is"


# Refusals ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "answers", "message"),
    [
        (bert_tokenizer, ["Marly", "Ma☃ly"], r"'Ma☃ly' holds .* does not know \(\[UNK\]\)"),
        (xlmr_tokenizer, "Marly☃", r"'Marly☃' holds .* does not know \(<unk>\)"),
        (bert_tokenizer, "\u0301", "has no tokens"),
        (bert_tokenizer, "Marly [SEP]", r"'Marly \[SEP\]' holds the special token '\[SEP\]'"),
        (roberta_tokenizer, "<mask>", "'<mask>' holds the special token '<mask>'"),
    ],
)
def test_answers_without_a_meaningful_probability_are_refused(make, answers, message):
    fact = Fact("The capital of Brolland is _X_.", answers, id="f7")
    with pytest.raises(ValueError, match=rf"Fact 'f7' \(.*\): the answer .*{message}"):
        encode_masked(make(), fact)


def test_special_tokens_that_have_no_name_are_refused_too():
    backend = Tokenizer.from_str(llama3_tokenizer().backend_tokenizer.to_str())
    backend.add_special_tokens(["<|eot_id|>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, bos_token="<|begin_of_text|>")
    with pytest.raises(ValueError, match=r"holds the special token '<\|eot_id\|>'"):
        encode_causal(tokenizer, Fact("Who owns Peko?", "Ada<|eot_id|>"))


def test_a_prompt_without_tokens_is_refused():
    with pytest.raises(ValueError, match="Fact '\u0301 _X_': the tokenizer makes no token"):
        encode_causal(bert_tokenizer(), Fact("\u0301 _X_", "Marly"))


def test_a_tokenizer_without_a_mask_is_refused():
    with pytest.raises(ValueError, match="GPT2Tokenizer has no mask token"):
        encode_masked(gpt2_tokenizer(), Fact("Who owns Peko?", "Ada"))


def test_a_second_mask_in_the_text_is_refused():
    vocab = {"[UNK]": 0, "[CLS]": 1, "[SEP]": 2, "[PAD]": 3, "?": 4, "who": 5}
    tokenizer = BertTokenizer(vocab, mask_token="who")
    with pytest.raises(ValueError, match="has 2 masks, not one"):
        encode_masked(tokenizer, Fact("who ?", "?"))


# Several answers ---------------------------------------------------------------------------------


def test_answers_with_the_same_tokens_are_one():
    fact = Fact("The chair is _X_.", ["Vèze", "Émile", "veze", "emile", "Vèze"])
    encoding = encode_masked(bert_tokenizer(), fact)
    alone = [encode_masked(bert_tokenizer(), Fact(fact.prompt, a)) for a in ("Vèze", "Émile")]
    assert encoding.answers == (alone[0].answers[0], alone[1].answers[0])
    assert len(encode_causal(gpt2_tokenizer(), fact).answers) == 4


ids_of_answers = st.lists(st.lists(st.integers(0, 2), min_size=1, max_size=4), max_size=12)


@given(ids_of_answers)
def test_prefix_free(answers):
    kept = prefix_free(answers)
    expected = []
    for answer in map(tuple, answers):
        begun = any(answer != tuple(o) and list(answer[: len(o)]) == o for o in answers)
        if not begun and answer not in expected:
            expected.append(answer)
    assert list(kept) == expected
    # Every event is in exactly one of those kept.
    for answer in answers:
        assert sum(answer[: len(start)] == list(start) for start in kept) == 1


# TempLAMA, where it is at hand -------------------------------------------------------------------


def templama(name):
    folder = os.environ.get("NEUROTOPO_TEMPLAMA")
    if not folder:
        pytest.skip("NEUROTOPO_TEMPLAMA does not name the folder of TempLAMA")
    rows = (Path(folder) / name).read_text("utf-8").splitlines()
    for row in map(json.loads, rows):
        answers = [answer["name"] for answer in row["answer"]]
        yield Fact(row["query"], answers, row["relation"], row["date"], row["id"])


@pytest.mark.parametrize("make", [gpt2_tokenizer, llama2_tokenizer, llama3_tokenizer])
def test_every_row_of_templama_can_be_asked_of_a_causal_model(make):
    tokenizer = make()
    turned = set()
    facts = list(templama("train.jsonl"))
    assert len(facts) == 10_693
    for fact in facts:
        parts = causal_parts(fact)
        assert "_X_" not in parts.before
        if not fact.prompt.startswith(parts.before):
            turned.add(fact.id)
            assert parts.before.startswith("The ")
            assert parts.before.endswith(" is")
        encoding = encode_causal(tokenizer, fact)
        read = tokenizer.decode(encoding.prompt, skip_special_tokens=True)
        assert read == parts.before
        for ids in encoding.answers:
            text = tokenizer.decode(encoding.prompt + ids, skip_special_tokens=True)
            assert text.removeprefix(read + " ") in fact.answers
    first = {fact.id for fact in facts if fact.relation in ("P6", "P286", "P488")}
    assert turned == first
    assert len(turned) == 2_832


@pytest.mark.parametrize("name", ["train.jsonl", "train_paraphrased_questions.jsonl"])
def test_every_row_of_templama_can_be_asked_of_a_masked_model(name):
    tokenizer = roberta_tokenizer()
    n = 0
    for fact in templama(name):
        encoding = encode_masked(tokenizer, fact)
        masked = tokenizer.decode([*encoding.before, encoding.mask, *encoding.after])
        prompt = fact.prompt if "_X_" in fact.prompt else f"{fact.prompt} _X_."
        expected = prompt.replace(" _X_", "<mask>").replace("_X_", "<mask>")
        assert masked == f"<s>{expected}</s>"
        assert all(tokenizer.decode(ids).strip() in fact.answers for ids in encoding.answers)
        n += 1
    assert n == 10_693


def test_every_question_of_templama_is_used_as_it_is():
    for fact in templama("train_paraphrased_questions.jsonl"):
        parts = causal_parts(fact)
        assert (parts.before, parts.separator) == (fact.prompt, " ")


@EVERY_CAUSAL
def test_an_answer_in_a_script_without_spaces_follows_at_once(make):
    tokenizer = make()
    fact = Fact("祖尼亚的首都是", ["圣佩科", "Marly"])
    encoding = encode_causal(tokenizer, fact)
    own, latin = (tokenizer.decode((*encoding.prompt, *ids)) for ids in encoding.answers)
    assert own.endswith("祖尼亚的首都是圣佩科")
    assert latin.endswith("祖尼亚的首都是 Marly")
