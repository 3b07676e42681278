"""The facts that a model knows: exact replies, with a margin over foils, in several wordings."""

from __future__ import annotations

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo.datasets.dataset import truth_of
from neurotopo.datasets.lama import Reworded, in_wordings
from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.knowledge.foils import foils_of
from neurotopo.knowledge.reply import Reply
from neurotopo.knowledge.result_file import ResultFile
from neurotopo.knowledge.subject_leak import answer_in_subject
from neurotopo.knowledge.truth import Truth

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.models.neuron_model import NeuronModel

__all__ = ["STEPS", "KnownFacts", "known_facts"]

STEPS: Mapping[str, str] = {
    "facts": "facts",
    "worded": "with enough wordings",
    "encoded": "fits the model",
    "exact": "greedy exact match",
    "margin": "margin over the foils",
    "not given": "answer not in the subject",
}
"""Steps of the funnel, each with what the facts that are left have in common."""

# Wordings that are asked together: enough for full batches, few enough to lose little work.
_TOGETHER = 512


@dataclass(frozen=True, eq=False)
class KnownFacts:
    """Replies of a model to facts, and the facts that it knows.

    Attributes
    ----------
    asked : dict of str to tuple of Fact
        All wordings of each fact, by :attr:`~neurotopo.Fact.key`.
    replies : dict of str to tuple of Reply
        The reply to each wording.
    truth : Truth
        The true answers.
    wordings : int
        Number of wordings in which a fact must be known.
    margin : float or None
        Least margin of a known wording.

    Examples
    --------
    >>> from neurotopo import Fact, FactSet
    >>> from neurotopo.datasets import known_facts
    >>> from neurotopo.models.examples import random_model
    >>> facts = FactSet([Fact("The capital of Italy is _X_", "Rome", "P36", id="it")])
    >>> result = known_facts(random_model(), facts)
    >>> result
    KnownFacts(n_asked=1, n_known=0)
    >>> result.funnel()[["step", "n"]].iloc[:4].values.tolist()
    [['facts', 1], ['worded', 1], ['encoded', 1], ['exact', 0]]
    """

    asked: Mapping[str, tuple[Fact, ...]]
    replies: Mapping[str, tuple[Reply, ...]]
    truth: Truth
    wordings: int = 1
    margin: float | None = None

    def __repr__(self) -> str:
        return f"KnownFacts(n_asked={len(self.asked)}, n_known={len(self._keys())})"

    def facts(self, *, given: bool = True) -> Reworded:
        """Return the known facts, each in all wordings in which it is known.

        Parameters
        ----------
        given : bool, default=True
            Include the facts whose answer is in the subject; they are flagged.

        Returns
        -------
        Reworded
            Its ``known`` has for each fact ``in_subject`` (see
            :func:`~neurotopo.knowledge.subject_leak.answer_in_subject`), ``n_asked``, the number of
            wordings asked, and for each known wording ``number`` (from 0), ``log_p``, ``margin``
            and ``foil``. The first known wording is the fact itself, under the same key.
        """
        wordings, known = {}, {}
        for key in self._keys():
            in_subject = answer_in_subject(self.asked[key][0])
            if in_subject is not None and not given:
                continue
            numbers = self._known(key)
            replies = [self.replies[key][i] for i in numbers]
            wordings[key] = in_wordings(key, [self.asked[key][i] for i in numbers])
            known[key] = {
                "in_subject": in_subject,
                "n_asked": len(self.asked[key]),
                "number": numbers,
                **{
                    name: [getattr(reply, name) for reply in replies]
                    for name in ("log_p", "margin", "foil")
                },
            }
        return Reworded(wordings, truth=self.truth, known=known)

    def to_frame(self) -> pd.DataFrame:
        """Return a row for each wording: fact, prompt, reply, and whether it is known."""
        import pandas as pd

        rows = [
            {
                "key": key,
                "relation": fact.relation,
                "number": number,
                "prompt": fact.prompt,
                **asdict(reply),
                "known": reply.known(self.margin),
                "in_subject": answer_in_subject(fact),
            }
            for key, facts in self.asked.items()
            for number, (fact, reply) in enumerate(zip(facts, self.replies[key], strict=True))
        ]
        return pd.DataFrame(rows)

    def funnel(self) -> pd.DataFrame:
        """Return the number of facts after each of :data:`STEPS`.

        A fact passes a step if at least ``wordings`` of its wordings do.

        Returns
        -------
        DataFrame
            ``step``, ``n``, ``lost`` (from the step before), ``share`` of all facts, and
            ``reason``, the most frequent problem of facts that do not fit.
        """
        import pandas as pd

        passed = Counter(step for key in self.asked for step in self._passed(key))
        counts = [passed[step] for step in STEPS]
        total = max(1, len(self.asked))
        problems = Counter(
            reply.problem.partition("): ")[2] or reply.problem
            for replies in self.replies.values()
            for reply in replies
            if reply.problem is not None
        )
        reason = problems.most_common(1)[0][0] if problems else ""
        return pd.DataFrame(
            {
                "step": list(STEPS),
                "n": counts,
                "lost": [0, *(a - b for a, b in pairwise(counts))],
                "share": [n / total for n in counts],
                "reason": [reason if step == "encoded" else "" for step in STEPS],
            }
        )

    def by_relation(self) -> pd.DataFrame:
        """Return the funnel of each relation: a row for each, a column for each step."""
        import pandas as pd

        counts: dict[str, Counter[str]] = {}
        for key, facts in self.asked.items():
            counts.setdefault(facts[0].relation or "", Counter()).update(self._passed(key))
        rows = [
            {"relation": name, **{step: n[step] for step in STEPS}} for name, n in counts.items()
        ]
        return pd.DataFrame(rows)

    def _known(self, key: str) -> list[int]:
        """Return the numbers of the known wordings."""
        return [i for i, reply in enumerate(self.replies[key]) if reply.known(self.margin)]

    def _keys(self) -> list[str]:
        """Return the keys of the known facts."""
        return [key for key in self.asked if "margin" in self._passed(key)]

    def _passed(self, key: str) -> list[str]:
        """Return the steps that a fact passes."""
        replies, least = self.replies[key], self.wordings
        tests = {
            "facts": True,
            "worded": len(replies) >= least,
            "encoded": sum(reply.problem is None for reply in replies) >= least,
            "exact": sum(reply.exact for reply in replies) >= least,
            "margin": len(self._known(key)) >= least,
            "not given": answer_in_subject(self.asked[key][0]) is None,
        }
        failed = next((i for i, good in enumerate(tests.values()) if not good), len(tests))
        return list(tests)[:failed]


def known_facts(
    model: NeuronModel,
    facts: Iterable[Fact],
    *,
    wordings: int = 1,
    margin: float | None = None,
    most_foils: int | None = None,
    seed: int = 0,
    store: str | os.PathLike[str] | None = None,
    progress: bool = False,
) -> KnownFacts:
    r"""Ask a model facts and keep those that it knows.

    A fact is known in a wording if the model's most probable tokens spell an accepted answer
    (:func:`~neurotopo.knowledge.asking.ask`) and, with ``margin``, if

    .. math:: \log p(\text{answer}) - \max_{\text{foil}} \log p(\text{foil}) \ge \text{margin}.

    Probabilities are products over all tokens, not normalized by their number; logarithms are
    natural, so 1 means 2.7 times as probable. Foils are the other answers of the relation
    (:func:`~neurotopo.knowledge.foils.foils_of`); without any, no margin is reached.

    Parameters
    ----------
    model : NeuronModel
    facts : iterable of Fact
        The facts; a :class:`Reworded` has several wordings of each, which are all asked.
    wordings : int, default=1
        Number of wordings in which a fact must be known.
    margin : float or None, default=None
        Least margin. None: an exact reply is enough.
    most_foils : int or None, default=None
        The most foils of a fact, drawn at random. None: all.
    seed : int, default=0
        Seed of the draw.
    store : path-like, optional
        A file to which replies are written while the work runs; facts in it are not asked again,
        also with another ``wordings`` or ``margin``.
    progress : bool, default=False
        Show a progress bar.

    Returns
    -------
    KnownFacts

    Raises
    ------
    ValueError
        If ``wordings`` or ``margin`` is invalid, there are no facts, or ``store`` was made with
        another model, other prompting or other facts.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.datasets import known_facts, load_factworld
    >>> model = nt.load_model("testbed:gpt2", device="cpu")
    >>> facts = load_factworld("en", core=True).filter(relation="capital")[:6]
    >>> known = known_facts(model, facts, margin=1.0).facts()
    >>> known, known.known[known[0].key]["foil"]  # doctest: +SKIP
    """
    from neurotopo.knowledge.asking import ask

    if wordings < 1:
        raise ValueError(f"wordings must be at least 1, got {wordings}.")
    if margin is not None and not margin == margin:
        raise ValueError("margin must be a number or None, got nan.")
    given = facts if isinstance(facts, FactSet) else FactSet(facts)
    if not len(given):
        raise ValueError("there are no facts.")
    asked = given.wordings if isinstance(given, Reworded) else {f.key: (f,) for f in given}
    truth = truth_of(given)
    replies: dict[str, tuple[Reply, ...]] = {}
    with (
        nullcontext()
        if store is None
        else ResultFile(
            Path(store), _header(model, asked, most_foils, seed), "known_facts", ("key", "replies")
        ) as file
    ):
        for record in () if file is None else file.records:
            if record["key"] in asked:
                replies[record["key"]] = tuple(Reply(**reply) for reply in record["replies"])
        waiting = {key: group for key, group in asked.items() if key not in replies}
        for some in _shown(waiting, len(asked), progress):
            found = ask(
                model,
                [fact for key in some for fact in asked[key]],
                lambda fact: foils_of(truth, fact, most_foils, seed=seed),
            )
            parts = iter(found)
            for key in some:
                replies[key] = tuple(next(parts) for _ in asked[key])
                if file is not None:
                    file.append({"key": key, "replies": [asdict(r) for r in replies[key]]})
    ordered = {key: replies[key] for key in asked}
    return KnownFacts(asked, ordered, truth, wordings, margin)


def _shown(
    waiting: Mapping[str, Sequence[Fact]], n_facts: int, progress: bool
) -> Iterator[list[str]]:
    """Yield the keys of facts that are asked together."""
    chunks: list[list[str]] = [[]]
    n_wordings = 0
    for key, group in waiting.items():
        if n_wordings + len(group) > _TOGETHER and chunks[-1]:
            chunks.append([])
            n_wordings = 0
        chunks[-1].append(key)
        n_wordings += len(group)
    if not progress:
        yield from filter(None, chunks)
        return
    from tqdm.auto import tqdm

    done = n_facts - len(waiting)
    with tqdm(total=n_facts, initial=done, desc="known facts", unit="fact") as bar:
        for chunk in filter(None, chunks):
            yield chunk
            bar.update(len(chunk))


def _header(
    model: NeuronModel, asked: Mapping[str, Sequence[Fact]], most_foils: int | None, seed: int
) -> dict[str, Any]:
    """Return everything that replies depend on."""
    from neurotopo.models.fingerprint import fingerprint

    facts = {key: [fact.to_dict() for fact in group] for key, group in asked.items()}
    text = json.dumps(facts, sort_keys=True)
    return {
        "model": fingerprint(model).to_dict(),
        "chat": None if model.chat is None else model.chat.to_dict(),
        "facts": hashlib.sha256(text.encode()).hexdigest()[:16],
        "most_foils": most_foils,
        "seed": seed if most_foils is not None else None,
    }
