"""PNG files of many small pictures, several times as fast as Pillow's encoder.

For 28x28 grey 23 us a picture against 57 us of Pillow's `save`, for 64x64 colour 163 us against 708 us, at nearly the
same file sizes (373 and 385 bytes, 7.1 and 6.7 kB; 256 samples of each shipped model).

PNG (third edition): section 5.3 chunks, 9.2 filter types, 11.3.3 text. Run-length matches (Z_RLE of zlib) suffice for
small pictures.
"""

from __future__ import annotations

import struct
import zlib

import numpy as np

from aetool.arrays import Pixels
from aetool.images.spec import not_pictured

SIGNATURE = b"\x89PNG\r\n\x1a\n"
COLOUR_TYPE = {1: 0, 3: 2}
"""Of PNG, by the number of channels."""
NONE, UP = 0, 2
"""Filters: unchanged bytes, which preserve runs, and differences from the row above."""


def png_files(pixels: Pixels, text: bytes = b"") -> list[bytes]:
    """Return uint8 (n, c, h, w), as the bytes of n PNG files, each with the chunks `text`.

    Raises `UsageError` for other channels than 1 or 3.
    """
    c, h, w = pixels.shape[1:]
    if c not in COLOUR_TYPE:
        raise not_pictured(c)
    start = SIGNATURE + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, 8, COLOUR_TYPE[c], 0, 0, 0)) + text
    end = chunk(b"IEND", b"")
    files = []
    for rows in _filtered(pixels):
        packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 8, zlib.Z_RLE)
        files.append(start + chunk(b"IDAT", packer.compress(rows) + packer.flush()) + end)
    return files


def _filtered(pixels: Pixels) -> Pixels:
    """Return the filtered rows (n, h, 1 + w c) to compress: with filter `NONE` where most bytes are in runs."""
    n, c, h, w = pixels.shape
    rows = np.ascontiguousarray(pixels.transpose(0, 2, 3, 1)).reshape(n, h, w * c)
    flat = (rows[:, :, c:] == rows[:, :, :-c]).sum((1, 2)) * 2 > h * (w - 1) * c
    out = np.empty((n, h, 1 + w * c), np.uint8)
    out[:, :, 0] = np.where(flat, NONE, UP)[:, None]
    out[:, :, 1:] = rows
    out[:, 1:, 1:] -= np.where(flat[:, None, None], np.uint8(0), rows[:, :-1])
    return out


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk of a PNG file."""
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(data, zlib.crc32(name)))


def text_chunks(software: str, description: str) -> bytes:
    """Return the provenance as chunks: "Software" as tEXt, and `description` as iTXt "aetool"."""
    return chunk(b"tEXt", b"Software\0" + software.encode("latin-1", "replace")) + chunk(
        b"iTXt", b"aetool\0\0\0\0\0" + description.encode("utf-8", "backslashreplace")
    )
