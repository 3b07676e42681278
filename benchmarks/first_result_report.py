"""Tables of the first result: defaults of clusterers on data sets and on noise."""

from __future__ import annotations

from typing import Any

import numpy as np


def table(record: dict[str, Any]) -> str:
    """Return the scores of all sets and the counts of false structure."""
    parts = [
        "Each clusterer with its defaults: adjusted Rand index, share of samples in no cluster and "
        "number of clusters. Samples in no cluster count as one group of their own.",
        "**The named sets**, tables standardized (except the pixels of digits), on which the "
        "defaults were chosen:",
        _scores(record["named"]),
        "**The same, not standardized:**",
        _scores(record["raw"]),
        "**Sets drawn by seed** from scikit-learn's generators, not looked at while choosing:",
        _scores(record["drawn"]),
        _noise(record["noise"]),
    ]
    return "\n\n".join(parts)


def _methods(row: dict[str, Any]) -> list[str]:
    return [name for name, value in row.items() if isinstance(value, dict)]


def _scores(rows: list[dict[str, Any]]) -> str:
    methods = _methods(rows[0])
    body = []
    for row in rows:
        cells = [f"{row['set']} ({row['n']}, {row['groups']})"]
        for name in methods:
            score = row[name]
            cells.append(f"{score['ari']:.2f} / {score['noise']:.0%} / {score['clusters']}")
        body.append(cells)
    means = ["**mean**"]
    for name in methods:
        ari, noise = (np.mean([row[name][key] for row in rows]) for key in ("ari", "noise"))
        means.append(f"**{ari:.3f} / {noise:.0%}**")
    gaps = [row["NTCClusterer()"]["ari"] - row["HDBSCAN()"]["ari"] for row in rows]
    text = _table(["set (samples, groups)", *(f"`{name}`" for name in methods)], [*body, means])
    return (
        f"{text}\n\nARI of `NTCClusterer()` minus that of `HDBSCAN()`: least {min(gaps):+.2f}, "
        f"largest {max(gaps):+.2f}; below -0.1 on {sum(gap < -0.1 for gap in gaps)} of {len(rows)}."
    )


def _noise(rows: list[dict[str, Any]]) -> str:
    ours = "NTCClusterer()"
    found, clouds = {}, {}
    for kind in ("uniform", "normal"):
        some = [row for row in rows if row["kind"] == kind]
        found[kind] = sum(row["found"][ours] for row in some)
        clouds[kind] = sum(row["clouds"] for row in some)
    worst = max(rows, key=lambda row: row["found"][ours] / row["clouds"])
    sizes = sorted({row["n"] for row in rows})
    body = []
    for kind in found:
        for d in sorted({row["d"] for row in rows}):
            cells = [kind, str(d)]
            for n in sizes:
                row = next(r for r in rows if (r["kind"], r["d"], r["n"]) == (kind, d, n))
                cells.append(f"{row['found'][ours]} of {row['clouds']}")
            body.append(cells)
    others = {
        name: sum(row["found"][name] for row in rows if row["n"] <= 300)
        for name in rows[0]["found"]
        if name != ours
    }
    tried = sum(min(10, row["clouds"]) for row in rows if row["n"] <= 300)
    shown = ", ".join(f"`{name}` in {count} of {tried}" for name, count in others.items())
    return (
        f"**False structure.** Clouds of uniform and of normal points in which `{ours}` finds "
        f"clusters: {found['uniform']} of {clouds['uniform']} uniform and {found['normal']} of "
        f"{clouds['normal']} normal ones; the largest share is {worst['found'][ours]} of "
        f"{worst['clouds']} ({worst['kind']}, {worst['n']} points, dimension {worst['d']}). Of "
        f"ten clouds each of up to 300 points, the others find clusters: {shown}.\n\n"
        + _table(["points", "dimension", *(f"n = {n}" for n in sizes)], body)
    )


def _table(head: list[str], body: list[list[str]]) -> str:
    rows = [head, ["---"] * len(head), *body]
    return "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
