"""The questions of an audit, and their verdicts."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import pandas as pd

from neurotopo.studies.audit.frames import AuditFrames
from neurotopo.studies.audit.nulls import NULLS
from neurotopo.studies.inference import NO, UNDECIDED, YES, Effect, effect_of, judged

__all__ = [
    "QUESTIONS",
    "Question",
    "against_nulls",
    "beside_shuffled",
    "null_differences",
    "overall",
    "verdicts",
]


@dataclass(frozen=True)
class Question:
    """A question of the audit.

    Attributes
    ----------
    text : str
        The question.
    unit : str
        What the effect is, and what 1 means.
    needed : bool
        Whether groups that each carry the fact need the verdict "yes".
    """

    text: str
    unit: str
    needed: bool = False


QUESTIONS = {
    "necessary": Question(
        "Does the fact need these groups more than matched neurons?",
        "fall of the score, less that of matched neurons, relative to the score",
        needed=True,
    ),
    "redundancy": Question(
        "Do the groups replace each other more than shuffled groups of the same neurons?",
        "rho, less that of shuffled groups",
        needed=True,
    ),
    "adding": Question(
        "Do the groups together carry more than the sum of their effects?",
        "rho; 0 if the effects add up",
        needed=True,
    ),
    "within": Question(
        "Does each group suffice where the other groups are ablated?",
        "share of the necessity that a group keeps, less that of shuffled groups",
        needed=True,
    ),
    "alone": Question(
        "Does each group suffice alone, restored in the prompt of another subject?",
        "share of the score that a group recovers, less that of shuffled groups",
    ),
    "worded": Question(
        "Do the groups replace each other in other wordings too?",
        "rho in other wordings, less that of shuffled groups",
    ),
    "overlap": Question(
        "Are the same neurons found in other wordings?",
        "share of common neurons, less the share by chance",
    ),
    "specific": Question(
        "Do the groups act on this fact more than on others of the relation?",
        "effect on the fact, less that on others, relative to the necessity",
    ),
    "uses": Question(
        "Do the groups of a fact serve different other facts?",
        "1 - correlation of effects on other facts, less that of shuffled groups",
    ),
    "repair": Question(
        "Do later layers and the last norm repair the damage?",
        "direct less total effect of the groups, relative to the necessity",
    ),
    "frozen": Question(
        "Do the groups carry more than the sum of their effects with the last norm frozen?",
        "rho with the scale of the last norm frozen",
    ),
}
"""The questions by the column of the frame of facts that answers them."""


def verdicts(frames: AuditFrames) -> dict[str, Effect]:
    """Return the effect and the verdict of each question, corrected over all of them.

    Parameters
    ----------
    frames : AuditFrames

    Returns
    -------
    dict of str to Effect
        By the names of :data:`QUESTIONS`.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.studies.audit.verdicts import verdicts
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("adder")
    >>> found = nt.audit(net.model, net.facts, {"S": net.groups}, n_others=1, check=False)
    >>> effect = verdicts(found.frames)["adding"]
    >>> effect.n, effect.mean, effect.verdict
    (1, 0.0, 'undecided')
    """
    facts = frames.judged
    empty = pd.Series([], dtype=float)
    return judged(
        {
            name: effect_of(
                facts.get(name, empty),
                facts["relation"].tolist() if name in facts else [],
                margin=frames.margin,
            )
            for name in QUESTIONS
        }
    )


def null_differences(frames: AuditFrames) -> dict[tuple[str, str], pd.Series]:
    """Return rho and sufficiency of each fact, less the mean of the draws of every null.

    The keys are ``(quantity, null)``, the index of each series is the fact.
    """
    facts = frames.judged.set_index("fact")
    if "null" not in frames.nulls:
        return {(quantity, name): pd.Series([], dtype=float) for quantity, name in _AGAINST}
    primary = facts["ablation"].reset_index()
    null = frames.nulls.merge(primary, on=["fact", "ablation"])
    differences = {}
    for quantity, name in _AGAINST:
        drawn = null[null["null"] == name].groupby("fact")[quantity].mean()
        differences[quantity, name] = facts[quantity].reindex(drawn.index) - drawn
    return differences


_AGAINST = [(quantity, name) for quantity in ("rho", "sufficiency") for name in NULLS]


def against_nulls(frames: AuditFrames) -> dict[tuple[str, str], Effect]:
    """Return the effects of rho and of sufficiency against every null, corrected together.

    The keys are ``(quantity, null)``.
    """
    relations = frames.judged.set_index("fact")["relation"]
    return judged(
        {
            key: effect_of(values, relations.reindex(values.index).tolist(), margin=frames.margin)
            for key, values in null_differences(frames).items()
        }
    )


def beside_shuffled(frames: AuditFrames) -> pd.DataFrame:
    """Return a row per fact and ablation with rho and sufficiency, and those of shuffled groups.

    The columns of shuffled groups, means over the draws, end in ``_shuffled``.
    """
    if not len(frames.ablations) or not len(frames.nulls):
        return pd.DataFrame(columns=["fact", "relation", "ablation"])
    own = frames.ablations[frames.ablations["score"] == frames.score]
    shuffled = frames.nulls[frames.nulls["null"] == "shuffled"]
    means = shuffled.groupby(["fact", "ablation"])[["rho", "sufficiency"]].mean()
    return own.join(means.add_suffix("_shuffled"), on=["fact", "ablation"])


def by_ablation(frames: AuditFrames) -> dict[tuple[str, str], Effect]:
    """Return the effects of rho and of sufficiency against shuffled groups by each ablation.

    The keys are ``(quantity, ablation)``; corrected together.
    """
    effects = {}
    for quantity in ("rho", "sufficiency"):
        for ablation, rows in beside_shuffled(frames).groupby("ablation", sort=False):
            effects[quantity, str(ablation)] = effect_of(
                rows[quantity] - rows[f"{quantity}_shuffled"],
                rows["relation"].tolist(),
                margin=frames.margin,
            )
    return judged(effects)


def overall(effects: dict[str, Effect]) -> str:
    """Return whether the groups each carry their fact: "yes" if all that is needed is.

    "no" if any needed question is answered "no". Questions without a single fact do not count,
    such as the comparison with matched neurons where the groups leave no other neurons.
    """
    needed = [effects[name] for name, question in QUESTIONS.items() if question.needed]
    found = {effect.verdict for effect in needed if effect.n}
    if found == {YES}:
        return YES
    return NO if NO in found else UNDECIDED


def verdict_frame(frames: AuditFrames) -> pd.DataFrame:
    """Return a row per question: its text, verdict, effect, interval, margin, least effect."""
    rows = []
    for name, effect in verdicts(frames).items():
        cells = asdict(effect)
        rows.append({"question": QUESTIONS[name].text, "name": name, **cells})
    return pd.DataFrame(rows)
