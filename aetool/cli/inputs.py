"""Inputs: names given as arguments, in lists or on stdin, as the pictures and streams behind them."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from aetool.choices import IMAGE_SUFFIXES
from aetool.cli.console import Console
from aetool.cli.listing import told_listing
from aetool.cli.stdin import check_stdin, stdin
from aetool.cli.target import Target
from aetool.errors import ReadWriteError, UsageError, printable, reason
from aetool.system.special import is_special, open_named

if TYPE_CHECKING:
    from aetool.cli.failures import Failures
    from aetool.cli.options import Inputs
    from aetool.images.files import ImageFile
    from aetool.images.walk import Listing


PIPES = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
"""Names of open streams: <(...) of the shell becomes such a name."""


def stdin_pictures(stream: BinaryIO, name: str = "-", file_name: str = "stdin") -> Iterator[ImageFile]:
    """Yield the pictures of stdin, called -, -#2, -#3 and so on, or of another stream called `name`.

    Bytes that belong to no picture are told on stderr.
    """
    from aetool.images.files import ImageFile
    from aetool.images.stream import pictures_in

    def tell_rest(number: int, count: int) -> None:
        bytes_are = "1 byte is" if count == 1 else f"{count:,} bytes are"
        place = "stdin" if name == "-" else name
        Console().warn(f"{place}: {bytes_are} left out behind picture {number}; no picture was recognised there")

    for number, data in enumerate(pictures_in(stream, tell_rest), 1):
        if number == 1:
            yield ImageFile(name, file_name, data=data)
        else:
            yield ImageFile(f"{name}#{number}", f"{file_name}-{number}", data=data)


def is_pipe(name: str) -> bool:
    """Return whether a name is that of an open stream."""
    return name.startswith(PIPES) and os.path.exists(name) and not os.path.isdir(name)  # noqa: PTH110, PTH112


def open_input(name: str) -> BinaryIO:
    """Open a file of latents, or - for stdin; raises `ReadWriteError`."""
    if name == "-":
        return stdin()
    from aetool.system.names import existing

    try:
        return os.fdopen(open_named(existing(name), os.O_RDONLY | getattr(os, "O_BINARY", 0)), "rb")
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(name)}: {reason(error)}") from error


def input_files(
    names: list[str] | None, inputs: Inputs, target: Target, console: Console, beside: Target | None = None
) -> Iterator[ImageFile]:
    """Yield the input pictures of a command, and tell at the end what was left out.

    None is replaced by `target`, or by the second output `beside`, which shares the inputs of `target`.
    Raises `UsageError` without an input.
    """
    from aetool.images.walk import Listing

    if not names and not inputs.files_from:
        raise UsageError("no input; name images or folders, - for stdin, or --files-from a list")
    _check_layout(names or [], inputs)
    _refuse_models(names or [])
    check_stdin(*(names or []), inputs.files_from)
    targets = [one for one in (target, beside) if one is not None]
    for other in (inputs.files_from, *(one.path for one in targets)):
        refuse_errors(inputs.errors, other)
    if inputs.files_from:
        target.read.add(inputs.files_from)
    given = None if inputs.files_from else [name for name in names or [] if name != "-"]
    listing = Listing()
    found = _image_files(_guarded(all_names(names, inputs), targets, inputs.errors), given, listing)
    files = told_listing(found, listing, console)
    return files if all(one.path is None for one in targets) else _remembered(files, target)


def _refuse_models(names: list[str]) -> None:
    """Raise `UsageError` for the name of a model among pictures, such as mnist, where no file is called so."""
    from aetool.bundle.lookup import candidates
    from aetool.system.names import existing

    for name in names:
        plain = name not in ("-", "") and not set("./\\:") & set(name) and not os.path.lexists(existing(name))
        if plain and any(path.name == name for path in candidates()):
            raise UsageError(f"{printable(name)} is a model, and pictures are expected here", fix="model-option")


def _check_layout(names: list[str], inputs: Inputs) -> None:
    """Raise `UsageError` for --layout where no input can be an array of images."""
    if inputs.layout is None or inputs.files_from:
        return
    plain = (name != "-" and (Path(name).is_dir() or Path(name).is_file()) for name in names)
    if all(known and not name.lower().endswith((".npz", ".npy")) for name, known in zip(names, plain, strict=True)):
        raise UsageError("none of the inputs is an array of images (.npz, .npy)", fix="no-layout")


def all_names(names: list[str] | None, inputs: Inputs) -> Iterator[str]:
    """Yield the names of the arguments, then the names of --files-from, as a stream, spelled as the files are."""
    from aetool.images.lists import listed_names
    from aetool.system.names import existing

    yield from map(existing, names or [])
    if inputs.files_from:
        with open_input(inputs.files_from) as stream:
            yield from map(existing, listed_names(stream, inputs.null))


def listed_inputs(inputs: Inputs) -> Iterator[str]:
    """Yield the names of --files-from; raises `UsageError` where --errors would replace one of the files."""
    for name in all_names(None, inputs):
        refuse_errors(inputs.errors, name)
        yield name


def _guarded(names: Iterable[str], targets: list[Target], errors: str | None) -> Iterator[str]:
    for name in names:
        if name != "-":
            for target in targets:
                target.add_input(name)
            refuse_errors(errors, name)
        yield name


def refuse_errors(errors: str | None, name: str | os.PathLike[str] | None) -> None:
    """Raise `UsageError` where the file of --errors would replace an input, a picture in an input folder, or -o."""
    if errors is None or name is None or "\0" in os.fspath(name) or is_special(errors):
        return
    real, given = os.path.realpath(errors), os.path.realpath(name)
    suffix = os.path.splitext(real)[1].lower()  # noqa: PTH122
    inside = suffix in IMAGE_SUFFIXES and real.startswith(os.path.join(given, ""))  # noqa: PTH118
    if real == given or inside:
        raise UsageError(
            f"--errors {printable(errors)} would replace {printable(os.fspath(name))}; choose another file"
        )


def _image_files(names: Iterable[str], given: list[str] | None, listing: Listing) -> Iterator[ImageFile]:
    """Yield the pictures of names; `given` are all of the names, None for a stream."""
    from aetool.images.files import find_images
    from aetool.images.names import Folders

    folders = Folders(given)
    for name in names:
        if name == "-":
            yield from stdin_pictures(stdin())
        elif is_pipe(name):
            with open_input(name) as stream:
                yield from stdin_pictures(stream, name, os.path.basename(name))  # noqa: PTH119
        else:
            yield from folders.named(name, find_images([name], listing))


def _remembered(files: Iterable[ImageFile], target: Target) -> Iterator[ImageFile]:
    for file in files:
        target.read.add_picture(file.path)
        yield file


def taken_whole(files: Iterable[ImageFile], whole: bool) -> Iterable[ImageFile]:
    """Return the pictures, marked not to be cut into tiles if `whole`."""
    from dataclasses import replace

    return (replace(file, whole=True) for file in files) if whole else files


def only_missing(files: Iterable[ImageFile], target: Target, failures: Failures) -> Iterator[ImageFile]:
    """Yield the pictures without an output in the folder, each with the name of its output."""
    from dataclasses import replace

    from aetool.images.files import Failure
    from aetool.images.folder import UniquePaths
    from aetool.system.names import existing

    if target.kind != "folder" or target.path is None:
        raise UsageError("--skip-existing is for an output folder; end -o with /")
    place = UniquePaths(str(target.path))
    for file in files:
        try:
            path = place(file.relative)
        except ReadWriteError as error:
            failures.add([Failure(file.path, error)])
            continue
        if os.path.lexists(existing(path)):
            failures.skipped += 1
            target.complete.add(hash(path))
        else:
            yield replace(file, relative=os.path.relpath(path, target.path))
