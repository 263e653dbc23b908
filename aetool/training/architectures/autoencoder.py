"""Networks by name: encoder and decoder of an architecture."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from torch import nn

from aetool.errors import lookup
from aetool.training.architectures.options import ARCHITECTURES, ArchitectureConfig
from aetool.training.data.stored import AnyPixels
from aetool.training.pca import Pca, fit


def build(name: str, config: ArchitectureConfig, shape: tuple[int, int, int], latent_size: int) -> Autoencoder:
    """Return encoder and decoder of architecture `name` for images of `shape` (c, h, w); raises `UsageError`."""
    lookup(ARCHITECTURES, name, "architecture")
    module = import_module(f"aetool.training.architectures.{name}")
    return Autoencoder(module.Encoder(config, shape, latent_size), module.Decoder(config, shape, latent_size))


class Autoencoder(nn.Module):
    """An encoder and a decoder: images (n, c, h, w) -> reconstructions of the same shape."""

    def __init__(self, encoder: nn.Module, decoder: nn.Module) -> None:
        super().__init__()
        self.encoder = encoder
        self.decoder = decoder

    def forward(self, images):  # type: ignore[no-untyped-def]
        """Return g(f(x))."""
        return self.decoder(self.encoder(images))

    @property
    def starts_from_pca(self) -> bool:
        """Whether the network begins as PCA does."""
        return hasattr(self.encoder, "start")

    def start(self, train: AnyPixels, pca: Pca, seed: int) -> None:
        """Begin as PCA does; `pca` is fitted on the training images, and anew where the network makes these smaller."""
        encoder: Any = self.encoder
        decoder: Any = self.decoder
        k = len(pca.components)
        if encoder.linear.in_features != len(pca.mean):
            pca = fit(train, k, seed, encoder.reduce).first(k)
        encoder.start(pca)
        decoder.start(pca)

    def rates(self) -> dict[str, float]:
        """Return the learning rates of parameters in units of that of the network, where they are others than 1."""
        parts = (("encoder", self.encoder), ("decoder", self.decoder))
        return {f"{part}.{name}": rate for part, module in parts for name, rate in getattr(module, "rates", {}).items()}
