"""Options of the commands: typer reads the flags, defaults and help texts from dataclasses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import MISSING, asdict, dataclass, field, fields
from enum import Enum
from inspect import Parameter, Signature
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Annotated,
    Any,
    ClassVar,
    Literal,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import typer
from typer.core import TyperCommand

if TYPE_CHECKING:
    from neurotopo.models.neuron_model import NeuronModel

__all__ = [
    "ClusterOptions",
    "CommandOptions",
    "LocateOptions",
    "ModelOptions",
    "argument",
    "command",
    "option",
]

Own = TypeVar("Own", bound="CommandOptions")


def option(default: Any, help: str, *names: str, **settings: Any) -> Any:
    """Declare an option of a command: a field of its dataclass that typer reads.

    Parameters
    ----------
    default : object
        Value without the option; ``dataclasses.MISSING`` for an option that is required.
    help : str
        Help text.
    *names : str
        Flags. Default: two dashes and the name of the field.
    **settings
        Settings of ``typer.Option``, as ``min`` or ``metavar``.
    """
    return field(default=default, metadata={"typer": (typer.Option, help, names, settings)})


def argument(help: str, default: Any = MISSING, **settings: Any) -> Any:
    """Declare a positional argument of a command; it is required if there is no default."""
    return field(default=default, metadata={"typer": (typer.Argument, help, (), settings)})


# Options that several commands share.


def condense_option() -> Any:
    return option(False, "Clusters survive merges with too small ones.")


def json_option() -> Any:
    return option(False, "Print only JSON.", "--json")


def quiet_option(help: str = "Print only the table.") -> Any:
    return option(False, help, "--quiet", "-q")


def seed_option(help: str = "Random seed.") -> Any:
    return option(0, help, min=0)


def preset_option() -> Any:
    return option(None, "paper: the paper's selection of neurons, 0.2 of the highest score.")


MODEL_HELP = (
    "Name on the Hugging Face hub, folder, GGUF file, installed package with one, or testbed:NAME."
)


def model_option(default: Any, help: str, **settings: Any) -> Any:
    """Declare an option for loading a model; the help lists these together."""
    return option(default, help, rich_help_panel="Model", **settings)


@dataclass(frozen=True)
class CommandOptions:
    """Base class of the options of a command.

    Fields made by `option` and `argument` are read from the command line. ``Literal`` lists
    choices; a tuple may be given several times. A field `progress` is set by the command line:
    True in a terminal, unless `quiet`.
    """

    terminal: ClassVar[tuple[str, ...]] = ("quiet", "as_json", "token")
    """Options that no file records: they change only what is printed, or are secret."""

    def pick(self, *names: str) -> dict[str, Any]:
        """Return some of the options as keyword arguments."""
        return {name: getattr(self, name) for name in names}

    def to_dict(self) -> dict[str, Any]:
        """Return the options that a file records, as JSON can hold them."""
        return {
            name: str(value) if isinstance(value, Path) else value
            for name, value in asdict(self).items()
            if name not in self.terminal
        }


@dataclass(frozen=True, kw_only=True)
class ModelOptions(CommandOptions):
    """Base class of the options of commands that load a model.

    `loading` has the keyword arguments of :func:`neurotopo.load_model`; `load_model` calls it.
    """

    model: str = argument(MODEL_HELP)
    device: str | None = model_option(None, "cpu, cuda, cuda:1. [cuda if there is a GPU]")
    dtype: str | None = model_option(
        None, "Precision: float32, bfloat16, float16 or float64. [as stored; GGUF: float32]"
    )
    device_map: str | None = model_option(
        None, "auto: spread a large model over several GPUs, in place of --device."
    )
    batch_size: int | None = model_option(None, "Maximum sequences per forward pass.", min=1)
    adapter: str | None = model_option(
        None, "Folder or hub name of a PEFT adapter, which is merged into the weights."
    )
    quantization: str | None = model_option(
        None,
        "Quantised weights: dequantize or keep; or quantise to 4bit or 8bit. "
        "[dequantize, if possible]",
    )
    prompting: str | None = model_option(
        None, "How facts are asked: completion, or chat, by the chat template. [completion]"
    )
    revision: str | None = model_option(None, "Branch, tag or commit on the hub.")
    token: str | None = model_option(
        None, "Access token of the hub; better in the environment variable HF_TOKEN."
    )
    trust_remote_code: bool = model_option(False, "Run code that comes with the model.")

    def loading(self) -> dict[str, Any]:
        """Return the options that were given, as keyword arguments of ``load_model``."""
        given = self.pick(*(each.name for each in fields(ModelOptions) if each.name != "model"))
        return {name: value for name, value in given.items() if value not in (None, False)}

    def load_model(self, **changed: Any) -> NeuronModel:
        """Check name and device and load the model, quietly; ``changed`` arguments win."""
        from neurotopo.commands.common import check_device, check_folder
        from neurotopo.models.loading import load_model
        from neurotopo.models.quiet import quiet_transformers

        check_folder(self.model)
        check_device(self.device)
        with quiet_transformers(getattr(self, "progress", False)):
            return load_model(self.model, **{**self.loading(), **changed})


def command(
    app: typer.Typer,
    kind: type[Own],
    help: str,
    name: str | None = None,
    cls: type[TyperCommand] | None = None,
) -> Callable[[Callable[[typer.Context, Own], Any]], Callable[[typer.Context, Own], Any]]:
    """Return a decorator that makes a function of the context and the options a command.

    Parameters
    ----------
    app : typer.Typer
        The program or group of commands.
    kind : type
        Dataclass of the options.
    help : str
        Help text of the command.
    name : str, optional
        Name of the command. None: the name of the function.
    cls : type, optional
        Class of the command.
    """
    hints = get_type_hints(kind)
    declared = [Parameter("context", Parameter.KEYWORD_ONLY, annotation=typer.Context)]
    declared += [
        _parameter(each.name, hints[each.name], each.default, *each.metadata["typer"])
        for each in fields(kind)
        if each.metadata
    ]

    def register(function: Callable[[typer.Context, Own], Any]) -> Any:
        def call(context: typer.Context, **given: Any) -> Any:
            values = {key: _plain(value, hints[key]) for key, value in given.items()}
            if "progress" in hints:
                values["progress"] = not values["quiet"] and sys.stderr.isatty()
            return function(context, kind(**values))

        call.__signature__ = Signature(declared)  # type: ignore[attr-defined]
        app.command(name or function.__name__, help=help, cls=cls)(call)
        return function

    return register


def _parameter(
    name: str, kind: Any, default: Any, make: Any, help: str, names: Any, settings: Any
) -> Parameter:
    """Return a field as a parameter that every version of typer reads."""
    if get_origin(kind) is Literal:
        enum: Any = Enum  # mypy knows only an Enum whose name is written out
        kind = enum(name, {choice: choice for choice in get_args(kind)}, type=str)
        default = kind(default)
    elif get_origin(kind) is tuple:
        kind, default = list[str] | None, None
    elif kind is bool and not names:
        names = (f"--{name.replace('_', '-')}",)
    help = help.replace("[", "\\[")  # no markup of rich
    hint: Any = Annotated[kind, make(*names, help=help, **settings)]
    default = Parameter.empty if default is MISSING else default
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=hint)


def _plain(value: Any, hint: Any) -> Any:
    """Return a value of typer as the dataclass holds it."""
    if isinstance(value, Enum):
        return value.value
    return tuple(value or ()) if get_origin(hint) is tuple else value


@dataclass(frozen=True, kw_only=True)
class ClusterOptions(ModelOptions):
    """Options of ``neurotopo cluster``."""

    layers: str | None = option(
        None, "Layers from A up to but not including B; A or B may be omitted.", metavar="A:B"
    )
    top: int = option(20, "Number of clusters to show.", min=1)
    min_cluster_size: int = option(2, "Fewest neurons.", min=2)
    min_layers: int = option(1, "Fewest layers spanned.", min=1)
    scale: Literal["difference", "log"] = option(
        "difference", "Persistence as death - birth or log(death / birth)."
    )
    condense: bool = condense_option()
    path: Literal["up", "gate", "both"] = option("up", "Input projection of a gated MLP.")
    signed: bool = option(False, "Positive weights only.")
    fold_norm: bool = option(False, "Multiply by the gain of the norm before the MLP.")
    device: str | None = model_option(None, "Device for the weights: cpu, cuda, cuda:1.")
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = model_option(
        "float32", "Precision of the products of weights; half precision on a GPU only."
    )
    out: Path = option(Path("neurotopo_cluster"), "Folder to write to.")
    load: bool = option(False, "Load a folder as a model instead of streaming it.")
    as_json: bool = json_option()
    quiet: bool = quiet_option()
    progress: bool = False


@dataclass(frozen=True, kw_only=True)
class LocateOptions(ModelOptions):
    """Options of ``neurotopo locate``; None stands for the default of the method."""

    terminal: ClassVar[tuple[str, ...]] = (*CommandOptions.terminal, "top")

    prompts: tuple[str, ...] = option((), "A prompt; repeat for more wordings.", "--prompt")
    answers: tuple[str, ...] = option((), "A valid answer; may be repeated.", "--answer")
    facts: str | None = option(
        None, "File of facts in any supported format, factworld, factworld:N."
    )
    top: int | None = option(None, "Number of neurons to print per fact. [20; 3]", min=1)
    preset: str | None = preset_option()
    threshold: float | None = option(
        None, "Scores above it count; see --rule. [the 8 highest of each layer; with --rule: 0.2]"
    )
    rule: str | None = option(
        None, "relative (to the highest), absolute, percentile, top or mass (share of the sum)."
    )
    scope: str | None = option(None, "Apply the rule to the whole model or to each layer.")
    combine: str = option("shared", "Neurons of several wordings: shared, union or mean.")
    share: float = option(0.5, "For shared: found in more than this share of the wordings.")
    method: str = option(
        "amig", "amig, relp, zero-baseline, gradient-times-activation, activation or random."
    )
    steps: int | None = option(None, "Integration steps. [20]")
    quadrature: str | None = option(None, "right, left, midpoint, trapezoid or gauss-legendre.")
    baseline: str | None = option(None, "mean, per-token, zero, reference or resample.")
    reference: str | None = option(
        None, "File of facts for the baselines reference and resample, as --facts."
    )
    target: str | None = option(
        None, "Probability: joint, its log, of the first token, or contrast (with foils)."
    )
    foils: tuple[str, ...] = option(
        (),
        "A wrong answer for --target contrast; may be repeated. [with --facts: by relation]",
        "--foil",
    )
    positions: str | None = option(None, "Tokens with a score: last, subject or all. [last]")
    fast: bool = option(False, "Eight Gauss-Legendre nodes.")
    out: Path | None = option(None, "Folder to write to.")
    as_json: bool = json_option()
    quiet: bool = quiet_option()
    progress: bool = False
