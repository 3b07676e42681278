"""The commands of the program."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

import neurotopo
from neurotopo.commands import audit, check, convert, doctor, explore, live, study
from neurotopo.commands.common import examples, print_json, shortened
from neurotopo.commands.datasets import datasets_app
from neurotopo.commands.facts import facts_app
from neurotopo.commands.options import (
    ClusterOptions,
    CommandOptions,
    LocateOptions,
    command,
    json_option,
    option,
    seed_option,
)
from neurotopo.commands.testbed import testbed

if TYPE_CHECKING:
    from neurotopo.commands.cluster import ClusterRun
    from neurotopo.commands.locate import LocateRun

__all__ = ["app", "run"]

_TOP = (
    "neurotopo finds stable clusters of weighted graphs and of the neurons of language models.\n\n"
    "With --json a command prints one JSON document and nothing else. neurotopo "
    "--install-completion adds completion to the shell.\n\n"
    "Exit status: 0 done; 1 check or doctor found that something is wrong; 2 a mistake, told in "
    "one sentence; 130 interrupted."
) + examples(
    "neurotopo demo",
    "neurotopo explore points.csv",
    "neurotopo run acquisition --model testbed:planted --facts factworld:200 \\",
    "  --out planted",
)
_PROGRAM = "neurotopo"
_DEMO = (
    "Demonstrate neurotopo on its built-in models, in about two minutes.\n\n"
    "Shows one fact in full (neurons, graph, persistence diagram, growth, suppression curve), "
    "then runs a small acquisition study on a model with planted groups, an ordinary and an "
    "untrained one, and writes a report."
) + examples("neurotopo demo --out demo_output", "neurotopo demo --graph")
_CLUSTER = (
    "Cluster all MLP neurons of a language model by their connections, exactly.\n\n"
    "MODEL is a name on the Hugging Face hub, a folder, a GGUF file, an installed package with "
    "one, or testbed:NAME. A folder with safetensors and a GGUF file are read layer by layer.\n\n"
    "Prints the most persistent clusters. Writes tree.npz (for NeuronTree.load), clusters.csv, "
    "clusters_by_layer.csv, pictures and run.json to a folder."
) + examples(
    "neurotopo cluster gpt2",
    "neurotopo cluster model.gguf --top 50",
    "neurotopo cluster ./Llama-2-7b --layers 10:20 --top 50 --device cuda",
    "neurotopo cluster gpt2 --condense --min-cluster-size 10 --scale log \\",
    "  --out gpt2_log",
)
_LOCATE = (
    "Find the neurons of a language model that carry an answer (AMIG).\n\n"
    "MODEL is a name on the Hugging Face hub, a folder with its tokenizer, a GGUF file, an "
    "installed package with one, or testbed:NAME. "
    "_X_ in a prompt is the place of the answer; without it the answer follows the prompt. "
    "Several --prompt are wordings of one fact; several --answer are all valid.\n\n"
    "Prints the neurons. With --out it also writes neurons.csv, attribution.json, the figure "
    "scores and run.json to a folder. With --facts the results are stored one by one; run the "
    "same command again to resume."
) + examples(
    'neurotopo locate gpt2 --prompt "The capital of France is" --answer Paris',
    'neurotopo locate m.gguf --prompt "The capital of France is" --answer Paris',
    "neurotopo locate bert-base-cased --facts facts.jsonl --out knowledge \\",
    "  --threshold 0.3 --fast",
    "neurotopo locate gpt2 --facts facts.jsonl --method activation --rule top \\",
    "  --threshold 20",
    "neurotopo locate testbed:gpt2 --facts factworld:20 --out located",
)

app = typer.Typer(
    pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)
app.add_typer(datasets_app, name="datasets")
app.add_typer(facts_app, name="facts")
app.add_typer(testbed, name="testbed")
study.register(app)
audit.register(app)
check.register(app)
explore.register(app)
convert.register(app)
doctor.register(app)
live.register(app)


@dataclass(frozen=True)
class DemoOptions(CommandOptions):
    """Options of ``neurotopo demo``."""

    out: Path = option(Path("demo_output"), "Folder to write to.")
    seed: int = seed_option()
    facts: int = option(50, "Facts per model.", min=1, max=300)
    graph: bool = option(False, "Cluster a generated graph; needs no model.")
    as_json: bool = json_option()


def run(words: list[str]) -> int:
    """Run a command line and return the exit status; exceptions of the commands propagate."""
    given = words or _words_to_complete()  # the options of a study depend on them
    try:
        status = app(args=words, prog_name=_PROGRAM, standalone_mode=False, obj=given)
    except typer.Abort:  # an interrupt
        raise KeyboardInterrupt from None
    except Exception as error:
        # The class of usage errors is click's or typer's own, by the version of typer.
        if not (hasattr(error, "format_message") and hasattr(error, "exit_code")):
            raise
        message = " ".join(error.format_message().split()).rstrip(".")
        sys.stderr.write(f"neurotopo: {message} (see 'neurotopo --help').\n")
        return int(error.exit_code)
    if status == 130:  # an interrupt too, by the version of typer
        raise KeyboardInterrupt
    return status if isinstance(status, int) else 0


def _words_to_complete() -> list[str]:
    """Return the words of an incomplete command line for which the shell asks for completion."""
    for variable in ("COMP_WORDS", "_TYPER_COMPLETE_ARGS"):
        if f"_{_PROGRAM.upper()}_COMPLETE" in os.environ and variable in os.environ:
            return os.environ[variable].split()[1:]
    return []


@app.callback(invoke_without_command=True, help=_TOP)
def _entry(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    if version:
        typer.echo(f"neurotopo {neurotopo.__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


def _models_can_be_run() -> bool:
    try:
        return all(find_spec(name) for name in ("torch", "transformers"))
    except ModuleNotFoundError:
        return False


@command(app, DemoOptions, _DEMO)
def demo(context: typer.Context, options: DemoOptions) -> int:
    """Run the demonstration."""
    graph = options.graph
    if not graph and not _models_can_be_run():
        need = (
            "Language models need pip install 'neurotopo[llm,report]'; this demo clusters a graph."
        )
        if not options.as_json:
            typer.echo(need)
        graph = True
    if graph:
        from neurotopo.demo import main

        as_json = ["--json"] if options.as_json else []
        return main([f"--out={options.out}", f"--seed={options.seed}", *as_json])
    from neurotopo.commands.common import check_writable
    from neurotopo.commands.demo import demonstrate

    check_writable(options.out)
    summary, files = demonstrate(
        options.out,
        seed=options.seed,
        n_facts=options.facts,
        progress=sys.stderr.isatty(),
        tell=_silent if options.as_json else typer.echo,
    )
    if options.as_json:
        print_json({"findings": summary.findings, "files": [str(file) for file in files]})
        return 0
    for finding in summary.findings:
        typer.echo(f"- {finding}")
    typer.echo(f"wrote {next(file for file in files if file.name == 'report.html')}")
    return 0


@command(app, ClusterOptions, _CLUSTER)
def cluster(context: typer.Context, options: ClusterOptions) -> None:
    """Cluster the neurons of a model."""
    from neurotopo.commands.cluster import cluster_model

    done = cluster_model(options)
    if options.as_json:
        print_json(done.to_dict())
        return
    none = "no cluster is as large as --min-cluster-size and --min-layers require"
    _print(done, _cluster_table(done) if len(done.table) else none, options.quiet)


@command(app, LocateOptions, _LOCATE)
def locate(context: typer.Context, options: LocateOptions) -> None:
    """Find knowledge neurons."""
    from neurotopo.commands.locate import locate_neurons

    done = locate_neurons(options)
    if options.as_json:
        print_json(done.report)
        return
    top = options.top or (20 if options.facts is None else 3)
    none = "no neuron has a score above the threshold"
    _print(done, _neuron_table(done, top) if len(done.table) else none, options.quiet)


def _silent(message: str) -> None:
    """Print nothing."""


def _print(done: ClusterRun | LocateRun, table: Table | str, quiet: bool) -> None:
    """Print the summary, the table (or a sentence if it is empty), the advice and the files."""
    if not quiet:
        typer.echo(done.summary)
    if isinstance(table, str):
        typer.echo(table)
    else:
        Console().print(table)
    if not quiet:
        if done.advice is not None:
            typer.echo(done.advice)
        for file in done.files:
            typer.echo(f"wrote {file}")


def _neuron_table(done: LocateRun, top: int) -> Table:
    """Return the highest scores of each fact as a table for the terminal."""
    facts = done.located.facts
    several = len(done.located.neurons) > 1
    reworded = any(len(wordings) > 1 for wordings in facts.values())
    table = Table()
    if several:
        table.add_column("fact", overflow="fold")
    _add_numbers(table, "layer", "index", "score", *(["share"] if reworded else []))
    for key, rows in done.table.groupby("key", sort=False):
        fact = facts[key][0]
        names = [Text(shortened(fact.id or fact.prompt, 40))] if several else []
        for row in rows.head(top).to_dict("records"):
            cells = [str(row["layer"]), str(row["index"]), f"{row['score']:.5g}"]
            if reworded:
                cells.append(f"{row['share']:.2f}")
            table.add_row(*names, *cells)
            names = [Text("") for _ in names]  # name each fact once
    return table


def _cluster_table(done: ClusterRun) -> Table:
    """Return the most persistent clusters as a table for the terminal."""
    table = Table()
    _add_numbers(table, "rank", "persistence", "birth", "death", "size", "layers", "spanned")
    for rank, row in zip(done.table.index, done.table.to_dict("records"), strict=True):
        first, last = row["first_layer"], row["last_layer"]
        table.add_row(
            str(rank),
            f"{row['persistence']:.5g}",
            f"{row['birth']:.5g}",
            "never" if row["death"] == float("inf") else f"{row['death']:.5g}",
            f"{row['size']:,}",
            f"{first}-{last}" if last > first else str(first),
            str(row["layers_spanned"]),
        )
    return table


def _add_numbers(table: Table, *names: str) -> None:
    for name in names:
        table.add_column(name, justify="right", no_wrap=True)
