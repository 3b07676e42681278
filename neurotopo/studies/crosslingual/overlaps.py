"""How much the neurons of one fact in two languages have in common, and what other facts have."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.stats import hypergeom

from neurotopo.studies.crosslingual.rows import Collected, Neurons, Stated

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CONTROLS", "KINDS", "chance_jaccard", "overlaps"]

KINDS: Mapping[str, str] = {"knowledge": "knowledge neurons", "degenerate": "DKNs"}

CONTROLS: Mapping[str, str] = {
    "other": "other facts of the same relation",
    "same_answer": "other facts with the same answer",
    "same_subject": "other answers of the same subject",
    "random": "random neurons",
    "random_layers": "random neurons by layer",
}
"""What the overlap of a fact is compared with, by name."""

_COLUMNS = (
    "first",
    "second",
    "kind",
    "fact",
    "known",
    "answers",
    "n_first",
    "n_second",
    "shared",
    "jaccard",
)


def overlaps(found: Collected) -> pd.DataFrame:
    """Return the overlap of every fact in any two languages, and that of its controls.

    A row per fact, two languages and kind of neurons, where the fact has such neurons in both:
    how many (``n_first``, ``n_second``), how many are ``shared``, the Jaccard index
    ``jaccard``, and a column for each of :data:`CONTROLS`. ``other`` is the mean index of the
    fact in one language with all other facts of its relation, about other subjects, in the other
    language, in both directions; ``same_answer`` that of those among them which have an answer in
    common with it in both languages; ``same_subject`` that with facts of the relation about the
    same subject, in other years, which have no answer in common. nan where there is none.
    """
    import pandas as pd

    frames = [pd.DataFrame(columns=[*_COLUMNS, *CONTROLS])]
    for kind in KINDS:
        sets = found.neurons if kind == "knowledge" else found.degenerate
        for first, second in combinations(found.languages, 2):
            names = [name for name, own in sets.items() if own[first] and own[second]]
            if names:
                part = _of_pair(found, sets, names, first, second)
                part.insert(2, "kind", kind)
                frames.append(part)
    kept = [frame for frame in frames if len(frame)]
    return pd.concat(kept, ignore_index=True) if kept else frames[0]


def _of_pair(
    found: Collected,
    sets: Mapping[str, Mapping[str, Neurons]],
    names: Sequence[str],
    first: str,
    second: str,
) -> pd.DataFrame:
    import pandas as pd

    one, other = [sets[n][first] for n in names], [sets[n][second] for n in names]
    n_layers, n_neurons = found.shape
    known = found.known
    means = {name: np.full(len(names), np.nan) for name in ("other", "same_answer", "same_subject")}
    # a relation at a time, as facts of two relations are never compared
    own = np.zeros(len(names))
    stated = [found.stated[name] for name in names]
    for some in _by_relation(stated):
        masks = _related([stated[i] for i in some], first, second)
        index = _jaccard([one[i] for i in some], [other[i] for i in some], found.shape)
        own[some] = np.diag(index)
        both = (index + index.T) / 2
        for name, mask in zip(means, masks, strict=True):
            count = mask.sum(axis=1)
            total = np.where(mask, both, 0.0).sum(axis=1)
            means[name][some] = np.divide(
                total, count, out=np.full(len(some), np.nan), where=count > 0
            )
    answers = dict(zip(found.facts["fact"], found.facts["answers"], strict=True))
    rows = []
    for i, name in enumerate(names):
        a, b = one[i], other[i]
        by_layer = [np.bincount([pair[0] for pair in s], minlength=n_layers) for s in (a, b)]
        rows.append(
            (
                first,
                second,
                name,
                name in known,
                answers[name],
                len(a),
                len(b),
                len(a & b),
                own[i],
                means["other"][i],
                means["same_answer"][i],
                means["same_subject"][i],
                chance_jaccard([len(a)], [len(b)], n_layers * n_neurons),
                chance_jaccard(by_layer[0], by_layer[1], n_neurons),
            )
        )
    columns = [name for name in _COLUMNS if name != "kind"]
    return pd.DataFrame(rows, columns=[*columns, *CONTROLS])


def chance_jaccard(a: ArrayLike, b: ArrayLike, n: int) -> float:
    """Return the mean Jaccard index of random sets, drawn without replacement in each part.

    Parameters
    ----------
    a, b : array-like of int, shape (n_parts,)
        How many the two sets have in each part (layer).
    n : int
        How many there are to draw from in each part.

    Returns
    -------
    float
        It is exact; nan for two empty sets.

    Examples
    --------
    One of two and one of two are the same in half of the cases.

    >>> from neurotopo.studies.crosslingual.overlaps import chance_jaccard
    >>> chance_jaccard([1], [1], 2)
    0.5
    """
    sizes = np.asarray(a, dtype=np.int64), np.asarray(b, dtype=np.int64)
    total = int(sizes[0].sum() + sizes[1].sum())
    if not total:
        return math.nan
    chances = np.ones(1)
    for x, y in zip(*sizes, strict=True):
        if x and y:
            chances = np.convolve(chances, hypergeom.pmf(np.arange(min(x, y) + 1), n, x, y))
    common = np.arange(len(chances))
    return float((chances * common / (total - common)).sum())


def _by_relation(stated: Sequence[Stated]) -> list[NDArray[np.intp]]:
    """Return the places of the facts of each relation; those without one are one."""
    places: dict[str, list[int]] = {}
    for i, each in enumerate(stated):
        places.setdefault(each.relation or "", []).append(i)
    return [np.array(own, dtype=np.intp) for own in places.values()]


def _related(
    stated: Sequence[Stated], first: str, second: str
) -> tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]]:
    """Tell which facts are about other subjects, share answers, or a subject and no answer."""
    n = len(stated)
    other, answer, subject = (np.zeros((n, n), dtype=bool) for _ in range(3))
    for (i, a), (j, b) in combinations(enumerate(stated), 2):
        common = [bool(a.answers[x] & b.answers[x]) for x in (first, second)]
        if a.subject is not None and a.subject == b.subject:
            # the same subject with the same answer in another year is nearly the same fact
            subject[i, j] = subject[j, i] = not any(common)
        else:
            other[i, j] = other[j, i] = True
            answer[i, j] = answer[j, i] = all(common)
    return other, answer, subject


def _jaccard(
    one: Sequence[Neurons], other: Sequence[Neurons], shape: tuple[int, int]
) -> NDArray[np.float64]:
    """Return the Jaccard index of every set with every other one, none of them empty."""
    rows = [_members(sets, shape) for sets in (one, other)]
    common = np.asarray((rows[0] @ rows[1].T).toarray(), dtype=np.float64)
    sizes = [np.array([len(s) for s in sets], dtype=np.float64) for sets in (one, other)]
    return np.asarray(common / (sizes[0][:, None] + sizes[1][None, :] - common))


def _members(sets: Sequence[Neurons], shape: tuple[int, int]) -> csr_array:
    columns = [layer * shape[1] + index for own in sets for layer, index in own]
    starts = np.cumsum([0, *(len(own) for own in sets)])
    values = np.ones(len(columns), dtype=np.int64)
    return csr_array((values, columns, starts), shape=(len(sets), shape[0] * shape[1]))
