"""`aetool encode`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli import params

if TYPE_CHECKING:
    from aetool.latents import LatentBatch


def encode(
    files: Annotated[
        list[str] | None,
        typer.Argument(metavar="FILES…", help="Images, folders, or - for a picture on stdin."),
    ] = None,
    output: params.LatentOutput = None,
    model: params.Model = None,
    files_from: params.FilesFrom = None,
    null: params.Null = False,
    device: params.Device = "auto",
    threads: params.Threads = 1,
    quiet: params.Quiet = False,
) -> None:
    """Turn images into latents, one record a line."""
    from aetool.cli.choice import choose_bundle
    from aetool.cli.report import Talk
    from aetool.cli.sinks import target_of, write_records
    from aetool.cli.sources import Failures, input_files
    from aetool.images import read_batches
    from aetool.latents import LatentBatch
    from aetool.runtime import Codec

    talk = Talk(quiet)
    target = target_of(output, latents=True)
    inputs = input_files(files, files_from, null, target)
    codec = Codec(choose_bundle(model, talk), device, threads)
    failures = Failures(talk)

    def records() -> Iterator[LatentBatch]:
        for batch in read_batches(inputs, codec.spec, codec.batch):
            failures.add(batch.failures)
            if batch.files:
                sources, classes = zip(*((file.path, file.label) for file in batch.files), strict=True)
                yield LatentBatch(codec.encode(batch.images), sources, classes, codec.bundle.identity)
                failures.done += len(batch.files)
        failures.refuse_nothing()

    write_records(records(), target, codec.bundle.manifest.latent_size)
    failures.verdict()
