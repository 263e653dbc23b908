"""Pictures for the zoo of foreign autoencoders: bright rectangles on black, made by NumPy alone."""

from __future__ import annotations

import numpy as np


def rectangles(n: int, c: int, h: int, w: int, seed: int = 0) -> np.ndarray:
    """Return uint8 (n, c, h, w): a rectangle of random place, sides and level a picture, the same ones for a seed."""
    rng = np.random.default_rng(seed)
    pixels = np.zeros((n, c, h, w), np.uint8)
    for picture in pixels:
        high, wide = rng.integers(h // 4, h // 2 + 1), rng.integers(w // 4, w // 2 + 1)
        y, x = rng.integers(0, h - high + 1), rng.integers(0, w - wide + 1)
        picture[:, y : y + high, x : x + wide] = rng.integers(100, 256, (c, 1, 1))
    return pixels
