"""What the tabs of the browser have asked for and got: one session each."""

from __future__ import annotations

import secrets
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from neurotopo.app.worker import Job

__all__ = ["NAMES", "Session", "Sessions"]

_MOST = 32
_OF_FACT = ("find", "group", "edit", "lattice", "reword")
NAMES = ("load", *_OF_FACT, "example", "cluster")
"""The jobs that a page may ask for."""


@dataclass(eq=False)
class Session:
    """The state of one tab.

    Attributes
    ----------
    table : dict
        ``name`` and ``text`` of the table.
    found : dict
        The neurons of the fact: the model, what was asked and what was found.
    asked, results : dict
        The arguments and the result of the latest job of each name.
    job : Job or None
        The job that waits or runs.
    """

    id: str
    table: dict[str, str] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    asked: dict[str, Any] = field(default_factory=dict)
    results: dict[str, Any] = field(default_factory=dict)
    job: Job | None = None

    def arguments(self, name: str, given: dict[str, Any]) -> dict[str, Any]:
        """Return the arguments of a job: what the page gives, and what the session holds."""
        if name == "cluster":
            if not self.table:
                raise ValueError("there is no table: paste one, choose a file or take the example.")
            return {**self.table, **given}
        if name not in _OF_FACT or name == "find":
            return given
        if not self.found:
            raise ValueError("find the neurons of a fact first.")
        kept = {key: self.found[key] for key in ("model", "dtype", "fact", "neurons")}
        if name != "reword":
            kept["foils"] = self.found["foils"]
        return {**kept, **given}

    def finish(self, name: str, asked: dict[str, Any], result: Any) -> None:
        """Keep the result of a job, and drop those that it replaces."""
        if name == "example":
            return
        if name in ("find", "load"):
            for old in _OF_FACT:
                self.asked.pop(old, None)
                self.results.pop(old, None)
            self.found = {}
        if name == "find":
            self.found = {**asked, **result}
        elif name == "group":
            for old in ("edit", "lattice", "reword"):
                self.asked.pop(old, None)
                self.results.pop(old, None)
            self.found = {**self.found, **result, "clusters": asked["clusters"]}
        if name != "cluster":
            asked = {key: value for key, value in asked.items() if key != "neurons"}
        else:
            asked = {key: value for key, value in asked.items() if key != "text"}
        self.asked[name], self.results[name] = asked, result


class Sessions:
    """The sessions of a server, at most 32; the one that was not used for longest is dropped."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Session] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def new(self) -> Session:
        """Return a new session."""
        while len(self._kept) >= _MOST:
            idle = next((key for key, kept in self._kept.items() if kept.job is None), None)
            if idle is None:
                raise ValueError(f"{_MOST} tabs are at work: close one, and reload this page.")
            del self._kept[idle]
        session = Session(secrets.token_urlsafe(12))
        self._kept[session.id] = session
        return session

    def get(self, id: Any) -> Session:
        """Return a session; KeyError if there is none."""
        session = self._kept[str(id)]
        self._kept.move_to_end(session.id)
        return session

    def drop(self, id: Any) -> None:
        """Forget a session; one that is not known is no error."""
        self._kept.pop(str(id), None)
