"""The networks of a bundle in torch, with fresh weights: the reference of ONNX Runtime's speed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import torch

from aetool.arrays import Images, Latents
from aetool.bundle.manifest import Manifest
from aetool.errors import lookup
from aetool.training.architectures.autoencoder import build
from aetool.training.architectures.options import ARCHITECTURES


def eager(manifest: Manifest, threads: int) -> tuple[Callable[[Images], Latents], Callable[[Latents], Images]]:
    """Return encoder and decoder of a manifest's architecture, on the CPU; raises `UsageError`."""
    torch.set_num_threads(threads)
    name, options = manifest.architecture["name"], manifest.architecture["options"]
    default = lookup(ARCHITECTURES, name, "architecture")
    known = {field.name for field in fields(default)} & options.keys()
    given: dict[str, Any] = {
        key: tuple(options[key]) if isinstance(options[key], list) else options[key] for key in known
    }
    network = build(name, replace(default, **given), manifest.image.shape, manifest.latent_size).eval()

    def encode(images: Images) -> Latents:
        with torch.inference_mode():
            latents: Latents = network.encoder(torch.from_numpy(images)).numpy()
        return latents

    def decode(latents: Latents) -> Images:
        with torch.inference_mode():
            images: Images = network.decoder(torch.from_numpy(latents)).numpy()
        return images

    return encode, decode
