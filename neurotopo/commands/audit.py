"""``neurotopo audit``: the verdicts on groups of neurons."""

from __future__ import annotations

from dataclasses import MISSING, dataclass
from pathlib import Path

import typer

from neurotopo.commands.common import examples, without_tokens
from neurotopo.commands.options import command, option
from neurotopo.commands.study import RunSettings, finish

__all__ = ["AuditCommand", "register"]

_AUDIT = (
    "Judge whether groups of neurons each carry a fact; resumable.\n\n"
    "Ablates every subset of the groups by three ablations, restores each group in the prompt of "
    "another subject, and compares all with groups that mean nothing. Each question is answered "
    "yes, no or undecided, with the effect, its interval and the least effect that could have "
    "been shown.\n\n"
    "The groups come from a JSON or CSV file of any tool, or from a method. The facts of a "
    "relation should come together: they give wrong answers and values for ablation.\n\n"
    "neurotopo run audit --help lists all options, for --option NAME=VALUE."
) + examples(
    "neurotopo audit gpt2 --facts facts.jsonl --out judged",
    "neurotopo audit gpt2 --facts facts.jsonl --groups groups.json --out judged",
    "neurotopo audit testbed:planted --facts factworld:20 --groups oracle \\",
    "  --option ablation=zero --out planted_audit",
)


@dataclass(frozen=True, kw_only=True)
class AuditCommand(RunSettings):
    """Options of ``neurotopo audit``."""

    groups: str = option("ntc", "A file of groups, or the name of a method: ntc, kmeans, ...")
    background: Path | None = option(
        None, "File of more facts, for wrong answers and ablation only."
    )
    out: Path = option(MISSING, "Folder of the run.")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, AuditCommand, _AUDIT, "audit")(_audit)


def _audit(context: typer.Context, options: AuditCommand) -> None:
    """Judge groups."""
    from neurotopo.studies.audit.judge import audit

    given = options.of_run("audit")
    chosen = {"groups": options.groups, **given}
    if options.background is not None:
        chosen["background"] = options.background
    command = ["neurotopo", *without_tokens(context.obj or [])]
    finish(audit(command=command, **chosen), options)
