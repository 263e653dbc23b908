"""Image files to arrays: how a file becomes a tensor is written here once, as `ImageSpec` and `prepare`."""

from __future__ import annotations

import io
import logging
import os
import struct
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from aetool.arrays import Images, Pixels, to_images
from aetool.errors import AetoolError, InvalidInput, LimitExceeded, printable
from aetool.listing import walk
from aetool.modes import eight_bits, flatten, scale_transparency
from aetool.system.limits import limit
from aetool.system.reading import read_file

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""What the suffixes of pictures hold, as Pillow calls it; of other formats, some would start other programs."""

ORIENTATION = 0x0112
"""EXIF tag; from 5 on, width and height are exchanged."""

DECODE_ERRORS = (
    OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, EOFError, OverflowError, MemoryError,
    RuntimeError, AssertionError, struct.error,
)  # fmt: skip
"""What Pillow raises for corrupt files."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or damaged files are logged to stderr by default
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit on pixels decides, with an error


@dataclass(frozen=True)
class ImageSpec:
    """How any picture becomes an image of the model: part of every bundle.

    channels     1 (grey) or 3 (RGB)
    height, width   the shorter side is scaled (Lanczos, antialiased) and the centre cropped
    background   grey level 0-255 behind transparent pixels
    """

    channels: int
    height: int
    width: int
    background: int = 0

    @property
    def shape(self) -> tuple[int, int, int]:
        """(c, h, w)."""
        return self.channels, self.height, self.width


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
class Kind:
    """What a picture is before it is decoded: upright size (height, width), and whether it is grey."""

    size: tuple[int, int]
    grey: bool


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


def prepare(image: Image.Image, spec: ImageSpec) -> Pixels:
    """Return the first frame of `image` as uint8 (c, h, w) of `spec`."""
    image.load()  # before its tags are asked for: a PNG may have them behind the pixels
    if image.getexif().get(ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    image = flatten(eight_bits(image), spec.channels, spec.background)
    if image.size != (spec.width, spec.height):
        image = ImageOps.fit(image, (spec.width, spec.height), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if spec.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def open_image(data: bytes) -> Image.Image:
    """Return the opened, not yet decoded picture in `data`; raises `InvalidInput` or `LimitExceeded`."""
    Image.MAX_IMAGE_PIXELS = (limit("pixels") + 1) // 2  # Pillow refuses twice as many, in frames too
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise InvalidInput("not an image that can be read") from None
    except Image.DecompressionBombError:
        raise _too_large("it") from None
    except DECODE_ERRORS as error:
        raise InvalidInput(f"not an image that can be read ({_first_line(error)})") from error
    if image.width * image.height > limit("pixels"):
        raise _too_large(f"{image.width} x {image.height}")
    return image


def _too_large(what: str) -> LimitExceeded:
    return LimitExceeded(f"{what} is more than the {limit('pixels'):,} pixels accepted; --max-pixels allows more")


def kind_of(data: bytes) -> Kind:
    """Return what the picture in `data` is, from its header; raises `InvalidInput` or `LimitExceeded`."""
    image = open_image(data)
    try:
        turned = image.getexif().get(ORIENTATION, 1) >= 5
        palette = image.getpalette() if image.mode in ("P", "PA") else None
    except DECODE_ERRORS as error:
        raise InvalidInput(f"the image is damaged ({_first_line(error)})") from error
    grey = palette[0::3] == palette[1::3] == palette[2::3] if palette else image.mode[0] in "1LIF"
    return Kind(image.size if turned else image.size[::-1], grey)


def decode_image(data: bytes, spec: ImageSpec) -> Pixels:
    """Return the picture in `data` as uint8 (c, h, w); raises `InvalidInput` or `LimitExceeded`."""
    image = open_image(data)
    try:
        scale_transparency(image)
        return prepare(image, spec)
    except Image.DecompressionBombError:
        raise _too_large("a frame") from None
    except DECODE_ERRORS as error:
        raise InvalidInput(f"the image is damaged ({_first_line(error)})") from error


def _first_line(error: BaseException) -> str:
    return printable((str(error).splitlines() or [type(error).__name__])[0][:120])


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
