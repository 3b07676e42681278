"""Facts, stored rows and checks of the tests of the study ``detection``."""

from __future__ import annotations

from collections import Counter

import numpy as np

from neurotopo import Fact
from neurotopo.studies.rows import Row


def fact(subject, answers, date=None, relation="P54", language="en"):
    when = "" if date is None else f"In {date}, "
    return Fact(
        f"{when}{subject} plays for _X_",
        answers,
        relation,
        date,
        id=f"{subject}_{date}_{relation}_{language}",
        subject=subject,
        language=language,
    )


def many(n, dates=("2017", "2018"), answers="bcdef"):
    """Facts of n subjects at two dates; an answer is a team, or two."""
    found = []
    for k in range(n):
        for i, date in enumerate(dates):
            teams = [f"Team {answers[(k + i) % len(answers)]}"]
            found.append(fact(f"S{k}", teams if k % 3 else [*teams, "Team z"], date))
    return found


def check(trial, truth):
    """See that a trial keeps its promises."""
    sides = {True: [], False: []}
    for pair in trial.pairs:
        assert pair.label in pair.fact.answers
        assert not truth.may_be_true(pair.fact, pair.wrong)
        assert pair.true_fact.answers == (pair.label,)
        assert pair.wrong_fact.answers == (pair.wrong,)
        assert pair.true_fact.prompt == pair.wrong_fact.prompt == pair.fact.prompt
        sides[pair.train].append(pair)
    for pairs in sides.values():
        assert pairs
        assert Counter(pair.label for pair in pairs) == Counter(pair.wrong for pair in pairs)
    subjects = [{pair.fact.subject for pair in pairs} for pairs in sides.values()]
    assert subjects[0].isdisjoint(subjects[1])
    assert trial.n_facts == len(trial.pairs) + sum(trial.left_out.values())


def scores_of(true, wrong):
    return [[list(true), list(wrong)]]


def payload(
    scores,
    train,
    *,
    known=True,
    sizes=(3, 4),
    subjects=None,
    sweep=(),
    by="relation",
    n_resamples=400,
    left_out=None,
):
    n = len(train)
    return {
        "n_facts": n + sum((left_out or {}).values()),
        "left_out": left_out or {},
        "setting": {
            "threshold_by": by,
            "n_resamples": n_resamples,
            "seed": 0,
            "share": 0.5,
            "shape": [2, 8],
        },
        "pairs": {
            "fact": [f"f{i}" for i in range(n)],
            "label": [f"L{i}" for i in range(n)],
            "wrong": [f"L{n - i}" for i in range(n)],
            "subject": list(range(n)) if subjects is None else subjects,
            "train": list(train),
            "known": [known] * n,
        },
        "scores": scores,
        "sets": {
            "sizes": {"dkn": sizes[0], "kn": sizes[1]},
            "n_train": sum(train),
            "with_dkn": 1,
            "with_kn": 2,
            "reasons": {"one component": 1},
        },
        "sweep": list(sweep),
    }


def row(key, content=None, error=None):
    stages = {} if content is None else {"result": content}
    return Row(key, {"n_facts": 7}, stages, error, 0.1)


NEURONS = ("dkn", "kn", "random", "random_layers", "random_kn")


def made(seed, gaps, n=60, known=True, **given):
    """A relation with normal scores, true labels so much higher by method."""
    rng = np.random.default_rng(seed)
    train = [True] * (n // 2) + [False] * (n - n // 2)
    scores = {
        name: scores_of(rng.normal(gaps.get(name, 0.0), 1, n), rng.normal(0, 1, n))
        for name in (*NEURONS, "probability", "joint", "verdict")
    }
    scores["answer"] = scores_of(np.ones(n), np.zeros(n))
    scores["always"] = scores_of(np.ones(n), np.ones(n))
    return payload(scores, train, known=known, **given)
