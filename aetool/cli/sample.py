"""`aetool sample`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli import params
from aetool.cli.choice import choose_bundle
from aetool.cli.display import Look
from aetool.cli.generate import Made, fresh_seed, write_made
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of
from aetool.errors import UsageError, lookup

if TYPE_CHECKING:
    from aetool.sampling import Sampler
    from aetool.types import Bank

Digit = Annotated[
    int | None, typer.Option("--digit", metavar="D", help="Class to sample, where the classes are digits.")
]
ClassName = Annotated[
    str | None, typer.Option("--class", metavar="NAME", help="Class to sample. Default: the whole bank.")
]
Count = Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=1_000_000, help="How many new images.")]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help="neighbours, mix or gaussian.")]


def sample(
    digit: Digit = None,
    class_name: ClassName = None,
    count: Count = 16,
    output: params.Output = None,
    method: Method = "neighbours",
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
    from aetool.runtime import Codec

    talk = Talk(quiet)
    sampler = _sampler(method, settings or [])
    name = _class_name(digit, class_name)
    target = target_of(output, as_latents)
    codec = Codec(choose_bundle(model, talk), device, threads)
    bank = codec.bundle.bank()
    bank.class_index(name)  # an unknown class is said before a seed is
    made = _draw(bank, name, count, sampler, fresh_seed(seed, talk))
    write_made(made, codec, target, Look(scale=scale, fps=fps, metadata=not no_metadata), talk)


def _sampler(method: str, settings: list[str]) -> Sampler:
    from aetool.options import configure
    from aetool.sampling import SAMPLERS

    return configure(lookup(SAMPLERS, method, "method"), settings)


def _class_name(digit: int | None, name: str | None) -> str | None:
    if digit is not None and name is not None:
        raise UsageError("--digit and --class both name the class; give one")
    return str(digit) if digit is not None else name


def _draw(bank: Bank, name: str | None, count: int, sampler: Sampler, seed: int) -> Made:
    from aetool.sampling import rng_for

    latents = sampler.draw(bank, bank.class_index(name), count, rng_for(seed))
    width = len(str(count))
    names = tuple(f"{name or 'new'}-{i:0{width}}" for i in range(1, count + 1))
    return Made(latents, names, (name,) * count, seed)
