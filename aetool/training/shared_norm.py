"""Batch normalisation over the batch of all ranks: each rank has a share of the images, and all use the same averages.

torch's own SyncBatchNorm knows GPUs alone. A pass without gradients stays with its rank, as calibration does.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import batch_norm

from aetool.training.ranks import Ranks


def share_norms(network: nn.Module, ranks: Ranks, weight: float) -> None:
    """Let the normalisations of `network` share their averages; `weight` is this rank's share of each batch."""
    for norm in network.modules():
        if isinstance(norm, nn.BatchNorm1d | nn.BatchNorm2d):
            norm.forward = partial(_forward, norm, norm.forward, ranks, weight)  # type: ignore[method-assign]


def _forward(norm: Any, alone: Any, ranks: Ranks, weight: float, x: Tensor) -> Tensor:
    """Return x (n, c, ...) normalised by all ranks, or by this one alone."""
    if not (norm.training and torch.is_grad_enabled()):
        own: Tensor = alone(x)
        return own
    shared: Tensor = SharedNorm.apply(x, norm.weight, norm.bias, norm.eps, ranks, weight)  # type: ignore[no-untyped-call]
    return shared


class SharedNorm(torch.autograd.Function):
    """The normalisation of x (n, c, ...) by mean and variance of the images of all ranks, and its gradients."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, eps: float, ranks: Ranks, weight: float) -> Tensor:
        """Return x normalised; the sums go between ranks in float64, so that nothing cancels."""
        mean, variance = (part.double() for part in torch.batch_norm_update_stats(x, None, None, 0.0))
        mean, square = ranks.total(torch.stack([mean, variance + mean.square()]) * weight)
        mean, variance = mean.to(scale.dtype), (square - mean.square()).to(scale.dtype)
        ctx.save_for_backward(x, scale, mean, variance)
        ctx.eps, ctx.ranks, ctx.weight = eps, ranks, weight
        return batch_norm(x, mean, variance, scale, shift, False, 0.0, eps)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of x, scale and shift; those of scale and shift are of this rank's images alone."""
        x, scale, mean, variance = ctx.saved_tensors
        own = torch.ops.aten.native_batch_norm_backward(
            gradient, x, scale, mean, variance, None, None, False, ctx.eps, [True, True, True]
        )
        by_x, by_scale, by_shift = own
        images = x.numel() / x.shape[1] / ctx.weight  # of all ranks, times their positions
        along, level = ctx.ranks.total(torch.stack([by_scale, by_shift])) / images
        inverse = (variance + ctx.eps).rsqrt()
        slope = scale * inverse.square() * along
        shape = (1, -1, *[1] * (x.ndim - 2))
        by_x.addcmul_(x, slope.view(shape).to(x.dtype), value=-1)
        by_x.sub_((scale * inverse * level - slope * mean).view(shape).to(x.dtype))
        return by_x, by_scale, by_shift, None, None, None
