"""The nearest training image of many images by mse: exact, in blocks, mostly by products of small matrices.

Distances are bounded from below in a few directions: images are projected on the main directions of a sample, and the
length of what is left makes one coordinate more. The distance of two images is at least that of their coordinates, so
only images below the distance of the best so far are compared value by value.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from aetool.arrays import Pixels
from aetool.metrics import Figures
from aetool.training.data.stored import AnyPixels

Floats = npt.NDArray[np.float32]
Rows = npt.NDArray[np.intp]
Squares = npt.NDArray[np.int64]
"""Squared distances in levels of 8 bits."""

DIRECTIONS = 128
"""Directions of the projection."""
SAMPLE, SAMPLED = 1024, 1 << 25
"""Most training images, and most values, that the directions are computed from."""
VALUES = 1 << 22
"""Values held at a time."""
DEAR = 32
"""A comparison of one pair of images takes as long as this many in a product of matrices."""
SLACK = 1e-5
"""Relative rounding error allowed for in the bounds."""


class Nearest:
    """Training images, uint8 (n, c, h, w), prepared for many searches; read in blocks."""

    def __init__(self, pixels: AnyPixels) -> None:
        self.pixels = pixels
        count = min(SAMPLE, max(1, SAMPLED // math.prod(pixels.shape[1:])))
        sample = _flat(pixels[np.sort(np.random.default_rng(0).permutation(len(pixels))[:count])])
        self.mean = sample.mean(0, dtype=np.float64).astype(np.float32)
        self.basis = _directions(sample - self.mean)
        values = self.mean.size
        self.points = np.concatenate([self._coordinates(_flat(pixels[rows])) for rows in _blocks(len(pixels), values)])
        self.norms = np.square(self.points).sum(1)

    def squared(self, pixels: AnyPixels) -> Squares:
        """Return the squared distance (q,) of each of the images (q, c, h, w) to its nearest, in levels of 8 bits."""
        found = np.empty(len(pixels), np.int64)
        for rows in _blocks(len(pixels), max(self.mean.size, len(self.points))):
            found[rows] = self._block(pixels[rows])
        return found

    def mse(self, pixels: AnyPixels) -> Figures:
        """Return the mse (q,) of each of the images (q, c, h, w) to its nearest, of values in [0, 1]."""
        figures: Figures = self.squared(pixels) / (255**2 * self.mean.size)
        return figures

    def _coordinates(self, flat: Floats) -> Floats:
        """Return images (n, d) by their coordinates (n, directions + 1)."""
        centred = flat - self.mean
        inside = centred @ self.basis
        rest = np.linalg.norm(centred - inside @ self.basis.T, axis=1)
        return np.concatenate([inside, rest[:, None]], 1)

    def _block(self, pixels: Pixels) -> Squares:
        points = self._coordinates(_flat(pixels))
        norms = np.square(points).sum(1)
        below = self.norms - 2 * (points @ self.points.T) + norms[:, None]
        best = _squared(pixels, self.pixels[below.argmin(1)])
        slack = SLACK * (norms + self.norms.max())
        queries, rows = _close(below, best, slack)
        if len(rows) * DEAR > below.size:
            return self._compared_with_all(pixels, best, slack)
        self._improve(best, pixels, queries, rows)
        return best

    def _compared_with_all(self, pixels: Pixels, best: Squares, slack: Floats) -> Squares:
        """Return the squared distances, `best` so far, by products of all values."""
        flat = _flat(pixels) - self.mean
        norms = np.square(flat).sum(1)[:, None]
        for part in _blocks(len(self.pixels), self.mean.size):
            others = _flat(self.pixels[part]) - self.mean
            queries, rows = _close(np.square(others).sum(1) - 2 * (flat @ others.T) + norms, best, slack)
            self._improve(best, pixels, queries, rows + part.start)
        return best

    def _improve(self, best: Squares, pixels: Pixels, queries: Rows, rows: Rows) -> None:
        """Lower `best` to the squared distances of pairs of an image and a training image."""
        for part in _blocks(len(rows), self.mean.size):
            squared = _squared(pixels[queries[part]], self.pixels[rows[part]])
            np.minimum.at(best, queries[part], squared)


def _close(squared: Floats, best: Squares, slack: Floats) -> tuple[Rows, Rows]:
    """Return the pairs of rows whose rounded squared distance (q, n) may be below the best so far (q,)."""
    queries, rows = np.nonzero(squared <= (best * (1 + SLACK) + slack)[:, None])
    return queries, rows


def _directions(centred: Floats) -> Floats:
    """Return the main directions (d, at most `DIRECTIONS`) of images (n, d), orthonormal."""
    if len(centred) >= centred.shape[1]:
        _, vectors = np.linalg.eigh((centred.T @ centred).astype(np.float64))
        basis = vectors[:, ::-1][:, :DIRECTIONS]
    else:
        _, left = np.linalg.eigh((centred @ centred.T).astype(np.float64))
        basis = centred.T.astype(np.float64) @ left[:, ::-1][:, :DIRECTIONS]
    return np.linalg.qr(basis)[0].astype(np.float32)


def _flat(pixels: Pixels) -> Floats:
    """Return uint8 images as rows of float values from 0 to 255."""
    return pixels.reshape(len(pixels), -1).astype(np.float32)


def _blocks(n: int, values: int) -> Iterator[slice]:
    """Yield slices of n rows, each of at most `VALUES` values, where a row has `values`."""
    step = max(1, VALUES // max(1, values))
    for start in range(0, n, step):
        yield slice(start, start + step)


def _squared(a: Pixels, b: Pixels) -> Squares:
    """Return the squared distances (n,) of images, pair by pair, exactly."""
    difference = np.subtract(a, b, dtype=np.int32).reshape(len(a), -1)
    squares: Squares = np.square(difference, out=difference).sum(1, dtype=np.int64)
    return squares
