"""Steps: functions of a codec and a batch of images, at module level, where worker processes find functions by name."""

from __future__ import annotations

from dataclasses import dataclass

from aetool.arrays import Images, Latents, OneLine, Pixels, to_pixels
from aetool.metrics import distortions
from aetool.runtime.codec import Codec

Again = tuple[Pixels, list[dict[str, float | None]]]
"""Reconstructions as pixels, and the distortions of each."""


def reconstructions(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images."""
    return to_pixels(codec.reconstruct(images)), []


@dataclass(frozen=True, eq=False, repr=False)
class Compared(OneLine):
    """Reconstructions as pixels, beside the images (n, c, h, w) they are of, and their latents and distortions."""

    latents: Latents
    pixels: Pixels
    originals: Pixels
    figures: list[dict[str, float | None]]


def compared(codec: Codec, images: Images) -> Compared:
    """Return images and their reconstructions, to be shown side by side."""
    latents = codec.encode(images)
    again = codec.decode(latents)
    return Compared(latents, to_pixels(again), to_pixels(images), distortions(images, again))


def measured_reconstructions(codec: Codec, images: Images) -> Again:
    """Return the reconstructions of images, and their distortions."""
    again = codec.reconstruct(images)
    return to_pixels(again), distortions(images, again)
