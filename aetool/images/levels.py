"""Levels: numbers of more than 8 bits as the 256 grey levels of a picture.

The rule. A level is 255 times a number divided by the number that is white, rounded; what is below 0 or is no number is
black, what is above white is white; a picture with an infinite number is refused. Which number is white, the file says
where it says so: TIFF by BitsPerSample (12, say) or a MaxSampleValue that is a depth, PNG by sBIT, PNM by its maxval.
Else whole numbers of 16 bits reach to 65,535 and floats to 1, as is usual, unless the numbers say otherwise. Then white
is a guess: the smallest of 1 (floats only) and the depths of `BITS` that holds the largest finite numbers. A few of
these do not count: one of 10,000 whole numbers, one of 100 floats, at least one; and floats may pass white by half, as
resampling makes them. `aetool.images.guesses` makes one guess for the files of a folder.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool.errors import InvalidInput

BITS = (8, 10, 12, 14, 16, 20, 24, 28, 31)
"""Depths to guess."""
STRIP = 256
"""Rows per conversion: a large picture needs little more memory than its own."""
SHARE = {"f": 100, "u": 10_000, "i": 10_000}
"""How many numbers there are for each that does not count, for floats and whole numbers."""
OVERSHOOT = 1.5
"""How far floats may pass white."""
BITS_PER_SAMPLE, PHOTOMETRIC, MAX_SAMPLE, SAMPLE_FORMAT, MAX_OF_FORMAT = 258, 262, 281, 339, 341
"""Tags of TIFF 6.0."""

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Evidence:
    """What the numbers of a picture say: their type ("u2", "i2", "u4", "i4", "f4") and the largest that counts."""

    kind: str
    top: float

    @property
    def usual(self) -> int | None:
        """The number that is usually white; None where nothing is usual."""
        return {"u2": 65535, "f4": 1}.get(self.kind)

    @property
    def settled(self) -> bool:
        """Whether the numbers reach so far that there is nothing to guess."""
        return self.kind == "u2" and self.top > (1 << 14) - 1


Judge = Callable[[Evidence], int]
"""A function that gives the number that is white where a file does not say so."""


def is_deep(image: Image.Image) -> bool:
    """Return whether the numbers of a picture have more than 8 bits: modes I, I;16 and F of Pillow."""
    return image.mode.startswith("I") or image.mode == "F"


def guess(evidence: Evidence) -> int:
    """Return the number that is white in a picture, judged by its numbers alone."""
    kind, top = evidence.kind, evidence.top
    usual = evidence.usual
    most = (1 << (8 * int(kind[1]) - (kind[0] == "i"))) - 1  # for floats only a bound
    if top <= 0:  # black
        return usual or 255
    if kind[0] == "f":
        top /= OVERSHOOT
        if top <= 1:
            return 1
    return min(most, next((white for white in ((1 << bits) - 1 for bits in BITS) if top <= white), most))


def numbers_of(image: Image.Image) -> Array:
    """Return the numbers (h, w) of a deep picture, with the signs of its file."""
    values = np.asarray(image)
    tags = getattr(image, "tag_v2", {})
    if image.mode == "I" and _first(tags, SAMPLE_FORMAT) in (1, None) and _first(tags, BITS_PER_SAMPLE) == 32:
        return values.view(np.uint32)  # Pillow reads them as if they had a sign
    if image.mode == "I" and _first(tags, SAMPLE_FORMAT) == 2 and _first(tags, BITS_PER_SAMPLE) == 16:
        return values.astype(np.int16)
    return values


def measure(values: Array) -> Evidence:
    """Return what numbers (h, w) say about their depth."""
    kind, size = values.dtype.kind, values.dtype.itemsize
    drop = max(1, values.size // SHARE[kind])
    if (kind, size) == ("u", 2) and np.count_nonzero(values >> 14) > drop:  # most files: sorting would take longer
        return Evidence("u2", 65535)
    largest: Array = np.empty(0, values.dtype)
    count = 0
    for rows in _strips(values):
        part = rows[np.isfinite(rows)] if kind == "f" else rows.ravel()
        count += part.size
        largest = np.concatenate([largest, part])
        if largest.size > drop + 1:
            largest = np.partition(largest, largest.size - drop - 1)[-drop - 1 :]
    if not count:
        return Evidence(f"{kind}{size}", 0)
    most, least = float(largest.max()), float(largest.min())
    return Evidence(f"{kind}{size}", least if count > max(2, drop) and least > 0 else most)


def told(image: Image.Image, values: Array) -> int | None:
    """Return the number that is white as the file says, None where the file does not say so."""
    tags = getattr(image, "tag_v2", {})
    if image.format in ("PPM", "HEIF"):  # scaled by Pillow and by pillow-heif
        return None if image.mode == "F" else 65535
    white, significant = told_by_tags(tags, values), image.info.get("sBIT")
    if white is not None:
        return white
    if isinstance(significant, int) and 8 <= significant < 16:
        scaled = bool((values & ((1 << (16 - significant)) - 1) == 0).all())  # as PNG wants it
        return 65535 if scaled or values.max(initial=0) >> significant else (1 << significant) - 1
    return None


def told_by_tags(tags: Any, values: Array) -> int | None:
    """Return the number that is white in numbers (h, w) as the tags of a TIFF say, None where they do not say so."""
    bits, largest = _first(tags, BITS_PER_SAMPLE), _first(tags, MAX_OF_FORMAT) or _first(tags, MAX_SAMPLE)
    if isinstance(bits, int) and bits not in (8, 16, 32, 64):
        return (1 << bits) - 1
    if isinstance(largest, int | float) and _is_depth(largest) and measure(values).top <= OVERSHOOT * largest:
        return int(largest)
    return None


def evidence_in(values: Array) -> Evidence:
    """Return what numbers (h, w) of any size say about their depth, as those of 16 or 32 bits do."""
    found = measure(values)
    kind = found.kind[0]
    return Evidence("f4" if kind == "f" else f"{kind}{2 if values.dtype.itemsize < 4 else 4}", found.top)


def _is_depth(number: float) -> bool:
    return number >= 255 and number in {(1 << bits) - 1 for bits in range(8, 33)}


def _first(tags: Any, tag: int) -> Any:
    """Return the value of a tag, of several values the first, None where there is none that can be read."""
    try:
        value = tags.get(tag)
    except Exception:  # broken metadata are none
        return None
    return value[0] if isinstance(value, tuple) and value else value


def eight_bits(image: Image.Image, judge: Judge = guess) -> Image.Image:
    """Return a deep picture with 8 bits, any other picture unchanged; raises `InvalidInput` for infinite numbers."""
    if not is_deep(image):
        return image
    values, clear = numbers_of(image), image.info.get("transparency")
    if values.dtype.kind == "f" and np.isposinf(values).any():
        raise InvalidInput(f"infinite brightness in {np.isposinf(values).sum():,} of its {values.size:,} pixels")
    white = told(image, values)
    if white is None:
        white = judge(measure(values))
    grey = np.empty(values.shape, np.uint8)
    for start, rows in enumerate(_strips(values)):
        grey[start * STRIP : start * STRIP + STRIP] = levels_of(rows, white)
    if _first(getattr(image, "tag_v2", {}), PHOTOMETRIC) == 0:  # white is 0, which Pillow leaves so
        grey = np.uint8(255) - grey
    picture = Image.fromarray(grey)
    if isinstance(clear, int):  # tRNS: one level of the 16 bits is transparent
        picture.putalpha(Image.fromarray(np.where(values == clear, np.uint8(0), np.uint8(255))))
    return picture


def levels_of(values: Array, white: int) -> npt.NDArray[np.uint8]:
    """Return numbers as levels from 0 to 255, of which `white` is 255."""
    known = np.nan_to_num(values.astype(np.float64), nan=0, posinf=white, neginf=0).clip(0, white)
    levels: npt.NDArray[np.uint8] = np.rint(known * (255.0 / white)).astype(np.uint8)
    return levels


def _strips(values: Array) -> Iterator[Array]:
    return (values[start : start + STRIP] for start in range(0, len(values), STRIP))
