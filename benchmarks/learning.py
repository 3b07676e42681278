"""Run the learning study on built-in models: which neurons to train.

`neurotopo run learning --option threshold=0.2` on 150 facts of FactWorld (about a hundred lessons,
six arms, three seeds) for the GPT-2- and LLaMA-shaped models. The record has Table 2, the costs,
the overlap at shares of changed neurons, and the findings. The runs stay in `--work`; the script
resumes them.

Examples
--------
python benchmarks/learning.py --quick --out /tmp/results
python benchmarks/learning.py --out benchmarks/results
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import environment
from learning_report import table

from neurotopo.studies import run

MODELS = ("testbed:gpt2", "testbed:llama")
KEPT = ("table2", "table8_paired", "table11", "overlap", "sets")


def study(model: str, work: Path, quick: bool) -> dict[str, Any]:
    """Run the study and return its record."""
    result = run(
        "learning",
        model=model,
        facts=f"factworld:{30 if quick else 150}",
        out=work,
        quick=quick,
        progress=True,
        device="cpu",
        threshold=0.2,  # of the greatest score, as in the paper
    )
    return {
        "n_trainings": result.outcome.n_done,
        "n_failed": result.outcome.n_failed,
        "findings": list(result.findings),
        "tables": {
            name: json.loads(result.tables[name].to_json(orient="records", double_precision=15))
            for name in KEPT
            if name in result.tables
        },
    }


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--work", type=Path, help="folder of the runs; default: a new one")
    parser.add_argument("--quick", action="store_true", help="few facts, two seeds")
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="learning-"))
    record: dict[str, Any] = {
        **environment.new_record("learning", without=("--work",)),
        "models": {
            model: study(model, work / model.removeprefix("testbed:"), options.quick)
            for model in MODELS
        },
    }
    environment.write(record, options.out, "learning", table(record))
    print(table(record))


if __name__ == "__main__":
    main()
