"""Frames, tables, findings and pictures of the critique study."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from neurotopo.datasets.dataset import pluralize
from neurotopo.plots._series import look
from neurotopo.report.summary import Picture, Table, free_axes
from neurotopo.studies.compare import (
    comparisons,
    corrected,
    frame_of,
    in_both,
    independent_cells,
    row_where,
)
from neurotopo.studies.critique.edits import (
    edit_findings,
    edit_frame,
    edit_rows,
    edit_tests,
    edits_picture,
    edits_table,
)
from neurotopo.studies.critique.pairs import (
    KINDS,
    MODES,
    effect_rows,
    held_rows,
    line_through,
    pair_cells,
    votes_of,
)
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    MARGINS,
    as_claim,
    from_to,
    interval_and_p,
    nothing_done,
    p_words,
    percent,
    records,
    row_stands,
    too_few,
    upper_first,
    verdict,
)
from neurotopo.studies.pictures import effects_picture, legend_and_grid
from neurotopo.studies.rows import Row
from neurotopo.studies.statistics import finite_mean, independent, mean_interval, paired

__all__ = ["ARMS", "MODES", "PICTURES", "TABLES", "Collected", "collect", "findings_of"]

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

_PAIRS = (
    "kind, group, pair, reason, good_word, bad_word, good, odds, answered, frequency_good, "
    "frequency_bad, count_good, count_bad, n_own, n_dkn, no_dkn"
)
_EFFECTS = (
    "kind, group, pair, mode, arm, size, dprob, odds_before, odds_after, push, flip, lost, extreme"
)
_RANKS = "kind, group, what, share, shuffled, rows, columns"
_HELD = "kind, group, pair, source, size, arm, odds_before, push, flip"
_HALVES = "kind, group, n_train, n_test, own, dkn"
_Row = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Collected:
    """The stored results of all pairs and edits of a run.

    Attributes
    ----------
    pairs : DataFrame
        A row per pair: the ``reason`` why it was left out, or the probability of the fitting word
        (``good``), its log-odds against the other word (``odds``), whether a fact was
        ``answered``, the frequencies and the numbers of neurons.
    effects : DataFrame
        A row per pair, mode and set of neurons. ``dprob``: relative fall of the probability;
        ``push``: movement of the log-odds in the expected direction (down when suppressed, up
        when enhanced); ``flip``: whether a preference was lost; ``lost``: whether an answer was
        (both nan where there was none). ``extreme``: for some set of the pair and mode dProb is
        beyond the limit.
    ranks : DataFrame
        A row per group and kind of row: the rank-1 share, and with entries shuffled.
    held_out : DataFrame
        A row per pair of a held-out half, source of neurons and set.
    halves : DataFrame
        A row per group: the sizes of its halves and the numbers of common neurons.
    edits : DataFrame
        A row per edit and set of neurons.
    passed : DataFrame
        A row per fact that was no candidate for an edit, with the ``reason``.
    failed : list of (str, str)
        The items that failed, with the errors.
    n_done : int
        The number of other items.
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
        """The kinds of pairs that were not all left out."""
        return [kind for kind in KINDS if kind in set(self.usable["kind"])]

    @property
    def usable(self) -> pd.DataFrame:
        """The pairs that were not left out."""
        return self.pairs[self.pairs["reason"].isna()]

    def of(self, kind: str, mode: str, arm: str) -> pd.DataFrame:
        """Return the effects of one set of neurons, with the pairs as index."""
        rows = self.effects
        chosen = (rows["kind"] == kind) & (rows["mode"] == mode) & (rows["arm"] == arm)
        return rows[chosen].set_index("pair")

    def sets(self) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
        """Yield the first cells of a row and the effects, for each kind, mode and set."""
        for kind in self.kinds:
            for mode in MODES:
                for arm in ARMS:
                    head = {"kind": kind, "mode": mode, "set": arm}
                    yield head, self.of(kind, mode, arm)


def collect(rows: Iterable[Row]) -> Collected:
    """Return the stored rows of a run as frames; rows may have failed, and there may be none."""
    names = ("pairs", "effects", "ranks", "held", "halves", "edits", "passed")
    parts: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    failed, n_done = [], 0
    for row in sorted(rows, key=lambda row: row.fact):  # so that sums do not depend on the order
        if row.error is not None:
            failed.append((row.fact, row.error))
            continue
        n_done += 1
        result, about = row.stages["result"], row.content
        if about["part"] == "edit":
            number = int(about["number"])
            parts["passed"] += [{"case": number, **one} for one in result["passed"]]
            if result["edit"] is not None:
                parts["edits"] += edit_rows(number, result["edit"])
            continue
        where = {"kind": about["kind"], "group": about["group"]}
        for pair in result["pairs"]:
            at = {**where, "pair": pair["key"]}
            parts["pairs"].append({**at, **pair_cells(pair)})
            if pair["reason"] is None:
                parts["effects"] += [{**at, **cells} for cells in effect_rows(pair)]
        for what, one in result["rank1"].items():
            n_rows, n_columns = one["shape"]
            parts["ranks"].append(
                {**where, **one, "what": what, "rows": n_rows, "columns": n_columns}
            )
        if held := result["held_out"]:
            parts["halves"].append({**where, **held, **held["sizes"]})
            parts["held"] += [{**where, **cells} for cells in held_rows(held)]
    return Collected(
        pairs=frame_of(parts["pairs"], _PAIRS).astype({"reason": object, "no_dkn": object}),
        effects=frame_of(parts["effects"], _EFFECTS),
        ranks=frame_of(parts["ranks"], _RANKS),
        held_out=frame_of(parts["held"], _HELD),
        halves=frame_of(parts["halves"], _HALVES),
        edits=edit_frame(parts["edits"]),
        passed=frame_of(parts["passed"], "case, fact, reason"),
        failed=failed,
        n_done=n_done,
    )


_AGAINST = (
    ("own", "before"),
    ("own", "own_random"),
    ("own", "own_random_layers"),
    ("dkn", "before"),
    ("dkn", "kn"),
    ("dkn", "random"),
    ("dkn", "random_layers"),
)
_P = {"p": "p", "p of t": "p"}
_MARGIN = "margin: the smallest difference that is claimed."


def shift_tests(frames: Collected) -> Table:
    """Return how far the log-odds move, against before and against sets of the same size."""
    family = []
    for kind in frames.kinds:
        for mode in MODES:
            for arm, other in _AGAINST:
                head = {"kind": kind, "mode": mode, "set": arm, "against": other}
                ours = frames.of(kind, mode, arm)["push"]
                theirs = 0 * ours if other == "before" else frames.of(kind, mode, other)["push"]
                family.append((head, *in_both(ours, theirs)))
    return Table(
        comparisons(family, "shift", "other", margin=MARGINS["log-odds"], t=True),
        "Tests. How far the log-odds move, by set of neurons",
        "Log-odds: log P(fits) - log P(does not). 'shift': their mean movement in the expected "
        "direction (down when suppressed, up when enhanced), 'other': that under the other set, 0 "
        "for before (nothing edited). Paired by pair; 95 % intervals; p: Wilcoxon's signed-rank "
        "test, 'p of t': the paired t-test of the critique, each Holm-corrected over all rows; d: "
        f"mean difference / standard deviation of the differences; {_MARGIN} The neurons are "
        "chosen by the "
        "very probability that is measured here. So they move it more than before or than random "
        "neurons also in a random model, which is no evidence of knowledge. D against N compares "
        "two sets chosen alike. Pairs of one paradigm share words, so p-values are smaller than "
        "they should be. Columns push of the stored effects.",
        _P,
    )


def generalisation(frames: Collected) -> Table:
    """Return the effect of neurons common to one half of a paradigm on the other half."""
    family: list[Any] = []
    flips: list[tuple[float, float]] = []
    held, nothing = frames.held_out, frame_of([], _HELD).astype({"push": float, "flip": float})
    for kind in frames.kinds:
        halves = frames.halves[frames.halves["kind"] == kind]
        for source in ("own", "dkn"):
            here = held[(held["kind"] == kind) & (held["source"] == source)]
            by = {arm: part.set_index("pair") for arm, part in here.groupby("arm")}
            head = {
                "groups": len(halves),
                "without neurons": int((halves[source] == 0).sum()),
                "neurons": finite_mean(halves.loc[halves[source] > 0, source]),
            }
            for other in ("random_layers", "random"):
                ours, theirs = (by.get(name, nothing) for name in ("shared", other))
                row = {"kind": kind, "source": source, "against": other, **head}
                family.append((row, *in_both(ours["push"], theirs["push"])))
                flips.append((finite_mean(ours["flip"]), finite_mean(theirs["flip"])))
    frame = comparisons(family, "shift", "other", margin=MARGINS["log-odds"], t=True)
    frame[["flips", "flips other"]] = np.array(flips, dtype=np.float64).reshape(-1, 2)
    return Table(
        frame,
        "Generalisation. Neurons common to half of a paradigm, suppressed on the other half",
        "Neurons of more than a share (option share) of the pairs in one half, drawn by the seed, "
        "of a paradigm or relation; source own: of all their knowledge neurons, dkn: of their "
        "degenerate ones. 'without neurons': groups with no common neuron, which say nothing. The "
        "held-out pairs had no part in the choice, but have words in common with the others, so "
        "neurons of a word can look like neurons of a rule. 'flips': share of held-out preferences "
        "lost. Other columns as in the table of tests; p Holm-corrected over all rows.",
        _P,
    )


def kinds_table(frames: Collected) -> Table:
    """Return grammar and facts side by side."""
    rows = []
    for mode in MODES:
        for arm in ("own", "dkn"):
            sides = [frames.of(kind, mode, arm) for kind in ("grammar", "facts")]
            for name, values, unit in (
                ("shift of the log-odds", [side["push"] for side in sides], "log-odds"),
                ("dProb", [_kept(side) for side in sides], "share"),
                ("share of flips", [side["flip"] for side in sides], "share"),
            ):
                cells = independent_cells(
                    independent(*values),
                    ["n grammar", "n facts"],
                    ["grammar", "facts"],
                    margin=MARGINS[unit],
                )
                rows.append({"mode": mode, "set": arm, "measure": name, **cells})
    frame = pd.DataFrame(rows).rename(columns={"p": "p of t", "Welch p": "p"})
    for name in ("d", "margin"):
        frame[name] = frame.pop(name)
    return Table(
        corrected(frame, ["p", "p of t"]),
        "Grammar beside facts",
        "If neurons of grammar behave as neurons of facts do, the neurons found are no store of "
        "facts: the point of the critique. Independent tests, as no pair is in both: p: Welch's, "
        "'p of t': Student's, each Holm-corrected over all rows; the interval is Welch's; d in "
        f"pooled standard deviations; {_MARGIN} "
        "The words differ in length and kind, so a difference need not be one of knowledge.",
        _P,
    )


def _kept(effects: pd.DataFrame) -> pd.Series:
    """Return dProb of the pairs without an extreme change."""
    return effects.loc[~effects["extreme"].astype(bool), "dprob"]


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
        "two words has one vote for all its pairs, and none if these are divided, so "
        "that preferring a word everywhere is not taken for knowledge; p: one-sided binomial test "
        "of the votes. 'answered': share of facts answered greedily. Neurons are means.",
        {"p": "p"},
    )


def _shift_table(frames: Collected) -> Table:
    rows = []
    for head, own in frames.sets():
        kept = _kept(own)
        mean, low, high = mean_interval(kept.to_numpy(dtype=np.float64))
        rows.append(
            {
                **head,
                "what": ARMS[head["set"]],
                "neurons": finite_mean(own["size"]),
                "n": len(kept),
                "dProb": mean,
                "low": low,
                "high": high,
                "median": float(kept.median()) if len(kept) else math.nan,
                "n log-odds": len(own),
                "log-odds": finite_mean(own["push"]),
            }
        )
    return Table(
        pd.DataFrame(rows),
        "Shift. Suppressed and enhanced neurons and the probability",
        "dProb = (before - after) / before of the probability of what fits, with its 95 % "
        "interval; negative where it rises. Pairs with |dProb| above the limit (max_change) for "
        "any set are left out of dProb for all sets of the mode (n). 'log-odds': mean movement "
        "against the word that does not fit, in the expected direction, over all pairs. Sets with "
        "D are of pairs that have degenerate neurons; the first three of all pairs.",
    )


def _categorical_table(frames: Collected) -> Table:
    rows = []
    for head, own in frames.sets():
        arm = head["set"]
        control = "own_random_layers" if arm.startswith("own") else "random_layers"
        random = frames.of(head["kind"], head["mode"], control)
        tested = paired(*in_both(own["flip"], random["flip"]))
        rows.append(
            {
                **head,
                "n": int(own["flip"].count()),
                "flips": finite_mean(own["flip"]),
                "p": math.nan if arm == control else tested.p_sign,
                "n answered": int(own["lost"].count()),
                "answers lost": finite_mean(own["lost"]),
                "dProb": finite_mean(_kept(own)),
            }
        )
    return Table(
        corrected(pd.DataFrame(rows), ["p"]),
        "Categorical. How often another word becomes the likelier one",
        "'flips': share of the n pairs, whose fitting word was the likelier one, where it no "
        "longer is; p: exact sign test against random neurons, as many in each layer, "
        "Holm-corrected over all rows. 'answers lost': share of the facts answered before that no "
        "longer are. dProb for comparison: probabilities may move much and answers little.",
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
    frame = comparisons(family, "R1", "shuffled", margin=MARGINS["index"])
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
    return Table(
        corrected(pd.DataFrame(rows), ["p", "p of slope"]),
        "Frequency. How much of the shift rare and frequent words explain",
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


def _exclusions_table(frames: Collected) -> Table:
    rows: list[dict[str, Any]] = []

    def add(part: str, sets: str, reason: str, n: Any, of: int) -> None:
        rows.append({"part": part, "sets": sets, "reason": reason, "n": int(n), "of": of})

    def add_counts(part: str, sets: str, reasons: pd.Series, of: int) -> None:
        for reason, n in reasons.value_counts().sort_index().items():
            add(part, sets, str(reason), n, of)

    for kind, pairs in frames.pairs.groupby("kind"):
        part = f"pairs of {kind}"
        add_counts(part, "all", pairs["reason"], len(pairs))
        done = pairs[pairs["reason"].isna()]
        add(part, "all", "no neurons", (done["n_own"] == 0).sum(), len(done))
        add_counts(part, "those with D", done["no_dkn"], len(done))
        for mode in MODES:
            own = frames.of(str(kind), mode, "own")
            add(part, "dProb of all", f"extreme change, {mode}", own["extreme"].sum(), len(own))
    n_tried = len(frames.passed) + frames.edits["case"].nunique()
    add_counts("facts for edits", "all", frames.passed["reason"], n_tried)
    for item, error in frames.failed:
        add("failed", "all", f"{item}: {error}", 1, frames.n_done + len(frames.failed))
    return Table(
        frame_of(rows, "part, sets, reason, n, of"),
        "What was left out, and why",
        "The same for every set of neurons: a pair is left out for all sets, or for all that need "
        "degenerate neurons. Facts for edits are tried until one is known and has degenerate "
        "neurons. 'failed': whole groups or edits.",
    )


_NEURONS = {"own": "knowledge neurons", "dkn": "degenerate knowledge neurons"}


def findings_of(frames: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    if not frames.n_done:
        return (nothing_done([error for _, error in frames.failed], "group"),)
    rows = {name: records(table.frame) for name, table in tables.items()}
    knows = {row["kind"]: _knows(row) for row in rows["knowledge"]}
    few = {row["kind"] for row in rows["knowledge"] if too_few(row["pairs"])}
    sentences = [_say_knowledge(row) for row in rows["knowledge"]]
    if not frames.kinds:
        sentences.append("No pair is left to measure.")
    for kind in (kind for kind in frames.kinds if kind not in few):
        sentences.append(_say_large_and_few(kind, tables["categorical"].frame))
        sentences.append(_say_degenerate(kind, tables["tests"].frame, knows[kind]))
        sentences.extend(
            _say_held_out(row, knows[kind])
            for row in rows["generalisation"]
            if row["kind"] == kind and row["against"] == "random_layers"
        )
    if len(frames.kinds) == 2 and not few:
        sentences.append(_say_side_by_side(rows["kinds"]))
    enough = {
        name: [row for row in rows[name] if row["kind"] not in few] for name in ("r1", "frequency")
    }
    sentences += [_say_ranks(row) for row in enough["r1"] if row["rows"] == "attributions"]
    sentences += [_say_frequency(row) for row in enough["frequency"] if row["set"] == "own"]
    sentences += edit_findings(tables["edits"], tables["edit_tests"])
    return tuple(sentence for sentence in sentences if sentence)


def _knows(row: _Row) -> bool:
    beyond = row["preferred"] >= 0.5 + MARGINS["share"]
    return bool(row["votes"] >= FEW and row["p"] < ALPHA and beyond)


def _say_knowledge(row: _Row) -> str:
    if few := too_few(row["pairs"], "pair"):
        return f"{upper_first(row['kind'])}. {few}"
    what = "word that fits" if row["kind"] == "grammar" else "answer"
    sentence = (
        f"{upper_first(row['kind'])}: in {row['preferred']:.0%} of "
        f"{pluralize(row['pairs'], 'pair')} the {what} is likelier than the other; of "
        f"{row['votes']:,} sets of words with a majority {row['for what fits']:,} are for what "
        f"fits ({p_words(row['p'])})."
    )
    if not _knows(row):
        sentence += (
            " So the model is not shown to know the words, and there are no claims about "
            f"{row['kind']}."
        )
    return sentence


def _say_large_and_few(kind: str, frame: pd.DataFrame) -> str:
    """Say how much probabilities and answers move: the point of the critique."""
    parts = []
    for arm, control in (("own", "own_random_layers"), ("dkn", "random_layers")):
        row, random = (
            row_where(frame, kind=kind, mode="suppress", set=name) for name in (arm, control)
        )
        if row["n"]:
            part = (
                f"{_NEURONS[arm]} take {percent(row['dProb'])} of the probability on average and "
                f"turn {percent(row['flips'])} of {pluralize(row['n'], 'preference')} (random "
                f"ones in the same layers {percent(random['dProb'])} and "
                f"{percent(random['flips'])})"
            )
            if row["n answered"]:
                part += f"; {percent(row['answers lost'])} of the answers are lost"
            parts.append(part)
    return f"{upper_first(kind)}, suppressed: {'; '.join(parts)}." if parts else ""


def _say_degenerate(kind: str, frame: pd.DataFrame, knows: bool) -> str:
    """Say whether D moves the log-odds more than as many neurons chosen alike."""
    row = row_where(frame, kind=kind, mode="suppress", set="dkn", against="kn")
    name = upper_first(kind)
    if not row["n"]:
        return f"{name}: no pair has degenerate knowledge neurons."
    sentence = (
        f"{name}: suppressing D lowers the log-odds by {row['shift']:.2f}, as many knowledge "
        f"neurons that are not degenerate by {row['other']:.2f} ({pluralize(row['n'], 'pair')}; "
        f"difference {row['difference']:+.2f}, {interval_and_p(row, 2)}): {_verdict(row)}."
    )
    return as_claim(sentence, knows and row_stands(row))


def _verdict(row: _Row) -> str:
    return verdict(row, "more", few="too few for a claim")


def _say_held_out(row: _Row, knows: bool) -> str:
    name = f"{upper_first(row['kind'])}, held-out pairs"
    if not row["n"]:
        return (
            f"{name}: no paradigm has {_NEURONS[row['source']]} in common, so whether they "
            "generalise cannot be tested."
        )
    sentence = (
        f"{name}: {_NEURONS[row['source']]} common to one half of a paradigm or relation "
        f"({row['neurons']:.1f} on average; none in {row['without neurons']} of {row['groups']} "
        f"groups) lower the log-odds in the other half by {row['shift']:.2f}, random ones in the "
        f"same layers by {row['other']:.2f} ({pluralize(row['n'], 'pair')}, "
        f"{interval_and_p(row, 2)}), and turn {percent(row['flips'])} of the preferences: "
        f"{_verdict(row)}."
    )
    return as_claim(sentence, knows and row_stands(row))


def _say_side_by_side(rows: Sequence[_Row]) -> str:
    """Say whether grammar and facts differ, as the thesis of knowledge neurons expects."""
    parts = []
    for row in rows:
        if row["mode"] != "suppress" or row["measure"] == "dProb":
            continue
        least = {**row, "n": min(row["n grammar"], row["n facts"])}
        words = {"few": "too few to tell", "none": "no difference"}
        how = verdict(least, "larger for grammar", "larger for facts", **words)
        neurons = "all" if row["set"] == "own" else "D"
        parts.append(
            f"{row['measure']} of {neurons} {row['grammar']:.2f} against {row['facts']:.2f} "
            f"({p_words(row['p'])}, {how})"
        )
    return f"Neurons of grammar beside neurons of facts: {'; '.join(parts)}."


def _say_ranks(row: _Row) -> str:
    if not row["groups"]:
        return ""
    return (
        f"R1 of the attributions, {row['kind']}: {row['R1']:.2f}, with entries shuffled "
        f"{row['shuffled']:.2f} ({pluralize(row['groups'], 'group')}, {p_words(row['p'])}); 1 "
        "would be one pattern for all pairs of a group, 0 a pattern for each."
    )


def _say_frequency(row: _Row) -> str:
    if math.isnan(row["R2"]):
        return ""
    by = "the model's first words" if row["frequency"] == "model" else "the corpus"
    slope = f"slope {row['slope']:+.2f}, {p_words(row['p of slope'])}"
    sentence = (
        f"Word frequency ({by}) explains {row['R2']:.0%} of the shift of {row['kind']} "
        f"({slope}); between equally frequent words it is {row['constant']:.2f} "
        f"({from_to(row['low'], row['high'], 2)})."
    )
    if row["flips"]:
        sentence += (
            f" Of {pluralize(row['flips'], 'preference')} that turn, {row['to the frequent']:.0%} "
            f"go to the more frequent word; {row['expected']:.0%} would by chance "
            f"({p_words(row['p of flips'])})."
        )
    return sentence


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
                color=style["color"],
                marker=style["marker"],
                markersize=9,
                markeredgewidth=1.8,
                fillstyle="none" if row["kind"] == "grammar" else "full",
                linestyle="none",
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
    legend_and_grid(ax, [*handles, line], [*names, "as many as the fall"])
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
        "table tests. A difference to random neurons is expected, as the neurons are chosen by "
        "what is measured; D and N (kn) are chosen alike.",
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
    legend_and_grid(ax, handles, names)
    return Picture(
        ax.figure,
        "R1: how alike the pairs of a paradigm or relation are",
        "Filled: of the attributions of the pairs, and of the effects of single neurons on them; "
        "open: with the entries of each row shuffled, so of such values without common neurons. "
        "Means are in the table r1.",
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
    "edits": lambda frames: edits_table(frames.edits),
    "edit_tests": lambda frames: edit_tests(frames.edits),
    "exclusions": _exclusions_table,
}
PICTURES = {
    "shift": lambda frames, tables: _draw_shift(frames, tables["categorical"].frame),
    "tests": lambda frames, tables: _draw_tests(frames, tables["tests"].frame),
    "r1": lambda frames, tables: _draw_ranks(frames),
    "edits": lambda frames, tables: edits_picture(tables["edits"]),
}
