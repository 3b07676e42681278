"""Parts of the HTML that notebooks show: cards, tables and small pictures."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from neurotopo.report._cells import DASH, clean, no_minus_zero, one_line

if TYPE_CHECKING:
    from neurotopo.neurons import NeuronSet

__all__ = [
    "COLORS",
    "Html",
    "axis_label",
    "bars",
    "card",
    "color_of",
    "escaped",
    "folded",
    "neurons_named",
    "number",
    "right_class",
    "scrolled",
    "soft",
    "svg",
    "swatch",
    "table_of",
]

COLORS = ("#3d8fd1", "#d98a00", "#12a57b", "#c7709f", "#e0662b", "#6a7fd6", "#8f9a2a")
_MOST_NEURONS = 8  # named in a cell

_STYLE = (
    "<style>"
    ".ntr{font:14px/1.45 system-ui,sans-serif;margin:.4em 0;max-width:60em;overflow-wrap:anywhere}"
    ".ntr h4{font-size:1em;margin:.2em 0 .4em}"
    ".ntr .ntr-row{display:flex;flex-wrap:wrap;gap:1.2em;align-items:flex-start}"
    ".ntr .ntr-wide{overflow-x:auto}"
    ".ntr .ntr-wide table{overflow-wrap:break-word}.ntr .ntr-wide td{max-width:28em}"
    ".ntr table{border-collapse:collapse;font-size:.92em;color:inherit;background:none}"
    ".ntr td,.ntr th{padding:.15em .7em .15em 0;text-align:left;vertical-align:top;"
    "border-bottom:1px solid #8885;background:none;color:inherit}"
    ".ntr .ntr-n{text-align:right}.ntr .ntr-n,.ntr th{white-space:nowrap}"
    ".ntr svg{max-width:100%;height:auto;color:inherit;overflow:visible}"
    ".ntr .ntr-soft{opacity:.72;font-size:.9em}"
    ".ntr ul{margin:.3em 0;padding-left:1.3em}"
    ".ntr summary{cursor:pointer}"
    ".ntr .ntr-paper{background:#fff;padding:.5em;border-radius:4px}"
    "</style>"
)


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


def card(title: str, *parts: str) -> str:
    head = f"<h4>{escaped(one_line(title))}</h4>"
    return f'<div class="ntr">{_STYLE}{head}{"".join(part for part in parts if part)}</div>'


def soft(text: str) -> str:
    return f'<div class="ntr-soft">{escaped(text)}</div>' if text else ""


def folded(title: str, inside: str) -> str:
    return f"<details><summary>{escaped(one_line(title))}</summary>{inside}</details>"


def right_class(right: bool) -> str:
    return ' class="ntr-n"' if right else ""


def table_of(heads: Sequence[str], rows: Iterable[Sequence[Any]], n: int | None = None) -> str:
    """Return a table; ``n`` is the number of all rows, of which the first are given."""
    listed = list(rows)
    right = [
        all(isinstance(row[k], int | float) for row in listed) and bool(listed)
        for k in range(len(heads))
    ]
    head = "".join(
        f"<th{right_class(r)}>{escaped(name)}</th>" for name, r in zip(heads, right, strict=True)
    )
    body = "".join(
        "<tr>"
        + "".join(f"<td{right_class(r)}>{_cell(x)}</td>" for x, r in zip(row, right, strict=True))
        + "</tr>"
        for row in listed
    )
    more = 0 if n is None else n - len(listed)
    return scrolled(head, body) + (soft(f"{more:,} more") if more > 0 else "")


def scrolled(head: str, body: str) -> str:
    return (
        f'<div class="ntr-wide"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def _cell(value: Any) -> str:
    if isinstance(value, Html):
        return str(value)
    return number(value) if isinstance(value, int | float) else escaped(str(value))


def number(value: float) -> str:
    if isinstance(value, int):
        return f"{value:,}"
    if math.isnan(value):
        return DASH
    return html.escape("∞" if math.isinf(value) else no_minus_zero(f"{value:.4g}"))


def escaped(text: str) -> str:
    return html.escape(clean(text))


def neurons_named(group: NeuronSet) -> str:
    named = [f"{layer}.{index}" for layer, index in group]
    more = len(named) - _MOST_NEURONS
    return ", ".join(named[:_MOST_NEURONS]) + (f" and {more:,} more" if more > 0 else "")


def color_of(k: int) -> str:
    return "currentColor" if k < 0 else COLORS[k % len(COLORS)]


def swatch(k: int) -> Html:
    return Html(
        f'<span style="display:inline-block;width:.8em;height:.8em;border-radius:50%;'
        f'background:{color_of(k)}"></span>'
    )


def bars(named: Sequence[tuple[str, float]]) -> str:
    """Return bars of probabilities."""
    width, left, row = 420.0, 180.0, 20.0
    parts = []
    for i, (name, value) in enumerate(named):
        long = (width - left - 60) * min(max(value, 0.0), 1.0) if math.isfinite(value) else 0.0
        parts.append(
            f'<text x="{left - 8}" y="{i * row + 14}" text-anchor="end">{escaped(name)}</text>'
            f'<rect x="{left}" y="{i * row + 4}" width="{long:.1f}" height="12" '
            f'fill="{COLORS[0]}"/>'
            f'<text x="{left + long + 6:.1f}" y="{i * row + 14}">{number(float(value))}</text>'
        )
    return svg(width, row * len(named), "Probability of the answer", "".join(parts))


def axis_label(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="middle">{escaped(text)}</text>'


def svg(width: float, height: float, label: str, inside: str) -> str:
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escaped(label)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="11" fill="currentColor">{inside}</svg>'
    )
