"""PCA: the distortion of the best linear pair, the floor of every network."""

from __future__ import annotations

import math

import numpy as np

from aetool.arrays import to_images
from aetool.training.data.stored import AnyPixels, whole
from aetool.training.distortion import BATCH

EXACT = 4096
"""Most values of an image for exact PCA; larger images use randomised PCA on at most `PCA_IMAGES` images."""
PCA_IMAGES = 10_000


def pca_mse(train: AnyPixels, test: AnyPixels, k: int, seed: int) -> float:
    """Return the test distortion of the best linear pair: PCA with k components, fitted on the training images.

    NaN without test images.
    """
    from sklearn.decomposition import PCA

    if not len(test):
        return math.nan
    exact = train[0].size <= EXACT
    rng = np.random.default_rng(seed)
    chosen = train if exact else train[rng.permutation(len(train))[:PCA_IMAGES]]
    flat = to_images(whole(chosen)).reshape(len(chosen), -1)
    solver = "covariance_eigh" if exact else "randomized"
    with np.errstate(all="ignore"):  # images that are all alike have no variance to divide by
        pca = PCA(min(k, *flat.shape), svd_solver=solver, random_state=seed % 2**32).fit(flat)
    total = 0.0
    for start in range(0, len(test), BATCH):
        part = to_images(test[start : start + BATCH]).reshape(-1, flat.shape[1])
        total += float(np.square(pca.inverse_transform(pca.transform(part)) - part, dtype=np.float64).sum())
    return total / test.size
