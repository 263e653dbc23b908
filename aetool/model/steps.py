"""Steps: functions of a codec and a batch of images, at module level, where worker processes find functions by name."""

from __future__ import annotations

from aetool.arrays import Images, Pixels, to_pixels
from aetool.metrics import distortions
from aetool.runtime.codec import Codec

Again = tuple[Pixels, list[dict[str, float | None]]]
"""Reconstructions as pixels, and the distortions of each."""


def reconstructions(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images."""
    return to_pixels(codec.reconstruct(images)), []


def measured_reconstructions(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images, and their distortions."""
    again = codec.reconstruct(images)
    return to_pixels(again), distortions(images, again)
