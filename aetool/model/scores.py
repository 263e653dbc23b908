"""Scores: how unlike the training images a picture is, and maps of where."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Images, OneLine, to_pixels
from aetool.bundle.manifest import Manifest
from aetool.bundle.scoring import ENOUGH, Maps, Scoring, by_mse
from aetool.images.files import FileBatch, ImageFile
from aetool.images.heat import over_picture
from aetool.latents.distance import Reference, reference
from aetool.metrics import Figures, mse
from aetool.model.keys import values
from aetool.runtime.codec import Codec
from aetool.runtime.parallel import over_files

if TYPE_CHECKING:
    from aetool.model.model import Model

MAPS = ("array", "picture")
"""Forms of a heat map: its numbers, float32 (n, h, w), or over its picture, uint8 (n, 3, h, w)."""


@dataclass(frozen=True)
class Score:
    """How unlike the training images an image is.

    mse          of its reconstruction
    percentile   share of held-out images that are less unusual, by mse and distance, in [0, 100]
    distance     from its latent to the bank, None where the bank was made without any image
    """

    source: str
    mse: float
    percentile: float
    distance: float | None = None


Scored = tuple[list[Score], npt.NDArray[Any]]
"""The scores of n images, and their maps: of none, (0,)."""

Measured = tuple[Figures, Figures, npt.NDArray[Any]]


@dataclass(frozen=True, eq=False, repr=False)
class Measure(OneLine):
    """A step for workers: the mse (n,) of images, the distances (n,) of their latents, and their maps."""

    known: Reference
    scoring: Scoring
    maps: str | None
    show: tuple[int, ...] | None

    def __call__(self, codec: Codec, images: Images) -> Measured:
        """Return what is measured of images (n, c, h, w)."""
        latents = codec.encode(images)
        again = codec.decode(latents)
        figures = mse(images, again), self.known.distances(latents)
        if self.maps is None:
            return *figures, np.empty(0)
        maps = self.scoring.maps(images, again)
        if self.maps == "array":
            return *figures, maps
        shown = images if self.show is None else images[:, list(self.show)]
        return *figures, over_picture(to_pixels(shown), maps / np.float32(self.scoring.full))


def scoring_of(manifest: Manifest) -> Scoring:
    """Return the scoring of a model, that of its mse alone in bundles of older versions.

    Raises `BundleError` for a model without held-out images.
    """
    quantiles = manifest.quantiles()
    return manifest.scoring or by_mse(quantiles, float(manifest.distortion["test"] or 0))


def reservation(manifest: Manifest, maps: bool) -> str | None:
    """Return what scores and, if asked for, maps of a model lack, None for nothing."""
    if manifest.scoring is None:
        both = ", and its maps have one scale for all pixels" if maps else ""
        return f"this model is of an older aetool: percentiles are of the mse alone, without the distance{both}"
    images = manifest.scoring.images
    if maps and images < ENOUGH:
        held_out = "1 held-out image" if images == 1 else f"{images} held-out images"
        return f"this model has {held_out}, too few for a scale of each pixel: its maps have one for all"
    return None


def scored(
    model: Model, files: Iterable[ImageFile], maps: str | None, show: tuple[int, ...] | None
) -> Iterator[FileBatch[Scored]]:
    """Yield the scores of picture files, and their maps of a form in `MAPS`."""
    found = scoring_of(model.bundle.manifest)
    step = Measure(reference(model.bundle.bank()), found, maps, show)
    for batch in over_files(files, model.codec, step, model.cores, model.limits):
        figures, distances, pictures = batch.value
        rows = zip(batch.files, figures.tolist(), found.percentiles(figures, distances).tolist(), distances.tolist(),
                   strict=True)  # fmt: skip
        scores = [
            Score(file.path, error, percentile, None if math.isnan(distance) else distance)
            for file, error, percentile, distance in rows
        ]
        yield batch.with_value((scores, pictures))


def maps_of(model: Model, files: Iterable[ImageFile]) -> Maps:
    """Return the heat maps of all pictures, float32 (n, h, w)."""
    none = np.empty((0, *model.bundle.manifest.image.shape[1:]), np.float32)
    return np.concatenate([none, *(maps for _, maps in values(scored(model, files, "array", None)))])
