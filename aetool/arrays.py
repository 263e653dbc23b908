"""Arrays of images and latents: shapes, dtypes and ranges, with their checks."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from typing import Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from aetool.errors import InvalidInput

Item = TypeVar("Item")

Images: TypeAlias = npt.NDArray[np.float32]
"""Images x: float32 (n, c, h, w) in [0, 1]; c is 1 (grey), 3 (RGB), or another number of channels up to 16."""

Pixels: TypeAlias = npt.NDArray[np.uint8]
"""Images as bytes: uint8 (n, c, h, w), 255 for 1.0; the form of files and of data sets in memory."""

Latents: TypeAlias = npt.NDArray[np.float32]
"""Latents z: float32 (n, k), finite, without bounds."""

Labels: TypeAlias = npt.NDArray[np.int64]
"""Class numbers: int64 (n,), an index into the class names, or -1 for none."""


def to_images(pixels: Pixels) -> Images:
    """Return uint8 pixels as float32 images in [0, 1]."""
    return pixels.astype(np.float32) / np.float32(255)


def to_pixels(images: Images) -> Pixels:
    """Return images in [0, 1] as uint8 pixels, rounded to the nearest."""
    pixels: Pixels = np.rint(images * np.float32(255)).astype(np.uint8)
    return pixels


def check_images(array: npt.NDArray[Any], shape: tuple[int, int, int]) -> Images:
    """Return `array` as images of `shape` (c, h, w), or raise `InvalidInput`."""
    if array.ndim != 4 or array.shape[1:] != shape:
        raise InvalidInput(f"images of shape (n, {', '.join(map(str, shape))}) expected, not {array.shape}")
    if array.dtype != np.float32:
        raise InvalidInput(f"images are float32 in [0, 1], not {array.dtype}")
    if array.size and not (array.min() >= 0 and array.max() <= 1):  # false for NaN too
        raise InvalidInput("images must lie in [0, 1]")
    return array


def check_latents(array: npt.NDArray[Any], size: int | None) -> Latents:
    """Return `array` as finite float32 latents (n, size), or raise `InvalidInput`; None takes any size."""
    if array.ndim != 2 or array.dtype.kind not in "fiu":
        raise InvalidInput(f"latents are numbers of shape (n, k), not {array.dtype} of shape {array.shape}")
    if size is not None and array.shape[1] != size:
        raise InvalidInput(f"this model has latents of {size} numbers, these have {array.shape[1]}")
    with np.errstate(over="ignore"):  # float64 beyond float32 becomes infinite, which the next line refuses
        latents = np.ascontiguousarray(array, dtype=np.float32)
    if not np.isfinite(latents).all():
        raise InvalidInput("latents must be finite numbers in the range of float32")
    return latents


def spread(count: int, most: int) -> npt.NDArray[np.int64]:
    """Return all of the places 0 to count - 1, or `most` of them, one in each of as many equal parts, in order."""
    if count <= most:
        return np.arange(count)
    starts = np.arange(most + 1, dtype=np.int64) * count // most
    hashed = np.arange(most, dtype=np.int64) * 2_654_435_761 >> 12
    return starts[:-1] + hashed % np.diff(starts)  # so that columns of an image are not repeated


def batched(items: Iterable[Item], size: int) -> Iterator[tuple[Item, ...]]:
    """Yield the items in tuples of `size`, the last one shorter (`itertools.batched` of Python 3.12)."""
    iterator = iter(items)
    while batch := tuple(itertools.islice(iterator, size)):
        yield batch


FEW = 4
"""Most items that are shown one by one in a line."""
SHORT = 80
"""Most characters of a value in a line."""


class OneLine:
    """A base of dataclasses (declared with repr=False) whose repr is one line: arrays and bytes are told by size."""

    def __repr__(self) -> str:
        """Return one line."""
        return f"{type(self).__name__}({', '.join(f'{f.name}={brief(getattr(self, f.name))}' for f in fields(self))})"  # type: ignore[arg-type]


def brief(value: object) -> str:
    """Return a value as a short text without line breaks: of an array the shape, of many items the number."""
    if isinstance(value, np.ndarray):
        return f"<{value.dtype} of shape {value.shape}>"
    if isinstance(value, bytes | bytearray | memoryview):
        return f"<{len(value):,} bytes>"
    if isinstance(value, Mapping | Set) or (isinstance(value, Sequence) and not isinstance(value, str | tuple | list)):
        return f"<{len(value):,} items>"
    if isinstance(value, tuple | list):
        return f"<{len(value):,} items>" if len(value) > FEW else f"({', '.join(map(brief, value))})"
    text = repr(value)
    if is_dataclass(value) and "\n" not in text:
        return text
    return text if len(text) <= SHORT and "\n" not in text else f"<{type(value).__name__}>"
