"""BLiMP: pairs of sentences with a minimal difference, one grammatical and one not."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import overload

from neurotopo.datasets.dataset import Skipped, pluralize
from neurotopo.datasets.files import Faults, PathLike, Record, data_files, read_records, text_of
from neurotopo.knowledge.facts import Fact, FactSet

__all__ = ["MinimalPair", "MinimalPairs", "load_blimp"]

_PREFIX = ("one_prefix_prefix", "one_prefix_word_good", "one_prefix_word_bad")


@dataclass(frozen=True)
class MinimalPair:
    """A grammatical sentence and an ungrammatical one with a minimal difference.

    Attributes
    ----------
    good, bad : str
        The sentences.
    paradigm : str
        Name of the contrast, BLiMP's ``UID``.
    id : str
        Unique name of the pair.
    phenomenon : str or None
        Group of the contrast, BLiMP's ``linguistics_term``.
    prefix : str or None
        Common start of both sentences, if the word after it is the difference.
    good_word, bad_word : str or None
        That word in each sentence.

    Examples
    --------
    >>> from neurotopo.datasets import MinimalPair
    >>> good, bad = "Ilse cleaned this boat.", "Ilse cleaned this boats."
    >>> pair = MinimalPair(good, bad, "agreement", id="0")
    >>> pair.good, pair.paradigm, pair.prefix
    ('Ilse cleaned this boat.', 'agreement', None)
    """

    good: str
    bad: str
    paradigm: str
    id: str
    phenomenon: str | None = None
    prefix: str | None = None
    good_word: str | None = None
    bad_word: str | None = None


class MinimalPairs(Sequence[MinimalPair]):
    """Pairs of sentences, in order.

    Parameters
    ----------
    pairs : iterable of MinimalPair
        The pairs.
    skipped : sequence of Skipped, optional
        The records that the reader skipped.

    Examples
    --------
    >>> from neurotopo.datasets import MinimalPair, MinimalPairs
    >>> good, bad = "Ilse cleaned this boat.", "Ilse cleaned this boats."
    >>> words = {"prefix": "Ilse cleaned this", "good_word": "boat", "bad_word": "boats"}
    >>> pairs = MinimalPairs([MinimalPair(good, bad, "agreement", id="0", **words)])
    >>> [(fact.prompt, fact.answers) for fact in (*pairs.facts, *pairs.wrong_facts)]
    [('Ilse cleaned this', ('boat',)), ('Ilse cleaned this', ('boats',))]
    """

    def __init__(self, pairs: Iterable[MinimalPair], skipped: Sequence[Skipped] = ()) -> None:
        self._pairs = tuple(pairs)
        self.skipped = tuple(skipped)

    @overload
    def __getitem__(self, index: int) -> MinimalPair: ...
    @overload
    def __getitem__(self, index: slice) -> MinimalPairs: ...
    def __getitem__(self, index: int | slice) -> MinimalPair | MinimalPairs:
        if isinstance(index, slice):
            return MinimalPairs(self._pairs[index])
        return self._pairs[index]

    def __len__(self) -> int:
        return len(self._pairs)

    def __iter__(self) -> Iterator[MinimalPair]:
        return iter(self._pairs)

    def __repr__(self) -> str:
        counts = pluralize(len(self), "pair"), pluralize(len(self.paradigms), "paradigm")
        return f"MinimalPairs of {', '.join(counts)}"

    @property
    def paradigms(self) -> tuple[str, ...]:
        """The contrasts that occur, in order of their first pair."""
        return tuple(dict.fromkeys(pair.paradigm for pair in self))

    @property
    def facts(self) -> FactSet:
        """The pairs with a prefix as facts: the prefix is the prompt, the good word the answer."""
        return self._as_facts("good_word", "")

    @property
    def wrong_facts(self) -> FactSet:
        """The same facts with the bad word as the answer, in the same order."""
        return self._as_facts("bad_word", "~wrong")

    def _as_facts(self, word: str, suffix: str) -> FactSet:
        return FactSet(
            Fact(pair.prefix, getattr(pair, word), relation=pair.paradigm, id=f"{pair.id}{suffix}")
            for pair in self
            if pair.prefix is not None and getattr(pair, word) is not None
        )


def load_blimp(
    path: PathLike, paradigms: str | Collection[str] | None = None, on_error: str = "raise"
) -> MinimalPairs:
    """Read BLiMP, or a file of the same format.

    Parameters
    ----------
    path : path-like
        A file or a folder of files, with one JSON object a line: ``sentence_good``,
        ``sentence_bad``, ``UID``, ``pairID``; if one word is the difference, also
        ``one_prefix_prefix``, ``one_prefix_word_good`` and ``one_prefix_word_bad``.
    paradigms : str or several, optional
        Only these contrasts.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of a row that is not a valid pair.

    Returns
    -------
    MinimalPairs

    Examples
    --------
    >>> import json
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.datasets import load_blimp
    >>> pair = {"sentence_good": "Ilse reads a book.", "sentence_bad": "Ilse reads a books."}
    >>> file = Path(tempfile.mkdtemp(), "blimp.jsonl")
    >>> _ = file.write_text(json.dumps({**pair, "UID": "agreement", "pairID": "0"}))
    >>> load_blimp(file)
    MinimalPairs of 1 pair, 1 paradigm
    """
    faults = Faults(on_error)
    wanted = {paradigms} if isinstance(paradigms, str) else paradigms
    files = data_files(path) if Path(path).is_dir() else [Path(path)]
    pairs: dict[str, MinimalPair] = {}
    for file in files:
        for record in read_records(file, faults):
            with faults.at(record.file, record.line):
                pair = _pair(record)
                if pair.id in pairs:
                    raise ValueError(f"field 'pairID': there is a pair {pair.id!r} already")
                if wanted is None or pair.paradigm in wanted:
                    pairs[pair.id] = pair
    if not pairs:
        raise faults.nothing(os.fspath(path), "such pairs" if wanted else "pairs")
    return MinimalPairs(pairs.values(), faults.skipped)


def _pair(record: Record) -> MinimalPair:
    values = record.values
    good, bad = text_of(values, "sentence_good"), text_of(values, "sentence_bad")
    if good == bad:
        raise ValueError("field 'sentence_bad' is the same as 'sentence_good'")
    paradigm = text_of(values, "UID")
    number = values.get("pairID", values.get("pair_id"))
    if number is None:
        raise ValueError("field 'pairID' is missing")
    prefix = good_word = bad_word = None
    if any(values.get(field) is not None for field in _PREFIX):
        prefix, good_word, bad_word = (text_of(values, field) for field in _PREFIX)
        if good_word.strip() == bad_word.strip():
            raise ValueError(f"field {_PREFIX[2]!r} is the good word, {good_word!r}")
    term = values.get("linguistics_term")
    return MinimalPair(
        good,
        bad,
        paradigm,
        f"{paradigm}:{number}",
        None if term is None else text_of(values, "linguistics_term"),
        prefix,
        good_word,
        bad_word,
    )
