"""The study ``crosslingual``: the same facts in several languages."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np

from neurotopo.cluster.baselines import CLUSTERER_LABELS
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.languages import cross_lingual_edit
from neurotopo.models.edits import Edit
from neurotopo.models.recall import recalled
from neurotopo.neurons import NeuronSet
from neurotopo.studies.acquisition.study import Acquisition, AcquisitionOptions
from neurotopo.studies.crosslingual import report
from neurotopo.studies.crosslingual.frames import LanguageFrames, collect
from neurotopo.studies.crosslingual.items import (
    DRAWS,
    LanguageFact,
    facts_in_languages,
    language_facts,
    random_like,
    some,
)
from neurotopo.studies.crosslingual.pictures import PICTURES
from neurotopo.studies.findings import ALPHA, FEW
from neurotopo.studies.neurons import SearchOptions
from neurotopo.studies.study import Study, seed_for

__all__ = ["STUDY", "Crosslingual", "CrosslingualOptions"]


@dataclass(frozen=True)
class CrosslingualOptions(SearchOptions):
    """Options of the study ``crosslingual``; the defaults are those of the paper.

    Parameters
    ----------
    languages : sequence of str
        The languages that are compared, in the order of the arms of an edit. Empty: all those that
        every fact in two languages or more has, by their letters.
    thresholds : sequence of str
        Thresholds of single languages, ``("en:0.3", "zh:0.2")``; the others
        have ``threshold``.
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
    ValueError: languages must be two at least, all different, got ['en'].
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
            raise ValueError(f"languages must be two at least, all different, got {languages}.")
        if not self.methods:
            raise ValueError("methods must name one at least, 'ntc' say.")
        scales = [float(scale) for scale in self.scales]
        if not scales or len(set(scales)) < len(scales):
            raise ValueError(f"scales must be different factors, one at least, got {scales}.")
        for scale in scales:
            if not (math.isfinite(scale) and scale >= 0) or scale == 1:
                raise ValueError(
                    f"scales must be finite, at least 0 and other than 1, which changes nothing; "
                    f"got {scale}."
                )
        if not (math.isfinite(self.least_change) and self.least_change >= 0):
            raise ValueError(
                f"least_change must be at least 0 and finite, got {self.least_change}."
            )
        super().__post_init__()
        for language in self.own_thresholds():
            if languages and language not in languages:
                raise ValueError(f"thresholds has {language!r}, which is none of {languages}.")
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


class Crosslingual(Study):
    """The study ``crosslingual``: the neurons of a fact in each language, and edits of them."""

    name, Options = "crosslingual", CrosslingualOptions
    title = (
        "Languages: is a fact stored in the same neurons, and does an edit cross from one to "
        "another"
    )
    notes = (
        "Each language is measured alone, with the methods, filter and exclusions of the study "
        "acquisition. Table 10 is its Table 1 per language.",
        "Language-independent neurons (AMIG) are those that are knowledge neurons of the same fact "
        "in every language. Four arms of an edit: shared, the language-independent neurons; first "
        "and second, all neurons of one language; sequential, those of the first and then of the "
        "second.",
        "Random neurons have the sizes of the fact's sets and overlap as these do. They come from "
        "the whole model, or layer by layer.",
        "Neurons are chosen because the answer's probability depends on them. So they beat random "
        "neurons in any model, also in a random one, and where the answer is written alike in both "
        "languages they also do in the other language. A claim about crossing is made only over "
        "facts whose answers have no word in common and that the model knows in every language, "
        f"{FEW} at least. Parts of words may still be the same.",
        f"A difference is claimed at the level {ALPHA} after Holm's correction.",
    )
    stages = ("fact", "languages", "edits")
    tables = report.TABLES
    pictures = PICTURES

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
        # JSON sorts the languages by name, so their order is stored too
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
        """Edit as many shared neurons of one language as others of it, and ask in the other."""
        rows = []
        for edited, asked in (tuple(facts), tuple(facts)[::-1]):
            shared = own[edited] & own[asked]
            others = own[edited] - shared
            n = min(len(shared), len(others))
            chosen = [some(shared, n, rng), some(others, n, rng)]
            for scale in self.options.scales:
                edits = [
                    Edit(each, scale=scale, positions=self.options.positions) for each in chosen
                ]
                before = after = others_after = math.nan
                reason: str | None = "nothing to compare"
                if n:
                    before, after, others_after = self.model.answer_probability(
                        facts[asked], edits=[None, *edits], reduce=self.options.reduce
                    ).tolist()
                    reason = self._reason(before, after, others_after)
                rows.append(
                    {
                        "edited": edited,
                        "asked": asked,
                        "scale": float(scale),
                        "n_neurons": n,
                        "before": before,
                        "shared": after,
                        "others": others_after,
                        "reason": reason,
                    }
                )
        return rows

    def frames(self, rows: Any) -> LanguageFrames:
        """Return the frames of facts, languages and edits."""
        return collect(rows)

    def rows(self, frames: LanguageFrames) -> Any:
        """Return a row per fact and language, with the columns about the fact."""
        own = frames.by_language.rename(columns={"known": "known_in_language"})
        return frames.facts.merge(own, on="fact", how="left")

    def findings(self, frames: LanguageFrames, tables: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the findings in sentences."""
        return report.findings(frames, tables)


def _add(columns: dict[str, list[Any]], row: Mapping[str, Any]) -> None:
    for name, value in row.items():
        columns.setdefault(name, []).append(value)


STUDY = Crosslingual
