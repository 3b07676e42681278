"""The study ``crosslingual`` as it is run by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from neurotopo.report.summary import Summary
from neurotopo.studies.crosslingual.findings import findings_of
from neurotopo.studies.crosslingual.items import facts_in_languages, language_facts
from neurotopo.studies.crosslingual.options import CrosslingualOptions
from neurotopo.studies.crosslingual.overlaps import overlaps
from neurotopo.studies.crosslingual.pictures import pictures_of
from neurotopo.studies.crosslingual.rows import Collected, collect
from neurotopo.studies.crosslingual.tables import tables_of
from neurotopo.studies.crosslingual.work import STAGES, prepare
from neurotopo.studies.findings import ALPHA, FEW
from neurotopo.studies.rows import Row
from neurotopo.studies.study import Study

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["STUDY", "summarise"]

_TITLE = (
    "Languages: is a fact stored in the same neurons, and does an edit cross from one to another"
)
_NOTES = (
    "A fact is worked on in every language by itself, with the methods, filter and exclusions of "
    "the study acquisition. Table 10 is its Table 1 per language.",
    "Language-independent neurons (AMIG) are those that are knowledge neurons of the same fact in "
    "every language. Four arms of an edit: shared, the language-independent neurons; first and "
    "second, all neurons of one language; sequential, those of the first and then of the second.",
    "Random neurons have the sizes of the fact's sets and overlap as these do. They come from the "
    "whole model, or layer by layer.",
    "Neurons are chosen because the answer's probability depends on them. So they beat random "
    "neurons in any model, a random one too, and where the answer is written alike in both "
    "languages they also do in the other language. A claim about crossing is made only over facts "
    f"whose answers have no word in common, that the model knows in every language, {FEW} at "
    "least. Pieces of words may still be the same.",
    f"A difference is claimed at the level {ALPHA} after Holm's correction.",
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
    values = overlaps(found)
    tables = tables_of(found, values)
    return Summary(
        title=_TITLE,
        findings=findings_of(found, tables),
        tables=tables,
        pictures=pictures_of(found, tables, values),
        rows=_all_rows(found),
        notes=_NOTES,
    )


def _all_rows(found: Collected) -> pd.DataFrame:
    """Return a row per fact and language, and in the columns what is known about the fact."""
    own = found.by_language.rename(columns={"known": "known_in_language"})
    return found.facts.merge(own, on="fact", how="left")


class Crosslingual(Study):
    """The study ``crosslingual``."""

    name, title, Options = "crosslingual", _TITLE, CrosslingualOptions
    stages = STAGES
    prepare = staticmethod(prepare)
    summary = staticmethod(summarise)

    def load(self, facts: Any, model: Any = None, **given: Any) -> Any:
        """Return the facts."""
        return facts_in_languages(facts, model, **given)

    def items(self, facts: Any, options: Any, seed: int, model: Any) -> Any:
        """Return what is worked on."""
        return language_facts(facts, options, seed)


STUDY = Crosslingual
