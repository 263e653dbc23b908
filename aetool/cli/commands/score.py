"""`aetool score`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, taken_whole
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, ModelOptions, Quiet, Whole
from aetool.cli.target import target_of, write_stdout
from aetool.errors import ThresholdPassed, UsageError, printable

if TYPE_CHECKING:
    from aetool.model.steps import Score

Report = Annotated[bool, typer.Option("--json", help="One JSON line an image: source, mse, percentile.")]
FailOver = Annotated[
    float | None,
    typer.Option("--fail-over", metavar="P", help="End with 9 if the percentile of an image is above P, as 99."),
]


def score(
    options: ModelOptions,
    inputs: Inputs,
    files: Files = None,
    whole: Whole = False,
    fail_over: FailOver = None,
    as_json: Report = False,
    quiet: Quiet = False,
) -> None:
    """Measure how unusual each image is for a model.

    The percentile is the share of held-out images with a better reconstruction: any value for images like the training
    images, near 100 for images of another kind, and 100 for images worse than all held-out images.
    """
    if fail_over is not None and not 0 <= fail_over < 100:
        raise UsageError("--fail-over takes a percentile from 0 to below 100, as 99; none is above 100")
    console = Console(quiet)
    found = input_files(files, inputs, target_of(None), console)
    model = open_model(options, console, inputs.limits)
    failures = Failures(console, inputs.errors)
    over, head = 0, "" if as_json else "percentile  mse       source\n"
    pictures = taken_whole(model.each_image(found, inputs.layout), whole)
    for scores in failures.values(model.scored(pictures)):
        write_stdout(head + "".join(map(_json_line if as_json else _text_line, scores)))
        head = ""
        over += sum(fail_over is not None and score.percentile > fail_over for score in scores)
    if over:
        raise ThresholdPassed(f"{over} of {failures.done} images above the percentile {fail_over:g}")
    failures.end()


def _json_line(score: Score) -> str:
    fields = {"source": score.source, "mse": score.mse, "percentile": round(score.percentile, 4)}
    return json.dumps(fields) + "\n"


def _text_line(score: Score) -> str:
    return f"{score.percentile:10.2f}  {score.mse:.6f}  {printable(score.source)}\n"
