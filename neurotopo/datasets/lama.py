"""mLAMA and ParaRel: one file of triples for each relation, and templates for their prompts."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurotopo._files import atomic_write
from neurotopo.datasets.dataset import Dataset, Skipped
from neurotopo.datasets.files import (
    FactCollector,
    Faults,
    PathLike,
    Record,
    data_files,
    read_records,
    text_of,
)
from neurotopo.datasets.prompts import causal_fact, check_prompts, fill
from neurotopo.knowledge.facts import Fact
from neurotopo.knowledge.truth import Truth
from neurotopo.models.prompts import describe_fact

__all__ = ["Reworded", "in_wordings", "load_mlama", "load_pararel", "worded"]

_TEMPLATES = "templates"
_TRIPLE_NAMES = ("uuid", "lineid")


class Reworded(Dataset):
    """Facts in the first wording of their relation, with the other wordings.

    Parts made by filtering, sampling and slicing keep the wordings.

    Parameters
    ----------
    wordings : mapping of str to tuple of Fact
        All wordings of each fact, by :attr:`~neurotopo.Fact.key`, in order.
    skipped : sequence of Skipped, optional
        The records that the reader skipped.
    truth : Truth, optional
        The answers that are true at any date. Default: those of the facts.
    known : mapping of str to dict, optional
        How a model knows the facts, by key; see :func:`~neurotopo.datasets.known_facts`.

    Attributes
    ----------
    wordings : dict of str to tuple of Fact
        All wordings of each fact.
        :func:`neurotopo.knowledge.locate.locate` accepts a tuple in place of a fact.
    known : dict of str to dict
        How a model knows the facts; empty if that was not asked.

    Examples
    --------
    >>> from neurotopo import Fact
    >>> from neurotopo.datasets import Reworded
    >>> first = Fact("The capital of Italy is _X_", "Rome", "P36", id="it")
    >>> other = Fact("The government of Italy sits in _X_", "Rome", "P36", id="it:1")
    >>> facts = Reworded({"it": (first, other)})
    >>> len(facts), [fact.prompt for fact in facts.wordings["it"]]
    (1, ['The capital of Italy is _X_', 'The government of Italy sits in _X_'])
    """

    def __init__(
        self,
        wordings: Mapping[str, tuple[Fact, ...]],
        skipped: Collection[Skipped] = (),
        *,
        truth: Truth | None = None,
        known: Mapping[str, dict[str, Any]] | None = None,
    ) -> None:
        firsts = (facts[0] for facts in wordings.values())
        super().__init__(firsts, skipped=tuple(skipped), truth=truth)
        self.wordings = dict(wordings)
        self.known = dict(known or {})

    def _part(self, facts: Iterable[Fact]) -> Dataset:
        kept = [fact.key for fact in facts]
        known = {key: self.known[key] for key in kept if key in self.known}
        return Reworded({key: self.wordings[key] for key in kept}, truth=self.truth, known=known)

    def to_jsonl(self, path: str | os.PathLike[str]) -> None:
        """Write the facts to a file, one JSON object a line.

        Each has the fields of the first wording, ``wordings`` with all prompts, and ``known`` if
        there is any; :func:`~neurotopo.datasets.load_facts` reads them.

        Parameters
        ----------
        path : path-like
            The file, replaced only after all facts are written.

        Raises
        ------
        ValueError
            If wordings of a fact differ in more than their prompt and ``id``.
        """
        lines = []
        for key, facts in self.wordings.items():
            for fact in facts:
                if replace(fact, prompt=facts[0].prompt, id=facts[0].id) != facts[0]:
                    raise ValueError(
                        f"{describe_fact(fact)} differs from the first wording of {key!r} in more "
                        "than its prompt, which one line cannot hold."
                    )
            prompts = [fact.prompt for fact in facts]
            about = {"known": self.known[key]} if key in self.known else {}
            lines.append({**facts[0].to_dict(), "wordings": prompts, **about})
        with atomic_write(Path(os.path.realpath(path))) as file:
            for line in lines:
                text = json.dumps(line, ensure_ascii=False, allow_nan=False)
                file.write(f"{text}\n".encode())


def worded(fact: Fact, prompts: Sequence[str]) -> tuple[Fact, ...]:
    """Return a fact in several wordings; the first one keeps the ``id``."""
    others = (
        replace(fact, prompt=text, id=f"{fact.key}~{i}") for i, text in enumerate(prompts[1:], 2)
    )
    return (replace(fact, prompt=prompts[0]), *others)


def in_wordings(key: str, wordings: Sequence[Fact]) -> tuple[Fact, ...]:
    """Return some wordings of a fact as a fact of its own, the first under the fact's key."""
    return worded(replace(wordings[0], id=key), [each.prompt for each in wordings])


def load_mlama(
    path: PathLike,
    languages: str | Collection[str] | None = None,
    relations: str | Collection[str] | None = None,
    on_error: str = "raise",
    *,
    prompts: str = "original",
) -> Dataset:
    """Read mLAMA: the same triples in many languages.

    Parameters
    ----------
    path : path-like
        A folder with a folder for each language, or the folder of one language:
        ``templates.jsonl`` (``relation``, ``template``) and for each relation a file such as
        ``P36.jsonl`` (``sub_label``, ``obj_label``, ``uuid`` or ``lineid``). Or a file whose rows
        also have the fields ``template``, ``language`` and ``predicate_id``.
    languages, relations : str or several, optional
        Only these.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of rows that are not valid facts.
    prompts : {"original", "causal"}, default="original"
        ``"causal"``: prompts end where the answer begins; a row that cannot be reworded so is
        invalid.

    Returns
    -------
    Dataset
        The ``id`` is language, relation and name of the triple, such as ``"fr:P36:5"``; the part
        after the first colon is the same in all languages.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.datasets import load_mlama
    >>> folder = Path(tempfile.mkdtemp(), "fr")
    >>> folder.mkdir()
    >>> template = '{"relation": "P36", "template": "La capitale de [X] est [Y]."}'
    >>> _ = (folder / "templates.jsonl").write_text(template)
    >>> triple = '{"sub_label": "Zunie", "obj_label": "Marly", "uuid": "5"}'
    >>> _ = (folder / "P36.jsonl").write_text(triple)
    >>> fact = load_mlama(folder.parent)[0]
    >>> fact.prompt, fact.answers, fact.language, fact.id
    ('La capitale de Zunie est _X_.', ('Marly',), 'fr', 'fr:P36:5')
    """
    check_prompts(prompts)
    faults = Faults(on_error)
    wanted = {"language": _several(languages), "predicate_id": _several(relations)}
    collected = FactCollector(faults)
    for record in _mlama_rows(Path(path), wanted, faults):
        with faults.at(record.file, record.line):
            fact = _worded(record, text_of(record.values, "template"), prompts)
            collected.add(fact, record.line)
    return collected.dataset(path)


def _mlama_rows(
    path: Path, wanted: Mapping[str, frozenset[str] | None], faults: Faults
) -> Iterator[Record]:
    """Yield the wanted rows, with language, relation and template in each."""
    if path.is_dir():
        for folder in _language_folders(path, wanted["language"]):
            yield from _rows_of_language(folder, wanted["predicate_id"], faults)
        return
    for record in read_records(path, faults):
        with faults.at(record.file, record.line):
            if all(
                values is None or text_of(record.values, field) in values
                for field, values in wanted.items()
            ):
                yield record


def _language_folders(path: Path, languages: frozenset[str] | None) -> list[Path]:
    if _TEMPLATES in _by_stem(path):
        folders = [path.resolve()]
    else:
        there = (folder for folder in path.iterdir() if folder.is_dir())
        folders = sorted(folder for folder in there if _TEMPLATES in _by_stem(folder))
    if not folders:
        raise ValueError(f"{os.fspath(path)} is no folder of mLAMA: templates.jsonl is missing.")
    known = {folder.name for folder in folders}
    for language in languages or ():
        if language not in known:
            names = ", ".join(sorted(known))
            raise ValueError(f"{os.fspath(path)} has no language {language!r}; there are {names}.")
    return [folder for folder in folders if languages is None or folder.name in languages]


def _rows_of_language(
    folder: Path, relations: frozenset[str] | None, faults: Faults
) -> Iterator[Record]:
    files = _by_stem(folder)
    templates = _templates(files.pop(_TEMPLATES), faults)
    for relation, file in files.items():
        if relations is not None and relation not in relations:
            continue
        if relation not in templates:
            with faults.at(file, None):
                raise ValueError(f"templates.jsonl has no template for relation {relation!r}")
            continue
        added = {"language": folder.name, "predicate_id": relation, "template": templates[relation]}
        for record in read_records(file, faults):
            yield replace(record, values={**record.values, **added})


def _templates(file: Path, faults: Faults) -> dict[str, str]:
    templates: dict[str, str] = {}
    for record in read_records(file, faults):
        with faults.at(record.file, record.line):
            relation = text_of(record.values, "relation")
            template = _checked(text_of(record.values, "template"), "template")
            if relation in templates:
                raise ValueError(f"field 'relation': there is a template for {relation!r} already")
            templates[relation] = template
    return templates


def load_pararel(
    path: PathLike,
    triples: PathLike | None = None,
    relations: str | Collection[str] | None = None,
    on_error: str = "raise",
    *,
    prompts: str = "original",
) -> Reworded:
    r"""Read ParaRel: the triples of LAMA, each in several wordings.

    Parameters
    ----------
    path : path-like
        The folder of patterns, with a file such as ``P36.jsonl`` for each relation and a
        ``pattern`` in each row; or one such file; or the folder ``data`` of ParaRel.
    triples : path-like, optional
        The folder or file of triples (``sub_label``, ``obj_label``, ``uuid``); the folder
        ``data`` contains it.
    relations : str or several, optional
        Only these.
    on_error : {"raise", "skip"}, default="raise"
        Treatment of rows that are not valid patterns or triples.
    prompts : {"original", "causal"}, default="original"
        ``"causal"``: prompts end where the answer begins; a pattern that cannot be reworded so is
        invalid.

    Returns
    -------
    Reworded
        The facts in their first wording; ``wordings`` has the others.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from neurotopo.datasets import load_pararel
    >>> patterns, triples = (Path(tempfile.mkdtemp(), name) for name in ("P36.jsonl", "t.jsonl"))
    >>> _ = patterns.write_text('{"pattern": "[X] has [Y]."}\n{"pattern": "[X] owns [Y]."}')
    >>> _ = triples.write_text('{"sub_label": "Zunia", "obj_label": "Marly", "uuid": "5"}')
    >>> facts = load_pararel(patterns, triples)
    >>> [fact.prompt for fact in facts.wordings[facts[0].key]]
    ['Zunia has _X_.', 'Zunia owns _X_.']
    """
    check_prompts(prompts)
    faults = Faults(on_error)
    wanted = _several(relations)
    collected = FactCollector(faults)
    wordings: dict[str, tuple[Fact, ...]] = {}
    for relation, pattern_file, triple_file in _pararel_files(Path(path), triples):
        if wanted is not None and relation not in wanted:
            continue
        patterns = _patterns(pattern_file, relation, prompts == "causal", faults)
        for record in read_records(triple_file, faults) if patterns else ():
            with faults.at(record.file, record.line):
                named = replace(record, values={**record.values, "predicate_id": relation})
                first = collected.add(_worded(named, patterns[0], prompts), record.line)
                others = (_worded(named, pattern, prompts) for pattern in patterns[1:])
                wordings[first.key] = (
                    first,
                    *(replace(fact, id=f"{first.key}~{i}") for i, fact in enumerate(others, 2)),
                )
    if not wordings:
        raise faults.nothing(path)
    return Reworded(wordings, faults.skipped)


def _worded(record: Record, pattern: str, prompts: str) -> Fact:
    fact = _triple(record, pattern)
    return causal_fact(fact) if prompts == "causal" else fact


def _patterns(file: Path, relation: str, causal: bool, faults: Faults) -> list[str]:
    patterns: dict[str, None] = {}  # repeated patterns count once
    for record in read_records(file, faults):
        with faults.at(record.file, record.line):
            pattern = _checked(text_of(record.values, "pattern"), "pattern")
            if causal:
                causal_fact(Fact(fill(pattern, {"[X]": "Zunia", "[Y]": "_X_"}), "Marly", relation))
            patterns[pattern] = None
    return list(patterns)


def _pararel_files(path: Path, triples: PathLike | None) -> Iterator[tuple[str, Path, Path]]:
    """Yield each relation with its file of patterns and its file of triples."""
    if triples is None:
        patterns, rows = path / "pattern_data" / "graphs_json", path / "trex_lms_vocab"
        if not patterns.is_dir() or not rows.is_dir():
            raise ValueError(
                f"{os.fspath(path)} does not hold pattern_data/graphs_json and trex_lms_vocab: "
                "give the triples too."
            )
        path, triples = patterns, rows
    rows = Path(triples)
    if path.is_dir() != rows.is_dir():
        raise ValueError("patterns and triples must be two files or two folders.")
    if not path.is_dir():
        yield _stem(path), path, rows
        return
    with_triples = _by_stem(rows)
    for relation, file in _by_stem(path).items():
        if relation in with_triples:
            yield relation, file, with_triples[relation]


def _triple(record: Record, template: str) -> Fact:
    values = record.values
    subject = text_of(values, "sub_label").strip()
    relation = text_of(values, "predicate_id")
    prompt = fill(_checked(template, "template"), {"[X]": subject, "[Y]": "_X_"})
    language = text_of(values, "language") if "language" in values else "en"
    name = next((str(values[field]) for field in _TRIPLE_NAMES if _names(values, field)), None)
    return Fact(
        prompt,
        text_of(values, "obj_label"),
        relation=relation,
        id=f"{language}:{relation}:{name or f'line{record.line}'}",
        subject=subject,
        language=language,
    )


def _names(values: Mapping[str, Any], field: str) -> bool:
    value = values.get(field)
    return isinstance(value, int | str) and str(value).strip() != ""


def _checked(template: str, field: str) -> str:
    for mark in ("[X]", "[Y]"):
        if template.count(mark) != 1:
            raise ValueError(f"field {field!r} must have {mark} once, got {template!r}")
    return template


def _several(values: str | Collection[str] | None) -> frozenset[str] | None:
    if values is None:
        return None
    return frozenset([values] if isinstance(values, str) else values)


def _by_stem(folder: Path) -> dict[str, Path]:
    return {_stem(file): file for file in data_files(folder)}


def _stem(file: Path) -> str:
    return file.name.partition(".")[0]
