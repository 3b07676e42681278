"""The facts, draws and given groups of an audit."""

from __future__ import annotations

import pytest

from neurotopo import Fact, NeuronSet
from neurotopo.models.examples import random_model
from neurotopo.neurons import save_groups
from neurotopo.studies.audit.items import audit_items, given_groups
from neurotopo.studies.audit.judge import audit
from neurotopo.studies.audit.options import AuditOptions

# words of the random model
LANDS = {"France": "Paris", "Italy": "Rome", "Ada": "owns", "Bob": "it"}
GROUPS = {"France:0": [[(0, 1), (1, 2)], [(2, 3)]]}


def facts(n_wordings=1, relation="P36"):
    prompts = ("The capital of {} is _X_", "The government of {} sits in _X_", "{} is ruled from")
    return [
        Fact(prompt.format(land), city, relation, id=f"{land}:{k}", subject=land)
        for land, city in LANDS.items()
        for k, prompt in enumerate(prompts[:n_wordings])
    ]


def items(given=None, *, judged=None, background=(), n_others=2, n_relation=2):
    return audit_items(
        facts(3) if judged is None else judged,
        background,
        given,
        n_wordings=1,
        n_relation=n_relation,
        n_peers=5,
        n_others=n_others,
        seed=0,
    )


def test_prompts_of_one_subject_are_wordings():
    found = items()
    assert [item.key for item in found] == [f"{land}:0" for land in LANDS]
    assert [fact.id for fact in found[0].wordings] == ["France:1"]
    assert found[0].foils == ("Rome", "it", "owns")


def test_facts_without_a_subject_are_not_joined():
    plain = [Fact(f"{land} has the capital", "Paris", "P36") for land in ("A", "B")]
    assert len(items(judged=plain)) == 2


def test_draws_are_those_of_the_relation():
    more = [Fact(f"The river of {land} is", land, "P885", subject=land) for land in "ABCDEF"]
    first = items(background=more)
    assert {item.relation for item in first} == {first[0].relation}
    assert len(first[0].relation) == 3  # one of them may be the fact
    assert {fact.relation for fact in first[0].others} == {"P885"}
    assert len(first[0].others) == 2
    # all but the peers depend on the facts alone, not on which of them are judged
    part = items(judged=facts()[:1], background=[*facts()[1:], *more])
    whole = items(judged=facts(), background=more)
    assert {**part[0].to_dict(), "peers": ""} == {**whole[0].to_dict(), "peers": ""}


def test_facts_of_another_language_are_another_relation():
    french = Fact(
        "La capitale de la France est _X_", "Rome", "P36", subject="France", language="fr"
    )
    found = items(background=[french])
    assert french not in (*found[0].relation, *found[0].same, *found[0].others)


def test_judged_facts_are_peers_first():
    background = [Fact(f"The capital of {x} is _X_", x, "P36", subject=x, id=x) for x in "ABCDEFGH"]
    found = items(judged=facts(), background=background)
    assert {fact.key for fact in found[0].peers[:4]} == {fact.key for fact in facts()}
    assert len(found[0].peers) == 6


@pytest.mark.parametrize("ending", ["json", "csv"])
def test_groups_of_a_file_are_those_of_a_mapping(tmp_path, ending):
    path = tmp_path / f"groups.{ending}"
    save_groups(GROUPS, path)
    assert given_groups(str(path)) == given_groups(path) == given_groups(GROUPS)
    assert AuditOptions(groups=str(path)).to_dict() == AuditOptions(groups=GROUPS).to_dict()


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        ({"f": [[(0, 1)], [(0, 1), (1, 1)]]}, r"groups 0 and 1 of 'f' share the neuron \(0, 1\)"),
        ({"f": [[(0, 1)], []]}, "group 1 of 'f' has no neurons"),
        ({"f": [[(0, "x")]]}, "the groups of 'f'"),
        ({3: [[(0, 1)]]}, "keys of groups must be keys of facts, got 3"),
        (7, "must be the name of a method, a file, or a mapping"),
        ("no-method", "there is no method and no file 'no-method'"),
    ],
)
def test_groups_that_cannot_be_used(groups, message):
    with pytest.raises((TypeError, ValueError), match=message):
        AuditOptions(groups=groups)


def test_groups_of_no_fact():
    with pytest.raises(ValueError, match=r"none of the 1 keys is that of a fact.*'France:0'"):
        audit(random_model(), facts(), {"Chile": [[(0, 1)]]}, check=False)


def test_neurons_that_the_model_does_not_have():
    given = {**GROUPS, "Italy:0": [[(0, 1)], [(1, 99)]]}
    found = audit(
        random_model(), facts(), given, check=False, only_known=False, n_others=1, n_draws=1
    )
    assert list(found.outcome.failures) == ["Italy:0"]
    assert "99" in found.outcome.failures["Italy:0"]
    reasons = found.rows.set_index("fact")["reason"]
    assert reasons["Bob:0"] == "fewer than two groups"
    assert found.rows.set_index("fact").loc["France:0", "n_neurons"] == 3


def test_facts_without_foils():
    one = facts()[:1]
    with pytest.raises(ValueError, match="no fact has a foil"):
        audit(random_model(), one, GROUPS, check=False)
    found = audit(random_model(), one, GROUPS, check=False, score="log-odds", only_known=False)
    assert found.rows["reason"].tolist() == [None]


def test_given_groups_are_of_this_type():
    assert given_groups(GROUPS)["France:0"][1] == NeuronSet([(2, 3)])
