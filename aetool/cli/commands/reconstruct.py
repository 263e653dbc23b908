"""`aetool reconstruct`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from aetool.cli import params
from aetool.cli.choice import choose_bundle, open_codec
from aetool.cli.display import Look, Tiles, provenance, write_pictures
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of, write_stdout
from aetool.cli.sources import Failures, input_files, only_missing
from aetool.errors import UsageError
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    from aetool.arrays import Images, Pixels
    from aetool.images.files import ImageFile
    from aetool.runtime.codec import Codec

    Again: TypeAlias = tuple[Pixels, list[dict[str, float | None]]]
    """Reconstructions as pixels, and their distortions where these are asked for."""

SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out what has its picture in the output folder already.")
]
Report = Annotated[bool, typer.Option("--json", help="Print the distortion of each image, one JSON line each.")]


def reconstruct(
    files: params.Files = None,
    output: params.PictureOutput = None,
    model: params.Model = None,
    as_json: Report = False,
    files_from: params.FilesFrom = None,
    null: params.Null = False,
    errors: params.Errors = None,
    skip_existing: SkipExisting = False,
    scale: params.Scale = None,
    fps: params.Fps = 10,
    no_metadata: params.NoMetadata = False,
    device: params.Device = "auto",
    threads: params.Cores = None,
    max_pixels: params.MaxPixels = LIMITS["pixels"],
    max_frames: params.MaxFrames = LIMITS["frames"],
    quiet: params.Quiet = False,
) -> None:
    """Encode images and decode them again."""
    talk = Talk(quiet)
    target = target_of(output)
    if target.kind == "latents":
        raise UsageError("reconstruct writes pictures; for latents: aetool encode")
    if as_json and output == "-":
        raise UsageError("--json and pictures cannot both go to stdout; give -o a file or folder/")
    inputs = input_files(files, files_from, null, target)
    failures = Failures(talk, errors)
    if skip_existing:
        inputs = only_missing(inputs, target, failures)
    codec = open_codec(choose_bundle(model, talk), device, threads)
    tiles = _reconstructed(inputs, codec, failures, as_json, threads)
    if as_json and output is None:
        for _ in tiles:  # the report is the data; pictures need -o
            pass
    else:
        look = Look(scale=scale, fps=fps, metadata=not no_metadata)
        write_pictures(tiles, target, look, provenance(codec.bundle, None), talk)
    failures.verdict()


def _reconstructed(
    inputs: Iterable[ImageFile], codec: Codec, failures: Failures, as_json: bool, cores: int | None
) -> Iterator[Tiles]:
    import json

    from aetool.runtime.parallel import over_files

    for batch in over_files(inputs, codec, _measured if as_json else _again, cores):
        failures.add(batch.failures)
        if batch.files:
            pixels, figures = batch.value
            if as_json:
                named = zip(batch.files, figures, strict=True)
                write_stdout("".join(json.dumps({"source": file.path} | figure) + "\n" for file, figure in named))
            yield Tiles(pixels, tuple(file.relative for file in batch.files))
            failures.done += len(batch.files)
    failures.refuse_nothing()


def _again(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images."""
    from aetool.arrays import to_pixels

    return to_pixels(codec.reconstruct(images)), []


def _measured(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images, and their distortions."""
    from aetool.arrays import to_pixels
    from aetool.metrics import distortions

    again = codec.reconstruct(images)
    return to_pixels(again), distortions(images, again)
