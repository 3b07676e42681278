"""The tables of the study of languages: the paper's Table 10, and what has to stand beside it."""

from __future__ import annotations

import math
from functools import reduce
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from neurotopo.knowledge.languages import ARMS
from neurotopo.report.summary import Table
from neurotopo.studies.acquisition.tables import tables_of as acquired_tables
from neurotopo.studies.crosslingual import comparisons
from neurotopo.studies.crosslingual.comparisons import share_interval
from neurotopo.studies.crosslingual.draws import KINDS as DRAWS
from neurotopo.studies.crosslingual.overlaps import CONTROLS, KINDS
from neurotopo.studies.crosslingual.rows import Collected
from neurotopo.studies.statistics import finite_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["tables_of"]

_OVER = "'known': over the facts that the model answers correctly in every language."
_P = {"p": "p"}


def tables_of(found: Collected, values: pd.DataFrame) -> dict[str, Table]:
    """Return all tables of a run, in the order of a report.

    Parameters
    ----------
    found : Collected
        The rows.
    values : DataFrame
        The overlaps of all facts, :func:`~neurotopo.studies.crosslingual.overlaps.overlaps`.
    """
    by_language = {name: acquired_tables(own) for name, own in found.acquired.items()}
    return {
        "facts": _facts(found),
        "table10": _stacked(
            by_language,
            "table1",
            "Table 10. Mean GCR by number of components and language",
            "One part per language is Table 1 of the study acquisition. The paper's text says that "
            "the columns are layers; its numbers, and Table 1, are by the number of components, "
            "and so are these. 'average 2-8' is the paper's average. The paper has K-Means and NTC "
            "for French only, and no random groups: those say what a number would be if the "
            "grouping meant nothing.",
        ),
        "table10_counts": _stacked(
            by_language,
            "table1_counts",
            "Facts behind each number of Table 10",
            "A mean of a few facts says little.",
        ),
        "table10_jump": _stacked(
            by_language,
            "table1_jump",
            "Mean jump by number of components and language, in points",
            "The jump is dProb_n - dProb_(n-1), the last step of the curve.",
        ),
        "table10_paired": Table(
            comparisons.jumps(found),
            "NTC against the other methods in each language, paired by fact",
            "Over the facts where both methods count; 'known': those that the model answers "
            "correctly in this language. Intervals are 95 %; p is Wilcoxon's signed-rank test, "
            "'p of t' the paired t-test, Holm-corrected within a measure and multiplied by the "
            "number of languages; d: mean difference / standard deviation of the differences. The "
            "paper gives no test for its Table 10.",
            {"p": "p", "p of t": "p"},
        ),
        "controls": Table(
            comparisons.controls(found),
            "Every method against random groups in its sizes, in each language",
            "Jumps in points, paired by fact. 'all potential': of all clusters before the filter, "
            "the fair comparison. 'components': of those that passed. 'known': over the facts that "
            "the model answers correctly in this language. p: Wilcoxon's signed-rank test, "
            "Holm-corrected over the methods and multiplied by the number of languages.",
            _P,
        ),
        "overlap_sizes": _sizes(values),
        "overlap": _overlap(values),
        "succ": _succ(found),
        "changes": Table(
            comparisons.changes(found.arms),
            "Changes of the answers by arm, in points",
            "Relative change of the answer's probability in the direction wanted: the fall for a "
            "scale below 1, the rise above. 'own' are the neurons of the fact, 'control' random "
            f"ones of the same sizes and overlap, paired by fact. {_OVER} p: Wilcoxon's test, "
            "Holm-corrected over the rows of a scale over the same facts. The neurons were chosen "
            "by the answer that is asked for in their own language: that they beat random ones "
            "there, also in a model that knows nothing, is no evidence.",
            _P,
        ),
        "crossing": Table(
            comparisons.crossing(found.arms),
            "Edits that cross: the neurons of one language edited, the question in another",
            "Changes in points as wanted, paired by fact. The question in one language alone chose "
            "the neurons. Answers: 'alike', some word is the same in both languages, so that "
            "the neurons were chosen for the word that is asked for, whatever the language; "
            "'different', no word is the same, and only these rows say that a fact crosses. "
            f"{_OVER} p: Wilcoxon's test, Holm-corrected over the rows of a scale over the same "
            "facts.",
            _P,
        ),
        "shared_or_not": Table(
            comparisons.shared_or_not(found.matched),
            "Shared neurons against as many others of the same language",
            "Changes in points as wanted, paired by fact, over the facts with shared neurons and "
            "others in the language. Circular: a shared neuron was chosen by the question that is "
            "asked, too, and one that is not shared was not. It says that attribution does what it "
            f"should, not that a fact is stored independently of languages. {_OVER} p: Wilcoxon's "
            "test, Holm-corrected over the rows of a scale over the same facts.",
            _P,
        ),
        "layers": _layers(found),
        "exclusions": _exclusions(found, values),
        "exclusions_edits": _edit_exclusions(found),
        "table10_exclusions": _stacked(
            by_language,
            "exclusions",
            "Why facts have no GCR to count, by language and method",
            "As in the study acquisition; a fact is counted at the first reason that applies.",
        ),
    }


def _stacked(by_language: dict[str, dict[str, Table]], name: str, title: str, note: str) -> Table:
    """Return one table of the acquisition study for all languages, one below the other."""
    import pandas as pd

    frames = []
    for language, tables in by_language.items():
        frame = tables[name].frame.copy()
        frame.insert(0, "language", language)
        frames.append(frame)
    frame = pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()
    return Table(frame, title, note)


def _facts(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for language in found.languages:
        own = found.by_language[found.by_language["language"] == language]
        rows.append(
            {
                "language": language,
                "facts": len(own),
                "known": int((own["known"] == True).sum()),  # noqa: E712
                "probability": _median(own["probability"]),
                "neurons": _median(own["n_neurons"]),
                "without neurons": int((own["n_neurons"] == 0).sum()),
                "with a DKN": int((own["n_degenerate"] > 0).sum()),
            }
        )
    columns = list(rows[0]) if rows else ["language", "facts", "known"]
    if rows:
        every = found.facts[found.facts["known"].notna()]
        rows.append({"language": "all of them", "facts": len(every), "known": len(found.known)})
    return Table(
        pd.DataFrame(rows, columns=columns),
        "What the model knows in each language",
        "'known': answered correctly, every token of an answer being the likeliest one; in the "
        "last row, in every language. Medians of the answer's probability and of the number of "
        "knowledge neurons. 'with a DKN': at least two of NTC's components count.",
    )


def _sizes(values: pd.DataFrame) -> Table:
    import pandas as pd

    rows = []
    for (kind, first, second), part in values.groupby(["kind", "first", "second"], sort=False):
        for answers in comparisons.ANSWERS:
            some = part if answers == "all" else part[part["answers"] == answers]
            rows.append(
                {
                    "neurons": KINDS[str(kind)],
                    "languages": f"{first} & {second}",
                    "answers": answers,
                    "facts": len(some),
                    "in first": finite_mean(some["n_first"]),
                    "in second": finite_mean(some["n_second"]),
                    "shared": finite_mean(some["shared"]),
                    "none shared": int((some["shared"] == 0).sum()),
                    "Jaccard": finite_mean(some["jaccard"]),
                    **{CONTROLS[name]: finite_mean(some[name]) for name in CONTROLS},
                }
            )
    return Table(
        pd.DataFrame(rows),
        "Language-independent neurons: how many there are",
        "Means over the facts with such neurons in both languages. 'shared': neurons of both, the "
        "language-independent ones. The last columns are mean Jaccard indices too, over the facts "
        "that have such a control: of the fact's neurons in one language with those of other facts "
        "in the other, and of random sets of the same sizes (their exact expectation).",
    )


def _overlap(values: pd.DataFrame) -> Table:
    frame = comparisons.overlap(values)
    frame["neurons"] = frame["neurons"].map(KINDS)
    frame["against"] = frame["against"].map(CONTROLS)
    return Table(
        frame,
        "Overlap across languages against what it would be for another fact, and by chance",
        "Jaccard index of a fact's neurons in two languages ('own'), paired by fact with its mean "
        "index with other facts of the same relation, about other subjects, in the other language, "
        "both directions together ('other facts'), with those among them that have the same "
        "answer, with the same subject's other answers (of other years), and with random sets. "
        "Only against other facts it is about the fact; random sets are beaten by neurons that are "
        "busy whatever is asked. Answers: 'alike', some word is the same in "
        f"both languages; 'different', none is. {_OVER} p: Wilcoxon's test, Holm-corrected over "
        "all rows of a kind of neurons over the same facts.",
        _P,
    )


def _succ(found: Collected) -> Table:
    frame = comparisons.successes(found.arms)
    bounds = [
        share_interval(round(row["own"] * row["n"]) if row["n"] else 0, int(row["n"]))
        for row in frame.to_dict("records")
    ]
    at = list(frame.columns).index("control")
    frame.insert(at, "own low", [low for low, _ in bounds])
    frame.insert(at + 1, "own high", [high for _, high in bounds])
    arms = {"first": "first, asked in both", "second": "second, asked in both"}
    frame["arm"] = frame["arm"].map(lambda arm: arms.get(arm, arm))
    return Table(
        frame,
        "Succ: how often an edit changes the answers in both languages as wanted",
        "Share of the facts where the answer's probability moves as wanted by more than "
        "least_change in both languages: it falls for a scale below 1 and rises above. 'own': "
        "with the neurons of the fact, and Wilson's 95 % interval; 'in first', 'in second': in one "
        "language. 'control': with random neurons of the same sizes and overlap, paired by fact. "
        "p: sign test (McNemar's), Holm-corrected over the rows of a scale over the same facts. "
        "A fact without a shared neuron is no success of the arm 'shared'. Neurons were chosen by "
        "the same answers, so that Succ above that of random neurons is no evidence by itself: "
        f"see the table crossing. {_OVER}",
        _P,
    )


def _layers(found: Collected) -> Table:
    import pandas as pd

    frame = pd.DataFrame({"layer": np.arange(found.shape[0])})
    for language in found.languages:
        frame[language] = _by_layer(found, [own[language] for own in found.neurons.values()])
    for name, sets in (("shared", found.neurons), ("shared DKNs", found.degenerate)):
        common = [reduce(lambda a, b: a & b, own.values()) for own in sets.values()]
        frame[name] = _by_layer(found, common)
    return Table(
        frame,
        "Neurons by layer",
        "Knowledge neurons of all facts in each language, and those of one fact in every language.",
    )


def _by_layer(found: Collected, sets: Any) -> Any:
    layers = [layer for own in sets for layer, _ in own]
    return np.bincount(np.array(layers, dtype=np.int64), minlength=found.shape[0])


def _exclusions(found: Collected, values: pd.DataFrame) -> Table:
    import pandas as pd

    facts = found.facts
    n_done = len(found.neurons)
    rows: list[dict[str, Any]] = [
        {"what": "facts", "reason": reason, "facts": int(count), "of": len(facts)}
        for reason, count in (
            ("failed", facts["error"].notna().sum()),
            ("a language is missing", (facts["missing"] != "").sum()),
            ("not known in every language (only_known)", facts["left_out"].sum()),
        )
    ]
    for first, second in combinations(found.languages, 2):
        pair = {"languages": f"{first} & {second}"}
        for kind, label in KINDS.items():
            there = values[
                (values["kind"] == kind) & (values["first"] == first) & (values["second"] == second)
            ]
            missing = {f"no {label} in a language": n_done - len(there)}
            if kind == "knowledge":
                missing["no shared neuron, so no success of the arm shared"] = int(
                    (there["shared"] == 0).sum()
                )
            rows += [
                {"what": f"overlap of {label}", **pair, "reason": reason, "facts": n, "of": n_done}
                for reason, n in missing.items()
            ]
    for (edited, asked, scale), some in found.matched.groupby(["edited", "asked", "scale"]):
        for reason, count in some["reason"].dropna().value_counts().sort_index().items():
            rows.append(
                {
                    "what": "shared or not",
                    "languages": f"{edited} edited, {asked} asked",
                    "scale": scale,
                    "reason": reason,
                    "facts": int(count),
                    "of": len(some),
                }
            )
    columns = ["what", "languages", "scale", "reason", "facts", "of"]
    return Table(
        pd.DataFrame(rows, columns=columns),
        "What was left out, and why",
        "A fact may be counted at several reasons.",
    )


def _edit_exclusions(found: Collected) -> Table:
    import pandas as pd

    rows = []
    for (first, second, scale), part in found.arms.groupby(["first", "second", "scale"]):
        for kind in DRAWS:
            for reason in ("probability zero", "extreme change"):
                bad = part[(part["neurons"] == kind) & (part["reason"] == reason)]
                rows.append(
                    {
                        "languages": f"{first} & {second}",
                        "scale": scale,
                        "neurons": kind,
                        "reason": reason,
                        **{arm: bad.loc[bad["arm"] == arm, "fact"].nunique() for arm in ARMS},
                        "left out of all": part.loc[part["excluded"] == True, "fact"].nunique(),  # noqa: E712
                        "facts": part["fact"].nunique(),
                    }
                )
    return Table(
        pd.DataFrame(rows),
        "Edits that do not count, by arm and neurons",
        "Numbers of facts. Where the answer has the probability 0 there is no relative change, and "
        "one above max_change is an outlier (Eq 18). A fact with either in any arm, with any "
        "neurons, is left out of all of them at this scale ('left out of all').",
    )


def _median(values: Any) -> float:
    finite = np.asarray(values, dtype=np.float64)
    finite = finite[np.isfinite(finite)]
    return float(np.median(finite)) if len(finite) else math.nan
