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

from aetool.errors import AetoolError, InvalidInput, LimitExceeded, printable
from aetool.files import read_file
from aetool.types import Images, Pixels, to_images
from aetool.walking import walk

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""What the suffixes of pictures hold, as Pillow calls it; of other formats, some would start other programs."""
MAX_PIXELS = 100_000_000
"""Images of more pixels than this are refused before they are decoded."""

ORIENTATION = 0x0112
"""EXIF tag; from 5 on, width and height are exchanged."""

DECODE_ERRORS = (
    OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, EOFError, OverflowError, MemoryError,
    RuntimeError, AssertionError, struct.error,
)  # fmt: skip
"""What Pillow raises for corrupt files."""

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or damaged files are logged to stderr by default
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # MAX_PIXELS decides, with an error


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

    `data` holds a picture that is no file, as one from stdin.
    """

    path: str
    relative: str
    label: str | None = None
    data: bytes | None = None


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
    image = _flatten(_eight_bits(image), spec)
    if image.size != (spec.width, spec.height):
        image = ImageOps.fit(image, (spec.width, spec.height), Image.Resampling.LANCZOS)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if spec.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey images of 16 bits and of floats to 8 bits (Pillow itself would clip them)."""
    if image.mode.startswith("I"):
        levels = np.asarray(image).astype(np.float64) / 257
    elif image.mode == "F":
        levels = np.nan_to_num(np.asarray(image, dtype=np.float64))
        levels = levels * 255 if levels.size and levels.max() <= 1 else levels
    else:
        return image
    grey = Image.fromarray(np.rint(levels.clip(0, 255)).astype(np.uint8))
    clear = image.info.get("transparency")
    if isinstance(clear, int):  # tRNS: one level of the 16 bits is transparent
        grey.putalpha(Image.fromarray(np.where(np.asarray(image) == clear, 0, 255).astype(np.uint8)))
    return grey


def _flatten(image: Image.Image, spec: ImageSpec) -> Image.Image:
    """Put transparent images over the background and convert to grey or RGB."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        behind = Image.new("RGBA", image.size, (spec.background,) * 3 + (255,))
        image = Image.alpha_composite(behind, image)
    return image.convert("L" if spec.channels == 1 else "RGB")


def _scale_transparency(image: Image.Image) -> None:
    """Bring the transparent level of a grey PNG of 2 or 4 bits to the 8 bits that Pillow gives its pixels."""
    clear, tiles = image.info.get("transparency"), getattr(image, "tile", [])
    rawmode = tiles[0].args if tiles and isinstance(tiles[0].args, str) else ""
    if image.format == "PNG" and image.mode == "L" and isinstance(clear, int) and rawmode in ("L;2", "L;4"):
        image.info["transparency"] = clear * 255 // ((1 << int(rawmode[-1])) - 1)


def open_image(data: bytes) -> Image.Image:
    """Return the opened, not yet decoded picture in `data`; raises `InvalidInput` or `LimitExceeded`."""
    try:
        image = Image.open(io.BytesIO(data), formats=FORMATS)
    except UnidentifiedImageError:
        raise InvalidInput("not an image that can be read") from None
    except Image.DecompressionBombError:
        raise LimitExceeded(f"more than the {MAX_PIXELS:,} pixels accepted") from None
    except DECODE_ERRORS as error:
        raise InvalidInput(f"not an image that can be read ({_first_line(error)})") from error
    if image.width * image.height > MAX_PIXELS:
        raise LimitExceeded(f"{image.width} x {image.height} is more than the {MAX_PIXELS:,} pixels accepted")
    return image


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
        _scale_transparency(image)
        return prepare(image, spec)
    except Image.DecompressionBombError:
        raise LimitExceeded(f"a frame has more than the {MAX_PIXELS:,} pixels accepted") from None
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
    """Return the bytes of a picture; raises `ReadWriteError`."""
    return read_file(file.path) if file.data is None else file.data


def _batch(pixels: list[Pixels], files: list[ImageFile], failures: list[Failure], spec: ImageSpec) -> ImageBatch:
    stacked = np.stack(pixels) if pixels else np.empty((0, *spec.shape), np.uint8)
    return ImageBatch(to_images(stacked), tuple(files), tuple(failures))


def find_images(names: Iterable[str]) -> Iterator[ImageFile]:
    """Yield the pictures that `names` stand for: a file as it is, a folder walked, its first sub-folders as classes."""
    for name in names:
        if not os.path.isdir(name):  # noqa: PTH112 (which raises for names that are too long, say)
            yield ImageFile(name, Path(name).name)
            continue
        start = len(os.path.join(name, ""))  # noqa: PTH118
        for path in walk(name):
            relative = path[start:] or "."
            label, inside, _ = relative.partition(os.sep)
            yield ImageFile(path, relative, label if inside else None)
