"""Golden pictures: files made in code, the same bytes on every machine, whose prepared pixels prove a preparation.

The PNG has transparency and lies on its side (orientation 7); the JPEG has four times the sides of an image and lies on
its side too (orientation 6), so that it is decoded at a smaller scale by the preparations that do so.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from aetool.arrays import Pixels
from aetool.errors import AetoolError, BundleError
from aetool.images.decode import decode_image
from aetool.images.jpeg import jpeg_file
from aetool.images.orientation import ORIENTATION
from aetool.images.png import SIGNATURE, chunk
from aetool.images.spec import ImageSpec

RGB_WITH_ALPHA = 6
"""Colour type of PNG."""


def golden_pictures(spec: ImageSpec) -> dict[str, bytes]:
    """Return the golden pictures for images of `spec`, by format."""
    return {"png": _png(spec), "jpeg": jpeg_file(4 * spec.height, 4 * spec.width, _exif(6))}


def prepared(spec: ImageSpec) -> dict[str, Pixels]:
    """Return the prepared pixels (c, h, w) of the golden pictures; raises `BundleError` where one cannot be read."""
    try:
        return {name: decode_image(data, spec) for name, data in golden_pictures(spec).items()}
    except AetoolError as error:
        raise BundleError(f"a golden picture cannot be prepared here: {error}") from error


def _png(spec: ImageSpec) -> bytes:
    """Return a PNG of about 1.5 by 1.25 times the size: large shapes, fine detail, edges, and all kinds of alpha."""
    height, width = 3 * spec.width // 2 + 3, 5 * spec.height // 4 + 1  # as stored: it lies on its side
    y, x = np.ogrid[:height, :width]
    shapes = 255 * (x * (height - y)) // (width * height)
    detail = (x // 3 * 73 + y // 2 * 151 + x * y // 7 * 19) % 97
    edges = np.where((x // 11 + y // 13) % 3 == 0, 90, 0)
    bands = [(shapes + detail * (i + 1) // 2 + edges * i) % 256 for i in range(3)]
    alpha = np.clip(3 * ((x + 2 * y) * 256 // (width + 2 * height)) - 200, 0, 255)
    rows = np.dstack(np.broadcast_arrays(*bands, alpha)).astype(np.uint8).reshape(height, -1)
    packed = zlib.compress(np.pad(rows, ((0, 0), (1, 0))).tobytes(), 1)  # a filter byte of 0 before each row
    head = struct.pack(">IIBBBBB", width, height, 8, RGB_WITH_ALPHA, 0, 0, 0)
    parts = ((b"IHDR", head), (b"eXIf", _exif(7)), (b"IDAT", packed), (b"IEND", b""))
    return SIGNATURE + b"".join(chunk(*part) for part in parts)


def _exif(orientation: int) -> bytes:
    """Return EXIF data with an orientation alone."""
    return b"II*\0" + struct.pack("<IHHHIHHI", 8, 1, ORIENTATION, 3, 1, orientation, 0, 0)
