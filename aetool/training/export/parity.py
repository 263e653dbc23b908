"""Parity: the proof of equal results of graphs and torch, on real images, at several batch sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from aetool import metrics
from aetool.arrays import Images, Latents, Pixels, to_images
from aetool.errors import BundleError
from aetool.runtime.codec import Codec
from aetool.training.architectures.autoencoder import Autoencoder

BATCHES = (1, 2, 7, 256)
BOUNDS = {"latents": 1e-4, "images": 1e-5, "distortion": 1e-6}
"""Largest difference of latents in units of their standard deviation, of image values, and of the mean mse."""


def prove(network: Autoencoder, codec: Codec, pixels: Pixels) -> dict[str, Any]:
    """Return the differences between torch and ONNX Runtime on test images (repeated where few), and the bounds.

    Raises `BundleError` beyond a bound.
    """
    images = to_images(np.resize(pixels, (sum(BATCHES), *pixels.shape[1:])))
    starts = np.cumsum((0, *BATCHES[:-1]))
    parts = [images[start : start + n] for start, n in zip(starts, BATCHES, strict=True)]
    latents, decoded = _torch(network, parts)
    spread = np.sqrt(np.concatenate(latents).var(axis=0).mean())
    codec.run_size = max(BATCHES)  # so that each part is one run
    ours = [codec.encode(part) for part in parts]
    again = [codec.decode(part) for part in latents]
    found = {
        "latents": max(float(abs(a - b).max() / spread) for a, b in zip(latents, ours, strict=True)),
        "images": max(float(abs(a - b).max()) for a, b in zip(decoded, again, strict=True)),
        "distortion": abs(_mean_mse(parts, decoded) - _mean_mse(parts, [codec.decode(z) for z in ours])),
    }
    for name, bound in BOUNDS.items():
        if not found[name] <= bound:
            raise BundleError(f"torch and ONNX Runtime differ by {found[name]:.2g} in {name}, over {bound:g}")
    return {"batches": list(BATCHES), "found": found, "bounds": BOUNDS}


def _torch(network: Autoencoder, parts: list[Images]) -> tuple[list[Latents], list[Images]]:
    network.eval()
    with torch.inference_mode():
        latents = [network.encoder(torch.from_numpy(part)) for part in parts]
        return [z.numpy() for z in latents], [network.decoder(z).numpy() for z in latents]


def _mean_mse(images: list[Images], again: list[Images]) -> float:
    return float(metrics.mse(np.concatenate(images), np.concatenate(again)).mean())
