"""Colour of 16 bits: Pillow reads the upper 8 bits of each number, which leaves nothing of 10 or 12 bits in 16.

Where the upper bytes are small, the lower bytes are read too, by the other byte order, and the numbers are scaled by
the rule of `aetool.images.levels`.
"""

from __future__ import annotations

import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool.errors import InvalidInput
from aetool.images.levels import BITS_PER_SAMPLE, Evidence, Judge, is_deep, measure, numbers_of, told

NATIVE, OTHER = ("L", "B") if sys.byteorder == "little" else ("B", "L")
OPPOSITE = {"L": "B", "B": "L", "N": OTHER}
"""Byte orders at the end of Pillow's raw modes."""
FULL = 64
"""Upper bytes from here on are those of numbers of more than 14 bits."""
COLOURS = ("RGB", "RGBA", "RGBX")
"""Raw modes of colour of 16 bits, before ";16"."""


def swapped(image: Image.Image) -> list[Any] | None:
    """Return the tiles of an opened picture for the other bytes of 16 bits; None for a picture of other numbers."""
    tiles = []
    for tile in getattr(image, "tile", ()):
        args = tile.args
        first = args[0] if isinstance(args, tuple) else args
        colours, wide, order = str(first).partition(";16")
        if not wide or colours not in COLOURS or order not in OPPOSITE:
            return None
        other = f"{colours};16{OPPOSITE[order]}"
        tiles.append(tile._replace(args=(other, *args[1:]) if isinstance(args, tuple) else other))
    return tiles or None


def wide_numbers(image: Image.Image, data: bytes) -> npt.NDArray[np.uint16] | None:
    """Return the numbers (h, w, c) of colour of 16 bits where 14 bits or less are used, else None.

    `image` is the opened picture in the file `data`, and is loaded for a picture of colour of 16 bits.
    """
    tiles = swapped(image) if image.mode in ("RGB", "RGBA") else None
    if tiles is None:
        return None
    image.load()
    upper = np.asarray(image)
    colours = upper[..., :3]
    if np.count_nonzero(colours >= FULL) > max(1, colours.size // 10_000):
        return None
    with Image.open(io.BytesIO(data), formats=(image.format or "",)) as lower:
        lower.tile = tiles
        numbers: npt.NDArray[np.uint16] = upper.astype(np.uint16) << 8 | np.asarray(lower)
    return numbers


def evidence_of(image: Image.Image, data: bytes) -> Evidence | None:
    """Return what the numbers of an opened picture say about their depth, None where nothing is to be guessed."""
    if is_deep(image):
        image.load()
        values = numbers_of(image)
    elif swapped(image) is None:
        return None
    else:
        numbers = wide_numbers(image, data)
        if numbers is None:
            return Evidence("u2", 65535)
        values = numbers[..., :3].reshape(len(numbers), -1)
    return None if told(image, values) else measure(values)


def refuse_planes(image: Image.Image) -> None:
    """Raise `InvalidInput` for a TIFF with a plane of 16 bits for each colour, which Pillow reads as planes of 8."""
    bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, ())
    planes = [tile.args[0] for tile in getattr(image, "tile", ()) if isinstance(tile.args, tuple)]
    if bits and set(bits) == {16} and planes and set(planes) <= {"R", "G", "B", "A"}:
        raise InvalidInput("a TIFF with planes of 16 bits, which cannot be read; save it with interleaved colours")


def narrowed(image: Image.Image, data: bytes, judge: Judge) -> Image.Image:
    """Return a picture of colour of 16 bits with few bits as a picture of 8 bits; any other picture unchanged."""
    refuse_planes(image)
    numbers = wide_numbers(image, data)
    if numbers is None:
        return image
    colours = numbers[..., :3].reshape(len(numbers), -1)
    white = told(image, colours) or judge(measure(colours))
    if white >= 65535:
        return image
    whites = np.array([white] * 3 + [white if numbers[..., -1].max() <= white else 65535], np.float64)
    levels = np.rint(numbers.clip(0, whites[: numbers.shape[2]]) * (255 / whites[: numbers.shape[2]]))
    picture = Image.fromarray(levels.astype(np.uint8))
    picture.info = {name: value for name, value in image.info.items() if name != "transparency"}
    clear = image.info.get("transparency")
    if isinstance(clear, tuple) and numbers.shape[2] == len(clear):  # tRNS: one colour is transparent
        picture.putalpha(Image.fromarray(np.where((numbers == clear).all(-1), np.uint8(0), np.uint8(255))))
    return picture
