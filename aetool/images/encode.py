"""Pixels to picture files, and to half blocks for a terminal."""

from __future__ import annotations

import io

import numpy as np

from aetool.arrays import Pixels
from aetool.errors import LimitExceeded
from aetool.images.provenance import Provenance, exif_bytes, png_info
from aetool.images.sheet import to_pil

PICTURES = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
JPEG_SIDE = 65_500


def encode_picture(pixels: Pixels, suffix: str = ".png", provenance: Provenance | None = None) -> bytes:
    """Return uint8 (c, h, w) as the bytes of a file with `suffix` (of `PICTURES`)."""
    stream = io.BytesIO()
    if PICTURES[suffix] == "PNG":
        to_pil(pixels).save(stream, "PNG", pnginfo=png_info(provenance))
    else:
        if max(pixels.shape) > JPEG_SIDE:
            raise LimitExceeded(f"a JPEG has at most {JPEG_SIDE:,} pixels a side", fix="jpeg")
        to_pil(pixels).save(stream, "JPEG", quality=95, subsampling=0, exif=exif_bytes(provenance))
    return stream.getvalue()


def half_blocks(pixels: Pixels, colour: bool = True) -> str:
    """Return uint8 (c, h, w) as lines of text, two pixels a character; without colour as five shades."""
    rgb = np.broadcast_to(pixels, (3, *pixels.shape[1:])) if len(pixels) == 1 else pixels
    if rgb.shape[1] % 2:
        rgb = np.concatenate([rgb, np.zeros_like(rgb[:, :1])], axis=1)
    upper, lower = rgb[:, 0::2].transpose(1, 2, 0), rgb[:, 1::2].transpose(1, 2, 0)
    if not colour:
        levels = (upper.astype(int).sum(2) + lower.astype(int).sum(2)) * 5 // (6 * 256)
        return "".join("".join(" ░▒▓█"[level] for level in row) + "\n" for row in levels)
    lines = []
    for above, below in zip(upper.tolist(), lower.tolist(), strict=True):
        cells = (f"\x1b[38;2;{a};{b};{c};48;2;{d};{e};{f}m▀" for (a, b, c), (d, e, f) in zip(above, below, strict=True))
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)
