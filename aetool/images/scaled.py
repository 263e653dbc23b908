"""Scaling: pictures to the sides of an image, and JPEGs decoded at a smaller scale, much sooner and nearly the same."""

from __future__ import annotations

import contextlib

import numpy as np
from PIL import Image

from aetool.images.orientation import TURNED, Box, orientation, upright_place
from aetool.images.spec import FIRST, ImageSpec

SCALED = ("JPEG", "MPO")
"""Formats, by Pillow's names, that are decoded at a smaller scale: an MPO holds several JPEGs."""
SUPPORT = 3
"""How far the filter (Lanczos) reaches, in pixels of the larger side of scaling."""


def scale_decoding(image: Image.Image, spec: ImageSpec) -> Box | None:
    """Have a JPEG decoded at the smallest scale with twice the sides of `spec`, from the second preparation on.

    Return where the picture lies, upright, among the decoded pixels: their last column and row may be parts of pixels.
    None stands for the full size: of other pictures, of loaded ones, and of those that are not large.
    """
    if spec.preparation == FIRST or image.format not in SCALED:
        return None
    turn = orientation(image)
    width, height = (spec.height, spec.width) if turn >= TURNED else (spec.width, spec.height)
    if image.width < 4 * width or image.height < 4 * height:
        return None
    scaled = image.draft(None, (2 * width, 2 * height))
    return scaled and upright_place(turn, image.size, scaled[1][2:])


def stored_bytes(image: Image.Image) -> bytes | None:
    """Return the bytes of a JPEG that the caller opened and did not load, None for any other picture.

    Decoding at a smaller scale changes the size of an opened picture, so another one is to be opened. A picture that
    cannot be opened again as it is, such as the second of an MPO, is loaded.
    """
    if image.format not in SCALED or not getattr(image, "tile", None):
        return None
    stream = getattr(image, "fp", None)
    if stream is None or image.tell() or getattr(image, "decoderconfig", None):
        with contextlib.suppress(Exception):  # told when the picture is prepared
            image.load()
        return None
    with contextlib.suppress(OSError, ValueError):
        place = stream.tell()
        stream.seek(0)
        data = stream.read()
        stream.seek(place)
        return bytes(data)
    return None


def scaled(image: Image.Image, spec: ImageSpec, whole: Box | None = None) -> Image.Image:
    """Return the middle of the part `whole` of a picture, by default of all of it, with the sides of `spec`.

    Rows are filtered first, then columns. From version 13 on, Pillow itself begins with the columns where the height
    shrinks by more than twice the pixels of the width, which gives other levels; rows then have their own call.
    """
    left, top, right, bottom = centred(whole or (0, 0, *image.size), spec)
    if image.height - spec.height > max(0, 2 * (image.width - spec.width)):
        reach = SUPPORT * max(1, (bottom - top) / spec.height) + 2
        first, last = max(0, int(top - reach)), min(image.height, int(bottom + reach))
        size = spec.width, last - first
        rows = image.crop((0, first, image.width, last))
        image = rows.resize(size, Image.Resampling.LANCZOS, box=(left, 0, right, last - first))
        left, right = 0, spec.width
        top, bottom = (float(np.float32(edge)) - first for edge in (top, bottom))  # as Pillow rounds them
    return image.resize((spec.width, spec.height), Image.Resampling.LANCZOS, box=(left, top, right, bottom))


def centred(whole: Box, spec: ImageSpec) -> Box:
    """Return the largest part of `whole` with the sides of `spec`, in its middle, as `ImageOps.fit` does."""
    left, top, right, bottom = whole
    scale = min((right - left) / spec.width, (bottom - top) / spec.height)
    x, y = (right - left - scale * spec.width) / 2, (bottom - top - scale * spec.height) / 2
    return left + max(0, x), top + max(0, y), right - max(0, x), bottom - max(0, y)
