"""What weights in float16 change: the mse of images and the levels of pixels, within bounds or refused."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from aetool import metrics
from aetool.arrays import Images, to_pixels
from aetool.errors import BundleError
from aetool.runtime.codec import Codec

BOUNDS = {"mse": 0.01, "pixels": 0.01}
"""Largest relative change of the mean mse, and share of 8-bit values that change by more than a level."""
LEAST_MSE = 1 / 12 / 255**2
"""The mse of rounding to 8 bits: smaller ones count as this one, for no picture shows them."""


def compare(before: Codec, after: Codec, blocks: Iterable[Images]) -> dict[str, Any]:
    """Return what the weights of `after` change: figures of reconstructed images (n, c, h, w), and their bounds.

    "mse" is the relative change of the mean mse, "pixels" the share of values that change by more than a level. Raises
    `BundleError` beyond a bound.
    """
    sums, apart, values, count = np.zeros(2), 0, 0, 0
    for images in blocks:
        both = [codec.reconstruct(images) for codec in (before, after)]
        sums += [metrics.mse(images, again).sum() for again in both]
        levels = [to_pixels(again).astype(np.int16) for again in both]
        apart += int((abs(levels[0] - levels[1]) > 1).sum())
        values, count = values + images.size, count + len(images)
    mse = sums / max(1, count)
    found = {"mse": float(abs(mse[1] - mse[0]) / max(mse[0], LEAST_MSE)), "pixels": apart / max(1, values)}
    said = f"the mse by {100 * found['mse']:.2g} % and {100 * found['pixels']:.2g} % of pixels by more than a level"
    if not all(found[name] <= bound for name, bound in BOUNDS.items()):
        most = " and ".join(f"{100 * bound:g} %" for bound in BOUNDS.values())
        raise BundleError(f"weights in float16 change {said}, where at most {most} are accepted", fix="float32")
    return {"found": found, "bounds": BOUNDS}
