"""`aetool interpolate`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli import params
from aetool.cli.display import Look
from aetool.cli.generate import Made, write_made
from aetool.cli.keys import read_keys
from aetool.cli.report import Talk
from aetool.cli.sinks import keep_inputs, target_of
from aetool.errors import lookup

Keys = Annotated[
    list[str], typer.Argument(metavar="A B [C…]", help="Images, latent files, class:NAME, or - for stdin.")
]
Steps = Annotated[
    int,
    typer.Option("--steps", metavar="N", min=2, max=100_000, help="Pictures from each key to the next, both counted."),
]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help="lerp (a straight line) or slerp (an arc).")]


def interpolate(
    keys: Keys,
    output: params.Output = None,
    steps: Steps = 10,
    method: Method = "lerp",
    as_latents: params.AsLatents = False,
    model: params.Model = None,
    scale: params.Scale = None,
    fps: params.Fps = 10,
    no_metadata: params.NoMetadata = False,
    device: params.Device = "auto",
    threads: params.Threads = 1,
    quiet: params.Quiet = False,
) -> None:
    """Walk from one image to the next through their latents.

    The first and last pictures are the reconstructions of A and B. class:8 stands for the mean latent of class 8.
    """
    from aetool.interpolation import METHODS, path

    talk = Talk(quiet)
    along = lookup(METHODS, method, "method")
    target = target_of(output, as_latents)
    keep_inputs(target, [key for key in keys if key != "-"])
    codec, latents = read_keys(keys, model, device, threads, talk)
    walked = path(latents, steps, along)
    names = tuple(f"{i:0{len(str(len(walked)))}}" for i in range(1, len(walked) + 1))
    look = Look(strip=True, scale=scale, fps=fps, metadata=not no_metadata)
    write_made([Made(walked, names, (None,) * len(walked))], codec, target, look, talk)
