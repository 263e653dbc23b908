"""Where data comes from: names, folders, lists of names, stdin; and the account of what could not be used."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from typing import IO, TYPE_CHECKING, BinaryIO

from aetool.cli.report import Talk
from aetool.cli.sinks import Target, keep_inputs
from aetool.errors import (
    AetoolError,
    InvalidInput,
    ReadWriteError,
    SomeInputsFailed,
    UsageError,
    printable,
    reason,
)

if TYPE_CHECKING:
    from aetool.images.files import Failure, ImageFile


def stdin() -> BinaryIO:
    """Return stdin as bytes; raises `UsageError` where a person sits at it, `ReadWriteError` where it is closed."""
    if sys.stdin is None:
        raise ReadWriteError("stdin is closed; name a file instead")
    if sys.stdin.isatty():
        raise UsageError("nothing is piped into stdin; name a file, or pipe something in")
    return sys.stdin.buffer


def holds_latents(stream: IO[bytes]) -> bool:
    """Return whether a stream starts like latents (JSON, .npz, .npy, or nothing at all), without reading from it."""
    start: bytes = stream.peek(8)  # type: ignore[attr-defined]
    return start.lstrip()[:1] in (b"{", b"[", b"") or start.startswith((b"PK", b"\x93NUMPY"))


def all_names(names: list[str] | None, files_from: str | None, null: bool) -> Iterator[str]:
    """Yield the names given as arguments, then those of --files-from, as they are read."""
    yield from names or []
    if files_from == "-":
        yield from _listed(stdin(), null)
    elif files_from:
        try:
            with open(files_from, "rb") as stream:  # noqa: PTH123
                yield from _listed(stream, null)
        except OSError as error:
            raise ReadWriteError(f"could not read {files_from}: {reason(error)}") from error


def _listed(stream: IO[bytes], null: bool) -> Iterator[str]:
    end, rest = b"\0" if null else b"\n", b""
    while chunk := stream.read1(1 << 16):  # type: ignore[attr-defined]
        *whole, rest = (rest + chunk).split(end)
        yield from (os.fsdecode(name) for name in whole if name)
    if rest:
        yield os.fsdecode(rest)


def image_files(names: Iterable[str]) -> Iterator[ImageFile]:
    """Yield the pictures that names stand for: files, folders, and - for a picture on stdin."""
    from aetool.images.files import ImageFile, find_images

    for name in names:
        if name == "-":
            yield ImageFile("-", "stdin", data=stdin().read())
        else:
            yield from find_images([name])


def input_files(names: list[str] | None, files_from: str | None, null: bool, target: Target) -> Iterator[ImageFile]:
    """Yield the pictures of a command, none of which `target` may replace; raises `UsageError` where none is named."""
    if not names and not files_from:
        raise UsageError("no input; name images or folders, - for stdin, or --files-from a list")
    if files_from:
        target.inputs.add(files_from)
    files = image_files(_kept(all_names(names, files_from, null), target))
    return files if target.path is None else _noted(files, target)


def _kept(names: Iterable[str], target: Target) -> Iterator[str]:
    for name in names:
        keep_inputs(target, [] if name == "-" else [name])
        target.inputs.add(name)
        yield name


def _noted(files: Iterable[ImageFile], target: Target) -> Iterator[ImageFile]:
    for file in files:
        target.inputs.add_picture(file.path)
        yield file


class Failures:
    """Counts what worked and what did not, names each failure when it comes, and gives the verdict at the end."""

    def __init__(self, talk: Talk, file: str | None = None) -> None:
        self.talk = talk
        self.file = file
        self.done = self.skipped = 0
        self.errors: list[AetoolError] = []
        self._lines: list[str] = []

    def add(self, failures: Iterable[Failure]) -> None:
        """Name what failed on stderr, and note it for the file of errors."""
        import json

        for failure in failures:
            self.errors.append(failure.error)
            text = str(failure.error)
            self._lines.append(json.dumps({"path": failure.path, "reason": text}) + "\n")
            self.talk.warn(text if failure.path in text else f"{failure.path} is skipped: {text}")

    def refuse_nothing(self) -> None:
        """Raise the verdict while the output is still open, if nothing worked: then nothing is replaced by nothing."""
        if not self.done and not self.skipped:
            self.verdict()

    def verdict(self) -> None:
        """Write the file of errors, if one is wanted; raise what the command ends with, if anything failed."""
        if self.file is not None:
            from pathlib import Path

            from aetool.system.atomic import write_file

            write_file(Path(self.file), "".join(self._lines).encode())
        failed = len(self.errors)
        if self.skipped:
            self.talk.note(f"{self.skipped} are there already")
        if failed and (self.done or self.skipped):
            raise SomeInputsFailed(f"{self.done} done, {failed} failed")
        if failed:
            kinds = {type(error) for error in self.errors}
            kind = kinds.pop() if len(kinds) == 1 else InvalidInput
            raise kind("nothing could be used" if failed > 1 else "the input could not be used")
        if not self.done and not self.skipped:
            raise InvalidInput("no image found; expected image files, or folders of png, jpg, gif, bmp, webp, tif, ppm")


def only_missing(files: Iterable[ImageFile], target: Target, failures: Failures) -> Iterator[ImageFile]:
    """Yield the pictures that have no output in the folder yet, each under the name that its output will have."""
    from dataclasses import replace

    from aetool.images.folder import Places

    if target.kind != "folder" or target.path is None:
        raise UsageError("--skip-existing is for an output folder; end -o with /")
    place = Places(str(target.path))
    for file in files:
        path = place(file.relative)
        if os.path.lexists(path):
            failures.skipped += 1
        else:
            yield replace(file, relative=os.path.relpath(path, target.path))


def open_input(name: str) -> BinaryIO:
    """Open a file of latents, or - for stdin; raises `ReadWriteError`."""
    if name == "-":
        return stdin()
    try:
        return open(name, "rb")  # noqa: PTH123
    except OSError as error:
        raise ReadWriteError(f"could not read {printable(name)}: {reason(error)}") from error
