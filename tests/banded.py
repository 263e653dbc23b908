"""A bundle for images of five channels that can be worked out by hand.

Images are 8x8. The encoder takes the pixel (2, 2) of each channel as the five latents; the decoder fills each channel
with its latent, clipped to [0, 1]. So an image of flat channels comes back bit for bit.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from aetool.arrays import Pixels
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.bundle.manifest import Golden
from aetool.images.spec import ImageSpec
from aetool.latents.bank import make_bank
from aetool.latents.bank_file import write_bank
from tests.toy import picking_graphs, toy_manifest

BANDS = 5


def flat(n: int, side: int = 8, seed: int = 0) -> Pixels:
    """Return n images (n, 5, side, side) of flat channels."""
    levels = np.random.default_rng(seed).integers(0, 256, (n, BANDS, 1, 1), np.uint8)
    return np.ascontiguousarray(np.broadcast_to(levels, (n, BANDS, side, side)))


def banded_graphs() -> dict[str, bytes]:
    """Return encoder.onnx and decoder.onnx."""
    pick = np.zeros((BANDS * 64, BANDS), np.float32)
    for channel in range(BANDS):
        pick[channel * 64 + 2 * 8 + 2, channel] = 1
    fill = np.repeat(np.eye(BANDS, dtype=np.float32), 64, axis=1)
    return picking_graphs(pick, fill, BANDS)


def write_banded(path: Path) -> Path:
    """Write the bundle to the folder `path` and return it."""
    latents = np.linspace(0, 1, BANDS, dtype=np.float32)[None]
    images = latents.reshape(1, BANDS, 1, 1).repeat(8, 2).repeat(8, 3)
    golden = Golden(latents, images, latents)
    manifest = replace(toy_manifest(), image=ImageSpec(BANDS, 8, 8), latent_size=BANDS, classes=(), golden=golden)
    known = np.random.default_rng(0).random((12, BANDS), np.float32)
    bank = write_bank(make_bank(known, np.full(12, -1), [f"{i}" for i in range(12)], (), seed=0))
    files = banded_graphs() | {"bank.npz": bank, "bundle.json": manifest.to_json()}
    write(path, files, card(path.name, "0" * 16, manifest, True), replace=False)
    return path
