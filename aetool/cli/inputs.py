"""Inputs: names given as arguments, in lists or on stdin, as the pictures and streams behind them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, BinaryIO

from aetool.cli.target import Target
from aetool.errors import ReadWriteError, UsageError, printable, reason

if TYPE_CHECKING:
    from aetool.cli.failures import Failures
    from aetool.cli.options import Inputs
    from aetool.images.files import ImageFile


def stdin() -> BinaryIO:
    """Return stdin as bytes; raises `UsageError` where a person sits at a terminal, `ReadWriteError` where closed."""
    if sys.stdin is None:
        raise ReadWriteError("stdin is closed; name a file instead")
    if sys.stdin.isatty():
        raise UsageError("nothing is piped into stdin; name a file, or pipe something in")
    return sys.stdin.buffer


def open_input(name: str) -> BinaryIO:
    """Open a file of latents, or - for stdin; raises `ReadWriteError`."""
    if name == "-":
        return stdin()
    try:
        return open(name, "rb")  # noqa: PTH123
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(name)}: {reason(error)}") from error


def input_files(names: list[str] | None, inputs: Inputs, target: Target) -> Iterator[ImageFile]:
    """Yield the input pictures of a command, never replaced by `target`. Raises `UsageError` without an input."""
    if not names and not inputs.files_from:
        raise UsageError("no input; name images or folders, - for stdin, or --files-from a list")
    if inputs.files_from:
        target.read.add(inputs.files_from)
    files = _image_files(_guarded(_all_names(names, inputs), target))
    return files if target.path is None else _remembered(files, target)


def _all_names(names: list[str] | None, inputs: Inputs) -> Iterator[str]:
    """Yield the names of the arguments, then the names of --files-from, as a stream."""
    yield from names or []
    if inputs.files_from:
        with open_input(inputs.files_from) as stream:
            yield from _listed(stream, inputs.null)


def _listed(stream: IO[bytes], null: bool) -> Iterator[str]:
    end, rest = b"\0" if null else b"\n", b""
    while chunk := stream.read1(1 << 16):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(end)
        yield from (os.fsdecode(name) for name in whole if name)
    if rest:
        yield os.fsdecode(rest)


def _guarded(names: Iterable[str], target: Target) -> Iterator[str]:
    for name in names:
        if name != "-":
            target.add_input(name)
        yield name


def _image_files(names: Iterable[str]) -> Iterator[ImageFile]:
    from aetool.images.files import ImageFile, find_images

    for name in names:
        if name == "-":
            yield ImageFile("-", "stdin", data=stdin().read())
        else:
            yield from find_images([name])


def _remembered(files: Iterable[ImageFile], target: Target) -> Iterator[ImageFile]:
    for file in files:
        target.read.add_picture(file.path)
        yield file


def only_missing(files: Iterable[ImageFile], target: Target, failures: Failures) -> Iterator[ImageFile]:
    """Yield the pictures without an output in the folder, each with the name of its output."""
    from dataclasses import replace

    from aetool.images.files import Failure
    from aetool.images.folder import UniquePaths

    if target.kind != "folder" or target.path is None:
        raise UsageError("--skip-existing is for an output folder; end -o with /")
    place = UniquePaths(str(target.path))
    for file in files:
        try:
            path = place(file.relative)
        except ReadWriteError as error:
            failures.add([Failure(file.path, error)])
            continue
        if os.path.lexists(path):
            failures.skipped += 1
        else:
            yield replace(file, relative=os.path.relpath(path, target.path))
