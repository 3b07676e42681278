"""What the robustness study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from neurotopo.report.summary import Table
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    as_claim,
    from_to,
    nothing_done,
    p_words,
    stands,
    upper_first,
)
from neurotopo.studies.robustness.comparisons import values_of
from neurotopo.studies.robustness.rows import WHERE, Collected
from neurotopo.studies.statistics import finite_mean

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["findings_of"]

_DECISIVE = ("kn", "kn_random")
"""The controls that are chosen by attribution like D, so that they could prove it wrong."""

_NAMES = {
    "kn": "N",
    "kn_random": "as many knowledge neurons of either kind",
    "random": "random neurons",
}


_TOO_LITTLE = "too few facts that the model knows for a claim"


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    n_done = int(found.facts["error"].isna().sum())
    if not n_done:
        return (nothing_done(found.facts["error"]),)
    known = int((found.facts["known"] == True).sum())  # noqa: E712
    sentences = [_knowledge(found, known, n_done)]
    if len(found.edits):
        paired = tables["table9_paired"].frame
        masters = _masters(found, found.facts["reason"].isna())
        sentences += [
            _without_edit(found),
            _suppression(paired, masters),
            _saturation(paired),
            _by_the_paper(tables["table9"].frame),
            _accuracy(paired),
            *(_enhancement(paired, where, masters) for where in WHERE),
        ]
    else:
        sentences.append(
            "No fact is left with degenerate knowledge neurons, so nothing is compared."
        )
    if "subset_tests" in tables:
        rows = tables["subset_tests"].frame.to_dict("records")
        masters = _masters(found, found.facts["fact"].isin(found.lasts["fact"]))
        sentences += [_components(row, masters) for row in rows]
    return tuple(sentence for sentence in sentences if sentence)


def _masters(found: Collected, chosen: pd.Series) -> bool:
    """Tell whether the model knows the facts that are compared: enough of them, and most."""
    compared = found.facts[chosen & found.facts["error"].isna()]
    known = int((compared["known"] == True).sum())  # noqa: E712
    return known >= FEW and 2 * known > len(compared)


def _knowledge(found: Collected, known: int, n_done: int) -> str:
    compared = int((found.facts["reason"].isna() & found.facts["error"].isna()).sum())
    sentence = (
        f"The model answers {known:,} of {n_done:,} facts correctly; for {compared:,} facts there "
        "are degenerate knowledge neurons (D) to compare with others."
    )
    if known < FEW:
        sentence += (
            " It knows next to none of them, so nothing below is about the robustness of what it "
            "knows."
        )
    return sentence


def _without_edit(found: Collected) -> str:
    share = finite_mean(found.facts.loc[found.facts["reason"].isna(), "right_faulty"].astype(float))
    loss = values_of(found, "none", "suppress", "values", "dprob")
    if not len(loss):
        return f"Without any edit {share:.0%} of the faulty prompts are answered correctly."
    return (
        f"Without any edit {share:.0%} of the faulty prompts are answered correctly, and a faulty "
        f"prompt costs {loss.mean():.1f} % of the answer's probability ({len(loss):,} facts)."
    )


def _rows(
    paired: pd.DataFrame, operation: str, key: str, where: str | None = None
) -> dict[str, dict[str, Any]]:
    own = paired[(paired["operation"] == operation) & (paired["key"] == key)]
    if where is not None:
        own = own[own["where"] == where]
    return {row["D against"]: row for row in own.to_dict("records")}


def _above(rows: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether D stands above both controls that were chosen by attribution too."""
    return all(stands(rows[arm]["n"], rows[arm]["p"], rows[arm]["difference"]) for arm in _DECISIVE)


def _against(rows: Mapping[str, Mapping[str, Any]], unit: str = "") -> str:
    parts = []
    for arm in (*_DECISIVE, "random"):
        row = rows[arm]
        interval = from_to(row["low"], row["high"])
        behind = f"{interval}, {p_words(row['p'])}" if interval else p_words(row["p"])
        parts.append(f"{row['other']:.1f}{unit} for {_NAMES[arm]} ({behind})")
    return "; ".join(parts)


def _suppression(paired: pd.DataFrame, masters: bool) -> str:
    rows, odds = _rows(paired, "suppress", "dprob"), _rows(paired, "suppress", "log_odds")
    n = rows["kn"]["n"]
    if not n:
        return "Suppression: no fact is left after Eq 21, so there is no dProb to compare."
    sentence = (
        f"Suppression: with D suppressed a faulty prompt costs {rows['kn']['D']:.1f} % (dProb, "
        f"{n:,} facts), against {_against(rows, ' %')}. Intervals are of the difference to D."
    )
    above, beyond = _above(rows), _above(odds)
    if n < FEW or not masters:
        verdict = _TOO_LITTLE
    elif above and beyond:
        verdict = (
            "faulty prompts depend on D more than on other knowledge neurons, also when the lower "
            "probability of the clean prompt is accounted for (extra fall of the log-odds "
            f"{odds['kn']['D']:.2f} against {odds['kn']['other']:.2f} for N)"
        )
    elif above:
        verdict = (
            "dProb is higher than for other knowledge neurons, but so it is wherever the clean "
            "prompt loses more, and D was chosen for that: the log-odds of faulty prompts fall by "
            f"{odds['kn']['D']:.2f} more than those of clean ones with D suppressed, by "
            f"{odds['kn']['other']:.2f} with N ({p_words(odds['kn']['p'])}) and by "
            f"{odds['kn_random']['other']:.2f} with knowledge neurons of either kind "
            f"({p_words(odds['kn_random']['p'])}), which is no evidence of a part in robustness"
        )
    else:
        verdict = _negative(rows, "dProb", "D")
    return as_claim(f"{sentence} {upper_first(verdict)}.", above and beyond and masters)


def _negative(rows: Mapping[str, Mapping[str, Any]], what: str, whose: str) -> str:
    """Say against which of the two decisive controls there is no difference, or the wrong one."""
    parts = []
    for arm in _DECISIVE:
        row = rows[arm]
        if stands(row["n"], row["p"], row["difference"]):
            continue
        if row["p"] < ALPHA:
            parts.append(f"{what} of {whose} is lower than that of {_NAMES[arm]}")
        else:
            parts.append(f"no difference to {_NAMES[arm]} that could be told from chance")
    return " and ".join(parts)


def _saturation(paired: pd.DataFrame) -> str:
    """Say what suppressing D does on both scales, against no edit at all."""
    loss, odds = (_rows(paired, "suppress", key)["none"] for key in ("dprob", "log_odds"))
    if not loss["n"]:
        return ""
    return (
        f"Against no edit, suppressing D changes dProb by {_signed(loss['difference'])} points "
        f"({p_words(loss['p'])}), while the log-odds of faulty prompts fall by "
        f"{abs(odds['difference']):.2f} {'more' if odds['difference'] > 0 else 'less'} than those "
        f"of clean ones ({p_words(odds['p'])})."
    )


def _by_the_paper(frame: pd.DataFrame) -> str:
    parts = []
    for row in frame.drop_duplicates(["measure", "t", "D against"]).to_dict("records"):
        if row["n D"]:
            parts.append(
                f"{row['setting'].lower()}: {row['D']:.1f} against {row['other']:.1f} for "
                f"{row['D against']} ({p_words(row['p'])}, d = {row['d']:.2f})"
            )
    if not parts:
        return ""
    return (
        f"By the paper's tests (Table 9: independent, not corrected). {upper_first(parts[0])}; "
        f"{'; '.join(parts[1:])}."
    )


def _accuracy(paired: pd.DataFrame) -> str:
    rows = _rows(paired, "suppress", "lost")
    if not rows["kn"]["n"]:
        return ""
    return (
        f"With D suppressed {rows['kn']['D']:.1f} % of the faulty prompts that were answered "
        f"correctly are no longer ({rows['kn']['n']:,} facts), against {_against(rows, ' %')}. D "
        "was chosen for lowering the answer's probability, so this is what its choice amounts to "
        "and no evidence about robustness."
    )


def _signed(value: float) -> str:
    return f"{round(value, 1) + 0.0:+.1f}"  # no -0.0


def _enhancement(paired: pd.DataFrame, where: str, masters: bool) -> str:
    rows, lost, net = (_rows(paired, "enhance", key, where) for key in ("gained", "lost", "net"))
    n = rows["kn"]["n"]
    if not n:
        return f"Enhancement by {where}: no fact has a faulty prompt that is answered wrongly."
    sentence = (
        f"Enhancement by {where}: with D doubled {rows['kn']['D']:.1f} % of the faulty prompts "
        f"that were answered wrongly are answered correctly ({n:,} facts), against "
        f"{_against(rows, ' %')}. The other side: {lost['kn']['D']:.1f} % of those answered "
        f"correctly are lost with D, {lost['kn_random']['other']:.1f} % with as many knowledge "
        f"neurons of either kind, so that accuracy changes by {_signed(net['kn']['D'])} "
        f"and {_signed(net['kn_random']['other'])} points."
    )
    above = _above(rows)
    if n < FEW or not masters:
        verdict = _TOO_LITTLE
    elif above:
        verdict = "doubling D mends more faulty prompts than doubling other knowledge neurons"
    else:
        verdict = _negative(rows, "the gain", "D")
    return as_claim(f"{sentence} {upper_first(verdict)}.", above and masters)


def _components(row: Mapping[str, Any], masters: bool) -> str:
    planted = row["grouping"] == "oracle"
    name = "The groups the model was trained to have" if planted else "NTC's components"
    after = "the clean prompt" if row["prompt"] == "Q" else "faulty prompts"
    if not row["n"]:
        return f"{name}: no fact is left to suppress some of them after {after}."
    interval = from_to(row["low"], row["high"])
    behind = f"{interval}, {p_words(row['p'])}" if interval else p_words(row["p"])
    sentence = (
        f"{name}, after {after}: suppressing all of them takes {row['all']:.1f} % of the answer's "
        f"probability, the worst proper subset {row['largest proper']:.1f} % ({row['n']:,} facts); "
        f"random groups of the same sizes {row['all, random']:.1f} % and "
        f"{row['largest proper, random']:.1f} % (difference of the margins "
        f"{row['difference']:.1f} points, {behind})."
    )
    holds = stands(row["n"], row["p"], row["difference"]) and row["margin"] > 0 and masters
    if row["n"] < FEW or not masters:
        verdict = f"{upper_first(_TOO_LITTLE)}."
    elif holds:
        verdict = "More than in random groups, one component is enough and none is indispensable."
    elif row["p"] < ALPHA and row["difference"] < 0:
        verdict = "Less degenerate than random groups."
    elif row["p"] < ALPHA:
        verdict = "More sudden than random groups, but some proper subset hurts as much as all."
    else:
        verdict = "No difference to random groups that could be told from chance."
    return as_claim(f"{sentence} {verdict}", holds)
