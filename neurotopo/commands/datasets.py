"""``neurotopo datasets``: statistics of files of facts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from neurotopo.commands.common import check_writable, command_group, examples, print_json, put
from neurotopo.commands.options import CommandOptions, argument, command, json_option, option

if TYPE_CHECKING:
    from neurotopo.datasets import Dataset, Statistics

__all__ = ["datasets_app"]

_TOP = "Files of facts." + examples("neurotopo datasets describe facts.csv")
_DESCRIBE = (
    "Print statistics of a file of facts: relations, dates, spans and examples.\n\n"
    "FILE is a file or folder of TempLAMA, mLAMA, ParaRel, CounterFact or BLiMP, a CSV file with "
    "the columns prompt and answers, or JSON Lines with one fact per line. Also with gzip."
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

datasets_app = command_group(_TOP)


@dataclass(frozen=True)
class DescribeOptions(CommandOptions):
    """Options of ``neurotopo datasets describe``."""

    file: Path = argument("File or folder of facts.")
    format: str = option(
        "auto", "templama, mlama, pararel, counterfact, blimp, csv or jsonl; auto: detect it."
    )
    on_error: str = option("raise", "For a row that is not a fact: raise or skip.")
    examples: int = option(8, "Number of queries to show.", min=0)
    as_json: bool = json_option()
    csv: Path | None = option(None, "Folder for the tables as CSV.")


@command(datasets_app, DescribeOptions, _DESCRIBE)
def describe(context: typer.Context, options: DescribeOptions) -> None:
    """Print the statistics of a file of facts."""
    from neurotopo.datasets import describe as count
    from neurotopo.datasets import load_facts

    if options.csv is not None:
        check_writable(options.csv)
    facts = load_facts(options.file, options.format, options.on_error)
    statistics = count(facts, options.examples)
    written = [] if options.csv is None else _write(statistics, options.csv)
    report = statistics.to_dict()
    if options.as_json:
        about = {"file": str(options.file), "skipped": [str(fault) for fault in facts.skipped]}
        print_json({**about, **report})
        return
    typer.echo(_summary(statistics, facts))
    for name, columns in _SHOWN.items():
        if report[name]:
            Console().print(_table(_TITLES[name], columns, report[name]))
    for path in written:
        typer.echo(f"wrote {path}")


def _summary(statistics: Statistics, facts: Dataset) -> str:
    from neurotopo.datasets.dataset import pluralize

    counts = [
        pluralize(statistics.facts, "fact"),
        pluralize(statistics.queries, "query", "queries"),
        pluralize(len(statistics.relations), "relation"),
    ]
    dates = [row.date for row in statistics.dates if row.date is not None]
    if dates:
        counts.append(f"{pluralize(len(dates), 'date')} ({dates[-1]} to {dates[0]})")
    if set(statistics.languages) != {"en"}:
        by_size = sorted(statistics.languages.items(), key=lambda pair: -pair[1])
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


def _write(statistics: Statistics, folder: Path) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    return [
        put(folder / f"{name}.csv", table.to_csv(index=False).encode())
        for name, table in statistics.to_pandas().items()
    ]
