"""The witness: the graphs of a bundle on a device, against the same graphs in NumPy (`reference`)."""

from __future__ import annotations

from typing import Any

import numpy as np

from aetool.arrays import Images, Latents, to_images
from aetool.bundle.bundle import Bundle
from aetool.errors import BundleError, UsageError
from aetool.images.spec import ImageSpec
from aetool.runtime.codec import Codec
from aetool.runtime.devices import NUMPY

ITEMS = 16
"""Images and latents of each kind that are compared."""
BOUNDS = {"latents": 1e-4, "images": 1e-5}
"""Largest difference of latents in units of their scale, and of image values: rounding is a tenth of this."""


def check_witness(bundle: Bundle, codec: Codec) -> dict[str, Any]:
    """Return the differences between a codec and NumPy, and their bounds; raises `BundleError` beyond a bound.

    Compared are latents like those of the bank, their images, and images of random levels, which reach parts of the
    encoder that the others leave idle. Raises `UsageError` for a codec that is NumPy itself.
    """
    if codec.device == NUMPY:
        raise UsageError("the witness is NumPy, and cannot be compared with itself", fix="witness")
    witness, bank = Codec(bundle, NUMPY), bundle.bank()
    mean, covariance = bank.mean(None), bank.covariance(None)
    drawn = np.random.default_rng(0).multivariate_normal(mean, covariance, ITEMS, check_valid="ignore")
    latents = drawn.astype(np.float32)
    images = witness.decode(latents)
    sets = (images, _random_images(codec.spec))
    pairs = [(codec.encode(given), witness.encode(given)) for given in sets]
    found = {
        "latents": max(float(abs(here - there).max()) / _scale(there) for here, there in pairs),
        "images": float(abs(codec.decode(latents) - images).max()),
    }
    for name, bound in BOUNDS.items():
        if not found[name] <= bound:
            raise BundleError(f"{codec.device} and NumPy differ by {found[name]:.2g} in {name}, over {bound:g}")
    return {"items": ITEMS, "found": found, "bounds": BOUNDS}


def _random_images(spec: ImageSpec) -> Images:
    return to_images(np.random.default_rng(1).integers(0, 256, (ITEMS, *spec.shape), np.uint8))


def _scale(latents: Latents) -> float:
    """Return the scale of rounding errors in latents (n, k): their root mean square, never 0."""
    return max(float(np.sqrt(np.square(latents, dtype=np.float64).mean())), float(np.finfo(np.float32).tiny))
