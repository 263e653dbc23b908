"""The random shift of training images: the largest that their principal components can follow.

Where every picture stands at its own place, a moved one is hardly harder for PCA than one that it never saw. Where all
stand at the same place, moved ones are several times as hard: a network that trains on them is far above PCA for most
of the steps, and reconstructs the pictures as they stand no better in the end.
"""

from __future__ import annotations

import numpy as np
import torch

from aetool.arrays import Pixels
from aetool.training import augment
from aetool.training.data.dataset import Dataset
from aetool.training.data.stored import AnyPixels
from aetool.training.pca import BLOCK_VALUES, Pca, distortion

HARDER = 2.0
"""Most distortion of moved training images by PCA, in units of that of images that PCA was not fitted on."""
NOISE = 1.3e-6
"""The rounding of 8 bits: smaller distortions are taken as this."""
IMAGES = 256
"""Most training images that are moved for this."""


def followed_shift(data: Dataset, pca: Pca, most: int, seed: int) -> int:
    """Return `most` pixels, or the half, quarter, ... of it that `pca` follows on the training images; at least 0."""
    held = next((part.pixels for part in (data.validation, data.test) if part and len(part.labels)), data.train.pixels)
    bound = HARDER * max(distortion(pca, _some(held)), NOISE)
    images = torch.from_numpy(_some(data.train.pixels))
    while most:
        moved = augment.shifted(images, most, torch.Generator().manual_seed(seed % 2**63)).numpy()
        if distortion(pca, moved) <= bound:
            break
        most //= 2
    return most


def _some(pixels: AnyPixels) -> Pixels:
    """Return images evenly spaced among all: at most `IMAGES`, and at most `BLOCK_VALUES` numbers."""
    most = max(1, min(len(pixels), IMAGES, BLOCK_VALUES // pixels[:1].size))
    return pixels[np.arange(most) * len(pixels) // most]
