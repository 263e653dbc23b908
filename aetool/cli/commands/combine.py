"""`aetool combine`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli import params
from aetool.cli.display import Look
from aetool.cli.generate import Made, write_made
from aetool.cli.keys import keep_keys, read_keys
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of
from aetool.errors import UsageError
from aetool.system.limits import LIMITS

Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="W,W,…", help="A number for each key, taken as it is, as 1,-1,1. Default: the mean."
    ),
]


def combine(
    keys: params.Keys,
    weights: Weights = None,
    output: params.Output = None,
    as_latents: params.AsLatents = False,
    model: params.Model = None,
    scale: params.Scale = None,
    fps: params.Fps = 10,
    no_metadata: params.NoMetadata = False,
    device: params.Device = "auto",
    threads: params.Cores = None,
    max_pixels: params.MaxPixels = LIMITS["pixels"],
    max_frames: params.MaxFrames = LIMITS["frames"],
    max_bytes: params.MaxBytes = LIMITS["bytes"],
    quiet: params.Quiet = False,
) -> None:
    """Add latents up, each times its weight, and decode the sum.

    Weights are not made to add up to 1; where they do, the sum is as large as a latent is. A file of latents counts as
    one key for each latent in it. class:8 stands for the mean latent of class 8.
    """
    from aetool.generation import arithmetic

    talk = Talk(quiet)
    given = None if weights is None else _numbers(weights)
    target = target_of(output, as_latents)
    keep_keys(target, keys)
    codec, found = read_keys(keys, model, device, threads, talk)
    made = Made(arithmetic.combine(found.latents, given), ("combined",), (None,))
    write_made([made], codec, target, Look(scale=scale, fps=fps, metadata=not no_metadata), talk)


def _numbers(text: str) -> list[float]:
    try:
        return [float(number) for number in text.split(",")]
    except ValueError:
        raise UsageError(f"--weights takes numbers with commas between them, as 1,-1,1, not «{text}»") from None
