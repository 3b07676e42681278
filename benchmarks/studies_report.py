"""What ``studies.py`` keeps of the studies' tables, and its record as Markdown."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from grids import heading
from studies_tables import SECTIONS, Row, Run, grid

_SUPPRESSED = {"mode": ["suppress"]}
KEPT: dict[str, dict[str, dict[str, list[Any]]]] = {
    "robustness": {
        "facts": {},
        "figure6a": {"measure": ["dprob"], "where": ["values"]},
        "table9_paired": {"operation": ["suppress"]},
        "subsets": {},
        "subset_tests": {},
    },
    "detection": {"detection": {}, "comparisons": {}, "relations": {}, "neurons": {}},
    "complexity": {"facts": {}, "sizes": {}, "trend": {}},
    "development": {"development": {}, "matching": {"facts": ["known in both"]}},
    "crosslingual": {
        "facts": {},
        "overlap": {"over": ["known"], "neurons": ["knowledge neurons"]},
        "succ": {"over": ["known"], "against": ["random_layers"]},
        "crossing": {"over": ["known"], "scale": [0.0], "against": ["random_layers"]},
    },
    "critique": {
        "knowledge": {},
        "shift": _SUPPRESSED,
        "categorical": _SUPPRESSED,
        "tests": {**_SUPPRESSED, "set": ["dkn"]},
        "r1": {},
        "generalisation": {"source": ["own"], "against": ["random_layers"]},
        "edits": {},
        "edit_tests": {},
    },
    "choices": {"facts": {}, "choices": {}, "planted": {}},
}
"""By study and table, the rows to record: those with one of the values in each named column."""


def kept(study: str, tables: Mapping[str, Any]) -> dict[str, list[Row]]:
    """Return the rows of a study's tables that are recorded."""
    found = {}
    for name, wanted in KEPT[study].items():
        if name not in tables:  # only some models have it
            continue
        frame = tables[name]
        for column, values in wanted.items():
            frame = frame[frame[column].isin(values)]
        found[name] = json.loads(frame.to_json(orient="records", double_precision=15))
    return found


def table(record: dict[str, Any]) -> str:
    """Return the record as Markdown."""
    trained = [run for run in record["runs"] if run["answers"] is None]
    drawn = [run for run in record["runs"] if run["answers"] is not None]
    parts = [
        heading(
            record,
            "Defaults of `neurotopo run STUDY`, one thread. "
            "The report of any run and docs/STUDY.md explain the measures. studies.json has all "
            "findings. 95 % intervals, Holm-corrected p-values.",
        )
    ]
    if trained:
        parts += ["### Runs, claims and times", _overview(trained)]
    for study, (title, told) in SECTIONS.items():
        of_study = [run for run in trained if run["study"] == study]
        if of_study:
            parts += [f"### {title}", *told(of_study)]
    if drawn:
        parts += ["### Random models", *_random(drawn)]
    return "\n\n".join(parts) + "\n"


def _overview(runs: Sequence[Run]) -> str:
    rows = [
        [
            run["study"],
            run["model"],
            run["facts"],
            f"{run['n_units']:,} {run['unit']}s",
            run["n_failed"],
            f"{run['seconds']:.0f}",
            "-" if run["load"] is None else f"{run['load']:.1f}",
            len(run["findings"]),
            len(run["claims"]),
        ]
        for run in runs
    ]
    claims = [
        f"- {run['study']}, {run['model']}: {claim}" for run in runs for claim in run["claims"]
    ]
    head = "study | model | facts | units of work | failed | seconds | load | findings | claims"
    return "\n\n".join(
        [
            "Seconds are for the work on facts, with one thread, without loading models and making "
            "reports. *load*: mean of the machine's load average before and after. If it exceeds "
            "the number of cores, other programs took time. Interrupted runs have none.",
            grid(head, rows, numbers=4),
            "Claims:",
            "\n".join(claims) or "None.",
        ]
    )


def _random(runs: Sequence[Run]) -> list[str]:
    rows = []
    for study, answers in dict.fromkeys((run["study"], run["answers"]) for run in runs):
        some = [run for run in runs if (run["study"], run["answers"]) == (study, answers)]
        known = [", ".join(dict.fromkeys(f"{n}" for n in run["known"])) for run in some]
        rows.append(
            [
                study,
                answers,
                _span([run["facts"] for run in some]),
                "; ".join(known),
                " ".join(str(len(run["claims"])) for run in some),
                sum(run["n_failed"] for run in some),
                f"{sum(run['seconds'] for run in some):.0f}",
            ]
        )
    claims = [
        f"- {run['study']}, {run['answers']}, seed {run['seed']}: {claim}"
        for run in runs
        for claim in run["claims"]
    ]
    head = ["study", "answers", "facts", "known, by seed", "claims, by seed", "failed", "seconds"]
    return [
        "Models with random weights, one per seed. Answers *world*: of FactWorld; *own*: those of "
        "the random model, so that it knows all facts and missing knowledge cannot prevent a "
        "claim. Studies of several models have a number of known facts for each, shown once if "
        "equal. The models have learned nothing, so every claim is false.",
        grid(head, rows, 3),
        "\n".join(claims) or "No claims.",
    ]


def _span(values: Sequence[int]) -> str:
    low, high = min(values), max(values)
    return str(low) if low == high else f"{low} to {high}"
