"""The check of a model and of facts, without a run."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from neurotopo._extras import llm_packages_for
from neurotopo.studies.preflight import COMPLETE, Preflight
from neurotopo.studies.run import QUICK_FACTS, check_of, models_for, options_for
from neurotopo.studies.study import MODEL_SETTINGS, study_named

if TYPE_CHECKING:
    from neurotopo.knowledge.facts import Fact

__all__ = ["preflight"]


def preflight(
    model: Any,
    facts: str | os.PathLike[str] | Iterable[Fact] = "factworld",
    study: str = "acquisition",
    *,
    sample: int = COMPLETE.located,
    timed: int = COMPLETE.timed,
    quick: bool = False,
    preset: str | None = None,
    seed: int = 0,
    **options: Any,
) -> Preflight:
    """Check what a study would find on a model and facts, and how long it would take.

    Tokens of prompts and answers, the facts that the model knows, knowledge neurons and potential
    components of some known facts, time and memory. Every study does a shorter check by itself.

    Parameters
    ----------
    model : str, path-like or NeuronModel
        The model, as for :func:`neurotopo.studies.run`. Of several models the first is checked.
    facts : str, path-like or iterable of Fact, default="factworld"
        The facts, as for :func:`neurotopo.studies.run`.
    study : str, default="acquisition"
        The study.
    sample : int, default=12
        Number of facts whose neurons are found, known ones if there are any.
    timed : int, default=3
        Number of facts that the study measures, for the time. 0: only the neurons are timed.
    quick, preset, seed
        As for :func:`neurotopo.studies.run`.
    **options
        Options of the study and settings of the model, as for :func:`neurotopo.studies.run`.

    Returns
    -------
    Preflight

    Raises
    ------
    ValueError
        If the study cannot use the facts at all, or an option does not exist.

    Examples
    --------
    >>> import neurotopo as nt
    >>> check = nt.preflight("testbed:planted", "factworld:30", sample=4, timed=0, device="cpu")
    >>> check.ok, check.n_two, check.selection["rule"]
    (True, 4, 'top')
    """
    chosen = study_named(study)()
    settings = {name: options.pop(name) for name in MODEL_SETTINGS if name in options}
    checked = options_for(chosen, options, quick=quick, preset=preset)
    if sample < 1 or timed < 0:
        raise ValueError(f"sample must be at least 1 and timed at least 0, got {sample}, {timed}.")
    given = models_for(model, chosen)
    first = given[0] if chosen.several else given
    listed = chosen.load(facts, first, most=QUICK_FACTS if quick else None, seed=seed)
    remarks = chosen.check(listed, checked, seed)
    items = chosen.items(listed, checked, seed, given)
    extent = replace(COMPLETE, located=sample, timed=timed)
    with llm_packages_for("studies need"):
        work = chosen.prepare(given, {**settings, **checked.to_dict(), "seed": seed})
        return check_of(listed, items, remarks, seed, None, extent)(work)
