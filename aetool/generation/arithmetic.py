"""Latents made of latents: weighted sums, and noise."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from aetool.arrays import Latents, check_latents
from aetool.errors import UsageError
from aetool.metrics import symmetric_root

MAX_SIGMA = 1000.0
FLAT = 1e-9
"""Variance along an axis, as a share of the largest, that is none but rounding."""
EDGE = 2.5
"""Standard deviations from the mean to the edge of a plane of latents."""


def combine(latents: Latents, weights: Sequence[float] | None = None) -> Latents:
    """Return the sum (1, k) of the latents (m, k), each times its weight; without weights, their mean.

    Weights are used unchanged: a difference (1, -1) or an exaggeration (2) is allowed. With sum 1 the result is an
    affine combination, independent of the origin of the latent space; else relative to the latent of zeros.
    Raises `UsageError` without a finite weight for every latent, `InvalidInput` for a sum beyond float32.
    """
    given = [1 / len(latents)] * len(latents) if weights is None else list(weights)
    if len(given) != len(latents):
        raise UsageError(f"there are {len(latents)} latents and {len(given)} weights; give one weight for each latent")
    if not np.isfinite(given).all():
        raise UsageError("weights must be finite numbers")
    total = np.array(given) @ latents.astype(np.float64)
    return check_latents(total[None], latents.shape[1])


def perturb(
    latents: Latents, covariance: npt.NDArray[np.float32], sigma: float, n: int, rng: np.random.Generator
) -> Latents:
    """Return n variations of each latent (m, k), one latent after the other, (m n, k): z + sigma S e, e normal.

    S is the symmetric root of `covariance` (k, k), that of the bank, so the noise has the bank's own covariance times
    sigma squared. Axes of latents mean nothing (any invertible linear map of them, undone in the decoder, is the same
    model), and this noise turns and stretches with them, where one deviation for each axis would not: its length as the
    bank measures it, sqrt(d' C^-1 d), is sigma sqrt(k) on average (as the root of the mean square) in any axes. At
    sigma 0 the latents come back; at sigma 1 they are as uncertain as one drawn from the whole bank. Raises
    `UsageError` for a sigma outside 0 to `MAX_SIGMA`, `InvalidInput` where the result is beyond float32.
    """
    check_sigma(sigma)
    return with_noise(latents, symmetric_root(covariance), sigma, n, rng)


def check_sigma(sigma: float) -> None:
    """Raise `UsageError` for a strength of noise outside 0 to `MAX_SIGMA`."""
    if not 0 <= sigma <= MAX_SIGMA:
        raise UsageError(f"sigma goes from 0 (no noise) to {MAX_SIGMA:g}")


def with_noise(
    latents: Latents, root: npt.NDArray[np.float64], sigma: float, n: int, rng: np.random.Generator
) -> Latents:
    """Return the variations of `perturb` for the symmetric root (k, k) of a covariance, taken once for many calls."""
    noise = rng.standard_normal((len(latents) * n, latents.shape[1])) @ root
    return check_latents(latents.astype(np.float64).repeat(n, axis=0) + sigma * noise, latents.shape[1])


def principal_axis(covariance: npt.NDArray[np.float32], number: int) -> npt.NDArray[np.float64]:
    """Return principal axis `number` (k,) of a covariance (k, k), as long as one standard deviation along it.

    Axis 1 is that of the largest variance. Its largest component is positive, as an axis alone has no sign. Raises
    `UsageError` for a number outside 1 to k, and where nothing varies along the axis.
    """
    k = len(covariance)
    if not 1 <= number <= k:
        raise UsageError(f"latents of {k} {'number has' if k == 1 else 'numbers have'} axes 1 to {k}, not {number}")
    variances, axes = np.linalg.eigh(covariance.astype(np.float64))
    variance, axis = variances[-number], axes[:, -number]
    if not variance > variances[-1] * FLAT:
        raise UsageError(f"nothing varies along axis {number}; take one before it")
    turned: npt.NDArray[np.float64] = axis * np.sign(axis[abs(axis).argmax()]) * np.sqrt(variance)
    return turned


def plane(mean: Latents, covariance: npt.NDArray[np.float32], rows: int, columns: int) -> Latents:
    """Return latents (rows columns, 2) at regular places around `mean` (2,), row by row from the upper left.

    The first number grows to the right and the second upwards, from `EDGE` standard deviations below the mean to as
    many above it; a single row or column is at the mean.
    """
    spread = np.sqrt(np.diagonal(covariance).astype(np.float64))
    x, y = (np.linspace(-EDGE, EDGE, n) if n > 1 else np.zeros(1) for n in (columns, rows))
    places = np.stack(np.meshgrid(x, y[::-1]), 2).reshape(-1, 2)
    return check_latents(mean + places * spread, 2)
