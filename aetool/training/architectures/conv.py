"""`conv`: strided Conv2d down to a linear latent, ConvTranspose2d back up.

BatchNorm stands directly behind the convolution (or linear layer) that it normalises, so that the export folds it away.
"""

from __future__ import annotations

from torch import Tensor, nn

from aetool.training.architectures.geometry import halvings
from aetool.training.architectures.layers import down, from_latents, same, stage_widths, to_image, to_latents, up
from aetool.training.architectures.options import ConvConfig


class Encoder(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k)."""

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        steps = halvings(*shape[1:])
        widths = [shape[0], *stage_widths(config.widths, len(steps))]
        layers: list[nn.Module] = []
        for step, before, after in zip(steps, widths[:-1], widths[1:], strict=True):
            layers += down(step, before, after)
        for _ in range(config.depth):
            layers += same(widths[-1])
        self.layers = nn.Sequential(*layers, *to_latents(widths[-1], steps[-1].small, latent_size))

    def forward(self, images: Tensor) -> Tensor:
        """Return f(x)."""
        latents: Tensor = self.layers(images)
        return latents


class Decoder(nn.Module):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]."""

    def __init__(self, config: ConvConfig, shape: tuple[int, int, int], latent_size: int) -> None:
        super().__init__()
        steps = halvings(*shape[1:])[::-1]
        widths = stage_widths(config.widths, len(steps))[::-1]
        layers = from_latents(latent_size, widths[0], steps[0].small)
        for _ in range(config.depth):
            layers += same(widths[0])
        for step, before, after in zip(steps[:-1], widths[:-1], widths[1:], strict=True):
            layers += up(step, before, after)
        self.layers = nn.Sequential(*layers, *to_image(steps[-1], widths[-1], shape[0]))

    def forward(self, latents: Tensor) -> Tensor:
        """Return g(z)."""
        images: Tensor = self.layers(latents)
        return images.clamp(0, 1)
