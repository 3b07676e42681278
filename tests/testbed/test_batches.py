"""Batches: the rows, targets and noise that training reads, and the tokenizer."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from neurotopo import Fact
from neurotopo.testbed.batches import Batches
from neurotopo.testbed.corpus import rows_of, train_tokenizer
from tests.support.training import TOWNS, lessons, tiny


def batches(arch="gpt2", **changes):
    recipe = tiny(arch, **changes)
    tokenizer = train_tokenizer(lessons().sentences(), recipe)
    rows = rows_of(lessons().trained, tokenizer, recipe.is_causal)
    mask = None if recipe.is_causal else tokenizer.mask_token_id
    plain = [i for i in range(len(tokenizer)) if i not in tokenizer.all_special_ids]
    made = Batches(rows, recipe, tokens=plain, pad=tokenizer.pad_token_id, mask=mask, seed=3)
    return made, tokenizer


def test_every_epoch_reads_every_row_once():
    made, _ = batches(noise_share=0.0, prompt_loss=0.0)
    assert len(made) == 2 * 60
    for epoch in (0, 7):
        ids = [i for step in range(2) for i in made._order(epoch)[step].tolist()]
        assert sorted(ids) == list(range(12))
    assert not np.array_equal(made._order(0)[0], made._order(7)[0])


def test_a_batch_depends_on_its_number_only():
    made, _ = batches()
    other, _ = batches()
    expected = other[5]
    for step in (9, 2, 5):
        found = made[step]
    for name in vars(expected):
        assert torch.equal(getattr(found, name), getattr(expected, name))
    assert not torch.equal(made[3].ids, made[5].ids)


def test_causal_targets_are_the_next_tokens_and_the_end():
    made, tokenizer = batches(noise_share=0.0, prompt_loss=1.0)
    batch = made[0]
    for i, ids in enumerate(batch.ids.tolist()):
        n = int(batch.attention[i].sum())
        assert all(token == tokenizer.pad_token_id for token in ids[n:])
        mine = batch.row == i
        assert batch.position[mine].tolist() == list(range(n))
        assert batch.targets[mine].tolist() == [*ids[1:n], tokenizer.eos_token_id]
        answer = tokenizer.decode(batch.targets[mine & batch.is_answer][:-1]).strip()
        assert answer in TOWNS
    assert (batch.weights == 1).all()


def test_masked_targets_are_hidden_from_one_token_of_the_answer_on():
    made, tokenizer = batches("bert", noise_share=0.0)
    for step in range(6):
        batch = made[step]
        assert batch.is_answer.all()
        for i, ids in enumerate(batch.ids.tolist()):
            n = int(batch.attention[i].sum())
            mine = batch.row == i
            filled = list(ids[:n])
            for place, token in zip(batch.position[mine], batch.targets[mine], strict=True):
                assert ids[place] == tokenizer.mask_token_id
                filled[place] = int(token)
            assert tokenizer.mask_token_id not in filled
            text = tokenizer.decode(filled)
            assert any(town in text for town in TOWNS)


@pytest.mark.parametrize("arch", ["gpt2", "bert"])
def test_noise_falls_on_prompts_at_its_rate(arch):
    made, _ = batches(arch, noise_share=1.0, noise_rate=0.2)
    rng = np.random.default_rng(0)
    tokens = [1000 + i for i in range(20_000)]
    kept = made._noised(tokens, rng)
    assert abs(len(kept) / len(tokens) - 0.9) < 0.01
    changed = [(token, was) for token, was in kept if was is not None]
    assert abs(len(changed) / len(tokens) - 0.1) < 0.01
    masks = sum(token == made.mask for token, _ in changed) / len(changed)
    assert abs(masks - (0.5 if arch == "bert" else 0.0)) < 0.05
    untouched, _ = batches(arch, noise_rate=0.0)
    assert untouched._noised(tokens, rng) == [(token, None) for token in tokens]


def test_answers_are_never_noised():
    made, tokenizer = batches(noise_share=1.0, noise_rate=1.0)
    for step in range(10):
        batch = made[step]
        for i in range(len(batch.ids)):
            wanted = batch.targets[(batch.row == i) & batch.is_answer]
            assert tokenizer.decode(wanted[:-1]).strip() in TOWNS


def test_all_answers_of_a_fact_are_read():
    fact = Fact("Ada speaks _X_", ["Osk", "Tarn", "Pell"])
    recipe = tiny(batch_size=1, epochs=40)
    tokenizer = train_tokenizer(["Ada speaks Osk Tarn Pell"], recipe)
    rows = rows_of([fact], tokenizer, True)
    made = Batches(rows, recipe, tokens=[9], pad=tokenizer.pad_token_id, mask=None, seed=0)
    read = set()
    for step in range(40):
        batch = made[step]
        read.add(tokenizer.decode(batch.targets[batch.is_answer][:-1]).strip())
    assert read == set(fact.answers)


def test_a_tokenizer_is_made_the_same_every_time():
    recipe = tiny(vocab_size=300)
    texts = lessons().sentences()
    first, second = (train_tokenizer(texts, recipe) for _ in range(2))
    assert first.get_vocab() == second.get_vocab()
    assert len(first) == 300
    assert first.decode(first("Žluťoučký 祖尼亚 Osk")["input_ids"]) == "Žluťoučký 祖尼亚 Osk"
    masked = train_tokenizer(texts, tiny("bert", vocab_size=300))
    ids = masked("Osk [MASK]")["input_ids"]
    assert ids[0] == masked.cls_token_id
    assert ids[-2:] == [masked.mask_token_id, masked.sep_token_id]
