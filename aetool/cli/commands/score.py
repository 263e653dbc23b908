"""`aetool score`."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool.cli.console import Console
from aetool.cli.engine import Call, Engine, run_engine
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, taken_whole
from aetool.cli.labels import wanted
from aetool.cli.layout import layout_of, provenance, suited
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, LayoutOptions, ModelOptions, PictureOutput, Quiet, Whole
from aetool.cli.target import Target, picture_target, write_stdout
from aetool.cli.write import shown_channels, write_array, write_pictures
from aetool.errors import ThresholdPassed, UsageError, printable

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aetool.cluster.rows import Work
    from aetool.errors import AetoolError
    from aetool.images.files import FileBatch
    from aetool.images.layout import Layout
    from aetool.model.model import Model
    from aetool.model.scores import Score, Scored


@dataclass(frozen=True, eq=False, repr=False)
class ReportOptions:
    """How scores are reported, and the threshold of an alarm."""

    fail_over: Annotated[
        float | None,
        typer.Option("--fail-over", metavar="P", help="End with 9 if the percentile of an image is above P, as 99."),
    ] = None
    as_json: Annotated[
        bool, typer.Option("--json", help="One JSON line an image: source, mse, percentile, distance.")
    ] = False

    def __post_init__(self) -> None:
        """Raise `UsageError` for a percentile that none is above."""
        if self.fail_over is not None and not 0 <= self.fail_over < 100:
            raise UsageError("--fail-over takes a percentile from 0 to below 100, as 99; none is above 100")

    def over(self, scores: Iterable[Score]) -> int:
        """Return how many scores are above the threshold."""
        return sum(self.fail_over is not None and score.percentile > self.fail_over for score in scores)


@dataclass(eq=False)
class Seen:
    """The number of scores above the threshold, and the percentiles of the pictures on a sheet."""

    over: int = 0
    percentiles: list[float] = field(default_factory=list)

    def laid_out(self, options: LayoutOptions) -> Layout:
        """Return the layout of maps, with the percentile of each picture."""
        from aetool.model.labels import of_scores

        return layout_of(options, labels=of_scores(self.percentiles))


def score(
    options: ModelOptions,
    inputs: Inputs,
    report: ReportOptions,
    layout: LayoutOptions,
    engine: Engine,
    files: Files = None,
    whole: Whole = False,
    output: PictureOutput = None,
    quiet: Quiet = False,
) -> None:
    """Measure how unusual each image is for a model, and where: -o makes heat maps.

    The percentile is the share of held-out images that are less unusual, by the mse of their reconstructions and the
    distance of their latents to the bank: any value for images like the training images, near 100 for images of
    another kind, and 100 for images more unusual than all held-out images. An array (.npz) holds the maps as numbers.
    With --engine, -o is a folder/ of Parquet files, with the latents too.
    """
    call, console = Call(options, inputs, engine, files, output, whole), Console(quiet)
    if engine.engine is None:
        _here(call, report, layout, console)
    else:
        _by_engine(call, report, layout, console)


def _here(call: Call, report: ReportOptions, layout: LayoutOptions, console: Console) -> None:
    target = _map_target(call.output, layout)
    found = input_files(call.files, call.inputs, target, console)
    model, seen = open_model(call.options, console, call.inputs.limits), Seen()
    failures = Failures(console, call.inputs.errors)
    form = None if call.output is None else "array" if target.kind == "array" else "picture"
    show = None if form is None else shown_channels(layout, model, target)
    _tell_reservation(model, form is not None, console)
    images = taken_whole(model.each_image(found, call.inputs.layout), call.whole)
    parts = failures.values(_reported(model.scored(images, form, show), report, seen, form))
    _write_maps(parts, form, seen, target, layout, model, failures)
    if seen.over:
        raise ThresholdPassed(f"{seen.over} of {failures.done} images above the percentile {report.fail_over:g}")
    failures.end()


def _by_engine(call: Call, report: ReportOptions, layout: LayoutOptions, console: Console) -> None:
    from aetool.cluster.rows import scoring

    def prepare(model: Model, whole: bool, word: Callable[[AetoolError], str]) -> Work:
        _tell_reservation(model, False, console)
        return scoring(model, whole, word)

    suited(Target("latents", None, ".parquet"), layout)
    fail_over = report.fail_over is not None
    refused = {"--json": report.as_json, "--fail-over": fail_over, "--layout": call.inputs.layout}
    run_engine(call, prepare, console, refused)


def _map_target(output: str | None, layout: LayoutOptions) -> Target:
    """Return the target of maps; raises `UsageError` for stdout, where the report goes."""
    target = suited(picture_target(output, "score writes maps"), layout, report=True)
    if output is not None and target.path is None:
        raise UsageError("the scores go to stdout; give -o a file or folder/ for the maps")
    return target


def _tell_reservation(model: Model, maps: bool, console: Console) -> None:
    from aetool.model.scores import reservation

    lacking = reservation(model.bundle.manifest, maps)
    if lacking:
        console.note(f"{lacking}; aetool export makes a newer bundle of its run")


def _reported(
    batches: Iterable[FileBatch[Scored]], report: ReportOptions, seen: Seen, form: str | None
) -> Iterator[FileBatch[tuple[NDArray[Any], Sequence[str]]]]:
    """Yield maps with the names of their files; prints the scores of a batch first, and counts those above the line.

    In an array a map has the source of its score.
    """
    head = "" if report.as_json else "percentile  mse       distance  source\n"
    for batch in batches:
        scores, maps = batch.value
        if scores:
            write_stdout(head + "".join(map(_json_line if report.as_json else _text_line, scores)))
            head = ""
        seen.over += report.over(scores)
        if form == "picture":
            seen.percentiles.extend(score.percentile for score in scores)
        yield batch.with_value((maps, [file.path if form == "array" else file.relative for file in batch.files]))


def _write_maps(
    parts: Iterable[tuple[NDArray[Any], Sequence[str]]],
    form: str | None,
    seen: Seen,
    target: Target,
    layout: LayoutOptions,
    model: Model,
    failures: Failures,
) -> None:
    if form is None:
        deque(parts, maxlen=0)  # the report is the data; maps need -o
    elif form == "array":
        write_array(parts, target, "maps")
    else:
        made = provenance(model.bundle, None, layout)
        shown = partial(seen.laid_out, layout) if wanted(target, layout) else layout_of(layout)
        write_pictures(parts, target, shown, made, failures.console, layout.max_frames, failures.unwritten)


def _json_line(score: Score) -> str:
    fields = {"source": score.source, "mse": score.mse, "percentile": round(score.percentile, 4)}
    return json.dumps(fields | {"distance": score.distance}) + "\n"


def _text_line(score: Score) -> str:
    distance = "-" if score.distance is None else f"{score.distance:.6g}"
    return f"{score.percentile:10.2f}  {score.mse:.6f}  {distance:8}  {printable(score.source)}\n"
