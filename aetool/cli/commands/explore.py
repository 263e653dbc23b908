"""`aetool explore`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.inputs import input_files, taken_whole
from aetool.cli.model import open_model
from aetool.cli.options import Files, Inputs, ModelOptions, Quiet, Whole
from aetool.cli.target import Target, page_target, write_text
from aetool.errors import UsageError

if TYPE_CHECKING:
    from aetool.images.files import ImageFile
    from aetool.latents.files import LatentBatch
    from aetool.model.model import Model

PageOutput = Annotated[
    str | None, typer.Option("-o", "--output", metavar="FILE", help="Where to write the page: a name ending in .html.")
]
RuntimePlace = Annotated[
    str | None,
    typer.Option(
        "--runtime",
        metavar="PLACE",
        help="The package onnxruntime-web (.tgz), or a folder with it, as node_modules. Default: npm fetches it once.",
    ),
]
NoBank = Annotated[
    bool, typer.Option("--no-bank", help="Leave the latents of training images out: the map shows samples.")
]


def explore(
    options: ModelOptions,
    inputs: Inputs,
    files: Files = None,
    whole: Whole = False,
    output: PageOutput = None,
    runtime: RuntimePlace = None,
    no_bank: NoBank = False,
    quiet: Quiet = False,
) -> None:
    """Write a page to look into a model: a map of its latents, decoded under the pointer.

    One HTML file that opens in a browser, offline, with all that it needs. FILES are shown among the training images.
    """
    from aetool.explore import make
    from aetool.explore.runtime import runtime_at
    from aetool.training.mapping import kept_map

    console, target = Console(quiet), page_target(output)
    found = _pictures(files, inputs, whole, target, console)
    model, failures = open_model(options, console, inputs.limits), Failures(console, inputs.errors)
    pictures = None if found is None else list(_encoded(model, found, failures, inputs.layout))
    with console.stages() as report:
        name = make.typed_name(options.model, model.bundle)
        settings = make.Settings(name, not no_bank, partial(kept_map, report=report))
        page = make.page_of(model, runtime_at(runtime, report), settings, pictures)
    write_text(target, page)
    if found is not None:
        failures.end()


def _pictures(
    files: list[str] | None, inputs: Inputs, whole: bool, target: Target, console: Console
) -> Iterable[ImageFile] | None:
    """Return the pictures of FILES, None without; raises `UsageError` for options that are for FILES."""
    if files or inputs.files_from:
        return taken_whole(input_files(files, inputs, target, console), whole)
    for given, name in ((whole, "--whole"), (inputs.errors, "--errors"), (inputs.layout, "--layout")):
        if given:
            raise UsageError(f"{name} is for FILES, pictures of your own on the map; name some, or leave {name} out")
    return None


def _encoded(model: Model, files: Iterable[ImageFile], failures: Failures, layout: str | None) -> Iterator[LatentBatch]:
    return failures.values(model.encoded(model.each_image(files, layout)))
