"""HTML by which notebooks show results: small pictures and tables, without script or network.

Text has the colour of the notebook, so that it is readable on light and on dark ground.
"""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from neurotopo.datasets.dataset import pluralize
from neurotopo.explore.sampled_tree import shown_tree
from neurotopo.persistence.merge_tree import MergeTree
from neurotopo.report._cells import CellFormat, columns
from neurotopo.report._inline_parts import (
    COLORS,
    Html,
    axis_label,
    bars,
    card,
    color_of,
    escaped,
    folded,
    neurons_named,
    number,
    right_class,
    scrolled,
    soft,
    svg,
    swatch,
    table_of,
)
from neurotopo.report.summary import Claim, Summary, Table

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["html_of", "result_html", "verdicts_html"]

_POSITIVE, _NEGATIVE = COLORS[0], COLORS[4]
_MOST_LEAVES, _MOST_POINTS, _MOST_ROWS, _MOST_COLUMNS = 80, 300, 12, 14
_MOST_CELLS = 48  # of a heat map, in each direction
_MOST_SCORES = 8
_LARGEST_PICTURE = 250_000  # characters
_STEPS = 5  # tones of a heat map


def html_of(what: Any) -> str:
    """Return the HTML by which a notebook shows an object.

    Parameters
    ----------
    what : MergeTree, NTCClusterer, DKN or Attribution

    Returns
    -------
    str
        Self-contained; all text of data is escaped.

    Examples
    --------
    >>> from neurotopo import merge_tree
    >>> from neurotopo.report.inline import html_of
    >>> text = html_of(merge_tree([[0.0], [1.0], [3.0]], metric="euclidean"))
    >>> text.count("<svg"), "script" in text
    (2, False)
    """
    for kind in type(what).__mro__:  # by name: the classes of language models need more packages
        if kind.__module__.startswith("neurotopo.") and kind.__name__ in _MAKERS:
            return _MAKERS[kind.__name__](what)
    raise TypeError(f"there is no HTML for a {type(what).__name__}.")


# Clusterings


def _merge_tree_html(tree: MergeTree) -> str:
    said = f"{pluralize(tree.n_samples, 'sample')}, {pluralize(tree.n_clusters, 'cluster')}"
    if tree.n_components > 1:
        said += f" in {tree.n_components:,} components that never merge"
    return _tree_card(f"MergeTree: {said}", tree, np.zeros(0, dtype=np.intp), np.zeros((0, 2)))


def _clusterer_html(clusterer: Any) -> str:
    labels = np.asarray(clusterer.labels_)
    outside = int((labels < 0).sum())
    said = f"{pluralize(clusterer.n_clusters_, 'cluster')} of {pluralize(len(labels), 'sample')}"
    said += f", {outside:,} in no cluster" if outside else ""
    nodes = np.asarray(clusterer.nodes_, dtype=np.intp)
    chosen = np.column_stack([clusterer.birth_, clusterer.death_])
    sizes = np.asarray(clusterer.clusters_.sizes)
    rows = [
        (swatch(k), k, int(sizes[k]), birth, death, persistence)
        for k, (birth, death, persistence) in enumerate(
            zip(clusterer.birth_, clusterer.death_, clusterer.persistence_, strict=True)
        )
    ][:_MOST_ROWS]
    table = table_of(("", "cluster", "size", "R1", "R2", "persistence"), rows, len(nodes))
    return _tree_card(
        f"{type(clusterer).__name__}: {said}", clusterer.merge_tree_, nodes, chosen, table
    )


def _tree_card(
    title: str, tree: MergeTree, nodes: NDArray[np.intp], chosen: Any, *more: str
) -> str:
    pictures = f'<div class="ntr-row">{_tree_svg(tree, nodes)}{_diagram_svg(tree, chosen)}</div>'
    return card(title, pictures, *more)


def _tree_svg(tree: MergeTree, nodes: NDArray[np.intp]) -> str:
    """Draw the merge tree of at most so many samples; chosen clusters have their colour."""
    shown = shown_tree(tree, _MOST_LEAVES)
    n = len(shown.sample)
    finite = shown.birth[np.isfinite(shown.birth)]
    own = tree.birth[shown.sample]
    low = float(min(own.min(initial=0.0), 0.0))
    high = float(max(finite.max(initial=low), own.max(initial=low)))
    top = high + 0.08 * (high - low or 1.0)
    width, height, left, pad = 360.0, 200.0, 44.0, 14.0

    def x(place: float) -> float:
        return left + (place + 0.5) * (width - left) / max(n, 1)

    def y(radius: float) -> float:
        return pad + (height - 2 * pad) * (top - min(radius, top)) / (top - low)

    label = np.full(n, -1)
    starts, counts = shown.ranges(tree, nodes)
    for k in range(len(nodes) - 1, -1, -1):
        label[starts[k] : starts[k] + counts[k]] = k
    places = [*range(n), *(shown.start + (shown.size - 1) / 2)]
    births = [*own.tolist(), *shown.birth.tolist()]
    parents = np.full(n, -1)
    for k in range(len(shown.birth) - 1, -1, -1):  # the smallest cluster of a sample comes last
        parents[shown.start[k] : shown.start[k] + shown.size[k]] = k
    above = [*parents.tolist(), *shown.parent.tolist()]
    first = [*range(n), *shown.start.tolist()]
    size = [1] * n + shown.size.tolist()
    paths: dict[int, list[str]] = {}
    for item, parent in enumerate(above):
        members = label[first[item] : first[item] + size[item]]
        color = int(members[0]) if len(set(members.tolist())) == 1 else -1
        end = top if parent < 0 else births[n + parent]
        if not math.isfinite(end):
            end = top
        across = "" if parent < 0 else f"H{x(places[n + parent]):.1f}"
        paths.setdefault(color, []).append(
            f"M{x(places[item]):.1f} {y(births[item]):.1f}V{y(end):.1f}{across}"
        )
    drawn = "".join(
        f'<path d="{"".join(parts)}" fill="none" stroke="{color_of(color)}" stroke-width="1.3"/>'
        for color, parts in sorted(paths.items())
    )
    what = "Merge tree" + (f", {n:,} of {tree.n_samples:,} samples" if n < tree.n_samples else "")
    marks = "".join(
        f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{number(value)}</text>'
        for value in dict.fromkeys([low, high])
    )
    return svg(
        width, height + 16, what, f"{drawn}{marks}{axis_label(width / 2, height + 12, what)}"
    )


def _diagram_svg(tree: MergeTree, chosen: NDArray[np.float64]) -> str:
    """Draw birth and death of the clusters of two samples or more, and the chosen ones."""
    bars = tree.diagram()
    last = tree.last_merge
    long = np.where(np.isfinite(bars[:, 1]), bars[:, 1], last) - bars[:, 0]
    bars = bars[np.argsort(-long, kind="stable")[:_MOST_POINTS]]
    low = float(min(bars[:, 0].min(initial=0.0), 0.0))
    high = float(max(last, bars[:, 0].max(initial=low))) or 1.0
    side, left, pad, above = 200.0, 44.0, 14.0, 16.0

    def at(value: float) -> float:
        return (side - 2 * pad) * (value - low) / (high - low or 1.0)

    def y(value: float) -> float:
        return pad if math.isinf(value) else side - pad - at(value) * (1 - above / (side - 2 * pad))

    parts = [
        f'<path d="M{left} {y(low):.1f}L{left + at(high):.1f} {y(high):.1f}" '
        'stroke="currentColor" stroke-opacity=".4" stroke-dasharray="4 3"/>'
    ]
    marks = [low, high]
    if np.isinf(bars[:, 1]).any():
        marks.append(math.inf)
        parts.append(
            f'<path d="M{left} {pad}H{left + at(high):.1f}" stroke="currentColor" '
            'stroke-opacity=".4"/>'
        )
    parts += [
        f'<circle cx="{left + at(birth):.1f}" cy="{y(death):.1f}" r="{radius}" '
        f'fill="{color_of(k)}" fill-opacity="{opacity}"/>'
        for points, radius, opacity in ((bars, 2.2, 0.35), (chosen, 4.2, 1))
        for k, (birth, death) in enumerate(points.tolist(), 0 if points is chosen else -len(bars))
    ]
    parts += [
        f'<text x="{left - 6}" y="{y(value) + 4:.1f}" text-anchor="end">{number(value)}</text>'
        for value in marks
    ]
    what = "Diagram: R1 across, R2 up"
    parts.append(axis_label(left + at(high) / 2, side + 12, what))
    return svg(left + at(high) + 10, side + 16, what, "".join(parts))


# Knowledge neurons


def _dkn_html(dkn: Any) -> str:
    title = f"DKN: {pluralize(dkn.n, 'component')} of {len(dkn.potential):,} potential"
    said = [f"{pluralize(len(dkn.neurons), 'knowledge neuron')}"]
    said += [
        f"{name} {number(value)}"
        for name, value in (("GCR", dkn.gcr), ("jump", dkn.jump))
        if math.isfinite(value)
    ]
    if dkn.reason:
        said.append(str(dkn.reason))
    named = [("nothing suppressed", dkn.base_probability)]
    if dkn.n:
        named.append(("all components suppressed", dkn.all_suppressed_probability))
    rows = [
        (k, "yes" if passed else "no", len(group), neurons_named(group), alone, without)
        for k, (group, passed, alone, without) in enumerate(
            zip(
                dkn.potential,
                dkn.passed.tolist(),
                dkn.potential_probabilities.tolist(),
                dkn.potential_without.tolist(),
                strict=True,
            )
        )
    ][:_MOST_ROWS]
    heads = ("", "passed", "size", "neurons (layer.index)", "P, only it left", "P, it suppressed")
    return card(
        title,
        soft("; ".join(said)),
        bars(named),
        table_of(heads, rows, len(dkn.potential)) if rows else "",
    )


def _attribution_html(attribution: Any) -> str:
    scores = np.asarray(attribution.scores, dtype=np.float64)
    layers, neurons = scores.shape
    best = np.argsort(-scores, axis=None, kind="stable")[:_MOST_SCORES]
    rows = [(int(i // neurons), int(i % neurons), float(scores.flat[i])) for i in best]
    said = (
        f"{pluralize(layers, 'layer')} of {pluralize(neurons, 'neuron')}; value of the target "
        f"{number(attribution.value)}"
    )
    return card(
        "Attribution: scores of all neurons",
        soft(said),
        f'<div class="ntr-row">{_heat_svg(scores)}'
        f"{table_of(('layer', 'neuron', 'highest scores'), rows)}</div>",
    )


def _heat_svg(scores: NDArray[np.float64]) -> str:
    """Draw the score of largest size among the neurons of each cell, in five tones."""
    rows = np.array_split(np.arange(scores.shape[0]), min(scores.shape[0], _MOST_CELLS))
    parts = np.array_split(np.arange(scores.shape[1]), min(scores.shape[1], _MOST_CELLS))
    most = float(np.abs(scores).max(initial=0.0)) or 1.0
    width, left = 340.0, 30.0
    across, down = (
        (width - left) / max(len(parts), 1),
        max(min(160.0 / max(len(rows), 1), 16.0), 4.0),
    )
    height = down * len(rows)
    cells: dict[tuple[bool, int], list[str]] = {}
    for i, layers in enumerate(rows):
        y = height - (i + 1) * down
        for j, members in enumerate(parts):
            block = scores[np.ix_(layers, members)].ravel()
            value = float(block[np.abs(block).argmax()])
            step = round(_STEPS * abs(value) / most) if math.isfinite(value) else 0
            if step:
                where = f"M{left + j * across:.1f} {y:.1f}h{across:.1f}v{down:.1f}h-{across:.1f}z"
                cells.setdefault((value > 0, step), []).append(where)
    drawn = "".join(
        f'<path d="{"".join(own)}" fill="{_POSITIVE if positive else _NEGATIVE}" '
        f'fill-opacity="{step / _STEPS:.1f}"/>'
        for (positive, step), own in sorted(cells.items())
    )
    frame = (
        f'<rect x="{left}" y="0" width="{width - left}" height="{height:.1f}" fill="none" '
        'stroke="currentColor" stroke-opacity=".3"/>'
    )
    marks = f'<text x="{left - 4}" y="{height - 2:.1f}" text-anchor="end">0</text>'
    if len(scores) > 1 and height > 24:
        marks += f'<text x="{left - 4}" y="10" text-anchor="end">{len(scores) - 1}</text>'
    what = "Scores: layers up, neurons across; blue above 0"
    label = axis_label(left + (width - left) / 2, height + 15, what)
    return svg(width, height + 20, what, f"{drawn}{frame}{marks}{label}")


# Results of studies


def result_html(summary: Any, outcome: str, run: str, out: Any = None, shown: str = "") -> str:
    """Return the HTML of the result of a study.

    Parameters
    ----------
    summary : Summary
        Findings, tables and pictures. Anything else is shown as text.
    outcome : str
        Counts of the run in words.
    run : str
        Key of the run: pictures of different runs share no ids.
    out : path-like, optional
        Folder of the run.
    shown : str, default=""
        HTML to show before the findings.

    Returns
    -------
    str

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report.inline import result_html
    >>> from neurotopo.report.summary import Summary
    >>> text = result_html(Summary("Is 1 < 2?", ("It is.",), {}, {}, pd.DataFrame()), "1 done", "r")
    >>> "Is 1 &lt; 2?" in text, "<li>It is.</li>" in text
    (True, True)
    """
    if not isinstance(summary, Summary):
        return card(outcome, f"<pre>{escaped(str(summary))}</pre>")
    found = "".join(
        f"<li>{'<strong>Claim.</strong> ' if isinstance(each, Claim) else ''}{escaped(each)}</li>"
        for each in summary.findings
    )
    parts = [soft(outcome), shown, f"<ul>{found}</ul>" if found else ""]
    parts += [folded(table.title or name, _frame(table)) for name, table in summary.tables.items()]
    for name, picture in list(summary.pictures.items())[:1]:
        from neurotopo.report.pictures import to_svg

        svg = to_svg(picture.figure, f"{name} {run}")
        if len(svg) <= _LARGEST_PICTURE:
            paper = f'<div class="ntr-paper ntr-wide">{svg}</div>'
            parts.append(folded(picture.title or name, paper + soft(picture.note)))
    if out is not None:
        parts.append(soft(f"Report: {out}/report.html"))
    return card(summary.title, *parts)


def verdicts_html(verdicts: pd.DataFrame) -> str:
    """Return the HTML of the verdicts of an audit: each with its effect and interval.

    Examples
    --------
    >>> import pandas as pd
    >>> from neurotopo.report.inline import verdicts_html
    >>> cells = {"question": "Is it?", "verdict": "yes", "effect": 0.5, "low": 0.3, "high": 0.7}
    >>> text = verdicts_html(pd.DataFrame([{**cells, "margin": 0.1, "facts": 20}]))
    >>> "Is it?" in text, text.count("<svg")
    (True, 1)
    """
    listed = verdicts.to_dict("records")
    bounds = [abs(row[name]) for row in listed for name in ("effect", "low", "high")]
    most = min(max([x for x in bounds if math.isfinite(x)], default=1.0), 1.0) or 1.0
    colors = {"yes": COLORS[2], "no": COLORS[4]}
    rows = [
        (
            row["question"],
            Html(
                f'<strong style="color:{colors.get(row["verdict"], "inherit")}">'
                f"{escaped(str(row['verdict']))}</strong>"
            ),
            row["effect"],
            Html(_interval_svg(row, most)),
            int(row["facts"]),
        )
        for row in listed
    ]
    return table_of(("question", "verdict", "effect", "95 % interval", "facts"), rows)


def _interval_svg(row: Mapping[str, Any], most: float) -> str:
    width, height = 150.0, 18.0

    def x(value: float) -> float:
        return width / 2 + (width / 2 - 6) * max(min(value / most, 1.0), -1.0)

    drawn = (
        f'<rect x="{x(-row["margin"]):.1f}" y="0" height="{height}" fill="currentColor" '
        f'width="{x(row["margin"]) - x(-row["margin"]):.1f}" fill-opacity=".12"/>'
        f'<path d="M{x(0):.1f} 0V{height}" stroke="currentColor" stroke-opacity=".4"/>'
    )
    if not math.isfinite(row["effect"]):
        return svg(width, height, "no value", drawn)
    if math.isfinite(row["low"]) and math.isfinite(row["high"]):
        drawn += (
            f'<path d="M{x(row["low"]):.1f} {height / 2}H{x(row["high"]):.1f}" '
            f'stroke="{COLORS[0]}" stroke-width="2"/>'
        )
    drawn += f'<circle cx="{x(row["effect"]):.1f}" cy="{height / 2}" r="3.5" fill="{COLORS[0]}"/>'
    said = f"{number(row['effect'])}, interval {number(row['low'])} to {number(row['high'])}"
    return svg(width, height, said, drawn)


def _frame(table: Table) -> str:
    """Return the first rows and columns of a table."""
    frame = table.frame.iloc[:, :_MOST_COLUMNS]
    signs = CellFormat(escaped, html.escape)
    shown = columns(Table(frame, table.title, table.note, table.formats), signs, _MOST_ROWS)
    heads = "".join(f"<th{right_class(each.right)}>{each.name}</th>" for each in shown)
    rows = "".join(
        "<tr>"
        + "".join(
            f"<td{right_class(each.right)}>{cell}</td>"
            for each, cell in zip(shown, row, strict=True)
        )
        + "</tr>"
        for row in zip(*(each.cells for each in shown), strict=True)
    )
    more = []
    if len(frame) > _MOST_ROWS:
        more.append(f"{len(frame) - _MOST_ROWS:,} more rows")
    if table.frame.shape[1] > _MOST_COLUMNS:
        more.append(f"{table.frame.shape[1] - _MOST_COLUMNS:,} more columns")
    return scrolled(heads, rows) + (soft(" and ".join(more)) if more else "")


_MAKERS: dict[str, Callable[[Any], str]] = {
    "MergeTree": _merge_tree_html,
    "NTCClusterer": _clusterer_html,
    "DKN": _dkn_html,
    "Attribution": _attribution_html,
}
