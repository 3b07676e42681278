"""Tables as CSV, Markdown and LaTeX.

CSV has every digit, empty cells for missing values, ``inf``, True and False. The others have four
significant digits or the format of the column, a dash for a missing value, yes and no. The format
``"p"`` is for p-values, which are never zero; ``"d"`` is for whole numbers without separators, for
example years.
"""

from __future__ import annotations

import re
from typing import Any

import pandas as pd

from neurotopo.report._cells import CellFormat, columns, one_line
from neurotopo.report.summary import Table

__all__ = ["csv_frame", "to_csv", "to_latex", "to_markdown"]

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# what a spreadsheet reads as a formula; a number with a sign is none
_FORMULA = re.compile(r"[=@\t]|[+-](?![\d.,]+(?:e[+-]?\d+)?\s?%?$)(?!$)")
_MARKDOWN = re.compile(r"([\\`*_{}\[\]|~$#!])")
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: f"\\{sign}" for sign in "#$%&_{}"},
    # at the start of a row, LaTeX reads these as options of the line break before it
    **{sign: f"{{{sign}}}" for sign in "[]*"},
}


def to_csv(table: Table) -> str:
    r"""Return the cells of a table as CSV.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    str
        Line breaks within a cell are ``\n``.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report import to_csv
    >>> from neurotopo.report.summary import Table
    >>> frame = pd.DataFrame({"fact": ["a, b", "c"], "gcr": [1 / 3, float("nan")]})
    >>> to_csv(Table(frame, "Ratios"))
    'fact,gcr\n"a, b",0.3333333333333333\nc,\n'
    """
    return str(csv_frame(table.frame).to_csv(index=False, lineterminator="\n"))


def csv_frame(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame that is safe to open as a spreadsheet.

    Carriage returns, which pandas does not quote, become line breaks; other control characters
    become the sign for an unknown character. A text that a spreadsheet would read as a formula
    (it begins with ``=``, ``+``, ``-``, ``@`` or a tab) gets an apostrophe in front of it.
    """
    whole = frame.copy(deep=False)
    for i, kind in enumerate(frame.dtypes):
        if kind.kind == "O":  # text or other objects
            values = [_safe(value) for value in frame.iloc[:, i]]
            whole.isetitem(i, pd.Series(values, index=frame.index, dtype=object))
    if frame.columns.nlevels == 1:
        whole.columns = pd.Index([_safe(name) for name in frame.columns], dtype=object)
    return whole


def to_markdown(table: Table) -> str:
    r"""Return a table in GitHub's Markdown.

    Parameters
    ----------
    table : Table
        The table.

    Returns
    -------
    str
        Title, cells and note, all escaped.

    Raises
    ------
    ValueError
        If a format does not fit the numbers of its column.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report import to_markdown
    >>> from neurotopo.report.summary import Table
    >>> frame = pd.DataFrame({"fact": ["a|b", "c"], "n": [12000, 3], "p": [3.2e-5, 0.0]})
    >>> print(to_markdown(Table(frame, "Sizes", formats={"p": "p"})), end="")
    **Sizes**
    <BLANKLINE>
    | fact | n | p |
    | :--- | ---: | ---: |
    | a\|b | 12,000 | 3.2e-05 |
    | c | 3 | &lt; 1e-300 |
    """
    parts = [f"**{_markdown(table.title)}**"] if table.title.strip() else []
    shown = columns(table, CellFormat(_markdown, _markdown))
    if shown:
        heads = ((each.name, "---:" if each.right else ":---") for each in shown)
        whole = [(*head, *each.cells) for head, each in zip(heads, shown, strict=True)]
        lines = zip(*whole, strict=True)
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    if table.note.strip():
        # Unescaped, this start of a paragraph would make a list, a heading or a rule.
        parts.append(re.sub(r"^(\d*)([-+=.)])", r"\1\\\2", _markdown(table.note)))
    return "\n\n".join(parts) + "\n"


def to_latex(table: Table, label: str | None = None) -> str:
    r"""Return a table for LaTeX, in the style of booktabs.

    Parameters
    ----------
    table : Table
        The table.
    label : str, optional
        Label of the table. None: ``tab:`` and the title.

    Returns
    -------
    str
        A float for ``\\input``. It needs no package; without booktabs its rules are plain lines.
        Non-ASCII letters are kept.

    Raises
    ------
    ValueError
        If a format does not fit the numbers of its column.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report import to_latex
    >>> from neurotopo.report.summary import Table
    >>> frame = pd.DataFrame({"relation": ["P_36"], "gcr": [float("inf")]})
    >>> print(to_latex(Table(frame, "Ratios of 5 %"))[-144:], end="")
    \toprule
    relation & gcr \\
    \midrule
    P\_36 & $\infty$ \\
    \bottomrule
    \end{tabular}
    \caption{Ratios of 5 \%}
    \label{tab:ratios-of-5}
    \end{table}
    """
    signs = CellFormat(_latex, _latex_number, r"$\infty$", r"$-\infty$", thousands=False)
    shown = columns(table, signs)
    lines = [r"\begin{table}", r"\centering"]
    lines += [rf"\providecommand{{\{rule}rule}}{{\hline}}" for rule in ("top", "mid", "bottom")]
    if shown:
        sides = "".join("r" if each.right else "l" for each in shown)
        header, *rows = zip(*((each.name, *each.cells) for each in shown), strict=True)
        lines += [rf"\begin{{tabular}}{{{sides}}}", r"\toprule", " & ".join(header) + r" \\"]
        lines += [r"\midrule", *(" & ".join(cells) + r" \\" for cells in rows)]
        lines += [r"\bottomrule", r"\end{tabular}"]
    name = label if label is not None else f"tab:{table.title.lower()}"
    lines.append(rf"\caption{{{_latex(table.title)}}}")
    lines.append(rf"\label{{{re.sub('[^A-Za-z0-9:.]+', '-', name).strip('-')}}}")
    if table.note.strip():
        lines += [r"\par\smallskip", rf"{{\footnotesize {_latex(table.note)}\par}}"]
    return "\n".join([*lines, r"\end{table}"]) + "\n"


def _safe(value: Any) -> Any:
    if not isinstance(value, str):
        return value
    text = _CONTROL.sub("\ufffd", re.sub("\r\n?", "\n", value))
    return f"'{text}" if _FORMULA.match(text) else text


def _markdown(text: str) -> str:
    escaped = one_line(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\1", escaped)


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(sign, sign) for sign in one_line(text))
    return re.sub("-(?=-)", "-{}", escaped)  # two hyphens make a dash


def _latex_number(text: str) -> str:
    return f"$-${text[1:]}" if text.startswith("-") else _latex(text)
