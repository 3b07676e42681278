"""Run the acquisition study on the built-in models and on a model trained on TempLAMA.

Each model: `neurotopo run acquisition --preset paper` on 200 facts (seed 0); the planted model
also with neurons selected per layer (`scope=layer`). With TempLAMA's train.jsonl (`--templama` or
the environment variable NEUROTOPO_TEMPLAMA), a small model is trained on the first 1,000 facts of
2018 with the recipe of `neurotopo testbed build`, and studied on all of them.

The record has the tables `table1`, `controls`, `table7_paired` and `dkns`, the findings and the
seconds per fact. The runs and their reports stay in `--work`; the script resumes them.

Examples
--------
python benchmarks/acquisition.py --quick --out /tmp/results
python benchmarks/acquisition.py --out benchmarks/results
"""

from __future__ import annotations

import json
import os
import tempfile
from pathlib import Path
from typing import Any

import environment
import numpy as np
from acquisition_report import table

from neurotopo.commands.testbed import BuildOptions, build_model
from neurotopo.datasets import load_templama
from neurotopo.studies import Store, run

CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "planted": ("testbed:planted", {}),
    "planted, each layer": ("testbed:planted", {"scope": "layer"}),
    "functional": ("testbed:functional", {}),
    "gpt2": ("testbed:gpt2", {}),
    "llama": ("testbed:llama", {}),
    "bert": ("testbed:bert", {}),
    "null": ("testbed:null", {}),
}
TEMPLAMA_FACTS = 1000
KEPT = ("facts", "table1", "controls", "table7_paired", "dkns")


def study(model: str, facts: Any, work: Path, options: dict[str, Any]) -> dict[str, Any]:
    """Run the study and return its record."""
    given = {"model": model, "facts": facts, "out": work, "preset": "paper", **options}
    result = run("acquisition", progress=True, **given)
    with Store(work / "results.sqlite", read_only=True) as store:
        seconds = [row.seconds for row in store.rows(result.outcome.run)]
    return {
        "model": model,
        "options": options,
        "n_facts": result.outcome.n_facts,
        "n_failed": result.outcome.n_failed,
        "seconds": {
            "total": float(np.sum(seconds)),
            "median": float(np.median(seconds)),
            "most": float(np.max(seconds)),
        },
        "findings": list(result.findings),
        "tables": {
            name: json.loads(result.tables[name].to_json(orient="records", double_precision=15))
            for name in KEPT
        },
    }


def templama_model(path: Path, work: Path, n: int) -> tuple[Path, Path]:
    """Train a model on facts of 2018, or use the existing one; return its folder and the facts."""
    work.mkdir(parents=True, exist_ok=True)
    facts = work / "facts.jsonl"
    load_templama(path).filter(date="2018")[:n].to_jsonl(facts)
    done = build_model(
        BuildOptions(
            name=None,
            arch="gpt2",
            seed=0,
            facts=facts,
            out=work / "model",
            epochs=None,
            overwrite=False,
            progress=False,
        )
    )
    return done.folder, done.folder / "facts.jsonl"


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--work", type=Path, help="folder of the runs; default: a new one")
    parser.add_argument("--facts", type=int, default=200)
    parser.add_argument("--quick", action="store_true", help="ten facts per model")
    parser.add_argument("--only", nargs="+", choices=[*CASES, "templama"], help="only these")
    parser.add_argument("--templama", type=Path, default=os.environ.get("NEUROTOPO_TEMPLAMA"))
    options = parser.parse_args()
    n = 10 if options.quick else options.facts
    work = options.work or Path(tempfile.mkdtemp(prefix="acquisition-"))
    record: dict[str, Any] = {
        **environment.new_record("acquisition", without=("--work",)),
        "cases": {},
    }
    for name, (model, more) in CASES.items():
        if options.only is None or name in options.only:
            place = work / name.replace(", ", "_").replace(" ", "_")
            print(f"{name}: {place}")
            record["cases"][name] = study(model, f"factworld:{n}", place, more)
    if options.templama is not None and (options.only is None or "templama" in options.only):
        path = Path(options.templama)
        path = path / "train.jsonl" if path.is_dir() else path
        n_facts = 20 if options.quick else TEMPLAMA_FACTS
        folder, facts = templama_model(path, work / "templama_model", n_facts)
        record["cases"]["templama"] = study(str(folder), facts, work / "templama", {})
        record["cases"]["templama"]["model"] = "trained on TempLAMA"
    environment.write(record, options.out, "acquisition", table(record))
    print(table(record))


if __name__ == "__main__":
    main()
