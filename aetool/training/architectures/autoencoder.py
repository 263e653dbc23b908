"""Networks by name: encoder and decoder of an architecture."""

from __future__ import annotations

from importlib import import_module

from torch import nn

from aetool.errors import lookup
from aetool.training.architectures.options import ARCHITECTURES, ArchitectureConfig


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
