"""Images with nothing to learn from: all equal, or blank, as black drawings are where transparency becomes black."""

from __future__ import annotations

import numpy as np

from aetool.arrays import Pixels
from aetool.training.data.dataset import Dataset
from aetool.training.data.stored import blocks

PROBES = 16
"""Values of an image that are compared first; most images differ in these."""


def all_equal(data: Dataset) -> bool:
    """Return whether all training and test images are one and the same."""
    first = data.train.pixels[0]
    parts = (block for part in (data.train, data.test) for block in blocks(part.pixels))
    return all((image == first).all() for block in parts for image in block)


def count_blank(data: Dataset) -> int:
    """Return the number of training and test images that have one colour everywhere."""
    return sum(_blank(block) for part in (data.train, data.test) for block in blocks(part.pixels))


def _blank(pixels: Pixels) -> int:
    n, c, h, w = pixels.shape
    values = pixels.reshape(n, c, h * w)
    probes = values[:, :, :: max(1, h * w // PROBES)]
    rows = np.flatnonzero((probes == values[:, :, :1]).all((1, 2)))
    return sum(bool((values[row] == values[row, :, :1]).all()) for row in rows)
