"""`aetool interpolate`."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli import params
from aetool.cli.display import Look, refuse_too_large
from aetool.cli.generate import Made, write_made
from aetool.cli.keys import keep_keys, read_keys
from aetool.cli.report import Talk
from aetool.cli.report import as_json as to_json
from aetool.cli.sinks import target_of, write_stdout
from aetool.errors import UsageError, lookup
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    from aetool.arrays import Latents
    from aetool.latents.bank import Bank
    from aetool.runtime.codec import Codec

Steps = Annotated[
    int,
    typer.Option("--steps", metavar="N", min=2, max=100_000, help="Pictures from each key to the next, both counted."),
]
Method = Annotated[
    str,
    typer.Option(
        "--method", metavar="NAME", help="lerp (a straight line), slerp (an arc), graph (through latents of the bank)."
    ),
]
Even = Annotated[bool, typer.Option("--even", help="Make each step between two keys change the picture by as much.")]
Loop = Annotated[bool, typer.Option("--loop", help="Go on from the last key to the first, which is not shown again.")]
Report = Annotated[bool, typer.Option("--json", help="Print figures of the path; pictures then need -o.")]


def interpolate(
    keys: params.Keys,
    output: params.Output = None,
    steps: Steps = 10,
    method: Method = "lerp",
    even: Even = False,
    loop: Loop = False,
    report: Report = False,
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
    """Walk from one image to the next through their latents.

    The first and last pictures are the reconstructions of A and B. class:8 stands for the mean latent of class 8.
    """
    from aetool.generation.interpolation import METHODS, count
    from aetool.generation.paths import walk

    talk = Talk(quiet)
    chosen = lookup(METHODS, method, "method")
    target = target_of(output, as_latents)
    if report and target.path is None and (output or as_latents):
        raise UsageError("--json and what is made cannot both go to stdout; give -o a file or folder/")
    keep_keys(target, keys)
    codec, found = read_keys(keys, model, device, threads, talk)
    n = count(len(found.latents), steps, loop)
    look = Look(strip=True, scale=scale, fps=fps, metadata=not no_metadata)
    refuse_too_large(n, codec.spec.shape, target, look)
    bank = codec.bundle.bank()
    walked, uneven = walk(found.latents, bank, chosen, steps, codec.decode if even else None, loop)
    _warn_of(uneven, talk)
    if report:
        asked = {"method": method, "even": even, "loop": loop, "keys": len(found.latents), "steps": steps}
        write_stdout(to_json(asked | {"pictures": n} | _figures(walked, codec, bank)))
    if not report or output:
        names = tuple(f"{i:0{len(str(n))}}" for i in range(1, n + 1))
        write_made([Made(walked[:n], names, (None,) * n)], codec, target, look, talk, cores=threads)


def _warn_of(uneven: float, talk: Talk) -> None:
    from aetool.generation.paths import EVEN

    if uneven > EVEN:
        talk.warn(
            f"no steps were found that change the picture evenly; they differ from their mean by up to {uneven:.0%}"
        )


def _figures(walked: Latents, codec: Codec, bank: Bank) -> dict[str, float]:
    from aetool.generation.paths import measure, spacing

    return asdict(measure(walked, codec.decode, bank, spacing(bank)))
