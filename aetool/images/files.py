"""Picture files: found below folders in sorted order, read in batches."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aetool.arrays import Images, Pixels, to_images
from aetool.errors import AetoolError
from aetool.images.decode import decode_image
from aetool.images.spec import ImageSpec
from aetool.system.reading import read_file

SUFFIXES = frozenset([".png", ".jpg", ".jpeg", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"])


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
    """Return True for a folder to walk, False for a picture by its name, None for what is neither.

    What cannot be looked at is taken for a picture: reading it says why.
    """
    if entry.name.startswith("."):
        return None
    if entry.is_dir(follow_symlinks=False):
        return True
    if os.path.splitext(entry.name)[1].lower() not in SUFFIXES:  # noqa: PTH122
        return None
    try:
        return False if entry.is_file() else None
    except OSError:
        return False


@dataclass(frozen=True)
class ImageFile:
    """One picture to read: where it is, what it is called below the folder it was found in, and its class there.

    `data` holds a picture that is no file, as one from stdin; `named` says that this very file was asked for: then a
    FIFO, as the shell makes one of <(…), is read.
    """

    path: str
    relative: str
    label: str | None = None
    data: bytes | None = None
    named: bool = False


@dataclass(frozen=True)
class Failure:
    """An input that could not be used, and why."""

    path: str
    error: AetoolError


@dataclass(frozen=True, eq=False)
class ImageBatch:
    """Images (n, c, h, w) with their n files, and what failed since the batch before."""

    images: Images
    files: tuple[ImageFile, ...]
    failures: tuple[Failure, ...] = ()


def read_batches(files: Iterable[ImageFile], spec: ImageSpec, size: int) -> Iterator[ImageBatch]:
    """Yield the images of `files` in order, `size` at a time; what cannot be read comes as failures.

    The first batch has one image, so that the first result is there at once, and the next ones grow to `size`.
    """
    pixels: list[Pixels] = []
    read: list[ImageFile] = []
    failures: list[Failure] = []
    wanted = 1
    for file in files:
        try:
            pixels.append(decode_image(read_image(file), spec))
            read.append(file)
        except AetoolError as error:
            failures.append(Failure(file.path, error))
        if len(pixels) >= wanted or len(failures) >= size:
            yield _batch(pixels, read, failures, spec)
            pixels, read, failures, wanted = [], [], [], min(size, wanted * 4)
    if pixels or failures:
        yield _batch(pixels, read, failures, spec)


def read_image(file: ImageFile) -> bytes:
    """Return the bytes of a picture; raises `ReadWriteError`, `LimitExceeded`."""
    return read_file(file.path, fifo=file.named) if file.data is None else file.data


def _batch(pixels: list[Pixels], files: list[ImageFile], failures: list[Failure], spec: ImageSpec) -> ImageBatch:
    stacked = np.stack(pixels) if pixels else np.empty((0, *spec.shape), np.uint8)
    return ImageBatch(to_images(stacked), tuple(files), tuple(failures))


def find_images(names: Iterable[str]) -> Iterator[ImageFile]:
    """Yield the pictures that `names` stand for: a file as it is, a folder walked, its first sub-folders as classes."""
    for name in names:
        if not os.path.isdir(name):  # noqa: PTH112 (which raises for names that are too long, say)
            yield ImageFile(name, Path(name).name, named=True)
            continue
        start = len(os.path.join(name, ""))  # noqa: PTH118
        for path in walk(name):
            relative = path[start:] or "."
            label, inside, _ = relative.partition(os.sep)
            yield ImageFile(path, relative, label if inside else None)
