"""`aetool reconstruct`."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, only_missing, taken_whole
from aetool.cli.labels import wanted
from aetool.cli.layout import layout_of, provenance, suited
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, LayoutOptions, ModelOptions, PictureOutput, Quiet, Whole
from aetool.cli.target import Target, picture_target, write_stdout
from aetool.cli.write import shown_channels, write_pictures
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.arrays import Pixels
    from aetool.images.files import FileBatch, ImageFile
    from aetool.images.layout import Layout
    from aetool.model.model import Model
    from aetool.model.steps import Again, Compared

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
    """Encode images and decode them again.

    A sheet shows each original before its reconstruction, and the mse below. As an input it counts as its
    reconstructions.
    """
    console = Console(quiet)
    target = suited(picture_target(output, "reconstruct writes pictures, and aetool encode latents"), layout, as_json)
    _refuse_both(as_json, output, target)
    found = input_files(files, inputs, target, console)
    failures, model = (
        Failures(console, inputs.errors, counted=as_json or target.path is not None),
        open_model(options, console, inputs.limits),
    )
    found = model.each_image(found, inputs.layout)
    if skip_existing:
        found = only_missing(found, target, failures)
    pairs = Pairs([], [], shown_channels(layout, model, target)) if target.kind in ("picture", "terminal") else None
    if as_json and output is None:
        deque(failures.values(_named(model, taken_whole(found, whole), True, None)), maxlen=0)  # the report is the data
    else:
        parts = failures.values(_named(model, taken_whole(found, whole), as_json, pairs))
        _write(parts, pairs, model, target, layout, failures)
    failures.end()


@dataclass(frozen=True, eq=False, repr=False)
class Pairs:
    """The originals of a sheet of reconstructions, with the channels to show, and the mse of each."""

    originals: list[Pixels]
    errors: list[float]
    show: tuple[int, ...] | None

    def add(self, one: Compared) -> Compared:
        """Note the originals of a batch, and return the batch."""
        self.originals.append(one.originals if self.show is None else one.originals[:, self.show])
        self.errors.extend(float(figure["mse"] or 0) for figure in one.figures)
        return one

    def laid_out(self, layout: Layout, labels: bool) -> Layout:
        """Return the layout with the originals beside the reconstructions."""
        import numpy as np

        from aetool.model.labels import of_pairs

        words = of_pairs(self.errors) if labels else None
        return replace(layout, originals=np.concatenate(self.originals), labels=words)


def _write(
    parts: Iterator[tuple[Pixels, Sequence[str]]],
    pairs: Pairs | None,
    model: Model,
    target: Target,
    options: LayoutOptions,
    failures: Failures,
) -> None:
    made, show, layout = (
        provenance(model.bundle, None, options),
        shown_channels(options, model, target),
        layout_of(options),
    )
    shown = layout if pairs is None else partial(pairs.laid_out, layout, wanted(target, options))
    write_pictures(parts, target, shown, made, failures.console, options.max_frames, failures.unwritten, show)


def _refuse_both(as_json: bool, output: str | None, target: Target) -> None:
    if as_json and output is not None and target.path is None:
        raise UsageError("--json and pictures cannot both go to stdout; give -o a file or folder/")


def _named(
    model: Model, files: Iterable[ImageFile], as_json: bool, pairs: Pairs | None
) -> Iterator[FileBatch[tuple[Pixels, Sequence[str]]]]:
    """Yield pictures with the names of their files; prints the figures of a batch first, if requested."""
    import json

    for batch in model.reconstructed(files, as_json) if pairs is None else _compared(model, files, pairs):
        pixels, figures = batch.value
        if as_json:
            named = zip(batch.files, figures, strict=True)
            write_stdout("".join(json.dumps({"source": file.path} | figure) + "\n" for file, figure in named))
        yield batch.with_value((pixels, [file.relative for file in batch.files]))


def _compared(model: Model, files: Iterable[ImageFile], pairs: Pairs) -> Iterator[FileBatch[Again]]:
    for batch in model.compared(files):
        one = pairs.add(batch.value)
        yield batch.with_value((one.pixels, one.figures))
