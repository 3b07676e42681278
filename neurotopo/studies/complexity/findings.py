"""What the complexity study found and what it did not, in words, by rules from the numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from neurotopo.report.summary import Table
from neurotopo.studies.complexity.rows import Collected
from neurotopo.studies.complexity.trend import MOST_MODELS_FEW
from neurotopo.studies.findings import (
    ALPHA,
    FEW,
    and_list,
    as_claim,
    from_to,
    nothing_done,
    p_words,
    stands,
)
from neurotopo.studies.several_models import UNIT

__all__ = ["findings_of"]

_CLAIMED = {
    "jump_difference": ("The jump of NTC's clusters", "jump", "points"),
    "components_difference": ("The number of components", "components", "components"),
}
_HALF = 0.5


def findings_of(found: Collected, tables: Mapping[str, Table]) -> tuple[str, ...]:
    """Return a sentence or two about every question of the study."""
    if not len(found.done):
        return (nothing_done(found.rows["error"], UNIT),)
    sentences = [_models(found), _knowledge(found)]
    if len(found.models) == 1:
        return (*sentences, "With one model nothing can be said about size.")
    frame = tables["trend"].frame.set_index("measure")
    rows = {str(name): {**frame.loc[name].to_dict(), "measure": name} for name in frame.index}
    sentences += [_degeneracy(found, rows, name) for name in _CLAIMED]
    sentences.append(_robustness(rows))
    sentences.append(_suppressed(tables["controls"].frame.to_dict("records")))
    return tuple(sentence for sentence in sentences if sentence)


def _models(found: Collected) -> str:
    listed = and_list([f"{name} ({n:,})" for name, n in found.parameters.items()])
    return f"Models and their numbers of weights: {listed}."


def _knowledge(found: Collected) -> str:
    n = found.by_fact["fact"].nunique()
    known = found.known["fact"].nunique()
    sentence = f"All models answer {known:,} of {n:,} facts correctly."
    if not known:
        return (
            f"{sentence} There is no fact to compare them on, and nothing is said about how they "
            "store knowledge."
        )
    if known < _HALF * n:
        sentence += " Those are fewer than half, so nothing is claimed."
    return sentence


def _rises(row: Mapping[str, Any], unit: str = "") -> str:
    """Say which way a measure goes with size."""
    numbers = f"({row['slope']:+.2f}{unit}, {p_words(row['p'])})"
    if row["n"] < FEW or not row["p"] < ALPHA:
        return f"does not change beyond chance {numbers}"
    return f"{'rises' if row['slope'] > 0 else 'falls'} {numbers}"


def _degeneracy(found: Collected, rows: Mapping[str, Mapping[str, Any]], measure: str) -> str:
    subject, own_name, unit = _CLAIMED[measure]
    own, control, row = rows[own_name], rows[f"{own_name}_shuffled"], rows[measure]
    if not row["n"] or math.isnan(row["slope"]):
        return f"{subject}: no fact has it in every model, or all models are of one size."
    interval = from_to(row["low"], row["high"], 2)
    sentence = (
        f"{subject}, for ten times the weights, {_rises(own)}; that of the same groups with the "
        f"neurons shuffled {_rises(control)}. The difference, which alone is about the grouping, "
        f"changes by {row['slope']:+.2f} {unit} ({row['n']:,} facts"
        f"{', ' + interval if interval else ''}, {p_words(row['p'])}): {_verdict(found, row)}."
    )
    return as_claim(sentence, _holds(found, row))


def _holds(found: Collected, row: Mapping[str, Any]) -> bool:
    known, every = found.known["fact"].nunique(), found.by_fact["fact"].nunique()
    return (
        stands(row["n"], row["p"], row["slope"])
        and row["p_page"] < ALPHA
        and len(found.models) > MOST_MODELS_FEW
        and known >= _HALF * every
    )


def _verdict(found: Collected, row: Mapping[str, Any]) -> str:
    if row["n"] < FEW:
        return "too few facts for a claim"
    if _holds(found, row):
        return "larger models of these are more degenerate"
    if not row["p"] < ALPHA:
        return "no trend that could be told from chance"
    if row["slope"] < 0:
        return "larger models of these are less degenerate"
    if len(found.models) <= MOST_MODELS_FEW:
        return "a difference of two models, which is no trend"
    if not row["p_page"] < ALPHA:
        return "a slope without the rise from model to model that a trend would need"
    return "but fewer than half of the facts are known to all models, so nothing is claimed"


def _robustness(rows: Mapping[str, Mapping[str, Any]]) -> str:
    fall, right = rows["fall"], rows["right"]
    if not fall["n"]:
        return "No fact has faulty prompts to compare the models on."
    return (
        f"Under faulty prompts, for ten times the weights, the fall of the probability "
        f"{_rises(fall, ' points')} and the share of prompts answered right "
        f"{_rises(right, ' points')}, over {fall['n']:,} facts."
    )


def _suppressed(rows: list[dict[str, Any]]) -> str:
    """Say whether the degenerate neurons carry the robustness, model by model."""
    own = [row for row in rows if row["measure"] == "fall_dkn" and row["n"]]
    if not own:
        return "No model has a known fact with degenerate neurons to suppress under faulty prompts."
    parts = []
    for row in own:
        if row["n"] < FEW:
            verdict = "too few facts"
        elif not row["p"] < ALPHA:
            verdict = "no difference"
        else:
            verdict = "more than others" if row["difference"] > 0 else "less than others"
        parts.append(
            f"{row['model']} {row['difference']:+.1f} points ({row['n']:,} facts, "
            f"{p_words(row['p'])}): {verdict}"
        )
    return (
        "Suppressing the degenerate neurons under faulty prompts, against as many knowledge "
        f"neurons. {'; '.join(parts)}."
    )
