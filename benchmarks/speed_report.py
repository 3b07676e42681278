"""Tables of the speed benchmark, made from its record."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from speed_methods import METHODS, PAPER, RECOMMENDED, REFERENCES, TREE

Row = dict[str, Any]

TITLES = {
    "points": "Points",
    "forest": "Merge tree of a spanning tree",
    "dense": "Dense precomputed distances",
    "sparse": "Sparse graphs",
}


def groups(record: dict[str, Any]) -> dict[tuple[str, str], list[Row]]:
    """Return the measured rows by name of a picture and title, with sizes in ascending order.

    Records of older versions have no number of threads (it was one) and no metric.
    """
    found: dict[tuple[str, str], list[Row]] = {}
    rows = [{"threads": 1, "metric": "euclidean", **row} for row in record["rows"]]
    rows.sort(key=lambda row: (row["dimension"], row["n_parts"], row["size"]))
    for family, title in TITLES.items():
        for row in rows:
            if row["family"] == family == "points":
                key = (
                    f"points_d{row['dimension']}",
                    f"Points, {row['metric']}, d={row['dimension']}",
                )
                found.setdefault(key, []).append(row)
            elif row["family"] == family:
                found.setdefault((family, title), []).append(row)
    return found


def ordered(values: list[Any]) -> list[Any]:
    """Return the distinct values in order of first appearance."""
    return list(dict.fromkeys(values))


def seconds(row: Row) -> float | None:
    return min(row["seconds"]) if row["status"] == "ok" else None


def _short(value: float) -> str:
    return f"{value:.2g}" if value < 10 else f"{value:.0f}"


def in_threads(row: Row) -> str:
    return "1 thread" if row["threads"] == 1 else f"{row['threads']} threads"


def time_cell(row: Row, reference: Row | None) -> str:
    """Seconds, and the ratio to the reference in the same run."""
    own = seconds(row)
    if own is None:
        return str(row["message"])
    text = f"{own:.3g} s"
    base = seconds(reference) if reference else None
    if base and row is not reference:
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
        same = " (=)" if result.get("same_heights") else ""
        parts.append(f"{result['merges']} merges, sum {result['sum_of_heights']:.8g}{same}")
    if "clusters" in result:
        parts.append(f"{result['clusters']} clusters, {100 * result['noise']:.0f} % noise")
    if "ari" in result and row["method"] != RECOMMENDED:
        parts.append(f"ARI {result['ari']:.2f}")
    return "; ".join(parts)


def mark_same_heights(rows: list[Row]) -> None:
    """Mark the answers whose merge heights are those of a tree of neurotopo, bit for bit."""
    digests = {
        (row["case"], row["result"].get("digest"))
        for row in rows
        if row["status"] == "ok" and row["method"].startswith("neurotopo")
    }
    for row in rows:
        if row["status"] == "ok" and "digest" in row["result"]:
            own = row["method"].startswith("neurotopo")
            same = (row["case"], row["result"]["digest"]) in digests
            row["result"] = {**row["result"], "same_heights": same and not own}


def table(rows: list[Row], cell: Callable[[Row, Row | None], str]) -> str:
    """Return a Markdown table, methods by cases, without methods that do not support the input."""
    cases = ordered([row["case"] for row in rows])
    reference = REFERENCES[rows[0]["family"]]
    by = {(row["case"], row["method"], row["threads"]): row for row in rows}
    counts = sorted({row["threads"] for row in rows}, reverse=True)
    lines = ["| method | " + " | ".join(case.split(" ", 1)[1] for case in cases) + " |"]
    lines.append("|---" * (len(cases) + 1) + "|")
    for method in METHODS:
        for threads in counts:
            done = [by.get((case, method, threads)) for case in cases]
            if all(row is None or row.get("message") == "n/a" for row in done):
                continue
            cells = [
                cell(row, by.get((case, reference, threads))).replace("|", "/") if row else ""
                for case, row in zip(cases, done, strict=True)
            ]
            name = method if len(counts) == 1 else f"{method}, {in_threads({'threads': threads})}"
            lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def not_applicable(rows: list[Row]) -> str:
    names = ordered([row["method"] for row in rows if row.get("message") == "n/a"])
    return f"Do not support this input: {', '.join(names)}." if names else ""


def introduction(record: dict[str, Any]) -> list[str]:
    """Return the paragraphs on how the record was made."""
    rows = record["rows"]
    how = {row["memory_method"] for row in rows if "memory_method" in row}
    parts = [
        f"`{record['command']}`",
        f"Environment: {record['environment']}.",
        "Each measurement in a fresh process, with the number of threads shown, else one. "
        f"Time: best of {record['repeat']} fits "
        f"(one, if a fit takes over {record.get('long', 10):g} s); in brackets, the ratio to NTC "
        "(on points: in the recommended setting) with as many threads, in the same run. "
        "Extra memory: peak resident set during the first fit minus the resident set before it "
        f"(measured by {' and '.join(sorted(how)) or 'nothing'}). A fit over "
        f"{record['time_limit']:g} s was stopped; one that needs over "
        f"{record['memory_gb']:.0f} GB because its memory grows with the square of the samples "
        "was not run. Errors are shown.",
        "Results: equal sums of merge heights mean the same tree; (=): the heights of a tree of "
        "neurotopo, bit for bit; ARI: adjusted Rand index with the labels of NTC in the "
        "recommended setting.",
    ]
    if any(row.get("metric") == "cosine" for row in rows):
        parts.append(
            "Points with the metric cosine have length 1. Methods without that metric "
            "(fast_plscan) get Euclidean distances, which have the same order."
        )
    if any("load" in row for row in rows):
        load = max(row["load"] for row in rows if "load" in row)
        parts.append(
            f"Load of the machine during the run, this benchmark included: up to {load:.1f}."
        )
    if record.get("runs", 1) > 1:
        parts.append(f"Measured in {record['runs']} runs, one after the other.")
    if record.get("missing"):
        parts.append(f"Not finished: {', '.join(record['missing'])}.")
    if record.get("remark"):  # put into the record by hand where parts of two runs were joined
        parts.append(record["remark"])
    return parts


def tables(record: dict[str, Any]) -> str:
    """Return the markdown of the whole record."""
    parts = introduction(record)
    for (_, title), rows in groups(record).items():
        mark_same_heights(rows)
        parts += [f"### {title}", "Time", table(rows, time_cell), "Extra peak memory"]
        parts += [table(rows, memory_cell)]
        parts += ["Results", table(rows, answer_cell)]
        if not_applicable(rows):
            parts.append(not_applicable(rows))
    for title, made in (
        ("Growth with the size", growth_table(record)),
        ("First call", first_calls(record)),
    ):
        if made:
            parts += [f"### {title}", made]
    return "\n\n".join(parts) + "\n"


def exponent(rows: list[Row]) -> float:
    """Return the slope of log time against log size, or NaN for fewer than two sizes."""
    done = [(row["size"], seconds(row)) for row in rows if row["status"] == "ok"]
    if len({size for size, _ in done}) < 2:
        return math.nan
    size, time = np.log(np.array(done, dtype=float)).T
    return float(np.polyfit(size, time, 1)[0])


def most_threads(rows: list[Row]) -> list[Row]:
    """Return the rows with the largest number of threads of each method, of one part."""
    rows = [row for row in rows if row["n_parts"] == 1]
    most = {
        row["method"]: max(r["threads"] for r in rows if r["method"] == row["method"])
        for row in rows
    }
    return [row for row in rows if row["threads"] == most[row["method"]]]


def growth_table(record: dict[str, Any]) -> str:
    """Return the exponents e of time ~ size^e, fitted to all sizes that were measured."""
    by: dict[str, dict[str, float]] = {}
    for (_, title), rows in groups(record).items():
        for row in (most := most_threads(rows)):
            of = [other for other in most if other["method"] == row["method"]]
            if not math.isnan(exponent(of)):
                by.setdefault(title, {})[row["method"]] = exponent(of)
    if not by:
        return ""
    lines = ["Exponent e of time ~ size^e, fitted to the sizes above, with the most threads.", ""]
    lines += ["| method | " + " | ".join(by) + " |", "|---" * (len(by) + 1) + "|"]
    for method in METHODS:
        if any(method in column for column in by.values()):
            cells = [f"{c[method]:.2f}" if method in c else "" for c in by.values()]
            lines.append(f"| {method} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def first_calls(record: dict[str, Any]) -> str:
    """Return the time of the import and of the first fit of a process."""
    rows = [
        row for row in record["rows"] if row["family"] == "cold" and row.get("message") != "n/a"
    ]
    if not rows:
        return ""
    lines = [
        f"Seconds of a new process on points, {rows[0]['case'].split(' ', 1)[1]}, after the import "
        "of NumPy and SciPy. Compiled functions of numba are kept on disk: uncached is the first "
        "process after the installation.",
        "",
        "| method | import | first fit | second fit | import, uncached | first fit, uncached |",
        "|---|---|---|---|---|---|",
    ]
    for row in rows:
        if row["status"] == "ok":
            values = [row["import"], row["first"], row["second"]]
            values += [row["uncached"]["import"], row["uncached"]["first"]]
            cells = [f"{value:.3g} s" for value in values]
        else:
            cells = [str(row["message"])] + [""] * 4
        lines.append(f"| {row['method']} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


@dataclass(frozen=True)
class Target:
    """What a method must reach: a multiple of the speed of a peer, seconds, or MB."""

    case: str
    method: str
    peer: str = ""
    factor: float = 1.0  # required ratio of the peer's time to that of the method
    seconds: float | None = None
    mb: float | None = None

    @property
    def asked(self) -> str:
        """The target in words."""
        if self.seconds is not None:
            return f"at most {self.seconds:g} s"
        if self.mb is not None:
            return f"under {self.mb:g} MB extra memory"
        if self.factor < 1:
            return f"at most {1 / self.factor:g} times the time of {self.peer}"
        if self.factor == 1:
            return f"faster than {self.peer}"
        return f"at least {self.factor:g} times as fast as {self.peer}"

    def reached(self, own: Row, peer: Row | None, limit: float) -> tuple[str, str]:
        """Return what was measured, and whether that is enough."""
        mine = seconds(own)
        if mine is None:
            return str(own["message"]), "no"
        if self.seconds is not None:
            return f"{mine:.3g} s", "yes" if mine <= self.seconds else "no"
        if self.mb is not None:
            return f"{own['extra_mb']:.0f} MB", "yes" if own["extra_mb"] < self.mb else "no"
        if peer is None:
            return f"{mine:.3g} s", "not measured"
        theirs = seconds(peer)
        if theirs is not None:
            met = "yes" if theirs >= self.factor * mine else "no"
            return f"{theirs / mine:.2f} times as fast ({mine:.3g} s, {theirs:.3g} s)", met
        if peer["status"] == "timeout" and limit >= self.factor * mine:
            return f"over {limit / mine:.1f} times as fast ({mine:.3g} s, > {limit:g} s)", "yes"
        return f"{mine:.3g} s; {self.peer}: {peer['message']}", "not measured"


_MANY = ("points n=100000 d=2", "points n=100000 d=8", "points n=20000 d=8")
_WIDE = ("points n=100000 d=32", "points n=20000 d=768 cosine")
TARGETS = (
    Target("forest n=100000", TREE, seconds=0.05),
    Target("forest n=1000000", TREE, seconds=0.8),
    *[Target(case, RECOMMENDED, "fast_plscan", 1 / 1.5) for case in _MANY],
    *[
        Target(case, RECOMMENDED, peer)
        for case in _MANY
        for peer in ("fast_hdbscan", "hdbscan", "sklearn HDBSCAN")
    ],
    Target("points n=1000000 d=2", RECOMMENDED, mb=1500.0),
    *[Target(case, RECOMMENDED, peer) for case in _WIDE for peer in ("hdbscan", "sklearn HDBSCAN")],
    *[Target(case, RECOMMENDED, mb=2000.0) for case in _WIDE],
    Target("dense n=5000", PAPER, "scipy linkage"),
    Target("dense n=5000", PAPER, "sklearn HDBSCAN", 13.0),
    Target("dense n=5000", PAPER, "gudhi Rips", 20.0),
    Target("dense n=5000", RECOMMENDED, mb=100.0),  # half a matrix
    Target("sparse m=5000000 n=100000", PAPER, "sklearn HDBSCAN", 4.0),
    Target("sparse m=5000000 n=100000", PAPER, mb=400.0),
)


def speed_summary(record: dict[str, Any]) -> str:
    """Return the targets and the measurements, then the ratios on points."""
    rows = [row for rows in groups(record).values() for row in most_threads(rows)]
    by = {(row["case"], row["method"]): row for row in rows}
    lines = ["| case | method | threads | target | measured | met |", "|---|---|---|---|---|---|"]
    for target in TARGETS:
        own, peer = by.get((target.case, target.method)), by.get((target.case, target.peer))
        if own is None:
            continue
        measured, met = target.reached(own, peer, record["time_limit"])
        cells = [target.case, target.method, str(own["threads"]), target.asked, measured, met]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n\n".join(
        part for part in ("\n".join(lines) if len(lines) > 2 else "", ratios(rows, record)) if part
    )


def ratios(rows: list[Row], record: dict[str, Any]) -> str:
    """Return the table of time of NTC / time of another method, on large sets of points."""
    rows = [row for row in rows if row["family"] == "points" and row["size"] >= 20_000]
    cases = ordered([row["case"] for row in rows])
    by = {(row["case"], row["method"]): row for row in rows}
    lines = []
    for own in (RECOMMENDED, PAPER):
        for peer in METHODS:
            if not METHODS[peer].is_hdbscan or peer in (RECOMMENDED, PAPER):
                continue
            pairs = [(by.get((case, own)), by.get((case, peer))) for case in cases]
            cells = [_ratio(mine, theirs, record["time_limit"]) for mine, theirs in pairs]
            if any(cells):
                lines.append(f"| {own} / {peer} | " + " | ".join(cells) + " |")
    if not lines:
        return ""
    head = ["| times | " + " | ".join(case.split(" ", 1)[1] for case in cases) + " |"]
    title = f"Points, {in_threads(rows[0])}: time of NTC / time of the other method."
    return "\n".join([title, "", *head, "|---" * (len(cases) + 1) + "|", *lines])


def _ratio(own: Row | None, peer: Row | None, limit: float) -> str:
    if own is None or peer is None:
        return ""
    mine, theirs = seconds(own), seconds(peer)
    if mine is not None and theirs is not None:
        return _short(mine / theirs)
    if mine is not None and peer["status"] == "timeout":
        return f"< {_short(mine / limit)}"
    return _absent(own if mine is None else peer)
