"""`residual`: the pyramid with residual blocks and a hidden linear layer at its innermost resolution, for quality.

The hidden layer holds most of the weights, at one multiplication a weight: on a CPU a better use of time than wider
convolutions, whose weights are used once a position.
He, Zhang, Ren and Sun, "Deep residual learning for image recognition", CVPR 2016: x + F(x), F two 3x3 convolutions.
"""

from __future__ import annotations

from torch import Tensor, nn

from aetool.training.architectures import pyramid
from aetool.training.architectures.layers import same
from aetool.training.architectures.options import ResidualConfig


class Block(nn.Module):
    """x (n, w, h, w') -> relu(x + F(x)) of the same shape."""

    def __init__(self, width: int) -> None:
        super().__init__()
        second = [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width)]
        self.body = nn.Sequential(*same(width), *second)
        self.relu = nn.ReLU()

    def forward(self, x: Tensor) -> Tensor:
        """Return relu(x + F(x))."""
        out: Tensor = self.relu(x + self.body(x))
        return out


def _inner(config: ResidualConfig) -> pyramid.Inner:
    def layers(width: int) -> list[nn.Module]:
        return [Block(width) for _ in range(config.blocks)]

    return layers


class Encoder(pyramid.Encoder):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k)."""

    def __init__(self, config: ResidualConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__(shape, config.widths, _inner(config), latent_size, config.hidden)


class Decoder(pyramid.Decoder):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]."""

    def __init__(self, config: ResidualConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__(shape, config.widths, _inner(config), latent_size, config.hidden)
