"""Values moved about but not changed: chains of Reshape, Transpose, Tile and the like, as one array of places.

A value in the rewriting is a tensor and, for each number of an item, the place of that number in an item of the tensor.
So two Transposes that undo each other are nothing, a Tile between Reshapes is a repetition of pixels, and channels last
are no more than another order of places. Nodes come only when a layer needs the numbers in their order.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from aetool.bundle.gate_operators import MAX_KERNEL, Sizes
from aetool.training.foreign.draft import Draft, refuse_unless

Places = npt.NDArray[np.int64]
MOST_CHOSEN = 1 << 22
"""Numbers of the largest matrix that picks some numbers of an item."""
MOVES = "numbers move as the axes of an item change places, three at most"


@dataclass(frozen=True, eq=False)
class Value:
    """A tensor of the draft, and the places (of the shape of an item) in an item of the tensor.

    `cut` is the node of the source that took a part of the numbers, "" for none.
    """

    base: str
    places: Places
    cut: str = ""

    @property
    def shape(self) -> Sizes:
        """The sizes of an item."""
        return self.places.shape

    def moved(self, places: Places) -> Value:
        """Return the same numbers at other places."""
        return Value(self.base, places, self.cut)


def whole(draft: Draft, name: str) -> Value:
    """Return a tensor of the draft, unmoved."""
    sizes = draft.sizes[name]
    return Value(name, np.arange(math.prod(sizes)).reshape(sizes))


def plain(draft: Draft, value: Value) -> str:
    """Return the name of a tensor that holds a value in its order; raises `Refused` for moves that no node makes."""
    if _in_order(draft, value):
        return _reshaped(draft, value.base, value.shape)
    used = np.unique(value.places)
    if len(used) < math.prod(draft.sizes[value.base]):
        value = _cut(draft, value, used)
    if value.places.size > math.prod(draft.sizes[value.base]):
        value = _enlarged(draft, value)
    return _permuted(draft, value)


def _in_order(draft: Draft, value: Value) -> bool:
    flat = value.places.ravel()
    return len(flat) == math.prod(draft.sizes[value.base]) and bool((flat == np.arange(len(flat))).all())


def _reshaped(draft: Draft, name: str, shape: Sizes) -> str:
    if draft.sizes[name] == shape:
        return name
    if len(shape) == 1:
        return draft.emit("Flatten", name, axis=1)
    return draft.emit("Reshape", name, draft.constant(np.array([-1, *shape], np.int64)))


def _cut(draft: Draft, value: Value, used: Places) -> Value:
    """Return a value whose tensor holds the used numbers alone: a part of the channels, rows and columns."""
    sizes = draft.sizes[value.base]
    axes = [np.unique(places) for places in np.unravel_index(used, sizes)]
    in_box = math.prod(map(len, axes)) == len(used) and all(np.ptp(a) + 1 == len(a) for a in axes[1:])
    if len(sizes) < 3 or not in_box or any(n - len(a) >= MAX_KERNEL for n, a in zip(sizes[1:], axes[1:], strict=True)):
        return _chosen(draft, value, used)
    channels, rows, columns = axes
    kernel = np.zeros((len(channels), sizes[0], sizes[1] - len(rows) + 1, sizes[2] - len(columns) + 1), np.float32)
    kernel[np.arange(len(channels)), channels, rows[0], columns[0]] = 1
    return Value(convolved(draft, value.base, kernel), np.searchsorted(used, value.places))


def _chosen(draft: Draft, value: Value, used: Places) -> Value:
    """Return a value whose tensor holds the used numbers alone, any of an item, by a linear layer that copies."""
    name = plain(draft, Value(value.base, np.arange(math.prod(draft.sizes[value.base]))))
    count = draft.sizes[name][0]
    part = f"a part of an image is a rectangle of channels, without at most {MAX_KERNEL - 1} rows and columns"
    refuse_unless(len(used) * count <= MOST_CHOSEN, part + (f", unlike what {value.cut} takes" if value.cut else ""))
    matrix = np.zeros((count, len(used)), np.float32)
    matrix[used, np.arange(len(used))] = 1
    copied = draft.linear(name, matrix, np.zeros(len(used), np.float32))
    return Value(copied, np.searchsorted(used, value.places))


def convolved(draft: Draft, name: str, kernel: npt.NDArray[np.float32], pads: tuple[int, int] = (0, 0)) -> str:
    """Return a convolution with a kernel (c, b, h, w) and no bias, at stride 1, padded by rows and columns."""
    bias = draft.constant(np.zeros(len(kernel), np.float32))
    sides = list(kernel.shape[2:])
    return draft.emit("Conv", name, draft.constant(kernel), bias, kernel_shape=sides, strides=[1, 1], pads=[*pads] * 2)


def _enlarged(draft: Draft, value: Value) -> Value:
    """Return a value whose tensor holds every repeated number: pixels repeated downwards and to the right."""
    counts = [_repeats(value.places, axis) for axis in range(value.places.ndim)]
    small = value.places[tuple(slice(None, None, count) for count in counts)]
    single = small.size == math.prod(draft.sizes[value.base]) and len(np.unique(small)) == small.size
    last = [axis for axis, count in enumerate(counts) if count > 1]
    refuse_unless(single and len(last) <= 2, "numbers are repeated along the two sides of an image")
    others = [axis for axis in range(small.ndim) if axis not in last]
    last = sorted([others.pop() for _ in range(2 - len(last)) if others] + last)
    order = others + last
    sides = [small.shape[axis] for axis in last]
    sides, factors = [1] * (2 - len(last)) + sides, [1] * (2 - len(last)) + [counts[axis] for axis in last]
    arranged = small.transpose(order).reshape(-1, *sides)
    scales = draft.constant(np.array([1, 1, *factors], np.float32))
    kind = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    name = draft.emit("Resize", plain(draft, value.moved(arranged)), "", scales, **kind)
    large = [small.shape[axis] * counts[axis] for axis in order]
    return Value(name, np.arange(value.places.size).reshape(large).transpose(np.argsort(order)))


def _repeats(places: Places, axis: int) -> int:
    """Return the largest number of equal neighbours along an axis."""
    along = np.moveaxis(places, axis, 0).reshape(places.shape[axis], -1)
    changes = np.flatnonzero((along[1:] != along[:-1]).any(axis=1)) + 1
    return math.gcd(places.shape[axis], *changes.tolist())


def _permuted(draft: Draft, value: Value) -> str:
    """Return a tensor with the axes of an item in another order: a Reshape, a Transpose and a Reshape, or fewer."""
    if _in_order(draft, value):
        return _reshaped(draft, value.base, value.shape)
    sizes, strides = _nested(value.places.ravel())
    order = sorted(range(len(sizes)), key=lambda axis: -strides[axis])
    steps = np.cumprod([1, *(sizes[axis] for axis in order[::-1])])[-2::-1]
    regular = [strides[axis] for axis in order] == steps.tolist()
    expected = sum(np.arange(n).reshape([-1 if i == j else 1 for j in range(len(sizes))]) * s
                   for i, (n, s) in enumerate(zip(sizes, strides, strict=True)))  # fmt: skip
    fits = regular and bool((np.asarray(expected).ravel() == value.places.ravel()).all())
    refuse_unless(fits and len(sizes) <= 3, MOVES)
    name = _reshaped(draft, value.base, tuple(sizes[axis] for axis in order))
    name = draft.emit("Transpose", name, perm=[0, *(order.index(axis) + 1 for axis in range(len(sizes)))])
    return _reshaped(draft, name, value.shape)


def _nested(flat: Places) -> tuple[list[int], list[int]]:
    """Return sizes and steps of the axes that run through places, the last axis innermost; the caller checks them."""
    sizes: list[int] = []
    strides: list[int] = []
    while len(flat) > 1:
        steps = np.diff(flat)
        changes = np.flatnonzero(steps != steps[0])
        size = int(changes[0]) + 1 if len(changes) else len(flat)
        refuse_unless(len(flat) % size == 0, MOVES)
        sizes, strides = [size, *sizes], [int(steps[0]), *strides]
        flat = flat.reshape(-1, size)[:, 0]
    return sizes, strides
