"""Help texts of the options of studies, from the docstrings of their dataclasses."""

from __future__ import annotations

import inspect
import re
from dataclasses import MISSING, dataclass, fields
from pydoc import locate
from typing import Any

__all__ = ["OptionHelp", "option_help"]

_SECTION = re.compile(
    r"^(?:Parameters|Attributes)\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)", re.MULTILINE | re.DOTALL
)
_ENTRY = re.compile(r"((?:^\S.*\n)+)((?:^(?:[ ].*)?\n?)+)", re.MULTILINE)
_CHOICES = re.compile(r" : .*\{(.+)\}", re.DOTALL)
_ROLE = re.compile(r":\w+:`[~.]?([^`<]*?)(?:\s*<[^`]*>)?`")
_CLASS = re.compile(r":class:`~?([\w.]+)`")
_SENTENCE = re.compile(r"(.+?[.?!])(?=\s|$)")


@dataclass(frozen=True)
class OptionHelp:
    """Help about an option.

    Attributes
    ----------
    name : str
        Its name.
    kind : str
        Its annotation.
    default : object
        Its default.
    text : str
        Its description, one or two sentences.
    """

    name: str
    kind: str
    default: Any
    text: str


def option_help(kind: type) -> list[OptionHelp]:
    """Return the options of a dataclass with the descriptions of its docstring.

    The docstring may describe several options together and refer to a class, such as
    ``AMIG``; then each has the first sentence of that class's docstring about it.

    Parameters
    ----------
    kind : type
        Dataclass of the options of a study.

    Returns
    -------
    list of OptionHelp

    Examples
    --------
    >>> from neurotopo.studies.acquisition.study import AcquisitionOptions
    >>> from neurotopo.studies.option_help import option_help
    >>> about = {each.name: each for each in option_help(AcquisitionOptions)}
    >>> about["only_known"].kind, about["only_known"].default, about["only_known"].text
    ('bool', False, 'Leave out facts that the model does not answer correctly. They are counted.')
    """
    return [
        OptionHelp(
            each.name,
            str(each.type).removesuffix(" | None"),
            None if each.default is MISSING else each.default,
            _plain(_description(kind, each.name)),
        )
        for each in fields(kind)
    ]


def _description(kind: type, name: str) -> str:
    """Return the description of a parameter by a class's docstring or that of a base class."""
    for base in kind.__mro__:
        entries = _entries(base)
        if name not in entries:
            continue
        text, shared = entries[name]
        if shared:
            for path in _CLASS.findall(text):
                other = locate(path if "." in path else f"neurotopo.{path}")
                own = _description(other, name) if isinstance(other, type) else ""
                if own and other is not kind:
                    return _first_sentence(own)
        return text
    return ""


def _first_sentence(text: str) -> str:
    match = _SENTENCE.match(text)
    return match[1] if match else text


def _entries(kind: type) -> dict[str, tuple[str, bool]]:
    """Return description, and whether others share it, of each parameter in the docstrings.

    These are the docstrings of a class and of its class methods that make an object.
    """
    makers = [value for name, value in vars(kind).items() if name.startswith("from_")]
    docs = [getattr(each, "__doc__", None) or "" for each in (*makers, kind)]
    sections = [match for doc in docs for match in _SECTION.finditer(inspect.cleandoc(doc))]
    entries: dict[str, tuple[str, bool]] = {}
    for section in sections:
        # a list of names may take two lines
        for head, text in _ENTRY.findall(section[1]):
            names = [name.strip() for name in head.partition(" :")[0].replace("\n", " ").split(",")]
            whole = " ".join(text.split())
            if (choices := _CHOICES.search(head)) is not None and len(names) == 1:
                first = _first_sentence(whole).rstrip(".")
                quoted = re.findall(r"""["']([^"']+)["']""", choices[1])
                whole = f"{first}: {', '.join(quoted)}." if quoted else whole
            entries.update((name, (whole, len(names) > 1)) for name in names if name)
    return entries


def _plain(text: str) -> str:
    """Return a text without the markup of docstrings."""
    text = _ROLE.sub(lambda match: match[1].rpartition(".")[2] or match[1], text)
    return text.replace("``", "").replace("\\", "").strip()
