"""The study ``robustness``: faulty prompts under edits of sets of neurons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from neurotopo.datasets.dataset import pluralize
from neurotopo.datasets.perturbation import PERTURBATIONS, perturb
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.suppression import subsets
from neurotopo.models.prompts import PLACEHOLDERS, describe_fact
from neurotopo.neurons import NeuronSet
from neurotopo.studies.ablation import (
    MEAN,
    AblationOptions,
    MeanValues,
    RelatedFact,
    related,
    suppressing,
)
from neurotopo.studies.findings import RULE
from neurotopo.studies.groupings import control_of, shuffled
from neurotopo.studies.neurons import FactNeurons, NeuronFinder, size_matched
from neurotopo.studies.robustness.frames import (
    LABELS,
    MOST,
    NO_OTHER,
    NO_PROMPT,
    NOT_KNOWN,
    collect,
)
from neurotopo.studies.robustness.pictures import pictures_of
from neurotopo.studies.robustness.report import TABLES, findings_of
from neurotopo.studies.study import Study, seed_for

if TYPE_CHECKING:
    from neurotopo.redundancy import Ablation

__all__ = ["ENHANCE", "STUDY", "Robustness", "RobustnessOptions"]

SAME = "Suppression by values (0) and by weights (0) gives the same model and is measured once."
MEANS = (
    "ablation='mean': suppressed neurons have their mean value over other facts of the relation, "
    "at the tokens that predict the answer, instead of 0; so they are not suppressed by weights. "
    "The "
    "means are those of clean prompts. Degenerate neurons were searched for with 0."
)
NOTES = (
    "Arms, all of one size for a fact: " + "; ".join(f"{k} - {v}" for k, v in LABELS.items()) + ".",
    "Neurons are chosen by attribution on the clean prompt, so suppressing them lowers the "
    "answer's probability more than random neurons do, in any model, trained or not: D against "
    "random proves nothing. D is judged against N and against knowledge neurons of either kind, "
    "which were chosen in the same way.",
    "A lower Prob(Q) makes dProb higher by itself: where a clean prompt is nearly certain, a small "
    "disadvantage of the faulty one hardly shows; elsewhere it shows in full. On the scale of "
    "log-odds an edit that acts alike on both changes nothing; a claim needs a difference there "
    "too.",
    SAME,
    f"{RULE} Claims need a model that knows the facts. "
    "Each fact has its own seed, made from the seed below.",
)

_RELATIONS = 8  # relations of which the values are kept
ENHANCE = 2.0
"""Enhanced neurons are doubled."""


@dataclass(frozen=True)
class RobustnessOptions(AblationOptions):
    """Options of the study ``robustness``, beside those of :class:`AblationOptions`.

    ``max_change`` is the limit of Eq 21 too, and ``reduce`` holds for every probability.

    Parameters
    ----------
    draws : int, default=3
        Faulty prompts drawn of each kind; equal ones count once.
    keep_subject : bool, default=False
        Do not change the words of the subject.
    replace_mark, add_mark : str
        The text that replaces a word, and the text that is added before one (Eq 15).
    doses : sequence of float
        Other factors of the neurons' values. With ``ablation="mean"`` 0 is none of them.
    max_exact : int, default=6
        The most components of which every subset is suppressed.
    n_samples : int, default=20
        The most subsets of each size, above ``max_exact``.
    only_known : bool, default=True
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.robustness.study import RobustnessOptions
    >>> RobustnessOptions(draws=1, doses=[]).draws
    1
    >>> RobustnessOptions(draws=0)
    Traceback (most recent call last):
        ...
    ValueError: draws must be a whole number of at least 1, got 0.
    """

    QUICK = {"draws": 1, "doses": (), "quadrature": "gauss-legendre", "steps": 8}

    draws: int = 3
    keep_subject: bool = False
    replace_mark: str = "[replace]"
    add_mark: str = "[add]"
    doses: Sequence[float] = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)
    max_exact: int = 6
    n_samples: int = 20
    only_known: bool = True

    def __post_init__(self) -> None:
        self.check_whole(draws=1, max_exact=1, n_samples=1)
        for name in ("replace_mark", "add_mark"):
            text = getattr(self, name)
            if not text.strip():
                raise ValueError(f"{name} must be a text, got {text!r}.")
            if any(mark in text for mark in PLACEHOLDERS):
                raise ValueError(f"{name} must be a text without a placeholder, got {text!r}.")
        for dose in self.doses:
            if not (math.isfinite(dose) and dose >= 0):
                raise ValueError(f"doses must be finite numbers of at least 0, got {dose}.")
        if self.ablation == MEAN and 0 in self.doses:
            raise ValueError(
                "doses has 0, which sets values to 0, but ablation='mean' replaces them by means; "
                "leave 0 out, as in doses=(0.5, 1.5)."
            )
        if len(set(self.doses)) < len(self.doses):
            raise ValueError(f"doses must be different ones, got {list(self.doses)}.")
        super().__post_init__()

    @property
    def marks(self) -> tuple[str, str]:
        """The marks as :func:`neurotopo.datasets.perturb` takes them."""
        return self.replace_mark, self.add_mark

    @property
    def scales(self) -> tuple[float, ...]:
        """The factors of values: 0 and 2 for the paper, and the doses; 1 changes nothing."""
        return tuple(sorted({0.0, ENHANCE, *map(float, self.doses)} - {1.0}))


class Robustness(Study):
    """Whether faulty prompts depend on degenerate knowledge neurons."""

    name, Options, notes = "robustness", RobustnessOptions, NOTES
    title = "Robustness: do faulty prompts depend on degenerate knowledge neurons"
    stages = ("fact", "arms", "subsets")
    version = 2
    tables = TABLES
    frames = staticmethod(collect)
    findings = staticmethod(findings_of)
    draw = staticmethod(pictures_of)

    def setup(self) -> None:
        """Prepare the search for neurons."""
        self._finder = NeuronFinder(self.model, self.options)
        self._means: dict[str, MeanValues] = {}

    def check(self, facts: Sequence[Fact], options: Any, seed: int) -> tuple[str, ...]:
        """Return how many facts have no other fact for means; a ValueError if all of them."""
        if options.ablation != MEAN:
            return ()
        alone = sum(not item.has_others for item in related(facts, seed))
        if alone == len(facts):
            raise ValueError(
                "ablation='mean' takes means over other facts of the relation, but no two facts "
                "have the same relation; give facts with the field 'relation', or ablation='zero'."
            )
        has = "has" if alone == 1 else "have"
        said = f"{pluralize(alone, 'fact')} {has} no other fact of the same relation."
        return (said,) if alone else ()

    def items(self, facts: Sequence[Fact], options: Any, seed: int, model: Any) -> Any:
        """Return the facts, for means each with facts of its relation."""
        return related(facts, seed) if options.ablation == MEAN else facts

    def _values(self, item: RelatedFact) -> Ablation | None:
        """Return the mean values for a fact; None if there is no other fact of its relation."""
        if item.digest not in self._means:
            while len(self._means) >= _RELATIONS:  # facts of a relation mostly follow each other
                del self._means[next(iter(self._means))]
            self._means[item.digest] = MeanValues(self.model, item.facts)
        return self._means[item.digest].of(item.fact)

    def notes_for(self, frames: Any) -> tuple[str, ...]:
        """Return the notes, with that on means instead of zeros where these were used."""
        means = frames.facts["ablation"].eq(MEAN).any()
        return tuple(MEANS if means and note is SAME else note for note in self.notes)

    def rows(self, frames: Any) -> pd.DataFrame:
        """Return a row per fact, arm, edit and kind, each with the cells of the fact."""
        frame = frames.facts.merge(frames.edits, on="fact", how="left")
        return frame.assign(excluded=frame["fact"].map(frames.excluded))

    def measure(self, item: Fact | RelatedFact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        fact = item.fact if isinstance(item, RelatedFact) else item
        prompts, kinds, too_short = self._prompts(fact)
        probability, right = self._asked([fact, *prompts])
        about: dict[str, Any] = {
            "known": bool(right[0]),
            "probability": probability,
            "right": right,
            "kinds": kinds,
            "prompts": [prompt.prompt for prompt in prompts],
            "too_short": too_short,
            "reason": NOT_KNOWN,
            "neurons": [],
            "components": 0,
            "degenerate": [],
            "topped_up": 0,
            "max_change": self.options.max_change,
            "ablation": self.options.ablation,
        }
        if self.options.only_known and not right[0]:
            return {"fact": about, "arms": {}, "subsets": {}}
        values = None
        if self.options.ablation == MEAN:
            values = self._values(item) if isinstance(item, RelatedFact) else None
            if values is None:
                return {"fact": {**about, "reason": NO_OTHER}, "arms": {}, "subsets": {}}
        neurons = self._finder.find(fact)
        about |= {
            "reason": neurons.reason if prompts else NO_PROMPT,
            "neurons": neurons.neurons.to_array(),
            "components": neurons.dkn.n,
            "degenerate": neurons.degenerate.to_array(),
        }
        rng = np.random.default_rng([seed_for(self.seed, fact.key), 0])
        arms: dict[str, Any] = {}
        if about["reason"] is None:
            matched = size_matched(
                neurons.degenerate,
                neurons.others,
                rng,
                n_layers=self.model.n_layers,
                n_neurons=self.model.n_neurons,
            )
            about["topped_up"] = matched.topped_up
            arms = self._arms([fact, *prompts], matched.neurons, values)
        subsets = self._subsets(neurons, prompts, kinds, values)
        return {"fact": about, "arms": arms, "subsets": subsets}

    def _prompts(self, fact: Fact) -> tuple[list[Fact], list[str], list[str]]:
        """Return the faulty prompts, their kinds, and the kinds that the prompt is too short for.

        A short prompt has few words to change, so that two draws may be the same prompt.
        """
        options = self.options
        if options.keep_subject and fact.subject is None:
            raise ValueError(f"{describe_fact(fact)}: keep_subject needs field 'subject'.")
        prompts: list[Fact] = []
        kinds, too_short = list[str](), list[str]()
        for kind in PERTURBATIONS:
            drawn: dict[str, Fact] = {}
            for draw in range(options.draws):
                try:
                    faulty = perturb(
                        fact,
                        kind,
                        seed=seed_for(self.seed, f"draw {draw}"),
                        marks=options.marks,
                        keep_subject=options.keep_subject,
                    )
                except ValueError:  # too few words; the options are checked before
                    too_short.append(kind)
                    break
                drawn.setdefault(faulty.prompt, faulty)
            prompts += drawn.values()
            kinds += [kind] * len(drawn)
        return prompts, kinds, too_short

    def _asked(self, facts: Sequence[Fact], edits: Any = None) -> tuple[Any, Any]:
        """Return the probability of each answer, and whether it is given."""
        from neurotopo.models.recall import recalled

        probability = self.model.answer_probabilities(
            facts, edits=edits, reduce=self.options.reduce
        )
        return probability, recalled(self.model, facts, ends=False, edits=edits)

    def _arms(
        self, asked: Sequence[Fact], arms: Mapping[str, NeuronSet], values: Ablation | None = None
    ) -> dict[str, Any]:
        """Ask all prompts under all edits of all arms in one batch.

        Suppression by weights is left out: it gives the same model as suppression by values.
        """
        from neurotopo.models.edits import Edit

        ways = [("values", scale) for scale in self.options.scales] + [("weights", ENHANCE)]
        edits = [
            Edit(neurons, scale=scale, where=where)  # type: ignore[arg-type]
            if scale
            else suppressing(neurons, values)
            for neurons in arms.values()
            for where, scale in ways
        ]
        probability, right = self._asked(
            [*asked] * len(edits), [edit for edit in edits for _ in asked]
        )
        shape = (len(arms), len(ways), len(asked))
        return {
            arm: {
                "where": [where for where, _ in ways],
                "scale": [scale for _, scale in ways],
                "probability": p,
                "right": r,
            }
            for arm, p, r in zip(
                arms, probability.reshape(shape), right.reshape(shape), strict=True
            )
        }

    def _subsets(
        self,
        neurons: FactNeurons,
        prompts: Sequence[Fact],
        kinds: Sequence[str],
        values: Ablation | None,
    ) -> dict[str, Any]:
        """Suppress k of n components, of NTC and of those the model was trained to have."""
        # one faulty prompt of each kind: subsets are many
        some = dict(zip(kinds[::-1], prompts[::-1], strict=True))
        asked = [neurons.fact, *some.values()]
        groupings = {"ntc": neurons.dkn.components if neurons.degenerate else []}
        pools = {"ntc": neurons.neurons}
        if self.model.planted_groups is not None:
            groupings["oracle"] = self.model.planted_groups
            pools["oracle"] = NeuronSet(pair for group in groupings["oracle"] for pair in group)
        seed = seed_for(self.seed, neurons.fact.key)
        results: dict[str, Any] = {}
        for name, groups in groupings.items():
            n = len(groups)
            if not 2 <= n <= MOST:
                if n:
                    results[name] = {"n": n}
                continue
            chosen = subsets(
                n,
                max_exact=self.options.max_exact,
                n_samples=self.options.n_samples,
                random_state=seed,
            )
            rng = np.random.default_rng([seed, *name.encode()])
            both = {name: groups, control_of(name): shuffled(groups, pools[name], rng)}
            for each, own in both.items():
                edits = [None, *(suppressing(_union(own, row), values) for row in chosen)]
                ask = partial(self.model.answer_probability, reduce=self.options.reduce)
                probability = np.array([ask(fact, edits=edits) for fact in asked])
                results[each] = {
                    "n": n,
                    "k": chosen.sum(axis=1),
                    "clean": probability[0],
                    "faulty": probability[1:].mean(axis=0) if len(asked) > 1 else [],
                }
        return results


def _union(groups: Sequence[NeuronSet], chosen: Any) -> NeuronSet:
    return NeuronSet(
        pair for group, kept in zip(groups, chosen, strict=True) if kept for pair in group
    )


STUDY = Robustness
