"""Pixels to picture files, and to half blocks for a terminal."""

from __future__ import annotations

import io

import numpy as np
import numpy.typing as npt

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


def half_blocks(pixels: Pixels, colour: bool = True, few: bool = False) -> str:
    """Return uint8 (c, h, w) as lines of text, two pixels a character.

    With `few` in the 240 fixed colours of a terminal of 256, and without `colour` as five shades.
    """
    rgb = np.broadcast_to(pixels, (3, *pixels.shape[1:])) if len(pixels) == 1 else pixels
    if rgb.shape[1] % 2:
        rgb = np.concatenate([rgb, np.zeros_like(rgb[:, :1])], axis=1)
    upper, lower = rgb[:, 0::2].transpose(1, 2, 0), rgb[:, 1::2].transpose(1, 2, 0)
    if not colour:
        levels = (upper.astype(int).sum(2) + lower.astype(int).sum(2)) * 5 // (6 * 256)
        return "".join("".join(" ░▒▓█"[level] for level in row) + "\n" for row in levels)
    kind = "5" if few else "2"
    parts = [_nearest_of_256(part)[..., None] if few else part for part in (upper, lower)]
    lines = []
    for above, below in zip(*(part.tolist() for part in parts), strict=True):
        cells = (
            f"\x1b[38;{kind};{';'.join(map(str, a))};48;{kind};{';'.join(map(str, b))}m▀"
            for a, b in zip(above, below, strict=True)
        )
        lines.append("".join(cells) + "\x1b[0m\n")
    return "".join(lines)


CUBE = np.array([0, 95, 135, 175, 215, 255])
"""Levels of red, green and blue of the colours 16 to 231 of a terminal; 232 to 255 are grey, 8, 18 and so on to 238."""


def _nearest_of_256(rgb: Pixels) -> npt.NDArray[np.int64]:
    """Return the number (h, w) of the colour nearest to each pixel (h, w, 3)."""
    wide = rgb.astype(int)
    steps = abs(wide[..., None] - CUBE).argmin(-1)
    grey = ((wide.mean(2) - 8) / 10).round().clip(0, 23).astype(int)
    off = np.square(CUBE[steps] - wide).sum(2), np.square((8 + 10 * grey)[..., None] - wide).sum(2)
    nearest: npt.NDArray[np.int64] = np.where(off[1] < off[0], 232 + grey, 16 + steps @ [36, 6, 1])
    return nearest
