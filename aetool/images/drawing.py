"""What is drawn in transparent pictures, and the background on which it is seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

NAMES = {0: "black", 255: "white", 128: "grey"}
"""Backgrounds to choose from."""
CONTRAST = 32
"""Levels between a drawing and its background below which the drawing is hardly seen."""
SIDE = 64
"""Pixels of the shorter side of a picture that are looked at, about."""


def drawing_level(image: Image.Image) -> float | None:
    """Return the mean grey level, 0 to 255, of a picture of 8 bits by its alpha; None where it is opaque or empty."""
    rgba = image.convert("RGBA")
    if rgba.getchannel("A").getextrema() == (255, 255):
        return None
    shown = np.asarray(rgba.reduce(max(1, min(rgba.size) // SIDE)), np.float64)
    alpha = shown[..., 3]
    levels = shown[..., :3] @ np.array([0.299, 0.587, 0.114])
    return float((levels * alpha).sum() / alpha.sum()) if alpha.any() else None


def background_for(levels: Sequence[float]) -> int:
    """Return the background on which the fewest drawings with these levels vanish, black where there are none.

    Of equal ones it is the one with the largest mean contrast.
    """
    if not levels:
        return 0
    apart = {background: abs(np.array(levels) - background) for background in NAMES}
    return min(NAMES, key=lambda background: (int((apart[background] < CONTRAST).sum()), -apart[background].mean()))
