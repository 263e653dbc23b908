"""Distortion of reconstructions, and distances between sets of images."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from aetool.arrays import Images

Figures = npt.NDArray[np.float64]
"""A figure per image: float64 (n,)."""
ROWS = 1 << 16
"""Points of a covariance that are in memory in float64 at a time."""


def mse(x: Images, x_hat: Images) -> Figures:
    """Mean squared error per image: the quadratic distortion ||x - x_hat||^2 divided by the number of values."""
    difference = x.astype(np.float64) - x_hat
    figures: Figures = np.square(difference).mean(axis=(1, 2, 3))
    return figures


def squared_errors(x: Images, x_hat: Images) -> Figures:
    """Return the squared error of each pixel, the mean of its channels: float64 (n, h, w)."""
    errors: Figures = np.square(x.astype(np.float64) - x_hat).mean(axis=1)
    return errors


def blurred(maps: npt.NDArray[np.float32], sigma: float) -> npt.NDArray[np.float32]:
    """Return maps (n, h, w) blurred by a Gaussian of `sigma` pixels, cut at three of them, mirrored at the borders."""
    radius = min(math.ceil(3 * sigma), min(maps.shape[1:]) - 1)
    window = np.exp(-np.square(np.arange(-radius, radius + 1) / sigma) / 2).astype(np.float32)
    for axis in (1, 2):
        pads = [(radius, radius) if i == axis else (0, 0) for i in range(3)]
        padded = np.pad(maps, pads, mode="symmetric")
        maps = sliding_window_view(padded, len(window), axis=axis) @ (window / window.sum())
    return maps


def psnr(x: Images, x_hat: Images) -> Figures:
    """Peak signal-to-noise ratio per image in dB, 10 log10(1 / mse); infinite for equal images."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(mse(x, x_hat))


def percentiles(figures: Figures, quantiles: Sequence[float]) -> Figures:
    """Return the percentile of each figure in the distribution given by `quantiles` (q) at equal shares, in [0, 100].

    100 i / (q - 1) at quantile i, linear between two quantiles; 0 up to the first, 100 beyond the last. Among equal
    quantiles the lowest counts: a common figure is ordinary.
    """
    known = np.array(quantiles, np.float64)
    above = np.searchsorted(known, figures, side="left").clip(1, len(known) - 1)
    low, high = known[above - 1], known[above]
    share = np.divide(figures - low, high - low, out=np.zeros(len(figures)), where=high > low).clip(0, 1)
    found: Figures = np.where(figures > known[-1], 100.0, 100 * (above - 1 + share) / (len(known) - 1))
    return found


def ssim(x: Images, x_hat: Images) -> Figures:
    """Structural similarity per image, in [-1, 1], 1 for equal images.

    Wang, Bovik, Sheikh and Simoncelli, "Image quality assessment", IEEE TIP 13(4), 2004, equation 13: a Gaussian window
    of 11x11 (smaller where the image is), sigma 1.5, K1 = 0.01, K2 = 0.03, averaged over positions and channels.
    """
    a, b = x.astype(np.float64), x_hat.astype(np.float64)
    mean_a, mean_b = _smooth(a), _smooth(b)
    variance_a = _smooth(a * a) - mean_a**2
    variance_b = _smooth(b * b) - mean_b**2
    covariance = _smooth(a * b) - mean_a * mean_b
    c1, c2 = 0.01**2, 0.03**2
    numerator = (2 * mean_a * mean_b + c1) * (2 * covariance + c2)
    denominator = (mean_a**2 + mean_b**2 + c1) * (variance_a + variance_b + c2)
    figures: Figures = (numerator / denominator).mean(axis=(1, 2, 3))
    return figures


def _smooth(images: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weighted mean over every window inside the image."""
    for axis in (2, 3):
        size = min(11, images.shape[axis] - 1 + images.shape[axis] % 2)
        offsets = np.arange(size) - size // 2
        window = np.exp(-(offsets**2) / (2 * 1.5**2))
        images = sliding_window_view(images, size, axis=axis) @ (window / window.sum())
    return images


def distortions(x: Images, x_hat: Images) -> list[dict[str, float | None]]:
    """Return mse, psnr and ssim of each image by their names; psnr is None where nothing differs."""
    rows = zip(mse(x, x_hat), psnr(x, x_hat), ssim(x, x_hat), strict=True)
    return [{"mse": float(a), "psnr": float(b) if np.isfinite(b) else None, "ssim": float(c)} for a, b, c in rows]


Features = npt.NDArray[np.float32]
"""A row of features per image: float32 (n, d)."""

BLOCK = 1 << 24
"""Distances held at a time."""


def frechet(real: Features, made: Features) -> float:
    """Return the Fréchet distance between the normal distributions with the moments of the two sets.

    ||m1 - m2||^2 + tr(C1 + C2 - 2 (C1 C2)^(1/2)): Dowson and Landau, 1982; as a measure of generated images Heusel and
    others, "GANs trained by a two time-scale update rule", NeurIPS 2017. The trace of the root is the sum of the roots
    of the eigenvalues of C1^(1/2) C2 C1^(1/2), which is symmetric.
    """
    mean_a, mean_b = real.mean(0, dtype=np.float64), made.mean(0, dtype=np.float64)
    a, b = covariance(real), covariance(made)
    root = symmetric_root(a)
    cross = np.sqrt(np.linalg.eigvalsh(root @ b @ root).clip(0)).sum()
    return float(np.square(mean_a - mean_b).sum() + np.trace(a) + np.trace(b) - 2 * cross)


def covariance(points: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return the sample covariance (d, d) of points (n, d), zeros for fewer than two."""
    n, d = points.shape
    if n < 2:
        return np.zeros((d, d))
    if n <= ROWS:
        return np.cov(points, rowvar=False, dtype=np.float64).reshape(d, d)
    mean = points.mean(0, dtype=np.float64)
    total: npt.NDArray[np.float64] = np.zeros((d, d))
    for start in range(0, n, ROWS):
        part = points[start : start + ROWS] - mean
        total += part.T @ part
    total /= n - 1
    return total


def symmetric_root(matrix: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Return the symmetric matrix S without negative eigenvalues for which S S is the covariance `matrix` (k, k)."""
    values, vectors = np.linalg.eigh(matrix.astype(np.float64))
    root: npt.NDArray[np.float64] = (vectors * np.sqrt(values.clip(0))) @ vectors.T
    return root


@dataclass(frozen=True)
class Support:
    """The overlap of generated and real images, each set represented by balls around its members.

    precision   share of generated images in a ball of the real images; recall the reverse: Kynkäänniemi and others,
                "Improved precision and recall metric for assessing generative models", NeurIPS 2019
    density     balls of real images around a generated image, over k; above 1 in crowded regions
    coverage    share of the balls of real images with a generated image inside: both Naeem and others, "Reliable
                fidelity and diversity metrics for generative models", ICML 2020
    """

    precision: float
    recall: float
    density: float
    coverage: float


def support(real: Features, made: Features, k: int = 5, radii_real: Features | None = None) -> Support:
    """Return the four figures; a ball reaches to the k-th nearest other of its own set (k at most its size - 1).

    `radii_real` are the `radii` of `real`, if known.
    """
    radii_real, radii_made = radii(real, k) if radii_real is None else radii_real, radii(made, k)
    in_real = np.zeros(len(made), np.int64)
    covered = np.zeros(len(real), np.bool_)
    recalled = np.zeros(len(real), np.bool_)
    for rows, squared in _squared_distances(real, made):
        inside = squared <= radii_real[rows, None]
        in_real += inside.sum(0)
        covered[rows] = inside.any(1)
        recalled[rows] = (squared <= radii_made).any(1)
    density = in_real.mean() / min(k, len(real) - 1)
    return Support(float((in_real > 0).mean()), float(recalled.mean()), float(density), float(covered.mean()))


def radii(features: Features, k: int) -> npt.NDArray[np.float32]:
    """Return the squared distance (n,) of each row to its k-th nearest other."""
    found = np.empty(len(features), np.float32)
    for rows, squared in _squared_distances(features, features):
        at = min(k, len(features) - 1)
        found[rows] = np.partition(squared, at, axis=1)[:, at]  # the nearest of all is the row itself
    return found


def _squared_distances(a: Features, b: Features) -> Iterator[tuple[slice, npt.NDArray[np.float32]]]:
    """Yield rows of `a` and their squared distances (rows, m) to all of `b`, in blocks."""
    centre = b.mean(0, dtype=np.float64).astype(np.float32)  # or float32 loses the differences far from the origin
    centred = b - centre
    norms = np.square(centred).sum(1)
    step = max(1, BLOCK // max(1, len(b)))
    for start in range(0, len(a), step):
        rows = slice(start, start + step)
        block = a[rows] - centre
        squared = np.square(block).sum(1)[:, None] + norms - 2 * (block @ centred.T)
        yield rows, np.maximum(squared, 0, out=squared)
