"""Options of the commands: typer reads the flags, defaults and help texts from dataclasses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, fields
from enum import Enum
from inspect import Parameter, Signature
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, TypeVar, get_args, get_origin, get_type_hints

import typer

__all__ = ["ClusterOptions", "CommandOptions", "LocateOptions", "command"]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but the table.")]
QuietReport = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing but where the report is.")
]
Model = Annotated[str, typer.Argument(help="Hub name, folder, or testbed:NAME.")]
Device = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1.")]
Condense = Annotated[
    bool, typer.Option("--condense", help="Clusters survive merges with too small ones.")
]
TrustRemoteCode = Annotated[
    bool, typer.Option("--trust-remote-code", help="Run code that comes with the model.")
]
Seed = Annotated[int, typer.Option(min=0, help="Seed of all that is random.")]

Own = TypeVar("Own", bound="CommandOptions")


@dataclass(frozen=True)
class CommandOptions:
    """Base class of the options of a command.

    A field whose type is ``Annotated`` with ``typer.Option`` or ``typer.Argument`` is an option
    of the command line. ``Literal`` lists choices; a tuple may be given several times. A field
    `progress` is set by the command line: True in a terminal, unless `quiet`.
    """

    terminal: ClassVar[tuple[str, ...]] = ("quiet", "as_json")
    """Options that only change what is printed; no file records them."""

    def to_dict(self) -> dict[str, Any]:
        """Return the options that a file records, as JSON can hold them."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
            if name not in self.terminal
        }


def command(
    app: typer.Typer, kind: type[Own], help: str, name: str | None = None
) -> Callable[[Callable[[typer.Context, Own], None]], Callable[[typer.Context, Own], None]]:
    """Return a decorator that makes a function of the context and the options a command.

    Parameters
    ----------
    app : typer.Typer
        The program or group that the command belongs to.
    kind : type
        Dataclass of the options.
    help : str
        Help text of the command.
    name : str, optional
        Name of the command. None: the name of the function.
    """
    hints = get_type_hints(kind, include_extras=True)
    declared = [Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    for field in fields(kind):
        if get_origin(hints[field.name]) is Annotated:
            default = Parameter.empty if field.default is MISSING else field.default
            hint, default = _for_typer(field.name, hints[field.name], default)
            declared.append(
                Parameter(field.name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)
            )

    def register(
        function: Callable[[typer.Context, Own], None],
    ) -> Callable[[typer.Context, Own], None]:
        def call(context: typer.Context, **given: Any) -> None:
            values = {key: _plain(value, hints.get(key)) for key, value in given.items()}
            if "progress" in hints:
                values["progress"] = not values["quiet"] and sys.stderr.isatty()
            function(context, kind(**values))

        call.__signature__ = Signature(declared)  # type: ignore[attr-defined]
        app.command(name or function.__name__, help=help)(call)
        return function

    return register


def _for_typer(name: str, hint: Any, default: Any) -> tuple[Any, Any]:
    """Return the type and the default of a field as every version of typer reads them."""
    kind, *extras = get_args(hint)
    if get_origin(kind) is Literal:
        make: Any = Enum  # mypy knows only an Enum whose name is written out
        choices = make(name, {choice: choice for choice in get_args(kind)}, type=str)
        return Annotated[(choices, *extras)], choices(default)
    if get_origin(kind) is tuple:
        return Annotated[(list[str] | None, *extras)], None
    return hint, default


def _plain(value: Any, hint: Any) -> Any:
    """Return a value of typer as the dataclass holds it."""
    if isinstance(value, Enum):
        return value.value
    return tuple(value or ()) if get_origin(get_args(hint)[0]) is tuple else value


@dataclass(frozen=True)
class ClusterOptions(CommandOptions):
    """Options of ``neurotopo cluster``."""

    model: Model
    layers: Annotated[
        str | None,
        typer.Option(metavar="A:B", help="Layers from A up to but not B; either may be left out."),
    ] = None
    top: Annotated[int, typer.Option(min=1, help="How many clusters are shown.")] = 20
    min_cluster_size: Annotated[int, typer.Option(min=2, help="Fewest neurons.")] = 2
    min_layers: Annotated[int, typer.Option(min=1, help="Fewest layers spanned.")] = 1
    scale: Annotated[
        Literal["difference", "log"],
        typer.Option(help="Persistence as death - birth or log(death / birth)."),
    ] = "difference"
    condense: Condense = False
    path: Annotated[
        Literal["up", "gate", "both"], typer.Option(help="In-projection of a gated MLP.")
    ] = "up"
    signed: Annotated[bool, typer.Option("--signed", help="Positive weights only.")] = False
    fold_norm: Annotated[
        bool, typer.Option("--fold-norm", help="Multiply by the gain of the norm before the MLP.")
    ] = False
    device: Annotated[
        str | None, typer.Option(help="Where weights are formed: cpu, cuda, cuda:1.")
    ] = None
    dtype: Annotated[
        Literal["float32", "float64", "bfloat16", "float16"],
        typer.Option(help="Precision they are formed in; half of it on a GPU only."),
    ] = "float32"
    out: Annotated[Path, typer.Option(help="Folder to write to.")] = Path("neurotopo_cluster")
    load: Annotated[
        bool, typer.Option("--load", help="Load a folder as a model instead of streaming it.")
    ] = False
    quiet: Quiet = False
    trust_remote_code: TrustRemoteCode = False
    progress: bool = False


@dataclass(frozen=True)
class LocateOptions(CommandOptions):
    """Options of ``neurotopo locate``; None stands for the default of the method."""

    terminal: ClassVar[tuple[str, ...]] = (*CommandOptions.terminal, "top")

    model: Model
    prompts: Annotated[
        tuple[str, ...], typer.Option("--prompt", help="A prompt; again: another wording of it.")
    ] = ()
    answers: Annotated[
        tuple[str, ...], typer.Option("--answer", help="A valid answer; may be given again.")
    ] = ()
    facts: Annotated[
        str | None, typer.Option(help="File of facts in any known format, factworld, factworld:N.")
    ] = None
    top: Annotated[
        int | None, typer.Option(min=1, help="How many neurons of a fact are printed. [20; 3]")
    ] = None
    threshold: Annotated[
        float | None, typer.Option(help="What a score has to exceed, by --rule. [0.2]")
    ] = None
    rule: Annotated[
        str | None, typer.Option(help="relative (to the greatest), absolute, percentile or top.")
    ] = None
    scope: Annotated[
        str | None, typer.Option(help="Apply the rule to the whole model or to each layer.")
    ] = None
    combine: Annotated[
        str, typer.Option(help="Neurons of several wordings: shared, union or mean.")
    ] = "shared"
    share: Annotated[
        float, typer.Option(help="Shared: found in more than this share of the wordings.")
    ] = 0.5
    method: Annotated[
        str,
        typer.Option(help="amig, zero-baseline, gradient-times-activation, activation or random."),
    ] = "amig"
    steps: Annotated[int | None, typer.Option(help="Steps of the integration. [20]")] = None
    quadrature: Annotated[
        str | None, typer.Option(help="right, left, midpoint, trapezoid or gauss-legendre.")
    ] = None
    baseline: Annotated[str | None, typer.Option(help="mean, per-token or zero.")] = None
    target: Annotated[
        str | None, typer.Option(help="Probability: joint, its log, or of the first token.")
    ] = None
    fast: Annotated[bool, typer.Option("--fast", help="Eight Gauss-Legendre nodes.")] = False
    out: Annotated[Path | None, typer.Option(help="Folder to write to.")] = None
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON and nothing else.")] = False
    device: Device = None
    dtype: Annotated[str, typer.Option(help="Precision of the model, auto: as it is.")] = "auto"
    quiet: Quiet = False
    trust_remote_code: TrustRemoteCode = False
    progress: bool = False
