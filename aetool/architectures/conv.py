"""`conv`: strided Conv2d down to a linear latent, ConvTranspose2d back up.

BatchNorm stands directly behind the convolution (or linear layer) that it normalises, so that the export folds it away.
"""

from __future__ import annotations

from torch import Tensor, nn

from aetool.architectures.geometry import Halving, halvings
from aetool.training.config import ConvConfig


class Encoder(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k)."""

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        channels, height, width = shape
        steps = halvings(height, width)
        widths = [channels, *stage_widths(config, len(steps))]
        layers: list[nn.Module] = []
        for step, before, after in zip(steps, widths[:-1], widths[1:], strict=True):
            layers += [down(step, before, after), nn.BatchNorm2d(after), nn.ReLU()]
        layers += same_resolution(widths[-1], config.depth)
        inner = steps[-1].small
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Linear(widths[-1] * inner[0] * inner[1], latent_size))

    def forward(self, images: Tensor) -> Tensor:
        """Return f(x)."""
        latents: Tensor = self.layers(images)
        return latents


class Decoder(nn.Module):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]."""

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        channels, height, width = shape
        steps = halvings(height, width)[::-1]
        widths = [*stage_widths(config, len(steps))[::-1], channels]
        inner = steps[0].small
        size = widths[0] * inner[0] * inner[1]
        layers: list[nn.Module] = [nn.Linear(latent_size, size, bias=False), nn.BatchNorm1d(size), nn.ReLU()]
        layers += [nn.Unflatten(1, (widths[0], *inner)), *same_resolution(widths[0], config.depth)]
        for step, before, after in zip(steps[:-1], widths[:-2], widths[1:-1], strict=True):
            layers += [up(step, before, after), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, up(steps[-1], widths[-2], channels, bias=True), nn.Sigmoid())

    def forward(self, latents: Tensor) -> Tensor:
        """Return g(z)."""
        images: Tensor = self.layers(latents)
        return images.clamp(0, 1)


def stage_widths(config: ConvConfig, count: int) -> list[int]:
    """Return the channels after each of `count` halvings; the last configured width serves all further ones."""
    return [config.widths[min(i, len(config.widths) - 1)] for i in range(count)]


def down(step: Halving, before: int, after: int) -> nn.Conv2d:
    """Return the convolution that takes one step down."""
    return nn.Conv2d(before, after, step.kernel, step.stride, step.padding, bias=False)


def up(step: Halving, before: int, after: int, bias: bool = False) -> nn.ConvTranspose2d:
    """Return the transposed convolution that takes one step up."""
    return nn.ConvTranspose2d(before, after, step.kernel, step.stride, step.padding, bias=bias)


def same_resolution(width: int, depth: int) -> list[nn.Module]:
    """Return `depth` 3x3 convolutions that keep resolution and width."""
    block = [
        (nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()) for _ in range(depth)
    ]
    return [layer for layers in block for layer in layers]
