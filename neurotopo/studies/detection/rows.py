"""The stored results of the detection study, relation by relation and as one table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.studies.rows import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONTROLS", "METHODS", "Collected", "Relation", "collect"]

METHODS: Mapping[str, str] = {
    "dkn": "mean attribution of the relation's degenerate knowledge neurons",
    "random": "of as many random neurons",
    "random_layers": "of random neurons, as many in each layer",
    "kn": "mean attribution of the relation's knowledge neurons, degenerate or not",
    "random_kn": "of as many random neurons as there are knowledge neurons",
    "probability": "log-probability of the label per token",
    "joint": "log-probability of the whole label",
    "answer": "true if the label is the model's own answer",
    "verdict": "whether the model says that the statement is true",
    "always": "says true of everything",
}
"""What each method judges by."""

CONTROLS: Mapping[str, tuple[str, ...]] = {"dkn": ("random", "random_layers"), "kn": ("random_kn",)}
"""The random neurons that stand beside a method."""


@dataclass(frozen=True, eq=False)
class Relation:
    """What is stored about one relation that was asked for.

    Attributes
    ----------
    key : str
        The relation.
    pairs : DataFrame
        A row per fact: ``fact``, ``label``, ``wrong``, ``subject``, ``train``, ``known``.
    scores : dict of str to ndarray of float64, shape (n_draws, 2, n_facts)
        By method the scores of true and of wrong labels; nan is no judgement.
    sets : dict
        Sizes of the sets of neurons, and what they come from.
    sweep : list of dict
        The scores under other thresholds.
    """

    key: str
    pairs: pd.DataFrame
    scores: dict[str, NDArray[np.float64]]
    sets: dict[str, Any]
    sweep: list[dict[str, Any]]

    @property
    def test(self) -> NDArray[np.bool_]:
        """Which facts are judged; thresholds and neurons come from the others."""
        return ~self.pairs["train"].to_numpy(dtype=bool)

    @property
    def subjects(self) -> NDArray[np.int64]:
        """The subjects of the facts that are judged."""
        return self.pairs["subject"].to_numpy(dtype=np.int64)[self.test]


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all relations of a run, in the order of their names.

    Attributes
    ----------
    trials : DataFrame
        A row per relation: ``relation``, ``n_facts``, ``left_out`` (a dict of counts by reason),
        and for one that failed the ``error``.
    relations : list of Relation
        Those that were asked for.
    setting : dict
        What the evaluation needs to know of the options.
    """

    trials: pd.DataFrame
    relations: list[Relation]
    setting: dict[str, Any]

    @property
    def methods(self) -> list[str]:
        """The methods with scores, in the order of a table."""
        held = {name for relation in self.relations for name in relation.scores}
        return [name for name in METHODS if name in held]

    @property
    def n_known(self) -> int:
        """How many of the facts that are judged the model answers correctly."""
        return sum(int(one.pairs["known"][one.test].sum()) for one in self.relations)

    @property
    def n_facts(self) -> int:
        """How many facts are judged, with a true and a wrong label each."""
        return sum(int(one.test.sum()) for one in self.relations)

    @property
    def n_subjects(self) -> int:
        """How many subjects they are of, relation by relation."""
        return sum(len(np.unique(one.subjects)) for one in self.relations)

    def to_pandas(self) -> pd.DataFrame:
        """Return a row per fact, method and draw, with the scores of both labels."""
        import pandas as pd

        frames = [
            pd.DataFrame(
                {
                    "relation": one.key,
                    **{name: one.pairs[name] for name in one.pairs},
                    "method": method,
                    "draw": draw,
                    "score_true": values[0],
                    "score_wrong": values[1],
                }
            )
            for one in self.relations
            for method in METHODS
            if method in one.scores
            for draw, values in enumerate(one.scores[method])
        ]
        columns = [
            "relation",
            "fact",
            "label",
            "wrong",
            "subject",
            "train",
            "known",
            "method",
            "draw",
            "score_true",
            "score_wrong",
        ]
        return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed relations and missing ones do no harm."""
    import pandas as pd

    trials: list[tuple[str, int, dict[str, int], str | None]] = []
    relations: list[Relation] = []
    setting: dict[str, Any] = {}
    for row in sorted(rows, key=lambda row: row.fact):
        if row.error is not None:
            trials.append((row.fact, int(row.content.get("n_facts", 0)), {}, row.error))
            continue
        about = row.payload
        setting = about["setting"]
        trials.append((row.fact, about["n_facts"], about["left_out"], None))
        if about["pairs"]:
            relations.append(
                Relation(
                    row.fact,
                    pd.DataFrame(about["pairs"]),
                    {name: _numbers(values) for name, values in about["scores"].items()},
                    about["sets"],
                    [
                        {**one, "dkn": _numbers([one["dkn"]]), "random": _numbers(one["random"])}
                        for one in about["sweep"]
                    ],
                )
            )
    columns = ["relation", "n_facts", "left_out", "error"]
    return Collected(pd.DataFrame(trials, columns=columns), relations, setting)


def _numbers(values: Any) -> NDArray[np.float64]:
    """Return scores as they were; what JSON has no number for is nan."""
    return np.array(values, dtype=np.float64)
