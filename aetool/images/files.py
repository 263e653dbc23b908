"""Picture files: found below folders in sorted order, read in batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
from PIL import Image

from aetool.arrays import Images, Pixels, to_images
from aetool.choices import IMAGE_SUFFIXES
from aetool.errors import AetoolError
from aetool.images.decode import decode_image, decode_picture, failure_of
from aetool.images.guesses import Guesses
from aetool.images.spec import ImageSpec
from aetool.system.limits import LIMITS, Limits
from aetool.system.reading import read_file

Value = TypeVar("Value")


def walk(folder: str) -> Iterator[str]:
    """Yield the image files below `folder` in sorted order; links to folders are not followed."""
    try:
        with os.scandir(folder) as entries:
            kinds = {os.fsencode(entry.name): inside for entry in entries if (inside := _inside(entry)) is not None}
    except OSError:
        yield folder  # so that it is named as what could not be read
        return
    start = os.path.join(folder, "")  # noqa: PTH118
    for name in sorted(kinds):
        path = start + os.fsdecode(name)
        if kinds[name]:
            yield from walk(path)
        else:
            yield path


def _inside(entry: os.DirEntry[str]) -> bool | None:
    """Return True for a folder to walk, False for a picture by its name, None for anything else.

    An unreadable entry counts as a picture: reading the entry names the reason.
    """
    if entry.name.startswith("."):
        return None
    if entry.is_dir(follow_symlinks=False):
        return True
    if os.path.splitext(entry.name)[1].lower() not in IMAGE_SUFFIXES:  # noqa: PTH122
        return None
    try:
        return False if entry.is_file() else None
    except OSError:
        return False


@dataclass(frozen=True)
class ImageFile:
    """A picture to read: its path, its path relative to the walked folder, and its class.

    `data` holds the bytes of a picture from stdin, `picture` an opened Pillow image. `named` marks a file named by the
    user: then a FIFO, such as <(...) of the shell, is read.
    """

    path: str
    relative: str
    label: str | None = None
    data: bytes | None = None
    named: bool = False
    picture: Image.Image | None = None


@dataclass(frozen=True)
class Failure:
    """An unusable input, and its error."""

    path: str
    error: AetoolError


@dataclass(frozen=True, eq=False)
class FileBatch(Generic[Value]):
    """A value computed from n picture files, in order, and the failures and new guesses since the previous batch.

    `guesses` are sentences on levels that no file tells (see `levels`).
    """

    value: Value
    files: tuple[ImageFile, ...]
    failures: tuple[Failure, ...] = ()
    guesses: tuple[str, ...] = ()


def read_batches(
    files: Iterable[ImageFile], spec: ImageSpec, size: int, limits: Limits = LIMITS
) -> Iterator[FileBatch[Images]]:
    """Yield the images of `files` in order, `size` at a time; unreadable files are failures of a batch.

    The first batch has a single image, for an immediate first result; the next batches grow to `size`.
    """
    pixels: list[Pixels] = []
    read: list[ImageFile] = []
    failures: list[Failure] = []
    wanted, guesses = 1, new_guesses(limits)
    for file in files:
        try:
            pixels.append(pixels_of(file, spec, limits, guesses))
            read.append(file)
        except Exception as error:  # of whatever kind: one picture never stops the others
            failures.append(Failure(file.path, failure_of(error)))
        if len(pixels) >= wanted or len(failures) >= size:
            yield _batch(pixels, read, failures, spec, guesses.new())
            pixels, read, failures, wanted = [], [], [], min(size, wanted * 4)
    if pixels or failures:
        yield _batch(pixels, read, failures, spec, guesses.new())


def pixels_of(file: ImageFile, spec: ImageSpec, limits: Limits, guesses: Guesses) -> Pixels:
    """Return a picture as uint8 (c, h, w); raises `InvalidInput`, `ReadWriteError`, `LimitExceeded`."""
    judge = partial(guesses.white, file)
    if file.picture is not None:
        return decode_picture(file.picture, spec, limits, judge)
    return decode_image(read_image(file), spec, limits, judge)


def new_guesses(limits: Limits) -> Guesses:
    """Return the guesses of levels of a stream of pictures, none made yet."""
    return Guesses(walk, limits)


def read_image(file: ImageFile) -> bytes:
    """Return the bytes of a picture; raises `ReadWriteError`, `LimitExceeded`."""
    return read_file(file.path, fifo=file.named) if file.data is None else file.data


def _batch(
    pixels: list[Pixels], files: list[ImageFile], failures: list[Failure], spec: ImageSpec, guesses: tuple[str, ...]
) -> FileBatch[Images]:
    stacked = np.stack(pixels) if pixels else np.empty((0, *spec.shape), np.uint8)
    return FileBatch(to_images(stacked), tuple(files), tuple(failures), guesses)


def find_images(names: Iterable[str]) -> Iterator[ImageFile]:
    """Yield the pictures of `names`: files, and the files below folders, with the first sub-folders as classes."""
    for name in names:
        if not os.path.isdir(name):  # noqa: PTH112 (which raises for names that are too long, say)
            yield ImageFile(name, Path(name).name, named=True)
            continue
        start = len(os.path.join(name, ""))  # noqa: PTH118
        for path in walk(name):
            relative = path[start:] or "."
            label, inside, _ = relative.partition(os.sep)
            yield ImageFile(path, relative, label if inside else None)
