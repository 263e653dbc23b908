"""Steps: functions of a codec and a batch of images, at module level, where worker processes find functions by name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aetool.arrays import Images, Latents, OneLine, Pixels, to_pixels
from aetool.metrics import distortions
from aetool.runtime.codec import Codec

if TYPE_CHECKING:
    from aetool.images.files import FileBatch, ImageFile
    from aetool.latents.files import LatentBatch
    from aetool.model.model import Model

Again = tuple[Pixels, list[dict[str, float | None]]]
"""Reconstructions as pixels, and the distortions of each."""


def latents_and_pixels(codec: Codec, images: Images) -> tuple[Latents, Pixels]:
    """Return the latents of images, and the images as pixels."""
    return codec.encode(images), to_pixels(images)


def prepared(model: Model, files: Iterable[ImageFile]) -> Iterator[FileBatch[tuple[LatentBatch, Pixels]]]:
    """Yield the latents of picture files, and their pixels uint8 (n, c, h, w) as the encoder gets them."""
    from aetool.model.keys import latents_of
    from aetool.runtime.parallel import over_files

    for batch in over_files(files, model.codec, latents_and_pixels, model.cores, model.limits):
        latents, pixels = batch.value
        yield batch.with_value((latents_of(batch.files, latents, model.bundle.identity), pixels))


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
