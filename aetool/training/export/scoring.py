"""What held-out images give, by which other images are scored: stored in the bundle."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from aetool.arrays import Images, Latents, spread, to_images
from aetool.bundle.scoring import Scoring, heat, scale_of, scoring
from aetool.latents.bank import Bank
from aetool.latents.distance import reference
from aetool.metrics import mse, squared_errors
from aetool.runtime.codec import Codec
from aetool.training.data.stored import AnyPixels, blocks, taken

CHUNK = 1 << 20
"""Values of images in float32 at a time."""
PEAKS = 1000
"""Most images whose maps are made."""


def held_out(codec: Codec, bank: Bank, pixels: AnyPixels) -> Scoring | None:
    """Return the scoring by held-out images (n, c, h, w) that are not in the bank; None without an image."""
    if not len(pixels):
        return None
    known = reference(bank)
    total, figures, distances = np.zeros(pixels.shape[2:]), [np.empty(0)], [np.empty(0)]
    for images, latents, again in _reconstructed(codec, pixels):
        total += squared_errors(images, again).sum(0)
        figures.append(mse(images, again))
        distances.append(known.distances(latents))
    scale = scale_of(total / len(pixels), len(pixels))
    peaks = [
        heat(squared_errors(images, again), scale).max((1, 2)).astype(np.float64)
        for images, _, again in _reconstructed(codec, taken(pixels, spread(len(pixels), PEAKS)))
    ]
    return scoring(np.concatenate(figures), np.concatenate(distances), scale, np.concatenate(peaks))


def _reconstructed(codec: Codec, pixels: AnyPixels) -> Iterator[tuple[Images, Latents, Images]]:
    for images in map(to_images, blocks(pixels, CHUNK)):
        latents = codec.encode(images)
        yield images, latents, codec.decode(latents)
