"""Augmentation: random changes of each image of a batch, by a given generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate, pad

from aetool.training.ranks import Share

KNOTS = 5
"""Elastic displacements are drawn at KNOTS x KNOTS points and interpolated between them."""


def shifted(images: Tensor, most: int, generator: torch.Generator, share: Share | None = None) -> Tensor:
    """Return images (n, c, h, w), each moved by its own random dy and dx in [-most, most], edges repeated.

    With `share` the images are that share of a batch, for the whole of which the numbers are drawn.
    """
    n, c, h, w = images.shape
    share = share or Share(n, slice(0, n))
    offsets = torch.randint(-most, most + 1, (2, share.images, 1), generator=generator)[:, share.rows]
    rows = (torch.arange(h) + offsets[0]).clamp(0, h - 1).to(images.device)
    columns = (torch.arange(w) + offsets[1]).clamp(0, w - 1).to(images.device)
    numbers, channels = torch.arange(n)[:, None, None, None], torch.arange(c)[:, None, None]
    return images[numbers, channels, rows[:, None, :, None], columns[:, None, None, :]]


def warped(
    images: Tensor, pixels: float, degrees: float, generator: torch.Generator, share: Share | None = None
) -> Tensor:
    """Return float images (n, c, h, w), each bent, turned and scaled at random, edges repeated; `share` as above.

    An image is turned by up to `degrees`, and made smaller or larger by up to as many %. The field that bends it is
    normal with a standard deviation of `pixels` at its knots, cubic between them, and its mean is taken out, so the
    image does not move as a whole. After Simard, Steinkraus and Platt, "Best practices for convolutional
    neural networks applied to visual document analysis", ICDAR 2003, with knots in place of a Gaussian filter.
    """
    if images.device.type == "mps":  # where torch repeats no edges in grid_sample
        return warped(images.cpu(), pixels, degrees, generator, share).to(images.device)
    n, _, h, w = images.shape
    share = share or Share(n, slice(0, n))
    knots = torch.randn(share.images, 2, KNOTS, KNOTS, generator=generator)[share.rows].to(images.device)
    field = interpolate(knots * pixels, size=(h, w), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    field = field - field.mean((1, 2), keepdim=True)
    per_pixel = torch.tensor([2 / w, 2 / h], device=images.device)  # grid_sample has [-1, 1] from edge to edge
    turns = torch.eye(2, 3).expand(n, 2, 3)
    if degrees:
        turns = _turns(share.images, h / w, degrees, generator)[share.rows]
    grid = affine_grid(turns.to(images.device), [n, 1, h, w], align_corners=False) + field * per_pixel
    return grid_sample(images, grid, padding_mode="border", align_corners=False)


def _turns(n: int, ratio: float, degrees: float, generator: torch.Generator) -> Tensor:
    """Return matrices (n, 2, 3) that turn and scale images of the height `ratio` times the width."""
    angles, scales = (torch.rand(2, n, generator=generator) * 2 - 1) * degrees
    x, y = (1 + scales / 100) * torch.deg2rad(angles).cos(), (1 + scales / 100) * torch.deg2rad(angles).sin()
    rows = torch.stack([x, -y * ratio]), torch.stack([y / ratio, x])
    return pad(torch.stack(rows).permute(2, 0, 1), (0, 1))
