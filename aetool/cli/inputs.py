"""Inputs: names given as arguments, in lists or on stdin, as the pictures and streams behind them."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, BinaryIO

from aetool.cli.listing import told_listing
from aetool.cli.target import Target
from aetool.errors import ReadWriteError, UsageError, printable, reason
from aetool.system.special import open_named

if TYPE_CHECKING:
    from aetool.cli.console import Console
    from aetool.cli.failures import Failures
    from aetool.cli.options import Inputs
    from aetool.images.files import ImageFile
    from aetool.images.walk import Listing


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
    from aetool.system.names import existing

    try:
        return os.fdopen(open_named(existing(name), os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(name)}: {reason(error)}") from error


def input_files(names: list[str] | None, inputs: Inputs, target: Target, console: Console) -> Iterator[ImageFile]:
    """Yield the input pictures of a command, never replaced by `target`, and tell at the end what was left out.

    Raises `UsageError` without an input.
    """
    from aetool.images.walk import Listing

    if not names and not inputs.files_from:
        raise UsageError("no input; name images or folders, - for stdin, or --files-from a list")
    if inputs.files_from:
        target.read.add(inputs.files_from)
    given = None if inputs.files_from else [name for name in names or [] if name != "-"]
    listing = Listing()
    found = _image_files(_guarded(all_names(names, inputs), target), given, listing)
    files = told_listing(found, listing, console)
    return files if target.path is None else _remembered(files, target)


def all_names(names: list[str] | None, inputs: Inputs) -> Iterator[str]:
    """Yield the names of the arguments, then the names of --files-from, as a stream, spelled as the files are."""
    from aetool.images.lists import listed_names
    from aetool.system.names import existing

    yield from map(existing, names or [])
    if inputs.files_from:
        with open_input(inputs.files_from) as stream:
            yield from map(existing, listed_names(stream, inputs.null))


def _guarded(names: Iterable[str], target: Target) -> Iterator[str]:
    for name in names:
        if name != "-":
            target.add_input(name)
        yield name


def _image_files(names: Iterable[str], given: list[str] | None, listing: Listing) -> Iterator[ImageFile]:
    """Yield the pictures of names; `given` are all of the names, None for a stream."""
    from aetool.images.files import ImageFile, find_images
    from aetool.images.names import Folders

    folders = Folders(given)
    for name in names:
        if name == "-":
            yield ImageFile("-", "stdin", data=stdin().read())
        else:
            yield from folders.named(name, find_images([name], listing))


def _remembered(files: Iterable[ImageFile], target: Target) -> Iterator[ImageFile]:
    for file in files:
        target.read.add_picture(file.path)
        yield file


def only_missing(files: Iterable[ImageFile], target: Target, failures: Failures) -> Iterator[ImageFile]:
    """Yield the pictures without an output in the folder, each with the name of its output."""
    from dataclasses import replace

    from aetool.images.folder import UniquePaths
    from aetool.system.names import existing

    if target.kind != "folder" or target.path is None:
        raise UsageError("--skip-existing is for an output folder; end -o with /")
    place = UniquePaths(str(target.path))
    for file in files:
        path = place(file.relative)
        if os.path.lexists(existing(path)):
            failures.skipped += 1
            target.complete.add(hash(path))
        else:
            yield replace(file, relative=os.path.relpath(path, target.path))
