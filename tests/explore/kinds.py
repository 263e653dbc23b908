"""Bundles of every kind, by hand: 8x8 images of any channels, latents of any number of numbers, any classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from aetool.arrays import Latents
from aetool.bundle.card import card
from aetool.bundle.folder import write
from aetool.generation.stored import completed
from aetool.images.spec import ImageSpec
from aetool.latents.bank import Mixtures, make_bank
from aetool.latents.bank_file import write_bank
from tests.toy import picking_graphs, toy_manifest


def latents_of(n: int, k: int, classes: int) -> Latents:
    """Return latents (n, k) in [0, 1], each near the centre of its class, which are taken in turn."""
    rng = np.random.default_rng(0)
    centres = rng.uniform(0.2, 0.8, (max(1, classes), k))
    return (centres[np.arange(n) % max(1, classes)] + rng.normal(0, 0.02, (n, k))).clip(0, 1).astype(np.float32)


def write_kind(
    path: Path, k: int, channels: int = 1, classes: Sequence[str] = (), n: int = 60, rows: bool = True
) -> Path:
    """Write a bundle whose first k pixels are its latents (grey in the rest), and return its folder.

    `n` images were there at export; without `rows` the bank has their statistics alone.
    """
    size = 64 * channels
    pick = np.eye(size, k, dtype=np.float32)
    latents = latents_of(n, k, len(classes))
    labels = np.arange(n) % len(classes) if classes else np.full(n, -1)
    mixtures = Mixtures.none(len(classes), k)
    bank = make_bank(latents, labels, [f"{i}.png" for i in range(n)], tuple(classes), 0, rows, mixtures)
    manifest = toy_manifest()
    golden = latents[:1] if n else np.full((1, k), 0.5, np.float32)
    images = (golden @ pick.T).reshape(1, channels, 8, 8)
    manifest = replace(
        manifest,
        image=ImageSpec(channels, 8, 8),
        latent_size=k,
        classes=tuple(classes),
        golden=replace(manifest.golden, latents=golden, images=images, encoded=golden),
    )
    files = picking_graphs(pick, pick.T.copy(), channels)
    files |= {"bank.npz": write_bank(completed(bank)), "bundle.json": manifest.to_json()}
    write(path, files, card(path.name, "0" * 16, manifest, rows), replace=False)
    return path
