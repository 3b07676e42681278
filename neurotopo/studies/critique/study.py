"""The study ``critique``: grammar beside facts, and consequences of edits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from neurotopo.knowledge.facts import Fact
from neurotopo.studies.ablation import AblationOptions
from neurotopo.studies.critique.edits import EditCase, EditWork, edit_cases, truth_of
from neurotopo.studies.critique.pairs import (
    AGREEMENT,
    Group,
    PairWork,
    count_words,
    fact_groups,
    grammar_groups,
)
from neurotopo.studies.critique.report import ARMS, PICTURES, TABLES, collect, findings_of
from neurotopo.studies.findings import RULE
from neurotopo.studies.neurons import NeuronFinder
from neurotopo.studies.study import Study

__all__ = ["STUDY", "Critique", "CritiqueOptions"]

_MOST_PAIRS = 500  # the test bed cannot make more
_AT_LEAST = {"n_pairs": 0, "per_group": 2, "top": 2, "n_edits": 0, "edit_tries": 1, "edit_steps": 1}


@dataclass(frozen=True)
class CritiqueOptions(AblationOptions):
    """Options of the study ``critique``, beside those of :class:`AblationOptions`.

    With ``ablation="mean"`` the means are over the other pairs of a paradigm or relation; those
    without another prompt are left out and counted.

    Parameters
    ----------
    pairs : str, default="agreement"
        Minimal pairs of grammar: ``"agreement"`` are those of the test bed; else a file of BLiMP,
        or the folder of them (:func:`neurotopo.datasets.load_blimp`).
    n_pairs : int, default=100
        The most pairs of grammar, drawn by the seed; 0: none.
    per_group : int, default=40
        The most pairs of a paradigm or relation in a group; larger ones are split.
    share : float, default=0.5
        A neuron belongs to a paradigm if more than this share of the pairs in one half have it.
    top : int, default=10
        Number of neurons of a paradigm whose effects on its pairs are compared.
    enhance : float, default=2.0
        Factor of the values of enhanced neurons.
    corpus : str, optional
        A text file to count words in. None: only the model itself gives frequencies.
    n_edits : int, default=24
        Number of edits; 0: none.
    edit_tries : int, default=6
        Facts tried for each edit until one is known and has degenerate neurons.
    edit_steps, edit_lr, edit_to
        An edit is trained with Adam at the rate ``edit_lr`` for at most ``edit_steps`` steps,
        until the new answer has a probability above ``edit_to`` and above that of the old one.

    Examples
    --------
    >>> from neurotopo.studies.critique.study import CritiqueOptions
    >>> CritiqueOptions(n_pairs=20).pairs
    'agreement'
    >>> CritiqueOptions(share=1.5)
    Traceback (most recent call last):
        ...
    ValueError: share must be from 0 on and below 1, got 1.5.
    """

    QUICK = {"n_pairs": 60, "n_edits": 12, "edit_tries": 3}
    QUICK |= {"quadrature": "gauss-legendre", "steps": 8}

    pairs: str = AGREEMENT
    n_pairs: int = 100
    per_group: int = 40
    share: float = 0.5
    top: int = 10
    enhance: float = 2.0
    corpus: str | None = None
    n_edits: int = 24
    edit_tries: int = 6
    edit_steps: int = 40
    edit_lr: float = 0.01
    edit_to: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        self.check_whole(**_AT_LEAST)
        if self.pairs == AGREEMENT and self.n_pairs > _MOST_PAIRS:
            raise ValueError(
                f"n_pairs must be at most {_MOST_PAIRS} for the pairs of agreement, got "
                f"{self.n_pairs}."
            )
        for name, wanted, fits in (
            ("share", "from 0 on and below 1", 0 <= self.share < 1),
            ("edit_to", "from 0 on and below 1", 0 <= self.edit_to < 1),
            ("enhance", "above 1", 1 < self.enhance < math.inf),
            ("edit_lr", "positive", 0 < self.edit_lr < math.inf),
        ):
            if not fits:
                raise ValueError(f"{name} must be {wanted}, got {getattr(self, name)}.")
        files = {"corpus": self.corpus, "pairs": None if self.pairs == AGREEMENT else self.pairs}
        for name, file in files.items():
            if file is not None and not Path(file).exists():
                raise ValueError(f"{name}: there is no file {file!r}.")


class Critique(Study):
    """The claims of the critics of knowledge neurons, tested on degenerate ones."""

    name, Options, unit = "critique", CritiqueOptions, "group"
    timed = False
    version = 2
    title = (
        "The knowledge-neuron thesis under test: grammar beside facts, and consequences of edits"
    )
    notes = (
        "A pair is a prompt with a word that fits and a word that does not fit: of grammar "
        "(minimal pairs) and of facts (the answer, and a wrong answer of the same relation). All "
        "measures are the same for both. Neurons are chosen by the attribution of the probability "
        "of the word that fits.",
        f"Sets of neurons. {'; '.join(f'{name}: {what}' for name, what in ARMS.items())}. Where "
        "there are too few neurons that are not degenerate, N is filled up with degenerate ones.",
        "Neurons that are chosen by a probability lower it when they are suppressed, also in a "
        "random model. That is no claim. Claims are: D does more than neurons chosen in the same "
        "way; neurons act on pairs that had no part in their choice; an edit in D holds in other "
        "words. Claims about pairs need a model that is shown to know which word fits.",
        "Suppressed neurons have the value 0; with ablation='mean' their mean over the other "
        "prompts "
        "of the paradigm or relation, at the tokens that predict the word.",
        f"{RULE} The correction is over the rows of a table. The "
        "table exclusions counts everything that is left out.",
    )
    tables = TABLES
    pictures = PICTURES
    frames = staticmethod(collect)
    findings = staticmethod(findings_of)

    def items(self, facts: Sequence[Fact], options: Any, seed: int, model: Any) -> Any:
        """Return paradigms of grammar, relations of facts, and edits."""
        truth = truth_of(facts)
        groups = grammar_groups(options, seed) + fact_groups(facts, truth, options, seed)
        if options.corpus is not None:
            groups = count_words(groups, options.corpus)
        return [*groups, *edit_cases(facts, truth, options, seed)]

    def setup(self) -> None:
        """Prepare the work on pairs and on edits."""
        finder = NeuronFinder(self.model, self.options)
        self._pairs = PairWork(self.model, self.options, finder, self.seed)
        self._edits = EditWork(self.model, self.options, finder, self.seed)

    def measure(self, item: Group | EditCase) -> dict[str, Any]:
        """Return the results about an item."""
        return self._edits(item) if isinstance(item, EditCase) else self._pairs(item)

    def rows(self, frames: Any) -> Any:
        """Return the pairs."""
        return frames.pairs


STUDY = Critique
