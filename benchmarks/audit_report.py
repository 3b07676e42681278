"""The record of ``audit.py`` as tables."""

from __future__ import annotations

from typing import Any

from grids import heading

SHOWN = ("necessary", "redundancy", "adding", "within", "alone", "specific", "uses", "repair")


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    text = "The docstring of `audit.py` explains the cases; `docs/degenerate.md` the questions."
    lines = [heading(record, text)]
    if record["audits"]:
        lines += [
            "",
            "**Verdicts**, with the effect and its 95 % interval.",
            "",
            f"| model | groups | ablation | facts judged | each carries | {' | '.join(SHOWN)} |",
            "|---|---|---|--:|---|" + "---|" * len(SHOWN),
        ]
        for each in record["audits"]:
            cells = [each["model"], each["groups"], each["ablation"] or "default"]
            cells += [f"{each['n_judged']} of {each['n_facts']}", each["overall"]]
            cells += [_verdict(each["verdicts"][name]) for name in SHOWN]
            lines.append(f"| {' | '.join(cells)} |")
        lines += [
            "",
            "Against shuffled groups, by ablation:",
            "",
            "| model | groups | quantity | zero | mean | counterfactual |",
            "|---|---|---|---|---|---|",
        ]
        for each in record["audits"]:
            if each["ablation"] is None:
                lines += _by_ablation(each)
    for name, found in record["calibration"].items():
        facts = f" ({found['n_facts']} facts with all draws)" if found["n_facts"] else ""
        lines += [
            "",
            f"**Calibration, {name} facts**{facts}: share of the studies with each verdict, in "
            "per cent.",
            "",
            "| facts of a study | true effect | yes | no | undecided |",
            "|--:|--:|--:|--:|--:|",
        ]
        for row in found["rows"]:
            cells = [str(row["n"]), f"{row['added']:g}"]
            cells += [f"{100 * row[name]:.1f}" for name in ("yes", "no", "undecided")]
            lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _verdict(effect: dict[str, Any]) -> str:
    if not effect["n"]:
        return "no data"
    return f"{effect['verdict']} {effect['mean']:.2f} ({effect['low']:.2f} to {effect['high']:.2f})"


def _by_ablation(each: dict[str, Any]) -> list[str]:
    rows = []
    for quantity in ("rho", "sufficiency"):
        cells = {e["ablation"]: _verdict(e) for e in each["ablations"] if e["quantity"] == quantity}
        if cells:
            found = [cells.get(name, "") for name in ("zero", "mean", "counterfactual")]
            rows.append(
                f"| {each['model']} | {each['groups']} | {quantity} | {' | '.join(found)} |"
            )
    return rows
