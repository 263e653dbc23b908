"""The distortion of a network, and the floor that PCA sets it."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aetool.arrays import Pixels, to_images

EXACT = 4096
"""Up to this many values an image, PCA is exact; beyond, randomised on at most `PCA_IMAGES` images."""
PCA_IMAGES = 10_000
BATCH = 500


def reconstruct(network: nn.Module, pixels: Pixels, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return the reconstructions (n, c, h, w) of uint8 pixels, on the CPU; leaves the network in the mode it had."""
    mode = network.training
    network.eval()
    batches = torch.split(torch.from_numpy(to_images(pixels)), BATCH)
    with torch.inference_mode():
        parts = [network(batch.to(device)).cpu() for batch in batches]
    network.train(mode)
    return torch.cat(parts)


def test_mse(network: nn.Module, pixels: Pixels, device: torch.device | str = "cpu") -> float:
    """Return the mean squared error per value over all of `pixels`, summed in float64."""
    total = 0.0
    for start in range(0, len(pixels), BATCH):
        part = pixels[start : start + BATCH]
        difference = reconstruct(network, part, device).numpy().astype(np.float64) - to_images(part)
        total += float(np.square(difference).sum())
    return total / pixels.size


def pca_mse(train: Pixels, test: Pixels, k: int, seed: int) -> float:
    """Return the test distortion of the best linear pair: PCA with k components, fitted on the training images."""
    from sklearn.decomposition import PCA

    exact = train[0].size <= EXACT
    rng = np.random.default_rng(seed)
    chosen = train if exact else train[rng.permutation(len(train))[:PCA_IMAGES]]
    flat, held_out = (to_images(part).reshape(len(part), -1) for part in (chosen, test))
    solver = "covariance_eigh" if exact else "randomized"
    with np.errstate(all="ignore"):  # images that are all alike have no variance to divide by
        pca = PCA(min(k, *flat.shape), svd_solver=solver, random_state=seed % 2**32).fit(flat)
    total = 0.0
    for start in range(0, len(held_out), BATCH):
        part = held_out[start : start + BATCH]
        total += float(np.square(pca.inverse_transform(pca.transform(part)) - part, dtype=np.float64).sum())
    return total / held_out.size
