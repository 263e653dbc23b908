"""`aetool decode`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aetool.cli import params
from aetool.cli.choice import choose_bundle, first_model, matching, open_codec
from aetool.cli.display import Look, provenance, write_decoded
from aetool.cli.report import Talk
from aetool.cli.sinks import keep_inputs, target_of
from aetool.cli.sources import open_input
from aetool.errors import InvalidInput, UsageError
from aetool.system.limits import LIMITS

LatentFile = Annotated[str, typer.Argument(metavar="LATENTS", help="A .jsonl, .npz or .npy file, or - for stdin.")]


def decode(
    latents: LatentFile = "-",
    output: params.PictureOutput = None,
    model: params.Model = None,
    scale: params.Scale = None,
    fps: params.Fps = 10,
    no_metadata: params.NoMetadata = False,
    device: params.Device = "auto",
    threads: params.Cores = None,
    max_frames: params.MaxFrames = LIMITS["frames"],
    max_bytes: params.MaxBytes = LIMITS["bytes"],
    quiet: params.Quiet = False,
) -> None:
    """Turn latents into pictures."""
    from aetool.latents.files import read_latents

    talk = Talk(quiet)
    target = target_of(output)
    if target.kind == "latents":
        raise UsageError("decode writes pictures; end -o with .png, .gif or folder/, say")
    if Path(latents).is_dir():
        raise UsageError(f"{latents} is a folder; decode takes one file of latents, or - for stdin")
    keep_inputs(target, [] if latents == "-" else [latents])
    with open_input(latents) as stream:
        identity, batches = first_model(read_latents(stream, "stdin" if latents == "-" else latents, None))
        codec = open_codec(choose_bundle(model, talk, identity), device, threads)
        parts = ((batch.latents, batch.sources) for batch in matching(batches, codec.bundle, talk))
        look = Look(scale=scale, fps=fps, metadata=not no_metadata)
        if not write_decoded(parts, codec, target, look, provenance(codec.bundle, None), talk, threads):
            raise InvalidInput("no latents came; expected records, as aetool encode or sample --latents write them")
