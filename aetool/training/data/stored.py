"""Images in a file, read when they are needed, so that a data set may be larger than memory."""

from __future__ import annotations

import contextlib
import hashlib
import io
import math
import os
import time
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt

from aetool.arrays import Pixels
from aetool.errors import ReadWriteError, printable
from aetool.system.atomic import sync_folder, writing
from aetool.system.lacking import sync_file
from aetool.system.reading import reading

IN_MEMORY = 1 << 27
"""Bytes of images that are held in memory as a whole; more stay in their file."""
BLOCK = 1 << 23
"""Bytes of images that are read at a time."""
LOOKS = 3
"""Times that a file is compared with its sha256 before it counts as one that changes all the time."""
TICK = 20_000_000
"""Nanoseconds within which a system may give two changes of a file the same time."""

Rows = npt.NDArray[np.intp]
Index: TypeAlias = slice | npt.NDArray[Any]


class Changed(ReadWriteError):
    """The file of images is shorter or has other bytes than when its images were first read."""

    def __init__(self, path: Path) -> None:
        super().__init__(f"{printable(str(path))} changed while images were read from it", fix="changed")


class PixelFile:
    """An open file with n images of one shape, one after the other, from `offset` on.

    Every reading is followed by a look at size and times of the file. Where these are others than before, as after an
    overwriting, a renaming or a removal, all images are compared with their sha256, so that no other pixels pass.
    Raises `Changed` for another sha256 and for a file that ends early, `ReadWriteError`.
    """

    def __init__(self, path: Path, offset: int, count: int, shape: tuple[int, ...], sha256: str | None = None) -> None:
        self.path, self.offset, self.count, self.shape = path, offset, count, shape
        self.image_bytes = math.prod(shape)
        with reading(path):
            self._stream = io.FileIO(path)
            self._close = weakref.finalize(self, self._stream.close)
        self.sha256 = sha256
        self._writer: BinaryIO | None = None
        self.look_again()

    def read(self, rows: Rows) -> npt.NDArray[np.uint8]:
        """Return images (len(rows), *shape), neighbours in the file by one call, in the order of the file."""
        while True:
            images = self._filled(rows)
            if self._look() == self._state:
                return images
            self.look_again()

    def look_again(self) -> None:
        """Compare all images with their sha256, and take size and times of the file as they are now."""
        for _ in range(LOOKS):
            state = self._look()
            if abs(time.time_ns() - state[-1]) < TICK:  # another change now would bear the same time
                time.sleep(TICK / 1e9)
            found = self._digest()
            self.sha256 = self.sha256 or found
            if found != self.sha256:
                break
            if self._look() == state:
                self._state = state
                return
        raise Changed(self.path)

    def own(self, writer: BinaryIO) -> None:
        """Take over a temporary file from its locked writer: to be removed with these images, unless it is kept."""
        self._writer, self._remove = writer, weakref.finalize(self, remove, writer, self.path)

    @property
    def is_temporary(self) -> bool:
        """Whether the file is to be removed."""
        return self._writer is not None

    def keep(self, target: Path) -> None:
        """Move a temporary file, flushed, to its place in a folder; raises `ReadWriteError`."""
        if self._writer is not None:
            with writing(target):
                sync_file(self._writer.fileno())
                self.path.replace(target)
                self._remove.detach()
                self._writer.close()
                self.path, self._writer = target, None
                sync_folder(target.parent)
            self.look_again()

    def discard(self) -> None:
        """Remove a temporary file from its folder now; its images can be read as before."""
        if self._writer is not None:
            self._remove()
            self._writer = None
            self.look_again()

    def _look(self) -> tuple[int, int, int]:
        with reading(self.path):
            status = os.fstat(self._stream.fileno())
        return status.st_size, status.st_mtime_ns, status.st_ctime_ns

    def _digest(self) -> str:
        digest = hashlib.sha256()
        step = max(1, BLOCK // self.image_bytes)
        for start in range(0, self.count, step):
            digest.update(self._filled(np.arange(start, min(self.count, start + step))).data)
        return digest.hexdigest()

    def _filled(self, rows: Rows) -> npt.NDArray[np.uint8]:
        images = np.empty((len(rows), *self.shape), np.uint8)
        if not len(rows):
            return images
        space = memoryview(images.data).cast("B")
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(rows) != 1) + 1, [len(rows)]))
        bounds, places = (firsts * self.image_bytes).tolist(), (rows * self.image_bytes + self.offset).tolist()
        starts = firsts[:-1]
        with reading(self.path):
            for i in np.argsort(rows[starts]).tolist():
                self._fill(space[bounds[i] : bounds[i + 1]], places[starts[i]])
        return images

    def _fill(self, space: memoryview, place: int) -> None:
        while space:
            done = _read_at(self._stream, space, place)
            if not done:
                raise Changed(self.path)
            space, place = space[done:], place + done


def remove(writer: BinaryIO, path: Path) -> None:
    """Close the writer of a temporary file, and remove the file where the system can."""
    for end in (writer.close, path.unlink):
        with contextlib.suppress(OSError):
            end()


def _read_at(stream: io.FileIO, space: memoryview, place: int) -> int:
    """Read into `space` from a place of a file, and return the number of bytes; without moving, where the system can.

    Forked processes and threads share the position of a file.
    """
    if hasattr(os, "preadv"):
        return os.preadv(stream.fileno(), [space], place)
    stream.seek(place)
    return stream.readinto(space)


class StoredPixels:
    """Pixels (n, c, h, w) as rows of a file: an array of which blocks and batches are read, never the whole.

    `rows` (n,) are numbers of images in the file, None for all; `last` says that the file has the channels last. An
    index is a whole number, a slice, or an array of whole numbers or truth values, and gives an array in memory.
    """

    dtype = np.dtype(np.uint8)

    def __init__(self, file: PixelFile, rows: Rows | None = None, last: bool = False) -> None:
        self.file, self.last = file, last
        self.rows: Rows = np.arange(file.count) if rows is None else rows
        shape = (file.shape[2], *file.shape[:2]) if last else file.shape
        self.shape: tuple[int, int, int, int] = (len(self.rows), shape[0], shape[1], shape[2])

    def __repr__(self) -> str:
        """Return one line."""
        return f"<uint8 of shape {self.shape} in a file>"

    def __len__(self) -> int:
        """Return the number of images."""
        return len(self.rows)

    @property
    def nbytes(self) -> int:
        """The number of bytes, which is the number of values."""
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """The number of values."""
        return self.nbytes

    def __getitem__(self, index: int | Index) -> Pixels:
        """Return images (m, c, h, w), or one (c, h, w); raises `Changed`, `ReadWriteError`."""
        rows = self.rows[index]
        images = self.file.read(np.atleast_1d(rows))
        if self.last:
            images = np.ascontiguousarray(images.transpose(0, 3, 1, 2))
        found: Pixels = images if np.ndim(rows) else images[0]
        return found

    def __iter__(self) -> Iterator[Pixels]:
        """Yield the images one by one, read in blocks."""
        for block in blocks(self):
            yield from block

    def taken(self, rows: Index) -> StoredPixels:
        """Return some of the images, without reading them."""
        return StoredPixels(self.file, self.rows[rows], self.last)


AnyPixels: TypeAlias = Pixels | StoredPixels
"""Pixels (n, c, h, w) in memory, or in a file; both have `shape`, `size`, `len`, and [slice or array] as an array."""


def taken(pixels: AnyPixels, rows: Index) -> AnyPixels:
    """Return some images; those in a file stay there."""
    return pixels.taken(rows) if isinstance(pixels, StoredPixels) else pixels[rows]


def blocks(pixels: AnyPixels, most: int = BLOCK) -> Iterator[Pixels]:
    """Yield all images in arrays of at most `most` bytes, or of one image."""
    step = max(1, most // max(1, math.prod(pixels.shape[1:])))
    for start in range(0, len(pixels), step):
        yield pixels[start : start + step]


def whole(pixels: AnyPixels) -> Pixels:
    """Return all images in memory."""
    return pixels[:] if isinstance(pixels, StoredPixels) else pixels


def sha256(pixels: AnyPixels) -> str:
    """Return the sha256 of all images, one after the other."""
    digest = hashlib.sha256()
    for block in blocks(pixels):
        digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()


def stored_pixels(
    path: Path, shape: tuple[int, ...], sha256: str | None = None, offset: int = 0, last: bool = False
) -> AnyPixels:
    """Return the images of a file of bytes from `offset` on, as they lie there in `shape`: few in memory, many not.

    `last` says that the channels are last in the file. Raises `Changed` for another sha256, `ReadWriteError` and
    `ValueError` for no images.
    """
    count, *image = shape
    if len(shape) != 4 or min(shape) < 1:
        raise ValueError(f"no images have the shape {shape}")
    pixels = StoredPixels(PixelFile(path, offset, count, tuple(image), sha256), last=last)
    return pixels[:] if pixels.nbytes <= IN_MEMORY else pixels
