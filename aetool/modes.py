"""Modes of Pillow to 8 bits of grey or RGB: 16 bits, floats, palettes, transparency of every kind."""

from __future__ import annotations

import numpy as np
from PIL import Image

STRIP = 256
"""Rows that are converted at a time: so a large picture needs little more memory than its own."""


def eight_bits(image: Image.Image) -> Image.Image:
    """Scale grey images of 16 bits and of floats to 8 bits (Pillow itself would clip them)."""
    if not (image.mode.startswith("I") or image.mode == "F"):
        return image
    levels, clear = np.asarray(image), image.info.get("transparency")
    grey, alpha = np.empty(levels.shape, np.uint8), None
    if isinstance(clear, int):  # tRNS: one level of the 16 bits is transparent
        alpha = np.where(levels == clear, np.uint8(0), np.uint8(255))
    strips = [slice(start, start + STRIP) for start in range(0, len(levels), STRIP)]
    factor, divisor = 1.0, 257.0
    if image.mode == "F":  # in [0, 1] or in [0, 255]
        divisor = 1.0
        factor = 255.0 if max((float(np.nan_to_num(levels[rows]).max()) for rows in strips), default=2) <= 1 else 1.0
    for rows in strips:
        scaled = np.nan_to_num(levels[rows].astype(np.float64)) * factor / divisor
        grey[rows] = np.rint(scaled.clip(0, 255))
    picture = Image.fromarray(grey)
    if alpha is not None:
        picture.putalpha(Image.fromarray(alpha))
    return picture


def flatten(image: Image.Image, channels: int, background: int) -> Image.Image:
    """Put a transparent image over the grey level `background` and convert it to grey (1 channel) or RGB (3)."""
    mode = "L" if channels == 1 else "RGB"
    if not image.has_transparency_data:
        return image.convert(mode)
    image.load()
    whole = Image.new(mode, image.size)
    for top in range(0, image.height, STRIP):
        part = image.crop((0, top, image.width, min(top + STRIP, image.height))).convert("RGBA")
        behind = Image.new("RGBA", part.size, (background,) * 3 + (255,))
        whole.paste(Image.alpha_composite(behind, part).convert(mode), (0, top))
    return whole


def scale_transparency(image: Image.Image) -> None:
    """Bring the transparent level of a grey PNG of 2 or 4 bits to the 8 bits that Pillow gives its pixels."""
    clear, tiles = image.info.get("transparency"), getattr(image, "tile", [])
    rawmode = tiles[0].args if tiles and isinstance(tiles[0].args, str) else ""
    if image.format == "PNG" and image.mode == "L" and isinstance(clear, int) and rawmode in ("L;2", "L;4"):
        image.info["transparency"] = clear * 255 // ((1 << int(rawmode[-1])) - 1)
