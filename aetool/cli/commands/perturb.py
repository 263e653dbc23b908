"""`aetool perturb`."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli import params
from aetool.cli.display import Look
from aetool.cli.generate import Made, fresh_seed, write_made
from aetool.cli.keys import keep_keys, stream_keys
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of
from aetool.cli.sources import Failures
from aetool.errors import InvalidInput, UsageError
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    import numpy as np

    from aetool.cli.keys import Keys
    from aetool.latents.bank import Bank

Files = Annotated[
    list[str],
    typer.Argument(metavar="FILES…", help="Images, folders, latent files, class:NAME, or - for stdin."),
]
Sigma = Annotated[
    float, typer.Option("--sigma", metavar="S", help="Strength of the noise; 1 is the spread of the whole bank.")
]
Count = Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=100_000, help="Variations of each input.")]


def perturb(
    files: Files,
    sigma: Sigma = 0.5,
    count: Count = 8,
    output: params.Output = None,
    seed: params.Seed = None,
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
    """Make variations of images: add noise to their latents, and decode.

    The noise has the covariance of the bank, times sigma squared. --sigma 0 gives reconstructions.
    """
    from aetool.generation.arithmetic import MAX_SIGMA
    from aetool.generation.sampling import rng_for

    if not 0 <= sigma <= MAX_SIGMA:
        raise UsageError(f"--sigma goes from 0 (no noise) to {MAX_SIGMA:g}")
    talk = Talk(quiet)
    target = target_of(output, as_latents)
    keep_keys(target, files)
    failures = Failures(talk)
    alone = target.kind == "folder"  # the cores are for decoding
    codec, keys = stream_keys(files, model, device, threads, talk, failures, alone=alone)
    seed = fresh_seed(seed, talk)
    made = _perturbed(keys, codec.bundle.bank(), sigma, count, rng_for(seed), failures)
    look = Look(columns=count, scale=scale, fps=fps, metadata=not no_metadata)
    write_made(made, codec, target, look, talk, seed, threads)
    failures.verdict()


def _perturbed(
    keys: Iterable[Keys], bank: Bank, sigma: float, n: int, rng: np.random.Generator, failures: Failures
) -> Iterator[Made]:
    """Yield the variations of each latent: the seed gives the same ones however the latents come in batches."""
    from aetool.generation import arithmetic

    for part in keys:
        for i in range(len(part.latents)):
            latents = arithmetic.perturb(part.latents[i : i + 1], bank.covariance(None), sigma, n, rng)
            yield Made(latents, _names(part.names[i], n), (part.classes[i],) * n)
            failures.done += 1
    if not failures.done and not failures.errors:
        raise InvalidInput("nothing to vary came; expected images, latents, or class:NAME")
    failures.refuse_nothing()


def _names(name: str, n: int) -> tuple[str, ...]:
    """Return what the variations of «a.png» are called: «a-1» to «a-n»."""
    from aetool.images.files import SUFFIXES

    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    known = stem if suffix.lower() in SUFFIXES else name
    return tuple(f"{known}-{i:0{len(str(n))}}" for i in range(1, n + 1))
