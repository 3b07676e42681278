"""Minimal pairs of number agreement."""

from __future__ import annotations

import re
from collections import Counter

import pytest


def test_agreement_pairs_differ_in_the_number_of_one_word(world):
    pairs = world.agreement_pairs(500)
    assert len(set(pairs)) == len({pair.good_sentence for pair in pairs}) == 500
    for pair in pairs:
        good, bad = pair.good_sentence.split(), pair.bad_sentence.split()
        assert sum(a != b for a, b in zip(good, bad, strict=True)) == 1
        assert good[len(pair.prefix.split())].strip(".") == pair.good
        assert bad[len(pair.prefix.split())].strip(".") == pair.bad
        singular, plural = ("this", "these")
        fits, other = (singular, plural) if pair.number == "singular" else (plural, singular)
        words = pair.prefix.casefold().split()
        assert fits in words
        assert other not in words


def test_distractors_have_the_other_number(world):
    nouns = re.compile(
        r"\b(?:lawyer|doctor|farmer|singer|teacher|painter|driver|baker|sailor|"
        r"writer|student|guest)(s?)\b"
    )
    for pair in world.agreement_pairs(200):
        found = ["plural" if s else "singular" for s in nouns.findall(pair.prefix)]
        other = "plural" if pair.number == "singular" else "singular"
        expected = [pair.number] if pair.phenomenon.startswith("verb") else []
        if pair.phenomenon.endswith("distractor"):
            expected.append(other)
        assert found == expected, pair


def test_agreement_pairs_are_balanced_and_seeded(world):
    pairs = world.agreement_pairs(100, seed=4)
    counts = Counter((pair.phenomenon, pair.number) for pair in pairs)
    assert set(counts.values()) == {10}
    assert pairs == world.agreement_pairs(100, seed=4) != world.agreement_pairs(100, seed=5)
    assert world.agreement_pairs(0) == []
    with pytest.raises(ValueError, match="at most 500"):
        world.agreement_pairs(501)
