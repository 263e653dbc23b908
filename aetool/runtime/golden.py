"""Golden values: the numbers of a bundle, computed at export, against a codec and Pillow on the current machine."""

from __future__ import annotations

from typing import Any

import numpy as np

from aetool.bundle.bundle import Bundle
from aetool.bundle.golden import Samples, golden_pictures
from aetool.bundle.manifest import Manifest
from aetool.errors import BundleError
from aetool.runtime.codec import Codec

BOUNDS = {"latents": 1e-3, "images": 1e-4}
"""Largest difference of latents in units of their scale, and of image values, between machines."""
LEVELS = 1
"""Largest difference of the prepared pixels of golden pictures between versions of Pillow and its codecs."""


def check_golden(bundle: Bundle, codec: Codec) -> dict[str, Any]:
    """Return the differences from the golden values, and their bounds; raises `BundleError` beyond a bound.

    Where samples of the golden images are kept, the images that are decoded here are encoded.
    """
    golden = bundle.manifest.golden
    images, expected = codec.decode(golden.latents), golden.images
    encoded = codec.encode(images if isinstance(expected, Samples) else expected)
    spread = np.sqrt(bundle.bank().covariance(None).diagonal().mean())
    size = np.sqrt(np.square(golden.encoded, dtype=np.float64).mean())  # where all images are alike there is no spread
    if isinstance(expected, Samples):
        here = Samples.of(images)
        apart = max(abs(here.values - expected.values).max(), abs(here.means - expected.means).max())
    else:
        apart = abs(images - expected).max()
    found = {
        "latents": float(abs(encoded - golden.encoded).max()) / max(float(spread), float(size), 1e-12),
        "images": float(apart),
    }
    for name, bound in BOUNDS.items():
        if found[name] > bound:
            raise BundleError(f"golden {name} differ by {found[name]:.2g} on {codec.device}, over {bound:g}")
    return {"device": codec.device, "found": found, "bounds": BOUNDS}


def check_pictures(manifest: Manifest) -> dict[str, Any]:
    """Return by how many levels the golden pictures differ, prepared here; raises `BundleError` beyond one level.

    Without golden pictures in the bundle nothing is compared.
    """
    import PIL

    expected, proof = manifest.pictures, {"version": manifest.image.preparation, "pillow": PIL.__version__}
    here = expected and golden_pictures(manifest.image)
    if expected is None or here is None:
        return proof | {"found": {}}
    found = {name: one.difference(here.pictures[name]) for name, one in expected.pictures.items()}
    for name, levels in found.items():
        if levels > LEVELS:
            versions = f"Pillow {PIL.__version__} here, {expected.pillow} at export"
            raise BundleError(f"the golden {name.upper()} is prepared otherwise by up to {levels} levels ({versions})")
    return proof | {"found": found, "made_with": expected.pillow}
