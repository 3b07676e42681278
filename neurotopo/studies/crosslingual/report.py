"""Tables and findings of the study ``crosslingual``."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial, reduce
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import norm

from neurotopo.datasets.dataset import pluralize
from neurotopo.knowledge.languages import ARMS
from neurotopo.report.summary import Table
from neurotopo.studies.acquisition import report as acquisition
from neurotopo.studies.compare import comparisons, frame_of, row_where
from neurotopo.studies.crosslingual.frames import CONTROLS, DRAWS, KINDS, LanguageFrames, known_only
from neurotopo.studies.findings import (
    FEW,
    MARGINS,
    Number,
    and_list,
    as_claim,
    interval_and_p,
    nothing_done,
    p_words,
    records,
    row_stands,
    too_few,
    upper_first,
    verdict,
)
from neurotopo.studies.statistics import finite_mean, finite_median
from neurotopo.studies.study import MakeTable

__all__ = ["TABLES", "by_answers", "findings", "share_interval"]

SCOPES = ("all", "known")
"""Facts that are compared: all of them, and those that the model knows in every language."""

ANSWERS = ("all", "different", "alike")
"""Facts by their answers in two languages: ``"different"`` ones have no word in common."""

_AGAINST = tuple(name for name in DRAWS if name != "own")
_TESTS = "n, own, control, difference, low, high, p, d, margin"
_OVER = "'known': over the facts that the model answers correctly in every language."
_P = {"p": "p"}
_MARGIN = "margin: the smallest difference that is claimed."
_CORRECTED = (
    "p: Wilcoxon's test, Holm-corrected over the rows with the same scale and the same facts; "
    f"{_MARGIN}"
)

Family = list[tuple[dict[str, Any], Any, Any]]


# Comparisons


def share_interval(n_true: int, n: int) -> tuple[float, float]:
    """Return Wilson's 95 % interval of a share.

    Examples
    --------
    >>> from neurotopo.studies.crosslingual.report import share_interval
    >>> share_interval(5, 10)
    (0.237, 0.763)
    """
    if not n:
        return math.nan, math.nan
    z, p = float(norm.ppf(0.975)), n_true / n
    middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2))
    return max(middle - half, 0.0), min(middle + half, 1.0)


def by_answers(pair: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Return the facts by their answers in two languages, :data:`ANSWERS`."""
    return [(x, pair if x == "all" else pair[pair["answers"] == x]) for x in ANSWERS]


def _compared(
    families: Iterable[Family], columns: str, margin: float, p: str = "p_wilcoxon"
) -> pd.DataFrame:
    """Return a row per pair; p-values are corrected by Holm within each family."""
    parts = [
        comparisons(family, "own", "control", margin=margin, p=p) for family in families if family
    ]
    if not parts:
        return frame_of([], columns)
    return pd.concat(parts, ignore_index=True)[columns.split(", ")]


def _families(
    frame: pd.DataFrame, by: str, pair: tuple[str, str] = ("first", "second")
) -> Iterator[tuple[Any, str, list[tuple[Any, pd.DataFrame]]]]:
    """Yield each value of a column, each scope, and the rows of every two languages.

    A scope without facts is included, so that every table shows it.
    """
    for value, part in frame.groupby(by, sort=True):
        for scope in SCOPES:
            yield (
                value,
                scope,
                [
                    (names, some if scope == "all" else some[some["known"].eq(True)])
                    for names, some in part.groupby(list(pair))
                ],
            )


def _edit_families(arms: pd.DataFrame) -> Any:
    return _families(arms[arms["excluded"].eq(False)], "scale")


def _by_fact(
    arms: pd.DataFrame, arm: str, value: str, languages: Sequence[str]
) -> dict[str, pd.DataFrame]:
    """Return a value of one arm by kind of neurons, a row per fact, a column per language asked.

    The controls have the rows of the fact's neurons.
    """
    tables = {}
    for kind in DRAWS:
        rows = arms[(arms["arm"] == arm) & (arms["neurons"] == kind)]
        table = rows.pivot(index="fact", columns="asked", values=value)
        tables[kind] = table.reindex(columns=list(languages)).astype(float)
    return {kind: table.reindex(tables["own"].index) for kind, table in tables.items()}


def _overlaps(frames: LanguageFrames) -> pd.DataFrame:
    """Compare the overlap of a fact's neurons across languages with that of every control."""
    families: list[Family] = [
        [
            (
                {
                    "neurons": kind,
                    "over": over,
                    "languages": f"{first} & {second}",
                    "answers": answers,
                    "against": control,
                },
                some["jaccard"],
                some[control],
            )
            for (first, second), pair in pairs
            for answers, some in by_answers(pair)
            for control in CONTROLS
        ]
        for kind, over, pairs in _families(frames.overlaps, "kind")
    ]
    columns = f"neurons, over, languages, answers, against, {_TESTS}"
    return _compared(families, columns, MARGINS["index"])


def _successes(frames: LanguageFrames) -> pd.DataFrame:
    """Compare how often an edit changes the answers in both languages as wanted: Succ."""
    families = []
    for scale, over, pairs in _edit_families(frames.arms):
        family: Family = []
        for (first, second), pair in pairs:
            for arm in ARMS:
                share = _by_fact(pair, arm, "success", (first, second))
                both = {kind: table.min(axis=1) for kind, table in share.items()}
                head = {"over": over, "languages": f"{first} & {second}", "scale": scale}
                head |= {"arm": arm, "in first": finite_mean(share["own"][first])}
                head |= {"in second": finite_mean(share["own"][second])}
                family += [
                    ({**head, "against": control}, both["own"], both[control])
                    for control in _AGAINST
                ]
        families.append(family)
    columns = f"over, languages, scale, arm, against, {_TESTS}, in first, in second"
    return _compared(families, columns, MARGINS["share"], "p_sign")


def _moves(pair: pd.DataFrame, arm: str, asked: str, languages: Any, head: Any) -> Family:
    """Pair the changes as wanted by the fact's neurons with those by each control."""
    moved = _by_fact(pair, arm, "wanted", languages)
    return [
        ({**head, "asked": asked, "against": control}, moved["own"][asked], moved[control][asked])
        for control in _AGAINST
    ]


def _changes(frames: LanguageFrames) -> pd.DataFrame:
    """Compare the changes of the answers, in points and as wanted, by arm and language asked."""
    families: list[Family] = [
        [
            row
            for languages, pair in pairs
            for arm in ARMS
            for asked in languages
            for row in _moves(
                pair,
                arm,
                asked,
                languages,
                {"over": over, "languages": " & ".join(languages), "scale": scale, "arm": arm},
            )
        ]
        for scale, over, pairs in _edit_families(frames.arms)
    ]
    columns = f"over, languages, scale, arm, asked, against, {_TESTS}"
    return _compared(families, columns, MARGINS["points"])


def _crossings(frames: LanguageFrames) -> pd.DataFrame:
    """Compare the effect of editing one language's neurons on the answer in the other.

    Only the question in one language chose the neurons. Where the answers in both languages have
    a word in common (``"alike"``) it chose them for the other language's answer too; where they
    have none (``"different"``), it did not.
    """
    families = []
    for scale, over, pairs in _edit_families(frames.arms):
        family: Family = []
        for languages, pair in pairs:
            ways = zip(("first", "second"), languages, languages[::-1], strict=True)
            for arm, edited, asked in ways:
                for answers, some in by_answers(pair)[1:]:
                    head = {"over": over, "scale": scale, "edited": edited, "answers": answers}
                    family += _moves(some, arm, asked, languages, head)
        families.append(family)
    columns = f"over, scale, edited, asked, answers, against, {_TESTS}"
    return _compared(families, columns, MARGINS["points"])


def _shared_or_others(frames: LanguageFrames) -> pd.DataFrame:
    """Compare shared neurons of a language with as many of its others, asked in the other one."""
    kept = frames.matched[frames.matched["reason"].isna()]
    families: list[Family] = [
        [
            (
                {"over": over, "scale": scale, "edited": edited, "asked": asked},
                pair["wanted_shared"],
                pair["wanted_others"],
            )
            for (edited, asked), pair in pairs
        ]
        for scale, over, pairs in _families(kept, "scale", ("edited", "asked"))
    ]
    frame = _compared(families, f"over, scale, edited, asked, {_TESTS}", MARGINS["points"])
    return frame.rename(columns={"own": "shared", "control": "others"})


def _in_languages(compare: Callable[[Any], pd.DataFrame], frames: LanguageFrames) -> pd.DataFrame:
    """Compare in each language and scope; p-values are multiplied by the number of languages."""
    parts = []
    for language, own in frames.acquired.items():
        in_it = frames.by_language[frames.by_language["language"] == language]
        known = set(in_it.loc[in_it["known"].eq(True), "fact"])
        for scope in SCOPES:
            frame = compare(own if scope == "all" else known_only(own, known))
            frame.insert(0, "language", language)
            frame.insert(1, "over", scope)
            for column in frame.columns.intersection(["p", "p of t"]):
                frame[column] = np.minimum(frame[column] * len(frames.acquired), 1.0)
            parts.append(frame)
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()


# Tables


def _compare(
    compare: Callable[[LanguageFrames], pd.DataFrame], title: str, note: str, frames: LanguageFrames
) -> Table:
    """Return a table of comparisons."""
    frame = compare(frames)
    return Table(frame, title, note, {name: "p" for name in ("p", "p of t") if name in frame})


def _stacked(name: str, title: str, note: str, frames: LanguageFrames) -> Table:
    """Return one table of the acquisition study for all languages, one below the other."""
    parts = []
    for language, own in frames.acquired.items():
        if table := acquisition.TABLES[name](own):
            table.frame.insert(0, "language", language)
            parts.append(table.frame)
    return Table(pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(), title, note)


def _facts(frames: LanguageFrames) -> Table:
    rows = []
    for language in frames.languages:
        own = frames.by_language[frames.by_language["language"] == language]
        rows.append(
            {
                "language": language,
                "facts": len(own),
                "known": int(own["known"].eq(True).sum()),
                "probability": finite_median(own["probability"]),
                "neurons": finite_median(own["n_neurons"]),
                "without neurons": int((own["n_neurons"] == 0).sum()),
                "with a DKN": int((own["n_degenerate"] > 0).sum()),
            }
        )
    columns = list(rows[0]) if rows else ["language", "facts", "known"]
    if rows:
        every = frames.facts[frames.facts["known"].notna()]
        rows.append({"language": "all of them", "facts": len(every), "known": len(frames.known)})
    return Table(
        pd.DataFrame(rows, columns=columns),
        "What the model knows in each language",
        "'known': answered correctly, so that every token of an answer is the most likely one; in "
        "the last row, in every language. Medians of the answer's probability and of the number "
        "of knowledge neurons. 'with a DKN': at least two of NTC's components count.",
    )


def _sizes(frames: LanguageFrames) -> Table:
    rows = []
    values = frames.overlaps
    for (kind, first, second), part in values.groupby(["kind", "first", "second"], sort=False):
        for answers, some in by_answers(part):
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
        "Number of language-independent neurons",
        "Means over the facts with such neurons in both languages. 'shared': neurons of both, the "
        "language-independent ones. The last columns are mean Jaccard indices too, over the facts "
        "with such a control: of the fact's neurons in one language with those of other facts in "
        "the other, and of random sets of the same sizes (their exact expectation).",
    )


def _overlap(frames: LanguageFrames) -> Table:
    frame = _overlaps(frames)
    frame["neurons"] = frame["neurons"].map(KINDS)
    frame["against"] = frame["against"].map(CONTROLS)
    return Table(
        frame,
        "Overlap across languages, compared with that of other facts and of random sets",
        "Jaccard index of a fact's neurons in two languages ('own'), paired by fact with its mean "
        "index with other facts of the same relation, about other subjects, in the other language, "
        "both directions together ('other facts'), with those of them that have the same answer, "
        "with other answers of the same subject (of other years), and with random sets. Only the "
        "comparison with other facts is about the fact: neurons that are active for any question "
        "overlap more than random sets. Answers: 'alike', some word is the same in both languages; "
        f"'different', none is. {_OVER} p: Wilcoxon's test, Holm-corrected over all rows with the "
        f"same kind of neurons and the same facts; {_MARGIN}",
        _P,
    )


def _succ(frames: LanguageFrames) -> Table:
    frame = _successes(frames)
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
        "Succ: share of facts where an edit changes the answers in both languages as wanted",
        "Share of the facts where the answer's probability moves as wanted by more than "
        "least_change in both languages: it falls for a scale below 1 and rises above. 'own': "
        "with the neurons of the fact, and Wilson's 95 % interval; 'in first', 'in second': in one "
        "language. 'control': with random neurons of the same sizes and overlap, paired by fact. "
        "p: sign test (McNemar's), Holm-corrected over the rows with the same scale and the same "
        f"facts; {_MARGIN} A fact without a shared neuron is no success of the arm 'shared'. The "
        "neurons were "
        "chosen by the same answers, so a higher Succ than that of random neurons is no evidence: "
        f"see the table crossing. {_OVER}",
        _P,
    )


def _layers(frames: LanguageFrames) -> Table:
    frame = pd.DataFrame({"layer": np.arange(frames.shape[0])})
    for language in frames.languages:
        frame[language] = _by_layer(frames, [own[language] for own in frames.neurons.values()])
    for name, sets in (("shared", frames.neurons), ("shared DKNs", frames.degenerate)):
        common = [reduce(lambda a, b: a & b, own.values()) for own in sets.values()]
        frame[name] = _by_layer(frames, common)
    return Table(
        frame,
        "Neurons by layer",
        "Knowledge neurons of all facts in each language, and those of one fact in every language.",
    )


def _by_layer(frames: LanguageFrames, sets: Any) -> Any:
    layers = [layer for own in sets for layer, _ in own]
    return np.bincount(np.array(layers, dtype=np.int64), minlength=frames.shape[0])


def _exclusions(frames: LanguageFrames) -> Table:
    values = frames.overlaps
    facts = frames.facts
    n_done = len(frames.neurons)
    rows: list[dict[str, Any]] = [
        {"what": "facts", "reason": reason, "facts": int(count), "of": len(facts)}
        for reason, count in (
            ("failed", facts["error"].notna().sum()),
            ("a language is missing", (facts["missing"] != "").sum()),
            ("not known in every language (only_known)", facts["left_out"].sum()),
        )
    ]
    for first, second in combinations(frames.languages, 2):
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
    for (edited, asked, scale), some in frames.matched.groupby(["edited", "asked", "scale"]):
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
    return Table(
        frame_of(rows, "what, languages, scale, reason, facts, of"),
        "What is left out, and why",
        "A fact may be counted for several reasons.",
    )


def _edit_exclusions(frames: LanguageFrames) -> Table:
    rows = []
    for (first, second, scale), part in frames.arms.groupby(["first", "second", "scale"]):
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
                        "left out of all": part.loc[part["excluded"].eq(True), "fact"].nunique(),
                        "facts": part["fact"].nunique(),
                    }
                )
    return Table(
        pd.DataFrame(rows),
        "Edits that do not count, by arm and neurons",
        "Numbers of facts. An answer with the probability 0 has no relative change, and a change "
        "above max_change is an outlier (Eq 18). A fact with either in any arm, with any neurons, "
        "is left out of all arms at this scale ('left out of all').",
    )


TABLES: dict[str, MakeTable] = {
    "facts": _facts,
    "table10": partial(
        _stacked,
        "table1",
        "Table 10. Mean GCR by number of components and language",
        "One part per language is Table 1 of the study acquisition. The paper's text says that "
        "the columns are layers; its numbers, and Table 1, are by the number of components, "
        "and so are these. 'average 2-8' is the paper's average. The paper has K-Means and NTC "
        "for French only, and no random groups: those say what a number would be if the "
        "grouping had no meaning.",
    ),
    "table10_counts": partial(
        _stacked,
        "table1_counts",
        "Facts behind each number of Table 10",
        "A mean of a few facts says little.",
    ),
    "table10_jump": partial(
        _stacked,
        "table1_jump",
        "Mean jump by number of components and language, in points",
        "The jump is dProb_n - dProb_(n-1), the last step of the curve.",
    ),
    "table10_paired": partial(
        _compare,
        partial(_in_languages, acquisition.paired_methods),
        "NTC against the other methods in each language, paired by fact",
        "Over the facts where both methods count; 'known': those that the model answers correctly "
        "in this language. Intervals are 95 %; p is Wilcoxon's signed-rank test, 'p of t' the "
        "paired t-test, Holm-corrected within a measure and multiplied by the number of languages; "
        f"d: mean difference / standard deviation of the differences; {_MARGIN} The paper gives no "
        "test for "
        "its Table 10.",
    ),
    "controls": partial(
        _compare,
        partial(_in_languages, acquisition.controls),
        "Every method against random groups in its sizes, in each language",
        "Jumps in points, paired by fact. 'all potential': of all clusters before the filter, the "
        "fair comparison. 'components': of those that passed. 'known': over the facts that the "
        "model answers correctly in this language. p: Wilcoxon's signed-rank test. "
        "'rho': the redundancy of all clusters, as in the study acquisition. p is corrected over "
        f"the methods and multiplied by the number of languages; {_MARGIN}",
    ),
    "overlap_sizes": _sizes,
    "overlap": _overlap,
    "succ": _succ,
    "changes": partial(
        _compare,
        _changes,
        "Changes of the answers by arm, in points",
        "Relative change of the answer's probability in the direction wanted: the fall for a scale "
        "below 1, the rise above. 'own' are the neurons of the fact, 'control' random ones of the "
        f"same sizes and overlap, paired by fact. {_OVER} {_CORRECTED} The neurons were chosen by "
        "the answer in their own language. There a larger change than by random neurons is no "
        "evidence: it also occurs in a model that knows nothing.",
    ),
    "crossing": partial(
        _compare,
        _crossings,
        "Edits that cross: the neurons of one language edited, the question in another",
        "Changes in points as wanted, paired by fact. Only the question in one language chose the "
        "neurons. Answers: 'alike', some word is the same in both languages, so the neurons were "
        "chosen for the word that is asked for, in either language; 'different', no word is the "
        f"same, and only these rows show that a fact crosses. {_OVER} {_CORRECTED}",
    ),
    "shared_or_not": partial(
        _compare,
        _shared_or_others,
        "Shared neurons against as many others of the same language",
        "Changes in points as wanted, paired by fact, over the facts with shared neurons and "
        "others in the language. The comparison is circular: a shared neuron was also chosen by "
        "the question that is asked, and one that is not shared was not. It shows that attribution "
        f"works, not that a fact is stored independently of languages. {_OVER} {_CORRECTED}",
    ),
    "layers": _layers,
    "exclusions": _exclusions,
    "exclusions_edits": _edit_exclusions,
    "table10_exclusions": partial(
        _stacked,
        "exclusions",
        "Why facts have no GCR to count, by language and method",
        "As in the study acquisition; a fact is counted at the first reason that applies.",
    ),
}


# Findings


def findings(frames: LanguageFrames, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return one or two sentences about every question of the study."""
    facts = frames.facts
    if not facts["error"].isna().any():
        return (nothing_done(facts["error"]),)
    if few := too_few(int(facts["error"].isna().sum())):
        return (few,)
    sentences = [_knowledge(frames, tables["facts"].frame)]
    if not frames.neurons:
        return (*sentences, "No fact was left to look for neurons in.")
    sentences += [_by_the_paper(tables["table10"].frame, language) for language in frames.languages]
    sentences += _jumps(frames, tables["controls"].frame)
    overlap = tables["overlap"].frame
    sentences += [_say_overlap(overlap, str(pair)) for pair in overlap["languages"].unique()]
    sentences.append(_degenerate(overlap))
    sentences += _say_succ(tables["succ"].frame)
    sentences += _say_crossing(tables["crossing"].frame)
    sentences.append(_circular(tables["shared_or_not"].frame))
    return tuple(sentence for sentence in sentences if sentence)


def _knowledge(frames: LanguageFrames, frame: pd.DataFrame) -> str:
    if not len(frame):
        return "No fact is in all of the languages."
    rows = frame.set_index("language")
    parts = [f"{rows.loc[x, 'known']:,} in {x}" for x in frames.languages]
    n_facts = int(rows.loc["all of them", "facts"])
    n_known = int(rows.loc["all of them", "known"])
    sentence = (
        f"Of {pluralize(n_facts, 'fact')} the model answers {and_list(parts)} correctly, and "
        f"{n_known:,} in every language."
    )
    if n_known < FEW:
        sentence += (
            f" It knows fewer than {FEW} facts in every language, so the results below say nothing "
            "about how it stores knowledge."
        )
    return sentence


def _by_the_paper(frame: pd.DataFrame, language: str) -> str:
    rows = frame[frame["language"] == language].set_index("method")
    average = {
        name: float(rows.loc[name, "average 2-8"])
        for name in ("ntc", "kmeans", "random:ntc", "random:kmeans")
        if name in rows.index
    }
    if not math.isfinite(average.get("ntc", math.nan)):
        return f"Table 10, {language}: NTC has no fact with a GCR."
    listed = ", ".join(f"{name} {value:.3g}" for name, value in average.items())
    more = ""
    kmeans = average.get("kmeans", math.nan)
    if math.isfinite(kmeans) and kmeans > 0:
        more = (
            f" NTC's is {average['ntc'] / kmeans:.2g} times K-Means' (in the paper 2.1 times, for "
            "French)."
        )
    return f"Table 10, {language}, average GCR: {listed}.{more}"


def _jumps(frames: LanguageFrames, frame: pd.DataFrame) -> list[str]:
    """Return a sentence for each language that compares NTC's jump with that of random groups."""
    about = {"method": "ntc", "measure": "all potential", "over": "known"}
    return [
        acquisition.say_jump(
            f"NTC's clusters in {language}, over the facts known in it",
            row_where(frame, **about, language=language),
        )
        for language, own in frames.acquired.items()
        if "ntc" in own.names
    ]


def _behind(row: Mapping[str, Any]) -> str:
    return (
        f"{pluralize(row['n'], 'fact')}, difference {row['difference']:.1f}, {interval_and_p(row)}"
    )


def _verdict(row: Mapping[str, Any], holds: str, unit: str = "") -> str:
    return verdict(row, holds, "less than the control", unit=unit)


def _say_overlap(frame: pd.DataFrame, pair: str) -> str:
    """Say whether neurons are shared because of the fact; only different answers can tell."""
    about = {
        "neurons": KINDS["knowledge"],
        "languages": pair,
        "over": "known",
        "against": CONTROLS["other"],
    }
    rows = {kind: row_where(frame, **about, answers=kind) for kind in ("all", "different", "alike")}
    first = " and ".join(pair.split(" & "))
    every, different, alike = rows["all"], rows["different"], rows["alike"]
    if not every["n"]:
        return (
            f"Overlap of the neurons in {first}: no fact that is known in every language can be "
            "compared with another one of its relation."
        )
    sentence = (
        f"The neurons of a fact in {first} overlap by {_percent(every['own'])} (Jaccard index); "
        "those of a fact in one language and of another fact of its relation in the other overlap "
        f"by {_percent(every['control'])} ({pluralize(every['n'], 'fact')} known in both)."
    )
    if alike["n"]:
        sentence += (
            f" Where the answers have a word in common it is {_percent(alike['own'])} against "
            f"{_percent(alike['control'])}, which may be due to the word."
        )
    if not different["n"]:
        return f"{sentence} All answers have one, so the word and the fact cannot be separated."
    sentence += (
        f" Where they have none, {_percent(different['own'])} against "
        f"{_percent(different['control'])} ({pluralize(different['n'], 'fact')}, "
        f"{p_words(different['p'])}): "
        f"{_verdict(different, 'more than the relation and the words of the answer explain')}."
    )
    subject = row_where(
        frame, **{**about, "against": CONTROLS["same_subject"]}, answers="different"
    )
    if subject["n"] and row_stands(subject):
        sentence += " The subject's name, common to both questions, does not explain it either"
    else:
        sentence += " The subject's name, common to both questions, may explain it"
    if subject["n"]:
        sentence += (
            f": {_percent(subject['own'])} against {_percent(subject['control'])} with other "
            f"answers of the same subject ({pluralize(subject['n'], 'fact')}, "
            f"{p_words(subject['p'])})"
        )
    sentence += "."
    return as_claim(sentence, row_stands(different))


def _percent(share: float) -> str:
    return f"{Number(100 * share):.1f} %"


def _degenerate(frame: pd.DataFrame) -> str:
    parts = []
    for pair in frame["languages"].unique():
        row = row_where(
            frame,
            neurons=KINDS["degenerate"],
            languages=pair,
            over="known",
            answers="all",
            against=CONTROLS["other"],
        )
        if row["n"]:
            holds = "more than with another fact of the relation"
            parts.append(
                f"{pair}: {_percent(row['own'])} against {_percent(row['control'])} "
                f"({pluralize(row['n'], 'fact')}, {p_words(row['p'])}), {_verdict(row, holds)}"
            )
        else:
            parts.append(f"{pair}: no fact to compare")
    if not parts:
        return ""
    return (
        f"Overlap of the degenerate knowledge neurons. {'; '.join(parts)}. Answers with a word in "
        "common are included, which may explain it."
    )


def _say_succ(frame: pd.DataFrame) -> list[str]:
    sentences = []
    kept = frame[(frame["over"] == "all") & (frame["against"] == "random_layers")]
    for (pair, scale), part in kept.groupby(["languages", "scale"]):
        rows = records(part)
        listed = "; ".join(
            f"{row['arm']} {row['own']:.0%} (random {row['control']:.0%})"
            for row in rows
            if row["n"]
        )
        if listed:
            sentences.append(
                f"Succ, both answers moved as wanted, {pair}, neurons times {scale:g}, over "
                f"{pluralize(rows[0]['n'], 'fact')}: {listed}. The neurons were chosen by these "
                "answers, so a higher share than that of random neurons is no evidence."
            )
    return sentences


def _say_crossing(frame: pd.DataFrame) -> list[str]:
    sentences = []
    kept = frame[(frame["over"] == "known") & (frame["against"] == "random_layers")]
    for (edited, asked, scale), part in kept.groupby(["edited", "asked", "scale"], sort=False):
        rows = {row["answers"]: row for row in records(part)}
        head = f"Neurons found in {edited}, times {scale:g}, asked in {asked}"
        texts = []
        for answers, words in (
            ("alike", "where the answers have a word in common"),
            ("different", "where they have none"),
        ):
            row = rows[answers]
            if row["n"]:
                texts.append(
                    f"{words} the answer moves {row['own']:.1f} points as wanted, against "
                    f"{row['control']:.1f} for random neurons by layer ({_behind(row)})"
                )
            else:
                texts.append(f"{words} there is no fact known in every language")
        different = rows["different"]
        sentence = f"{head}: {'; '.join(texts)}"
        if different["n"]:
            crosses = "the edit crosses to an answer in other words"
            sentence += f": {_verdict(different, crosses, 'point')}"
        sentences.append(as_claim(f"{sentence}.", row_stands(different)))
    return sentences


def _circular(frame: pd.DataFrame) -> str:
    parts = [
        f"{row['edited']} edited and {row['asked']} asked {row['shared']:.1f} against "
        f"{row['others']:.1f} points ({pluralize(row['n'], 'fact')})"
        for row in records(frame)
        if row["over"] == "all" and row["n"] and row["scale"] == frame["scale"].min()
    ]
    if not parts:
        return ""
    return (
        f"{upper_first('; '.join(parts))}: shared neurons against as many others of the same "
        "language, at the smallest scale. Attribution also chose the shared ones by the answer in "
        "the language of the question, so this is no evidence."
    )
