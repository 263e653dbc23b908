"""The operators that graphs of other tools have beside ours (see `reference`), in NumPy."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Sides = Sequence[int]
"""A kernel or strides (down, right), or pads (top, left, bottom, right)."""


def max_pool(x: Array, kernel_shape: Sides, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), **_: Any) -> Array:
    """Return the largest value of each window."""
    largest: Array = _windows(x, kernel_shape, strides, pads, -np.inf).max((4, 5))
    return largest


def average_pool(
    x: Array, kernel_shape: Sides, strides: Sides = (1, 1), pads: Sides = (0, 0, 0, 0), count_include_pad: int = 0,
    **_: Any,
) -> Array:  # fmt: skip
    """Return the mean of each window, without its padding unless `count_include_pad`."""
    total = _windows(x, kernel_shape, strides, pads, 0).sum((4, 5))
    counted = _windows(np.ones_like(x[:1, :1]), kernel_shape, strides, pads, count_include_pad).sum((4, 5))
    mean: Array = total / counted
    return mean


def _windows(x: Array, kernel: Sides, strides: Sides, pads: Sides, fill: float) -> Array:
    """Return the windows (n, c, i, j, u, v) of images, with `fill` in their padding."""
    (down, right), (top, left, bottom, end) = strides, pads
    x = np.pad(x, ((0, 0), (0, 0), (top, bottom), (left, end)), constant_values=fill)
    return np.lib.stride_tricks.sliding_window_view(x, tuple(kernel), (2, 3))[:, :, ::down, ::right]


def elu(x: Array, alpha: float = 1.0, gamma: float = 1.0) -> Array:
    """Return gamma x above 0, and gamma alpha (exp(x) - 1) below."""
    return np.float32(gamma) * np.where(x < 0, np.float32(alpha) * np.expm1(x), x)


SELU = (1.67326319217681884765625, 1.05070102214813232421875)
"""The usual alpha and gamma of Selu."""

IMPORTED: dict[str, Callable[..., Array]] = {
    "Tanh": np.tanh,
    "LeakyRelu": lambda x, alpha=0.01: np.where(x < 0, np.float32(alpha) * x, x),
    "Elu": elu,
    "Selu": lambda x, alpha=SELU[0], gamma=SELU[1]: elu(x, alpha, gamma),
    "Erf": lambda x: np.vectorize(math.erf, otypes=[np.float32])(x),
    "HardSwish": lambda x: x * np.clip(x / 6 + np.float32(0.5), 0, 1),
    "Transpose": lambda x, perm: x.transpose(perm),
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": lambda x: x.mean((2, 3), keepdims=True),
    "Resize": lambda x, _region, scales, **_: x.repeat(int(scales[2]), 2).repeat(int(scales[3]), 3),
}
"""The operators. Attributes that are left out have a single value in the gate."""
