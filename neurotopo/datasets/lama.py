"""mLAMA and ParaRel: triples in files by relation, and templates to word them."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from neurotopo.datasets.dataset import Dataset, Skipped
from neurotopo.datasets.files import (
    Faults,
    Found,
    PathLike,
    Record,
    data_files,
    read_records,
    text_of,
)
from neurotopo.datasets.prompts import causal_fact, check_prompts, fill
from neurotopo.knowledge.facts import Fact

__all__ = ["Reworded", "load_mlama", "load_pararel"]

_TEMPLATES = "templates"
_TRIPLE_NAMES = ("uuid", "lineid")


class Reworded(Dataset):
    """Facts, each in several wordings.

    The facts of the set itself have the first wording of their relation.

    Attributes
    ----------
    wordings : dict of str to tuple of Fact
        All wordings of a fact by its :attr:`~neurotopo.Fact.key`, the first one first. A tuple
        serves as a fact in :func:`neurotopo.knowledge.locate.locate`.

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
        self, wordings: Mapping[str, tuple[Fact, ...]], skipped: Collection[Skipped] = ()
    ) -> None:
        super().__init__((facts[0] for facts in wordings.values()), skipped=tuple(skipped))
        self.wordings = dict(wordings)


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
        The folder with a folder for each language, or the folder of one language:
        ``templates.jsonl`` (``relation``, ``template``) and for each relation a file such as
        ``P36.jsonl`` (``sub_label``, ``obj_label``, ``uuid`` or ``lineid``). Or a file whose rows
        have the fields ``template``, ``language`` and ``predicate_id`` too.
    languages, relations : str or several, optional
        Only these.
    on_error : {"raise", "skip"}, default="raise"
        What to do with rows that are no facts.
    prompts : {"original", "causal"}, default="original"
        ``"causal"``: prompts end where the answer begins; one that cannot be turned round is
        treated like a row that is no fact.

    Returns
    -------
    Dataset
        The ``id`` is language, relation and the name of the triple, ``"fr:P36:5"``; what follows
        the first colon is the same in all languages.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp()) / "fr"
    >>> folder.mkdir()
    >>> _ = (folder / "templates.jsonl").write_text(
    ...     '{"relation": "P36", "template": "La capitale de [X] est [Y]."}', encoding="utf-8"
    ... )
    >>> _ = (folder / "P36.jsonl").write_text(
    ...     '{"sub_label": "Zunie", "obj_label": "Saint-Péco", "uuid": "5"}', encoding="utf-8"
    ... )
    >>> from neurotopo.datasets import load_mlama
    >>> fact = load_mlama(folder.parent)[0]
    >>> fact.prompt, fact.answers, fact.language, fact.id
    ('La capitale de Zunie est _X_.', ('Saint-Péco',), 'fr', 'fr:P36:5')
    """
    check_prompts(prompts)
    faults = Faults(on_error)
    wanted = {"language": _several(languages), "predicate_id": _several(relations)}
    found = Found()
    for record in _mlama_rows(Path(path), wanted, faults):
        with faults.at(record.file, record.line):
            fact = _triple(record, text_of(record.values, "template"))
            found.add(causal_fact(fact) if prompts == "causal" else fact, record.line)
    if not found.facts:
        raise faults.nothing(path)
    return Dataset(found.facts, skipped=faults.skipped)


def _mlama_rows(
    path: Path, wanted: Mapping[str, frozenset[str] | None], faults: Faults
) -> Iterator[Record]:
    """Yield the rows asked for, with language, relation and template in each."""
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
    if _by_stem(path).get(_TEMPLATES) is not None:
        folders = [path.resolve()]
    else:
        there = (folder for folder in path.iterdir() if folder.is_dir())
        folders = sorted(folder for folder in there if _TEMPLATES in _by_stem(folder))
    if not folders:
        raise ValueError(
            f"{os.fspath(path)} is no folder of mLAMA: neither it nor a folder in it holds "
            "templates.jsonl."
        )
    known = {folder.name for folder in folders}
    for language in languages or ():
        if language not in known:
            raise ValueError(
                f"{os.fspath(path)} has no language {language!r}; there are "
                f"{', '.join(sorted(known))}."
            )
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
        The folder of patterns, a file such as ``P36.jsonl`` for each relation with a ``pattern``
        in each row; or one such file; or the folder ``data`` of ParaRel, which has the triples
        too.
    triples : path-like, optional
        The folder of triples (``sub_label``, ``obj_label``, ``uuid``), or the file. Not needed
        for the folder ``data``.
    relations : str or several, optional
        Only these.
    on_error : {"raise", "skip"}, default="raise"
        What to do with rows that are no patterns or triples.
    prompts : {"original", "causal"}, default="original"
        ``"causal"``: prompts end where the answer begins; a pattern that cannot be turned round
        is treated like a row that is no pattern.

    Returns
    -------
    Reworded
        A set of facts in their first wording; ``wordings`` has the others.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> folder = Path(tempfile.mkdtemp())
    >>> _ = (folder / "patterns.jsonl").write_text(
    ...     '{"pattern": "The capital of [X] is [Y]."}\n{"pattern": "[X], whose capital is [Y]."}'
    ... )
    >>> _ = (folder / "triples.jsonl").write_text(
    ...     '{"sub_label": "Zunia", "obj_label": "Marly", "uuid": "5"}'
    ... )
    >>> from neurotopo.datasets import load_pararel
    >>> facts = load_pararel(folder / "patterns.jsonl", folder / "triples.jsonl")
    >>> [fact.prompt for fact in facts.wordings[facts[0].key]]
    ['The capital of Zunia is _X_.', 'Zunia, whose capital is _X_.']
    """
    check_prompts(prompts)
    faults = Faults(on_error)
    wanted = _several(relations)
    found = Found()
    wordings: dict[str, tuple[Fact, ...]] = {}
    for relation, pattern_file, triple_file in _pararel_files(Path(path), triples):
        if wanted is not None and relation not in wanted:
            continue
        patterns = _patterns(pattern_file, relation, prompts == "causal", faults)
        for record in read_records(triple_file, faults) if patterns else ():
            with faults.at(record.file, record.line):
                named = replace(record, values={**record.values, "predicate_id": relation})
                first = found.add(_worded(named, patterns[0], prompts), record.line)
                others = (_worded(named, pattern, prompts) for pattern in patterns[1:])
                wordings[first.key] = (
                    first,
                    *(replace(fact, id=f"{first.key}~{i}") for i, fact in enumerate(others, 2)),
                )
    if not found.facts:
        raise faults.nothing(path)
    return Reworded(wordings, faults.skipped)


def _worded(record: Record, pattern: str, prompts: str) -> Fact:
    fact = _triple(record, pattern)
    return causal_fact(fact) if prompts == "causal" else fact


def _patterns(file: Path, relation: str, causal: bool, faults: Faults) -> list[str]:
    patterns: dict[str, None] = {}  # the same twice is the same wording
    for record in read_records(file, faults):
        with faults.at(record.file, record.line):
            pattern = _checked(text_of(record.values, "pattern"), "pattern")
            if causal:
                causal_fact(Fact(fill(pattern, {"[X]": "Zunia", "[Y]": "_X_"}), "Marly", relation))
            patterns[pattern] = None
    return list(patterns)


def _pararel_files(path: Path, triples: PathLike | None) -> Iterator[tuple[str, Path, Path]]:
    """Yield relation, file of patterns and file of triples."""
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
