"""`aetool encode`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.engine import Call, Engine, run_engine
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, taken_whole
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, ModelOptions, Quiet, Whole
from aetool.cli.target import Target, pixel_target, target_of
from aetool.cli.write import write_latents, write_pixels

if TYPE_CHECKING:
    from aetool.images.files import FileBatch, ImageFile
    from aetool.latents.files import LatentBatch
    from aetool.model.model import Model

LatentOutput = Annotated[
    str | None,
    typer.Option(
        "-o",
        "--output",
        metavar="FILE",
        help="Where to write the latents: .jsonl, .npz or .npy; with --engine a folder/.",
    ),
]  # fmt: skip

PixelOutput = Annotated[
    str | None,
    typer.Option(
        "--pixels", metavar="FOLDER/", help="Also write the prepared pixels of each image, raw uint8 (c, h, w)."
    ),
]


def encode(
    options: ModelOptions,
    inputs: Inputs,
    engine: Engine,
    files: Files = None,
    whole: Whole = False,
    output: LatentOutput = None,
    pixels: PixelOutput = None,
    quiet: Quiet = False,
) -> None:
    """Turn images into latents, a record a line."""
    console = Console(quiet)
    if engine.engine is not None:
        from aetool.cluster.rows import encoding

        call = Call(options, inputs, engine, files, output, whole)
        run_engine(call, encoding, console, {"--pixels": pixels, "--layout": inputs.layout})
        return
    target = target_of(output, latents=True)
    beside = pixel_target(pixels, target) if pixels else None
    found = input_files(files, inputs, target, console, beside)
    model = open_model(options, console, inputs.limits)
    failures = Failures(console, inputs.errors, counted=target.path is not None)
    pictures = taken_whole(model.each_image(found, inputs.layout), whole)
    batches = _encoded(model, pictures, beside, failures)
    write_latents(failures.values(batches), target, model.bundle.manifest.latent_size)
    failures.end()


def _encoded(
    model: Model, pictures: Iterable[ImageFile], pixels: Target | None, failures: Failures
) -> Iterator[FileBatch[LatentBatch]]:
    """Return the latents of pictures, whose pixels are written to the target `pixels`."""
    if pixels is None:
        return model.encoded(pictures)
    from aetool.model.steps import prepared

    return write_pixels(prepared(model, pictures), pixels, failures)
