"""`aetool score`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli import params
from aetool.cli.choice import choose_bundle, open_codec
from aetool.cli.report import Talk
from aetool.cli.sinks import target_of, write_stdout
from aetool.cli.sources import Failures, input_files
from aetool.errors import ThresholdPassed, UsageError
from aetool.system.limits import LIMITS

if TYPE_CHECKING:
    from aetool.arrays import Images
    from aetool.images.files import ImageFile
    from aetool.metrics import Figures
    from aetool.runtime.codec import Codec

Report = Annotated[bool, typer.Option("--json", help="One JSON line an image: source, mse, percentile.")]
FailOver = Annotated[
    float | None,
    typer.Option("--fail-over", metavar="P", help="End with 9 if the percentile of an image is above P, as 99."),
]


def score(
    files: params.Files = None,
    fail_over: FailOver = None,
    as_json: Report = False,
    model: params.Model = None,
    files_from: params.FilesFrom = None,
    null: params.Null = False,
    errors: params.Errors = None,
    device: params.Device = "auto",
    threads: params.Cores = None,
    max_pixels: params.MaxPixels = LIMITS["pixels"],
    quiet: params.Quiet = False,
) -> None:
    """Tell how unlike the images that a model was made for each image is.

    The percentile is the share of held-out images that are reconstructed better: any for an image of their kind, near
    100 for one of another kind, and 100 for one that is reconstructed worse than all of them.
    """
    if fail_over is not None and not 0 <= fail_over < 100:
        raise UsageError("--fail-over takes a percentile from 0 to below 100, as 99; none is above 100")
    talk = Talk(quiet)
    inputs = input_files(files, files_from, null, target_of(None))
    codec = open_codec(choose_bundle(model, talk), device, threads)
    failures = Failures(talk, errors)
    over, head = 0, "" if as_json else "percentile  mse       source\n"
    for source, mse, percentile in _scored(inputs, codec, failures, threads):
        write_stdout(head + (_json_line(source, mse, percentile) if as_json else _text_line(source, mse, percentile)))
        head = ""
        over += fail_over is not None and percentile > fail_over
    if over:
        raise ThresholdPassed(f"{over} of {failures.done} images above the percentile {fail_over:g}")
    failures.verdict()


def _scored(
    inputs: Iterable[ImageFile], codec: Codec, failures: Failures, cores: int | None
) -> Iterator[tuple[str, float, float]]:
    """Yield source, mse and percentile of each image."""
    from aetool.metrics import percentiles
    from aetool.runtime.parallel import over_files

    quantiles = codec.bundle.manifest.distortion["quantiles"]
    for batch in over_files(inputs, codec, _mse, cores):
        failures.add(batch.failures)
        found = batch.value
        failures.done += len(found)
        sources = [file.path for file in batch.files]
        yield from zip(sources, found.tolist(), percentiles(found, quantiles).tolist(), strict=True)


def _mse(codec: Codec, images: Images) -> Figures:
    """Return the mse of each image's reconstruction."""
    from aetool.metrics import mse

    return mse(images, codec.reconstruct(images))


def _json_line(source: str, mse: float, percentile: float) -> str:
    import json

    return json.dumps({"source": source, "mse": mse, "percentile": round(percentile, 4)}) + "\n"


def _text_line(source: str, mse: float, percentile: float) -> str:
    from aetool.errors import printable

    return f"{percentile:10.2f}  {mse:.6f}  {printable(source)}\n"
