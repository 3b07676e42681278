"""Summary of a run: findings in words, tables, pictures, and the rows behind them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["Claim", "Picture", "Summary", "Table", "free_axes"]


class Claim(str):
    """Finding that states an effect, not only a measurement.

    A claim needs a difference in the expected direction that is significant after correction for
    multiple tests, against a control, on a model that knows the facts.

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
        The cells; the index is not shown. nan and None are missing values.
    title : str
        One line.
    note : str
        Meaning of the cells, and the columns of the rows that they are computed from.
    formats : mapping of str to str
        Format of a column's numbers, for example ``{"p": ".2g"}``. The default is four significant
        digits.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report import to_markdown
    >>> from neurotopo.report.summary import Table
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
        A figure without pyplot, which need not be closed.
    title : str
        One line.
    note : str
        Description of the picture, also its alternative text.

    Examples
    --------
    >>> from matplotlib.figure import Figure
    >>> from neurotopo.report.summary import Picture
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
    """Result of a run: findings, tables and pictures.

    Attributes
    ----------
    title : str
        The question.
    findings : tuple of str
        One sentence each, made from the numbers by rules. Those that state an effect are of type
        :class:`Claim`.
    tables : dict of str to Table
        The tables in order; the names are file names.
    pictures : dict of str to Picture
        The pictures in order; the names are file names.
    rows : DataFrame
        Data behind the tables and pictures.
    notes : tuple of str
        Notes on the whole report: seeds, omissions.
    explorer : dict or None
        Data of the single facts for the page, JSON-serialisable; see
        :func:`neurotopo.studies.acquisition.explorer.explorer_of`.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report.summary import Summary, Table
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
        """The findings that state an effect."""
        return tuple(finding for finding in self.findings if isinstance(finding, Claim))

    def __repr__(self) -> str:
        names = f"tables={list(self.tables)}, pictures={list(self.pictures)}"
        return f"Summary({self.title!r}, rows={len(self.rows)}, {names})"


def free_axes(width: float, height: float) -> Any:
    """Return axes of a figure without pyplot, which need not be closed; the size is in inches.

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
