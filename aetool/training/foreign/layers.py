"""Layers of other tools in the form that the gate allows: one group, no dilation, even padding, explicit sizes.

Zeros in a larger kernel stand for groups, dilation, uneven padding and output padding: the sums stay the same.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.bundle.gate_operators import MAX_KERNEL, Sizes
from aetool.training.foreign.draft import Draft, refuse_unless
from aetool.training.foreign.movement import Value, convolved, plain, whole

Floats = npt.NDArray[np.float32]
Attributes = dict[str, Any]
MOST_DENSE = 1 << 22
"""Numbers of the largest kernel that stands for a grouped one."""


def conv(draft: Draft, value: Value, weights: Floats, bias: Floats | None, attributes: Attributes) -> Value:
    """Return a convolution of images (c, h, w)."""
    name = plain(draft, value)
    sizes = _image(draft, name)
    weights = _spread(_dense(weights, int(attributes.get("group", 1))), attributes)
    strides = [int(s) for s in attributes.get("strides", [1, 1])]
    pads = _pads(attributes, sizes[1:], weights.shape[2:], strides)
    weights, even = _evened(weights, pads)
    return _emitted(draft, "Conv", name, weights, bias, len(weights), strides, even)


def conv_transpose(draft: Draft, value: Value, weights: Floats, bias: Floats | None, attributes: Attributes) -> Value:
    """Return a transposed convolution of images (c, h, w)."""
    name = plain(draft, value)
    sizes = _image(draft, name)
    weights = _spread(_dense(weights, int(attributes.get("group", 1))), attributes)
    strides = [int(s) for s in attributes.get("strides", [1, 1])]
    extra = [int(e) for e in attributes.get("output_padding", [0, 0])]
    refuse_unless(
        len(extra) == 2 and min(extra) >= 0 and max(extra) < MAX_KERNEL, "output padding is less than a stride"
    )
    pads = _transposed_pads(attributes, sizes[1:], weights.shape[2:], strides, extra)
    weights = np.pad(weights, [(0, 0), (0, 0), (0, extra[0]), (0, extra[1])])  # what output_padding adds is zero
    weights, even = _evened(weights, pads)
    return _emitted(draft, "ConvTranspose", name, weights, bias, weights.shape[1], strides, even)


def _image(draft: Draft, name: str) -> Sizes:
    sizes = draft.sizes[name]
    refuse_unless(len(sizes) == 3, "convolutions and poolings work on images with two sides")
    return sizes


def _emitted(
    draft: Draft, operator: str, name: str, weights: Floats, bias: Floats | None, width: int, strides: list[int],
    pads: list[int],
) -> Value:  # fmt: skip
    refuse_unless(weights.ndim == 4, "convolutions and poolings work on images with two sides")
    numbers = np.zeros(width, np.float32) if bias is None else bias.astype(np.float32).reshape(-1)
    sides, inputs = list(weights.shape[2:]), (draft.constant(weights), draft.constant(numbers))
    return whole(draft, draft.emit(operator, name, *inputs, kernel_shape=sides, strides=strides, pads=pads))


def _dense(weights: Floats, groups: int) -> Floats:
    """Return the kernel of one group that computes what `groups` do, with zeros between them."""
    if groups == 1:
        return weights
    out, inner = len(weights), weights.shape[1]
    refuse_unless(
        out % groups == 0 and weights.size * groups <= MOST_DENSE, f"{groups} groups make a kernel that is too large"
    )
    dense = np.zeros((out, inner * groups, *weights.shape[2:]), np.float32)
    rows = out // groups
    for g in range(groups):
        dense[g * rows : (g + 1) * rows, g * inner : (g + 1) * inner] = weights[g * rows : (g + 1) * rows]
    return dense


def _spread(weights: Floats, attributes: Attributes) -> Floats:
    """Return a kernel without dilation: its numbers further apart, and zeros between them."""
    refuse_unless(weights.ndim == 4, "convolutions and poolings work on images with two sides")
    steps = [int(d) for d in attributes.get("dilations", [1, 1])]
    if steps == [1, 1]:
        return weights
    sides = [(k - 1) * d + 1 for k, d in zip(weights.shape[2:], steps, strict=True)]
    refuse_unless(max(sides) <= MAX_KERNEL, f"a kernel with its dilation has sides up to {MAX_KERNEL}")
    wide = np.zeros((*weights.shape[:2], *sides), np.float32)
    wide[:, :, :: steps[0], :: steps[1]] = weights
    return wide


def _evened(weights: Floats, pads: list[int]) -> tuple[Floats, list[int]]:
    """Return a kernel with zeros at one side, so that the padding (top, left, bottom, right) is the same at both."""
    refuse_unless(len(pads) == 4 and min(pads) >= 0 and max(pads) < MAX_KERNEL, "padding is from 0 to 7")
    even = [max(pads[0], pads[2]), max(pads[1], pads[3])]
    widths = [(even[i] - pads[i], even[i] - pads[i + 2]) for i in range(2)]
    return np.pad(weights, [(0, 0), (0, 0), *widths]), [*even, *even]


def _pads(attributes: Attributes, sides: Sizes, kernel: Sizes, strides: list[int]) -> list[int]:
    """Return the padding (top, left, bottom, right) of a convolution or pooling."""
    how = attributes.get("auto_pad", "NOTSET")
    if how == "NOTSET":
        return [int(p) for p in attributes.get("pads", [0, 0, 0, 0])]
    if how == "VALID":
        return [0, 0, 0, 0]
    refuse_unless(how in ("SAME_UPPER", "SAME_LOWER"), "auto_pad is NOTSET, VALID, SAME_UPPER or SAME_LOWER")
    total = [max(0, (math.ceil(i / s) - 1) * s + k - i) for i, k, s in zip(sides, kernel, strides, strict=True)]
    return _halves(total, how == "SAME_UPPER")


def _halves(total: list[int], more_at_end: bool) -> list[int]:
    less, more = [t // 2 for t in total], [t - t // 2 for t in total]
    return [*less, *more] if more_at_end else [*more, *less]


def _transposed_pads(
    attributes: Attributes, sides: Sizes, kernel: Sizes, strides: list[int], extra: list[int]
) -> list[int]:
    """Return the rows and columns that are cut off (top, left, bottom, right)."""
    how, shape = attributes.get("auto_pad", "NOTSET"), attributes.get("output_shape")
    if shape is None and how in ("NOTSET", "VALID"):
        return [int(p) for p in attributes.get("pads", [0, 0, 0, 0])] if how == "NOTSET" else [0, 0, 0, 0]
    wanted = [int(s) for s in shape[-2:]] if shape is not None else [i * s for i, s in zip(sides, strides, strict=True)]
    total = [(i - 1) * s + e + k - o for i, s, e, k, o in zip(sides, strides, extra, kernel, wanted, strict=True)]
    refuse_unless(min(total) >= 0, "output_shape is no larger than the output")
    return _halves(total, how == "SAME_UPPER")


def pool(draft: Draft, operator: str, value: Value, attributes: Attributes) -> Value:
    """Return MaxPool or AveragePool of images (c, h, w)."""
    name = plain(draft, value)
    sizes = _image(draft, name)
    kernel = tuple(int(k) for k in attributes.get("kernel_shape", ()))
    strides = [int(s) for s in attributes.get("strides", [1, 1])]
    pads = _pads(attributes, sizes[1:], kernel, strides)
    refuse_unless(list(attributes.get("dilations", [1, 1])) == [1, 1], "a pooling has no dilation")
    if attributes.get("ceil_mode"):
        refuse_unless(operator == "MaxPool", "an AveragePool has ceil_mode 0")
        pads = [*pads[:2], *_ceiled(sizes[1:], pads, kernel, strides)]
    kept: Attributes = {"kernel_shape": list(kernel), "strides": strides, "pads": pads}
    if operator == "AveragePool":
        kept["count_include_pad"] = int(attributes.get("count_include_pad", 0))
    return whole(draft, draft.emit(operator, name, **kept))


def _ceiled(sides: Sizes, pads: list[int], kernel: Sizes, strides: list[int]) -> list[int]:
    """Return the padding at the end that makes the windows of ceil_mode; those that begin in the padding are none."""
    ends = []
    for i, a, b, k, s in zip(sides, pads[:2], pads[2:], kernel, strides, strict=True):
        last = math.ceil((i + a + b - k) / s) * s
        last -= s if last >= i + a else 0
        ends.append(max(0, last + k - i - a))
    return ends


def pool_all(draft: Draft, operator: str, value: Value, axes: list[int], keep: bool) -> Value:
    """Return the mean or the largest number over two axes of an item, kept as axes of one or not."""
    places = np.moveaxis(value.places, axes, [-2, -1])
    refuse_unless(places.ndim == 3 and len(axes) == 2, "a mean goes over the two sides of an image")
    pooled, (high, wide) = plain(draft, value.moved(places)), places.shape[1:]
    for side in ([high, 1], [1, wide]):  # one after the other, as a sum of few numbers is more exact
        pooled = draft.emit(operator, pooled, kernel_shape=side, strides=[1, 1], pads=[0, 0, 0, 0])
    flat = whole(draft, pooled).places.reshape(-1)
    shape = [1 if axis in axes else size for axis, size in enumerate(value.shape)]
    return Value(pooled, flat.reshape(shape if keep else -1))


def depth_to_space(draft: Draft, value: Value, attributes: Attributes) -> Value:
    """Return channels as pixels beside each other, as PixelShuffle, by a transposed convolution that copies."""
    name, side = plain(draft, value), int(attributes.get("blocksize", 0))
    channels = _image(draft, name)[0]
    refuse_unless(side > 0 and channels % (side * side) == 0, "channels are a multiple of the pixels of a block")
    out = channels // (side * side)
    order = np.arange(channels).reshape(side, side, out).transpose(2, 0, 1)
    if attributes.get("mode", "DCR") == "CRD":
        order = np.arange(channels).reshape(out, side, side)
    kernel = np.zeros((channels, out, side, side), np.float32)
    for c, i, j in np.ndindex(out, side, side):
        kernel[order[c, i, j], c, i, j] = 1
    return _emitted(draft, "ConvTranspose", name, kernel, None, out, [side, side], [0, 0, 0, 0])


def gemm(draft: Draft, value: Value, weights: Floats, bias: Floats | None) -> Value:
    """Return a linear layer with weights (before, after) along the last axis of an item."""
    refuse_unless(weights.ndim == 2, "a linear layer has a matrix of weights")
    numbers = np.zeros(weights.shape[1], np.float32) if bias is None else bias
    numbers = np.broadcast_to(numbers.astype(np.float32).reshape(-1), weights.shape[1:])
    if len(value.shape) == 1:
        return whole(draft, draft.linear(plain(draft, value), weights.astype(np.float32), numbers))
    refuse_unless(len(value.shape) == 3, "a linear layer works on numbers, or on the channels of an image")
    name = plain(draft, value.moved(value.places.transpose(2, 0, 1)))
    made = conv(draft, whole(draft, name), weights.T[:, :, None, None].astype(np.float32), numbers, {})
    return made.moved(made.places.transpose(1, 2, 0))


def padded(draft: Draft, value: Value, pads: list[int]) -> Value:
    """Return an image (c, h, w) with zeros around it (top, left, bottom, right), by a convolution that copies."""
    name = plain(draft, value)
    channels = _image(draft, name)[0]
    kernel = np.eye(channels, dtype=np.float32)[:, :, None, None]
    kernel, even = _evened(kernel, pads)
    return whole(draft, convolved(draft, name, kernel, (even[0], even[1])))
