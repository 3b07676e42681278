"""Options of the study ``audit``."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from neurotopo.knowledge.facts import Fact, FactSet
from neurotopo.redundancy.ablation import ABLATIONS
from neurotopo.redundancy.scores import SCORES
from neurotopo.studies.audit.groups import method_names
from neurotopo.studies.audit.items import given_groups, groups_digest
from neurotopo.studies.facts import facts_for
from neurotopo.studies.inference import MARGIN
from neurotopo.studies.neurons import SearchOptions
from neurotopo.studies.study import digest_of

__all__ = ["AuditOptions"]

_GIVEN = "given:"


@dataclass(frozen=True)
class AuditOptions(SearchOptions):
    """Options of the study ``audit``, beside those of :class:`SearchOptions`.

    Parameters
    ----------
    groups : str, path-like or mapping, default="ntc"
        The groups that are judged: the name of a method
        (:data:`~neurotopo.studies.groupings.METHODS`, or ``"dkn"`` for the components of NTC that
        pass the filter), a file (:func:`~neurotopo.neurons.load_groups`), or a mapping from the
        keys of facts to lists of groups.
    background : path-like or iterable of Fact, optional
        More facts, for foils, ablation and specificity only.
    score : {"contrast", "log-odds", "probability"}, default="contrast"
        What is measured, :class:`~neurotopo.redundancy.Scores`.
    ablation : {"zero", "mean", "counterfactual"}, optional
        The ablation of the verdicts; all three are reported. None: ``"counterfactual"`` where the
        relation has at least 8 facts, else ``"mean"``.
    n_draws : int, default=5
        Number of draws of each null.
    n_foils : int, default=8
        The most foils.
    n_others : int, default=20
        Facts of the relation, and as many of other relations, on which effects are measured.
    n_wordings : int, default=2
        The most other wordings.
    n_relation : int, default=50
        The most facts of the relation of which mean values are taken.
    max_exact : int, default=10
        The most groups for which all subsets are measured.
    n_samples : int, default=20
        Subsets of each size that are measured for more groups; at least one for each group.
    margin : float, default=0.1
        The smallest effect that counts.
    only_known : bool, default=True
        Leave out facts that the model does not answer correctly. They are counted.

    Examples
    --------
    >>> from neurotopo.studies.audit.options import AuditOptions
    >>> AuditOptions(groups="kmeans").score
    'contrast'
    >>> AuditOptions(groups={"paris": [[(0, 1)], [(1, 2)]]}).to_dict()["groups"]
    'given:0467db45e6e8f3a6'
    """

    groups: Any = "ntc"
    background: Any = None
    score: str = "contrast"
    ablation: str | None = None
    n_draws: int = 5
    n_foils: int = 8
    n_others: int = 20
    n_wordings: int = 2
    n_relation: int = 50
    max_exact: int = 10
    n_samples: int = 20
    margin: float = MARGIN
    only_known: bool = True

    QUICK = {
        "quadrature": "gauss-legendre",
        "steps": 8,
        "n_others": 5,
        "n_wordings": 1,
        "max_exact": 5,
        "n_samples": 10,
    }

    def __post_init__(self) -> None:
        super().__post_init__()
        if not (isinstance(self.groups, str) and self.groups.startswith(_GIVEN)):
            object.__setattr__(self, "groups", _groups(self.groups))
        if not (isinstance(self.background, str) and self.background.startswith(_GIVEN)):
            object.__setattr__(self, "background", _facts(self.background))
        self.check_choice(score=SCORES)
        if self.ablation is not None:
            self.check_choice(ablation=ABLATIONS)
        self.check_whole(
            n_draws=1, n_foils=1, n_others=0, n_wordings=0, n_relation=1, max_exact=1, n_samples=1
        )
        if not (math.isfinite(self.margin) and self.margin > 0):
            raise ValueError(f"margin must be a number above 0, got {self.margin}.")

    def to_dict(self) -> dict[str, Any]:
        """Return all options in types that JSON can hold; groups and facts by their hash."""
        values = {name: value for name, value in vars(self).items() if name != "background"}
        if isinstance(self.groups, Mapping):
            values["groups"] = _GIVEN + groups_digest(self.groups)
        background = self.background
        if isinstance(background, tuple):
            background = _GIVEN + digest_of([fact.to_dict() for fact in background])
        return {**values, "background": background}


def _facts(background: Any) -> tuple[Fact, ...] | None:
    """Return facts from a file or an iterable."""
    if background is None:
        return None
    if isinstance(background, str | os.PathLike):
        return tuple(facts_for(background))
    return tuple(FactSet(background))


def _groups(groups: Any) -> Any:
    """Return the name of a method, or the groups of a file or mapping."""
    if isinstance(groups, str) and groups in method_names():
        return groups
    if isinstance(groups, str) and not os.path.exists(groups):
        raise ValueError(
            f"groups: there is no method and no file {groups!r}; methods are: "
            f"{', '.join(method_names())}."
        )
    return given_groups(groups)
