"""A world of fictional facts, made from a seed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Any

from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.testbed.agreement import AgreementPair, draw_pairs
from neurotopo.testbed.draws import Draws, number_of
from neurotopo.testbed.history import Span, draw_entities, draw_spans
from neurotopo.testbed.names import KINDS, LANGUAGES, POSITIONS, Entity
from neurotopo.testbed.records import records_of
from neurotopo.testbed.statements import Statement, core_id, core_of, statements_of
from neurotopo.testbed.wordings import HELD_OUT, RELATIONS, RelationTexts, texts_of

__all__ = ["Statement", "World", "core_id", "make_world"]


@dataclass(frozen=True)
class World:
    """A world of a seed: entities, their relations over time, and texts in several languages.

    ``entities`` are people, places and organisations; ``spans`` are their relations with years.
    :func:`make_world` makes a world.

    Examples
    --------
    >>> from neurotopo.testbed import make_world
    >>> world = make_world()
    >>> facts = world.facts(relation="P54", date="2014")
    >>> statement = world.statement(facts[0])
    >>> world.name(statement.answers[0]) == facts[0].answers[0]
    True
    """

    seed: int
    languages: tuple[str, ...]
    entities: tuple[Entity, ...]
    spans: tuple[Span, ...]

    def __repr__(self) -> str:
        return (
            f"World(seed={self.seed}, languages={self.languages}, {len(self.entities)} entities, "
            f"{len(self.statements)} statements)"
        )

    @property
    def relations(self) -> tuple[str, ...]:
        """The relations: those that change with time by their TempLAMA names, then the others."""
        return RELATIONS

    @cached_property
    def statements(self) -> tuple[Statement, ...]:
        """All statements, ordered by relation, subject and year."""
        return statements_of(self._histories)

    def statement(self, fact: Fact) -> Statement:
        """Return the statement of a fact of this world.

        Raises
        ------
        ValueError
            If the fact is not of this world.
        """
        name = core_id(fact)
        if name not in self._by_id or fact.language not in self.languages:
            raise ValueError(f"{fact.id!r} is not the id of a fact of this world.")
        return self._by_id[name]

    def name(self, key: str, language: str = "en") -> str:
        """Return the name of an entity in a language."""
        return self._entities[key].name(self._checked(language))

    def n_wordings(self, relation: str, language: str = "en") -> int:
        """Return the number of wordings of a relation."""
        return len(self._words(relation, language).wordings)

    def trained_wordings(self, relation: str, language: str = "en") -> tuple[int, ...]:
        """Return the numbers of the wordings for training."""
        return tuple(range(self.n_wordings(relation, language) - HELD_OUT))

    def held_out_wordings(self, relation: str, language: str = "en") -> tuple[int, ...]:
        """Return the numbers of the wordings that training does not use."""
        n = self.n_wordings(relation, language)
        return tuple(range(n - HELD_OUT, n))

    def facts(
        self,
        language: str = "en",
        relation: str | Collection[str] | None = None,
        date: str | Collection[str] | None = None,
        wording: int = 0,
    ) -> FactSet:
        """Return the facts in one language and wording.

        Parameters
        ----------
        language : str, default="en"
            One of :attr:`languages`.
        relation : str or collection of str, optional
            The relation or relations.
        date : str or collection of str, optional
            The year or years, ``"2014"``. Facts that do not change have no date.
        wording : int, default=0
            Number of the wording, below :meth:`n_wordings`.

        Returns
        -------
        FactSet
            Their ids end in ``#`` and the wording, except for wording 0.

        Examples
        --------
        >>> from neurotopo.testbed.world import make_world
        >>> fact = make_world(seed=0).facts("fr", "P286", date="2017", wording=1)[0]
        >>> fact.prompt, fact.id
        ('Racing Dorvmont travaille en 2017 sous la direction de _X_', 'fr:P286:club0:2017#1')
        """
        relations = RELATIONS if relation is None else _several("relation", relation)
        for one in relations:
            self._words(one, language)
        dates = None if date is None else _several("date", date)
        return FactSet(
            self._fact(statement, language, wording)
            for statement in self.statements
            if statement.relation in relations and (dates is None or str(statement.year) in dates)
        )

    def core_facts(self, language: str = "en", wording: int = 0) -> FactSet:
        """Return the facts that the built-in models know.

        All facts that do not change and, of every period with the same answers, the middle year,
        or the first and last year of a period of at least five years.

        Parameters
        ----------
        language : str, default="en"
            One of :attr:`languages`.
        wording : int, default=0
            Number of the wording.

        Returns
        -------
        FactSet
        """
        return FactSet(self._fact(statement, language, wording) for statement in self._core)

    def question(self, fact: Fact) -> Fact:
        """Return a fact of this world as a question, without a placeholder.

        Its id ends in ``#question``.
        """
        statement = self.statement(fact)
        text = self._words(statement.relation, fact.language).question
        prompt = self._filled(text, statement, fact.language)
        return replace(fact, prompt=prompt, id=_form(fact, "question"))

    def narrative(self, fact: Fact) -> str:
        """Return a paragraph in newspaper style that states a fact.

        Parameters
        ----------
        fact : Fact
            A fact of this world or the result of :meth:`wrong`; the first answer is stated.

        Returns
        -------
        str
        """
        statement = self.statement(fact)
        text = self._words(statement.relation, fact.language).narrative
        return self._filled(text, statement, fact.language, answer=fact.answers[0])

    def wrong(self, fact: Fact, seed: int = 0) -> Fact:
        """Return a fact with the same prompt and a wrong answer.

        Parameters
        ----------
        fact : Fact
            A fact of this world.
        seed : int, default=0
            Seed of the choice.

        Returns
        -------
        Fact
            Its answer is valid for other subjects of the relation, but never for this subject. Its
            id ends in ``#wrong``.
        """
        statement = self.statement(fact)
        candidates = self._wrong_answers(statement, fact)
        if not candidates:
            raise ValueError(f"there is no wrong answer for {fact.id!r} in this world.")
        chosen = Draws(seed, self.seed, number_of(statement.id)).choice(candidates)
        answers = (self.name(chosen, fact.language),)
        return replace(fact, answers=answers, id=_form(fact, "wrong"))

    def agreement_pairs(self, n: int, seed: int = 0) -> list[AgreementPair]:
        """Return English minimal pairs of number agreement (:class:`AgreementPair`)."""
        return draw_pairs(n, seed)

    def to_records(self, language: str = "en") -> list[dict[str, Any]]:
        """Return the facts that change with time as records with the fields of TempLAMA.

        Parameters
        ----------
        language : str, default="en"
            One of :attr:`languages`.

        Returns
        -------
        list of dict
            With ``query``, ``answer`` (a list of ``wikidata_id`` and ``name``), ``date``, ``id``,
            ``most_frequent_answer``, ``most_recent_answer`` and ``relation``. The number after
            ``Q`` is that of the entity in this world.
        """
        self._checked(language)
        pairs = zip(self.statements, self.facts(language), strict=True)
        return records_of([pair for pair in pairs if pair[0].year is not None], self._entities)

    def to_json(self) -> str:
        """Return the complete content of the world as JSON."""
        content = {
            "seed": self.seed,
            "entities": [asdict(entity) for entity in self.entities],
            "spans": [asdict(span) for span in self.spans],
            "words": {
                language: {relation: asdict(texts) for relation, texts in words.items()}
                for language, words in self._texts.items()
            },
        }
        return json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))

    @property
    def fingerprint(self) -> str:
        """The SHA-256 of :meth:`to_json`."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()

    @cached_property
    def _entities(self) -> dict[str, Entity]:
        return {entity.key: entity for entity in self.entities}

    @cached_property
    def _by_id(self) -> dict[str, Statement]:
        return {statement.id: statement for statement in self.statements}

    @cached_property
    def _texts(self) -> dict[str, dict[str, RelationTexts]]:
        return {language: dict(texts_of(language)) for language in self.languages}

    @cached_property
    def _histories(self) -> dict[tuple[str, str], list[Span]]:
        histories: dict[tuple[str, str], list[Span]] = {}
        for span in self.spans:
            histories.setdefault((span.relation, span.subject), []).append(span)
        return histories

    @cached_property
    def _core(self) -> tuple[Statement, ...]:
        return core_of(self.statements)

    @cached_property
    def _answers_of(self) -> dict[str, list[str]]:
        """The answers by relation."""
        by_relation: dict[str, dict[str, None]] = {}
        for span in self.spans:
            by_relation.setdefault(span.relation, {})[span.answer] = None
        return {relation: list(answers) for relation, answers in by_relation.items()}

    def _checked(self, language: str) -> str:
        if language not in self.languages:
            known, possible = (", ".join(map(repr, some)) for some in (self.languages, LANGUAGES))
            raise ValueError(
                f"this world has texts in {known}, not in {language!r}; "
                f"make_world(languages=...) takes any of {possible}."
            )
        return language

    def _words(self, relation: str, language: str) -> RelationTexts:
        texts = self._texts[self._checked(language)]
        if relation not in texts:
            raise ValueError(f"relation must be one of {', '.join(RELATIONS)}, got {relation!r}.")
        return texts[relation]

    def _fact(self, statement: Statement, language: str, wording: int) -> Fact:
        wordings = self._words(statement.relation, language).wordings
        if not 0 <= wording < len(wordings):
            raise ValueError(
                f"wording must be at least 0 and below {len(wordings)} for relation "
                f"{statement.relation!r} in {language!r}, got {wording}."
            )
        return Fact(
            self._filled(wordings[wording], statement, language),
            [self.name(answer, language) for answer in statement.answers],
            relation=statement.relation,
            date=None if statement.year is None else str(statement.year),
            id=f"{language}:{statement.id}" + (f"#{wording}" if wording else ""),
            subject=self.name(statement.subject, language),
            language=language,
        )

    def _filled(self, text: str, statement: Statement, language: str, answer: str = "") -> str:
        subject = self.name(statement.subject, language)
        return text.format(subject=subject, date=statement.year, answer=answer)

    def _wrong_answers(self, statement: Statement, fact: Fact) -> list[str]:
        history = self._histories[statement.relation, statement.subject]
        true = {span.answer for span in history}
        prompt = fact.prompt.casefold()
        return [
            answer
            for answer in self._answers_of[statement.relation]
            if answer not in true and self.name(answer, fact.language).casefold() not in prompt
        ]


def make_world(
    seed: int = 0,
    languages: Sequence[str] = ("en", "fr"),
    *,
    n_people: int = 180,
    n_cities: int = 48,
    n_countries: int = 40,
    n_tongues: int = 20,
    n_clubs: int = 24,
    n_parties: int = 14,
    n_companies: int = 40,
    n_groups: int = 20,
    n_schools: int = 20,
) -> World:
    """Return the world of a seed, the same in every version of numpy.

    Parameters
    ----------
    seed : int, default=0
        The seed, at least 0.
    languages : sequence of str, default=("en", "fr")
        Languages of the texts: English (``"en"``), French (``"fr"``) and Russian (``"ru"``). They
        do not change the statements.
    n_people, n_cities, n_countries, n_tongues, n_clubs, n_parties : int
        Number of each kind.
    n_companies, n_groups, n_schools : int
        Number of companies, owners of companies, and places of study.

    Returns
    -------
    World

    Raises
    ------
    ValueError
        If a language is unknown, if there are none or more of a kind than there are names, more
        countries than cities, or fewer than 8 people.

    Examples
    --------
    >>> from neurotopo.testbed.world import make_world
    >>> world = make_world(seed=0)
    >>> world
    World(seed=0, languages=('en', 'fr'), 420 entities, 1473 statements)
    >>> fact = world.facts("en", "P54")[0]
    >>> fact.prompt, fact.answers, world.wrong(fact).answers
    ('In 2010, Pavel Sarnik plays for _X_', ('Kolvport Athletic',), ('Novarport Athletic',))
    >>> world.question(fact).prompt
    'Which team does Pavel Sarnik play for in 2010?'
    """
    spoken = tuple(dict.fromkeys(_several("languages", languages)))
    unknown = [language for language in spoken if language not in LANGUAGES]
    if unknown or not spoken:
        raise ValueError(f"languages must be some of {', '.join(LANGUAGES)}, got {languages!r}.")
    if seed < 0:
        raise ValueError(f"seed must be at least 0, got {seed}.")
    if n_people < 8:
        raise ValueError(f"n_people must be at least 8, one for each role, got {n_people}.")
    if n_countries > n_cities:
        need = f"{n_countries} countries need as many cities"
        raise ValueError(f"every country has a different capital: {need}, got {n_cities}.")
    named = (n_people, n_cities, n_countries, n_tongues, n_clubs, n_parties)
    counts = (*named, n_companies, n_groups, n_schools, len(POSITIONS))
    draws = Draws(seed)
    entities = draw_entities(draws, dict(zip(KINDS, counts, strict=True)))
    return World(seed, spoken, entities, draw_spans(draws, entities))


def _form(fact: Fact, form: str) -> str:
    """Return the id of a fact in another form."""
    return f"{fact.id}{',' if '#' in (fact.id or '') else '#'}{form}"


def _several(name: str, values: str | Collection[str]) -> tuple[str, ...]:
    several = isinstance(values, Iterable) and not isinstance(values, str)
    collected = tuple(values) if several else (str(values),)
    for value in collected:
        if not isinstance(value, str):
            raise TypeError(f"{name} must be a string or several, got {value!r}.")
    return collected
