"""The engine of a command: --engine and what goes with it, and its job on many pictures."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aetool import choices
from aetool.cli import completion
from aetool.cli.console import Console
from aetool.cli.failures import Failures
from aetool.cli.fixes import told
from aetool.cli.inputs import input_files
from aetool.cli.model import open_model
from aetool.cli.options import Inputs, ModelOptions
from aetool.cli.target import Target
from aetool.errors import InvalidInput, UsageError, lookup, printable

if TYPE_CHECKING:
    from aetool.cluster.job import Done
    from aetool.cluster.rows import Work
    from aetool.images.files import ImageFile

    Prepare = Callable[..., Work]
    """A function of a model, whether sheets are pictures, and the wording of errors: the work of a command."""


@dataclass(frozen=True, eq=False, repr=False)
class Engine:
    """The engine that reads the pictures, spreads the work and writes Parquet."""

    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="NAME", autocompletion=completion.of(choices.ENGINES),
            help="daft: takes URLs, patterns and Parquet too, and writes Parquet to the folder or URL of -o.",
        ),
    ] = None  # fmt: skip
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", metavar="ray://HOST:PORT", help="Run the engine on this Ray cluster."),
    ] = None
    column: Annotated[
        str | None,
        typer.Option(
            "--column", metavar="NAME", help="The inputs are Parquet: take the paths, URLs or bytes in this column."
        ),
    ] = None
    skip_existing: Annotated[
        bool, typer.Option("--skip-existing", help="Leave out pictures with a latent in the Parquet of -o already.")
    ] = False

    def __post_init__(self) -> None:
        """Raise `UsageError` for an unknown engine, and for options that need one."""
        if self.engine is not None:
            lookup(choices.ENGINES, self.engine, "engine")
            return
        given = {"--cluster": self.cluster, "--column": self.column, "--skip-existing": self.skip_existing}
        name = next((name for name, value in given.items() if value), None)
        if name:
            raise UsageError(f"{name} is for an engine; add --engine daft, or leave it out")


@dataclass(frozen=True, eq=False, repr=False)
class Call:
    """What a command was called with, as an engine needs it."""

    options: ModelOptions
    inputs: Inputs
    engine: Engine
    files: list[str] | None
    output: str | None
    whole: bool


def run_engine(call: Call, prepare: Prepare, console: Console, refused: dict[str, Any]) -> None:
    """Run the job of a command, and name the pictures that failed.

    Raises `UsageError` for given options among those of `refused`, which engines have no use for.
    """
    from aetool.cluster.engine import connect
    from aetool.images.files import Failure

    if names := [name for name, value in refused.items() if value]:
        raise UsageError(f"{' and '.join(names)} would do nothing with --engine; leave one of the two out")
    folder = _folder(call)
    model, failures = open_model(call.options, console, call.inputs.limits), Failures(console, call.inputs.errors)
    work = prepare(model, call.whole, told)
    local, far = _local(call, folder, console), _far(call)
    connect(call.engine.cluster, call.options.threads)
    done = _run(call, work, local, far, failures)
    failures.done, failures.skipped = done.done, done.skipped
    failures.add(Failure(name or "a row", InvalidInput(error)) for name, error in done.failures)
    failures.end()


def _run(call: Call, work: Work, local: Iterable[ImageFile] | None, far: list[str], failures: Failures) -> Done:
    """Run the job, show its count, and tell guesses and sheets; workers of a cluster do not see the folder of notes."""
    import tempfile

    from aetool.cluster import job
    from aetool.cluster.engine import at_work, temporary_in
    from aetool.cluster.notes import Notes
    from aetool.cluster.rows import NAMES_AT_ONCE

    here, named = not call.engine.cluster, call.engine.column is None and not far
    with tempfile.TemporaryDirectory() as place, failures.console.counting("pictures") as count:
        notes = Notes(place)
        work = replace(work, at_once=NAMES_AT_ONCE if named else work.at_once, note=notes if here else work.note)
        with notes.followed(count), temporary_in(place), at_work():
            pictures = _pictures(call, local, far, place if here else None)
            if pictures is None:
                return job.Done(0, 0)
            done = job.run(work, pictures, _folder(call), call.engine.skip_existing)
        failures.guessed(notes.guesses())
        failures.tell(notes.sheets())
    return done


def _folder(call: Call) -> str:
    """Return the folder or URL of -o, where a cluster finds it; raises `UsageError`."""
    from aetool.cluster.engine import is_url

    output = call.output
    if output is None or not (output.endswith(("/", os.sep)) or is_url(output) or Path(output).is_dir()):
        raise UsageError("an engine writes Parquet files to a folder; give one with -o, as -o latents/")
    if is_url(output):
        return output
    if (Path(output) / "bundle.json").is_file() or (Path(output).exists() and not Path(output).is_dir()):
        raise UsageError(f"{printable(output)} is no folder for Parquet files; choose another -o")
    return os.path.abspath(output) if call.engine.cluster else output  # noqa: PTH100


def _local(call: Call, folder: str, console: Console) -> Iterable[ImageFile] | None:
    """Return the pictures of files, folders and patterns of this machine; None where all names are elsewhere.

    Raises `UsageError` without an input.
    """
    from aetool.cluster.engine import is_url
    from aetool.cluster.sources import is_pattern, matched

    names = [name.removeprefix("file://") for name in call.files or [] if not is_url(name)]
    if call.engine.column is not None or (call.files and not names and not call.inputs.files_from):
        return None
    plain, patterns = [name for name in names if not is_pattern(name)], [name for name in names if is_pattern(name)]
    found: list[Iterable[ImageFile]] = [matched(pattern) for pattern in patterns]
    if plain or call.inputs.files_from or not patterns:
        path = None if is_url(folder) else Path(folder)
        found.append(input_files(plain, call.inputs, Target("latents", path, ".parquet"), console))
    return itertools.chain.from_iterable(found)


def _far(call: Call) -> list[str]:
    """Return the names of pictures elsewhere."""
    from aetool.cluster.engine import is_url

    return [name for name in call.files or [] if is_url(name)]


def _pictures(call: Call, local: Iterable[ImageFile] | None, far: list[str], place: str | None) -> Any:
    """Return the frame of all pictures, None without any, with local names in the folder `place` (see `of_files`).

    Raises `UsageError`, `InvalidInput`.
    """
    from aetool.cluster import sources

    if call.engine.column is not None:
        if not call.files or call.inputs.files_from:
            raise UsageError("--column takes Parquet files and folders, named as arguments")
        return sources.of_parquet(call.files, call.engine.column)
    frames = [sources.of_url(name) for name in far]
    here = None if local is None else sources.of_files(local, place)
    if here is not None:
        frames.append(here)
    return functools.reduce(lambda one, other: one.concat(other), frames) if frames else None
