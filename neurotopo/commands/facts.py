"""``neurotopo facts``: the facts that a model knows."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurotopo.commands.common import (
    Times,
    check_writable,
    command_group,
    examples,
    print_json,
    put,
)
from neurotopo.commands.options import (
    MODEL_HELP,
    ModelOptions,
    command,
    json_option,
    option,
    quiet_option,
)

if TYPE_CHECKING:
    from neurotopo.datasets import Dataset, KnownFacts

__all__ = ["KnownOptions", "facts_app", "keep_known"]

_TOP = "Facts and the models that know them." + examples(
    "neurotopo facts known --model gpt2 --facts facts.jsonl --out known.jsonl"
)
_KNOWN = (
    "Ask a model facts and write those that it knows.\n\n"
    "A fact is known in a wording if the most probable tokens spell one of its answers and, with "
    "--margin, if the answer is so much more probable (natural logarithm) than every other answer "
    "of its relation. --facts is a file or folder in any supported format, of which ParaRel has "
    "several wordings per fact, factworld or factworld:N.\n\n"
    "Prints how many facts are left after each step. Writes known.jsonl, which every command "
    "takes as --facts; next to it known.replies.jsonl with all replies (run the same command "
    "again to resume, also with other --wordings or --margin), known.csv, known.relations.csv "
    "and pictures of the steps."
) + examples(
    "neurotopo facts known --model testbed:gpt2 --facts factworld:200",
    "neurotopo facts known --model gpt2 --facts facts.jsonl --margin 1 \\",
    "  --wordings 1 --out gpt2.jsonl",
)

facts_app = command_group(_TOP)


@dataclass(frozen=True, kw_only=True)
class KnownOptions(ModelOptions):
    """Options of ``neurotopo facts known``."""

    model: str = option(MISSING, MODEL_HELP)
    facts: str = option(MISSING, "File or folder of facts, factworld, factworld:N.")
    wordings: int = option(1, "Wordings in which a fact must be known.", min=1)
    margin: float | None = option(None, "Least margin over the foils. [none]")
    drop_given: bool = option(False, "Leave out facts whose answer is in the subject.")
    relations: tuple[str, ...] = option((), "Only this relation; may be repeated.", "--relation")
    most: int | None = option(None, "The most facts, drawn at random. [all]", min=1)
    most_foils: int | None = option(None, "The most foils of a fact. [all]", min=1)
    on_error: str = option("raise", "For a row that is not a fact: raise or skip.")
    seed: int = option(0, "Random seed.", min=0)
    out: Path = option(Path("known.jsonl"), "File to write to.")
    as_json: bool = json_option()
    quiet: bool = quiet_option()
    progress: bool = False


@command(facts_app, KnownOptions, _KNOWN)
def known(context: typer.Context, options: KnownOptions) -> None:
    """Write the known facts and print the funnel."""
    result, files = keep_known(options)
    report = {
        "steps": result.funnel().to_dict("records"),
        "relations": result.by_relation().to_dict("records"),
    }
    if options.as_json:
        print_json({**report, "files": [str(file) for file in files]})
        return
    Console().print(_table(result))
    if options.quiet:
        return
    for file in files:
        typer.echo(f"wrote {file}")


def keep_known(options: KnownOptions) -> tuple[KnownFacts, list[Path]]:
    """Ask the facts and write the known ones; return the result and the files.

    OSError, ValueError and ImportError have a message for the user.
    """
    from neurotopo.datasets import known_facts

    out = options.out
    if out.is_dir():
        raise ValueError(f"--out must be a file, and {out} is a folder.")
    check_writable(out.parent)
    times = Times()
    facts = _facts(options)
    model = options.load_model()
    times.step("load")
    out.parent.mkdir(parents=True, exist_ok=True)
    result = known_facts(
        model,
        facts,
        store=out.with_suffix(".replies.jsonl"),
        **options.pick("wordings", "margin", "most_foils", "seed", "progress"),
    )
    times.step("ask")
    kept = result.facts(given=not options.drop_given)
    kept.to_jsonl(out)
    run = {
        "command": "facts known",
        "options": options.to_dict(),
        "steps": dict(zip(*result.funnel()[["step", "n"]].T.values.tolist(), strict=True)),
        "skipped": [str(each) for each in facts.skipped],
        **times.to_dict(),
    }
    contents = {
        ".csv": result.funnel().to_csv(index=False).encode(),
        ".relations.csv": result.by_relation().to_csv(index=False).encode(),
        **{f".{kind}": (_picture(result), kind) for kind in ("png", "svg")},
        ".run.json": run,
    }
    files = [put(out.with_suffix(suffix), content) for suffix, content in contents.items()]
    return result, [out, *files]


def _facts(options: KnownOptions) -> Dataset:
    from neurotopo.datasets import Dataset, Truth, load_facts
    from neurotopo.studies.facts import facts_for

    facts: Any
    if options.facts.split(":")[0] == "factworld":
        chosen = facts_for(options.facts, options.model, seed=options.seed)
        # foils are also those of the facts that were not drawn
        facts = Dataset(chosen, truth=Truth(facts_for("factworld", options.model)))
    elif not Path(options.facts).exists():
        raise FileNotFoundError(
            f"there is no file {options.facts!r}; facts are a file, factworld or factworld:N"
        )
    else:
        facts = load_facts(options.facts, on_error=options.on_error)
    skipped = facts.skipped
    for relation in options.relations:
        if relation not in facts.relations:
            names = ", ".join(facts.relations[:12]) or "none"
            raise ValueError(f"the facts have no relation {relation!r}; they have {names}.")
    if options.relations:
        facts = facts.filter(relation=options.relations)
    if options.most is not None and options.most < len(facts):
        facts = facts.sample(options.most, options.seed)
    facts.skipped = skipped
    return facts


def _picture(result: KnownFacts) -> Any:
    from matplotlib.figure import Figure

    from neurotopo.plots.funnel import FunnelDisplay

    figure = Figure(figsize=(7, 3.2), layout="constrained")
    FunnelDisplay.from_known(result, ax=figure.add_subplot())
    return figure


def _table(result: KnownFacts) -> Table:
    from neurotopo.datasets.known import STEPS

    table = Table()
    table.add_column("step", overflow="fold")
    for name in ("facts", "lost", "share"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("reason", overflow="fold")
    for row in result.funnel().to_dict("records"):
        cells = (f"{row['n']:,}", f"{row['lost']:,}", f"{row['share']:.1%}", row["reason"])
        table.add_row(Text(STEPS[row["step"]]), *map(Text, cells))
    return table
