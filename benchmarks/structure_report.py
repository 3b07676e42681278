"""Tables of the test of structure: false discoveries and power."""

from __future__ import annotations

from typing import Any


def table(record: dict[str, Any]) -> str:
    """Return what was counted, as two tables."""
    rows = record["rows"]
    alone = [row for row in rows if "family" in row]
    groups = [row for row in rows if "groups" in row]
    most = max(alone, key=lambda row: row["discoveries"] / row["clouds"])
    total, clouds = (sum(row[name] for row in alone) for name in ("discoveries", "clouds"))
    parts = [
        "Clouds of one mode in which any cluster of any rule can be significant at the level "
        f"{record['level']} (seed {record['seed']}): {total} of {clouds} in all, and at most "
        f"{most['discoveries']} of {most['clouds']} in one cell ({most['family']}, {most['n']} "
        f"points, dimension {most['d']}). Discoveries of {alone[0]['clouds']} clouds:",
        _table(alone, ("family", "n"), "d", str),
    ]
    if groups:
        parts += [
            f"Share of {groups[0]['clouds']} clouds of normal groups of equal size with a "
            "discovery, by the distance of the nearest centres in standard deviations:",
            _table(groups, ("groups", "n", "d"), "separation", lambda n: f"{n:.2f}"),
        ]
    return "\n\n".join(parts)


def _table(rows: list[dict[str, Any]], keys: tuple[str, ...], across: str, shown: Any) -> str:
    """Return a table with a column for each value of one key."""
    columns = sorted({row[across] for row in rows})
    share = across == "separation"
    lines = {}
    for row in rows:
        value = row["discoveries"] / row["clouds"] if share else row["discoveries"]
        lines.setdefault(tuple(row[key] for key in keys), {})[row[across]] = shown(value)
    names = {"family": "density", "n": "points", "d": "dimension", "groups": "groups"}
    head = [names[key] for key in keys] + [
        f"{value:g} sd" if share else f"dimension {value}" for value in columns
    ]
    table = [head, ["---"] * len(head)]
    for key, values in sorted(lines.items()):
        table.append([str(part) for part in key] + [values.get(c, "-") for c in columns])
    return "\n".join("| " + " | ".join(cells) + " |" for cells in table)
