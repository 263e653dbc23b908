"""`aetool encode`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from aetool.cli import params
from aetool.cli.choice import choose_bundle, open_codec
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of, write_records
from aetool.cli.sources import Failures, input_files
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    from aetool.images.files import ImageFile
    from aetool.latents.files import LatentBatch
    from aetool.runtime.codec import Codec


def encode(
    files: params.Files = None,
    output: params.LatentOutput = None,
    model: params.Model = None,
    files_from: params.FilesFrom = None,
    null: params.Null = False,
    errors: params.Errors = None,
    device: params.Device = "auto",
    threads: params.Cores = None,
    max_pixels: params.MaxPixels = LIMITS["pixels"],
    quiet: params.Quiet = False,
) -> None:
    """Turn images into latents, one record a line."""
    talk = Talk(quiet)
    target = target_of(output, latents=True)
    inputs = input_files(files, files_from, null, target)
    codec = open_codec(choose_bundle(model, talk), device, threads)
    failures = Failures(talk, errors)
    write_records(_encoded(inputs, codec, failures, threads), target, codec.bundle.manifest.latent_size)
    failures.verdict()


def _encoded(
    inputs: Iterable[ImageFile], codec: Codec, failures: Failures, threads: int | None
) -> Iterator[LatentBatch]:
    from aetool.latents.files import LatentBatch
    from aetool.runtime.codec import Codec
    from aetool.runtime.parallel import over_files

    for batch in over_files(inputs, codec, Codec.encode, threads):
        failures.add(batch.failures)
        if batch.files:
            sources = tuple(file.path for file in batch.files)
            classes = tuple(file.label for file in batch.files)
            yield LatentBatch(batch.value, sources, classes, codec.bundle.identity)
            failures.done += len(batch.files)
    failures.refuse_nothing()
