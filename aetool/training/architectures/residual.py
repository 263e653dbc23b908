"""`residual`: `conv` with residual blocks and a hidden linear layer at its innermost resolution, for quality.

The hidden layer holds most of the weights, and costs one multiplication for each: on a CPU it gives more for its time
than wider convolutions, whose weights are used once a position.
He, Zhang, Ren and Sun, «Deep residual learning for image recognition», CVPR 2016: x + F(x), F two 3x3 convolutions.
"""

from __future__ import annotations

from torch import Tensor, nn

from aetool.training.architectures.geometry import halvings
from aetool.training.architectures.layers import down, from_latents, same, stage_widths, to_image, to_latents, up
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


class Encoder(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k)."""

    def __init__(self, config: ResidualConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        steps = halvings(*shape[1:])
        widths = [shape[0], *stage_widths(config.widths, len(steps))]
        layers: list[nn.Module] = []
        for step, before, after in zip(steps, widths[:-1], widths[1:], strict=True):
            layers += down(step, before, after)
        layers += [Block(widths[-1]) for _ in range(config.blocks)]
        self.layers = nn.Sequential(*layers, *to_latents(widths[-1], steps[-1].small, latent_size, config.hidden))

    def forward(self, images: Tensor) -> Tensor:
        """Return f(x)."""
        latents: Tensor = self.layers(images)
        return latents


class Decoder(nn.Module):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]."""

    def __init__(self, config: ResidualConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        steps = halvings(*shape[1:])[::-1]
        widths = stage_widths(config.widths, len(steps))[::-1]
        layers = from_latents(latent_size, widths[0], steps[0].small, config.hidden)
        layers += [Block(widths[0]) for _ in range(config.blocks)]
        for step, before, after in zip(steps[:-1], widths[:-1], widths[1:], strict=True):
            layers += up(step, before, after)
        self.layers = nn.Sequential(*layers, *to_image(steps[-1], widths[-1], shape[0]))

    def forward(self, latents: Tensor) -> Tensor:
        """Return g(z)."""
        images: Tensor = self.layers(latents)
        return images.clamp(0, 1)
