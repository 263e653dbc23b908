"""Augmentation: random changes of each image of a batch, by a given generator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample, interpolate

KNOTS = 5
"""Elastic displacements are drawn at KNOTS x KNOTS points and interpolated between them."""


def shifted(images: Tensor, most: int, generator: torch.Generator) -> Tensor:
    """Return images (n, c, h, w), each moved by its own random dy and dx in [-most, most], edges repeated."""
    n, c, h, w = images.shape
    offsets = torch.randint(-most, most + 1, (2, n, 1), generator=generator)
    rows = (torch.arange(h) + offsets[0]).clamp(0, h - 1).to(images.device)
    columns = (torch.arange(w) + offsets[1]).clamp(0, w - 1).to(images.device)
    numbers, channels = torch.arange(n)[:, None, None, None], torch.arange(c)[:, None, None]
    return images[numbers, channels, rows[:, None, :, None], columns[:, None, None, :]]


def elastic(images: Tensor, pixels: float, generator: torch.Generator) -> Tensor:
    """Return float images (n, c, h, w), each bent by its own smooth random field, edges repeated.

    The field is normal with a standard deviation of `pixels` at its knots, cubic between them, and its mean is taken
    out, so the image does not move as a whole. After Simard, Steinkraus and Platt, "Best practices for convolutional
    neural networks applied to visual document analysis", ICDAR 2003, with knots in place of a Gaussian filter.
    """
    if images.device.type == "mps":  # where torch repeats no edges in grid_sample
        return elastic(images.cpu(), pixels, generator).to(images.device)
    n, _, h, w = images.shape
    knots = torch.randn(n, 2, KNOTS, KNOTS, generator=generator).to(images.device)
    field = interpolate(knots * pixels, size=(h, w), mode="bicubic", align_corners=True).permute(0, 2, 3, 1)
    field = field - field.mean((1, 2), keepdim=True)
    per_pixel = torch.tensor([2 / w, 2 / h], device=images.device)  # grid_sample has [-1, 1] from edge to edge
    identity = torch.eye(2, 3, device=images.device).expand(n, 2, 3)
    grid = affine_grid(identity, [n, 1, h, w], align_corners=False) + field * per_pixel
    return grid_sample(images, grid, padding_mode="border", align_corners=False)
