"""Small runs of every study, and what no sentence, table or picture of theirs may have."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from matplotlib.text import Text

import neurotopo as nt
from neurotopo.report._cells import CellFormat, clean, columns
from neurotopo.report.summary import Claim, Summary
from neurotopo.studies import Study
from neurotopo.studies.study import study_named

OPTIONS: dict[str, dict[str, Any]] = {
    "critique": {"n_edits": 2, "n_pairs": 20},
    "learning": {"arms": ("dkn", "random"), "epochs": 1, "n_seeds": 2},
    "choices": {"n_random": 2},
}
LADDER = ["testbed:ladder-1", "testbed:ladder-2"]
WHOLE = ("critique", "detection", "learning")
"""Studies whose items are no facts: their rows of one fact are those of another run."""

BAD = {
    "nan": r"\bnan\b",
    "a plural of one": (
        r"(?<![\d.,])1 (facts|questions|relations|groups|pairs|trials|edits|components|neurons|"
        r"points|models|seeds|variations|settings|preferences|subjects)\b"
    ),
    "a count with decimals": r"\d\.0+ (facts|questions|relations|pairs|groups|trials|edits)\b",
    "a minus before zero": r"(?<![\w.,])-0(\.0+)?(?![\d.])",
    "a test of one": r"\(1 (fact|pair|group)\b[^()]*\bp = ",
}


def rows_of(name: str, n: int) -> list[Any]:
    """Run a study on facts of FactWorld and return its rows."""
    model = LADDER if study_named(name).several else "testbed:gpt2"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Study, "summary", lambda self, rows: list(rows))
        result = nt.studies.run(
            name,
            model=model,
            facts=f"factworld:{n}",
            device="cpu",
            quick=True,
            check=False,
            **OPTIONS.get(name, {}),
        )
    rows: Any = result.summary
    return rows


def of_facts(rows: Sequence[Any], n: int) -> list[Any]:
    """Return the rows of the first facts, of every model."""
    keys = [row.content["key"] if "place" in row.content else row.fact for row in rows]
    first = list(dict.fromkeys(keys))[:n]
    return [row for row, key in zip(rows, keys, strict=True) if key in first]


def sentences(summary: Summary) -> str:
    """Return the findings, one a line; numbers with decimals, shares and p-values are ``#``."""
    lines = [f"{'Claim: ' if isinstance(x, Claim) else ''}{x}" for x in summary.findings]
    text = "\n".join(lines)
    text = re.sub(r"(?<=p = )\d\S*?(?=[,;)\s])", "#", text)
    return re.sub(r"[-+]?\b\d+(\.\d+(e-\d+)?|(?= ?%))", "#", text) + "\n"


def texts(summary: Summary) -> Iterator[str]:
    """Yield every text of a report: findings, notes, titles, cells, labels of pictures."""
    yield from summary.findings
    yield from summary.notes
    for table in summary.tables.values():
        yield from (table.title, table.note)
        for column in columns(table, CellFormat(clean, clean)):
            yield from (column.name, *column.cells)
    for picture in summary.pictures.values():
        yield from (picture.title, picture.note)
        yield from (text.get_text().replace("\N{MINUS SIGN}", "-") for text in _shown(picture))


def bad_texts(summary: Summary) -> list[tuple[str, str]]:
    """Return the texts with something bad, and what it is."""
    return [
        (what, text)
        for text in texts(summary)
        for what, pattern in BAD.items()
        if re.search(pattern, text)
    ]


def lone_tests(summary: Summary) -> list[tuple[str, str]]:
    """Return the tables that have a p-value in a row of fewer than two pairs."""
    return [
        (name, p)
        for name, table in summary.tables.items()
        for n, p in (("n", "p"), ("n", "p of t"), ("n jump", "p"))
        if {n, p} <= set(table.frame.columns)
        if table.frame.loc[table.frame[n] < 2, p].notna().any()
    ]


def _shown(picture: Any) -> list[Text]:
    figure = picture.figure
    figure.draw_without_rendering()
    return [
        text
        for text in figure.findobj(Text)
        if text.get_visible() and text.get_text().strip() and _within(text)
    ]


def _within(text: Text) -> bool:
    """Tell whether all that holds a text is visible, and a tick within its axis."""
    box = text.get_window_extent()
    return bool(box.width > 1 and box.height > 1)


def overprinted(picture: Any) -> list[tuple[str, str]]:
    """Return the pairs of texts that overlap, and texts that leave the figure."""
    picture.figure.draw_without_rendering()  # before it, ticks are not where they will be
    ticks = set()
    for ax in picture.figure.axes:
        for axis in (ax.xaxis, ax.yaxis):
            low, high = sorted(axis.get_view_interval())
            shown = [t for t in axis.get_major_ticks() if low <= t.get_loc() <= high]
            own = {t for tick in axis.get_major_ticks() for t in (tick.label1, tick.label2)}
            kept = {t for tick in shown for t in (tick.label1, tick.label2)}
            ticks |= own - kept
    boxes = [
        (text.get_text(), text.get_window_extent().padded(-1))
        for text in _shown(picture)
        if text not in ticks
    ]
    found = [(a, b) for (a, one), (b, two) in itertools.combinations(boxes, 2) if one.overlaps(two)]
    whole = picture.figure.bbox.padded(2)
    for text, box in boxes:
        if not (whole.contains(box.x0, box.y0) and whole.contains(box.x1, box.y1)):
            found.append((text, "the edge of the figure"))
    return found
