"""The study ``crosslingual``: the same facts in several languages."""

from __future__ import annotations

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.languages import cross_lingual_edit, group_by_language
from neurotopo.models.edits import Edit
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from neurotopo.studies.crosslingual.frames import DRAWS, LanguageFrames, collect
from neurotopo.studies.crosslingual.pictures import PICTURES
from neurotopo.studies.crosslingual.report import TABLES, findings
from neurotopo.studies.facts import facts_for
from neurotopo.studies.findings import FEW, RULE
from neurotopo.studies.neurons import SearchOptions
from neurotopo.studies.study import Study, seed_for
from neurotopo.testbed.statements import core_id

__all__ = [
    "STUDY",
    "Crosslingual",
    "CrosslingualOptions",
    "LanguageFact",
    "common_id",
    "facts_in_languages",
    "language_facts",
    "random_like",
    "some",
]


@dataclass(frozen=True)
class CrosslingualOptions(SearchOptions):
    """Options of the study ``crosslingual``; the defaults are those of the paper.

    Parameters
    ----------
    languages : sequence of str
        The languages that are compared, in the order of the arms of an edit. Empty: the languages
        common to all facts in two or more languages, in alphabetical order.
    thresholds : sequence of str
        Thresholds of single languages, ``("en:0.3", "zh:0.2")``; the others have ``threshold``.
    methods : sequence of str
        How neurons are grouped in each language, keys of
        :data:`~neurotopo.studies.groupings.METHODS`.
    scales : sequence of float
        The factors on edited neurons: 0 suppresses, 2 enhances.
    least_change : float, default=0.01
        An edit succeeds where the answer's probability moves by more than this fraction.
    only_known : bool, default=False
        Leave out facts that the model does not answer correctly in every language. They are
        counted.
    max_exact, n_samples, n_pairs
        As in :class:`~neurotopo.studies.acquisition.study.AcquisitionOptions`.
    threshold, rule, scope, baseline, steps, quadrature, path, fold_norm, length, aggregation, tau,
    min_cluster_size, tau2, criterion, relative, max_drop, positions, reduce, max_change
        How neurons are found, connected and judged,
        :class:`~neurotopo.studies.neurons.SearchOptions`. ``max_change`` is the limit of a
        relative change by an edit too.

    Examples
    --------
    >>> from neurotopo.studies.crosslingual.study import CrosslingualOptions
    >>> options = CrosslingualOptions(thresholds=["fr:0.1"])
    >>> options.acquisition("fr").threshold, options.acquisition("en").threshold
    (0.1, 0.2)
    >>> CrosslingualOptions(languages=["en"])
    Traceback (most recent call last):
        ...
    ValueError: languages must be at least two different ones, got ['en'].
    """

    languages: Sequence[str] = ()
    thresholds: Sequence[str] = ()
    methods: Sequence[str] = ("ntc", *CLUSTERER_LABELS)
    scales: Sequence[float] = (0.0, 2.0)
    least_change: float = 0.01
    only_known: bool = False
    max_exact: int = 10
    n_samples: int = 200
    n_pairs: int = 20

    QUICK = {
        "methods": ("ntc", "kmeans"),
        "quadrature": "gauss-legendre",
        "steps": 8,
        "max_exact": 8,
        "n_samples": 50,
    }

    def __post_init__(self) -> None:
        languages = list(self.languages)
        if languages and (len(languages) < 2 or len(set(languages)) < len(languages)):
            raise ValueError(f"languages must be at least two different ones, got {languages}.")
        if not self.methods:
            raise ValueError("methods must name at least one method, such as 'ntc'.")
        scales = [float(scale) for scale in self.scales]
        if not scales or len(set(scales)) < len(scales):
            raise ValueError(f"scales must be at least one factor, all different, got {scales}.")
        for scale in scales:
            if not (math.isfinite(scale) and scale >= 0) or scale == 1:
                raise ValueError(
                    "scales must be finite, at least 0 and not 1, which changes nothing; got "
                    f"{scale}."
                )
        if not (math.isfinite(self.least_change) and self.least_change >= 0):
            raise ValueError(
                f"least_change must be at least 0 and finite, got {self.least_change}."
            )
        self._select_by_share_for(self.own_thresholds().values())
        super().__post_init__()
        for language in self.own_thresholds():
            if languages and language not in languages:
                raise ValueError(f"thresholds has {language!r}, which is not in {languages}.")
            self.acquisition(language)
        self.acquisition()

    def own_thresholds(self) -> dict[str, float]:
        """Return the thresholds of the languages with a special one."""
        thresholds: dict[str, float] = {}
        for text in self.thresholds:
            language, _, number = str(text).rpartition(":")
            try:
                value = float(number)
            except ValueError:
                value = math.nan
            if not language or math.isnan(value) or language in thresholds:
                raise ValueError(
                    "thresholds must be written as language:number, each language once, got "
                    f"{list(self.thresholds)}."
                )
            thresholds[language] = value
        return thresholds

    def acquisition(self, language: str | None = None) -> AcquisitionOptions:
        """Return the options of the acquisition study for a language."""
        own = self.own_thresholds().get(language or "", self.threshold)
        given = {**self.to_dict(), "threshold": own, "sweep_tau1": (), "sweep_tau2": ()}
        return AcquisitionOptions.of({**given, "only_known": False})


@dataclass(frozen=True)
class LanguageFact:
    """One fact in several languages.

    Attributes
    ----------
    key : str
        The part that the ids of the fact share.
    facts : dict of str to Fact
        The fact by language, in the order of the languages.
    missing : tuple of str
        Languages without the fact. A fact with missing languages is counted, but not measured.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.study import LanguageFact
    >>> english = Fact("The capital of France is _X_", "Paris", id="en:1")
    >>> item = LanguageFact("1", {"en": english}, missing=("fr",))
    >>> item.to_dict()["missing"]
    ['fr']
    """

    key: str
    facts: Mapping[str, Fact]
    missing: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return all fields in types that JSON can hold."""
        facts = {language: fact.to_dict() for language, fact in self.facts.items()}
        return {"key": self.key, "facts": facts, "missing": list(self.missing)}


def common_id(fact: Fact) -> str:
    """Return the part of the id that a fact has in all languages.

    Parameters
    ----------
    fact : Fact
        A fact with an id. A language in front, as in ``"fr:P36:5"``, is removed, and so is the
        number of a wording at the end, ``"#2"``. Other ids stay as they are.

    Returns
    -------
    str

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.study import common_id
    >>> common_id(Fact("La capitale de la France est _X_", "Paris", id="fr:P36:5", language="fr"))
    'P36:5'
    """
    if fact.id is None:
        raise ValueError(
            f"{fact.prompt!r} has no id. Facts in several languages need the fields id and "
            "language: the same id in each language, with the language in front, as in 'fr:P36:5'."
        )
    return core_id(fact) if fact.id.startswith(f"{fact.language}:") else fact.id


def facts_in_languages(
    facts: str | os.PathLike[str] | Iterable[Fact],
    model: Any = None,
    *,
    most: int | None = None,
    seed: int = 0,
) -> list[Fact]:
    """Return the facts of the study, in all languages.

    Parameters
    ----------
    facts : str, path-like or iterable of Fact
        As in :func:`~neurotopo.studies.facts.facts_for`; ``"factworld:N"`` are N facts in all
        languages of the model. Given facts may have the same id in several languages.
    model : str or NeuronModel, optional
        The model of the study.
    most : int, optional
        The largest number of facts, drawn at random; a fact counts once for all its languages.
        Not used for ``"factworld:N"``.
    seed : int, default=0
        Seed of the draw.

    Returns
    -------
    list of Fact

    Examples
    --------
    >>> from neurotopo.studies.crosslingual.study import facts_in_languages
    >>> len(facts_in_languages("factworld:5", "testbed:gpt2"))
    10
    """
    if isinstance(facts, str) and facts.split(":")[0] == "factworld":
        return facts_for(facts, model, most=most, seed=seed, language=None)
    by_name = isinstance(facts, str | os.PathLike)
    given: list[Fact] = facts_for(facts) if by_name else list(facts)  # type: ignore[arg-type]
    if not given:
        raise ValueError("there are no facts.")
    if most is None:
        return given
    # facts in one language only are not drawn: they cannot be compared
    groups = group_by_language(given, by=common_id)
    names = [name for name, group in groups.items() if len(group) > 1]
    if most >= len(names):
        return given
    kept = np.random.default_rng(seed).choice(len(names), size=most, replace=False)
    wanted = {names[i] for i in kept}
    return [fact for fact in given if common_id(fact) in wanted]


def language_facts(
    facts: Sequence[Fact], options: CrosslingualOptions, seed: int = 0
) -> list[LanguageFact]:
    """Group the facts that state the same in several languages.

    Parameters
    ----------
    facts : sequence of Fact
        The facts in all languages.
    options : CrosslingualOptions
        The options, with the languages to compare.
    seed : int, default=0
        Not used; nothing is random.

    Returns
    -------
    list of LanguageFact
        In order of appearance, also those with missing languages.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.studies.crosslingual.study import CrosslingualOptions, language_facts
    >>> facts = [
    ...     Fact("The capital of France is _X_", "Paris", id="en:1"),
    ...     Fact("La capitale de la France est _X_", "Paris", id="fr:1", language="fr"),
    ... ]
    >>> [(item.key, list(item.facts)) for item in language_facts(facts, CrosslingualOptions())]
    [('1', ['en', 'fr'])]
    """
    groups = group_by_language(facts, by=common_id)
    languages = tuple(options.languages) or _common_languages(groups)
    there = {language for group in groups.values() for language in group}
    absent = [language for language in languages if language not in there]
    if absent:
        raise ValueError(
            f"no fact is in language {absent[0]!r}; there are {', '.join(sorted(there))}."
        )
    items = []
    for name, group in groups.items():
        own = {language: group[language] for language in languages if language in group}
        items.append(LanguageFact(name, own, tuple(x for x in languages if x not in group)))
    if all(item.missing for item in items):
        raise ValueError(
            f"no fact is in all of the languages {', '.join(languages)}: facts that state the same "
            "must have the same id in each, as in 'en:P36:5' and 'fr:P36:5'."
        )
    return items


def _common_languages(groups: Mapping[str, Mapping[str, Fact]]) -> tuple[str, ...]:
    several = [set(group) for group in groups.values() if len(group) > 1]
    if not several:
        there = sorted({language for group in groups.values() for language in group})
        raise ValueError(
            f"no fact is in two languages: there is only {', '.join(there)}, or facts that state "
            "the same have different ids. This study needs facts with the fields id and language, "
            "the same id in each language ('en:P36:5' and 'fr:P36:5'), and a model of several "
            "languages: testbed:gpt2, testbed:llama and testbed:bert speak English and French."
        )
    common = set.intersection(*several)
    if len(common) < 2:
        raise ValueError(
            f"the facts have {'only ' + common.pop() if common else 'no language'} in common; name "
            f"the languages to compare: languages={','.join(sorted(set.union(*several)))}."
        )
    return tuple(sorted(common))


def random_like(
    by_language: Mapping[str, NeuronSet],
    rng: np.random.Generator,
    *,
    n_layers: int,
    n_neurons: int,
    by_layer: bool = False,
) -> dict[str, NeuronSet]:
    """Draw random sets that have the sizes and the overlaps of given ones.

    Parameters
    ----------
    by_language : mapping of str to NeuronSet
        The sets.
    rng : Generator
        Random number generator.
    n_layers, n_neurons : int
        Number of layers of the model, and of neurons in each.
    by_layer : bool, default=False
        Replace each neuron by one of the same layer.

    Returns
    -------
    dict of str to NeuronSet

    Examples
    --------
    >>> import numpy as np
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.studies.crosslingual.study import random_like
    >>> sets = {"en": NeuronSet([(0, 0), (1, 1)]), "fr": NeuronSet([(1, 1), (1, 2), (2, 0)])}
    >>> drawn = random_like(sets, np.random.default_rng(0), n_layers=3, n_neurons=8)
    >>> [len(own) for own in drawn.values()], len(drawn["en"] & drawn["fr"])
    ([2, 3], 1)
    """
    union = NeuronSet(pair for own in by_language.values() for pair in own)
    if by_layer:
        counts = np.bincount(union.layers, minlength=n_layers)
        drawn = [
            (layer, int(index))
            for layer, count in enumerate(counts)
            for index in rng.choice(n_neurons, int(count), replace=False)
        ]
    else:
        places = rng.choice(n_layers * n_neurons, len(union), replace=False)
        drawn = [(int(place) // n_neurons, int(place) % n_neurons) for place in places]
    # a set of neurons is ordered by layer, as the draw by layers is
    instead = dict(zip(union, drawn, strict=True))
    return {name: NeuronSet(instead[pair] for pair in own) for name, own in by_language.items()}


def some(neurons: NeuronSet, n: int, rng: np.random.Generator) -> NeuronSet:
    """Return n of the neurons, drawn at random."""
    return neurons[np.sort(rng.permutation(len(neurons))[:n])] if n else NeuronSet()


class Crosslingual(Study):
    """The study ``crosslingual``: the neurons of a fact in each language, and edits of them."""

    name, Options = "crosslingual", CrosslingualOptions
    title = "Languages: is a fact stored in the same neurons, and does an edit cross between them"
    notes = (
        "Each language is measured separately, with the methods, filter and exclusions of the "
        "study acquisition. Table 10 is its Table 1 per language.",
        "Language-independent neurons (AMIG) are those that are knowledge neurons of the same fact "
        "in every language. Four arms of an edit: shared, the language-independent neurons; first "
        "and second, all neurons of one language; sequential, those of the first and then of the "
        "second.",
        "Random neurons have the sizes and the overlap of the fact's sets. They are drawn from the "
        "whole model, or layer by layer.",
        "Neurons are chosen because the answer's probability depends on them. So they change it "
        "more than random neurons do, in any model, also in a random one; where the answer is "
        "written alike in both languages, this also holds in the other language. A claim about "
        "crossing needs facts whose answers have no word in common and that the model knows in "
        f"every language, at least {FEW}. Parts of words may still be the same.",
        RULE,
    )
    stages = ("fact", "languages", "edits")
    version = 2
    tables, pictures = TABLES, PICTURES
    frames = staticmethod(collect)
    findings = staticmethod(findings)

    def setup(self) -> None:
        """Prepare for the acquisition of each language."""
        self._by_language: dict[str, Acquisition] = {}

    def load(self, facts: Any, model: Any = None, **given: Any) -> list[Fact]:
        """Return the facts in all languages."""
        return facts_in_languages(facts, model, **given)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Sequence[LanguageFact]:
        """Return the facts, each with all its languages."""
        return language_facts(facts, options, seed)

    def measure(self, item: LanguageFact) -> dict[str, Any]:
        """Return the results about a fact by stage."""
        known = {} if item.missing else self._known(item)
        # JSON sorts the languages by name, so their order is also stored
        languages = [] if item.missing else list(item.facts)
        about = {"known": known, "languages": languages, "missing": list(item.missing)}
        if item.missing or (self.options.only_known and not all(known.values())):
            return {"fact": about, "languages": {}, "edits": {}}
        results = {language: self._acquire(language, fact) for language, fact in item.facts.items()}
        neurons = {
            language: NeuronSet(map(tuple, result["fact"]["neurons"].tolist()))
            for language, result in results.items()
        }
        return {"fact": about, "languages": results, "edits": self._edits(item, neurons)}

    def _known(self, item: LanguageFact) -> dict[str, bool]:
        given = recalled(self.model, list(item.facts.values()), ends=False)
        return dict(zip(item.facts, map(bool, given), strict=True))

    def _acquire(self, language: str, fact: Fact) -> dict[str, Any]:
        """Return the results of the acquisition study for the fact in one language."""
        if language not in self._by_language:
            options = self.options.acquisition(language)
            self._by_language[language] = Acquisition(self.model, options, self.seed)
        result = self._by_language[language](fact)
        return {"fact": result["fact"], "methods": result["methods"]}

    def _edits(self, item: LanguageFact, neurons: Mapping[str, NeuronSet]) -> dict[str, Any]:
        arms: dict[str, list[Any]] = {}
        matched: dict[str, list[Any]] = {}
        for first, second in combinations(item.facts, 2):
            facts = {language: item.facts[language] for language in (first, second)}
            own = {language: neurons[language] for language in facts}
            rng = np.random.default_rng(
                [seed_for(self.seed, item.key), *f"{first}+{second}".encode()]
            )
            shape = {"n_layers": self.model.n_layers, "n_neurons": self.model.n_neurons}
            sets = {
                "own": own,
                "random": random_like(own, rng, **shape),
                "random_layers": random_like(own, rng, **shape, by_layer=True),
            }
            for scale in self.options.scales:
                at = {"first": first, "second": second, "scale": float(scale)}
                for kind in DRAWS:
                    for row in self._arms(facts, sets[kind], scale):
                        _add(arms, {**at, "neurons": kind, **row})
            for row in self._matched(facts, own, rng):
                _add(matched, {"first": first, "second": second, **row})
        return {"arms": arms, "matched": matched}

    def _arms(
        self, facts: Mapping[str, Fact], neurons: Mapping[str, NeuronSet], scale: float
    ) -> list[dict[str, Any]]:
        options = self.options
        result = cross_lingual_edit(
            self.model,
            facts,
            neurons,
            scale=scale,
            positions=options.positions,
            least_change=options.least_change,
            reduce=options.reduce,
        )
        rows = []
        for asked in result.results:
            row = {name: value for name, value in asdict(asked).items() if name != "edited"}
            rows.append({**row, "reason": self._reason(asked.before, asked.after)})
        return rows

    def _reason(self, before: float, *after: float) -> str | None:
        """Return why a relative change does not count, as Eq 18 has it."""
        if not before > 0:
            return "probability zero"
        largest = max(abs(value - before) / before for value in after)
        return "extreme change" if largest > self.options.max_change else None

    def _matched(
        self, facts: Mapping[str, Fact], own: Mapping[str, NeuronSet], rng: np.random.Generator
    ) -> list[dict[str, Any]]:
        """Edit as many shared neurons of one language as others of it, and ask in the other one."""
        rows = []
        for edited, asked in (tuple(facts), tuple(facts)[::-1]):
            shared = own[edited] & own[asked]
            others = own[edited] - shared
            n = min(len(shared), len(others))
            chosen = [some(shared, n, rng), some(others, n, rng)]
            at = {"edited": edited, "asked": asked, "n_neurons": n}
            for scale in self.options.scales:
                edits = [
                    Edit(each, scale=scale, positions=self.options.positions) for each in chosen
                ]
                values = [math.nan] * 3
                reason: str | None = "nothing to compare"
                if n:
                    values = self.model.answer_probability(
                        facts[asked], edits=[None, *edits], reduce=self.options.reduce
                    ).tolist()
                    reason = self._reason(*values)
                named = dict(zip(("before", "shared", "others"), values, strict=True))
                rows.append({**at, "scale": float(scale), **named, "reason": reason})
        return rows

    def rows(self, frames: LanguageFrames) -> Any:
        """Return a row per fact and language, with the columns about the fact."""
        own = frames.by_language.rename(columns={"known": "known_in_language"})
        return frames.facts.merge(own, on="fact", how="left")


def _add(columns: dict[str, list[Any]], row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


STUDY = Crosslingual
