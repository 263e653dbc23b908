"""PCA: the best linear pair of encoder and decoder, the floor of every network and the start of `blend`.

Images are read in blocks, so that a data set larger than memory costs the memory of the components alone.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import OneLine, to_images
from aetool.training.data.stored import AnyPixels

Matrix = npt.NDArray[np.float32]
Reduce = Callable[[Matrix], Matrix]
"""Images (n, c, h, w) -> smaller images (n, c, h', w')."""

EXACT = 1024
"""Most values of an image, or most images, for exact PCA by an eigenvalue problem of that size."""
PCA_IMAGES = 10_000
"""Most images for PCA where an image has more values than `EXACT`."""
BLOCK_VALUES = 1 << 23
"""Values of the float32 images in memory at a time."""
EXTRA = 16
"""Further directions that the subspace iteration keeps."""
PASSES = 5
"""Passes of the subspace iteration over the images."""


@dataclass(frozen=True, eq=False, repr=False)
class Pca(OneLine):
    """Principal components of images with d values.

    mean         (d,)
    components   (k, d), orthonormal rows by falling variance; rows without variance are zero
    variances    (k,) of the coefficients
    total        the variance of the images in all directions
    """

    mean: Matrix
    components: Matrix
    variances: npt.NDArray[np.float64]
    total: float

    def first(self, k: int) -> Pca:
        """Return the first `k` components, padded with zeros where there are fewer."""
        components = np.zeros((k, len(self.mean)), np.float32)
        variances = np.zeros(k)
        components[: len(self.components)] = self.components[:k]
        variances[: len(self.variances)] = self.variances[:k]
        return Pca(self.mean, components, variances, self.total)

    def reconstruct(self, images: Matrix) -> Matrix:
        """Return the reconstructions of images (n, d) from their coefficients, clipped to [0, 1]."""
        coefficients = (images - self.mean) @ self.components.T
        return np.clip(coefficients @ self.components + self.mean, 0, 1)


def _same(images: Matrix) -> Matrix:
    return images


def fit(train: AnyPixels, k: int, seed: int, reduce: Reduce = _same) -> Pca:
    """Return at most `k` principal components of training images, uint8 (n, c, h, w), each passed through `reduce`.

    Exact with at most `EXACT` values an image, or `EXACT` images; else by subspace iteration (Halko, Martinsson and
    Tropp, "Finding structure with randomness", 2011, algorithm 4.4) on at most `PCA_IMAGES` images.
    """
    with _threads():
        return _fit(train, k, seed, reduce)


def _threads() -> AbstractContextManager[object]:
    """Give BLAS as many threads as torch has: the last bits of a sum depend on them."""
    import torch
    from threadpoolctl import threadpool_limits

    limits: AbstractContextManager[object] = threadpool_limits(torch.get_num_threads(), "blas")
    return limits


def _fit(train: AnyPixels, k: int, seed: int, reduce: Reduce) -> Pca:
    d = reduce(to_images(train[:1])).size
    rows = np.arange(len(train))
    if d > EXACT and len(rows) > PCA_IMAGES:
        rows = np.sort(np.random.default_rng(seed).permutation(len(train))[:PCA_IMAGES])

    def blocks() -> Iterator[Matrix]:
        size = max(1, BLOCK_VALUES // train[:1].size)
        for start in range(0, len(rows), size):
            images = reduce(to_images(train[rows[start : start + size]]))
            yield images.reshape(len(images), -1)

    mean = (sum(block.sum(0, dtype=np.float64) for block in blocks()) / len(rows)).astype(np.float32)
    total = sum(float(np.square(block - mean, dtype=np.float64).sum()) for block in blocks()) / len(rows)
    found = _directions(blocks, mean, (len(rows), d), min(k, d, len(rows)), seed)
    components, variances = _with_variance(found, blocks, mean, len(rows))
    return Pca(mean, components, variances, total)


def _directions(
    blocks: Callable[[], Iterator[Matrix]], mean: Matrix, shape: tuple[int, int], k: int, seed: int
) -> Matrix:
    """Return the first `k` principal directions (k, d) of the images, of any length."""
    from scipy.linalg import eigh

    n, d = shape
    if d <= min(EXACT, n):
        covariance = _total(((block - mean).T @ (block - mean)).astype(np.float64) for block in blocks())
        vectors = eigh(covariance, subset_by_index=(d - k, d - 1))[1]
        return np.ascontiguousarray(vectors.T[::-1], dtype=np.float32)
    if n <= EXACT:
        return _from_gram(blocks, mean, n, k)
    q = np.random.default_rng(seed).standard_normal((d, min(k + EXTRA, d)), dtype=np.float32)
    for _ in range(PASSES):
        q = np.linalg.qr(_total((block - mean).T @ ((block - mean) @ q) for block in blocks()))[0]
    small = _total((part := (block - mean) @ q).T.astype(np.float64) @ part for block in blocks())
    vectors = np.linalg.eigh(small)[1][:, ::-1][:, :k]
    return np.ascontiguousarray((q @ vectors).T, dtype=np.float32)


def _total(parts: Iterator[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the sum of arrays of the same shape."""
    return functools.reduce(np.add, parts)


def _from_gram(blocks: Callable[[], Iterator[Matrix]], mean: Matrix, n: int, k: int) -> Matrix:
    """Return the directions from the products of all pairs of images, which are fewer than their values."""
    from scipy.linalg import eigh

    gram = np.concatenate([np.concatenate([(a - mean) @ (b - mean).T for b in blocks()], axis=1) for a in blocks()])
    vectors = eigh(gram.astype(np.float64), subset_by_index=(n - k, n - 1))[1][:, ::-1].astype(np.float32)
    at, found = 0, np.zeros((k, len(mean)), np.float32)
    for block in blocks():
        found += vectors[at : at + len(block)].T @ (block - mean)
        at += len(block)
    return found


def _with_variance(
    found: Matrix, blocks: Callable[[], Iterator[Matrix]], mean: Matrix, n: int
) -> tuple[Matrix, npt.NDArray[np.float64]]:
    """Return directions made orthonormal, and the variances along them; directions without variance are zero."""
    q = np.linalg.qr(found.T)[0].T
    squares = _total(np.square((block - mean) @ q.T, dtype=np.float64).sum(0) for block in blocks())
    variances = squares / n
    idle = variances <= max(variances.max(initial=0.0) * 1e-7, 1e-12)
    q[idle], variances[idle] = 0, 0
    return q, variances


def pca_mse(train: AnyPixels, test: AnyPixels, k: int, seed: int) -> float:
    """Return the test distortion of PCA with `k` components, fitted on the training images; NaN without test images."""
    return distortion(fit(train, k, seed), test) if len(test) else math.nan


def distortion(pca: Pca, pixels: AnyPixels) -> float:
    """Return the mean squared error of images (n, c, h, w) reconstructed by PCA, clipped to [0, 1]; NaN for none."""
    if not len(pixels):
        return math.nan
    total, values = 0.0, 0
    size = max(1, BLOCK_VALUES // pixels[:1].size)
    with _threads():
        for start in range(0, len(pixels), size):
            images = to_images(pixels[start : start + size])
            flat = images.reshape(len(images), -1)
            total += float(np.square(pca.reconstruct(flat) - flat, dtype=np.float64).sum())
            values += flat.size
    return total / values
