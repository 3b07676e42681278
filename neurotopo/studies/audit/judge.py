"""``neurotopo.audit``: the verdicts on groups of neurons, in one call."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neurotopo.studies.audit.cost import bill
from neurotopo.studies.audit.frames import AuditFrames
from neurotopo.studies.audit.options import AuditOptions
from neurotopo.studies.outcome import Result
from neurotopo.studies.run import run

if TYPE_CHECKING:
    import pandas as pd

    from neurotopo.knowledge.facts import Fact

__all__ = ["Audit", "audit"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Audit(Result):
    """The result of an audit; also all of :class:`~neurotopo.studies.Result`.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("or")
    >>> groups = {"S": net.groups}
    >>> found = nt.audit(net.model, net.facts, groups, margin=0.2, n_others=1, check=False)
    >>> found.rows[["fact", "rho"]].values.tolist()
    [['S', 1.0], ['T', nan], ['T2', nan]]
    """

    def _repr_html_(self) -> str:
        from neurotopo.report.inline import result_html, verdicts_html

        shown = verdicts_html(self.verdicts)
        return result_html(self.summary, str(self.outcome), self.outcome.run, self.out, shown)

    @property
    def verdicts(self) -> pd.DataFrame:
        """The questions, each with verdict, effect, interval, margin and least effect."""
        return self.tables["verdicts"]

    @property
    def frames(self) -> AuditFrames:
        """All numbers: facts, ablations, nulls, groups and wordings, each as a DataFrame."""
        frames: AuditFrames = self.summary.frames  # type: ignore[attr-defined]
        return frames

    def report(self, path: str | os.PathLike[str]) -> Path:
        """Write tables, figures and the page of the report.

        Parameters
        ----------
        path : path-like
            The folder.

        Returns
        -------
        Path
            The page, ``report.html``.
        """
        from neurotopo.report import write_report

        return write_report(self.summary, path, failures=self.outcome.failures)[-1]


def audit(
    model: Any,
    facts: str | os.PathLike[str] | Iterable[Fact],
    groups: str | os.PathLike[str] | Mapping[str, Any] | None = None,
    *,
    out: str | os.PathLike[str] | None = None,
    tell: Callable[[str], None] = logger.info,
    **options: Any,
) -> Audit:
    """Judge claims that groups of neurons each carry a fact.

    Each quantity is measured against null groups on every fact, and each question has a verdict:
    yes, no or undecided.

    Parameters
    ----------
    model : str, path-like or NeuronModel
        The model, as for :func:`neurotopo.studies.run`.
    facts : str, path-like or iterable of Fact
        The facts. Several prompts with the same relation, subject and answers are wordings of one
        fact: the first is judged, the next ones are its other wordings. The other facts of a
        relation are needed too, for foils and ablation.
    groups : str, path-like or mapping, optional
        The groups of each fact: a mapping from its key to lists of neurons, a JSON or CSV file of
        any tool (:func:`~neurotopo.neurons.load_groups`), or the name of a method, such as
        ``"kmeans"``. Default: ``"ntc"``.
    out : path-like, optional
        Folder of the run, which is resumed by the same call. None: keep everything in memory.
    tell : callable, optional
        Called with messages for the user, the cost first.
    **options
        Options of the audit (:class:`~neurotopo.studies.audit.options.AuditOptions`), and all of
        :func:`neurotopo.studies.run`.

    Returns
    -------
    Audit

    Raises
    ------
    ValueError
        For groups that overlap or have no neurons, and where no key is that of a fact. A neuron
        that the model does not have is an error of its fact.

    References
    ----------
    .. [1] T. McGrath et al., "The Hydra Effect: Emergent Self-repair in Language Model
       Computations", 2023.
    .. [2] J. Miller et al., "Transformer Circuit Faithfulness Metrics are not Robust", 2024.
    .. [3] M. Méloux et al., "Everything, Everywhere, All at Once: Is Mechanistic Interpretability
       Identifiable?", ICLR 2025.

    Examples
    --------
    >>> import neurotopo as nt
    >>> from neurotopo.testbed.toys import toy
    >>> net = toy("and")
    >>> found = nt.audit(net.model, net.facts, {"S": net.groups}, n_others=1, check=False)
    >>> found.rows["rho"].tolist(), found.verdicts["verdict"].unique().tolist()
    ([-1.0, nan, nan], ['undecided'])
    """
    chosen: dict[str, Any] = {} if groups is None else {"groups": groups}
    own = {each.name for each in fields(AuditOptions)}
    given = {name: value for name, value in options.items() if name in own}
    presets = {name: options[name] for name in ("quick", "preset") if name in options}
    tell(f"audit: {bill(AuditOptions.chosen({**given, **chosen}, **presets))}")
    result = run("audit", model=model, facts=facts, out=out, tell=tell, **chosen, **options)
    return Audit(result.outcome, result.summary, result.files)
