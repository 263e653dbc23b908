"""Images with nothing to learn from: all equal, or blank, as black drawings are where transparency becomes black."""

from __future__ import annotations

import numpy as np

from aetool.arrays import Pixels
from aetool.training.data.dataset import Dataset

PROBES = 16
"""Values of an image that are compared first; most images differ in these."""


def all_equal(data: Dataset) -> bool:
    """Return whether all training and test images are one and the same."""
    first = data.train.pixels[0]
    return all((image == first).all() for part in (data.train, data.test) for image in part.pixels)


def count_blank(data: Dataset) -> int:
    """Return the number of training and test images that have one colour everywhere."""
    return sum(_blank(part.pixels) for part in (data.train, data.test))


def _blank(pixels: Pixels) -> int:
    n, c, h, w = pixels.shape
    values = pixels.reshape(n, c, h * w)
    probes = values[:, :, :: max(1, h * w // PROBES)]
    rows = np.flatnonzero((probes == values[:, :, :1]).all((1, 2)))
    return sum(bool((values[row] == values[row, :, :1]).all()) for row in rows)
