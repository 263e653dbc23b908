"""`aetool sample`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli import params
from aetool.cli.choice import choose_bundle, open_codec
from aetool.cli.display import Look, refuse_too_large
from aetool.cli.generate import Made, fresh_seed, write_made
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of
from aetool.cli.sources import Failures, input_files
from aetool.errors import InvalidInput, UsageError, lookup
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    from aetool.generation.sampling import Sampler
    from aetool.images.files import ImageFile
    from aetool.latents.bank import Bank
    from aetool.runtime.codec import Codec

Digit = Annotated[
    int | None, typer.Option("--digit", metavar="D", help="Class to sample, where the classes are digits.")
]
ClassName = Annotated[
    str | None, typer.Option("--class", metavar="NAME", help="Class to sample. Default: the whole bank.")
]
Each = Annotated[bool, typer.Option("--each", help="-n images of every class, a row a class.")]
Folder = Annotated[
    str | None,
    typer.Option("--from", metavar="FOLDER", help="Take these images as the class; --class then picks a sub-folder."),
]
Count = Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=1_000_000, help="How many new images.")]
Method = Annotated[str, typer.Option("--method", metavar="NAME", help="local, neighbours, mix, gmm or gaussian.")]


def sample(
    digit: Digit = None,
    class_name: ClassName = None,
    each: Each = False,
    count: Count = 16,
    folder: Folder = None,
    files_from: params.FilesFrom = None,
    null: params.Null = False,
    errors: params.Errors = None,
    output: params.Output = None,
    method: Method = "local",
    settings: params.Settings = None,
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
    quiet: params.Quiet = False,
) -> None:
    """Make new images of a class, or without one of everything the model knows.

    Options of the methods, for --set: local: count=20 bandwidth=0.75 pure=0.7; neighbours: count=50 low=0.3 high=0.7;
    mix: m=2 concentration=1; gmm and gaussian: none.
    """
    talk = Talk(quiet)
    sampler = _sampler(method, settings or [])
    name = _class_name(digit, class_name, each, bool(folder or files_from))
    target = target_of(output, as_latents)
    codec = open_codec(choose_bundle(model, talk), device, threads)
    classes = _classes(codec, name, each)
    look = Look(columns=count if each else None, scale=scale, fps=fps, metadata=not no_metadata)
    refuse_too_large(count * len(classes), codec.spec.shape, target, look)
    failures = Failures(talk, errors)
    labels: Mapping[str | None, int | None] = {name: None}
    if folder or files_from:
        pictures = input_files([folder] if folder else [], files_from, null, target)
        bank = own_bank(codec, list(pictures), name, failures, threads)
    else:
        bank = codec.bundle.bank()
        labels = {one: bank.class_index(one) for one in classes}  # an unknown class is said before a seed is
    seed = fresh_seed(seed, talk)
    write_made(_made(sampler, bank, labels, count, seed), codec, target, look, talk, seed, threads)
    if folder or files_from:
        failures.verdict()


def _sampler(method: str, settings: list[str]) -> Sampler:
    from aetool.cli.settings import configure
    from aetool.generation.sampling import SAMPLERS

    return configure(lookup(SAMPLERS, method, "method"), settings)


def _class_name(digit: int | None, name: str | None, each: bool, own: bool) -> str | None:
    if digit is not None and name is not None:
        raise UsageError("--digit and --class both name the class; give one")
    if each and (digit is not None or name is not None or own):
        raise UsageError("--each stands for every class of the model; leave --digit, --class and --from out")
    return str(digit) if digit is not None else name


def _classes(codec: Codec, name: str | None, each: bool) -> tuple[str | None, ...]:
    """Return the classes to draw from; None stands for all that there is."""
    classes: tuple[str | None, ...] = codec.bundle.manifest.classes if each else (name,)
    if not classes:
        raise UsageError("this model knows no classes; leave --each out")
    return classes


BLOCK = 10_000
"""Latents drawn at a time, so that any number takes little memory; another BLOCK would draw others."""


def _made(
    sampler: Sampler, bank: Bank, labels: Mapping[str | None, int | None], count: int, seed: int
) -> Iterator[Made]:
    """Yield `count` latents of each class, a block at a time."""
    from aetool.generation.sampling import rng_for

    rng = rng_for(seed)
    for name, label in labels.items():
        for names in _names(name, count):
            yield Made(sampler.draw(bank, label, len(names), rng), names, (name,) * len(names))


def _names(name: str | None, count: int) -> Iterator[tuple[str, ...]]:
    """Yield the names of the pictures, a block at a time."""
    width = len(str(count))
    for start in range(1, count + 1, BLOCK):
        yield tuple(f"{name or 'new'}-{i:0{width}}" for i in range(start, min(start + BLOCK, count + 1)))


def own_bank(codec: Codec, files: list[ImageFile], name: str | None, failures: Failures, cores: int | None) -> Bank:
    """Return a bank of these files, or of those in sub-folders `name`: a class of the user's own."""
    import numpy as np

    from aetool.latents.bank import make_bank
    from aetool.runtime.codec import Codec
    from aetool.runtime.parallel import over_files

    chosen = [file for file in files if name is None or file.label == name]
    if name is not None and not chosen:
        there = ", ".join(sorted({file.label for file in files if file.label})) or "none"
        raise UsageError(f"no images in a sub-folder «{name}» of the folder; sub-folders: {there}")
    latents, sources = [], []
    for batch in over_files(chosen, codec, Codec.encode, cores):
        failures.add(batch.failures)
        latents.append(batch.value)
        sources += [file.path for file in batch.files]
    failures.done = len(sources)
    if len(sources) == 1:
        raise InvalidInput("there is one usable image; at least two are needed to combine")
    failures.refuse_nothing()
    return make_bank(np.concatenate(latents), np.full(len(sources), -1), sources, (), seed=0)
