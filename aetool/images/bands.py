"""Bands: TIFFs of other channels than grey and RGB, read by the package tifffile (the extra `tiff`).

The channels are the samples of the first page, interleaved or in planes. A TIFF whose pages are grey is taken as well
where it has as many pages as channels are expected; pages of reduced size and masks do not count. Numbers of more than
8 bits become levels by the rule of `aetool.images.levels`, with one white for all channels of a picture.
"""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool.arrays import Pixels
from aetool.errors import AetoolError, InvalidInput, LimitExceeded
from aetool.images.decode import Kind, failure_of
from aetool.images.levels import (
    BITS_PER_SAMPLE,
    MAX_OF_FORMAT,
    MAX_SAMPLE,
    Evidence,
    Judge,
    evidence_in,
    guess,
    levels_of,
    told_by_tags,
)
from aetool.images.orientation import TURNS
from aetool.images.spec import MOST_CHANNELS, ImageSpec
from aetool.images.stacked import fitted
from aetool.images.tiff import STARTS, samples_of
from aetool.system.limits import Limits

ORIENTATION, PALETTE = 274, 3
"""The tag of the orientation, and the interpretation of numbers that are places in a palette (TIFF 6.0)."""
TAGS = (BITS_PER_SAMPLE, MAX_SAMPLE, MAX_OF_FORMAT, ORIENTATION)
"""What the tags of a TIFF say about levels and orientation."""
INVERTED = 0
"""The interpretation of numbers whose white is 0."""

Array = npt.NDArray[Any]

logging.getLogger("tifffile").addHandler(logging.NullHandler())  # or damaged files are logged to stderr by default


def decode_bands(data: bytes, spec: ImageSpec, limits: Limits, judge: Judge = guess) -> Pixels:
    """Return the TIFF in `data` as uint8 (c, h, w) of `spec`; raises `InvalidInput` or `LimitExceeded`."""
    with _pages(data, spec.channels, limits) as pages:
        bands = numbers = _numbers(pages)
        page = pages[0]
        tags = {code: page.tags.valueof(code) for code in TAGS}
    if numbers.dtype.kind == "f" and np.isposinf(numbers).any():
        raise InvalidInput(f"infinite brightness in {np.isposinf(numbers).sum():,} of its {numbers.size:,} numbers")
    if numbers.dtype.kind == "b":
        bands = numbers * np.uint8(255)
    elif numbers.dtype != np.uint8:
        flat = _flat(numbers)
        bands = levels_of(numbers, told_by_tags(tags, flat) or judge(evidence_in(flat)))
    if len(pages) > 1 and page.photometric == INVERTED:
        bands = np.uint8(255) - bands
    return fitted(np.ascontiguousarray(_upright(bands, tags.get(ORIENTATION))), spec)


def evidence_of_bands(data: bytes, channels: int, limits: Limits) -> Evidence | None:
    """Return what the numbers of a TIFF say about their depth, None for numbers of 8 bits; errors as `decode_bands`."""
    with _pages(data, channels, limits) as pages:
        numbers = _numbers(pages)
    return None if numbers.dtype.itemsize == 1 else evidence_in(_flat(numbers))


def kind_of_bands(data: bytes, channels: int | None, limits: Limits) -> Kind:
    """Return size and channels of a TIFF: `channels`, or those of its first page; errors as `decode_bands`."""
    found = channels or samples_of(data) or 1
    with _pages(data, found, limits) as pages:
        page = pages[0]
        orientation = page.tags.valueof(ORIENTATION, 1)
        height, width = page.imagelength, page.imagewidth
    return Kind((width, height) if orientation in (5, 6, 7, 8) else (height, width), False, channels=found)


@contextlib.contextmanager
def _pages(data: bytes, channels: int, limits: Limits) -> Iterator[list[Any]]:
    """Give the pages of tifffile with the channels: one with all of them, or grey ones.

    Raises `InvalidInput` for anything else.
    """
    if data[:4] not in STARTS:
        raise InvalidInput(f"no TIFF, where a TIFF of {channels} channels is expected")
    if not 1 <= channels <= MOST_CHANNELS:
        raise InvalidInput(f"a TIFF of {channels} channels; at most {MOST_CHANNELS} can be read")
    try:
        tifffile = import_module("tifffile")
    except ImportError:
        raise InvalidInput(f"a TIFF of {channels} channels is read by tifffile, which is missing", fix="tiff") from None
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            pages = _chosen(file, channels)
            _check(pages, channels, limits)
            yield pages
    except AetoolError:
        raise
    except Exception as error:  # of whatever kind: tifffile raises more than it says
        raise failure_of(error) from error


def _chosen(file: Any, channels: int) -> list[Any]:
    first = file.pages[0]
    if first.samplesperpixel == channels:
        return [first]
    pages: list[Any] = []
    if first.samplesperpixel == 1:
        for page in file.pages:
            if not (page.is_reduced or page.is_mask):
                pages.append(page)
            if len(pages) > channels:
                break
    if len(pages) != channels:
        count = f" and {'more' if len(pages) > channels else len(pages)} pages" if len(pages) > 1 else ""
        raise InvalidInput(f"a TIFF of {first.samplesperpixel} channels{count}, where {channels} channels are expected")
    return pages


def _check(pages: list[Any], channels: int, limits: Limits) -> None:
    """Raise an error for pages that do not fit together, for too many pixels, and for palettes."""
    height, width = pages[0].imagelength, pages[0].imagewidth
    if height * width * channels > 3 * limits.pixels:
        size = f"{width} x {height} with {channels} channels"
        raise LimitExceeded(f"{size} is more than the {limits.pixels:,} pixels of 3 channels accepted", fix="pixels")
    same = {(page.imagelength, page.imagewidth, page.imagedepth, page.samplesperpixel, page.dtype) for page in pages}
    if len(same) > 1 or pages[0].imagedepth != 1:
        raise InvalidInput("a TIFF whose pages differ in size or kind")
    if pages[0].photometric == PALETTE:
        raise InvalidInput("a TIFF with a palette, whose numbers are no brightness")


def _numbers(pages: list[Any]) -> Array:
    """Return the numbers (c, h, w) of pages."""
    page = pages[0]
    height, width, samples = page.imagelength, page.imagewidth, page.samplesperpixel
    if len(pages) > 1 or samples == 1:
        found = np.stack([np.asarray(one.asarray(maxworkers=1)).reshape(height, width) for one in pages])
    elif page.planarconfig == 2:
        found = np.asarray(page.asarray(maxworkers=1)).reshape(samples, height, width)
    else:
        found = np.asarray(page.asarray(maxworkers=1)).reshape(height, width, samples).transpose(2, 0, 1)
    if found.dtype.kind not in "buif":
        raise InvalidInput(f"a TIFF of {found.dtype} numbers; expected whole numbers or floats")
    return found


def _flat(numbers: Array) -> Array:
    """Return numbers (c, h, w) as (c h, w)."""
    return numbers.reshape(-1, numbers.shape[-1])


def _upright(bands: Pixels, orientation: Any) -> Pixels:
    """Return bands (c, h, w) turned as the tag of a TIFF says."""
    turn = TURNS.get(orientation) if isinstance(orientation, int) else None
    if turn is None:
        return bands
    return np.stack([np.asarray(Image.fromarray(band).transpose(turn)) for band in np.ascontiguousarray(bands)])
