"""The record of ``ground_truth.py`` as tables."""

from __future__ import annotations

from typing import Any


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    lines = [
        f"`{record['command']}`",
        "",
        f"Environment: {record['environment']}. {record['threads']} threads. What the figures are: "
        "the docstring of `ground_truth.py`.",
        "",
        *recall_table(record["natural"]),
        "",
        *located_table(record["natural"]),
        "",
        *suppression_table(record["natural"]),
        "",
        *group_table(record["grouped"]),
    ]
    for name, found in record["grouped"].items():
        lines += ["", *end_table(name, found["end_to_end"])]
    return "\n".join(lines) + "\n"


def recall_table(found: dict[str, Any]) -> list[str]:
    """Return what the natural models know."""
    lines = [
        "| model | parameters | MB | language | wordings | prompts | exact match |",
        "|---|--:|--:|---|---|--:|--:|",
    ]
    for name, one in found.items():
        if one["recall"] is None:
            continue
        for row in one["recall"]:
            lines.append(
                f"| {name} | {one['size']['parameters']:,} | {one['size']['megabytes']:.1f} | "
                f"{row['language']} | {row['wordings']} | {row['n']:,} | {row['exact']:.1%} |"
            )
    return lines


def located_table(found: dict[str, Any]) -> list[str]:
    """Return where the knowledge neurons are."""
    lines = [
        "| model | facts | without any | neurons a fact | share of them by layer | AMIG a fact |",
        "|---|--:|--:|--:|---|--:|",
    ]
    for name, one in found.items():
        row = one["located"]
        shares = " ".join(f"{100 * share:.0f}" for share in row["by_layer"])
        lines.append(
            f"| {name} | {row['n_facts']} | {row['n_empty']} | {row['neurons']:.1f} | {shares} % | "
            f"{1e3 * row['seconds']:.0f} ms |"
        )
    return lines


def suppression_table(found: dict[str, Any]) -> list[str]:
    """Return what suppression does."""
    lines = [
        "Fall of the answer's log-probability (median) when a fact's neurons are suppressed:",
        "",
        "| model | its own neurons | as many random ones | own, on another fact | own against "
        "random: d, p | own against other fact: d, p |",
        "|---|--:|--:|--:|--:|--:|",
    ]
    for name, one in found.items():
        row = one["suppression"]
        cells = [f"{row[part]['median']:.2f}" for part in ("own", "random", "unrelated")]
        for part in ("own_against_random", "own_against_unrelated"):
            cells.append(f"{row[part]['d']:.2f}, {row[part]['p']:.1g}")
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def group_table(found: dict[str, Any]) -> list[str]:
    """Return what the planted groups do."""
    lines = [
        "| model | facts | kept by each group alone | kept by none | each >= 0.8, none <= 0.05 | "
        "weights within / across | ARI, true neurons (strict) | attribution by group |",
        "|---|--:|---|--:|--:|--:|--:|---|",
    ]
    for name, one in found.items():
        does, wires, truth = one["function"], one["wiring"], one["true_neurons"]
        alone = " ".join(f"{share:.2f}" for share in does["alone"])
        mass = " ".join(f"{share:.2f}" for share in one["end_to_end"]["mass"])
        lines.append(
            f"| {name} | {does['n_facts']} | {alone} | {does['none']:.4f} | {does['both']:.1%} | "
            f"{wires['ratio']:.3g} | {truth[0]:.2f} ({truth[1]:.2f}) | {mass} |"
        )
    return lines


def end_table(name: str, found: dict[str, Any]) -> list[str]:
    """Return what is found of the groups from single facts."""
    lines = [
        f"**{name}**, groups found from AMIG's neurons of {found['n_facts']} single facts:",
        "",
        "| threshold | scale | neurons | clusters | mean ARI (strict) |",
        "|---|---|--:|--:|--:|",
    ]
    for row in found["rows"]:
        lines.append(
            f"| {row['threshold']} | {row['scale']} | {row['neurons']:.1f} | "
            f"{row['clusters']:.1f} | {row['ari']:.2f} ({row['strict']:.2f}) |"
        )
    return lines
