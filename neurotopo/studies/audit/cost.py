"""What an audit costs: the number of edited prompts of a fact."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from neurotopo.knowledge.suppression import subsets
from neurotopo.redundancy.ablation import ABLATIONS
from neurotopo.studies.audit.measure import shell, spare_steps, with_pairs

if TYPE_CHECKING:
    from neurotopo.studies.audit.options import AuditOptions

__all__ = ["bill", "forwards"]

_TYPICAL = (8, 8, 8)


def forwards(
    options: AuditOptions, sizes: Sequence[int] = _TYPICAL, *, n_wordings: int = 0
) -> dict[str, int]:
    """Return the number of prompts that are evaluated for a fact, by quantity.

    One prompt with one set of edits counts as one; those of a fact share the keys and values of
    the tokens before the last one. Null groups are counted as if there were as many as groups. The
    search for further sets takes up to four for each set, attribution comes on top.

    Parameters
    ----------
    options : AuditOptions
    sizes : sequence of int
        Number of neurons of each group.
    n_wordings : int, default=0
        Number of other wordings.

    Returns
    -------
    dict of str to int

    Examples
    --------
    >>> from neurotopo.studies.audit.cost import forwards
    >>> from neurotopo.studies.audit.options import AuditOptions
    >>> counts = forwards(AuditOptions())
    >>> counts["groups"], counts["minimality"], sum(counts.values())
    (22, 29, 612)
    """
    n, draws = len(sizes), options.n_draws
    n_shell = len(shell(n))
    others = len(with_pairs(n)) if n <= options.max_exact else n_shell
    own = len(subsets(n, max_exact=options.max_exact, n_samples=max(options.n_samples, n)))
    return {
        "groups": 1 + own + (len(ABLATIONS) - 1) * others,
        # shuffled by every ablation; three more with draws; by rank and repulsion once
        "nulls": n_shell * (len(ABLATIONS) * draws + 3 * draws + 2),
        "alone": 1 + (1 + draws) * (n + 1),
        "minimality": 2 + sum(len(spare_steps(size)) for size in sizes),
        "paths": 3 * (n_shell + 1) + 1,
        "wordings": n_wordings * (1 + (1 + draws) * n_shell),
        "specificity": (1 + 2 * options.n_others) * (2 * n + 1),
    }


def bill(options: AuditOptions) -> str:
    """Return a sentence with the cost of a fact.

    Examples
    --------
    >>> from neurotopo.studies.audit.cost import bill
    >>> from neurotopo.studies.audit.options import AuditOptions
    >>> bill(AuditOptions())[:66]
    'a fact with 3 groups of 8 neurons takes 612 edited prompts, and 43'
    """
    one = sum(forwards(options).values())
    worded = sum(forwards(options, n_wordings=1).values()) - one
    return (
        f"a fact with 3 groups of 8 neurons takes {one:,} edited prompts, and {worded:,} more for "
        "each other wording; attribution and the search for further sets come on top."
    )
