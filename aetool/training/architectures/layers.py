"""Layers shared by architectures: a step down, a step up, linear layers, and the width of each resolution."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor, nn

from aetool.training.architectures.geometry import Halving


def stage_widths(widths: Sequence[int], count: int) -> list[int]:
    """Return the channels after each of `count` halvings; the last configured width serves all further ones."""
    return [widths[min(i, len(widths) - 1)] for i in range(count)]


def down(step: Halving, before: int, after: int) -> list[nn.Module]:
    """Return the convolution of a step down, normalised and rectified."""
    convolution = nn.Conv2d(before, after, step.kernel, step.stride, step.padding, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]


def up(step: Halving, before: int, after: int) -> list[nn.Module]:
    """Return the transposed convolution of a step up, normalised and rectified."""
    convolution = nn.ConvTranspose2d(before, after, step.kernel, step.stride, step.padding, bias=False)
    return [convolution, nn.BatchNorm2d(after), nn.ReLU()]


def to_image(step: Halving, before: int, channels: int) -> list[nn.Module]:
    """Return the last step up, to pixel values in (0, 1)."""
    return [nn.ConvTranspose2d(before, channels, step.kernel, step.stride, step.padding), nn.Sigmoid()]


def same(width: int) -> list[nn.Module]:
    """Return a 3x3 convolution of the same resolution and width, normalised and rectified."""
    return [nn.Conv2d(width, width, 3, padding=1, bias=False), nn.BatchNorm2d(width), nn.ReLU()]


def from_latents(latent_size: int, width: int, inner: tuple[int, int], hidden: int = 0) -> list[nn.Module]:
    """Return the linear layer from latents to the innermost resolution, behind a hidden layer if `hidden` is not 0."""
    before, size = hidden or latent_size, width * inner[0] * inner[1]
    return [*(dense(latent_size, hidden) if hidden else []), *dense(before, size), nn.Unflatten(1, (width, *inner))]


def to_latents(width: int, inner: tuple[int, int], latent_size: int, hidden: int = 0) -> list[nn.Module]:
    """Return the linear layer from the innermost resolution to latents, behind a hidden layer if `hidden` is not 0."""
    size = width * inner[0] * inner[1]
    return [nn.Flatten(), *(dense(size, hidden) if hidden else []), nn.Linear(hidden or size, latent_size)]


def dense(before: int, after: int) -> list[nn.Module]:
    """Return a linear layer, normalised and rectified."""
    return [nn.Linear(before, after, bias=False), nn.BatchNorm1d(after), nn.ReLU()]


def clipped(images: Tensor) -> Tensor:
    """Return images clipped to [0, 1], to about 1e-7, by operators that every engine has: 1 - relu(1 - relu(y))."""
    below = images.relu() * -1.0 + 1.0
    return below.relu() * -1.0 + 1.0
