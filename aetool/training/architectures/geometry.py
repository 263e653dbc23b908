"""Geometry of the pyramid: images halved down to 4-7 pixels a side, and doubled back without output padding.

A transposed convolution maps a side i to o = (i - 1) s + k - 2 p (Dumoulin and Visin, "A guide to convolution
arithmetic for deep learning", 2016, relationship 13). An even side comes from k = 4, s = 2, p = 1: o = 2 i; an odd side
from k = 3, s = 2, p = 1: o = 2 i - 1. A small side is preserved by k = 3, s = 1, p = 1.
"""

from __future__ import annotations

from dataclasses import dataclass

SMALLEST = 7
"""Larger sides are halved."""


@dataclass(frozen=True)
class Halving:
    """A step down (a convolution) or up (its transpose): the same kernel, stride and padding, per axis (h, w)."""

    large: tuple[int, int]
    small: tuple[int, int]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int] = (1, 1)


def halvings(height: int, width: int) -> list[Halving]:
    """Return the steps from (height, width) down to the innermost resolution, outermost first."""
    steps: list[Halving] = []
    size = (height, width)
    while max(size) > SMALLEST:
        kernel = tuple(4 if side > SMALLEST and side % 2 == 0 else 3 for side in size)
        stride = tuple(2 if side > SMALLEST else 1 for side in size)
        small = tuple((side + 1) // 2 if side > SMALLEST else side for side in size)
        steps.append(Halving(size, small, kernel, stride))  # type: ignore[arg-type]
        size = small  # type: ignore[assignment]
    return steps
