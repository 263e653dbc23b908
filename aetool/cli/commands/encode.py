"""`aetool encode`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, taken_whole
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, ModelOptions, Quiet, Whole
from aetool.cli.target import target_of
from aetool.cli.write import write_latents

LatentOutput = Annotated[
    str | None,
    typer.Option("-o", "--output", metavar="FILE", help="Where to write the latents: .jsonl, .npz or .npy."),
]


def encode(
    options: ModelOptions,
    inputs: Inputs,
    files: Files = None,
    whole: Whole = False,
    output: LatentOutput = None,
    quiet: Quiet = False,
) -> None:
    """Turn images into latents, a record a line."""
    console = Console(quiet)
    target = target_of(output, latents=True)
    found = input_files(files, inputs, target, console)
    model = open_model(options, console, inputs.limits)
    failures = Failures(console, inputs.errors)
    pictures = taken_whole(model.each_image(found, inputs.layout), whole)
    write_latents(failures.values(model.encoded(pictures)), target, model.bundle.manifest.latent_size)
    failures.end()
