"""Frames, tables, findings and pictures of the critique study."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from neurotopo.plots._series import legend_below, look
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import comparisons, corrected
from neurotopo.studies.critique.measures import line_through, votes_of
from neurotopo.studies.critique.pairs import KINDS
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    and_list,
    as_claim,
    from_to,
    nothing_done,
    p_words,
    stands,
    upper_first,
)
from neurotopo.studies.pictures import effects_picture
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean, independent, mean_interval, paired

__all__ = [
    "ARMS",
    "EDIT_ARMS",
    "MODES",
    "PICTURES",
    "TABLES",
    "Collected",
    "collect",
    "findings_of",
]

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
    rows = []
    for m, mode in enumerate(MODES):
        here = slice(1 + m * len(arms), 1 + (m + 1) * len(arms))
        extreme = bool((~(np.abs(drops[here]) <= pair["limit"])).any())
        for k, (arm, size) in enumerate(arms, start=here.start):
            lost = np.nan
            if pair["recalled"] is not None and pair["recalled"][0]:
                lost = float(not pair["recalled"][k])
            rows.append(
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
    return rows


def _held_rows(where: tuple[str, str], held: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    rows = []
    for source, by_pair in held["pairs"].items():
        for pair, values in by_pair.items():
            before, *after = (float(value) for value in values)
            for arm, value in zip(_HELD_ARMS, after, strict=True):
                flip = float(value <= 0) if before > 0 else np.nan
                rows.append(
                    (*where, pair, source, held["sizes"][source], arm, before, before - value, flip)
                )
    return rows


def _edit_rows(number: int, edit: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    before = edit["asked"]["before"]
    worded = np.asarray(before["wordings"]["says_old"], dtype=bool)
    near = np.asarray(before["neighbours"], dtype=bool)
    asked_reverse = bool(before["reverse"]["says"])
    knew = float(before["reverse"]["says"][0]) if asked_reverse else np.nan
    rows = []
    for arm, size in edit["sizes"].items():
        after = edit["asked"][arm]
        new, old = (np.asarray(after["wordings"][name]) for name in ("new", "old"))
        symmetry = float(after["reverse"]["says"][1]) if knew == 1 else np.nan
        rows.append(
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
    return rows


def _share(values: Any, chosen: Any) -> float:
    """Return the share of those chosen that are true; nan for none chosen."""
    return float(np.asarray(values)[chosen].mean()) if chosen.any() else float("nan")


_AGAINST = (
    ("own", "before"),
    ("own", "own_random"),
    ("own", "own_random_layers"),
    ("dkn", "before"),
    ("dkn", "kn"),
    ("dkn", "random"),
    ("dkn", "random_layers"),
)
_EDIT_MEASURES = (
    ("synonym", "says it in other words"),
    ("locality", "other facts kept"),
    ("steps", "steps needed"),
)


def shift_tests(frames: Collected) -> Table:
    """Return how far the log-odds move, against before and against sets of the same size."""
    family = [
        (
            {"kind": kind, "mode": mode, "set": arm, "against": other},
            *_joined(
                frames.of(kind, mode, arm),
                None if other == "before" else frames.of(kind, mode, other),
                "push",
            ),
        )
        for kind in frames.kinds
        for mode in MODES
        for arm, other in _AGAINST
    ]
    return Table(
        _shifts(family),
        "Tests. How far the log-odds move, by set of neurons",
        "Log-odds: log P(fits) - log P(does not). 'shift' is their mean movement in the expected "
        "direction (down when suppressed, up when enhanced), 'other' that under the other set, 0 "
        "for before: with nothing done. Paired by pair; 95 % intervals; p: Wilcoxon's signed-rank "
        "test, 'p of t': the paired t-test of the critique, each Holm-corrected over all rows; d: "
        "mean difference / standard deviation of the differences. Neurons are chosen by the very "
        "probability that is measured here, so that they move it more than before or more than "
        "random ones is no evidence of knowledge: it happens in a random model. D against N "
        "compares two sets chosen alike. Pairs of one paradigm share words, so p-values are "
        "smaller than they should be. Columns push of the stored effects.",
        {"p": "p", "p of t": "p"},
    )


def _joined(ours: pd.DataFrame, theirs: pd.DataFrame | None, column: str) -> tuple[Any, Any]:
    """Return a column of both frames over the index they share; 0 for no other frame."""
    if theirs is None:
        return ours[column], np.zeros(len(ours))
    both = ours[[column]].join(theirs[column].rename("other"), how="inner")
    return both[column], both["other"]


def _shifts(family: Any) -> pd.DataFrame:
    return comparisons(family, "shift", "other", t=True)


def generalisation(frames: Collected) -> Table:
    """Return what neurons common to one half of a paradigm do to the other half."""
    family: list[Any] = []
    flipped: list[tuple[float, float]] = []
    held = frames.held_out
    for kind in frames.kinds:
        for source in ("own", "dkn"):
            here = held[(held["kind"] == kind) & (held["source"] == source)]
            by = {arm: part.set_index("pair") for arm, part in here.groupby("arm")}
            halves = frames.halves[frames.halves["kind"] == kind]
            ours = by.get("shared")
            for other in ("random_layers", "random"):
                row: dict[str, Any] = {
                    "kind": kind,
                    "source": source,
                    "against": other,
                    "groups": len(halves),
                    "without neurons": int((halves[source] == 0).sum()),
                    "neurons": finite_mean(halves.loc[halves[source] > 0, source]),
                }
                if ours is None:
                    sides: tuple[Any, Any] = ([], [])
                    flips = (np.nan, np.nan)
                else:
                    sides = _joined(ours, by[other], "push")
                    flips = (finite_mean(ours["flip"]), finite_mean(by[other]["flip"]))
                family.append((row, *sides))
                flipped.append(flips)
    frame = _shifts(family)
    frame[["flips", "flips other"]] = np.array(flipped, dtype=np.float64).reshape(-1, 2)
    return Table(
        frame,
        "Generalisation. Neurons common to half of a paradigm, suppressed on the other half",
        "Neurons of more than a share (option share) of the pairs in one half, drawn by the seed, "
        "of a paradigm or relation; source own: of all their knowledge neurons, dkn: of their "
        "degenerate ones. 'without neurons': groups with no common neuron, which say nothing. The "
        "held-out pairs had no part in the choice, but have words in common with the others, so "
        "neurons of a word pass for neurons of a rule. 'flips': share of held-out preferences "
        "lost. Other columns as in the table of tests; p Holm-corrected over all rows.",
        {"p": "p", "p of t": "p"},
    )


def kinds_table(frames: Collected) -> Table:
    """Return grammar and facts side by side."""
    rows = []
    for mode in MODES:
        for arm in ("own", "dkn"):
            sides = [frames.of(kind, mode, arm) for kind in ("grammar", "facts")]
            for column, name in (
                ("push", "shift of the log-odds"),
                ("dprob", "dProb"),
                ("flip", "share of flips"),
            ):
                values = [
                    side.loc[~side["extreme"].astype(bool), column]
                    if column == "dprob"
                    else side[column]
                    for side in sides
                ]
                result = independent(*values)
                rows.append(
                    {
                        "mode": mode,
                        "set": arm,
                        "measure": name,
                        "n grammar": result.n_a,
                        "n facts": result.n_b,
                        "grammar": result.mean_a,
                        "facts": result.mean_b,
                        "t": result.t,
                        "p of t": result.p,
                        "Welch t": result.welch_t,
                        "p": result.welch_p,
                        "d": result.d,
                    }
                )
    frame = pd.DataFrame(rows)
    frame = corrected(frame, ["p", "p of t"])
    return Table(
        frame,
        "Grammar beside facts",
        "If neurons of grammar behave as neurons of facts do, what is frames is no store of facts: "
        "the point of the critique. Independent tests, as no pair is in both: p is Welch's, 'p of "
        "t' Student's, each Holm-corrected over all rows; d in pooled standard deviations. The "
        "words differ in length and kind, so a difference need not be one of knowledge.",
        {"p": "p", "p of t": "p"},
    )


def edit_tests(frames: Collected) -> Table:
    """Return D against the other sets of neurons, edit by edit."""
    by = {arm: part.set_index("case") for arm, part in frames.edits.groupby("arm")}
    family = [
        ({"measure": name, "dkn against": other}, *_joined(by["dkn"], by[other], column))
        for column, name in (_EDIT_MEASURES if "dkn" in by else ())
        for other in ("kn", "random", "all")
    ]
    frame = comparisons(family, "dkn", "other", t=True)
    return Table(
        frame,
        "Edits in D against edits in other neurons",
        "Paired by edit, over those where both have a value. p: Wilcoxon's signed-rank test, 'p of "
        "t' the paired t-test, each Holm-corrected over all rows. Columns as in the table edits.",
        {"p": "p", "p of t": "p"},
    )


def _knowledge_table(frames: Collected) -> Table:
    rows = []
    usable = frames.usable
    for kind in frames.kinds:
        pairs = usable[usable["kind"] == kind]
        good = pairs["odds"] > 0
        words = [frozenset(both) for both in pairs[["good_word", "bad_word"]].to_numpy()]
        votes = votes_of(words, good)
        rows.append(
            {
                "kind": kind,
                "pairs": len(pairs),
                "groups": pairs["group"].nunique(),
                "preferred": finite_mean(good),
                "sets of words": len(set(words)),
                "votes": votes.n,
                "for what fits": votes.for_good,
                "p": votes.p,
                "answered": finite_mean(pairs["answered"]),
                "P(fits)": finite_mean(pairs["good"]),
                "neurons": finite_mean(pairs["n_own"]),
                "with D": finite_mean(pairs["n_dkn"] > 0),
                "neurons in D": finite_mean(pairs.loc[pairs["n_dkn"] > 0, "n_dkn"]),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Does the model know which word fits",
        "'preferred': share of pairs whose word that fits is likelier than the other. Each set of "
        "two words has one vote, whichever of them fits, and none if its pairs are divided, so "
        "that preferring a word everywhere is not taken for knowledge; p: one-sided binomial test "
        "of the votes. 'answered': share of facts answered greedily. Neurons are means.",
        {"p": "p"},
    )


def _shift_table(frames: Collected) -> Table:
    rows = []
    for kind in frames.kinds:
        for mode in MODES:
            for arm in ARMS:
                own = frames.of(kind, mode, arm)
                kept = own[~own["extreme"].astype(bool)]
                mean, low, high = mean_interval(kept["dprob"].to_numpy(dtype=np.float64))
                rows.append(
                    {
                        "kind": kind,
                        "mode": mode,
                        "set": arm,
                        "what": ARMS[arm],
                        "neurons": finite_mean(own["size"]),
                        "n": len(kept),
                        "dProb": mean,
                        "low": low,
                        "high": high,
                        "median": float(kept["dprob"].median()) if len(kept) else math.nan,
                        "n log-odds": len(own),
                        "log-odds": finite_mean(own["push"]),
                    }
                )
    return Table(
        pd.DataFrame(rows),
        "Shift. What suppressed and enhanced neurons do to the probability",
        "dProb = (before - after) / before of the probability of what fits, with its 95 % "
        "interval; negative where it rises. Pairs with |dProb| above the limit (max_change) for "
        "any set are left out of dProb for all sets of the mode (n). 'log-odds': mean movement "
        "against the word that does not fit, in the expected direction, over all pairs. Sets with "
        "D are of pairs that have degenerate neurons; the first three of all pairs.",
    )


def _categorical_table(frames: Collected) -> Table:
    rows = []
    for kind in frames.kinds:
        for mode in MODES:
            for arm in ARMS:
                own = frames.of(kind, mode, arm)
                control = "own_random_layers" if arm.startswith("own") else "random_layers"
                random = frames.of(kind, mode, control)["flip"].rename("random")
                both = own[["flip"]].join(random, how="inner")
                p = math.nan if arm == control else paired(both["flip"], both["random"]).p_sign
                rows.append(
                    {
                        "kind": kind,
                        "mode": mode,
                        "set": arm,
                        "n": int(own["flip"].count()),
                        "flips": finite_mean(own["flip"]),
                        "p": p,
                        "n answered": int(own["lost"].count()),
                        "answers lost": finite_mean(own["lost"]),
                        "dProb": finite_mean(own.loc[~own["extreme"].astype(bool), "dprob"]),
                    }
                )
    frame = pd.DataFrame(rows)
    frame = corrected(frame, ["p"])
    return Table(
        frame,
        "Categorical. How often another word becomes the likelier one",
        "'flips': share of the n pairs, whose fitting word was the likelier one, where it no "
        "longer is; p: exact sign test against random neurons, as many in each layer, "
        "Holm-corrected over all rows. 'answers lost': share of facts that were answered and no "
        "longer are. dProb stands beside them: probabilities may move much and answers little.",
        {"p": "p"},
    )


def _ranks_table(frames: Collected) -> Table:
    family = []
    for kind in frames.kinds:
        for what in ("attributions", "effects"):
            own = frames.ranks[(frames.ranks["kind"] == kind) & (frames.ranks["what"] == what)]
            head = {
                "kind": kind,
                "rows": what,
                "groups": 0,
                "pairs": finite_mean(own["rows"]),
                "neurons": finite_mean(own["columns"]),
            }
            family.append((head, own["share"], own["shuffled"]))
    frame = comparisons(family, "R1", "shuffled")
    if len(frame):
        frame["groups"] = frame.pop("n")
    return Table(
        frame,
        "R1. How alike the pairs of a paradigm or relation are",
        "R1 = (s^2 - 1) / (n - 1), s the largest singular value of the n rows of unit length: 1 "
        "for rows of one direction, 0 for rows with nothing in common. Rows are pairs; "
        "'attributions': scores of the union of their neurons; 'effects': fall of the log-odds "
        "when each of the strongest neurons (option top) is suppressed by itself. 'shuffled': "
        "entries of each row in random order. Means over groups; paired by group, p: Wilcoxon's, "
        "Holm-corrected.",
        {"p": "p"},
    )


def _frequency_table(frames: Collected) -> Table:
    rows = []
    usable = frames.usable.set_index(["kind", "pair"])
    ratios = {"model": usable["frequency_good"] - usable["frequency_bad"]}
    if usable["count_good"].notna().any():
        counts = usable[["count_good", "count_bad"]].astype(np.float64)
        ratios["corpus"] = np.log1p(counts["count_good"]) - np.log1p(counts["count_bad"])
    for kind in frames.kinds:
        for arm in ("own", "dkn"):
            effects = frames.of(kind, "suppress", arm)
            for source, ratio in ratios.items():
                x = ratio.loc[kind].reindex(effects.index).astype(np.float64)
                line = line_through(x, effects["push"])
                rows.append(
                    {
                        "kind": kind,
                        "set": arm,
                        "frequency": source,
                        "n": line.n,
                        "constant": line.constant,
                        "low": line.constant_low,
                        "high": line.constant_high,
                        "p": line.p_constant,
                        "slope": line.slope,
                        "slope low": line.slope_low,
                        "slope high": line.slope_high,
                        "p of slope": line.p_slope,
                        "R2": line.share,
                        **_gaining(x, effects),
                    }
                )
    frame = pd.DataFrame(rows)
    frame = corrected(frame, ["p", "p of slope"])
    return Table(
        frame,
        "Frequency. How much of the shift is the words being rare or frequent",
        "The fall of the log-odds under suppression as constant + slope x log(frequency of what "
        "fits / of the other); least squares, 95 % intervals. 'constant': the shift between words "
        "equally frequent; R2: share of its variance that frequency explains, given the constant. "
        "Frequency: the model's own probability of the word with no text before it, which is that "
        "of a first word; 'corpus': counts (plus 1) in a text. 'flips': preferences lost; 'to the "
        "frequent': share of these that went to the more frequent word; 'expected': share of all "
        "preferred pairs whose other word is the more frequent; 'p of flips': two-sided binomial "
        "test against it. p-values Holm-corrected by column.",
        {"p": "p", "p of slope": "p", "p of flips": "p"},
    )


def _gaining(ratio: pd.Series, effects: pd.DataFrame) -> dict[str, Any]:
    """Return whether the word that a preference goes to is simply the more frequent one."""
    there = effects["flip"].notna() & ratio.notna()
    rarer, flips = ratio[there] < 0, effects.loc[there, "flip"] == 1
    expected = finite_mean(rarer)
    n, to_frequent = int(flips.sum()), int((rarer & flips).sum())
    p = math.nan
    if n and 0 < expected < 1:
        p = float(stats.binomtest(to_frequent, n, expected).pvalue)
    return {
        "flips": n,
        "to the frequent": to_frequent / n if n else math.nan,
        "expected": expected,
        "p of flips": p,
    }


def _edits_table(frames: Collected) -> Table:
    rows = []
    for arm, what in EDIT_ARMS.items():
        own = frames.edits[frames.edits["arm"] == arm]
        known = own["knew_reverse"] == 1
        rows.append(
            {
                "set": arm,
                "what": what,
                "edits": len(own),
                "neurons": finite_mean(own["size"]),
                "steps": finite_mean(own["steps"]),
                "efficacy": finite_mean(own["likelier"]),
                "says it": finite_mean(own["says_new"]),
                "n in other words": int((own["n_wordings"] > 0).sum()),
                "in other words": finite_mean(own["synonym"]),
                "asked in reverse": int(own["asked_reverse"].astype(bool).sum()),
                "not vacuous": int(known.sum()),
                "symmetry": finite_mean(own["symmetry"]),
                "P(subject) log ratio": finite_mean(
                    (own["reverse_after"] - own["reverse_before"]).astype(np.float64)
                ),
                "n locality": int((own["n_neighbours"] > 0).sum()),
                "locality": finite_mean(own["locality"]),
            }
        )
    return Table(
        pd.DataFrame(rows if len(frames.edits) else []),
        "Edits. What follows from a new answer",
        "One fact at a time is given an answer that is wrong, by training the neurons of a set on "
        "its one statement, each set with the same rule for stopping. 'efficacy': share of edits "
        "after which the new answer is likelier than the old; it is what is trained. 'in other "
        "words': the same in wordings in which the old answer was known. 'symmetry': share of "
        "one-to-one facts for which, asked in reverse with the new answer, the subject comes out; "
        "only where it did so before for the old answer, else the test is vacuous. 'P(subject) log "
        "ratio': mean change of the log-probability of the subject given the new answer, wherever "
        "it could be asked. 'locality': share of other facts of the relation, known before, that "
        "still are. Weights are put back after each.",
    )


def _exclusions_table(frames: Collected) -> Table:
    rows: list[dict[str, Any]] = []

    def add(part: str, sets: str, reason: str, n: int, of: int) -> None:
        rows.append({"part": part, "sets": sets, "reason": reason, "n": n, "of": of})

    for kind, pairs in frames.pairs.groupby("kind"):
        for reason, n in pairs["reason"].value_counts().sort_index().items():
            add(f"pairs of {kind}", "all", str(reason), int(n), len(pairs))
        done = pairs[pairs["reason"].isna()]
        add(f"pairs of {kind}", "all", "no neurons", int((done["n_own"] == 0).sum()), len(done))
        for reason, n in done["no_dkn"].value_counts().sort_index().items():
            add(f"pairs of {kind}", "those with D", str(reason), int(n), len(done))
        for mode in MODES:
            own = frames.of(str(kind), mode, "own")
            add(
                f"pairs of {kind}",
                "dProb of all",
                f"extreme change, {mode}",
                int(own["extreme"].sum()),
                len(own),
            )
    for reason, n in frames.passed["reason"].value_counts().sort_index().items():
        add("facts for edits", "all", str(reason), int(n), len(frames.passed) + _n_edits(frames))
    for item, error in frames.failed:
        add("failed", "all", f"{item}: {error}", 1, frames.n_done + len(frames.failed))
    return Table(
        pd.DataFrame(rows, columns=["part", "sets", "reason", "n", "of"]),
        "What was left out, and why",
        "The same for every set of neurons: a pair is left out for all sets, or for all that need "
        "degenerate neurons. Facts for edits are tried until one is known and has degenerate "
        "neurons. 'failed' are whole groups or edits.",
    )


def _n_edits(frames: Collected) -> int:
    return int(frames.edits["case"].nunique())


_NAMES = {"grammar": "grammar", "facts": "facts"}
_NEURONS = {"own": "knowledge neurons", "dkn": "degenerate knowledge neurons"}

_Row = Mapping[str, Any]


def findings_of(frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    if not frames.n_done:
        return (nothing_done([error for _, error in frames.failed], "group"),)
    rows = {name: table.frame.to_dict("records") for name, table in tables.items()}
    knows = {row["kind"]: _knows(row) for row in rows["knowledge"]}
    sentences = [_say_knowledge(row) for row in rows["knowledge"]]
    if not frames.kinds:
        sentences.append("No pair was left to look at.")
    for kind in frames.kinds:
        sentences.append(_say_large_and_few(kind, rows["categorical"]))
        sentences.append(_say_degenerate(kind, rows["tests"], knows[kind]))
        sentences.extend(
            _say_held_out(row, knows[kind])
            for row in rows["generalisation"]
            if row["kind"] == kind and row["against"] == "random_layers"
        )
    if len(frames.kinds) == 2:
        sentences.append(_say_side_by_side(rows["kinds"]))
    sentences += [_say_ranks(row) for row in rows["r1"] if row["rows"] == "attributions"]
    sentences += [_say_frequency(row) for row in rows["frequency"] if row["set"] == "own"]
    sentences += _say_edits(rows["edits"], rows["edit_tests"])
    return tuple(sentence for sentence in sentences if sentence)


def _knows(row: _Row) -> bool:
    return bool(row["votes"] >= FEW and row["p"] < ALPHA and row["preferred"] > 0.5)


def _say_knowledge(row: _Row) -> str:
    what = "word that fits" if row["kind"] == "grammar" else "answer"
    sentence = (
        f"{upper_first(_NAMES[row['kind']])}: in {row['preferred']:.0%} of {row['pairs']:,} pairs "
        f"the {what} is likelier than the other; of {row['votes']:,} sets of words with a "
        f"majority {row['for what fits']:,} are for what fits ({p_words(row['p'])})."
    )
    if not _knows(row):
        sentence += (
            " So the model is not shown to know what it is asked, and nothing below is claimed of "
            f"{_NAMES[row['kind']]}."
        )
    return sentence


def _say_large_and_few(kind: str, rows: list[_Row]) -> str:
    """Say how much probabilities and answers move: the point of the critique."""
    by = {row["set"]: row for row in rows if row["kind"] == kind and row["mode"] == "suppress"}
    parts = []
    for arm, control in (("own", "own_random_layers"), ("dkn", "random_layers")):
        row, random = by[arm], by[control]
        if row["n"]:
            part = (
                f"{_NEURONS[arm]} take {_percent(row['dProb'])} of the probability on average and "
                f"turn {_percent(row['flips'])} of {row['n']:,} preferences (random ones in the "
                f"same layers {_percent(random['dProb'])} and {_percent(random['flips'])})"
            )
            if row["n answered"]:
                part += f"; {_percent(row['answers lost'])} of the answers are lost"
            parts.append(part)
    if not parts:
        return ""
    return f"{upper_first(_NAMES[kind])}, suppressed: {'; '.join(parts)}."


def _percent(value: float) -> str:
    return "an unknown share" if math.isnan(value) else f"{value:.0%}"


def _test(rows: list[_Row], kind: str, arm: str, other: str) -> _Row:
    wanted = (kind, "suppress", arm, other)
    return next(
        row for row in rows if (row["kind"], row["mode"], row["set"], row["against"]) == wanted
    )


def _say_degenerate(kind: str, rows: list[_Row], knows: bool) -> str:
    """Say whether D moves the log-odds more than as many neurons chosen alike."""
    row = _test(rows, kind, "dkn", "kn")
    name = upper_first(_NAMES[kind])
    if not row["n"]:
        return f"{name}: no pair has degenerate knowledge neurons."
    sentence = (
        f"{name}: suppressing D lowers the log-odds by {row['shift']:.2f}, as many knowledge "
        f"neurons that are not degenerate by {row['other']:.2f} ({row['n']:,} pairs; difference "
        f"{row['difference']:+.2f}, {_behind(row, 2)}): {_verdict(row)}."
    )
    return as_claim(sentence, knows and stands(row["n"], row["p"], row["difference"]))


def _behind(row: _Row, digits: int = 1) -> str:
    interval = from_to(row["low"], row["high"], digits)
    return f"{interval}, {p_words(row['p'])}" if interval else p_words(row["p"])


def _verdict(row: _Row) -> str:
    if row["n"] < FEW:
        return "too few for a claim"
    if not row["p"] < ALPHA:
        return "no difference that could be told from chance"
    return "more" if row["difference"] > 0 else "less"


def _say_held_out(row: _Row, knows: bool) -> str:
    name = f"{upper_first(_NAMES[row['kind']])}, held-out pairs"
    if not row["n"]:
        return (
            f"{name}: no paradigm has {_NEURONS[row['source']]} in common, so whether they "
            "generalise cannot be asked."
        )
    sentence = (
        f"{name}: {_NEURONS[row['source']]} common to one half of a paradigm or relation "
        f"({row['neurons']:.1f} on average; none in {row['without neurons']} of {row['groups']} "
        f"groups) lower the log-odds in the other half by {row['shift']:.2f}, random ones in the "
        f"same layers by {row['other']:.2f} ({row['n']:,} pairs, {_behind(row, 2)}), and turn "
        f"{_percent(row['flips'])} of the preferences: {_verdict(row)}."
    )
    return as_claim(sentence, knows and stands(row["n"], row["p"], row["difference"]))


def _say_side_by_side(rows: list[_Row]) -> str:
    """Say whether grammar and facts differ, as the thesis of knowledge neurons would have it."""
    parts = []
    for row in rows:
        if row["mode"] != "suppress" or row["measure"] == "dProb":
            continue
        few = min(row["n grammar"], row["n facts"]) < FEW
        if few:
            how = "too few to tell"
        elif math.isnan(row["p"]):
            how = "no difference"
        elif row["p"] < ALPHA:
            how = "larger for " + ("grammar" if row["grammar"] > row["facts"] else "facts")
        else:
            how = "no difference"
        set_name = "all" if row["set"] == "own" else "D"
        parts.append(
            f"{row['measure']} of {set_name} {row['grammar']:.2f} against {row['facts']:.2f} "
            f"({p_words(row['p'])}, {how})"
        )
    return f"Neurons of grammar beside neurons of facts: {'; '.join(parts)}."


def _say_ranks(row: _Row) -> str:
    if not row["groups"]:
        return ""
    return (
        f"R1 of the attributions, {_NAMES[row['kind']]}: {row['R1']:.2f}, with entries shuffled "
        f"{row['shuffled']:.2f} ({row['groups']} groups, {p_words(row['p'])}); 1 would be one "
        "pattern for all pairs of a group, 0 a pattern for each."
    )


def _say_frequency(row: _Row) -> str:
    if math.isnan(row["R2"]):
        return ""
    by = "the model's first words" if row["frequency"] == "model" else "the corpus"
    slope = f"slope {row['slope']:+.2f}, {p_words(row['p of slope'])}"
    sentence = (
        f"Word frequency ({by}) explains {row['R2']:.0%} of the shift of {_NAMES[row['kind']]} "
        f"({slope}); between equally frequent words it is {row['constant']:.2f} "
        f"({from_to(row['low'], row['high'], 2)})."
    )
    if row["flips"]:
        sentence += (
            f" Of {row['flips']:,} preferences that turn, {row['to the frequent']:.0%} go to the "
            f"more frequent word; {row['expected']:.0%} would by chance "
            f"({p_words(row['p of flips'])})."
        )
    return sentence


def _say_edits(rows: list[_Row], tests: list[_Row]) -> list[str]:
    if not rows:
        return ["No fact could be edited."]
    n = rows[0]["edits"]
    parts = [
        f"{row['set']} {_percent(row['efficacy'])}, {_percent(row['in other words'])}, "
        f"{_percent(row['locality'])}"
        for row in rows
    ]
    sentences = [
        f"Edits of {n} known facts succeed, hold in other words, and leave other facts alone, by "
        f"trained neurons: {'; '.join(parts)}.",
        _say_reverse(rows[0]),
    ]
    worded = {row["dkn against"]: row for row in tests if row["measure"].startswith("says")}
    pair = [worded["kn"], worded["random"]]
    parts = [
        f"{row['difference']:+.0%} against {name} ({p_words(row['p'])})"
        for name, row in zip(("other knowledge neurons", "random neurons"), pair, strict=True)
    ]
    # random neurons alone would not do: that any neurons of the fact are better is the old thesis
    holds = all(stands(row["n"], row["p"], row["difference"]) for row in pair)
    verdict = "an edit in D carries over best" if holds else "no advantage of D over both is shown"
    sentences.append(
        as_claim(f"In other words, an edit in D is said {and_list(parts)}: {verdict}.", holds)
    )
    return sentences


def _say_reverse(row: _Row) -> str:
    if not row["asked in reverse"]:
        return "No edit is of a one-to-one relation that can be asked in reverse."
    if not row["not vacuous"]:
        return (
            f"Symmetry cannot be tested: of {row['asked in reverse']} edited facts the model "
            "answers none in reverse, even before the edit."
        )
    return (
        f"Symmetry: of {row['asked in reverse']} edited facts {row['not vacuous']} were answered "
        f"in reverse before; after an edit in D the subject comes out for the new answer in "
        f"{_percent(row['symmetry'])} of these."
    )


_SHOWN = {
    "own": "knowledge neurons",
    "own_random_layers": "random, as many",
    "dkn": "D",
    "kn": "N",
    "random_layers": "random, as many as D",
}
_SETS = {
    "own": "all",
    "own_random": "random",
    "own_random_layers": "random in the same layers",
    "dkn": "D",
    "kn": "N",
    "random": "random",
    "random_layers": "random in the same layers",
}
_MEASURES = {
    "efficacy": "new answer\nlikelier",
    "in other words": "in other\nwords",
    "symmetry": "in reverse",
    "locality": "other facts\nkept",
}


def _draw_shift(frames: Collected, frame: Any) -> Picture | None:
    if not len(frames.effects):
        return None
    ax = free_axes(6.8, 5.2)
    shown = frame[(frame["mode"] == "suppress") & frame["set"].isin(_SHOWN)]
    handles, names = [], []
    for k, (arm, label) in enumerate(_SHOWN.items()):
        style = look(k)
        for row in shown[shown["set"] == arm].to_dict("records"):
            handle = ax.plot(
                [100 * row["dProb"]],
                [100 * row["flips"]],
                linestyle="none",
                markersize=9,
                marker=style["marker"],
                markeredgewidth=1.8,
                markeredgecolor=style["color"],
                markerfacecolor="none" if row["kind"] == "grammar" else style["color"],
            )[0]
            if np.isfinite([row["dProb"], row["flips"]]).all():
                handles.append(handle)
                names.append(f"{row['kind']}: {label}")
    reach = np.array([[*ax.get_xlim()], [*ax.get_ylim()]])
    low, high = min(reach[:, 0].min(), 0.0), max(reach[:, 1].max(), 1.0)
    line = ax.plot([low, high], [low, high], color="0.75", linewidth=1, zorder=0)[0]
    ax.set(
        xlabel="mean fall of the probability of what fits (%)",
        ylabel="preferences turned (%)",
        xlim=(low, high),
        ylim=(low, high),
    )
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, [*handles, line], [*names, "as many as the fall"])
    return Picture(
        ax.figure,
        "Shift against change: suppressed neurons of grammar (open) and of facts (filled)",
        "Far below the line probabilities move much and answers little, the point of the "
        "critique. The numbers are in the table categorical.",
    )


def _draw_tests(frames: Collected, frame: Any) -> Picture | None:
    if not len(frames.effects):
        return None
    shown = frame[(frame["mode"] == "suppress") & (frame["against"] != "before")]
    names = [
        f"{kind}: {_SETS[a]} - {_SETS[b]}"
        for kind, a, b in shown[["kind", "set", "against"]].to_numpy()
    ]
    return effects_picture(
        shown,
        names,
        "Suppressed neurons against sets of the same size",
        "Mean differences, paired by pair, with 95 % intervals; n and Holm-corrected p as in the "
        "table tests. Against random neurons a difference is expected of neurons chosen by what is "
        "measured; D against N (kn) is between sets chosen alike.",
        label="fall of the log-odds minus that of the other set",
        size=(8.6, 1.4 + 0.34 * len(shown)),
    )


def _draw_ranks(frames: Collected) -> Picture | None:
    if not frames.ranks["share"].notna().any():
        return None
    ranks = frames.ranks[frames.ranks["share"].notna()]
    groups = list(dict.fromkeys(zip(ranks["kind"], ranks["group"], strict=True)))
    groups = [pair for kind in ("grammar", "facts") for pair in groups if pair[0] == kind]
    place = {pair: k for k, pair in enumerate(groups)}
    ax = free_axes(7.2, 1.8 + 0.24 * len(groups))
    handles, names = [], []
    for k, (what, column) in enumerate(
        (what, column) for what in ("attributions", "effects") for column in ("share", "shuffled")
    ):
        own = ranks[ranks["what"] == what]
        style = look(k // 2)
        heights = [place[pair] for pair in zip(own["kind"], own["group"], strict=True)]
        handles.append(
            ax.plot(
                own[column],
                np.array(heights, dtype=np.float64) + (k // 2 - 0.5) * 0.3,
                linestyle="none",
                marker=style["marker"],
                markersize=6,
                color=style["color"],
                markerfacecolor="none" if column == "shuffled" else style["color"],
            )[0]
        )
        names.append(what if column == "share" else f"{what}, shuffled")
    ax.set_yticks(range(len(groups)), [f"{kind}: {name}" for kind, name in groups], fontsize=8)
    ax.set(xlabel="rank-1 share R1", xlim=(-0.02, 1.02), ylim=(len(groups) - 0.4, -0.6))
    ax.grid(color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, handles, names)
    return Picture(
        ax.figure,
        "R1: how alike the pairs of a paradigm or relation are",
        "Filled: of the attributions of the pairs, and of the effects of single neurons on them; "
        "open: with the entries of each row shuffled, what such values have in common when they "
        "share no neuron. Means are in the table r1.",
    )


def _draw_edits(frames: Collected, frame: Any) -> Picture | None:
    if not len(frames.edits):
        return None
    ax = free_axes(7.2, 4.2)
    thick = 0.8 / len(EDIT_ARMS)
    handles, names = [], []
    for k, row in enumerate(frame.to_dict("records")):
        values = np.array([100 * row[name] for name in _MEASURES], dtype=np.float64)
        at = np.arange(len(values)) + (k - (len(EDIT_ARMS) - 1) / 2) * thick
        there = np.isfinite(values)
        handles.append(
            ax.bar(
                at[there],
                values[there],
                width=thick,
                color=look(k)["color"],
                edgecolor="white",
                hatch=("", "///", "...", "xxx")[k],
            )
        )
        names.append(EDIT_ARMS[row["set"]])
        for x, value in zip(at[there], values[there], strict=True):
            ax.annotate(
                f"{value:.0f}",
                (x, value),
                xytext=(0, 2),
                textcoords="offset points",
                ha="center",
                fontsize=7,
            )
    for place, name in enumerate(_MEASURES):
        if not frame[name].notna().any():
            ax.annotate("no value", (place, 3), ha="center", color="0.4", fontsize=8)
    ax.set_xticks(range(len(_MEASURES)), list(_MEASURES.values()))
    ax.set(ylabel="share (%)", ylim=(0, 112))
    ax.grid(axis="y", color="0.92", linewidth=0.8)
    ax.set_axisbelow(True)
    legend_below(ax, handles, names)
    return Picture(
        ax.figure,
        "Edits: what follows from a new answer, by the neurons that were trained",
        "Means over edits. That the new answer is likelier is what is trained; the other three "
        "are what an edit of knowledge would bring with it. In reverse: only facts whose reverse "
        "was known before. The numbers are in the table edits.",
    )


TABLES = {
    "knowledge": _knowledge_table,
    "shift": _shift_table,
    "categorical": _categorical_table,
    "tests": shift_tests,
    "kinds": kinds_table,
    "r1": _ranks_table,
    "frequency": _frequency_table,
    "generalisation": generalisation,
    "edits": _edits_table,
    "edit_tests": edit_tests,
    "exclusions": _exclusions_table,
}
PICTURES = {
    "shift": lambda frames, tables: _draw_shift(frames, tables["categorical"].frame),
    "tests": lambda frames, tables: _draw_tests(frames, tables["tests"].frame),
    "r1": lambda frames, tables: _draw_ranks(frames),
    "edits": lambda frames, tables: _draw_edits(frames, tables["edits"].frame),
}
