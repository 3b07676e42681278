"""Judge groups of neurons with `neurotopo.audit`, and the verdicts themselves.

Audits
    Models of the test bed: `planted` and `functional` with their true groups by zero and by the
    default ablation; `planted`, the natural models and `null` with NTC's groups. `studies.py`
    runs random models.
Calibration
    From the facts of an audit (`--run FOLDER`): 200 studies whose groups are one shuffled draw
    of each fact, against the other draws. The true effect is 0, so each "yes" is wrong. With the
    margin added, each "no" is wrong; with larger effects added, the share of "yes" is the power.
    The same for simulated facts whose relations differ.

Examples
--------
python benchmarks/audit.py --quick --out /tmp/audit
python benchmarks/audit.py --run smollm2_audit --out benchmarks/results
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import environment
import numpy as np
from audit_report import table
from ground_truth import facts_of

import neurotopo as nt
from neurotopo.studies.audit.frames import AuditFrames
from neurotopo.studies.audit.verdicts import by_ablation, overall, verdicts
from neurotopo.studies.inference import MARGIN, effect_of
from neurotopo.studies.run import report

N_STUDIES = 200
SIZES = (10, 20, 40, 80, 160)
ADDED = (0.0, MARGIN, 0.15, 0.2, 0.3)
CASES = (
    ("testbed:planted", "oracle", "zero"),
    ("testbed:planted", "oracle", None),
    ("testbed:functional", "oracle", "zero"),
    ("testbed:functional", "oracle", None),
    ("testbed:planted", "ntc", None),
    ("testbed:gpt2", "ntc", None),
    ("testbed:llama", "ntc", None),
    ("testbed:bert", "ntc", None),
    ("testbed:null", "ntc", None),
)


def effects_in(frames: AuditFrames) -> dict[str, Any]:
    """Return the verdicts of an audit in types that JSON can hold."""
    found = verdicts(frames)
    return {
        "n_facts": len(frames.facts),
        "n_judged": len(frames.judged),
        "overall": overall(found),
        "verdicts": {name: asdict(effect) for name, effect in found.items()},
        "ablations": [
            {"quantity": quantity, "ablation": ablation, **asdict(effect)}
            for (quantity, ablation), effect in by_ablation(frames).items()
        ],
    }


def audited(
    model: Any, facts: Any, groups: str, ablation: str | None, quick: bool
) -> dict[str, Any]:
    """Return the verdicts on the groups of some facts."""
    found = nt.audit(model, facts, groups, ablation=ablation, quick=quick, check=False)
    return effects_in(found.frames)


def shuffled_differences(frames: AuditFrames) -> tuple[np.ndarray, list[str]]:
    """Return rho of every shuffled draw of each fact, (n_facts, n_draws), and the relations."""
    nulls = frames.nulls.merge(frames.judged[["fact", "ablation"]], on=["fact", "ablation"])
    nulls = nulls[nulls["null"] == "shuffled"]
    wide = nulls.pivot(index="fact", columns="draw", values="rho").dropna()
    relations = frames.judged.set_index("fact")["relation"].reindex(wide.index)
    return wide.to_numpy(), relations.tolist()


def drawn_study(rho: np.ndarray, relations: list[str], n: int, rng: Any) -> tuple[Any, list[str]]:
    """Draw facts; one draw of each is its groups, the others are the null."""
    facts = rng.choice(len(rho), size=n, replace=n > len(rho))
    own = rng.integers(rho.shape[1], size=n)
    rows = rho[facts]
    mine = rows[np.arange(n), own]
    rest = (rows.sum(axis=1) - mine) / (rho.shape[1] - 1)
    return mine - rest, [relations[i] for i in facts]


def simulated_study(n: int, rng: Any, n_relations: int = 10) -> tuple[Any, list[str]]:
    """Simulate facts whose relations differ by half of the spread of the facts."""
    relation = rng.integers(n_relations, size=n)
    values = 0.2 * rng.normal(size=n) + 0.1 * rng.normal(size=n_relations)[relation]
    return values, [str(name) for name in relation]


def shares(draw: Any, sizes: tuple[int, ...], n_studies: int) -> list[dict[str, Any]]:
    """Return the shares of verdicts by number of facts and added effect."""
    rows = []
    for n in sizes:
        studies = [draw(n, np.random.default_rng([n, k])) for k in range(n_studies)]
        for added in ADDED:
            found = [
                effect_of(values + added, relations, n_boot=500).verdict
                for values, relations in studies
            ]
            shares = {name: found.count(name) / n_studies for name in ("yes", "no", "undecided")}
            rows.append({"n": n, "added": added, **shares})
    return rows


def main() -> None:
    """Run the benchmark."""
    parser = environment.parser(__doc__)
    parser.add_argument("--facts", type=int, default=40)
    parser.add_argument("--run", type=Path, help="folder of a finished audit")
    parser.add_argument("--no-audits", action="store_true", help="the calibration only")
    parser.add_argument("--quick", action="store_true", help="ten facts, two audits, ten studies")
    options = parser.parse_args()
    n_facts = 10 if options.quick else options.facts
    n_studies, sizes = (10, SIZES[:2]) if options.quick else (N_STUDIES, SIZES)
    record: dict[str, Any] = {
        **environment.new_record("audit", without=("--run",)),
        "audits": [],
        "calibration": {},
    }

    def save() -> None:
        environment.write(record, options.out, "audit", table(record))

    if options.run is not None:
        rho, relations = shuffled_differences(report(options.run).summary.frames)
        record["calibration"]["measured"] = {
            "n_facts": len(rho),
            "rows": shares(lambda n, rng: drawn_study(rho, relations, n, rng), sizes, n_studies),
        }
        save()
    record["calibration"]["simulated"] = {
        "n_facts": None,
        "rows": shares(simulated_study, sizes, n_studies),
    }
    save()
    if options.no_audits:
        return
    for name, groups, ablation in CASES[:2] if options.quick else CASES:
        facts = facts_of(name.partition(":")[2], n_facts)
        found = audited(name, facts, groups, ablation, options.quick)
        record["audits"].append({"model": name, "groups": groups, "ablation": ablation, **found})
        print(name, groups, ablation, found["overall"], flush=True)
        save()


if __name__ == "__main__":
    main()
