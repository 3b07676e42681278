"""The study ``detection`` as it is run by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from neurotopo.report.summary import Summary
from neurotopo.studies.detection.evaluation import Evaluation
from neurotopo.studies.detection.findings import findings_of
from neurotopo.studies.detection.options import DetectionOptions
from neurotopo.studies.detection.pictures import pictures_of
from neurotopo.studies.detection.rows import METHODS, collect
from neurotopo.studies.detection.tables import tables_of
from neurotopo.studies.detection.trials import facts_of_relations, trials
from neurotopo.studies.detection.work import prepare
from neurotopo.studies.findings import ALPHA
from neurotopo.studies.rows import Row
from neurotopo.studies.study import Study

__all__ = ["STUDY", "summarise"]

_TITLE = "Degenerate knowledge neurons: do they tell false facts from true ones"
_NOTES = (
    "A fact's prompt is given a true label, one of its answers, and a wrong one. Wrong labels are "
    "the true labels of the same facts, exchanged: they are as frequent as true ones and as long, "
    "so that nothing can be told from the label alone. None may be true of its subject at any "
    "date of the file.",
    "A relation's facts are divided by subject. On the train facts neurons are chosen (those that "
    "are degenerate knowledge neurons of more than a share of them) and the threshold is learned; "
    "all that is reported is of the other facts, unless it says otherwise. A label that scores "
    "under the threshold counts as false.",
    "The score is the mean raw attribution (AMIG) of the neurons, for the probability of the label "
    "in question. Threshold: the best balanced accuracy; the best F1 of one class would be that "
    "of saying true of almost everything.",
    "The attributions of a layer sum to the change of the label's probability along their path. "
    "So any neurons score a label higher that the model holds likely, and detection by chosen "
    "neurons means something only beside random neurons of the same number, and beside the "
    "probability itself, which costs one call to the model.",
    f"A claim needs {ALPHA} after Holm's correction against chance and against both kinds of "
    "random neurons, and a model that answers the facts.",
)


def summarise(rows: Iterable[Row]) -> Summary:
    """Make findings, tables and pictures of the stored rows.

    Parameters
    ----------
    rows : iterable of Row
        The rows; some may have failed, and there may be none.

    Returns
    -------
    Summary
    """
    found = collect(rows)
    evaluation = Evaluation(found)
    tables = tables_of(found, evaluation)
    legend = "; ".join(f"{name}: {METHODS[name]}" for name in found.methods)
    return Summary(
        title=_TITLE,
        findings=findings_of(found, evaluation, tables),
        tables=tables,
        pictures=pictures_of(evaluation, tables),
        rows=found.to_pandas(),
        notes=(*_NOTES, f"Methods. {legend}.") if legend else _NOTES,
    )


class Detection(Study):
    """The study ``detection``."""

    name, title, Options = "detection", _TITLE, DetectionOptions
    unit = "relation"
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)

    def load(self, facts: Any, model: Any = None, **given: Any) -> Any:
        """Return the facts."""
        return facts_of_relations(facts, model, **given)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return what is worked on."""
        return trials(facts, options, seed)


STUDY = Detection
