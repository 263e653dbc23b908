"""`aetool decode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.inputs import open_input
from aetool.cli.layout import layout_of, suited
from aetool.cli.model import first_model, open_model, own_latents
from aetool.cli.options import LayoutOptions, MaxBytes, ModelOptions, PictureOutput, Quiet
from aetool.cli.target import picture_target
from aetool.cli.write import write_generated
from aetool.errors import InvalidInput, UsageError
from aetool.system.limits import LIMITS, Limits

LatentFile = Annotated[str, typer.Argument(metavar="LATENTS", help="A .jsonl, .npz or .npy file, or - for stdin.")]


def decode(
    options: ModelOptions,
    layout: LayoutOptions,
    latents: LatentFile = "-",
    output: PictureOutput = None,
    max_bytes: MaxBytes = LIMITS.bytes,
    quiet: Quiet = False,
) -> None:
    """Turn latents into pictures."""
    from aetool.latents.files import read_latents

    console, limits = Console(quiet), Limits(bytes=max_bytes)
    target = suited(picture_target(output, "decode writes pictures"), layout)
    if Path(latents).is_dir():
        raise UsageError(f"{latents} is a folder; decode takes one file of latents, or - for stdin")
    if latents != "-":
        target.add_input(latents)
    with open_input(latents) as stream:
        identity, batches = first_model(read_latents(stream, "stdin" if latents == "-" else latents, None, limits))
        model = open_model(options, console, limits, identity)
        own = own_latents(batches, model, console)
        if not write_generated(own, model, target, layout_of(layout), layout, console, cores=options.threads):
            raise InvalidInput("no latents came; expected records, as aetool encode or sample --latents write them")
