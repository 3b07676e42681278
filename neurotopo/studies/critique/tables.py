"""The tables of the critique study."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy import stats

from neurotopo.report.summary import Table
from neurotopo.studies.critique.comparisons import (
    edit_tests,
    generalisation,
    kinds_table,
    shift_tests,
)
from neurotopo.studies.critique.measures import line_through, votes_of
from neurotopo.studies.critique.rows import ARMS, EDIT_ARMS, MODES, Collected
from neurotopo.studies.statistics import finite_mean, holm, mean_interval, paired

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tables_of"]


def tables_of(found: Collected) -> dict[str, Table]:
    """Return all tables of a run, in the order of a report."""
    return {
        "knowledge": _knowledge(found),
        "shift": _shift(found),
        "categorical": _categorical(found),
        "tests": shift_tests(found),
        "kinds": kinds_table(found),
        "r1": _ranks(found),
        "frequency": _frequency(found),
        "generalisation": generalisation(found),
        "edits": _edits(found),
        "edit_tests": edit_tests(found),
        "exclusions": _exclusions(found),
    }


def _knowledge(found: Collected) -> Table:
    import pandas as pd

    rows = []
    usable = found.usable
    for kind in found.kinds:
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


def _shift(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for kind in found.kinds:
        for mode in MODES:
            for arm in ARMS:
                own = found.of(kind, mode, arm)
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


def _categorical(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for kind in found.kinds:
        for mode in MODES:
            for arm in ARMS:
                own = found.of(kind, mode, arm)
                control = "own_random_layers" if arm.startswith("own") else "random_layers"
                random = found.of(kind, mode, control)["flip"].rename("random")
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
    if len(frame):
        frame["p"] = holm(frame["p"].to_numpy(dtype=np.float64))
    return Table(
        frame,
        "Categorical. How often another word becomes the likelier one",
        "'flips': share of the n pairs, whose fitting word was the likelier one, where it no "
        "longer is; p: exact sign test against random neurons, as many in each layer, "
        "Holm-corrected over all rows. 'answers lost': share of facts that were answered and no "
        "longer are. dProb stands beside them: probabilities may move much and answers little.",
        {"p": "p"},
    )


def _ranks(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for kind in found.kinds:
        for what in ("attributions", "effects"):
            own = found.ranks[(found.ranks["kind"] == kind) & (found.ranks["what"] == what)]
            result = paired(own["share"], own["shuffled"])
            rows.append(
                {
                    "kind": kind,
                    "rows": what,
                    "groups": result.n,
                    "pairs": finite_mean(own["rows"]),
                    "neurons": finite_mean(own["columns"]),
                    "R1": result.mean_a,
                    "shuffled": result.mean_b,
                    "difference": result.difference,
                    "low": result.low,
                    "high": result.high,
                    "p": result.p_wilcoxon,
                    "d": result.d,
                }
            )
    frame = pd.DataFrame(rows)
    if len(frame):
        frame["p"] = holm(frame["p"].to_numpy(dtype=np.float64))
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


def _frequency(found: Collected) -> Table:
    import pandas as pd

    rows = []
    usable = found.usable.set_index(["kind", "pair"])
    ratios = {"model": usable["frequency_good"] - usable["frequency_bad"]}
    if usable["count_good"].notna().any():
        counts = usable[["count_good", "count_bad"]].astype(np.float64)
        ratios["corpus"] = np.log1p(counts["count_good"]) - np.log1p(counts["count_bad"])
    for kind in found.kinds:
        for arm in ("own", "dkn"):
            effects = found.of(kind, "suppress", arm)
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
    for column in ("p", "p of slope"):
        if len(frame):
            frame[column] = holm(frame[column].to_numpy(dtype=np.float64))
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


def _edits(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for arm, what in EDIT_ARMS.items():
        own = found.edits[found.edits["arm"] == arm]
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
        pd.DataFrame(rows if len(found.edits) else []),
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


def _exclusions(found: Collected) -> Table:
    import pandas as pd

    rows: list[dict[str, Any]] = []

    def add(part: str, sets: str, reason: str, n: int, of: int) -> None:
        rows.append({"part": part, "sets": sets, "reason": reason, "n": n, "of": of})

    for kind, pairs in found.pairs.groupby("kind"):
        for reason, n in pairs["reason"].value_counts().sort_index().items():
            add(f"pairs of {kind}", "all", str(reason), int(n), len(pairs))
        done = pairs[pairs["reason"].isna()]
        add(f"pairs of {kind}", "all", "no neurons", int((done["n_own"] == 0).sum()), len(done))
        for reason, n in done["no_dkn"].value_counts().sort_index().items():
            add(f"pairs of {kind}", "those with D", str(reason), int(n), len(done))
        for mode in MODES:
            own = found.of(str(kind), mode, "own")
            add(
                f"pairs of {kind}",
                "dProb of all",
                f"extreme change, {mode}",
                int(own["extreme"].sum()),
                len(own),
            )
    for reason, n in found.passed["reason"].value_counts().sort_index().items():
        add("facts for edits", "all", str(reason), int(n), len(found.passed) + _n_edits(found))
    for item, error in found.failed:
        add("failed", "all", f"{item}: {error}", 1, found.n_done + len(found.failed))
    return Table(
        pd.DataFrame(rows, columns=["part", "sets", "reason", "n", "of"]),
        "What was left out, and why",
        "The same for every set of neurons: a pair is left out for all sets, or for all that need "
        "degenerate neurons. Facts for edits are tried until one is known and has degenerate "
        "neurons. 'failed' are whole groups or edits.",
    )


def _n_edits(found: Collected) -> int:
    return int(found.edits["case"].nunique())
