"""What a study is done for: findings in words, tables, pictures, and the rows behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Claim", "Picture", "Summary", "Table", "free_axes"]


class Claim(str):
    """A finding that says there is an effect, and not merely what was measured.

    It is made where a difference of the direction in question stands at the study's level after
    correction for many tests, against the control that could prove it wrong, and on a model that
    knows what it is asked.

    Examples
    --------
    >>> from neurotopo.report.summary import Claim, Summary
    >>> findings = ("9 facts are known.", Claim("A exceeds B."))
    >>> Summary("A and B", findings, {}, {}, rows=None).claims
    ('A exceeds B.',)
    """

    __slots__ = ()


@dataclass(frozen=True, eq=False)
class Table:
    """A table of a report.

    Attributes
    ----------
    frame : DataFrame
        Its cells; the index is not shown. nan and None are cells without a value.
    title : str
        One line.
    note : str
        What the cells are and from which columns of the rows they are made.
    formats : mapping of str to str
        Format of a column's numbers, ``{"p": ".2g"}`` say. Others have four significant digits.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report import to_markdown
    >>> from neurotopo.studies import Table
    >>> frame = pd.DataFrame({"method": ["ntc", "random"], "p": [0.0012, 0.4]})
    >>> table = Table(frame, "Table 1. Methods", "p: Wilcoxon.", formats={"p": ".2g"})
    >>> to_markdown(table).splitlines()[-3]
    '| random | 0.4 |'
    """

    frame: pd.DataFrame
    title: str
    note: str = ""
    formats: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Picture:
    """A picture of a report.

    Attributes
    ----------
    figure : matplotlib Figure
        Made without pyplot, so that nothing has to be closed.
    title : str
        One line.
    note : str
        What is to be seen; it is the alternative text too.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from neurotopo.studies import Picture
    >>> figure = Figure()
    >>> _ = figure.subplots().plot([0.0, 0.5, 2.0])
    >>> Picture(figure, "Fall of the probability", note="It is convex.").title
    'Fall of the probability'
    """

    figure: Figure
    title: str
    note: str = ""


@dataclass(frozen=True, eq=False)
class Summary:
    """What is made of the rows of a run.

    Attributes
    ----------
    title : str
        What was asked.
    findings : tuple of str
        What was found and what was not, a sentence each, by rules from the numbers. Those that say
        there is an effect are of the type :class:`Claim`.
    tables : dict of str to Table
        The tables in their order; the names are names of files.
    pictures : dict of str to Picture
        The pictures in their order; the names are names of files.
    rows : DataFrame
        What tables and pictures are made of.
    notes : tuple of str
        What a reader has to know about all of it: seeds, what was left out.
    explorer : dict or None
        What the page shows fact by fact, JSON-able; see
        :func:`neurotopo.studies.acquisition.explorer.explorer_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.studies import Summary, Table
    >>> rows = pd.DataFrame({"fact": ["peru", "chile"], "n": [3, 5]})
    >>> mean = Table(pd.DataFrame({"mean": [rows["n"].mean()]}), "Neurons of a fact")
    >>> Summary("Sizes", ("A fact has 4 neurons on average.",), {"sizes": mean}, {}, rows)
    Summary('Sizes', rows=2, tables=['sizes'], pictures=[])
    """

    title: str
    findings: tuple[str, ...]
    tables: dict[str, Table]
    pictures: dict[str, Picture]
    rows: pd.DataFrame
    notes: tuple[str, ...] = ()
    explorer: dict[str, Any] | None = None

    @property
    def claims(self) -> tuple[str, ...]:
        """The findings that say there is an effect."""
        return tuple(finding for finding in self.findings if isinstance(finding, Claim))

    def __repr__(self) -> str:
        parts: dict[str, Any] = {
            "rows": len(self.rows),
            "tables": list(self.tables),
            "pictures": list(self.pictures),
        }
        return f"Summary({self.title!r}, {', '.join(f'{k}={v}' for k, v in parts.items())})"


def free_axes(width: float, height: float) -> Any:
    """Return axes of a figure that pyplot does not know, so that nothing has to be closed.

    Parameters
    ----------
    width, height : float
        Size of the figure in inches.

    Returns
    -------
    matplotlib Axes

    Examples
    --------
    >>> from neurotopo.report.summary import Picture, free_axes
    >>> ax = free_axes(6.0, 4.0)
    >>> Picture(ax.figure, "Nothing").title
    'Nothing'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure.add_subplot()
