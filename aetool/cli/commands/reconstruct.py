"""`aetool reconstruct`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, only_missing
from aetool.cli.layout import layout_of, provenance
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, LayoutOptions, ModelOptions, PictureOutput, Quiet
from aetool.cli.target import picture_target, write_stdout
from aetool.cli.write import write_pictures
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
    output: PictureOutput = None,
    as_json: Report = False,
    skip_existing: SkipExisting = False,
    quiet: Quiet = False,
) -> None:
    """Encode images and decode them again."""
    console = Console(quiet)
    target = picture_target(output, "reconstruct writes pictures; for latents: aetool encode")
    _refuse_both(as_json, output)
    found = input_files(files, inputs, target)
    failures = Failures(console, inputs.errors)
    if skip_existing:
        found = only_missing(found, target, failures)
    model = open_model(options, console, inputs.limits)
    parts = failures.values(_named(model.reconstructed(found, as_json), as_json))
    if as_json and output is None:
        deque(parts, maxlen=0)  # the report is the data; pictures need -o
    else:
        made = provenance(model.bundle, None, layout)
        write_pictures(parts, target, layout_of(layout), made, console, layout.max_frames, failures.unwritten)
    failures.end()


def _refuse_both(as_json: bool, output: str | None) -> None:
    if as_json and output == "-":
        raise UsageError("--json and pictures cannot both go to stdout; give -o a file or folder/")


def _named(batches: Iterable[FileBatch[Again]], as_json: bool) -> Iterator[FileBatch[tuple[Pixels, Sequence[str]]]]:
    """Yield pictures with the names of their files; prints the figures of a batch first, if requested."""
    import json

    from aetool.images.files import FileBatch

    for batch in batches:
        pixels, figures = batch.value
        if as_json:
            named = zip(batch.files, figures, strict=True)
            write_stdout("".join(json.dumps({"source": file.path} | figure) + "\n" for file, figure in named))
        names = [file.relative for file in batch.files]
        yield FileBatch((pixels, names), batch.files, batch.failures, batch.guesses)
