"""Picture files to pixels: open, turn upright, flatten, scale and crop."""

from __future__ import annotations

import contextlib
import functools
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from threading import Lock
from typing import TypeVar

import numpy as np
from PIL import Image, UnidentifiedImageError

from aetool.arrays import Pixels
from aetool.errors import AetoolError, InvalidInput, LimitExceeded, printable
from aetool.images.levels import STRIP, Judge, eight_bits, guess
from aetool.images.orientation import TURNED, TURNS, orientation, turned_by_pillow
from aetool.images.scaled import scale_decoding, scaled
from aetool.images.spec import PICTURED, ImageSpec
from aetool.images.tiff import samples_of
from aetool.images.wide import narrowed
from aetool.system.limits import LIMITS, Limits
from aetool.system.quiet import quiet_libraries

FORMATS = ("PNG", "JPEG", "GIF", "BMP", "WEBP", "TIFF", "PPM")
"""Decoded formats, by Pillow's names; some other formats would start external programs."""
CONTAINED = ("AVIF", "HEIF")
"""Formats in the container of ISO media files: AVIF where Pillow has it, HEIF with pillow-heif."""
HEIF_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
GREY = frozenset(["1", "L", "LA", "La", "I", "I;16", "I;16L", "I;16B", "I;16N", "F"])
"""Grey modes of Pillow; the colours of a palette decide for P and PA."""
SINGLE = {"LAB": "RGB", "La": "LA"}
"""Modes that Pillow converts to a single other one only."""


T = TypeVar("T")

logging.getLogger("PIL").addHandler(logging.NullHandler())  # or damaged files are logged to stderr by default
warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # the limit on pixels decides, with an error


@dataclass(frozen=True)
class Kind:
    """The upright size (height, width) of a picture before decoding, and whether the picture is grey.

    `drawing` is the mean level of what is drawn in a transparent picture, None for any other one or unless asked for.
    `channels` is the number of a TIFF that is no picture, else None.
    """

    size: tuple[int, int]
    grey: bool
    drawing: float | None = None
    channels: int | None = None


def prepare(image: Image.Image, spec: ImageSpec, judge: Judge = guess) -> Pixels:
    """Return the first frame of `image` as uint8 (c, h, w) of `spec`; `judge` tells which number is white."""
    turned = turned_by_pillow(image)
    whole = scale_decoding(image, spec)
    image.load()  # before its tags are asked for: a PNG may have them behind the pixels
    turn = None if turned else TURNS.get(orientation(image))
    image = flatten(eight_bits(image, judge), spec.channels, spec.background)
    if turn is not None:
        image = image.transpose(turn)
    if whole is not None or image.size != (spec.width, spec.height):
        image = scaled(image, spec, whole)
    pixels = np.asarray(image, dtype=np.uint8)
    return pixels[None] if spec.channels == 1 else np.ascontiguousarray(pixels.transpose(2, 0, 1))


class PillowLimit:
    """Pillow's own limit of pixels, also valid for frames, set during decoding and restored afterwards.

    The limit is a global variable of Pillow and belongs to the importing program. Threads share a single setting. One
    use takes 1.2 microseconds, and 2.5 as a generator; reading a small picture takes 60, with two uses.
    """

    lock = Lock()
    users = 0
    before = Image.MAX_IMAGE_PIXELS

    def __init__(self, limits: Limits) -> None:
        self.pixels = (limits.pixels + 1) // 2  # Pillow refuses twice as many

    def __enter__(self) -> None:
        """Set the limit."""
        with self.lock:
            if not PillowLimit.users:
                PillowLimit.before = Image.MAX_IMAGE_PIXELS
            PillowLimit.users += 1
            Image.MAX_IMAGE_PIXELS = self.pixels

    def __exit__(self, *error: object) -> None:
        """Restore the limit of the importing program after the last use."""
        with self.lock:
            PillowLimit.users -= 1
            if not PillowLimit.users:
                Image.MAX_IMAGE_PIXELS = PillowLimit.before


def open_image(data: bytes, limits: Limits = LIMITS) -> Image.Image:
    """Return the opened, not yet decoded picture in `data`; raises `InvalidInput` or `LimitExceeded`."""
    formats = FORMATS if data[4:8] != b"ftyp" else contained_formats(data)
    try:
        with PillowLimit(limits):
            image = Image.open(io.BytesIO(data), formats=formats)
    except UnidentifiedImageError:
        samples = samples_of(data)
        is_banded = samples is not None and samples not in PICTURED
        what = f"a TIFF of {samples} channels, no picture" if is_banded else "not an image that can be read"
        raise InvalidInput(what) from None
    except Image.DecompressionBombError:
        raise _too_large("it", limits) from None
    except Exception as error:  # of whatever kind: Pillow and its plug-ins raise more than they say
        raise _refusal("not an image that can be read", error) from error
    if image.width * image.height > limits.pixels:
        raise _too_large(f"{image.width} x {image.height}", limits)
    if image.mode == "I;16" and image.format == "PNG":
        at = data.find(b"\0\0\0\1sBIT", 0, data.find(b"IDAT"))
        image.info |= {"sBIT": data[at + 8]} if at > 0 else {}  # which Pillow leaves out
    return image


def contained_formats(data: bytes) -> tuple[str, ...]:
    """Return the formats of `CONTAINED` that can be read here; raises `InvalidInput` for a format that cannot."""
    formats = _registered()
    brands = data[8:64]
    if "AVIF" not in formats and (b"avif" in brands or b"avis" in brands):
        raise InvalidInput("this is an AVIF picture, which this Pillow does not read")
    if "HEIF" not in formats and any(brand in brands for brand in HEIF_BRANDS):
        raise InvalidInput("this is a HEIF picture, and pillow-heif is not installed", fix="heif")
    return formats


@functools.cache
def _registered() -> tuple[str, ...]:
    """Return the formats of `CONTAINED` that can be read here, the plug-in for HEIF registered."""
    Image.init()
    with contextlib.suppress(ImportError):
        import_module("pillow_heif").register_heif_opener()
    return tuple(name for name in CONTAINED if name in Image.OPEN)


def _too_large(size: str, limits: Limits) -> LimitExceeded:
    return LimitExceeded(f"{size} is more than the {limits.pixels:,} pixels accepted", fix="pixels")


def failure_of(error: Exception) -> AetoolError:
    """Return what is wrong with one picture, whatever was raised while the picture was read or decoded."""
    return error if isinstance(error, AetoolError) else _refusal("could not be read", error)


def _refusal(what: str, error: Exception) -> InvalidInput:
    """Return what is wrong with a picture, with the first line of an exception."""
    if isinstance(error, MemoryError):
        return InvalidInput("there is not enough memory for the image")
    text = (str(error).splitlines() or [type(error).__name__])[0][:120]
    return InvalidInput(f"{what} ({printable(text)})")


def kind_of(data: bytes, limits: Limits = LIMITS, drawn: bool = False) -> Kind:
    """Return size and colour of the picture in `data`, from its header, and its drawing if `drawn`.

    Raises `InvalidInput` or `LimitExceeded`.
    """
    return _looked_at(data, lambda image, data: _kind(image, data, limits, drawn), limits)


def _kind(image: Image.Image, data: bytes, limits: Limits, drawn: bool) -> Kind:
    try:
        grey = image.mode in GREY or (image.mode == "RGBA" and _rawmode(image).startswith("LA"))
        if image.format == "PNG" and "exif" not in image.info:
            image.load()  # the orientation may lie behind the pixels
        turned = not turned_by_pillow(image) and orientation(image) >= TURNED
        if image.mode in ("P", "PA"):
            palette = image.getpalette() or []
            grey = palette[0::3] == palette[1::3] == palette[2::3]
        drawing = _drawing(image, data, limits) if drawn and image.has_transparency_data else None
    except Exception as error:
        raise _refusal("the image is damaged", error) from error
    return Kind(image.size if turned else image.size[::-1], grey, drawing)


def _drawing(image: Image.Image, data: bytes, limits: Limits) -> float | None:
    """Return the mean level of what is drawn in a transparent picture, None for one that is opaque or empty."""
    from aetool.images.drawing import drawing_level  # for training alone

    if image.format == "PNG" and data[24] != 8:  # of other than 8 bits, which a loaded picture no longer tells
        image = open_image(data, limits)
    if _may_be_wide(image, data):
        image = narrowed(image, data, guess)
    scale_transparency(image)
    image.load()
    return drawing_level(eight_bits(image))


def decode_image(data: bytes, spec: ImageSpec, limits: Limits = LIMITS, judge: Judge = guess) -> Pixels:
    """Return the picture in `data` as uint8 (c, h, w); raises `InvalidInput` or `LimitExceeded`."""
    if spec.channels not in PICTURED:
        from aetool.images.bands import decode_bands  # seldom needed

        return decode_bands(data, spec, limits, judge)
    return _looked_at(data, lambda image, data: decode_picture(image, spec, limits, judge, data), limits)


def _looked_at(data: bytes, look: Callable[[Image.Image, bytes], T], limits: Limits) -> T:
    """Return `look` of the picture in `data`, without its metadata where the picture cannot be read with them."""
    try:
        return look(open_image(data, limits), data)
    except InvalidInput:
        from aetool.images.bare import without_metadata  # seldom needed

        bare = without_metadata(data)
        if bare is None:
            raise
        try:
            image = open_image(bare[0], limits)
            image.info.update(**bare[1])
            return look(image, bare[0])
        except AetoolError:
            pass  # the metadata are not what is wrong
        raise


NOTHING = contextlib.nullcontext()


def decode_picture(
    image: Image.Image, spec: ImageSpec, limits: Limits = LIMITS, judge: Judge = guess, data: bytes = b""
) -> Pixels:
    """Return an opened picture as uint8 (c, h, w); raises `InvalidInput` or `LimitExceeded`.

    In `data`, the file of the picture, colour of 16 bits can be read to the last bit.
    """
    if spec.channels not in PICTURED:
        raise InvalidInput(f"a picture of 1 or 3 channels, where {spec.channels} are expected")
    try:
        with PillowLimit(limits), quiet_libraries() if image.format == "TIFF" else NOTHING:
            if _may_be_wide(image, data):
                image = narrowed(image, data, judge)
            scale_transparency(image)
            return prepare(image, spec, judge)
    except Image.DecompressionBombError:
        raise _too_large("a frame", limits) from None
    except AetoolError:
        raise
    except Exception as error:
        raise _refusal("the image is damaged", error) from error


def _may_be_wide(image: Image.Image, data: bytes) -> bool:
    """Return whether an opened picture in the file `data` may have colour of 16 bits, which Pillow cuts."""
    return bool(data) and image.format in ("PNG", "TIFF") and image.mode[:3] == "RGB"


def flatten(image: Image.Image, channels: int, background: int) -> Image.Image:
    """Put a transparent image over the grey level `background`, and convert to grey (1 channel) or RGB (3)."""
    mode = "L" if channels == 1 else "RGB"
    if image.mode in SINGLE:
        image = image.convert(SINGLE[image.mode])
    if not image.has_transparency_data:
        return image if image.mode == mode else image.convert(mode)
    image.load()
    whole = Image.new(mode, image.size)
    for top in range(0, image.height, STRIP):
        part = image.crop((0, top, image.width, min(top + STRIP, image.height))).convert("RGBA")
        behind = Image.new("RGBA", part.size, (background,) * 3 + (255,))
        whole.paste(Image.alpha_composite(behind, part).convert(mode), (0, top))
    return whole


def scale_transparency(image: Image.Image) -> None:
    """Scale the transparent level of a grey PNG of 2 or 4 bits to the 8 bits of Pillow's pixels."""
    clear = image.info.get("transparency")
    if isinstance(clear, int) and image.format == "PNG" and image.mode == "L" and _rawmode(image) in ("L;2", "L;4"):
        image.info["transparency"] = clear * 255 // ((1 << int(_rawmode(image)[-1])) - 1)


def _rawmode(image: Image.Image) -> str:
    """Return how the numbers of an opened PNG are stored, as Pillow calls it: "LA;16B", say; "" for other files."""
    tiles = getattr(image, "tile", [])
    return tiles[0].args if tiles and isinstance(tiles[0].args, str) else ""
