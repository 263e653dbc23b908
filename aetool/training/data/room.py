"""Room for images that come one by one: memory for few of them, a temporary file for many."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
import tempfile
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np

from aetool.arrays import Pixels
from aetool.errors import AetoolError
from aetool.system.atomic import writing
from aetool.system.lacking import LACKING
from aetool.system.temporaries import create_file, name_for, sweep
from aetool.training.data import stored
from aetool.training.data.stored import AnyPixels, PixelFile, StoredPixels, remove

FILE = "pixels.bin"
"""The name of a file of images in a folder of the cache."""

Shape = tuple[int, int, int]
Place = Callable[[int], Path]
"""A function from a number of bytes to the folder where so many may be written; raises `OSError`, `AetoolError`."""


class MemoryRoom:
    """Room in memory for about `count` images of `shape`."""

    def __init__(self, count: int, shape: Shape) -> None:
        self._pixels, self._count = np.empty((count, *shape), np.uint8), 0

    def add(self, images: Pixels) -> None:
        """Add images (m, c, h, w)."""
        end = self._count + len(images)
        if end > len(self._pixels):
            more = np.empty((end - len(self._pixels) + end // 8, *self._pixels.shape[1:]), np.uint8)
            self._pixels = np.concatenate([self._pixels, more])
        self._pixels[self._count : end] = images
        self._count = end

    def done(self) -> AnyPixels:
        """Return all images."""
        return self._pixels[: self._count]


class FileRoom:
    """Room in a temporary file in `folder` for about `count` images of `shape`; raises `ReadWriteError`.

    The space on the disk is claimed at once, where the system can.
    """

    def __init__(self, count: int, shape: Shape, folder: Path) -> None:
        self._shape, self._count, self._digest = shape, 0, hashlib.sha256()
        sweep(folder)
        self.path = name_for(folder / FILE)
        with writing(self.path):
            self._stream: BinaryIO = os.fdopen(create_file(self.path, 0o600), "wb", 1 << 20)
        self._temporary = weakref.finalize(self, remove, self._stream, self.path)
        with writing(self.path):
            _claim(self._stream.fileno(), count * math.prod(shape))

    def add(self, images: Pixels) -> None:
        """Add images (m, c, h, w)."""
        values = np.ascontiguousarray(images).data
        with writing(self.path):
            self._stream.write(values)
        self._digest.update(values)
        self._count += len(images)

    def done(self) -> AnyPixels:
        """Return all images, as rows of the temporary file."""
        with writing(self.path):
            self._stream.flush()
            self._stream.truncate()
        file = PixelFile(self.path, 0, self._count, self._shape, self._digest.hexdigest())
        self._temporary.detach()
        file.own(self._stream)
        return StoredPixels(file)


Room = MemoryRoom | FileRoom


def room_for(count: int, shape: Shape, place: Place | None = None) -> Room:
    """Return room for about `count` images of `shape`: few in memory, many in a file.

    The file is in the folder that `place` gives, else with other temporary files. Where there is no room either,
    the images stay in memory.
    """
    size = count * math.prod(shape)
    if size > stored.IN_MEMORY:
        for folder in (place, _temporary_folder):
            with contextlib.suppress(AetoolError, OSError):
                if folder is not None:
                    return FileRoom(count, shape, folder(size))
    return MemoryRoom(count, shape)


def _temporary_folder(_size: int) -> Path:
    return Path(tempfile.gettempdir())


def _claim(descriptor: int, size: int) -> None:
    """Claim space on the disk; raises `OSError` where there is less."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(descriptor, 0, size)
        except OSError as error:
            if error.errno not in LACKING:
                raise
