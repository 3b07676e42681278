"""Run the studies on the built-in models, and on random models, where every claim is false.

Each study runs like `neurotopo run STUDY --preset paper` and seed 0 on the models that fit it;
this script trains the model with snapshots for `development`. `learning` and, on trained models,
`acquisition` and `audit` have separate scripts. Then all of them except `learning`, which trains
the model first, run on models with random weights of five seeds, with two kinds of answers:

- *world*: facts of FactWorld. The model knows none of them.
- *own*: the same prompts with the answers of the random model, so that it "knows" all of them and
  missing knowledge cannot prevent a claim. For studies of one model; one seed.

The runs stay in `--work`; the script resumes them. The result of a run is in a file beside its
folder and is used again; `--again` makes it from the stored results and runs the missing facts.
Seconds are for the work on facts with one thread, without loading models and making reports.

Examples
--------
python benchmarks/studies.py --quick --out /tmp/results
python benchmarks/studies.py --out benchmarks/results
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import environment
import torch
from studies_report import kept, table
from threadpoolctl import threadpool_limits

import neurotopo as nt
from neurotopo.commands.testbed import BuildOptions, build_model
from neurotopo.models.builtin_models import null_model
from neurotopo.models.recall import recalled
from neurotopo.studies import Result, Store, run
from neurotopo.studies.study import study_named
from neurotopo.testbed.architectures import new_model
from neurotopo.testbed.recipe import RECIPES
from neurotopo.testbed.statements import core_id

LADDER = ("ladder-1", "ladder-2", "ladder-3")
SNAPSHOTS = "snapshots of ladder-1"
N_SNAPSHOTS = 6
MODELS: dict[str, tuple[str, ...]] = {
    "robustness": ("gpt2", "llama", "bert", "planted"),
    "detection": ("gpt2", "llama", "bert", "planted"),
    "complexity": (", ".join(LADDER),),
    "development": (SNAPSHOTS,),
    "crosslingual": ("gpt2", "llama", "bert"),
    "critique": ("gpt2", "llama", "bert", "planted"),
    "choices": ("gpt2", "llama", "planted"),
}
FACTS = {"crosslingual": "factworld:100", "detection": "factworld"}
USUAL_FACTS = "factworld:200"

RANDOM = (*MODELS, "acquisition", "audit")
SEEDS = range(5)
ANSWERS = ("world", "own")
N_RANDOM_FACTS = 60
N_QUICK_FACTS = 24


@dataclass(frozen=True)
class Case:
    """A study of a built-in model, or of random models if `answers` is given."""

    study: str
    model: str
    seed: int = 0
    answers: str | None = None

    @property
    def name(self) -> str:
        """Name of its folder."""
        parts = [self.study, *self.model.replace(",", " ").split()]
        if self.answers is not None:
            parts += [self.answers, str(self.seed)]
        return "_".join(parts)


def cases(quick: bool = False) -> Iterator[Case]:
    """Yield the cases in order."""
    for study, models in MODELS.items():
        for model in models:
            yield Case(study, model)
    for answers in ANSWERS:
        for study in RANDOM:
            if answers == "world" or not study_named(study).several:
                seeds = SEEDS if answers == "world" and not quick else SEEDS[:1]
                for seed in seeds:
                    yield Case(study, "random", seed, answers)


def trained(case: Case, work: Path, quick: bool) -> Any:
    """Return the name of a model, or of several of them."""
    if case.model != SNAPSHOTS:
        return ",".join(f"testbed:{name.strip()}" for name in case.model.split(","))
    folder = work / "ladder-1"
    build_model(
        BuildOptions(
            name="ladder-1", out=folder, snapshots=N_SNAPSHOTS, epochs=1 if quick else None
        )
    )
    return str(folder)


def random_models(study: str, seed: int) -> Any:
    """Return a model with random weights, or several of increasing size or of one shape."""
    tokenizer = nt.load_model("testbed:null", device="cpu").tokenizer
    if not study_named(study).several:
        return nt.NeuronModel(null_model(seed), tokenizer)
    # Snapshots of one training have one shape; the study compares no others.
    shapes = (
        [("ladder-1", len(LADDER) * seed + i) for i in range(len(LADDER))]
        if study == "development"
        else [(name, seed) for name in LADDER]
    )
    return [
        nt.NeuronModel(new_model(RECIPES[name], tokenizer, seed=one).eval(), tokenizer)
        for name, one in shapes
    ]


def own_answers(model: nt.NeuronModel, facts: Sequence[nt.Fact]) -> list[nt.Fact]:
    """Return the facts with the token that a causal model predicts as the answer.

    A statement is omitted if the token is not a valid answer in some language: if it is blank, or
    if its text has another encoding after the prompt.
    """
    own = []
    for fact in facts:
        with torch.inference_mode():
            ids = torch.tensor([list(model.encode(fact).prompt)])
            said = int(model.hf_model(ids).logits[0, -1].argmax())
        answer = model.tokenizer.decode([said]).strip()
        own.append(nt.Fact(**{**fact.to_dict(), "answers": answer or "?"}))
    given = recalled(model, own, ends=False)
    missing = {core_id(fact) for fact, right in zip(own, given, strict=True) if not right}
    return [fact for fact in own if core_id(fact) not in missing]


def work_on(case: Case, work: Path, quick: bool) -> dict[str, Any]:
    """Run or resume the study and return its record."""
    how: dict[str, Any] = {"out": work / case.name, "quick": quick, "progress": True}
    facts: Any = FACTS.get(case.study, USUAL_FACTS)
    before = os.getloadavg()[0]
    if case.answers is None:
        model = trained(case, work, quick)
        facts = f"factworld:{N_QUICK_FACTS}" if quick else facts
    else:
        model = random_models(case.study, case.seed)
        n = N_QUICK_FACTS if quick else N_RANDOM_FACTS
        first = model[0] if isinstance(model, list) else model
        load_facts = study_named(case.study)().load
        if case.answers == "own":
            every = load_facts("factworld", first, seed=case.seed)
            facts = load_facts(own_answers(first, every), first, most=n, seed=case.seed)
        else:
            facts = load_facts(f"factworld:{n}", first, seed=case.seed)
    result = run(case.study, model=model, facts=facts, seed=case.seed, **{"preset": "paper", **how})
    record = recorded(case, result, (before + os.getloadavg()[0]) / 2)
    if case.answers is not None:
        one_by_one = model if isinstance(model, list) else [model]
        known = [int(recalled(one, facts, ends=False).sum()) for one in one_by_one]
        return {**record, "facts": len(facts), "known": known}
    told = {"findings": list(result.findings), "tables": kept(case.study, result.tables)}
    return {**record, "facts": facts, **told}


def recorded(case: Case, result: Result, load: float) -> dict[str, Any]:
    """Return the part of the record that all runs have."""
    outcome = result.outcome
    assert outcome.out is not None
    with Store(outcome.out / "results.sqlite", read_only=True) as store:
        seconds = [row.seconds for row in store.rows(outcome.run)]
    return {
        "study": case.study,
        "model": case.model,
        "seed": case.seed,
        "answers": case.answers,
        "unit": outcome.unit,
        "n_units": outcome.n_facts,
        "n_failed": outcome.n_failed,
        "seconds": float(sum(seconds)),
        "load": None if outcome.n_there else load,  # else the load was measured at another time
        "claims": list(result.claims),
    }


def main() -> None:
    parser = environment.parser(__doc__)
    parser.add_argument("--work", type=Path, help="folder of the runs; default: a new one")
    parser.add_argument("--again", action="store_true", help="make the results of the runs again")
    parser.add_argument("--quick", action="store_true", help="few facts, one random model")
    parser.add_argument(
        "--only", nargs="+", choices=[*MODELS, *ANSWERS], help="these studies, or random models"
    )
    options = parser.parse_args()
    work = options.work or Path(tempfile.mkdtemp(prefix="studies-"))
    work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    runs = []
    for case in cases(options.quick):
        if options.only is not None and (case.answers or case.study) not in options.only:
            continue
        told = work / f"{case.name}.json"
        there = json.loads(told.read_text()) if told.exists() else None
        if there is None or options.again:
            print(case.name, flush=True)
            with threadpool_limits(1):
                found = work_on(case, work, options.quick)
            if there is not None and found["load"] is None:
                found["load"] = there["load"]
            told.write_text(json.dumps(found, indent=1) + "\n")
            there = found
        runs.append(there)
    record = {**environment.new_record("studies", without=("--work",)), "runs": runs}
    environment.write(record, options.out, "studies", table(record))
    print(table(record))


if __name__ == "__main__":
    main()
