"""Knowledge neurons of one fact in several languages, and edits across languages.

References
----------
.. [1] Y. Chen, P. Cao, Y. Chen, K. Liu, J. Zhao, "Journey to the Center of the Knowledge Neurons",
   AAAI 2024.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import reduce as fold
from typing import TYPE_CHECKING, Literal, TypeVar

import numpy as np

from neurotopo.knowledge.amig import AMIG
from neurotopo.models.prompts import FactLike, describe_fact
from neurotopo.neurons import NeuronSet

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.knowledge.locate import Attributor
    from neurotopo.models.edits import Edit
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "ARMS",
    "Asked",
    "CrossLingualEdit",
    "SharedNeurons",
    "cross_lingual_edit",
    "group_by_language",
    "shared_neurons",
]

ARMS = ("shared", "first", "second", "sequential")

AnyFact = TypeVar("AnyFact", bound=FactLike)


def group_by_language(
    facts: Iterable[AnyFact], by: Callable[[AnyFact], str | None] | None = None
) -> dict[str, dict[str, AnyFact]]:
    """Group facts that are translations of each other.

    Parameters
    ----------
    facts : iterable of Fact
        The facts in all languages.
    by : callable, optional
        Returns the name of a fact, the same in all languages. Default: the ``id``.

    Returns
    -------
    dict of dict
        By name and language, in order of appearance. A group may have only one language.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.knowledge.languages import group_by_language
    >>> facts = [
    ...     Fact("The capital of France is _X_", "Paris", id="P36-France"),
    ...     Fact("La capitale de la France est _X_", "Paris", id="P36-France", language="fr"),
    ... ]
    >>> {name: list(group) for name, group in group_by_language(facts).items()}
    {'P36-France': ['en', 'fr']}
    """
    groups: dict[str, dict[str, AnyFact]] = {}
    for fact in facts:
        name = getattr(fact, "id", None) if by is None else by(fact)
        if name is None:
            reason = "it has no id; set it, or pass by" if by is None else "by(fact) is None"
            raise ValueError(f"{describe_fact(fact)} cannot be grouped: {reason}.")
        group = groups.setdefault(name, {})
        if fact.language in group:
            both = f"{group[fact.language].prompt!r} and {fact.prompt!r}"
            raise ValueError(f"{name!r} occurs twice in language {fact.language!r}: {both}.")
        group[fact.language] = fact
    return groups


@dataclass(frozen=True)
class SharedNeurons:
    """The neurons of one fact by language, and those shared by all languages.

    Attributes
    ----------
    by_language : dict of str to NeuronSet
        The knowledge neurons of the fact in each language.

    Examples
    --------
    >>> from neurotopo import NeuronSet
    >>> from neurotopo.knowledge.languages import SharedNeurons
    >>> neurons = {"en": NeuronSet([(0, 1), (1, 2)]), "fr": NeuronSet([(1, 2), (2, 5)])}
    >>> result = SharedNeurons(neurons)
    >>> result.shared, result.remainders["en"]
    (NeuronSet([(1, 2)]), NeuronSet([(0, 1)]))
    """

    by_language: Mapping[str, NeuronSet]

    def __post_init__(self) -> None:
        if len(self.by_language) < 2:
            names = ", ".join(map(repr, self.by_language)) or "none"
            raise ValueError(f"neurons are shared by at least two languages, got {names}.")

    @property
    def shared(self) -> NeuronSet:
        """The language-independent neurons, present in every language."""
        return fold(lambda a, b: a & b, self.by_language.values())

    @property
    def remainders(self) -> dict[str, NeuronSet]:
        """The neurons of each language without the shared ones."""
        shared = self.shared
        return {language: own - shared for language, own in self.by_language.items()}

    def to_pandas(self) -> pd.DataFrame:
        """Return a table of all neurons: ``layer``, ``index``, ``n_languages``, ``shared``.

        One further column per language says whether the neuron is one of its neurons.
        """
        import pandas as pd

        union = fold(lambda a, b: a | b, self.by_language.values())
        member = {
            language: np.array([pair in own for pair in union], dtype=bool)
            for language, own in self.by_language.items()
        }
        count = np.sum(list(member.values()), axis=0)
        table = {"layer": union.layers, "index": union.indices, "n_languages": count}
        return pd.DataFrame({**table, "shared": count == len(member), **member})


def shared_neurons(
    model: NeuronModel,
    facts_by_language: Mapping[str, FactLike],
    attributor: Attributor | None = None,
) -> SharedNeurons:
    """Locate the neurons of one fact in several languages and intersect them (AAAI 2024).

    Parameters
    ----------
    model : NeuronModel
    facts_by_language : mapping of str to Fact
        The fact in at least two languages, by ``Fact.language``.
    attributor : Attributor, optional
        Locates the neurons; its threshold may depend on the language,
        ``AMIG(threshold={"en": 0.3, "zh": 0.2})``. Default: ``AMIG()``.

    Returns
    -------
    SharedNeurons

    Examples
    --------
    >>> from neurotopo import AMIG, Fact
    >>> from neurotopo.knowledge.languages import shared_neurons
    >>> from neurotopo.models.examples import random_model
    >>> english = Fact("The capital of France is _X_", "Paris")
    >>> french = Fact("capital France _X_", "Paris", language="fr")
    >>> amig = AMIG.fast(threshold={"en": 0.2, "fr": 0.1})
    >>> result = shared_neurons(random_model("gpt2"), {"en": english, "fr": french}, amig)
    >>> result.shared <= result.by_language["fr"], result.shared & result.remainders["fr"]
    (True, NeuronSet([]))
    """
    _check_languages(facts_by_language)
    if len(facts_by_language) < 2:
        raise ValueError(f"at least two languages are needed, got {list(facts_by_language)}.")
    attributor = AMIG() if attributor is None else attributor
    by_language = {}
    for language, fact in facts_by_language.items():
        threshold = attributor.threshold_for(fact)
        attribution = attributor.attribute(model, fact)
        by_language[language] = attribution.neurons(threshold, attributor.rule, attributor.scope)
    return SharedNeurons(by_language)


@dataclass(frozen=True)
class Asked:
    """Effect of one arm of a cross-lingual edit on the answer in one language.

    Attributes
    ----------
    arm : {"shared", "first", "second", "sequential"}
    edited : tuple of str
        The languages whose neurons were edited.
    asked : str
        The language of the question.
    n_neurons : int
        Number of distinct neurons edited.
    before, after : float
        The probability of the answer.
    success : bool
        Whether the probability changed enough in the intended direction.

    Examples
    --------
    >>> from neurotopo.knowledge.languages import Asked
    >>> asked = Asked("first", ("en",), "fr", n_neurons=8, before=0.5, after=0.25, success=True)
    >>> asked.change, asked.crosses
    (-0.5, True)
    """

    arm: str
    edited: tuple[str, ...]
    asked: str
    n_neurons: int
    before: float
    after: float
    success: bool

    @property
    def change(self) -> float:
        """(after - before) / before; nan where ``before`` is 0."""
        return _relative_change(self.before, self.after)

    @property
    def crosses(self) -> bool:
        """Whether the question is in a language other than that of the neurons."""
        return self.asked not in self.edited


@dataclass(frozen=True)
class CrossLingualEdit:
    """Effects of edits of the neurons of two languages on the answers in both.

    Attributes
    ----------
    languages : tuple of str
        The first and the second language.
    scale : float
        The factor on the neurons.
    results : tuple of Asked
        By arm and language of the question.

    Examples
    --------
    >>> from neurotopo.knowledge.languages import Asked, CrossLingualEdit
    >>> same = Asked("first", ("en",), "en", n_neurons=8, before=0.5, after=0.25, success=True)
    >>> other = Asked("first", ("en",), "fr", n_neurons=8, before=0.5, after=0.5, success=False)
    >>> edit = CrossLingualEdit(("en", "fr"), scale=0.0, results=(same, other))
    >>> edit.result("first", "en").change, edit.succeeded("first")
    (-0.5, False)
    """

    languages: tuple[str, str]
    scale: float
    results: tuple[Asked, ...]

    def result(self, arm: str, asked: str) -> Asked:
        """Return the effect of one arm on the answer in one language."""
        if arm not in ARMS:
            raise ValueError(f"arm must be one of {', '.join(ARMS)}, got {arm!r}.")
        if asked not in self.languages:
            raise ValueError(f"language must be one of {self.languages}, got {asked!r}.")
        return next(r for r in self.results if (r.arm, r.asked) == (arm, asked))

    def succeeded(self, arm: str) -> bool:
        """Return whether an arm changed the answers in both languages as intended."""
        return all(self.result(arm, language).success for language in self.languages)

    @property
    def n_undefined(self) -> int:
        """Number of results without a relative change, as ``before`` is 0."""
        return sum(math.isnan(result.change) for result in self.results)

    def to_pandas(self) -> pd.DataFrame:
        """Return a table with a row per arm and language of the question.

        Its columns are those of :class:`Asked`, ``edited`` joined by ``"+"``.
        """
        import pandas as pd

        first = ["arm", "edited", "asked", "crosses"]
        columns = [*first, "n_neurons", "before", "after", "change", "success"]
        rows = [[getattr(result, name) for name in columns] for result in self.results]
        table = pd.DataFrame(rows, columns=columns)
        return table.assign(edited=table["edited"].map("+".join))


def cross_lingual_edit(
    model: NeuronModel,
    facts_by_language: Mapping[str, FactLike],
    neurons: SharedNeurons | Mapping[str, NeuronSet],
    *,
    shared: NeuronSet | None = None,
    scale: float = 0.0,
    where: Literal["values", "weights"] = "values",
    positions: Literal["all", "last"] = "all",
    least_change: float = 0.01,
    reduce: Literal["best", "sum"] = "best",
) -> CrossLingualEdit:
    """Edit the neurons of one language and query the fact in another (AAAI 2024).

    There are four arms, each queried in both languages:

    - ``"shared"``: edits the neurons that both languages share;
    - ``"first"``: edits the neurons of the first language;
    - ``"second"``: edits the neurons of the second language;
    - ``"sequential"``: edits the neurons of the first and then those of the second language. Both
      edits are active, so a neuron of both languages is scaled twice.

    Parameters
    ----------
    model : NeuronModel
    facts_by_language : mapping of str to Fact
        One fact in two languages; their order is that of the sequential arm.
    neurons : SharedNeurons or mapping of str to NeuronSet
        The neurons of each of the two languages.
    shared : NeuronSet, optional
        The neurons of the first arm. Default: those of both languages. To edit only the other
        neurons of each language, pass ``result.remainders`` and ``shared=result.shared``.
    scale : float, default=0.0
        The factor on the neurons: 0 suppresses, 2 enhances.
    where, positions
        Target and positions of the edit, :class:`~neurotopo.Edit`.
    least_change : float, default=0.01
        An edit succeeds if the probability falls (``scale < 1``) or rises (``scale > 1``) by more
        than this fraction. Less than about 1e-5 is rounding. With ``scale=1``, without neurons or
        with an answer of probability 0 no edit succeeds.
    reduce : {"best", "sum"}, default="best"
        How several answers are combined, :meth:`~neurotopo.NeuronModel.answer_probability`.

    Returns
    -------
    CrossLingualEdit

    Examples
    --------
    >>> from neurotopo import Fact, NeuronSet
    >>> from neurotopo.knowledge.languages import cross_lingual_edit
    >>> from neurotopo.models.examples import random_model
    >>> english = Fact("The capital of France is _X_", "Paris")
    >>> french = Fact("capital France _X_", "Paris", language="fr")
    >>> neurons = {"en": NeuronSet([(0, 1), (1, 2)]), "fr": NeuronSet([(1, 2), (2, 5)])}
    >>> result = cross_lingual_edit(random_model("gpt2"), {"en": english, "fr": french}, neurons)
    >>> result.to_pandas()[["arm", "edited", "asked", "crosses", "n_neurons"]][1:4]
          arm edited asked  crosses  n_neurons
    1  shared  en+fr    fr    False          1
    2   first     en    en    False          2
    3   first     en    fr     True          2
    """
    from neurotopo.models.edits import Edit

    _check_languages(facts_by_language)
    if len(facts_by_language) != 2:
        raise ValueError(f"exactly two languages are needed, got {list(facts_by_language)}.")
    if not (math.isfinite(least_change) and least_change >= 0):
        raise ValueError(f"least_change must be at least 0 and finite, got {least_change}.")
    first, second = facts_by_language
    own = _sets_of(neurons, (first, second))
    common = own[first] & own[second] if shared is None else NeuronSet(shared)

    def edit(chosen: NeuronSet) -> Edit:
        return Edit(chosen, scale=scale, where=where, positions=positions)

    arms = {
        "shared": ((first, second), (edit(common),)),
        "first": ((first,), (edit(own[first]),)),
        "second": ((second,), (edit(own[second]),)),
        "sequential": ((first, second), (edit(own[first]), edit(own[second]))),
    }
    asked_in = {
        language: _probabilities(model, fact, [edits for _, edits in arms.values()], reduce)
        for language, fact in facts_by_language.items()
    }
    results = []
    for number, (arm, (edited, edits)) in enumerate(arms.items()):
        n_neurons = len(fold(lambda a, b: a | b, (e.neurons for e in edits)))
        for language, (before, after) in asked_in.items():
            success = _is_success(_relative_change(before, after[number]), scale, least_change)
            results.append(Asked(arm, edited, language, n_neurons, before, after[number], success))
    return CrossLingualEdit((first, second), scale, tuple(results))


def _probabilities(
    model: NeuronModel, fact: FactLike, arms: list[tuple[Edit, ...]], reduce: Literal["best", "sum"]
) -> tuple[float, list[float]]:
    """Return the probability of the answer without edits and in every arm."""
    # rows of a batch differ by rounding, so an edit without effect is not a row
    rows = [tuple(e for e in edits if len(e.neurons) and e.scale != 1) for edits in arms]
    distinct = list(dict.fromkeys([(), *rows]))
    values = model.answer_probability(fact, edits=distinct, reduce=reduce)
    if np.isnan(values).any():
        row = distinct[int(np.isnan(values).argmax())]
        raise ValueError(f"{describe_fact(fact)}: the probability of the answer with {row} is nan.")
    of_row = dict(zip(distinct, values.tolist(), strict=True))
    return of_row[()], [of_row[row] for row in rows]


def _relative_change(before: float, after: float) -> float:
    return (after - before) / before if before > 0 else math.nan


def _is_success(change: float, scale: float, least_change: float) -> bool:
    """Return whether a probability changed as intended; False for nan and 0."""
    return (change if scale > 1 else -change) > least_change


def _sets_of(
    neurons: SharedNeurons | Mapping[str, NeuronSet], languages: tuple[str, str]
) -> dict[str, NeuronSet]:
    sets = neurons.by_language if isinstance(neurons, SharedNeurons) else neurons
    for language in languages:
        if language not in sets:
            names = ", ".join(map(repr, sets)) or "none"
            raise ValueError(f"no neurons of language {language!r}; there are those of {names}.")
    return {language: NeuronSet(sets[language]) for language in languages}


def _check_languages(facts_by_language: Mapping[str, FactLike]) -> None:
    for name, fact in facts_by_language.items():
        if fact.language != name:
            raise ValueError(
                f"{describe_fact(fact)} is given as language {name!r} but its field 'language' is "
                f"{fact.language!r}."
            )
