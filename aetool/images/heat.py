"""Heat maps over pictures: where a picture is unlike the training data, in one colour scale for all pictures."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from aetool.arrays import Pixels

COLOURS = (
    (0.00, 255, 214, 10, 0),
    (0.06, 255, 200, 10, 0),
    (0.30, 255, 140, 0, 190),
    (0.65, 240, 50, 20, 225),
    (1.00, 190, 0, 60, 240),
)
"""The colour scale: share of the full value, red, green, blue, and opacity over the picture, each 0 to 255."""
DIM = 0.8
"""Contrast of the picture under the colours, which is grey."""
GREY = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in grey."""


def over_picture(pixels: Pixels, shares: npt.NDArray[np.float32]) -> Pixels:
    """Return pictures (n, 3, h, w): uint8 pixels (n, c, h, w) in grey, c 1 or 3, under the colours of maps (n, h, w).

    `shares` are values over the full value; more than 1 has the same colour.
    """
    places, *columns = np.array(COLOURS, np.float64).T
    red, green, blue, opacity = (np.interp(shares, places, column) for column in columns)
    weights = GREY if pixels.shape[1] == 3 else (1.0,)
    grey = np.tensordot(pixels, weights, (1, 0)) * DIM + 255 * (1 - DIM) / 2
    opaque = (opacity / 255)[:, None]
    mixed = (1 - opaque) * grey[:, None] + opaque * np.stack([red, green, blue], 1)
    shown: Pixels = np.rint(mixed).astype(np.uint8)
    return shown
