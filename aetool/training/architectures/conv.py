"""`conv`: the pyramid with plain 3x3 convolutions at its innermost resolution."""

from __future__ import annotations

from torch import nn

from aetool.training.architectures import pyramid
from aetool.training.architectures.layers import same
from aetool.training.architectures.options import ConvConfig


def inner(depth: int) -> pyramid.Inner:
    """Return the making of `depth` convolutions of the same width and resolution."""

    def layers(width: int) -> list[nn.Module]:
        return [layer for _ in range(depth) for layer in same(width)]

    return layers


class Encoder(pyramid.Encoder):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k)."""

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__(shape, config.widths, inner(config.depth), latent_size)


class Decoder(pyramid.Decoder):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]."""

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__(shape, config.widths, inner(config.depth), latent_size)
