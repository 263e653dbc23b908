"""The distortion of a network over many images."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from aetool.arrays import Pixels, to_images
from aetool.training.data.stored import AnyPixels

BATCH = 500
"""Most images of a batch."""
VALUES = 1 << 23
"""Most image values of a batch: 500 images of 64x64 in colour have fewer."""


def batch_for(pixels: AnyPixels) -> int:
    """Return the images of a batch, fewer of large images."""
    return max(1, min(BATCH, VALUES // math.prod(pixels.shape[1:])))


def reconstruct(network: nn.Module, pixels: Pixels, device: torch.device | str = "cpu") -> torch.Tensor:
    """Return the reconstructions (n, c, h, w) of uint8 pixels, on the CPU; the mode of the network is restored."""
    mode = network.training
    network.eval()
    batches = torch.split(torch.from_numpy(to_images(pixels)), batch_for(pixels))
    with torch.inference_mode():
        parts = [network(batch.to(device)).cpu() for batch in batches]
    network.train(mode)
    return torch.cat(parts)


def test_mse(network: nn.Module, pixels: AnyPixels, device: torch.device | str = "cpu") -> float:
    """Return the mean squared error per value over all of `pixels`, summed in float64; NaN without images."""
    if not len(pixels):
        return math.nan
    total, size = 0.0, batch_for(pixels)
    for start in range(0, len(pixels), size):
        part = pixels[start : start + size]
        difference = reconstruct(network, part, device).numpy().astype(np.float64) - to_images(part)
        total += float(np.square(difference).sum())
    return total / pixels.size
