"""How images lie in the tensors of other tools: range or statistics, channels first or last, flat or not."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aetool.arrays import Images, OneLine
from aetool.bundle.gate_operators import Sizes
from aetool.choices import LAYOUTS
from aetool.errors import BundleError, UsageError, lookup
from aetool.images.spec import MOST_CHANNELS, SIDES
from aetool.training.foreign.movement import Places
from aetool.training.foreign.source import Dims, Floats

LEAST = 1e-6
"""Least standard deviation of a normalisation; its inverse is the largest number."""
RANGES = {"0..1": (1.0, 0.0), "-1..1": (2.0, -1.0), "0..255": (255.0, 0.0)}
"""Factor and summand that make numbers of a range from images in [0, 1]."""
Shape = tuple[int, int, int]


@dataclass(frozen=True, eq=False, repr=False)
class Scaling(OneLine):
    """Numbers of a tensor from images in [0, 1]: times `scale`, plus `shift`, each () or of channels (c, 1, 1)."""

    name: str
    scale: npt.NDArray[np.float32]
    shift: npt.NDArray[np.float32]


def of_range(name: str) -> Scaling:
    """Return the scaling of a range of `RANGES`; raises `UsageError` for another."""
    scale, shift = lookup(RANGES, name, "range")
    return Scaling(name, np.array(scale, np.float32), np.array(shift, np.float32))


def of_statistics(mean: Sequence[float], std: Sequence[float], channels: int) -> Scaling:
    """Return the scaling (x - mean) / std, of one number each or of one for each channel; raises `UsageError`."""
    for numbers in (mean, std):
        if len(numbers) not in (1, channels):
            counts = "1 number" if channels == 1 else f"1 or {channels} numbers"
            raise UsageError(f"mean and standard deviation are {counts} each, not {len(numbers)}")
    if not all(LEAST <= one <= 1 / LEAST for one in std) or not all(abs(one) <= 1 / LEAST for one in mean):
        raise UsageError(f"a mean is from {-1 / LEAST:g} to {1 / LEAST:g}, a standard deviation from {LEAST:g}")
    size = max(len(mean), len(std))
    spread = [np.broadcast_to(np.array(numbers, np.float64), size).reshape(-1, 1, 1) for numbers in (mean, std)]
    scale, shift = 1 / spread[1], -spread[0] / spread[1]
    if size == 1:
        scale, shift = scale.reshape(()), shift.reshape(())
    named = [",".join(f"{number:g}" for number in numbers) for numbers in (mean, std)]
    return Scaling(f"mean {named[0]} std {named[1]}", scale.astype(np.float32), shift.astype(np.float32))


@dataclass(frozen=True, eq=False)
class Form:
    """How images of `shape` (c, h, w) lie in an item of a tensor with the sizes `sizes`."""

    shape: Shape
    scaling: Scaling
    layout: str
    sizes: Sizes

    def places(self) -> Places:
        """Return the place in an image (c, h, w) of each number of an item."""
        places = np.arange(math.prod(self.shape)).reshape(self.shape)
        ordered: Places = (places.transpose(1, 2, 0) if self.layout == "nhwc" else places).reshape(self.sizes)
        return ordered

    def tensor(self, images: Images) -> Floats:
        """Return images (n, c, h, w) as a tensor of this form."""
        scaled = (images * self.scaling.scale + self.scaling.shift).reshape(len(images), -1)
        tensor: Floats = np.ascontiguousarray(scaled[:, self.places().ravel()].reshape(-1, *self.sizes), np.float32)
        return tensor

    def images(self, tensor: Floats) -> Images:
        """Return the images (n, c, h, w) in [0, 1] of a tensor of this form, clipped."""
        flat = np.empty((len(tensor), math.prod(self.shape)), np.float32)
        flat[:, self.places().ravel()] = tensor.reshape(len(tensor), -1)
        images = (flat.reshape(-1, *self.shape) - self.scaling.shift) / self.scaling.scale
        clipped: Images = np.clip(images, 0, 1).astype(np.float32)
        return clipped

    def __str__(self) -> str:
        """Return the form in words."""
        flat = "flat, " if len(self.sizes) == 1 else ""
        return f"{flat}{LAYOUTS[self.layout].help.partition(':')[0]}, {self.scaling.name}"


def shapes_of(dims: Dims, layout: str | None) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """Yield the layouts, and the shapes (c, h, w) with None where any will do, that an item with `dims` can have.

    A flat item has all shapes; its layouts come with channels and sides of None.
    """
    orders = {"nchw": (0, 1, 2), "nhwc": (2, 0, 1)}
    for name, order in orders.items():
        if layout not in (None, name):
            continue
        if len(dims) == 1:
            yield name, (None, None, None)
        elif len(dims) == 2 and name == (layout or "nchw"):
            yield name, (1, *dims)
        elif len(dims) == 3:
            c, h, w = (dims[axis] for axis in order)
            if (c is None or c <= MOST_CHANNELS) and all(side is None or side in SIDES for side in (h, w)):
                yield name, (c, h, w)


def square(count: int | None) -> Shape | None:
    """Return the shape of square images of `count` numbers, grey or in colour; None where there is none."""
    for channels in (1, 3):
        side = math.isqrt((count or 0) // channels)
        if channels * side * side == count and side in SIDES:
            return channels, side, side
    return None


def layouts_for(sizes: Dims, shape: Shape, layout: str | None, part: str) -> list[str]:
    """Return the layouts in which images of a shape fit an item; raises `BundleError` where none does."""
    known = []
    for name, found in shapes_of(sizes, layout):
        count = math.prod(shape) if len(sizes) == 1 else None
        if all(a in (None, b) for a, b in zip(found, shape, strict=True)) and (
            count is None or sizes[0] in (None, count)
        ):
            known.append(name)
    if not known:
        there = " x ".join("?" if size is None else str(size) for size in sizes) or "no declared size"
        wanted = " x ".join(map(str, shape))
        asked = f", {LAYOUTS[layout].help}" if layout else ""
        raise BundleError(f"the {part} works on images of {there}{asked}, and the data are of {wanted}")
    return known[:1] if shape[0] == 1 else known
