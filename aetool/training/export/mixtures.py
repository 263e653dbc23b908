"""Mixtures of normal distributions of the latents of each class, for the sampler `gmm`."""

from __future__ import annotations

import warnings

import numpy as np

from aetool.arrays import Labels, Latents
from aetool.latents.bank import Mixtures

COMPONENTS = 10
PER_COMPONENT = 4
"""Latents per component and dimension; a small class gets fewer components."""
NUMBERS = 1 << 24
"""Most numbers of the covariances of all mixtures: 64 MB in the bank."""


def fit_mixtures(latents: Latents, labels: Labels, classes: int, seed: int) -> Mixtures:
    """Return a mixture for each class, or a single mixture of all latents (n, k) where `classes` is 0.

    All have as many components as the largest, at most `COMPONENTS`; none where `NUMBERS` are not enough for one each.
    """
    k = latents.shape[1]
    groups = [latents[labels == label] for label in range(classes)] or [latents]
    sizes = [_components(group, NUMBERS // (len(groups) * k * k)) for group in groups]
    most = max(sizes)
    weights = np.zeros((len(groups), most), np.float32)
    means = np.zeros((len(groups), most, k), np.float32)
    roots = np.zeros((len(groups), most, k, k), np.float32)
    for i, (group, m) in enumerate(zip(groups, sizes, strict=True)):
        if m:
            weights[i, :m], means[i, :m], roots[i, :m] = _fit(group, m, seed)
    return Mixtures(weights, means, roots)


def _components(group: Latents, most: int) -> int:
    """Return the components of a mixture of latents (n, k), at most `most`; none of fewer than two latents."""
    n, k = group.shape
    return min(COMPONENTS, most, max(1, n // (PER_COMPONENT * k))) if n > 1 else 0


def _fit(group: Latents, m: int, seed: int) -> tuple[Latents, Latents, Latents]:
    """Return weights (m,), means (m, k) and Cholesky roots (m, k, k), by expectation-maximisation."""
    from sklearn.mixture import GaussianMixture

    spread = float(group.std(0).mean()) or 1.0  # latents have no scale of their own, the regularisation has one
    mixture = GaussianMixture(m, reg_covar=1e-4, random_state=seed % 2**32, max_iter=200)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # not converged, or fewer distinct latents than components: still a mixture
        mixture.fit((group / spread).astype(np.float64))
    roots = np.linalg.cholesky(mixture.covariances_)
    scaled = mixture.weights_, mixture.means_ * spread, roots * spread
    a, b, c = (part.astype(np.float32) for part in scaled)
    return a, b, c
