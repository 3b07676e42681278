"""Eq 15, against all prompts that it can give."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neurotopo import Fact, FactSet
from neurotopo.datasets import PERTURBATIONS, perturb, perturb_all
from neurotopo.models.examples import word_tokenizer

ADA = Fact("Ada Brünn plays for _X_.", "Marly", "P54", "2010", id="ada", subject="Ada Brünn")
SEVEN = ["Ada [replace] plays for _X_.", "Ada Brünn plays [add] for _X_.", "Ada plays for _X_."]
NAMES = st.text("abcdéßЖष", min_size=1, max_size=6)


def by_the_formula(words, kind, rest):
    """All prompts of Eq 15 for a query of some words, written from the formula."""
    prompts = set()
    for i in range(len(words)):
        if kind == "replace":
            changed = [*words[:i], "[replace]", *words[i + 1 :]]
        elif kind == "add":
            changed = [*words[:i], "[add]", *words[i:]]
        else:
            changed = [*words[:i], *words[i + 1 :]]
        prompts.add(" ".join([*changed, rest]).strip())
    return prompts


@given(
    st.lists(NAMES, min_size=2, max_size=6),
    st.sampled_from(PERTURBATIONS),
    st.sampled_from(["_X_", ""]),
    st.integers(0, 10**6),
)
def test_one_change_is_one_of_those_of_the_formula(words, kind, rest, seed):
    fact = Fact(" ".join([*words, rest]).strip(), "Marly")
    assert perturb(fact, kind, seed=seed).prompt in by_the_formula(words, kind, rest)


@pytest.mark.parametrize("kind", PERTURBATIONS)
def test_every_word_is_changed_by_some_seed(kind):
    prompts = {perturb(ADA, kind, seed=seed).prompt for seed in range(200)}
    assert prompts == {
        prompt.replace(" _X_", " _X_.")
        for prompt in by_the_formula(["Ada", "Brünn", "plays", "for"], kind, "_X_")
    }


@pytest.mark.parametrize(
    ("prompt", "kind", "expected"),
    [
        ("_X_ is old.", "delete", {"_X_ old.", "_X_ is."}),
        ("_X_ is old.", "add", {"_X_ [add] is old.", "_X_ is [add] old."}),
        (
            "In 2014, Ada (the 1st) is _X_",
            "delete",
            {
                "2014, Ada (the 1st) is _X_",
                "In, Ada (the 1st) is _X_",
                "In 2014, (the 1st) is _X_",
                "In 2014, Ada ( 1st) is _X_",
                "In 2014, Ada (the) is _X_",
                "In 2014, Ada (the 1st) _X_",
            },
        ),
        (
            "Who owns it?",
            "replace",
            {"[replace] owns it?", "Who [replace] it?", "Who owns [replace]?"},
        ),
        ("首都是_X_。", "delete", {"都是_X_。", "首是_X_。", "首都_X_。"}),
        ("首都是_X_。", "add", {"[add]首都是_X_。", "首[add]都是_X_。", "首都[add]是_X_。"}),
        (
            "L'ami est l'_X_.",
            "replace",
            {"[replace] est l'_X_.", "L'ami [replace] l'_X_.", "L'ami est [replace]'_X_."},
        ),
        ("Who [MASK] owns?", "delete", {"[MASK] owns?", "Who [MASK]?"}),
    ],
)
def test_all_changes_of_a_prompt(prompt, kind, expected):
    fact = Fact(prompt, "a", language="zh" if "首" in prompt else "en")
    assert {perturb(fact, kind, seed=seed).prompt for seed in range(120)} == expected


@given(st.integers(0, 1000), st.sampled_from([None, *PERTURBATIONS]), st.integers(1, 3))
def test_what_is_kept(seed, kind, n):
    fact = perturb(ADA, kind, n=n, seed=seed)
    assert (fact.answers, fact.relation, fact.date, fact.subject) == (
        ADA.answers,
        ADA.relation,
        ADA.date,
        ADA.subject,
    )
    assert fact.prompt.count("_X_") == 1
    assert fact.prompt.endswith(" _X_.")
    assert fact.prompt != ADA.prompt
    done, mark = fact.id.removeprefix("ada~"), {"replace": "[replace]", "add": "[add]"}
    name = done.removesuffix(str(seed))
    assert name in ([kind] if kind else PERTURBATIONS)
    words = fact.prompt.split()
    if name == "delete":
        assert len(words) == 5 - n
    else:
        assert words.count(mark[name]) == n
        assert len(words) == 5 + n * (name == "add")


def test_the_seed_and_the_fact_decide_and_nothing_else():
    others = [Fact(f"Ilse {i} works for _X_.", "Acme", id=f"i{i}") for i in range(5)]
    alone = perturb_all([ADA], seed=4)[0]
    assert perturb_all(FactSet([*others, ADA]), seed=4)[-1] == alone
    assert len({fact.prompt for fact in (perturb(ADA, seed=s) for s in range(30))}) > 5
    kinds = {fact.id.split("~")[1][:3] for fact in perturb_all(others * 1, seed=1)}
    assert kinds <= {"rep", "add", "del"}
    drawn = [perturb(Fact("a b c _X_", "d", id=str(i))).id.split("~")[1] for i in range(300)]
    assert {kind: drawn.count(f"{kind}0") > 60 for kind in PERTURBATIONS} == dict.fromkeys(
        PERTURBATIONS, True
    )


def test_the_same_prompts_come_on_every_machine():
    assert [perturb(ADA, kind, seed=7).prompt for kind in PERTURBATIONS] == SEVEN


def test_the_subject_can_be_kept():
    for kind in PERTURBATIONS:
        prompts = {perturb(ADA, kind, seed=s, keep_subject=True).prompt for s in range(60)}
        assert len(prompts) == 2
        assert all("Ada Brünn" in prompt for prompt in prompts)
    both = perturb(ADA, "delete", n=2, keep_subject=True)
    assert both.prompt == "Ada Brünn _X_."
    with pytest.raises(ValueError, match="3 cannot be changed by 'delete'; at most 2 can"):
        perturb(ADA, "delete", n=3, keep_subject=True)
    with pytest.raises(ValueError, match="keep_subject needs field 'subject'"):
        perturb(Fact("a b _X_", "c"), keep_subject=True)


def test_other_marks():
    marks = ("<r>", "<a>")
    assert "<r>" in perturb(ADA, "replace", marks=marks).prompt
    assert "<a>" in perturb(ADA, "add", marks=marks).prompt
    for bad in ("_X_", "a [MASK]", " ", "___ ___"):
        with pytest.raises(ValueError, match="a mark must be"):
            perturb(ADA, marks=("r", bad))


@pytest.mark.parametrize(
    ("prompt", "options", "most"),
    [
        ("_X_ 。", {}, 0),
        ("one _X_", {"kind": "delete"}, 0),
        ("a b _X_", {"n": 3}, 2),
        ("a b", {"kind": "delete", "n": 2}, 1),
    ],
)
def test_a_prompt_with_too_few_words_is_an_error(prompt, options, most):
    given_kind = {"kind": "replace", **options}
    with pytest.raises(ValueError, match=f"at most {most} can"):
        perturb(Fact(prompt, "a"), **given_kind)


@pytest.mark.parametrize(
    ("options", "reason"), [({"kind": "swap"}, "kind must be one of"), ({"n": 0}, "at least 1")]
)
def test_options_are_checked(options, reason):
    with pytest.raises(ValueError, match=reason):
        perturb(ADA, **options)


def test_tokens_instead_of_words():
    from tests.support.tokenizers import gpt2_tokenizer

    for tokenizer in (word_tokenizer(), gpt2_tokenizer()):
        for kind in PERTURBATIONS:
            prompts = {perturb(ADA, kind, seed=s, tokenizer=tokenizer).prompt for s in range(80)}
            assert ADA.prompt not in prompts
            assert all(prompt.count("_X_") == 1 for prompt in prompts)
            assert all("\ufffd" not in prompt for prompt in prompts)
    pieces = tokenizer("Ada Brünn plays for ", add_special_tokens=False)["input_ids"]
    prompts = {perturb(ADA, "delete", seed=s, tokenizer=tokenizer).prompt for s in range(300)}
    assert 4 < len(prompts) <= len(pieces) + 1
