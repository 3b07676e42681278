"""Assemble RESULTS.md from the records of the benchmarks.

Examples
--------
python benchmarks/make_results.py --results benchmarks/results --out benchmarks/RESULTS.md
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from acquisition_report import table as acquisition_tables
from attribution_choices_report import table as choices_tables
from attribution_report import table as attribution_tables
from audit_report import table as audit_tables
from defaults_report import table as defaults_tables
from endurance import table as endurance_tables
from first_result_report import table as first_tables
from ground_truth_report import table as truth_tables
from learning_report import table as learning_tables
from neurons_report import table as neurons_tables
from quality_figures import draw_all
from quality_findings import findings
from quality_report import KINDS, ari_tables, introduction, null_table, tables
from real_models_report import table as real_tables
from scaling import table as scaling_tables
from speed_figures import draw
from speed_report import groups, speed_summary
from speed_report import tables as speed_tables
from structure_report import table as structure_tables
from studies_report import table as studies_tables
from suppression import table as suppression_tables
from tuning_report import table as tuning_tables
from whole_model import table as whole_model_tables

HERE = Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "scripts"))
from matrix import Row  # noqa: E402
from matrix import table as matrix_table  # noqa: E402

HEAD = """# Results of the benchmarks

`python benchmarks/make_results.py` makes this file from the records in `{results}`.
`benchmarks/README.md` describes the measurements. Times are comparable within one run on one
machine, not between runs.
"""


def versions(rows: Any) -> str:
    """Return the table of the tests by Python and versions."""
    told = (
        "`make matrix`: the examples of all modules and the tests of the clusterer and of the "
        "package, in a fresh environment each, with the newest and the lowest versions of the "
        "dependencies that `pyproject.toml` allows."
    )
    return f"{told}\n\n{matrix_table([Row(**row) for row in rows])}"


# Benchmarks with one table: name of the record, title, function.
TABLES: tuple[tuple[str, str, Callable[[dict[str, Any]], str]], ...] = (
    ("first_result", "Defaults: the first result", first_tables),
    ("structure", "Structure or none: the test of separate modes", structure_tables),
    ("whole_model", "All neurons of a model", whole_model_tables),
    ("neurons", "Neurons of a fact", neurons_tables),
    ("suppression", "Suppression at all tokens", suppression_tables),
    ("attribution", "Attribution of a fact to all neurons", attribution_tables),
    ("attribution_choices", "Choices of the attribution", choices_tables),
    ("real_models", "Real models", real_tables),
    ("relp", "Attributions and the effect of single neurons", real_tables),
    ("defaults", "Which neurons of a fact: the default", defaults_tables),
    ("audit", "Verdicts on groups of neurons", audit_tables),
    ("ground_truth", "Test-bed models", truth_tables),
    ("acquisition", "Degenerate knowledge neurons", acquisition_tables),
    ("scaling", "Several workers of Ray", scaling_tables),
    ("endurance", "A long run that is killed", endurance_tables),
    ("matrix", "Versions", versions),
    ("tuning", "Training neurons: memory", tuning_tables),
    ("learning", "Training neurons: what is learned and forgotten", learning_tables),
    ("studies", "The other studies, and random models", studies_tables),
)


def load(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


def picture(path: Path, beside: Path, title: str) -> str:
    return f"![{title}]({Path(os.path.relpath(path, beside)).as_posix()})"


def quality_section(record: dict[str, Any], results: Path, beside: Path) -> str:
    """Return the part on quality."""
    (results / "quality.md").write_text(tables(record))
    pictures = {path.stem: path for path in draw_all(record, results)}
    parts = ["## Quality", introduction(record), "### Findings", findings(record)]
    for kind, title in KINDS.items():
        if f"quality_{kind}_ari" not in pictures:
            continue
        parts += [f"### {title}", ari_tables(record, kind)]
        parts += [picture(pictures[f"quality_{kind}_ari"], beside, f"{title}: mean ARI")]
    if "quality_toys_default" in pictures:
        parts += ["Toy sets by untuned setting (first seed; grey: in no cluster):"]
        parts += [picture(pictures["quality_toys_default"], beside, "Toy sets, untuned")]
        parts += ["The same, tuned by the truth:"]
        parts += [picture(pictures["quality_toys_tuned"], beside, "Toy sets, tuned")]
    parts += ["### Data without clusters", null_table(record)]
    more = Path(os.path.relpath(results / "quality.md", beside)).as_posix()
    parts += [
        "AMI, ARI on clustered samples, share of noise and the tuned settings are in "
        f"`{more}`, every number per seed in `quality.json` beside it."
    ]
    return "\n\n".join(parts)


def speed_section(record: dict[str, Any], results: Path, beside: Path) -> str:
    """Return the part on speed and memory."""
    (results / "speed.md").write_text(speed_tables(record))
    pictures = {path.stem: path for path in draw(record, results)}
    parts = ["## Speed and memory", speed_summary(record), speed_tables(record).rstrip()]
    for name, title in groups(record):
        if f"speed_{name}" in pictures:
            parts.append(picture(pictures[f"speed_{name}"], beside, title))
    return "\n\n".join(parts)


def assemble(results: Path, out: Path) -> str:
    """Return the page; it names benchmarks without a record."""
    beside = out.resolve().parent
    shown = Path(os.path.relpath(results, HERE.parent)).as_posix()
    parts = [HEAD.format(results=shown if not shown.startswith("..") else results.name)]
    for name, section in (("speed", speed_section), ("quality", quality_section)):
        record = load(results / f"{name}.json")
        if record is None:
            parts.append(f"## {name.capitalize()}\n\nNot run: there is no {name}.json.")
        else:
            parts.append(section(record, results.resolve(), beside))
    for name, title, table in TABLES:
        record = load(results / f"{name}.json")
        told = "Not run: there is no {name}.json." if record is None else table(record)
        parts.append(f"## {title}\n\n{told.format(name=name) if record is None else told}")
    return "\n\n".join(part.rstrip() for part in parts) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--out", type=Path, default=HERE / "RESULTS.md")
    options = parser.parse_args()
    options.out.write_text(assemble(options.results, options.out))
    print(options.out)


if __name__ == "__main__":
    main()
