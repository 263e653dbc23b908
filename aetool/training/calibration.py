"""Calibration: the mean and variance of every batch normalisation, computed for the weights as they are now.

The usual running averages lag behind weights that change quickly, so that after few steps of small batches a network is
far worse on test images than on its batches. Precise averages over training images take their place before a network
is judged or exported (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, section 3), and fold into the layers
before in the same way.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import nn

from aetool.arrays import to_images
from aetool.training.data.stored import AnyPixels

MOST, LEAST = 1024, 128
"""Most images that are looked at; of large images fewer, whose many positions count as well, but not under `LEAST`."""
MOST_PIXELS = 1 << 22
"""Pixels of the images together, from which on they are fewer."""
BATCH, BATCH_PIXELS = 128, 1 << 19
"""Most images, and most pixels, that are in memory at a time."""


def calibrate(network: nn.Module, train: AnyPixels, seed: int, device: torch.device | str) -> None:
    """Set the running averages of `network` to those of training images, uint8 (n, c, h, w), chosen by `seed`."""
    norms = [m for m in network.modules() if isinstance(m, nn.BatchNorm1d | nn.BatchNorm2d)]
    pixels = train.shape[2] * train.shape[3]
    most = max(LEAST, min(MOST, MOST_PIXELS // pixels))
    rows = np.sort(np.random.default_rng(seed).permutation(len(train))[:most])
    batches = np.array_split(rows, -(-len(rows) // max(2, min(BATCH, BATCH_PIXELS // pixels))))
    if not norms or len(batches[-1]) < 2:
        return
    momenta, mode = [norm.momentum for norm in norms], network.training
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None  # the mean of all batches
    network.train()
    with torch.no_grad():
        for batch in batches:
            network(torch.from_numpy(to_images(train[batch])).to(device, memory_format=torch.channels_last))
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
    network.train(mode)
