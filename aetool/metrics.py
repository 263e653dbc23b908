"""Distortion of a reconstruction x_hat against its image x, per image, in pixel values of [0, 1]."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view

from aetool.types import Images

Figures = npt.NDArray[np.float64]
"""One figure per image: float64 (n,)."""


def mse(x: Images, x_hat: Images) -> Figures:
    """Mean squared error per image: the quadratic distortion ||x - x_hat||^2 divided by the number of values."""
    difference = x.astype(np.float64) - x_hat
    figures: Figures = np.square(difference).mean(axis=(1, 2, 3))
    return figures


def psnr(x: Images, x_hat: Images) -> Figures:
    """Peak signal-to-noise ratio per image in dB, 10 log10(1 / mse); infinite for equal images."""
    with np.errstate(divide="ignore"):
        return -10 * np.log10(mse(x, x_hat))


def percentiles(figures: Figures, quantiles: Sequence[float]) -> Figures:
    """Return where each figure lies among those that `quantiles` (q) sum up at equal shares, in [0, 100].

    100 i / (q - 1) at quantile i, linear between two of them; 0 up to the first, 100 beyond the last. Among equal
    quantiles the lowest counts: a figure that most have is ordinary.
    """
    known = np.array(quantiles, np.float64)
    above = np.searchsorted(known, figures, side="left").clip(1, len(known) - 1)
    low, high = known[above - 1], known[above]
    share = np.divide(figures - low, high - low, out=np.zeros(len(figures)), where=high > low).clip(0, 1)
    found: Figures = np.where(figures > known[-1], 100.0, 100 * (above - 1 + share) / (len(known) - 1))
    return found


def ssim(x: Images, x_hat: Images) -> Figures:
    """Structural similarity per image, in [-1, 1], 1 for equal images.

    Wang, Bovik, Sheikh and Simoncelli, «Image quality assessment», IEEE TIP 13(4), 2004, equation 13: a Gaussian window
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
    """Weighted mean over every window that lies wholly inside the image."""
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
