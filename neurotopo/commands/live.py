"""``neurotopo app``: a local page for models and tables."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import typer

from neurotopo.commands.common import examples
from neurotopo.commands.options import CommandOptions, argument, command, model_option, option

__all__ = ["LiveOptions", "register"]

_INSTALL = "pip install 'neurotopo[app,llm]'"
_LIVE = (
    "Open a local page: a fact of a model, and the clusters of a table.\n\n"
    "Finds the neurons of a fact and clusters them; a click on a cluster suppresses, restores or "
    "enhances it and shows the answer, wrong answers and next words. A second tab clusters a CSV "
    "or a matrix of distances with live parameters.\n\n"
    "The page is served on 127.0.0.1 only, under an address with a secret token, and needs no "
    "network. Nothing is downloaded. Ctrl-C ends it."
) + examples(
    "neurotopo app",
    "neurotopo app ./my-model --facts facts.jsonl",
    "neurotopo app testbed:gpt2 --port 8765 --no-open",
)


@dataclass(frozen=True, kw_only=True)
class LiveOptions(CommandOptions):
    """Options of ``neurotopo app``."""

    model: str = argument("The model at first: as for neurotopo locate.", "testbed:planted")
    facts: Path | None = option(None, "File of known facts to choose from.")
    dtype: Literal["auto", "float32", "bfloat16", "float16", "float64"] = model_option(
        "float32", "Precision of the weights at first; auto: as stored."
    )
    device: str | None = model_option(None, "cpu, cuda, cuda:1. [cuda if there is a GPU]")
    port: int = option(0, "Port; 0: any free one.", min=0, max=65535)
    open: bool = option(True, "Open the page in the browser.", "--open/--no-open")


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, LiveOptions, _LIVE, "app")(_live)


def _live(context: typer.Context, options: LiveOptions) -> None:
    """Serve the page."""
    try:
        from neurotopo.app.server import serve
    except ModuleNotFoundError as error:
        if error.name not in ("starlette", "uvicorn"):
            raise
        raise ImportError(f"this command needs {error.name}: {_INSTALL}.") from error
    from neurotopo.app.tables import MOST_CHARACTERS, MOST_ROWS
    from neurotopo.models.builtin_models import PREFIX, built_in

    if options.facts is not None and not options.facts.is_file():
        raise FileNotFoundError(f"there is no file of facts {str(options.facts)!r}.")

    def tell(address: str) -> None:
        typer.echo(f"neurotopo app is at {address}")
        typer.echo("Only this computer can open it. Ctrl-C ends it.")
        if options.open:
            import webbrowser

            webbrowser.open(address)

    facts = None if options.facts is None else str(options.facts)
    serve(
        port=options.port,
        settings={"facts": facts, "device": options.device},
        start={
            "model": options.model,
            "dtype": options.dtype,
            "models": [PREFIX + name for name in built_in()],
            "most_characters": MOST_CHARACTERS,
            "most_rows": MOST_ROWS,
        },
        tell=tell,
    )
