"""The stored results of the critique study as tables with a row per pair, effect and edit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.studies.critique.pairs import KINDS
from neurotopo.studies.rows import Row

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["ARMS", "EDIT_ARMS", "MODES", "Collected", "collect"]

ARMS: Mapping[str, str] = {
    "own": "all knowledge neurons of the pair",
    "own_random": "as many random neurons",
    "own_random_layers": "random neurons, as many in each layer",
    "dkn": "D: the degenerate ones among them",
    "kn": "N: as many that are not degenerate",
    "kn_random": "as many, degenerate or not",
    "random": "as many random neurons as D",
    "random_layers": "random neurons, as many in each layer as D",
}
"""The sets of neurons of a pair; the first three are of one size, the others of another."""

MODES = ("suppress", "enhance")
"""What is done to them."""

EDIT_ARMS: Mapping[str, str] = {
    "dkn": "D: the degenerate knowledge neurons",
    "kn": "N: as many that are not degenerate",
    "random": "as many random neurons",
    "all": "all MLP neurons",
}
"""The sets of neurons that are trained in an edit."""

_PAIRS = (
    "kind",
    "group",
    "pair",
    "reason",
    "good_word",
    "bad_word",
    "good",
    "odds",
    "answered",
    "frequency_good",
    "frequency_bad",
    "count_good",
    "count_bad",
    "n_own",
    "n_dkn",
    "no_dkn",
)
_EFFECTS = (
    "kind",
    "group",
    "pair",
    "mode",
    "arm",
    "size",
    "dprob",
    "odds_before",
    "odds_after",
    "push",
    "flip",
    "lost",
    "extreme",
)
_RANKS = ("kind", "group", "what", "share", "shuffled", "rows", "columns")
_HELD = ("kind", "group", "pair", "source", "size", "arm", "odds_before", "push", "flip")
_HALVES = ("kind", "group", "n_train", "n_test", "own", "dkn")
_EDITS = (
    "case",
    "fact",
    "relation",
    "arm",
    "size",
    "steps",
    "likelier",
    "says_new",
    "n_wordings",
    "synonym",
    "n_neighbours",
    "locality",
    "one_to_one",
    "asked_reverse",
    "knew_reverse",
    "symmetry",
    "reverse_before",
    "reverse_after",
)
_HELD_ARMS = ("shared", "random", "random_layers")


@dataclass(frozen=True, eq=False)
class Collected:
    """What is stored about all pairs and edits of a run.

    Attributes
    ----------
    pairs : DataFrame
        A row per pair: ``reason`` why it was left out, or else the probability of the word that
        fits (``good``), the log-odds of it against the other (``odds``), whether a fact was
        ``answered``, the frequencies and the numbers of neurons.
    effects : DataFrame
        A row per pair, mode and set of neurons. ``dprob`` is the relative fall of the probability,
        ``push`` how far the log-odds moved in the expected direction (down when suppressed, up
        when enhanced), ``flip`` whether a preference was lost, ``lost`` whether an answer was;
        the last two are nan where there was none. ``extreme``: for some set of the pair and mode
        dProb is beyond the limit.
    ranks : DataFrame
        A row per group and kind of row: the rank-1 share, and with entries shuffled.
    held_out : DataFrame
        A row per pair of a held-out half, source of neurons and set.
    halves : DataFrame
        A row per group: the sizes of its halves, and how many neurons are common.
    edits : DataFrame
        A row per edit and set of neurons.
    passed : DataFrame
        A row per fact that was no candidate for an edit, with the ``reason``.
    failed : list of (str, str)
        What failed, and why.
    n_done : int
        What did not fail.
    """

    pairs: pd.DataFrame
    effects: pd.DataFrame
    ranks: pd.DataFrame
    held_out: pd.DataFrame
    halves: pd.DataFrame
    edits: pd.DataFrame
    passed: pd.DataFrame
    failed: list[tuple[str, str]]
    n_done: int

    @property
    def kinds(self) -> list[str]:
        """What the pairs are about that could be worked on."""
        there = set(self.usable["kind"])
        return [kind for kind in KINDS if kind in there]

    @property
    def usable(self) -> pd.DataFrame:
        """The pairs that were not left out."""
        return self.pairs[self.pairs["reason"].isna()]

    def of(self, kind: str, mode: str, arm: str) -> pd.DataFrame:
        """Return the effects of one set of neurons, with the pairs as index."""
        rows = self.effects
        chosen = (rows["kind"] == kind) & (rows["mode"] == mode) & (rows["arm"] == arm)
        return rows[chosen].set_index("pair")


def collect(rows: Iterable[Row]) -> Collected:
    """Read the rows of a run; failed and missing ones do no harm."""
    parts: dict[str, list[tuple[Any, ...]]] = {
        name: [] for name in ("pairs", "effects", "ranks", "held", "halves", "edits", "passed")
    }
    failed, n_done = [], 0
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        if row.error is not None:
            failed.append((row.fact, row.error))
            continue
        n_done += 1
        result, about = row.stages["result"], row.content
        if about["part"] == "edit":
            number = int(about["number"])
            parts["passed"] += [(number, one["fact"], one["reason"]) for one in result["passed"]]
            if result["edit"] is not None:
                parts["edits"] += _edit_rows(number, result["edit"])
            continue
        where = (about["kind"], about["group"])
        for pair in result["pairs"]:
            parts["pairs"].append(_pair_row(where, pair))
            if pair["reason"] is None:
                parts["effects"] += _effect_rows(where, pair)
        for what, one in result["rank1"].items():
            parts["ranks"].append((*where, what, one["share"], one["shuffled"], *one["shape"]))
        held = result["held_out"]
        if held:
            sizes = held["sizes"]
            parts["halves"].append(
                (*where, held["n_train"], held["n_test"], sizes["own"], sizes["dkn"])
            )
            parts["held"] += _held_rows(where, held)
    edits = _frame(parts["edits"], _EDITS).sort_values("case", kind="stable")
    return Collected(
        pairs=_frame(parts["pairs"], _PAIRS, texts=("reason", "no_dkn")),
        effects=_frame(parts["effects"], _EFFECTS),
        ranks=_frame(parts["ranks"], _RANKS),
        held_out=_frame(parts["held"], _HELD),
        halves=_frame(parts["halves"], _HALVES),
        edits=edits.reset_index(drop=True),
        passed=_frame(parts["passed"], ("case", "fact", "reason")),
        failed=failed,
        n_done=n_done,
    )


def _frame(
    rows: list[tuple[Any, ...]], columns: tuple[str, ...], texts: tuple[str, ...] = ()
) -> pd.DataFrame:
    import pandas as pd

    frame = pd.DataFrame(rows, columns=list(columns))
    for name in texts:
        frame[name] = frame[name].astype(object)
    return frame


def _pair_row(where: tuple[str, str], pair: Mapping[str, Any]) -> tuple[Any, ...]:
    if pair["reason"] is not None:
        nothing = [np.nan] * (len(_PAIRS) - 5)
        return (*where, pair["key"], pair["reason"], None, *nothing)
    counts = pair["counts"] or (np.nan, np.nan)
    arms = dict(pair["arms"])
    return (
        *where,
        pair["key"],
        None,
        *pair["words"],
        float(np.exp(pair["good"][0])),
        pair["good"][0] - pair["bad"][0],
        np.nan if pair["recalled"] is None else float(pair["recalled"][0]),
        *pair["frequency"],
        *counts,
        arms.get("own", 0),
        arms.get("dkn", 0),
        pair["no_dkn"],
    )


def _effect_rows(where: tuple[str, str], pair: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    good = np.asarray(pair["good"], dtype=np.float64)
    odds = good - np.asarray(pair["bad"], dtype=np.float64)
    arms = pair["arms"]
    with np.errstate(over="ignore"):
        drops = 1 - np.exp(good - good[0])
    found = []
    for m, mode in enumerate(MODES):
        here = slice(1 + m * len(arms), 1 + (m + 1) * len(arms))
        extreme = bool((~(np.abs(drops[here]) <= pair["limit"])).any())
        for k, (arm, size) in enumerate(arms, start=here.start):
            lost = np.nan
            if pair["recalled"] is not None and pair["recalled"][0]:
                lost = float(not pair["recalled"][k])
            found.append(
                (
                    *where,
                    pair["key"],
                    mode,
                    arm,
                    size,
                    drops[k],
                    odds[0],
                    odds[k],
                    (odds[0] - odds[k]) * (1 if mode == "suppress" else -1),
                    float(odds[k] <= 0) if odds[0] > 0 else np.nan,
                    lost,
                    extreme,
                )
            )
    return found


def _held_rows(where: tuple[str, str], held: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    found = []
    for source, by_pair in held["pairs"].items():
        for pair, values in by_pair.items():
            before, *after = (float(value) for value in values)
            for arm, value in zip(_HELD_ARMS, after, strict=True):
                flip = float(value <= 0) if before > 0 else np.nan
                found.append(
                    (*where, pair, source, held["sizes"][source], arm, before, before - value, flip)
                )
    return found


def _edit_rows(number: int, edit: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    before = edit["asked"]["before"]
    worded = np.asarray(before["wordings"]["says_old"], dtype=bool)
    near = np.asarray(before["neighbours"], dtype=bool)
    asked_reverse = bool(before["reverse"]["says"])
    knew = float(before["reverse"]["says"][0]) if asked_reverse else np.nan
    found = []
    for arm, size in edit["sizes"].items():
        after = edit["asked"][arm]
        new, old = (np.asarray(after["wordings"][name]) for name in ("new", "old"))
        symmetry = float(after["reverse"]["says"][1]) if knew == 1 else np.nan
        found.append(
            (
                number,
                edit["fact"],
                edit["relation"],
                arm,
                size,
                edit["steps"][arm],
                float(after["new"] > after["old"]),
                float(after["says_new"]),
                int(worded.sum()),
                _share(new > old, worded),
                int(near.sum()),
                _share(np.asarray(after["neighbours"], dtype=bool), near),
                bool(edit["one_to_one"]),
                asked_reverse,
                knew,
                symmetry,
                *(
                    one["reverse"]["subject"][1] if asked_reverse else np.nan
                    for one in (before, after)
                ),
            )
        )
    return found


def _share(values: Any, chosen: Any) -> float:
    """Return the share of those chosen that are true; nan for none chosen."""
    return float(np.asarray(values)[chosen].mean()) if chosen.any() else float("nan")
