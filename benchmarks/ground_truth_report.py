"""The record of ``ground_truth.py`` as tables."""

from __future__ import annotations

from typing import Any

from grids import grid, heading


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    parts = [
        heading(
            record,
            f"{record['threads']} threads. The docstring of `ground_truth.py` explains the "
            "measures.",
        ),
        recall_table(record["natural"]),
        located_table(record["natural"]),
        "Decrease of the answer's log-probability (median) when the neurons of a fact are "
        "suppressed:",
        suppression_table(record["natural"]),
        group_table(record["grouped"]),
    ]
    for name, one in record["grouped"].items():
        found = one["end_to_end"]
        parts += [
            f"**{name}**, groups found from AMIG's neurons of {found['n_facts']} single facts:",
            end_table(found["rows"]),
        ]
    return "\n\n".join(parts) + "\n"


def recall_table(models: dict[str, Any]) -> str:
    """Return the recall of the natural models."""
    rows = [
        [
            name,
            f"{one['size']['parameters']:,}",
            f"{one['size']['megabytes']:.1f}",
            row["language"],
            row["wordings"],
            f"{row['n']:,}",
            f"{row['exact']:.1%}",
        ]
        for name, one in models.items()
        for row in one["recall"] or ()
    ]
    head = "| model | parameters | MB | language | wordings | prompts | exact match |"
    lines = [head, "|---|--:|--:|---|---|--:|--:|"]
    return "\n".join([*lines, *(f"| {' | '.join(cells)} |" for cells in rows)])


def located_table(models: dict[str, Any]) -> str:
    """Return the positions of the knowledge neurons."""
    lines = [
        "| model | facts | without any | neurons per fact | share by layer | AMIG per fact |",
        "|---|--:|--:|--:|---|--:|",
    ]
    for name, one in models.items():
        row = one["located"]
        shares = " ".join(f"{100 * share:.0f}" for share in row["by_layer"])
        lines.append(
            f"| {name} | {row['n_facts']} | {row['n_empty']} | {row['neurons']:.1f} | {shares} % | "
            f"{1e3 * row['seconds']:.0f} ms |"
        )
    return "\n".join(lines)


def suppression_table(models: dict[str, Any]) -> str:
    """Return the effects of suppression."""
    rows = []
    for name, one in models.items():
        row = one["suppression"]
        cells = [f"{row[part]['median']:.2f}" for part in ("own", "random", "unrelated")]
        for part in ("own_against_random", "own_against_unrelated"):
            cells.append(f"{row[part]['d']:.2f}, {row[part]['p']:.1g}")
        rows.append([name, *cells])
    return grid(
        "model | its own neurons | as many random ones | own, on another fact | own against "
        "random: d, p | own against other fact: d, p",
        rows,
        1,
    )


def group_table(models: dict[str, Any]) -> str:
    """Return the effects of the planted groups."""
    lines = [
        "| model | facts | kept by each group alone | kept by none | each >= 0.8, none <= 0.05 | "
        "weights within / across | ARI, true neurons (strict) | attribution by group |",
        "|---|--:|---|--:|--:|--:|--:|---|",
    ]
    for name, one in models.items():
        does, wires, truth = one["function"], one["wiring"], one["true_neurons"]
        alone = " ".join(f"{share:.2f}" for share in does["alone"])
        mass = " ".join(f"{share:.2f}" for share in one["end_to_end"]["mass"])
        lines.append(
            f"| {name} | {does['n_facts']} | {alone} | {does['none']:.4f} | {does['both']:.1%} | "
            f"{wires['ratio']:.3g} | {truth[0]:.2f} ({truth[1]:.2f}) | {mass} |"
        )
    return "\n".join(lines)


def end_table(rows: list[dict[str, Any]]) -> str:
    """Return how well the groups are found from single facts."""
    cells = [
        [
            row["threshold"],
            row["scale"],
            f"{row['neurons']:.1f}",
            f"{row['clusters']:.1f}",
            f"{row['ari']:.2f} ({row['strict']:.2f})",
        ]
        for row in rows
    ]
    return grid("threshold | scale | neurons | clusters | mean ARI (strict)", cells, 2)
