"""Operators of other tools, rewritten one by one: elementwise ones, and those that move numbers about."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.bundle.gate_operators import Refused
from aetool.training.foreign.constants import Array
from aetool.training.foreign.draft import Draft, refuse_unless
from aetool.training.foreign.movement import Places, Value, plain, whole

STAND_IN = 999_983
"""The number of items while shapes are computed: a prime that no size of an item has."""
MOST_PLACES = 1 << 24
"""Numbers of the largest item that is rearranged."""
ITEMS = "the first axis of every tensor is that of the items, and items do not mix"
SAME = {"Relu": {}, "Sigmoid": {}, "Tanh": {}, "HardSwish": {}, "Erf": {}, "LeakyRelu": {"alpha": 0.01},
        "Elu": {"alpha": 1.0}, "Selu": {"alpha": 1.6732631921768188, "gamma": 1.0507010221481323}}  # fmt: skip
"""Activations that stay what they are, with the defaults of their numbers."""


def activation(draft: Draft, operator: str, value: Value, attributes: dict[str, Any]) -> Value:
    """Return an activation, which needs no order of the numbers."""
    numbers = {name: float(attributes.get(name, usual)) for name, usual in SAME[operator].items()}
    return Value(draft.emit(operator, value.base, **numbers), value.places, value.cut)


def clip(draft: Draft, value: Value, low: Array | None, high: Array | None) -> Value:
    """Return numbers cut to [low, high]; None leaves a side open."""
    if (low is not None and low.size != 1) or (high is not None and high.size != 1):
        raise Refused("the bounds of a Clip are numbers")
    least = float(np.finfo(np.float32).min) if low is None else float(low.ravel()[0])
    most = float(np.finfo(np.float32).max) if high is None else float(high.ravel()[0])
    if least == 0 and high is None:
        return Value(draft.emit("Relu", value.base), value.places, value.cut)
    bounds = draft.constant(np.array(least, np.float32)), draft.constant(np.array(most, np.float32))
    return Value(draft.emit("Clip", value.base, *bounds), value.places, value.cut)


def affine(draft: Draft, value: Value, scale: npt.ArrayLike, shift: npt.ArrayLike) -> Value:
    """Return a value times one constant plus another; each has the shape of an item, or one that spreads to it."""
    repeated = len(np.unique(value.places)) != value.places.size or value.places.size != _count(draft, value)
    if repeated and (np.size(scale) > 1 or np.size(shift) > 1):
        value = whole(draft, plain(draft, value))
    parts = [_for_base(draft, value, constant) for constant in (scale, shift)]
    return Value(draft.affine(value.base, *parts), value.places, value.cut)


def _count(draft: Draft, value: Value) -> int:
    return math.prod(draft.sizes[value.base])


def _for_base(draft: Draft, value: Value, given: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return a constant as a number (), numbers of channels (c, 1, 1), or numbers of an item of the tensor."""
    constant = np.asarray(given, np.float32)
    if constant.ndim > len(value.shape):
        refuse_unless(constant.shape[0] == 1 and constant.ndim == len(value.shape) + 1, ITEMS)
        constant = constant[0]
    try:
        full = np.broadcast_to(constant, value.shape)
    except ValueError:
        raise Refused("a constant fits the tensor that it is added to or multiplied with") from None
    if full.size == 0 or (full == full.ravel()[0]).all():
        return np.array(full.ravel()[0], np.float32)
    sizes = draft.sizes[value.base]
    numbers = np.empty(full.size, np.float32)
    numbers[value.places.ravel()] = full.ravel()
    numbers = numbers.reshape(sizes)
    alike = len(sizes) == 3 and bool((numbers == numbers[:, :1, :1]).all())
    return numbers[:, :1, :1] if alike else numbers


def both(draft: Draft, operator: str, a: Value, b: Value) -> Value:
    """Return the sum or product of two values of the same shape."""
    alike = draft.sizes[a.base] == draft.sizes[b.base] and a.shape == b.shape and (a.places == b.places).all()
    if alike:
        return Value(draft.emit(operator, a.base, b.base), a.places, a.cut or b.cut)
    return whole(draft, draft.emit(operator, plain(draft, a), plain(draft, b)))


def prelu(draft: Draft, value: Value, slope: Array) -> Value:
    """Return PRelu: LeakyRelu for one slope, for more relu(x) - slope relu(-x)."""
    if slope.size == 1 or (slope == slope.ravel()[0]).all():
        return activation(draft, "LeakyRelu", value, {"alpha": float(slope.ravel()[0])})
    minus = affine(draft, activation(draft, "Relu", times(draft, value, -1), {}), -slope, 0)
    return both(draft, "Add", activation(draft, "Relu", value, {}), minus)


def gelu(draft: Draft, value: Value, how: str) -> Value:
    """Return Gelu, x (1 + erf(x / sqrt 2)) / 2, or its approximation by tanh."""
    if how == "tanh":
        root = math.sqrt(2 / math.pi)
        inner = both(draft, "Mul", value, affine(draft, both(draft, "Mul", value, value), 0.044715 * root, root))
        curve = activation(draft, "Tanh", inner, {})
    else:
        refuse_unless(how == "none", "a Gelu is exact or approximated by tanh")
        curve = activation(draft, "Erf", times(draft, value, math.sqrt(0.5)), {})
    return both(draft, "Mul", value, affine(draft, curve, 0.5, 0.5))


def times(draft: Draft, value: Value, number: float) -> Value:
    """Return a value times a number, as a tensor of its own: the value itself is read again."""
    return Value(draft.emit("Mul", value.base, draft.constant(np.array(number, np.float32))), value.places, value.cut)


def reshaped(value: Value, shape: Sequence[int], keeps_zero: bool) -> tuple[Value, int | None]:
    """Return a value in another shape, and the number of items that was frozen into the shape, None for none."""
    first, *sizes = [int(size) for size in shape] or [0]
    known = (STAND_IN, *value.shape)
    if not keeps_zero:
        first, *sizes = (known[i] if s == 0 and i < len(known) else s for i, s in enumerate([first, *sizes]))
    refuse_unless(sizes.count(-1) <= 1 and STAND_IN not in sizes, ITEMS)
    count = value.places.size
    if -1 in sizes:
        others = math.prod(s for s in sizes if s != -1)
        refuse_unless(first != -1 and others > 0 and count % others == 0, ITEMS)
        sizes = [count // others if s == -1 else s for s in sizes]
    refuse_unless(math.prod(sizes) == count and min(sizes, default=1) > 0, ITEMS)
    return value.moved(value.places.reshape(sizes)), first if first not in (-1, STAND_IN) else None


def transposed(value: Value, axes: Sequence[int] | None) -> Value:
    """Return a value with the axes of an item in another order."""
    order = [int(axis) for axis in axes] if axes is not None else list(range(len(value.shape) + 1))[::-1]
    refuse_unless(order[:1] == [0] and sorted(order) == list(range(len(value.shape) + 1)), ITEMS)
    return value.moved(value.places.transpose([axis - 1 for axis in order[1:]]))


def item_axes(axes: Sequence[int], rank: int) -> list[int]:
    """Return axes of a tensor as axes of an item; raises `Refused` for the axis of the items."""
    found = [int(axis) % rank - 1 for axis in axes]
    refuse_unless(min(found, default=0) >= 0, ITEMS)
    return found


def squeezed(value: Value, axes: Sequence[int] | None) -> Value:
    """Return a value without some axes of one."""
    rank = len(value.shape) + 1
    gone = item_axes(axes, rank) if axes is not None else [i for i, size in enumerate(value.shape) if size == 1]
    return value.moved(np.squeeze(value.places, tuple(gone)))


def unsqueezed(value: Value, axes: Sequence[int]) -> Value:
    """Return a value with further axes of one."""
    return value.moved(np.expand_dims(value.places, tuple(item_axes(axes, len(value.shape) + 1 + len(axes)))))


def sliced(value: Value, starts: Array, ends: Array, axes: Array | None, steps: Array | None) -> Value:
    """Return a part of a value."""
    chosen = range(len(starts)) if axes is None else axes.tolist()
    places: Places = value.places
    for i, axis in enumerate(chosen):
        step = 1 if steps is None else int(steps[i])
        at = int(axis) % (len(value.shape) + 1)
        if at == 0:
            refuse_unless(int(starts[i]) == 0 and int(ends[i]) >= STAND_IN and step == 1, ITEMS)
            continue
        end = None if step < 0 and int(ends[i]) < -places.shape[at - 1] else int(ends[i])
        places = places[(*[slice(None)] * (at - 1), slice(int(starts[i]), end, step))]
    refuse_unless(places.size > 0, "a part of a tensor holds numbers")
    return value.moved(places)


def tiled(value: Value, repeats: Array) -> Value:
    """Return a value repeated along axes of an item."""
    counts = [int(count) for count in repeats]
    refuse_unless(counts[:1] == [1] and min(counts) > 0 and value.places.size * math.prod(counts) < MOST_PLACES, ITEMS)
    return value.moved(np.tile(value.places, counts[1:]))


def expanded(value: Value, shape: Array) -> Value:
    """Return a value spread along axes of one."""
    sizes = [int(size) for size in shape]
    refuse_unless(0 < len(sizes) <= len(value.shape) + 1 and math.prod(map(abs, sizes[1:])) < MOST_PLACES, ITEMS)
    sizes = sizes[1:] if len(sizes) == len(value.shape) + 1 else sizes
    return value.moved(np.broadcast_to(value.places, np.broadcast_shapes(tuple(sizes), value.shape)))


def gathered(value: Value, places: Array, axis: int) -> Value:
    """Return chosen places along an axis of an item."""
    (at,) = item_axes([axis], len(value.shape) + 1)
    refuse_unless(places.size * value.places.size < MOST_PLACES, "a Gather takes few places")
    try:
        return value.moved(np.take(value.places, places, axis=at))
    except IndexError:
        raise Refused("a Gather takes places that there are") from None


def resized(value: Value, scales: Array | None, sizes: Array | None, attributes: dict[str, Any]) -> Value:
    """Return an image enlarged or reduced to the nearest pixels."""
    refuse_unless(attributes.get("mode", "nearest") == "nearest", "a Resize has the mode nearest")
    refuse_unless("axes" not in attributes and (scales is None or scales.size) != 0, "a Resize says its scales")
    known = (STAND_IN, *value.shape)
    if scales is None or not scales.size:
        refuse_unless(sizes is not None and len(sizes) == len(known), "a Resize says its scales or its sizes")
        new = [int(size) for size in np.asarray(sizes)]
        factors = [a / b for a, b in zip(new, known, strict=True)]
    else:
        refuse_unless(len(scales) == len(known), "a Resize says its scales")
        factors = [float(scale) for scale in scales]
        new = [int(np.floor(size * factor)) for size, factor in zip(known, factors, strict=True)]
    refuse_unless(factors[0] == 1 and min(new) > 0 and math.prod(new[1:]) < MOST_PLACES, ITEMS)
    places = value.places
    for axis, (size, factor) in enumerate(zip(new[1:], factors[1:], strict=True)):
        places = places.take(_nearest(places.shape[axis], size, factor, attributes), axis=axis)
    return value.moved(places)


def _nearest(old: int, new: int, factor: float, attributes: dict[str, Any]) -> Places:
    """Return the pixel along a side that each new pixel takes."""
    where, how = attributes.get("coordinate_transformation_mode", "half_pixel"), attributes.get("nearest_mode")
    at = np.arange(new, dtype=np.float64)
    if where in ("half_pixel", "half_pixel_symmetric") or (where == "pytorch_half_pixel" and new > 1):
        at = (at + 0.5) / factor - 0.5
    elif where == "tf_half_pixel_for_nn":
        at = (at + 0.5) / factor
    elif where == "align_corners":
        at = at * (old - 1) / max(1, new - 1)
    else:
        refuse_unless(where == "asymmetric", "a Resize has one of the usual places of pixels")
        at = at / factor
    rounded = {"floor": np.floor(at), "ceil": np.ceil(at), "round_prefer_ceil": np.floor(at + 0.5)}
    found: Places = np.clip(rounded.get(str(how), np.ceil(at - 0.5)), 0, old - 1).astype(np.int64)
    return found
