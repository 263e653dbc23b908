"""`aetool sample`."""

from __future__ import annotations

from typing import Annotated

import typer

from aetool.cli import params


def sample(
    digit: Annotated[
        int | None,
        typer.Option("--digit", metavar="D", help="Class to sample, where the classes are digits."),
    ] = None,
    class_name: Annotated[
        str | None, typer.Option("--class", metavar="NAME", help="Class to sample. Default: the whole bank.")
    ] = None,
    count: Annotated[
        int, typer.Option("-n", "--count", metavar="N", min=1, max=1_000_000, help="How many new images.")
    ] = 16,
    output: params.Output = None,
    method: Annotated[
        str, typer.Option("--method", metavar="NAME", help="neighbours, mix or gaussian.")
    ] = "neighbours",
    settings: params.Settings = None,
    seed: params.Seed = None,
    as_latents: params.AsLatents = False,
    model: params.Model = None,
    scale: params.Scale = None,
    fps: params.Fps = 10,
    no_metadata: params.NoMetadata = False,
    device: params.Device = "auto",
    threads: params.Threads = 1,
    quiet: params.Quiet = False,
) -> None:
    """Make new images of a class.

    Without a class, of everything the model knows.

    Options of the methods, for --set: neighbours: count=50 low=0.3 high=0.7; mix: m=2 concentration=1; gaussian: none.
    """
    from aetool.cli.choice import choose_bundle
    from aetool.cli.display import Look
    from aetool.cli.generate import Made, fresh_seed, write_made
    from aetool.cli.report import Talk
    from aetool.cli.sinks import target_of
    from aetool.errors import UsageError, lookup
    from aetool.options import configure
    from aetool.runtime import Codec
    from aetool.sampling import SAMPLERS, rng_for

    talk = Talk(quiet)
    if digit is not None and class_name is not None:
        raise UsageError("--digit and --class both name the class; give one")
    name = str(digit) if digit is not None else class_name
    sampler = configure(lookup(SAMPLERS, method, "method"), settings or [])
    target = target_of(output, as_latents)
    codec = Codec(choose_bundle(model, talk), device, threads)
    bank = codec.bundle.bank()
    label = bank.class_index(name)
    seed = fresh_seed(seed, talk)
    latents = sampler.draw(bank, label, count, rng_for(seed))
    width = len(str(count))
    names = tuple(f"{name or 'new'}-{i:0{width}}" for i in range(1, count + 1))
    made = Made(latents, names, (name,) * count, seed)
    write_made(made, codec, target, Look(scale=scale, fps=fps, metadata=not no_metadata), talk)
