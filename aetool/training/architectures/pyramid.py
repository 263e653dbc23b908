"""The pyramid shared by all architectures: strided convolutions down to a latent, transposed convolutions back up.

An architecture adds its own layers at the innermost resolution. BatchNorm stands directly behind the convolution (or
linear layer) before, and is folded away at export.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import TypeAlias

from torch import Tensor, nn

from aetool.training.architectures.geometry import halvings
from aetool.training.architectures.layers import clipped, down, from_latents, stage_widths, to_image, to_latents, up

Inner: TypeAlias = Callable[[int], list[nn.Module]]
"""A number of channels -> layers of the same channels and resolution."""


class Encoder(nn.Module):
    """Images (n, c, h, w) in [0, 1] -> latents (n, k); `hidden` is the size of a linear layer before the latents."""

    def __init__(
        self, shape: tuple[int, int, int], widths: Sequence[int], inner: Inner, latent_size: int, hidden: int = 0
    ) -> None:
        super().__init__()
        steps = halvings(*shape[1:])
        channels = [shape[0], *stage_widths(widths, len(steps))]
        layers: list[nn.Module] = []
        for step, (before, after) in zip(steps, pairwise(channels), strict=True):
            layers += down(step, before, after)
        layers += inner(channels[-1])
        self.layers = nn.Sequential(*layers, *to_latents(channels[-1], steps[-1].small, latent_size, hidden))

    def forward(self, images: Tensor) -> Tensor:
        """Return f(x)."""
        latents: Tensor = self.layers(images)
        return latents


class Decoder(nn.Module):
    """Latents (n, k) -> images (n, c, h, w) in [0, 1]; `hidden` is the size of a linear layer behind the latents."""

    def __init__(
        self, shape: tuple[int, int, int], widths: Sequence[int], inner: Inner, latent_size: int, hidden: int = 0
    ) -> None:
        super().__init__()
        steps = halvings(*shape[1:])[::-1]
        channels = stage_widths(widths, len(steps))[::-1]
        layers = from_latents(latent_size, channels[0], steps[0].small, hidden)
        layers += inner(channels[0])
        for step, (before, after) in zip(steps[:-1], pairwise(channels), strict=True):
            layers += up(step, before, after)
        self.layers = nn.Sequential(*layers, *to_image(steps[-1], channels[-1], shape[0]))

    def forward(self, latents: Tensor) -> Tensor:
        """Return g(z)."""
        images: Tensor = self.layers(latents)
        return images if self.training else clipped(images)
