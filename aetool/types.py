"""Images, latents and the bank: the one place where shapes, dtype and range are written down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from aetool.errors import InvalidInput, UsageError, did_you_mean

Images: TypeAlias = npt.NDArray[np.float32]
"""Images x: float32 (n, c, h, w) in [0, 1]; c is 1 (grey) or 3 (RGB)."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""The same as bytes: uint8 (n, c, h, w), 255 for 1.0; what files hold and what data sets keep in memory."""

Latents: TypeAlias = npt.NDArray[np.float32]
"""Latents z: float32 (n, k), finite, without bounds."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""Class numbers: int64 (n,), an index into the class names, or -1 for none."""


def to_images(pixels: Pixels) -> Images:
    """Return uint8 pixels as float32 images in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


def to_pixels(images: Images) -> Pixels:
    """Return images in [0, 1] as uint8 pixels, rounded to the nearest."""
    pixels: Pixels = np.rint(images * np.float32(255)).astype(np.uint8)
    return pixels


def check_images(array: npt.NDArray[Any], shape: tuple[int, int, int]) -> Images:
    """Return `array` as images of `shape` (c, h, w), or raise `InvalidInput`."""
    if array.ndim != 4 or array.shape[1:] != shape:
        raise InvalidInput(f"images of shape (n, {', '.join(map(str, shape))}) expected, not {array.shape}")
    if array.dtype != np.float32:
        raise InvalidInput(f"images are float32 in [0, 1], not {array.dtype}")
    if array.size and not (array.min() >= 0 and array.max() <= 1):  # false for NaN too
        raise InvalidInput("images must lie in [0, 1]")
    return array


def check_latents(array: npt.NDArray[Any], size: int | None) -> Latents:
    """Return `array` as finite float32 latents (n, size), or raise `InvalidInput`; None takes any size."""
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InvalidInput(f"latents are numbers of shape (n, k), not {array.dtype} of shape {array.shape}")
    if size is not None and array.shape[1] != size:
        raise InvalidInput(f"this model has latents of {size} numbers, these have {array.shape[1]}")
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which the next line refuses
        latents = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(latents).all():
        raise InvalidInput("latents must be finite numbers in the range of float32")
    return latents


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Mixtures of m normal distributions: one for each of the c classes, or one for all where there are no classes.

    weights   (c, m) shares that sum to 1 in each mixture; m is 0 where none was fitted
    means     (c, m, k)
    roots     (c, m, k, k) lower triangular L with L L^T the covariance
    """

    weights: npt.NDArray[np.float32]
    means: npt.NDArray[np.float32]
    roots: npt.NDArray[np.float32]

    @classmethod
    def none(cls, classes: int, k: int) -> Mixtures:
        """Return mixtures of no components."""
        shapes = ((max(1, classes), 0), (max(1, classes), 0, k), (max(1, classes), 0, k, k))
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))


@dataclass(frozen=True, eq=False)
class Bank:
    """Latents of training images: the material that samplers and class means are made of.

    latents      (n, k); no rows where the bundle was exported without them
    labels       (n,) class number of each, -1 for none
    neighbours   (n, m) rows of the m nearest of the same class, nearest first, -1 where a class has fewer
    sources      n names: an index into the data set («train/17») or a relative path
    classes      names of the c classes
    counts, means, covariances   (c + 1,), (c + 1, k), (c + 1, k, k): of each class, and last of all images
    mixtures     see `Mixtures`
    """

    latents: Latents
    labels: Labels
    neighbours: npt.NDArray[np.int32]
    sources: Sequence[str]
    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    means: Latents
    covariances: npt.NDArray[np.float32]
    mixtures: Mixtures

    def class_index(self, name: str | None) -> int | None:
        """Return the number of the class `name`; None stands for the whole bank. Raises `UsageError`."""
        if name is None:
            return None
        if not self.classes:
            raise UsageError("this model knows no classes; leave --class and --digit out")
        if name not in self.classes:
            hint = did_you_mean(name, list(self.classes))
            raise UsageError(f"no class «{name}»{hint}; there is {', '.join(self.classes)}")
        return self.classes.index(name)

    def rows(self, label: int | None) -> npt.NDArray[np.intp]:
        """Return the rows of class `label`, or all; raises `UsageError` where the bank has none."""
        rows = np.arange(len(self.latents)) if label is None else np.flatnonzero(self.labels == label)
        if not len(rows):
            other = "gmm" if self.mixtures.weights.size else "gaussian"
            hint = f"; --method {other} needs none" if self.counts[-1 if label is None else label] else ""
            raise UsageError(f"the bank of this model has no latents to draw from{hint}")
        return rows

    def mean(self, label: int | None) -> Latents:
        """Return the mean latent (k,) of class `label`, or of all."""
        mean: Latents = self.means[-1 if label is None else label]
        return mean

    def covariance(self, label: int | None) -> npt.NDArray[np.float32]:
        """Return the covariance (k, k) of class `label`, or of all."""
        covariance: npt.NDArray[np.float32] = self.covariances[-1 if label is None else label]
        return covariance
