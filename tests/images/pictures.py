"""Pictures of known levels in many forms."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from aetool.images.decode import decode_image
from aetool.images.png import SIGNATURE, chunk
from aetool.images.spec import ImageSpec

Y, X = np.mgrid[:28, :28]
LEVELS = np.rint(255 * np.exp(-((Y - 12) ** 2 + (X - 15) ** 2) / 60)).astype(np.uint8)
"""A spot, with levels from 0 to 255."""
WIDE = LEVELS.astype(np.int64)
COLOURS = np.stack([LEVELS, LEVELS[::-1], 255 - LEVELS.T], 2)
GREY, COLOUR = ImageSpec(1, 28, 28), ImageSpec(3, 28, 28)


def encoded(image: Image.Image, kind: str = "TIFF", **options) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def deep(values, kind: str = "TIFF", **options) -> bytes:
    return encoded(Image.fromarray(np.asarray(values)), kind, **options)


def away(data: bytes, expected: np.ndarray = LEVELS) -> int:
    """Return how far the levels of a decoded picture are from the expected ones."""
    return int(abs(decode_image(data, GREY)[0].astype(int) - expected).max())


def tiff(
    values: np.ndarray, bits: int, photometric: int = 1, sample_format: int = 1, order: str = "<", **more
) -> bytes:
    """Return an uncompressed TIFF written by hand; bytes are packed as they are."""
    body = values.tobytes()
    tags = {256: 28, 257: 28, 258: bits, 259: 1, 262: photometric, 273: 8, 277: 1, 278: 28, 279: len(body)}
    tags |= {339: sample_format} | {int(name[1:]): value for name, value in more.items()}
    entries = [struct.pack(order + "HHII", tag, 4, 1, value) for tag, value in sorted(tags.items())]
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", 8 + len(body))
    return head + body + struct.pack(order + "H", len(entries)) + b"".join(entries) + bytes(4)


def colour_png(values: np.ndarray, *chunks: tuple[bytes, bytes]) -> bytes:
    """Return a PNG of 16 bits a number, colour (h, w, 3) or with alpha (h, w, 4), written by hand."""
    h, w, channels = values.shape
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">IIBBBBB", w, h, 16, {3: 2, 4: 6}[channels], 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return SIGNATURE + b"".join(chunk(*part) for part in parts)
