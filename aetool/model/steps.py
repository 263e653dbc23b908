"""Steps: functions of a codec and a batch of images, at module level, where worker processes find functions by name."""

from __future__ import annotations

from dataclasses import dataclass

from aetool.arrays import Images, Pixels, to_pixels
from aetool.metrics import Figures, distortions, mse
from aetool.runtime.codec import Codec

Again = tuple[Pixels, list[dict[str, float | None]]]
"""Reconstructions as pixels, and the distortions of each."""


@dataclass(frozen=True)
class Score:
    """How unlike the training images an image is: the mse of its reconstruction, and the percentile of that mse."""

    source: str
    mse: float
    percentile: float


def reconstructions(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images."""
    return to_pixels(codec.reconstruct(images)), []


def measured_reconstructions(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images, and their distortions."""
    again = codec.reconstruct(images)
    return to_pixels(again), distortions(images, again)


def errors(codec: Codec, images: Images) -> Figures:
    """Return the mse (n,) of the reconstruction of each image."""
    return mse(images, codec.reconstruct(images))
