"""Files of labelled images: idx (the format of MNIST), .npz and .npy, with checks."""

from __future__ import annotations

import contextlib
import gzip
import io
import math
import os
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, OneLine, Pixels
from aetool.errors import InvalidInput, LimitExceeded
from aetool.images.files import Failure
from aetool.images.stacks import Stack, open_stack
from aetool.images.walk import Listing
from aetool.system.limits import ALWAYS, LIMITS, MAX_RATIO, Limits
from aetool.system.names import composed
from aetool.system.progress import Report
from aetool.system.reading import read_file, reading
from aetool.training.data import stored
from aetool.training.data.room import Place, room_for
from aetool.training.data.stored import AnyPixels, stored_pixels

TIMES = 8
"""Ratio of the largest file of images to the largest file of latents."""
PACKED = b"\x1f\x8b"
"""The first bytes of a gzip file."""
ARRAY = "array"
"""The type of the number that is white in a stack (see `FolderOptions`)."""
IDX_HEADER = 16
"""Bytes before the values of an idx file of images."""


@dataclass(frozen=True, eq=False, repr=False)
class Labelled(OneLine):
    """Labelled images of a source: pixels (n, c, h, w) and labels (n,), -1 for none.

    train_count   number of training images, which come first; None without an official split
    sources       n names; None for images with a number only
    background    grey level behind transparent pixels
    skipped       unusable files
    listing       what else was left out of a folder, and how the folder was understood
    whites        numbers that were white in pictures of more than 8 bits, by type (see `FolderOptions`)
    """

    pixels: AnyPixels
    labels: Labels
    classes: tuple[str, ...]
    train_count: int | None = None
    sources: tuple[str, ...] | None = None
    background: int = 0
    skipped: tuple[Failure, ...] = ()
    listing: Listing = field(default_factory=Listing)
    whites: tuple[tuple[str, int], ...] = ()


class TooFewImages(InvalidInput):
    """A folder with too few usable pictures, with the unusable files and the account of the folder."""

    def __init__(self, message: str, skipped: tuple[Failure, ...] = (), listing: Listing | None = None) -> None:
        super().__init__(message)
        self.skipped, self.listing = skipped, listing or Listing()


def parse_idx(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the array in an idx file of bytes (LeCun's format: 0, 0, 8, dimensions, big-endian sizes, data)."""
    shape, start = _idx_header(data, name)
    _check_size(shape, len(data) - start, name)
    return np.frombuffer(data, np.uint8, offset=start).reshape(shape)


def _idx_header(data: bytes, name: str) -> tuple[list[int], int]:
    """Return the shape that an idx file declares, and where its values begin."""
    dimensions = data[3] if len(data) >= 4 and data[:3] == b"\0\0\x08" else 0
    if dimensions not in (1, 3) or len(data) < 4 + 4 * dimensions:
        raise InvalidInput(f"{name} is not an idx file of bytes with images or labels")
    return np.frombuffer(data, ">u4", dimensions, 4).astype(np.int64).tolist(), 4 + 4 * dimensions


def _check_size(shape: list[int], held: int, name: str) -> None:
    if math.prod(shape) != held:
        raise InvalidInput(f"{name} says {' x '.join(map(str, shape))} and holds {held} bytes")


def read_idx_pair(path: Path, limits: Limits = LIMITS, place: Place | None = None) -> Labelled:
    """Read idx images, and the labels in the file with "labels-idx1" in place of "images-idx3" in its name.

    Many images stay in their file, or are unpacked to the folder that `place` gives (see `room_for`).
    """
    images = _idx_images(path, limits, place)
    beside = labels_beside(path)
    if beside is None:
        return Labelled(images, np.full(len(images), -1), ())
    return Labelled(images, *_numbered(parse_idx(_unpacked(beside, limits), beside.name), beside.name))


def labels_beside(path: Path) -> Path | None:
    """Return the file of the labels of idx images, None where there is none."""
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    return beside if beside != path and beside.is_file() else None


def _idx_images(path: Path, limits: Limits, place: Place | None) -> AnyPixels:
    with reading(path), path.open("rb") as stream:
        size = os.fstat(stream.fileno()).st_size
        packed = stream.read(2) == PACKED
        stream.seek(0)
        head = _start(stream, path) if packed else stream.read(IDX_HEADER)
    if size > TIMES * limits.bytes or len(head) < IDX_HEADER or head[3] != 3:
        return _few_images(path, limits)  # or the error of what the file is
    (n, h, w), start = _idx_header(head, path.name)
    if n * h * w <= stored.IN_MEMORY:
        return _few_images(path, limits)
    if packed:
        return _unpacked_images(path, (n, h, w), _most(size, limits), place)
    _check_size([n, h, w], size - start, path.name)
    return stored_pixels(path, (n, 1, h, w), offset=start)


def _few_images(path: Path, limits: Limits) -> Pixels:
    images = parse_idx(_unpacked(path, limits), path.name)
    if images.ndim != 3:
        raise InvalidInput(f"{path.name} holds labels; name the file of the images")
    return images[:, None]


def _start(stream: BinaryIO, path: Path) -> bytes:
    with _gzip_errors(path):
        return gzip.GzipFile(fileobj=stream).read(IDX_HEADER)


def _unpacked_images(path: Path, shape: tuple[int, int, int], most: int, place: Place | None) -> AnyPixels:
    """Return the images of a packed file, unpacked block by block."""
    n, h, w = shape
    room = room_for(min(n, most // (h * w)), (1, h, w), place)
    step = max(1, stored.BLOCK // (h * w)) * h * w
    held = 0
    with reading(path), path.open("rb") as file, _gzip_errors(path):
        stream = gzip.GzipFile(fileobj=file)
        stream.read(IDX_HEADER)
        while part := stream.read(step):
            held += len(part)
            if held + IDX_HEADER > most:
                raise _too_large(path, most)
            if held <= n * h * w and not len(part) % (h * w):
                room.add(np.frombuffer(part, np.uint8).reshape(-1, 1, h, w))
    _check_size(list(shape), held, path.name)
    return room.done()


def _unpacked(path: Path, limits: Limits) -> bytes:
    most = TIMES * limits.bytes
    data = read_file(path, most)
    if data[:2] != PACKED:
        return data
    most = _most(len(data), limits)
    with _gzip_errors(path):
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(most + 1)
    if len(data) > most:
        raise _too_large(path, most)
    return data


def _most(packed: int, limits: Limits) -> int:
    """Return the bytes that a gzip file of so many may unpack to."""
    return min(TIMES * limits.bytes, max(ALWAYS, MAX_RATIO * packed))


def _too_large(path: Path, most: int) -> LimitExceeded:
    return LimitExceeded(f"{path} unpacks to more than the {most >> 20} MiB accepted of a file of its size")


@contextlib.contextmanager
def _gzip_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} is a damaged gzip file") from error


def read_arrays(
    path: Path,
    limits: Limits = LIMITS,
    place: Place | None = None,
    layout: str | None = None,
    white: int | None = None,
    report: Report = lambda *_: None,
    channels: int | None = None,
) -> Labelled:
    """Read the stack of images in an .npz or .npy file (see `open_stack`), and its labels if there are.

    Many images stay in their file where they lie there as bytes, else they are unpacked to the folder that `place`
    gives (see `room_for`). `channels` is the number that the images must have, None for any.
    """
    with open_stack(path, limits, layout, channels, white, path.name) as stack:
        if stack.note:
            report(stack.note, 0, None, "")
        none: tuple[Labels, tuple[str, ...]] = np.full(len(stack), -1), ()
        labels, classes = none if stack.labels is None else _numbered(stack.labels, path.name)
        whites = () if stack.white is None else ((ARRAY, stack.white),)
        return Labelled(_pixels_of(path, stack, place), labels, classes, whites=whites)


def _pixels_of(path: Path, stack: Stack, place: Place | None) -> AnyPixels:
    n, c, h, w = stack.shape
    if stack.start is None or n * c * h * w <= stored.IN_MEMORY:
        room = room_for(n, (c, h, w), place)
        for block in stack.blocks():
            room.add(block)
        return room.done()
    for _ in stack.blocks():  # which compares the checksum of the archive
        pass
    last = stack.layout == "nhwc"
    return stored_pixels(path, (n, h, w, c) if last else stack.shape, offset=stack.start, last=last)


def _numbered(labels: npt.NDArray[Any], name: str) -> tuple[Labels, tuple[str, ...]]:
    """Return class numbers, and the class names in the order of the labels, numbers or texts."""
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS":
        raise InvalidInput(f"the labels in {name} must be one whole number or text an image")
    values, numbers = np.unique(labels, return_inverse=True)
    try:
        names = [composed(v.decode() if isinstance(v, bytes) else str(v)) for v in values.tolist()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the labels in {name} are no UTF-8") from error
    classes = {one: i for i, one in enumerate(dict.fromkeys(names))}  # two spellings of one name are one class
    return np.array([classes[one] for one in names], np.int64)[numbers], tuple(classes)
