"""Edits: a fact gets a new answer by training the neurons of a set. Work, tables and findings."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from neurotopo.datasets.rewording import paraphrases
from neurotopo.datasets.wrong import counterfactual_answers
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.seeding import seeded
from neurotopo.knowledge.truth import Truth
from neurotopo.models.answers import masked_fillings
from neurotopo.models.encoding import CausalEncoding
from neurotopo.models.evaluation import dropout_off
from neurotopo.models.passes import Query
from neurotopo.models.prompts import split_prompt
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.plots._series import look
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import comparisons, frame_of, in_both
from neurotopo.studies.findings import (
    MARGINS,
    and_list,
    as_claim,
    p_words,
    percent,
    records,
    row_stands,
    too_few,
)
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.pictures import legend_and_grid
from neurotopo.studies.statistics import finite_mean
from neurotopo.studies.study import digest_of, seed_for
from neurotopo.tuning.tuner import NeuronTuner

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel
    from neurotopo.testbed.world import World

__all__ = [
    "EDIT_ARMS",
    "REVERSED",
    "Candidate",
    "EditCase",
    "EditWork",
    "edit_cases",
    "edit_findings",
    "edit_frame",
    "edit_rows",
    "edit_tests",
    "edits_picture",
    "edits_table",
    "reverse_of",
    "truth_of",
]

REVERSED: Mapping[str, str] = {
    "capital": "{answer} is the capital of _X_",
    "founder": "{answer} is the founder of _X_",
    "P6": "{answer} is the head of the government of _X_",
    "P286": "{answer} is the head coach of _X_",
    "P488": "{answer} is the chair of _X_",
}
"""By relation that may be one-to-one: how a causal model is asked for the subject."""

EDIT_ARMS: Mapping[str, str] = {
    "dkn": "D: the degenerate knowledge neurons",
    "kn": "N: as many that are not degenerate",
    "random": "as many random neurons",
    "all": "all MLP neurons",
}
"""The sets of neurons that are trained in an edit."""

_NEIGHBOURS = 8


@dataclass(frozen=True)
class Candidate:
    """A fact that may be edited, with the one answer that is replaced."""

    fact: Fact
    new: str  # the new answer, which was never true of the subject
    wordings: tuple[Fact, ...] = field(repr=False)  # the fact in other words
    one_to_one: bool  # whether the relation can be reversed for both answers
    neighbours: tuple[Fact, ...] = field(repr=False)  # other facts of the relation

    def to_dict(self) -> dict[str, Any]:
        """Return the candidate in types that JSON can hold."""
        facts = {
            name: [fact.to_dict() for fact in getattr(self, name)]
            for name in ("wordings", "neighbours")
        }
        return {**vars(self), "fact": self.fact.to_dict(), **facts}


@dataclass(frozen=True)
class EditCase:
    """One edit: the first suitable candidate is edited."""

    number: int  # from 1
    candidates: tuple[Candidate, ...] = field(repr=False)

    @property
    def key(self) -> str:
        """Unique name, which depends on the candidates."""
        return f"edit {self.number} [{self._digest[:8]}]"

    @cached_property
    def _digest(self) -> str:
        return digest_of([one.to_dict() for one in self.candidates])

    def to_dict(self) -> dict[str, Any]:
        """Return a description, with the candidates as a hash."""
        return {
            "part": "edit",
            "number": self.number,
            "n_candidates": len(self.candidates),
            "candidates": self._digest,
        }


@cache
def _world() -> World:
    from neurotopo.testbed.world import make_world

    return make_world()


@cache
def _worded(relation: str, language: str, wording: int) -> dict[str, Fact]:
    from neurotopo.testbed.statements import core_id

    facts = _world().facts(language=language, relation=relation, wording=wording)
    return {core_id(fact): fact for fact in facts}


def _world_facts(facts: Iterable[Fact]) -> list[Fact]:
    """Return all facts of the test bed's world in the relations and languages of these facts."""
    of_world = {(fact.relation, fact.language) for fact in facts if _core_of(fact) is not None}
    return [
        other
        for relation, language in sorted(of_world, key=str)
        for other in _worded(str(relation), language, 0).values()
    ]


def _core_of(fact: Fact) -> str | None:
    """Return the id of the statement of a fact of the test bed's world; None for others."""
    try:
        core = _world().statement(fact).id
    except ValueError:
        return None
    own = _worded(core.split(":")[0], fact.language, 0)[core]
    same = own.subject == fact.subject and set(fact.answers) <= set(own.answers)
    return core if same else None


def truth_of(facts: Sequence[Fact]) -> Truth:
    """Return what is true: the facts, and all of their world if they are of the test bed."""
    truth = Truth(facts)
    truth.update(Truth(_world_facts(facts)))
    return truth


def edit_cases(facts: Sequence[Fact], truth: Truth, options: Any, seed: int) -> list[EditCase]:
    """Return the edits that have a candidate, every other one of a relation that can be reversed.

    ``seed`` draws the facts, the new answers and the neighbours.
    """
    if not options.n_edits:
        return []
    order = seeded(seed, "edits", "order").permutation(len(facts))
    drawn = [facts[i] for i in order]
    turned = [fact for fact in drawn if fact.relation in REVERSED]
    others = [fact for fact in drawn if fact.relation not in REVERSED]
    owners = _owners(facts)
    dealt: list[list[Candidate]] = [[] for _ in range(options.n_edits)]
    for i in range(options.n_edits * options.edit_tries):
        row = dealt[i % options.n_edits]
        # one kind in turn with the other, as long as there are both
        first, second = (turned, others) if i % options.n_edits % 2 == 0 else (others, turned)
        candidate = None
        while candidate is None and (first or second):
            candidate = _next(first, second, facts, truth, owners, seed)
        row += [] if candidate is None else [candidate]
    return [EditCase(i + 1, tuple(row)) for i, row in enumerate(dealt) if row]


_Owners = dict[tuple[str | None, str | None, str], set[str | None]]


def _next(
    first: list[Fact],
    second: list[Fact],
    facts: Sequence[Fact],
    truth: Truth,
    owners: _Owners,
    seed: int,
) -> Candidate | None:
    """Take the next fact and return it as a candidate; None if no other answer is wrong."""
    fact = (first or second).pop(0)
    try:
        new = counterfactual_answers(fact, truth, seed=seed)[0]
    except ValueError:
        return None
    both = (fact.answers[0], new)
    single = all(len(owners.get((fact.relation, fact.date, name), ())) <= 1 for name in both)
    near = [
        other
        for other in facts
        if other.relation == fact.relation
        and other.language == fact.language
        and other.subject != fact.subject
    ]
    chosen = seeded(seed, "neighbours", fact.key).permutation(len(near))[:_NEIGHBOURS]
    one = replace(fact, answers=fact.answers[:1])
    return Candidate(
        fact=one,
        new=new,
        wordings=_wordings(one),
        one_to_one=fact.relation in REVERSED and fact.subject is not None and single,
        neighbours=tuple(near[i] for i in chosen),
    )


def _owners(facts: Sequence[Fact]) -> _Owners:
    """Return the subjects of which each answer is true, by relation and date."""
    owners: _Owners = {}
    for fact in (*facts, *_world_facts(facts)):
        for answer in fact.answers:
            owners.setdefault((fact.relation, fact.date, answer), set()).add(fact.subject)
    return owners


def _wordings(fact: Fact) -> tuple[Fact, ...]:
    """Return a fact in other words: from its world, or else from TempLAMA."""
    core = _core_of(fact)
    if core is not None:
        relation = core.split(":")[0]
        texts = range(_world().n_wordings(relation, fact.language))
        worded = [_worded(relation, fact.language, i)[core] for i in texts]
        return tuple(
            replace(other, answers=fact.answers) for other in worded if other.prompt != fact.prompt
        )
    try:
        return tuple(other for other in paraphrases(fact) if other.prompt != fact.prompt)
    except ValueError:  # the relation has no other wordings
        return ()


def reverse_of(fact: Fact, answer: str, causal: bool) -> Fact | None:
    """Ask for the subject of which an answer is true.

    Parameters
    ----------
    fact : Fact
        The fact.
    answer : str
        The answer that is given.
    causal : bool
        A causal model gets a sentence that ends with the subject, :data:`REVERSED`; a masked one
        the sentence of the fact, with the subject masked.

    Returns
    -------
    Fact or None
        None where there is no such sentence.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.critique.edits import reverse_of
    >>> fact = Fact("The capital of Zúnia is _X_.", "São Peko", "capital", subject="Zúnia")
    >>> reverse_of(fact, "Marly", causal=True).prompt
    'Marly is the capital of _X_'
    >>> reverse_of(fact, "Marly", causal=False).prompt
    'The capital of _X_ is Marly.'
    """
    template = REVERSED.get(fact.relation or "")
    if fact.subject is None or template is None:
        return None
    if causal:
        prompt = template.format(answer=answer)
        prompt = prompt if fact.date is None else f"In {fact.date}, {prompt}"
    else:
        parts = split_prompt(fact.prompt) or (f"{fact.prompt} ", "")
        before, after = parts
        if f"{before} {after}".count(fact.subject) != 1:
            return None
        prompt = answer.join(part.replace(fact.subject, "_X_") for part in (before, after))
    return Fact(
        prompt, fact.subject, date=fact.date, id=f"{fact.key}~reverse", language=fact.language
    )


class EditWork:
    """Edits one fact with every set of neurons, and asks for the consequences.

    The model is restored bit for bit after each edit. ``seed`` draws the random neurons.
    """

    def __init__(self, model: NeuronModel, options: Any, finder: NeuronFinder, seed: int) -> None:
        self.model, self.options, self.seed = model, options, seed
        self._finder = finder

    def __call__(self, case: EditCase) -> dict[str, Any]:
        """Return the results of the first suitable candidate, and why others were passed over."""
        passed: list[dict[str, str]] = []
        for candidate in case.candidates:
            neurons = self._fit(candidate)
            if isinstance(neurons, str):
                passed.append({"fact": candidate.fact.key, "reason": neurons})
            else:
                return {"passed": passed, "edit": self._edited(candidate, neurons)}
        return {"passed": passed, "edit": None}

    def _fit(self, candidate: Candidate) -> FactNeurons | str:
        """Return the neurons of a fact that is known and has degenerate ones, or why not."""
        fact = candidate.fact
        try:
            self.model.encode(fact)
            self.model.encode(replace(fact, answers=(candidate.new,)))
        except ValueError:
            return "cannot be encoded"
        if not recalled(self.model, [fact], ends=False)[0]:
            return "not known"
        neurons = self._finder.find(fact)
        return neurons if len(neurons.degenerate) else "no degenerate neurons"

    def _edited(self, candidate: Candidate, neurons: FactNeurons) -> dict[str, Any]:
        questions = _Questions(self.model, candidate)
        arms = {"before": questions.asked()}
        sets = self._sets(candidate, neurons)
        steps: dict[str, int] = {}
        for name, chosen in sets.items():
            with NeuronTuner(self.model, chosen) as tuner:
                steps[name] = self._train(tuner, candidate)
                arms[name] = questions.asked()
        return {
            "fact": candidate.fact.key,
            "relation": candidate.fact.relation,
            "old": candidate.fact.answers[0],
            "new": candidate.new,
            "one_to_one": candidate.one_to_one,
            "sizes": {name: len(chosen) for name, chosen in sets.items()},
            "steps": steps,
            "asked": arms,
        }

    def _sets(self, candidate: Candidate, neurons: FactNeurons) -> dict[str, NeuronSet]:
        rng = np.random.default_rng(seed_for(self.seed, f"edit {candidate.fact.key}"))
        n_layers, n_neurons = self.model.n_layers, self.model.n_neurons
        sized = size_matched(
            neurons.degenerate, neurons.others, rng, n_layers=n_layers, n_neurons=n_neurons
        ).neurons
        every = NeuronSet((layer, i) for layer in range(n_layers) for i in range(n_neurons))
        return {**{name: sized[name] for name in EDIT_ARMS if name != "all"}, "all": every}

    def _train(self, tuner: NeuronTuner, candidate: Candidate) -> int:
        """Train rows until the new answer is likely enough; return the number of steps."""
        options = self.options
        optimizer = torch.optim.Adam(tuner.parameters(), lr=options.edit_lr)
        new = replace(candidate.fact, answers=(candidate.new,))
        queries = list(_queries(self.model, new))
        with dropout_off(self.model.hf_model):
            for step in range(options.edit_steps):
                loss = -_log_probability(self.model, queries)
                likely = float(loss.detach().neg().exp())
                old = self.model.answer_probability(candidate.fact)
                if likely > options.edit_to and likely > old:
                    return step
                optimizer.zero_grad()
                loss.backward()  # type: ignore[no-untyped-call]
                optimizer.step()
        return options.edit_steps


class _Questions:
    """The questions that are asked before an edit and after it."""

    def __init__(self, model: NeuronModel, candidate: Candidate) -> None:
        self.model = model
        fact, new = candidate.fact, candidate.new
        self._old, self._new = fact, replace(fact, answers=(new,))
        self._wordings = [one for one in candidate.wordings if _can_ask(model, one)]
        self._reworded = [replace(one, answers=(new,)) for one in self._wordings]
        self._neighbours = [one for one in candidate.neighbours if _can_ask(model, one)]
        turned = [reverse_of(fact, answer, model.is_causal) for answer in (fact.answers[0], new)]
        self._reverses = [
            one
            for one in turned
            if candidate.one_to_one and one is not None and _can_ask(model, one)
        ]

    def asked(self) -> dict[str, Any]:
        """Return the answers of the model as it is now."""
        reverses = self._reverses if len(self._reverses) == 2 else []
        return {
            "old": self._probabilities([self._old])[0],
            "new": self._probabilities([self._new])[0],
            "says_new": self._recalled([self._new])[0],
            "wordings": {
                "old": self._probabilities(self._wordings),
                "new": self._probabilities(self._reworded),
                "says_old": self._recalled(self._wordings),
                "says_new": self._recalled(self._reworded),
            },
            "neighbours": self._recalled(self._neighbours),
            # of the old answer, and of the new one
            "reverse": {"says": self._recalled(reverses), "subject": self._probabilities(reverses)},
        }

    def _probabilities(self, facts: Sequence[Fact]) -> list[float]:
        return self.model.answer_probabilities(facts, log=True).tolist() if facts else []

    def _recalled(self, facts: Sequence[Fact]) -> list[bool]:
        return recalled(self.model, facts, ends=False).tolist() if facts else []


def _can_ask(model: NeuronModel, fact: Fact) -> bool:
    try:
        model.encode(fact)
    except ValueError:
        return False
    return True


def _queries(model: NeuronModel, fact: Fact) -> Iterator[Query]:
    """Yield the rows, all of one length, whose targets are the tokens of the answer."""
    encoding = model.encode(fact)
    answer = encoding.answers[0]
    if not isinstance(encoding, CausalEncoding):
        yield from masked_fillings(encoding, answer)
        return
    last = len(encoding.prompt) - 1
    positions = tuple(range(last, last + len(answer)))
    yield Query((*encoding.prompt, *answer[:-1]), positions, answer)


def _log_probability(model: NeuronModel, queries: Sequence[Query]) -> torch.Tensor:
    """Return the log-probability of an answer, with gradients."""
    settings = model.pass_settings()
    ids = torch.tensor([list(query.ids) for query in queries], device=settings.device)
    logits = model.hf_model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    values = torch.log_softmax(logits.float(), dim=-1)
    picked = [
        values[row, position, target]
        for row, query in enumerate(queries)
        for position, target in zip(query.positions, query.targets, strict=True)
    ]
    return torch.stack(picked).sum()


# Frames, tables, findings and the picture

_COLUMNS = (
    "case, fact, relation, arm, size, steps, likelier, says_new, n_wordings, synonym, "
    "n_neighbours, locality, one_to_one, asked_reverse, knew_reverse, symmetry, reverse_before, "
    "reverse_after"
)
_TESTED = {"synonym": "says it in other words", "locality": "other facts kept"}
_TESTED |= {"steps": "steps needed"}
_MARGIN_OF = dict.fromkeys(_TESTED.values(), MARGINS["share"])
_MARGIN_OF["steps needed"] = MARGINS["counts"]
_MEASURES = {
    "efficacy": "new answer\nlikelier",
    "in other words": "in other\nwords",
    "symmetry": "in reverse",
    "locality": "other facts\nkept",
}


def edit_rows(number: int, edit: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a stored edit, one per set of neurons."""
    before = edit["asked"]["before"]
    worded = np.asarray(before["wordings"]["says_old"], dtype=bool)
    near = np.asarray(before["neighbours"], dtype=bool)
    asked_reverse = bool(before["reverse"]["says"])
    knew = float(before["reverse"]["says"][0]) if asked_reverse else math.nan
    rows = []
    for arm, size in edit["sizes"].items():
        after = edit["asked"][arm]
        new, old = (np.asarray(after["wordings"][name]) for name in ("new", "old"))
        row = {
            "case": number,
            **{name: edit[name] for name in ("fact", "relation", "one_to_one")},
            "arm": arm,
            "size": size,
            "steps": edit["steps"][arm],
            "likelier": float(after["new"] > after["old"]),
            "says_new": float(after["says_new"]),
            "n_wordings": int(worded.sum()),
            "synonym": finite_mean((new > old)[worded]),
            "n_neighbours": int(near.sum()),
            "locality": finite_mean(np.asarray(after["neighbours"], dtype=bool)[near]),
            "asked_reverse": asked_reverse,
            "knew_reverse": knew,
            "symmetry": float(after["reverse"]["says"][1]) if knew == 1 else math.nan,
        }
        for when, asked in (("before", before), ("after", after)):
            row[f"reverse_{when}"] = asked["reverse"]["subject"][1] if asked_reverse else math.nan
        rows.append(row)
    return rows


def edit_frame(rows: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """Return a frame of all edits, a row per edit and set of neurons."""
    return frame_of(rows, _COLUMNS).sort_values("case", kind="stable", ignore_index=True)


def edits_table(edits: pd.DataFrame) -> Table:
    """Return what follows from a new answer, by set of neurons."""
    rows = []
    for arm, what in EDIT_ARMS.items() if len(edits) else ():
        own = edits[edits["arm"] == arm]
        changes = (own["reverse_after"] - own["reverse_before"]).astype(np.float64)
        rows.append(
            {
                "set": arm,
                "what": what,
                "edits": len(own),
                "neurons": finite_mean(own["size"]),
                "steps": finite_mean(own["steps"]),
                "efficacy": finite_mean(own["likelier"]),
                "says it": finite_mean(own["says_new"]),
                "n in other words": int((own["n_wordings"] > 0).sum()),
                "in other words": finite_mean(own["synonym"]),
                "asked in reverse": int(own["asked_reverse"].astype(bool).sum()),
                "not vacuous": int((own["knew_reverse"] == 1).sum()),
                "symmetry": finite_mean(own["symmetry"]),
                "P(subject) log ratio": finite_mean(changes),
                "n locality": int((own["n_neighbours"] > 0).sum()),
                "locality": finite_mean(own["locality"]),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Edits. What follows from a new answer",
        "One fact at a time gets a wrong answer: the neurons of a set are trained on its one "
        "statement, with the same rule for stopping for every set. 'efficacy': share of edits "
        "after which the new answer is likelier than the old; this is the training goal. 'in other "
        "words': the same in wordings in which the old answer was known. 'symmetry': share of "
        "one-to-one facts for which the model, asked in reverse with the new answer, gives the "
        "subject; only where it did so before for the old answer, else the test is vacuous. "
        "'P(subject) log ratio': mean change of the log-probability of the subject given the new "
        "answer, wherever it could be asked. 'locality': share of other facts of the relation, "
        "known before, that still are. The weights are restored after each edit.",
    )


def edit_tests(edits: pd.DataFrame) -> Table:
    """Return D against the other sets of neurons, edit by edit."""
    by = {arm: part.set_index("case") for arm, part in edits.groupby("arm")}
    family = [
        ({"measure": name, "dkn against": other}, *in_both(by["dkn"][column], by[other][column]))
        for column, name in (_TESTED.items() if "dkn" in by else ())
        for other in ("kn", "random", "all")
    ]
    return Table(
        comparisons(
            family,
            "dkn",
            "other",
            margin=[_MARGIN_OF[head["measure"]] for head, _, _ in family],
            t=True,
        ),
        "Edits in D against edits in other neurons",
        "Paired by edit, over those where both have a value. p: Wilcoxon's signed-rank test, 'p of "
        "t': the paired t-test, each Holm-corrected over all rows; margin: the "
        "smallest difference that is claimed. Columns as in the table edits.",
        {"p": "p", "p of t": "p"},
    )


def edit_findings(edits: Table, tests: Table) -> list[str]:
    """Return the sentences about edits."""
    rows = records(edits.frame)
    if not rows:
        return ["No fact could be edited."]
    if few := too_few(rows[0]["edits"], "edit"):
        return [few]
    parts = [
        f"{row['set']} {percent(row['efficacy'])}, {percent(row['in other words'])}, "
        f"{percent(row['locality'])}"
        for row in rows
    ]
    sentences = [
        f"Edits of {rows[0]['edits']} known facts succeed, hold in other words, and leave other "
        f"facts alone, by trained neurons: {'; '.join(parts)}.",
        _say_reverse(rows[0]),
    ]
    worded = {
        row["dkn against"]: row
        for row in records(tests.frame)
        if row["measure"] == _TESTED["synonym"]
    }
    pair = [worded["kn"], worded["random"]]
    parts = [
        f"{row['difference']:+.0%} against {name} ({p_words(row['p'])})"
        for name, row in zip(("other knowledge neurons", "random neurons"), pair, strict=True)
    ]
    # random neurons alone are not enough: any neurons of the fact may be better than these
    holds = all(map(row_stands, pair))
    shown = "an edit in D carries over best" if holds else "no advantage of D over both is shown"
    return [
        *sentences,
        as_claim(
            f"In other words, the new answer after an edit in D: {and_list(parts)}; {shown}.", holds
        ),
    ]


def _say_reverse(row: Mapping[str, Any]) -> str:
    if not row["asked in reverse"]:
        return "No edit is of a one-to-one relation that can be asked in reverse."
    if not row["not vacuous"]:
        return (
            f"Symmetry cannot be tested: of {row['asked in reverse']} edited facts the model "
            "answers none in reverse, even before the edit."
        )
    return (
        f"Symmetry: of {row['asked in reverse']} edited facts {row['not vacuous']} were answered "
        "in reverse before; after an edit in D the model gives the subject for the new answer in "
        f"{percent(row['symmetry'])} of these."
    )


def edits_picture(edits: Table) -> Picture | None:
    """Return bars of the four measures, by set of neurons."""
    frame = edits.frame
    if not len(frame):
        return None
    ax = free_axes(7.2, 4.2)
    thick = 0.8 / len(EDIT_ARMS)
    handles, names = [], []
    for k, row in enumerate(frame.to_dict("records")):
        values = np.array([100 * row[name] for name in _MEASURES], dtype=np.float64)
        at = np.arange(len(values)) + (k - (len(EDIT_ARMS) - 1) / 2) * thick
        there = np.isfinite(values)
        look_of = {"color": look(k)["color"], "hatch": ("", "///", "...", "xxx")[k]}
        bars = ax.bar(at[there], values[there], width=thick, edgecolor="white", **look_of)
        ax.bar_label(bars, fmt="%.0f", padding=2, fontsize=7)
        handles.append(bars)
        names.append(EDIT_ARMS[row["set"]])
    for place, name in enumerate(_MEASURES):
        if not frame[name].notna().any():
            ax.annotate("no value", (place, 3), ha="center", color="0.4", fontsize=8)
    ax.set_xticks(range(len(_MEASURES)), list(_MEASURES.values()))
    ax.set(ylabel="share (%)", ylim=(0, 112))
    legend_and_grid(ax, handles, names, axis="y")
    return Picture(
        ax.figure,
        "Edits: what follows from a new answer, by the neurons that were trained",
        "Means over edits. The training goal is that the new answer is likelier; the other "
        "three are further effects that an edit of knowledge should have. In reverse: only facts "
        "whose reverse was known before. The numbers are in the table edits.",
    )
