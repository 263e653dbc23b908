"""`aetool search`."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.console import Console, as_table
from aetool.cli.inputs import open_input
from aetool.cli.keys import key_latents, open_keys
from aetool.cli.labels import told, wanted
from aetool.cli.layout import layout_of, suited
from aetool.cli.model import first_model, own_latents
from aetool.cli.options import KeyLimits, LayoutOptions, ModelOptions, PictureOutput, Quiet, Whole
from aetool.cli.stdin import check_stdin
from aetool.cli.target import Target, picture_target, write_stdout
from aetool.cli.write import write_generated
from aetool.errors import InvalidInput, UsageError, lookup

if TYPE_CHECKING:
    from aetool.latents.files import LatentBatch
    from aetool.latents.search import Hit
    from aetool.model.model import Model
    from aetool.system.limits import Limits

Query = Annotated[
    str,
    typer.Argument(
        metavar="QUERY", help=f"An image, a folder, a latent file, {', '.join(choices.KEYS)}, or - for stdin.",
        autocompletion=completion.keys,
    ),
]  # fmt: skip
Known = Annotated[
    str | None,
    typer.Option("--in", metavar="FILE", help="Search this latent file (or - for stdin) instead of the bank."),
]
Count = Annotated[int, typer.Option("-n", "--count", metavar="N", min=1, max=100_000, help="How many to find.")]
Metric = Annotated[
    str,
    typer.Option(
        "--metric",
        metavar="NAME",
        help=f"{choices.listed(choices.METRICS)}.",
        autocompletion=completion.of(choices.METRICS),
    ),
]
Report = Annotated[
    bool, typer.Option("--json", help="One JSON line a hit: query, source, class, distance, index (from 0).")
]


def search(
    query: Query,
    options: ModelOptions,
    limits: KeyLimits,
    layout: LayoutOptions,
    known: Known = None,
    count: Count = 10,
    metric: Metric = "euclidean",
    whole: Whole = False,
    output: PictureOutput = None,
    as_json: Report = False,
    quiet: Quiet = False,
) -> None:
    """Find the training images, or the latents of a file, nearest to an image.

    A query of several images or latents is answered for each. With -o all are decoded to pictures, each query before
    what was found for it; a latent of the bank is a key by its index, as bank:3198.
    """
    console = Console(quiet)
    lookup(choices.METRICS, metric, "metric")
    target = _target(output, layout, query, known)
    with _opened(known, limits.limits) as (identity, batches):
        model, parts = open_keys([query], options, limits.limits, console, target, identity, whole)
        keys = key_latents(parts, model, console)
        searched = None if batches is None else own_latents(batches, model, console)
        kept = list(searched) if searched is not None and output is not None else None  # to decode what is found
        found = model.nearest(keys.latents, count, metric, searched if kept is None else kept)
    if not any(found):
        raise InvalidInput(f"no latents to search in {known}")
    write_stdout(_lines(keys.sources, found) if as_json else _table(keys.sources, found))
    if output is not None:
        _write(keys, found, kept, model, target, layout, console)


def _target(output: str | None, layout: LayoutOptions, query: str, known: str | None) -> Target:
    """Return the target of pictures; raises `UsageError` for stdout, where the table goes, and for an input."""
    check_stdin(query, known)
    target = suited(picture_target(output, "search writes pictures of what it finds"), layout, report=True)
    if output is not None and target.path is None:
        raise UsageError("the table goes to stdout; give -o a file or folder/ for the pictures")
    if known not in (None, "-"):
        target.add_input(str(known))
    return target


def _write(
    keys: LatentBatch,
    found: list[list[Hit]],
    kept: list[LatentBatch] | None,
    model: Model,
    target: Target,
    options: LayoutOptions,
    console: Console,
) -> None:
    """Write pictures of the queries and of what was found for each."""
    from dataclasses import replace

    from aetool.model.found import found_latents, found_layout

    made, lacking = found_layout(keys.titles, found, model.bundle.manifest.classes, wanted(target, options))
    told((None, lacking), console)
    own = layout_of(options, made.columns, made.strip)
    latents = found_latents(keys, found, model.bundle.bank() if kept is None else kept)
    write_generated([latents], model, target, replace(own, labels=made.labels), options, console)


@contextlib.contextmanager
def _opened(known: str | None, limits: Limits) -> Iterator[tuple[str | None, Iterator[LatentBatch] | None]]:
    """Give the model named by a latent file, and its latents as a stream; None for the bank."""
    from aetool.latents.files import read_latents

    if known is None:
        yield None, None
        return
    if Path(known).is_dir():
        raise UsageError(f"{known} is a folder; --in takes a file, as aetool encode {known} -o latents.jsonl makes one")
    with open_input(known) as stream:
        yield first_model(read_latents(stream, "stdin" if known == "-" else known, None, limits))


def _lines(queries: tuple[str, ...], found: list[list[Hit]]) -> str:
    rows: list[dict[str, Any]] = [
        {"query": query, "source": hit.source}
        | ({} if hit.label is None else {"class": hit.label})
        | {"distance": hit.distance, "index": hit.index}
        for query, hits in zip(queries, found, strict=True)
        for hit in hits
    ]
    return "".join(json.dumps(row) + "\n" for row in rows)


def _table(queries: tuple[str, ...], found: list[list[Hit]]) -> str:
    rows = [["query", "distance", "class", "source", "index"]]
    for query, hits in zip(queries, found, strict=True):
        rows += [[query, f"{hit.distance:.6g}", hit.label or "", hit.source, str(hit.index)] for hit in hits]
    return as_table(rows, right=(1, 4))
