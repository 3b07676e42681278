"""The stored rows of an audit as frames: facts, ablations, nulls, groups, wordings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from neurotopo.neurons import NeuronSet
from neurotopo.redundancy.lattice import Lattice
from neurotopo.report.summary import Summary
from neurotopo.studies.audit.measure import shell
from neurotopo.studies.inference import MARGIN
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean

__all__ = ["FLOOR", "AuditFrames", "AuditSummary", "collect"]

FLOOR = {"contrast": 0.1, "log-odds": 0.1, "probability": 0.01}
"""The smallest necessity, and the smallest score, that a share is taken of."""


@dataclass(frozen=True, eq=False)
class AuditFrames:
    """The results of an audit.

    Attributes
    ----------
    facts : DataFrame
        A row per fact: ``fact``, ``relation``, ``error``, ``reason`` (why it has no results, or
        None), ``known``, ``n_groups``, ``n_neurons``, ``base``, ``ablation``, ``necessity``, and a
        column per question of :data:`~neurotopo.studies.audit.verdicts.QUESTIONS`.
    ablations : DataFrame
        A row per fact, ablation and score: ``base``, ``necessity``, ``redundancy``, ``rho``,
        ``sufficiency`` (mean over the groups).
    nulls : DataFrame
        A row per fact, null, ablation and draw (only ``"shuffled"`` by every ablation, the others
        by that of the verdicts): ``n_groups``, ``necessity``, ``rho`` (relative to the
        necessity of the fact's own groups), ``sufficiency``.
    groups : DataFrame
        A row per fact and group: ``size``, ``effect``, ``shapley``, ``within``, ``alone``,
        ``spare``, ``direct``, ``total``.
    wordings : DataFrame
        A row per fact and wording, the first one included: ``necessity``, ``rho``, ``shuffled``
        (mean rho), ``sufficiency``, ``overlap``, ``chance``.
    members : dict of str to list of NeuronSet
        The groups, by fact.
    lattices : dict of str to Lattice
        The subsets by the ablation of the verdicts, by fact.
    null_curves : dict of str to DataFrame
        For drawing: ``null``, ``draw``, ``size`` (groups ablated) and ``score``, by fact.
    score : str
        The score of the verdicts.
    margin : float

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("adder")
    >>> found = nt.audit(net.model, net.facts, {"S": net.groups}, n_others=1, check=False)
    >>> found.frames.groups[["group", "size", "effect", "within"]].round(2).values.tolist()
    [[0.0, 2.0, 2.0, 0.5], [1.0, 2.0, 2.0, 0.5]]
    """

    facts: pd.DataFrame
    ablations: pd.DataFrame
    nulls: pd.DataFrame
    groups: pd.DataFrame
    wordings: pd.DataFrame
    members: dict[str, list[NeuronSet]] = field(repr=False)
    lattices: dict[str, Lattice] = field(repr=False)
    null_curves: dict[str, pd.DataFrame] = field(repr=False)
    score: str = "contrast"
    margin: float = MARGIN

    @property
    def judged(self) -> pd.DataFrame:
        """The facts with results."""
        done = self.facts["error"].isna() & self.facts["reason"].isna()
        return self.facts[done]


@dataclass(frozen=True, eq=False)
class AuditSummary(Summary):
    """The summary of an audit, with its frames."""

    frames: AuditFrames | None = None


_FACT_COLUMNS = ("fact", "relation", "error", "reason", "known", "n_groups", "n_neurons")


def collect(rows: Iterable[Row]) -> AuditFrames:
    """Return the frames of the stored rows of facts."""
    tables: dict[str, list[dict[str, Any]]] = {
        name: [] for name in ("facts", "ablations", "nulls", "groups", "wordings")
    }
    members: dict[str, list[NeuronSet]] = {}
    lattices: dict[str, Lattice] = {}
    curves: dict[str, pd.DataFrame] = {}
    score, margin = "contrast", MARGIN
    for row in rows:
        about: dict[str, Any] = {
            "fact": row.fact,
            "relation": row.content["fact"].get("relation") or "none",
        }
        if row.error is not None:
            tables["facts"].append({**about, "error": row.error})
            continue
        payload = row.payload
        score, margin = payload["score"], payload["margin"]
        groups = payload["groups"]
        members[row.fact] = [NeuronSet(group) for group in groups]
        fact = {
            **about,
            "error": None,
            "reason": payload["reason"],
            "known": payload["known"],
            "n_groups": len(groups),
            "n_neurons": sum(map(len, groups)),
        }
        if payload["reason"] is None:
            one = _OneFact(payload, score)
            fact |= one.fact()
            lattices[row.fact] = one.own
            curves[row.fact] = one.curves()
            for name in ("ablations", "nulls", "groups", "wordings"):
                tables[name] += [{**about, **cells} for cells in getattr(one, name)()]
        tables["facts"].append(fact)
    frames = {
        name: pd.DataFrame(cells, columns=None if cells else ["fact", "relation"])
        for name, cells in tables.items()
    }
    facts = frames["facts"]
    for name in _FACT_COLUMNS:
        if name not in facts:
            facts[name] = None
    for name in ("error", "reason"):  # None, not nan, where there is none
        facts[name] = facts[name].astype(object).where(facts[name].notna(), None)
    return AuditFrames(
        **frames, members=members, lattices=lattices, null_curves=curves, score=score, margin=margin
    )


class _OneFact:
    """The quantities of one fact, from the stored scores."""

    def __init__(self, payload: Mapping[str, Any], score: str) -> None:
        self.payload, self.score = payload, score
        self.floor = FLOOR[score]
        self.base = float(payload["base"][score])
        self.own = self._lattice(payload["ablation"], score)
        # a share of almost nothing says nothing
        self.necessity = self.own.necessity if self.own.necessity >= self.floor else np.nan

    def _lattice(self, ablation: str, score: str) -> Lattice:
        stored = self.payload["own"][ablation]
        return Lattice(
            np.array(stored["subsets"], dtype=bool),
            np.array(stored[score]),
            float(self.payload["base"][score]),
        )

    def fact(self) -> dict[str, Any]:
        """Return the cells of the frame of facts."""
        scale = self.base if self.base >= self.floor else np.nan
        own_rho = self.own.redundancy / self.necessity
        shuffled = self._nulls_of("shuffled")
        within = _share(self.own, self.necessity)
        cells: dict[str, Any] = {
            "base": self.base,
            "ablation": self.payload["ablation"],
            "necessity": self.own.necessity,
            "rho": own_rho,
            "sufficiency": within,
            "redundancy": own_rho - _mean(shuffled, "rho"),
            "adding": own_rho,
            "within": within - _mean(shuffled, "sufficiency"),
            "alone": self._alone(),
            "necessary": (self.own.necessity - _mean(self._nulls_of("matched"), "necessity"))
            / scale,
            **self._wordings_questions(),
            **self._specificity(),
            **self._self_repair(),
            "further": len(self.payload["further"])
            if self.payload["further"] is not None
            else np.nan,
        }
        return cells

    def ablations(self) -> list[dict[str, Any]]:
        """Return a row per ablation and score."""
        rows = []
        for ablation in self.payload["own"]:
            for score in FLOOR:
                found = self._lattice(ablation, score)
                enough = found.necessity >= FLOOR[score]
                rows.append(
                    {
                        "ablation": ablation,
                        "score": score,
                        "base": found.base,
                        "necessity": found.necessity,
                        "redundancy": found.redundancy,
                        "rho": found.rho if enough else np.nan,
                        "sufficiency": float(found.sufficiency.mean()) if enough else np.nan,
                        "is_primary": ablation == self.payload["ablation"],
                    }
                )
        return rows

    def _nulls_of(self, name: str, ablation: str | None = None) -> list[dict[str, Any]]:
        """Return the draws of a null; necessities are those of the fact's own groups."""
        ablation = ablation or self.payload["ablation"]
        own = self.own.necessity
        if ablation != self.payload["ablation"]:
            own = self._lattice(ablation, self.score).necessity
        own = own if own >= self.floor else np.nan
        rows = []
        for draw in self.payload["nulls"].get(name, ()):
            if ablation in draw["scores"]:
                found = self._of_shell(draw["scores"][ablation], self.base)
                rows.append(
                    {
                        "n_groups": found.n,
                        "necessity": found.necessity,
                        "rho": found.redundancy / own,
                        "sufficiency": _share(found, own),
                    }
                )
        return rows

    def _of_shell(self, stored: Mapping[str, Any], base: float) -> Lattice:
        scores = np.array(stored[self.score])
        # n single groups, n others with n - 1 of them (not for n = 2), and all of them
        n = {1: 1, 3: 2}.get(len(scores), (len(scores) - 1) // 2)
        return Lattice(shell(n), scores, base)

    def nulls(self) -> list[dict[str, Any]]:
        """Return a row per null and draw."""
        return [
            {"null": name, "ablation": ablation, "draw": k, **cells}
            for name in self.payload["nulls"]
            for ablation in self.payload["own"]
            for k, cells in enumerate(self._nulls_of(name, ablation))
        ]

    def _recovered(self, stored: Mapping[str, Any]) -> NDArray[np.float64]:
        """Return the share of the score that each group recovers on the other prompt."""
        nothing, _, *each = stored[self.score]
        range_ = self.base - nothing
        if range_ < self.floor:
            return np.full(len(each), np.nan)
        return np.asarray((np.array(each) - nothing) / range_)

    def _alone(self) -> float:
        stored = self.payload["alone"]
        if stored is None:
            return np.nan
        null = [self._recovered(each).mean() for each in stored["shuffled"]]
        return float(self._recovered(stored["own"]).mean() - np.mean(null)) if null else np.nan

    def groups(self) -> list[dict[str, Any]]:
        """Return a row per group."""
        n = self.own.n
        alone = np.full(n, np.nan)
        if self.payload["alone"] is not None:
            alone = self._recovered(self.payload["alone"]["own"])
        direct, total = (self._effects(name)[:n] for name in ("direct", "total"))
        effects, shapley, within = self.own.effects, self.own.shapley, self.own.sufficiency
        return [
            {
                "group": i,
                "size": len(self.payload["groups"][i]),
                "effect": effects[i],
                "shapley": shapley[i],
                "within": within[i],
                "alone": alone[i],
                "spare": self.payload["minimality"][i],
                "direct": direct[i],
                "total": total[i],
            }
            for i in range(n)
        ]

    def _effects(self, path: str) -> NDArray[np.float64]:
        """Return the falls of the first token's score along some paths, over :func:`shell`."""
        scores = np.array(self.payload["paths"][path][self.score])
        return np.asarray(scores[0] - scores[1:])

    def _self_repair(self) -> dict[str, float]:
        """Return how much later layers repair, and rho with frozen norms."""
        n = self.own.n
        total, direct = self._effects("total"), self._effects("direct")
        all_groups = total[-1] if total[-1] >= self.floor else np.nan
        frozen = self._effects("frozen")
        frozen_all = frozen[-1] if frozen[-1] >= self.floor else np.nan
        return {
            "repair": float((direct[:n] - total[:n]).sum() / all_groups),
            "frozen": float((frozen[-1] - frozen[:n].sum()) / frozen_all),
        }

    def wordings(self) -> list[dict[str, Any]]:
        """Return a row per wording."""
        shuffled = self._nulls_of("shuffled")
        first = {
            "wording": 0,
            "known": self.payload["known"],
            "necessity": self.own.necessity,
            "rho": self.own.redundancy / self.necessity,
            "shuffled": _mean(shuffled, "rho"),
            "sufficiency": _share(self.own, self.necessity),
            "overlap": 1.0,
            "chance": np.nan,
        }
        return [first, *(self._wording(k) for k in range(len(self.payload["wordings"])))]

    def _wording(self, number: int) -> dict[str, Any]:
        stored = self.payload["wordings"][number]
        cells = {
            "wording": number + 1,
            "known": stored["known"],
            "overlap": stored["overlap"]["share"],
            "chance": stored["overlap"]["chance"],
        }
        if stored["own"] is None:
            return {**cells, "necessity": np.nan, "rho": np.nan, "shuffled": np.nan}
        base = float(stored["base"][self.score])
        own = self._of_shell(stored["own"], base)
        necessity = own.necessity if own.necessity >= self.floor else np.nan
        null = [self._of_shell(each, base).redundancy / necessity for each in stored["shuffled"]]
        return {
            **cells,
            "necessity": own.necessity,
            "rho": own.redundancy / necessity,
            "shuffled": float(np.mean(null)),
            "sufficiency": float(own.sufficiency.mean()) if necessity > 0 else np.nan,
        }

    def _wordings_questions(self) -> dict[str, float]:
        others = [cells for cells in self.wordings()[1:] if cells["known"]]
        return {
            "worded": finite_mean([cells["rho"] - cells["shuffled"] for cells in others]),
            "overlap": finite_mean([cells["overlap"] - cells["chance"] for cells in others]),
        }

    def _specificity(self) -> dict[str, float]:
        stored = self.payload["specificity"]
        own = float(np.mean(stored["own"]))
        same, others = (finite_mean(np.ravel(stored[name])) for name in ("same", "others"))
        # the effects are falls of log-odds, whatever the score
        scale = self._lattice(self.payload["ablation"], "log-odds").necessity
        scale = scale if scale >= FLOOR["log-odds"] else np.nan
        return {
            "specific": (own - same) / scale,
            "effect_own": own,
            "effect_same": same,
            "effect_others": others,
            "uses": stored["distance"] - stored["shuffled_distance"],
            "distance": stored["distance"],
        }

    def curves(self) -> pd.DataFrame:
        """Return the scores of all subsets by their number of groups, own and of the nulls."""
        rows = [
            {"null": "own", "draw": 0, "size": int(size), "score": score}
            for size, score in zip(self.own.subsets.sum(1), self.own.scores, strict=True)
        ]
        for name, draws in self.payload["nulls"].items():
            for k, draw in enumerate(draws):
                stored = draw["scores"][self.payload["ablation"]]
                found = self._of_shell(stored, self.base)
                rows += [
                    {"null": name, "draw": k, "size": int(size), "score": score}
                    for size, score in zip(found.subsets.sum(1), found.scores, strict=True)
                ]
        return pd.DataFrame(rows)


def _share(found: Lattice, necessity: float) -> float:
    """Return the mean share of a necessity that the groups keep alone."""
    if np.isnan(necessity):
        return np.nan
    kept = found.sufficiency * found.necessity if found.necessity else np.zeros(found.n)
    return float(kept.mean() / necessity)


def _mean(rows: list[dict[str, Any]], name: str) -> float:
    return finite_mean([row[name] for row in rows])
