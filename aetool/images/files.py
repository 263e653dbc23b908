"""Picture files: found below folders in sorted order, read in batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
from PIL import Image

from aetool.arrays import Images, OneLine, Pixels, to_images
from aetool.errors import AetoolError, InvalidInput
from aetool.images.arrangement import arrangement_of
from aetool.images.decode import decode_image, decode_picture, failure_of
from aetool.images.guesses import Guesses
from aetool.images.spec import ImageSpec
from aetool.images.tiles import Sheet, says_sheet, tiles_of
from aetool.images.walk import Listing, walk
from aetool.system.limits import LIMITS, Limits
from aetool.system.names import existing
from aetool.system.reading import read_file

if TYPE_CHECKING:
    from aetool.images.stacked import Stacked

Value = TypeVar("Value")
Other = TypeVar("Other")

POINTERS = (b"version https://git-lfs.github.com/spec/", b"/annex/objects/")
"""Starts of the files that git-lfs and git-annex leave in place of a picture."""


@dataclass(frozen=True)
class ImageFile:
    """A picture to read: its path, its path relative to the walked folder, its class, and its part of a split.

    `data` holds the bytes of a picture from stdin, `picture` an opened Pillow image. `named` marks a file named by the
    user: then a FIFO, such as <(...) of the shell, is read. `part` is "train" or "test". `whole` marks a picture that
    is never cut into tiles. `folder` is the walked folder, None for a picture named alone. `stacked` is an image of an
    array (see `aetool.images.stacked`).
    """

    path: str
    relative: str
    label: str | None = None
    part: str | None = None
    data: bytes | None = field(default=None, repr=False)
    named: bool = False
    picture: Image.Image | None = None
    whole: bool = False
    folder: str | None = None
    stacked: Stacked | None = field(default=None, repr=False)


@dataclass(frozen=True)
class Failure:
    """An unusable input, and its error."""

    path: str
    error: AetoolError


@dataclass(frozen=True, eq=False)
class FileBatch(Generic[Value]):
    """A value computed from n pictures, in order, and the failures, sheets and new guesses since the previous batch.

    `guesses` are sentences on levels that no file tells (see `levels`).
    """

    value: Value = field(repr=False)
    files: tuple[ImageFile, ...] = field(repr=False)
    failures: tuple[Failure, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    guesses: tuple[str, ...] = ()

    def with_value(self, value: Other) -> FileBatch[Other]:
        """Return the batch with another value of the same pictures."""
        return FileBatch(value, self.files, self.failures, self.sheets, self.guesses)


@dataclass(frozen=True, eq=False, repr=False)
class _Part(OneLine):
    """A batch that is being read."""

    pixels: list[Pixels] = field(default_factory=list)
    files: list[ImageFile] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    sheets: list[Sheet] = field(default_factory=list)

    def batch(self, spec: ImageSpec, guesses: Guesses) -> FileBatch[Images]:
        stacked = np.stack(self.pixels) if self.pixels else np.empty((0, *spec.shape), np.uint8)
        found = tuple(self.files), tuple(self.failures), tuple(self.sheets)
        return FileBatch(to_images(stacked), *found, guesses.new())


def read_batches(
    files: Iterable[ImageFile], spec: ImageSpec, size: int, limits: Limits = LIMITS
) -> Iterator[FileBatch[Images]]:
    """Yield the images of `files` in order, `size` at a time; unreadable files are failures of a batch.

    A sheet that aetool made gives its tiles, named NAME[1], NAME[2] and so on, unless its file is to be taken whole.
    The first batch has a single image, for an immediate first result; the next batches grow to `size`.
    """
    part, wanted, guesses = _Part(), 1, new_guesses(limits)
    for file in files:
        try:
            found = pixels_or_sheet(file, spec, limits, guesses)
            for one, picture in (
                _tiles(file, found, spec, limits, part) if isinstance(found, bytes) else [(file, found)]
            ):
                if len(part.pixels) >= wanted:
                    yield part.batch(spec, guesses)
                    part, wanted = _Part(), min(size, wanted * 4)
                part.pixels.append(picture)
                part.files.append(one)
        except Exception as error:  # of whatever kind: one picture never stops the others
            part.failures.append(Failure(file.path, failure_of(error)))
        if len(part.pixels) >= wanted or len(part.failures) >= size:
            yield part.batch(spec, guesses)
            part, wanted = _Part(), min(size, wanted * 4)
    if part.pixels or part.failures:
        yield part.batch(spec, guesses)


def pixels_of(file: ImageFile, spec: ImageSpec, limits: Limits, guesses: Guesses) -> Pixels:
    """Return a picture as uint8 (c, h, w), a sheet as one picture.

    Raises `InvalidInput`, `ReadWriteError`, `LimitExceeded`.
    """
    found = pixels_or_sheet(replace(file, whole=True), spec, limits, guesses)
    assert not isinstance(found, bytes)
    return found


def pixels_or_sheet(file: ImageFile, spec: ImageSpec, limits: Limits, guesses: Guesses) -> Pixels | bytes:
    """Return a picture as `pixels_of` does, or the bytes of a file that calls itself a sheet."""
    if file.stacked is not None:
        return _of_stack(file.stacked, spec, limits, guesses)
    judge = partial(guesses.white, file, spec.channels)
    if file.picture is not None:
        return decode_picture(file.picture, spec, limits, judge)
    data = read_image(file)
    return data if says_sheet(data) and not file.whole else decode_image(data, spec, limits, judge)


def _of_stack(stacked: Stacked, spec: ImageSpec, limits: Limits, guesses: Guesses) -> Pixels:
    from aetool.images.stacked import prepared

    if stacked.note is not None:
        guesses.say(stacked.note)
    return prepared(stacked, spec, limits)


def _tiles(
    file: ImageFile, data: bytes, spec: ImageSpec, limits: Limits, part: _Part
) -> Iterator[tuple[ImageFile, Pixels]]:
    """Yield the tiles of a sheet, one at a time, or the picture where its grid does not fit; `part` notes the sheet."""
    count, tiles = tiles_of(data, limits)
    if count != 1:
        part.sheets.append(Sheet(file.path, count))
    if not count:
        yield file, decode_image(data, spec, limits)
    stem, suffix = os.path.splitext(file.relative)  # noqa: PTH122
    for number, tile in enumerate(tiles, 1):
        named = replace(file, path=f"{file.path}[{number}]", relative=f"{stem}-{number:04}{suffix}", data=None)
        yield file if count == 1 else named, decode_picture(tile, spec, limits)


def new_guesses(limits: Limits, whites: Mapping[str, int] | None = None) -> Guesses:
    """Return the guesses of levels of a stream of pictures, none made yet but `whites`."""
    return Guesses(walk, limits, whites)


def read_image(file: ImageFile) -> bytes:
    """Return the bytes of a picture; raises `ReadWriteError`, `LimitExceeded`, `InvalidInput` for a pointer to one."""
    data = read_file(file.path, fifo=file.named) if file.data is None else file.data
    if data.startswith(POINTERS):
        tool = "git-lfs" if data.startswith(POINTERS[0]) else "git-annex"
        raise InvalidInput(f"a {tool} pointer, not the picture itself", fix=tool)
    return data


def find_images(names: Iterable[str], listing: Listing | None = None) -> Iterator[ImageFile]:
    """Yield the pictures of `names`: files, and the files below folders with their classes (see `Arrangement`).

    `listing` takes account of what is left out of the folders.
    """
    for name in map(existing, names):
        if not os.path.isdir(name):  # noqa: PTH112 (which raises for names that are too long, say)
            yield ImageFile(name, Path(name).name, named=True)
            continue
        start = len(os.path.join(name, ""))  # noqa: PTH118
        arrangement = arrangement_of(name)
        if listing is not None and (sentence := arrangement.sentence(name)):
            listing.arrangements.append(sentence)
        place = arrangement.place
        for path in walk(name, listing):
            relative = path[start:] or "."
            yield ImageFile(path, relative, *place(relative), folder=name)
