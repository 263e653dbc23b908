"""Golden values: the numbers of a bundle, computed at export, against a codec on the current machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from aetool.bundle.bundle import Bundle
from aetool.errors import BundleError
from aetool.runtime.codec import Codec

BOUNDS = {"latents": 1e-3, "images": 1e-4}
"""Largest difference of latents in units of their scale, and of image values, between machines."""


def check_golden(bundle: Bundle, codec: Codec) -> dict[str, Any]:
    """Return the differences from the golden values, and their bounds; raises `BundleError` beyond a bound."""
    golden = bundle.manifest.golden
    images = codec.decode(golden.latents)
    encoded = codec.encode(golden.images)
    spread = np.sqrt(bundle.bank().covariance(None).diagonal().mean())
    size = np.sqrt(np.square(golden.encoded, dtype=np.float64).mean())  # where all images are alike there is no spread
    found = {
        "latents": float(abs(encoded - golden.encoded).max()) / max(float(spread), float(size), 1e-12),
        "images": float(abs(images - golden.images).max()),
    }
    for name, bound in BOUNDS.items():
        if found[name] > bound:
            raise BundleError(f"golden {name} differ by {found[name]:.2g} on {codec.device}, over {bound:g}")
    return {"device": codec.device, "found": found, "bounds": BOUNDS}
