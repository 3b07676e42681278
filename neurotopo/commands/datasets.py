"""``neurotopo datasets``: what a file of facts holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurotopo.commands.common import examples

if TYPE_CHECKING:
    from neurotopo.datasets import Dataset, Statistics

__all__ = ["datasets_app"]

_TOP = "Files of facts." + examples("neurotopo datasets describe facts.csv")
_DESCRIBE = (
    "Print what a file of facts holds: relations, dates, spans and examples.\n\n"
    "FILE is a file or folder of TempLAMA, mLAMA, ParaRel, CounterFact or BLiMP, a CSV file with "
    "the columns prompt and answers, or JSON Lines with a fact a line; packed with gzip too."
) + examples(
    "neurotopo datasets describe templama/train.jsonl",
    "neurotopo datasets describe facts.csv --on-error skip --csv statistics",
    "neurotopo datasets describe counterfact.json --json",
)
_SHOWN = {
    "relations": ("relation", "name", "queries", "facts", "changing", "several", "example"),
    "dates": ("date", "queries", "facts", "relations"),
    "spans": ("dates", "queries", "changing"),
    "examples": ("query", "first", "last", "dates", "answers"),
}
_TITLES = {
    "relations": "Relations",
    "dates": "Facts by date",
    "spans": "Queries by number of dates",
    "examples": "Queries and their dates",
}

datasets_app = typer.Typer(help=_TOP)


@datasets_app.callback(invoke_without_command=True)
def _entry(context: typer.Context) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit(2)


@datasets_app.command(help=_DESCRIBE)
def describe(
    file: Annotated[Path, typer.Argument(help="File or folder of facts.")],
    format: Annotated[
        str,
        typer.Option(
            help="templama, mlama, pararel, counterfact, blimp, csv or jsonl; auto: find out."
        ),
    ] = "auto",
    on_error: Annotated[
        str, typer.Option(help="What to do with a row that is no fact: raise or skip.")
    ] = "raise",
    examples: Annotated[int, typer.Option(min=0, help="How many queries are shown.")] = 8,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Folder to write the tables to, as CSV.")] = None,
) -> None:
    """Print the statistics of a file of facts."""
    from neurotopo.commands.common import check_writable
    from neurotopo.datasets import describe as count
    from neurotopo.datasets import load_facts

    if csv is not None:
        check_writable(csv)
    facts = load_facts(file, format, on_error)
    found = count(facts, examples)
    written = [] if csv is None else _write(found, csv)
    if as_json:
        report = {"file": str(file), "skipped": [str(fault) for fault in facts.skipped]}
        typer.echo(json.dumps({**report, **found.to_dict()}, ensure_ascii=False))
        return
    typer.echo(_summary(found, facts))
    for name, columns in _SHOWN.items():
        rows = found.to_dict()[name]
        if rows:
            Console().print(_table(_TITLES[name], columns, rows))
    for path in written:
        typer.echo(f"wrote {path}")


def _summary(found: Statistics, facts: Dataset) -> str:
    from neurotopo.datasets.dataset import pluralize

    counts = [pluralize(found.facts, "fact"), pluralize(found.queries, "query", "queries")]
    counts.append(pluralize(len(found.relations), "relation"))
    dates = [row.date for row in found.dates if row.date is not None]
    if dates:
        counts.append(f"{pluralize(len(dates), 'date')} ({dates[-1]} to {dates[0]})")
    if set(found.languages) != {"en"}:
        by_size = sorted(found.languages.items(), key=lambda pair: -pair[1])
        counts.append("languages " + ", ".join(f"{name} {n:,}" for name, n in by_size))
    if facts.skipped:
        counts.append(f"{len(facts.skipped):,} skipped (the first: {facts.skipped[0]})")
    return "; ".join(counts)


def _table(title: str, columns: Sequence[str], rows: Sequence[dict[str, Any]]) -> Table:
    table = Table(title=title, title_justify="left")
    for name in columns:
        numbers = isinstance(rows[0][name], int)
        table.add_column(
            name, justify="right" if numbers else "left", no_wrap=numbers, overflow="fold"
        )
    for row in rows:
        table.add_row(*(Text(_cell(row, name)) for name in columns))
    return table


def _cell(row: dict[str, Any], name: str) -> str:
    value = row[name]
    if name == "example":
        return f"{value} → {row['example_answer']}"
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) else str(value)


def _write(found: Statistics, folder: Path) -> list[Path]:
    from neurotopo._files import atomic_write

    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, table in found.to_pandas().items():
        path = folder / f"{name}.csv"
        with atomic_write(path) as file:
            file.write(table.to_csv(index=False).encode())
        written.append(path)
    return written
