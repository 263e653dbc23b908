"""The allowed operators of a graph, with their attributes and the sizes of their outputs.

Every tensor but a constant has the items of the batch along its first axis, and every rule preserves the items. A rule
takes the inputs (the sizes of an item, or a `Constant`) and the attributes, and returns the sizes of an output item and
the multiplications per item. A rule raises `Refused` for everything outside the output of our exporters and of our
importer, which rewrites the graphs of others with these operators.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

Sizes: TypeAlias = tuple[int, ...]
"""The sizes of an item: (c, h, w) or (k,)."""

MAX_KERNEL = 16
MAX_STRIDE = 4
MAX_WINDOW = 64
"""Largest side and stride of the window of a pooling: a window over the whole of a small image is one."""


class Refused(Exception):
    """A part of the graph that is not allowed, named in the message."""


@dataclass(frozen=True, eq=False)
class Constant:
    """A tensor of numbers inside the graph: all its dimensions, float32 or int64, little-endian.

    Rules see no float16: such constants are widened to float32 before (`gate`), and then without their data.
    """

    dims: Sizes
    is_float: bool
    data: memoryview
    is_half: bool = False


Input: TypeAlias = Sizes | Constant | None
"""The sizes of an item, a constant, or None for an input that is left out."""
Attributes: TypeAlias = dict[str, Any]
Rule: TypeAlias = Callable[[Sequence[Input], Attributes], tuple[Sizes, int]]


def _item(value: Input) -> Sizes:
    if not isinstance(value, tuple):
        raise Refused("a node works on constants alone")
    return value


def _weights(inputs: Sequence[Input], at: int, rank: int) -> Sizes:
    value = inputs[at] if at < len(inputs) else None
    if not isinstance(value, Constant) or not value.is_float or len(value.dims) != rank:
        raise Refused("a layer has no constant weights of the right shape")
    return value.dims


def _count(inputs: Sequence[Input], least: int, most: int) -> None:
    if not least <= len(inputs) <= most:
        raise Refused(f"a node has {len(inputs)} inputs")


def _bias(inputs: Sequence[Input], width: int) -> None:
    if len(inputs) > 2 and _weights(inputs, 2, 1) != (width,):
        raise Refused("a bias does not fit its layer")


def _expect(attributes: Attributes, usual: Attributes) -> None:
    """Refuse an attribute with a value other than the constant value of our exporters."""
    for name, value in usual.items():
        if attributes.get(name, value) != value:
            raise Refused(f"the attribute {name} is {str(attributes[name])[:40]}, not {value}")


def _window(attributes: Attributes, kernel: Sizes) -> tuple[list[int], list[int]]:
    """Return strides and pads (top, left, bottom, right) of a convolution."""
    usual = {"group": 1, "auto_pad": "NOTSET", "dilations": [1, 1], "kernel_shape": list(kernel)}
    _expect(attributes, usual | {"output_padding": [0, 0]})
    strides, pads = attributes.get("strides", [1, 1]), attributes.get("pads", [0, 0, 0, 0])
    small = isinstance(strides, list) and len(strides) == 2 and all(1 <= step <= MAX_STRIDE for step in strides)
    if not small or max(kernel) > MAX_KERNEL:
        raise Refused(f"strides are up to {MAX_STRIDE} and kernels up to {MAX_KERNEL}")
    if not isinstance(pads, list) or len(pads) != 4 or pads[:2] != pads[2:] or not 0 <= min(pads) <= max(pads) < 8:
        raise Refused("the padding of a convolution is from 0 to 7, and as large at the end as at the beginning")
    return strides, pads


def _conv(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    _count(inputs, 2, 3)
    item, weights = _item(inputs[0]), _weights(inputs, 1, 4)
    after, before, *kernel = weights
    strides, pads = _window(attributes, tuple(kernel))
    _bias(inputs, after)
    if len(item) != 3 or item[0] != before:
        raise Refused("a convolution does not fit its input")
    sides = [(i + 2 * p - k) // s + 1 for i, k, s, p in zip(item[1:], kernel, strides, pads[:2], strict=True)]
    if min(i + 2 * p - k for i, k, p in zip(item[1:], kernel, pads[:2], strict=True)) < 0:
        raise Refused("a convolution has a kernel larger than its input")
    return (after, *sides), after * before * math.prod(kernel) * math.prod(sides)


def _conv_transpose(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    _count(inputs, 2, 3)
    item, weights = _item(inputs[0]), _weights(inputs, 1, 4)
    before, after, *kernel = weights
    strides, pads = _window(attributes, tuple(kernel))
    _bias(inputs, after)
    if len(item) != 3 or item[0] != before:
        raise Refused("a transposed convolution does not fit its input")
    sides = [(i - 1) * s + k - 2 * p for i, k, s, p in zip(item[1:], kernel, strides, pads[:2], strict=True)]
    if min(sides) < 1:
        raise Refused("a transposed convolution puts out nothing")
    return (after, *sides), after * math.prod(item) * math.prod(kernel)


def _gemm(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    _count(inputs, 2, 3)
    _expect(attributes, {"alpha": 1.0, "beta": 1.0, "transA": 0})
    if attributes.get("transB", 0) not in (0, 1):
        raise Refused("transB is neither 0 nor 1")
    weights = _weights(inputs, 1, 2)
    before, after = weights[::-1] if attributes.get("transB", 0) else weights
    _bias(inputs, after)
    if _item(inputs[0]) != (before,):
        raise Refused("a linear layer does not fit its input")
    return (after,), before * after


def _matmul(inputs: Sequence[Input], _attributes: Attributes) -> tuple[Sizes, int]:
    _count(inputs, 2, 2)
    return _gemm(inputs, {})


def _alone(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of activations: a single input, the same sizes, and attributes that are finite numbers."""
    _count(inputs, 1, 1)
    item = _item(inputs[0])
    for name, value in attributes.items():
        if not isinstance(value, float) or not math.isfinite(value):
            raise Refused(f"the attribute {name} is no finite number")
    return item, math.prod(item)


def _clip(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    _count(inputs, 3, 3)
    _weights(inputs, 1, 0), _weights(inputs, 2, 0)
    return _alone(inputs[:1], attributes)


def _both(inputs: Sequence[Input], _attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of Add and Mul: two tensors of the same sizes, or a tensor and a constant.

    The constant is a number, a number for each channel of an image (c, 1, 1), or all numbers of an item.
    """
    _count(inputs, 2, 2)
    items = [value for value in inputs if isinstance(value, tuple)]
    numbers = [value for value in inputs if isinstance(value, Constant)]
    fitting = [(), *items[:1], *((item[0], 1, 1) for item in items[:1] if len(item) == 3)]
    if (
        not items
        or any(item != items[0] for item in items)
        or any(n.dims not in fitting or not n.is_float for n in numbers)
    ):
        raise Refused("a sum or product of tensors that differ in size")
    return items[0], math.prod(items[0])


def _reshape(inputs: Sequence[Input], _attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of Reshape: to (-1, ...) with the same count of numbers per item."""
    _count(inputs, 2, 2)
    item, shape = _item(inputs[0]), inputs[1]
    if not isinstance(shape, Constant) or shape.is_float or len(shape.dims) != 1 or not 2 <= shape.dims[0] <= 4:
        raise Refused("a Reshape has no constant shape")
    first, *sizes = struct.unpack(f"<{shape.dims[0]}q", shape.data)
    if first != -1 or min(sizes) < 1 or math.prod(sizes) != math.prod(item):
        raise Refused("a Reshape mixes the items of a batch")
    return tuple(sizes), 0


def _flatten(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    _count(inputs, 1, 1)
    _expect(attributes, {"axis": 1})
    return (math.prod(_item(inputs[0])),), 0


def _transpose(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of Transpose: the axes of an item in another order, the axis of the items first as before."""
    _count(inputs, 1, 1)
    item, axes = _item(inputs[0]), attributes.get("perm")
    if not isinstance(axes, list) or axes[:1] != [0] or sorted(axes) != list(range(len(item) + 1)):
        raise Refused("a Transpose keeps the first axis, of the items, where it is")
    return tuple(item[axis - 1] for axis in axes[1:]), math.prod(item)


def _pool(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of MaxPool and AveragePool: every window lies at least partly inside the image."""
    _count(inputs, 1, 1)
    _expect(attributes, {"auto_pad": "NOTSET", "ceil_mode": 0, "storage_order": 0, "dilations": [1, 1]})
    item, kernel = _item(inputs[0]), attributes.get("kernel_shape", [])
    strides, pads = attributes.get("strides", [1, 1]), attributes.get("pads", [0, 0, 0, 0])
    if attributes.get("count_include_pad", 0) not in (0, 1):
        raise Refused("count_include_pad is neither 0 nor 1")
    for sides in (kernel, strides):
        if not isinstance(sides, list) or len(sides) != 2 or not all(1 <= side <= MAX_WINDOW for side in sides):
            raise Refused(f"windows and strides of a pooling are two numbers from 1 to {MAX_WINDOW}")
    if not isinstance(pads, list) or len(pads) != 4 or not all(0 <= pads[i] < kernel[i % 2] for i in range(4)):
        raise Refused("the padding of a pooling is smaller than its window")
    padded = [i + a + b for i, a, b in zip(item[1:], pads[:2], pads[2:], strict=True)] if len(item) == 3 else []
    if not padded or any(i < k for i, k in zip(padded, kernel, strict=True)):
        raise Refused("a pooling does not fit its input")
    sizes = (item[0], *((i - k) // s + 1 for i, k, s in zip(padded, kernel, strides, strict=True)))
    return sizes, math.prod(sizes) * math.prod(kernel)


def _pool_all(inputs: Sequence[Input], _attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of GlobalAveragePool: a number for each channel of an image."""
    _count(inputs, 1, 1)
    item = _item(inputs[0])
    if len(item) != 3:
        raise Refused("a pooling does not fit its input")
    return (item[0], 1, 1), math.prod(item)


def _resize(inputs: Sequence[Input], attributes: Attributes) -> tuple[Sizes, int]:
    """Rule of Resize: each pixel repeated by a whole number, downwards and to the right."""
    _count(inputs, 3, 3)
    wanted = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    if attributes != wanted:
        raise Refused("the attributes of a Resize are nearest, asymmetric and floor")
    item, scales = _item(inputs[0]), inputs[2]
    if inputs[1] is not None or not isinstance(scales, Constant) or not scales.is_float or scales.dims != (4,):
        raise Refused("a Resize has four constant scales and nothing else")
    factors = struct.unpack("<4f", scales.data)
    if len(item) != 3 or factors[:2] != (1, 1) or any(f not in range(1, MAX_KERNEL + 1) for f in factors[2:]):
        raise Refused(f"a Resize repeats the pixels of images by whole numbers up to {MAX_KERNEL}")
    sizes = (item[0], item[1] * int(factors[2]), item[2] * int(factors[3]))
    return sizes, math.prod(sizes)


_WINDOW = frozenset({"group", "auto_pad", "dilations", "kernel_shape", "strides", "pads"})

_POOL = frozenset({"auto_pad", "kernel_shape", "strides", "pads", "ceil_mode"})

RULES: dict[str, tuple[frozenset[str], Rule]] = {
    "Conv": (_WINDOW, _conv),
    "ConvTranspose": (_WINDOW | {"output_padding"}, _conv_transpose),
    "Gemm": (frozenset({"alpha", "beta", "transA", "transB"}), _gemm),
    "MatMul": (frozenset(), _matmul),
    "Relu": (frozenset(), _alone),
    "Sigmoid": (frozenset(), _alone),
    "Tanh": (frozenset(), _alone),
    "LeakyRelu": (frozenset({"alpha"}), _alone),
    "Elu": (frozenset({"alpha"}), _alone),
    "Selu": (frozenset({"alpha", "gamma"}), _alone),
    "HardSwish": (frozenset(), _alone),
    "Erf": (frozenset(), _alone),
    "Clip": (frozenset(), _clip),
    "Add": (frozenset(), _both),
    "Mul": (frozenset(), _both),
    "Reshape": (frozenset({"allowzero"}), _reshape),
    "Flatten": (frozenset({"axis"}), _flatten),
    "Transpose": (frozenset({"perm"}), _transpose),
    "MaxPool": (_POOL | {"storage_order", "dilations"}, _pool),
    "AveragePool": (_POOL | {"count_include_pad"}, _pool),
    "GlobalAveragePool": (frozenset(), _pool_all),
    "Resize": (frozenset({"mode", "coordinate_transformation_mode", "nearest_mode"}), _resize),
}
"""Operators by name, with the allowed attributes and the rule. Exporters and importer of ours write no others."""
