"""`aetool reconstruct`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, only_missing, taken_whole
from aetool.cli.layout import layout_of, provenance, suited
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, LayoutOptions, ModelOptions, PictureOutput, Quiet, Whole
from aetool.cli.target import Target, picture_target, write_stdout
from aetool.cli.write import shown_channels, write_pictures
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.arrays import Pixels
    from aetool.images.files import FileBatch
    from aetool.model.steps import Again

SkipExisting = Annotated[
    bool, typer.Option("--skip-existing", help="Leave out what has its picture in the output folder already.")
]
Report = Annotated[bool, typer.Option("--json", help="Print the distortion of each image, one JSON line each.")]


def reconstruct(
    options: ModelOptions,
    inputs: Inputs,
    layout: LayoutOptions,
    files: Files = None,
    whole: Whole = False,
    output: PictureOutput = None,
    as_json: Report = False,
    skip_existing: SkipExisting = False,
    quiet: Quiet = False,
) -> None:
    """Encode images and decode them again."""
    console = Console(quiet)
    target = suited(picture_target(output, "reconstruct writes pictures; for latents: aetool encode"), layout, as_json)
    _refuse_both(as_json, output, target)
    found = input_files(files, inputs, target, console)
    failures = Failures(console, inputs.errors)
    model = open_model(options, console, inputs.limits)
    found = model.each_image(found, inputs.layout)
    if skip_existing:
        found = only_missing(found, target, failures)
    parts = failures.values(_named(model.reconstructed(taken_whole(found, whole), as_json), as_json))
    if as_json and output is None:
        deque(parts, maxlen=0)  # the report is the data; pictures need -o
    else:
        made, show = provenance(model.bundle, None, layout), shown_channels(layout, model, target)
        write_pictures(parts, target, layout_of(layout), made, console, layout.max_frames, failures.unwritten, show)
    failures.end()


def _refuse_both(as_json: bool, output: str | None, target: Target) -> None:
    if as_json and output is not None and target.path is None:
        raise UsageError("--json and pictures cannot both go to stdout; give -o a file or folder/")


def _named(batches: Iterable[FileBatch[Again]], as_json: bool) -> Iterator[FileBatch[tuple[Pixels, Sequence[str]]]]:
    """Yield pictures with the names of their files; prints the figures of a batch first, if requested."""
    import json

    for batch in batches:
        pixels, figures = batch.value
        if as_json:
            named = zip(batch.files, figures, strict=True)
            write_stdout("".join(json.dumps({"source": file.path} | figure) + "\n" for file, figure in named))
        yield batch.with_value((pixels, [file.relative for file in batch.files]))
