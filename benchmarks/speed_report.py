"""Tables and plots of the speed benchmark, made from its record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from speed_cases import METHODS, REFERENCE

Row = dict[str, Any]

TITLES = {
    "dense": "Dense precomputed distances",
    "sparse": "Sparse graphs",
    "points": "Points (Euclidean)",
}
SIZE_LABEL = {"dense": "samples", "sparse": "edges", "points": "samples"}


def rows_of(record: dict[str, Any], family: str) -> list[Row]:
    return [row for row in record["rows"] if row["family"] == family]


def ordered(values: list[Any]) -> list[Any]:
    """Return the distinct values in order of first appearance."""
    return list(dict.fromkeys(values))


def seconds(row: Row) -> float | None:
    return min(row["seconds"]) if row["status"] == "ok" else None


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def time_cell(row: Row, reference: Row | None) -> str:
    """Seconds, and the ratio to NTC in the same run."""
    own = seconds(row)
    if own is None:
        return str(row["message"])
    text = f"{own:.3g} s"
    base = seconds(reference) if reference else None
    if base and row["method"] != REFERENCE:
        text += f" ({_short(own / base)}x)"
    return text


def _absent(row: Row) -> str:
    """Return a short reason for a missing number; the table of times has the full message."""
    words = {"failed": "error", "timeout": "too slow", "refused": "not run"}
    return words.get(row["status"], str(row["status"]))


def memory_cell(row: Row, reference: Row | None) -> str:
    return f"{row['extra_mb']:.0f} MB" if row["status"] == "ok" else _absent(row)


def answer_cell(row: Row, reference: Row | None) -> str:
    if row["status"] != "ok":
        return _absent(row)
    result = row["result"]
    parts = []
    if "sum_of_heights" in result:
        parts.append(f"{result['merges']} merges, sum {result['sum_of_heights']:.8g}")
    if "clusters" in result:
        parts.append(f"{result['clusters']} clusters, {100 * result['noise']:.0f} % noise")
    return "; ".join(parts)


def table(rows: list[Row], cell: Callable[[Row, Row | None], str]) -> str:
    """Return a Markdown table, methods by cases, without methods that do not support the input."""
    cases = ordered([row["case"] for row in rows])
    by = {(row["case"], row["method"]): row for row in rows}
    shown = [
        method
        for method in METHODS
        if any(by.get((case, method), {}).get("message", "") != "n/a" for case in cases)
        and any((case, method) in by for case in cases)
    ]
    lines = ["| method | " + " | ".join(case.split(" ", 1)[1] for case in cases) + " |"]
    lines.append("|---" * (len(cases) + 1) + "|")
    for method in shown:
        cells = [
            cell(by[case, method], by.get((case, REFERENCE))) if (case, method) in by else ""
            for case in cases
        ]
        lines.append(f"| {method} | " + " | ".join(c.replace("|", "/") for c in cells) + " |")
    return "\n".join(lines)


def not_applicable(rows: list[Row]) -> str:
    names = ordered([row["method"] for row in rows if row.get("message") == "n/a"])
    return f"Do not support this input: {', '.join(names)}." if names else ""


def tables(record: dict[str, Any]) -> str:
    """Return the markdown of the whole record."""
    how = {row["memory_method"] for row in record["rows"] if row["status"] == "ok"}
    parts = [
        f"`{record['command']}`",
        f"Environment: {record['environment']}.",
        f"One thread, each measurement in a fresh process. Time: best of {record['repeat']} fits "
        "(one, if a fit takes over 10 s); in brackets, the ratio to NTC in the same run. "
        "Extra memory: peak resident set during the first fit minus the resident set before it "
        f"(measured by {' and '.join(sorted(how)) or 'nothing'}). A fit over "
        f"{record['time_limit']:g} s was stopped; one that needs over "
        f"{record['memory_gb']:.0f} GB because its memory grows with the square of the samples "
        "was not run. Errors are shown.",
    ]
    if record.get("remark"):  # put into the record by hand where parts of two runs were joined
        parts.append(record["remark"])
    for family, title in TITLES.items():
        rows = rows_of(record, family)
        if not rows:
            continue
        parts += [f"### {title}", "Time", table(rows, time_cell), "Extra peak memory"]
        parts += [table(rows, memory_cell)]
        parts += ["Results (equal sums of merge heights: the same tree)"]
        parts += [table(rows, answer_cell)]
        if not_applicable(rows):
            parts.append(not_applicable(rows))
    return "\n\n".join(parts) + "\n"


#: Targets: case, other method, required ratio of its time to that of NTC.
TARGETS = (
    ("dense n=5000", "scipy linkage", 1.0),
    ("dense n=5000", "sklearn HDBSCAN", 4.0),
    ("dense n=5000", "gudhi Rips", 20.0),
    ("sparse m=5000000 n=100000", "sklearn HDBSCAN", 1.5),
    ("points n=20000 d=8", "sklearn HDBSCAN", 1.0),
)
MEMORY_TARGETS = (("sparse m=5000000 n=100000", 400.0),)


def speed_summary(record: dict[str, Any]) -> str:
    """Return the targets and the measurements."""
    by = {(row["case"], row["method"]): row for row in record["rows"]}
    lines = ["| case | target for NTC | measured | met |", "|---|---|---|---|"]
    for case, peer, factor in TARGETS:
        own, other = by.get((case, REFERENCE)), by.get((case, peer))
        if own is None or other is None:
            continue
        asked = f"at least {factor:g} times as fast as {peer}"
        mine, theirs = seconds(own), seconds(other)
        if mine is None:
            measured, met = str(own["message"]), "no"
        elif theirs is None:
            measured, met = f"{mine:.3g} s; {peer}: {other['message']}", "not measured"
        else:
            measured = f"{theirs / mine:.2f} times ({mine:.3g} s, {theirs:.3g} s)"
            met = "yes" if theirs >= factor * mine else "no"
        lines.append(f"| {case} | {asked} | {measured} | {met} |")
    for case, limit in MEMORY_TARGETS:
        own = by.get((case, REFERENCE))
        if own is not None and own["status"] == "ok":
            met = "yes" if own["extra_mb"] < limit else "no"
            asked = f"under {limit:g} MB extra memory"
            lines.append(f"| {case} | {asked} | {own['extra_mb']:.0f} MB | {met} |")
    return "\n".join(lines) if len(lines) > 2 else ""


def _panels(rows: list[Row]) -> dict[str, list[Row]]:
    """Split the measurements by dimension, without the graphs of several parts."""
    panels: dict[str, list[Row]] = {}
    for row in rows:
        if row["n_parts"] == 1 and row["status"] == "ok":
            title = f"d = {row['dimension']}" if row["dimension"] else ""
            panels.setdefault(title, []).append(row)
    return panels


def draw(record: dict[str, Any], folder: Path) -> list[Path]:
    """Draw time and memory against size, one picture per family; return the files."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    written = []
    colours = {name: matplotlib.colormaps["tab20"](i) for i, name in enumerate(METHODS)}
    for family, title in TITLES.items():
        panels = _panels(rows_of(record, family))
        if not panels:
            continue
        figure = Figure(figsize=(4.6 * len(panels) + 2.4, 7.5), layout="constrained")
        axes = figure.subplots(2, len(panels), squeeze=False, sharex="col", sharey="row")
        for column, (name, rows) in enumerate(panels.items()):
            _draw_lines(axes[0, column], rows, colours, lambda row: min(row["seconds"]))
            _draw_lines(axes[1, column], rows, colours, lambda row: max(row["extra_mb"], 0.1))
            axes[0, column].axhline(record["time_limit"], color="0.6", linestyle=":")
            axes[0, column].set_title(name)
            axes[1, column].set_xlabel(SIZE_LABEL[family])
        axes[0, 0].set_ylabel("seconds")
        axes[1, 0].set_ylabel("extra peak memory, MB")
        figure.suptitle(title + ": one thread; dotted: time limit")
        lines = {line.get_label(): line for line in _lines(axes) if line.get_label() in METHODS}
        figure.legend(lines.values(), lines.keys(), loc="outside right center", fontsize=9)
        written.append(folder / f"speed_{family}.png")
        figure.savefig(written[-1], dpi=110)
    return written


def _lines(axes: Any) -> list[Any]:
    return [line for ax in axes.flat for line in ax.get_lines()]


def _draw_lines(
    ax: Any, rows: list[Row], colours: dict[str, Any], value: Callable[[Row], float]
) -> None:
    for method, colour in colours.items():
        done = [row for row in rows if row["method"] == method and row["status"] == "ok"]
        if not done:
            continue
        own = method == REFERENCE
        ax.plot(
            [row["size"] for row in done],
            [value(row) for row in done],
            marker="o",
            markersize=7 if own else 4,
            linewidth=3 if own else 1.3,
            color="black" if own else colour,
            zorder=3 if own else 2,
            label=method,
        )
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.grid(which="major", alpha=0.3)
