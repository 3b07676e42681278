"""Subjects that contain their answer."""

from __future__ import annotations

import pytest

from neurotopo import Fact
from neurotopo.knowledge.subject_leak import answer_in_subject


@pytest.mark.parametrize(
    ("subject", "answers", "wanted"),
    [
        ("Constitution of Sweden", "Sweden", "answer"),
        ("CONSTITUTION OF SWEDEN", "sweden", "answer"),
        ("São Paulo FC", "Sao Paulo", "answer"),
        ("Universite de Montreal", "Montréal", "answer"),
        ("Germany women", "German", "answer"),
        ("Windows 95", "Windows", "answer"),
        ("Swedish Americans", "Sweden", "stem"),
        ("Canadian Coast Guard", ["Ottawa", "Canada"], "stem"),
        ("Australia", "Austria", "stem"),
        ("French Guiana", "France", None),
        ("Oman Air", "Oma", None),
        ("Oma Air", "Oma", "answer"),
        ("Ada Brünn", "Marly", None),
        ("東京都", "東京", "answer"),
    ],
)
def test_what_is_flagged(subject, answers, wanted):
    assert answer_in_subject(Fact("It is", answers, subject=subject)) == wanted


def test_a_fact_without_subject_is_searched_itself():
    assert answer_in_subject(Fact("The capital of Mexico is _X_ City", "Mexico")) == "answer"
    assert answer_in_subject(Fact("The capital of Italy is", "Rome")) is None
