"""Averaging: images made smaller by fixed strided convolutions, and larger again by transposed ones, a factor 2 a step.

An even side is halved by means of two neighbours, and doubled by repetition. An odd side is halved by 3 neighbours with
the weights 1, 2, 1, and doubled by linear interpolation (o = 2 i - 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from aetool.training.pca import Matrix

Sides = tuple[int, int]


@dataclass(frozen=True)
class Step:
    """A halving of the sides (h, w) `large` to `small`, with kernel and padding per axis."""

    large: Sides
    small: Sides

    @property
    def kernel(self) -> Sides:
        """The kernel per axis: 2 for an even side, 3 for an odd one."""
        return tuple(2 + side % 2 for side in self.large)  # type: ignore[return-value]

    @property
    def padding(self) -> Sides:
        """The padding per axis: 0 for an even side, 1 for an odd one."""
        return tuple(side % 2 for side in self.large)  # type: ignore[return-value]


def steps_to_fit(shape: tuple[int, int, int], values: int) -> list[Step]:
    """Return the fewest halvings of images of `shape` (c, h, w) after which an image has at most `values` values."""
    steps: list[Step] = []
    channels, *sides = shape
    while channels * sides[0] * sides[1] > values and min(sides) > 1:
        small = (sides[0] + 1) // 2, (sides[1] + 1) // 2
        steps.append(Step((sides[0], sides[1]), small))
        sides = list(small)
    return steps


def shrink(channels: int, steps: list[Step]) -> nn.Sequential:
    """Return the layers from images (n, c, h, w) to smaller ones."""
    layers = [nn.Conv2d(channels, channels, s.kernel, 2, s.padding, bias=False) for s in steps]
    for layer, step in zip(layers, steps, strict=True):
        _fix(layer, step, channels, {2: [0.5, 0.5], 3: [0.25, 0.5, 0.25]})
    return nn.Sequential(*layers)


def enlarge(channels: int, steps: list[Step]) -> nn.Sequential:
    """Return the layers back from smaller images to images (n, c, h, w)."""
    layers = [nn.ConvTranspose2d(channels, channels, s.kernel, 2, s.padding, bias=False) for s in steps[::-1]]
    for layer, step in zip(layers, steps[::-1], strict=True):
        _fix(layer, step, channels, {2: [1.0, 1.0], 3: [0.5, 1.0, 0.5]})
    return nn.Sequential(*layers)


def _fix(layer: nn.Conv2d | nn.ConvTranspose2d, step: Step, channels: int, taps: dict[int, list[float]]) -> None:
    """Give a layer the outer product of the taps of its two axes, each channel by itself, without training."""
    window = torch.outer(torch.tensor(taps[step.kernel[0]]), torch.tensor(taps[step.kernel[1]]))
    with torch.no_grad():
        layer.weight.copy_(torch.eye(channels)[:, :, None, None] * window)
    layer.requires_grad_(False)


def reduced(layers: nn.Sequential, images: Matrix) -> Matrix:
    """Return images (n, c, h, w) made smaller by the layers of `shrink`, with whole averages at the edges too."""
    with torch.inference_mode():
        small: Tensor = layers(torch.from_numpy(images))
        return (small / coverage(layers, images.shape[1:])).numpy()


def coverage(layers: nn.Sequential, shape: tuple[int, ...]) -> Tensor:
    """Return the sum of the weights behind each value (1, c, h', w') of the smaller images: below 1 at padded edges."""
    with torch.inference_mode():
        whole: Tensor = layers(torch.from_numpy(np.ones((1, *shape), np.float32)))
        return whole
