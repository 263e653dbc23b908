"""Files of labelled images: idx (the format of MNIST) and .npz, with checks."""

from __future__ import annotations

import gzip
import io
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, OneLine, Pixels
from aetool.errors import InvalidInput, LimitExceeded
from aetool.images.files import Failure
from aetool.images.walk import Listing
from aetool.system.limits import ALWAYS, LIMITS, MAX_RATIO, Limits
from aetool.system.names import composed
from aetool.system.npz import NpzError, NpzTooLarge, read_npz
from aetool.system.reading import read_file

TIMES = 8
"""Ratio of the largest file of images to the largest file of latents."""


@dataclass(frozen=True, eq=False, repr=False)
class Labelled(OneLine):
    """Labelled images of a source: pixels (n, c, h, w) and labels (n,), -1 for none.

    train_count   number of training images, which come first; None without an official split
    sources       n names; None for images with a number only
    background    grey level behind transparent pixels
    skipped       unusable files
    listing       what else was left out of a folder, and how the folder was understood
    whites        numbers that were white in pictures of more than 8 bits, by type (see `FolderOptions`)
    """

    pixels: Pixels
    labels: Labels
    classes: tuple[str, ...]
    train_count: int | None = None
    sources: tuple[str, ...] | None = None
    background: int = 0
    skipped: tuple[Failure, ...] = ()
    listing: Listing = field(default_factory=Listing)
    whites: tuple[tuple[str, int], ...] = ()


class TooFewImages(InvalidInput):
    """A folder with too few usable pictures, with the unusable files and the account of the folder."""

    def __init__(self, message: str, skipped: tuple[Failure, ...] = (), listing: Listing | None = None) -> None:
        super().__init__(message)
        self.skipped, self.listing = skipped, listing or Listing()


def parse_idx(data: bytes, name: str) -> npt.NDArray[np.uint8]:
    """Return the array in an idx file of bytes (LeCun's format: 0, 0, 8, dimensions, big-endian sizes, data)."""
    dimensions = data[3] if len(data) >= 4 and data[:3] == b"\0\0\x08" else 0
    if dimensions not in (1, 3) or len(data) < 4 + 4 * dimensions:
        raise InvalidInput(f"{name} is not an idx file of bytes with images or labels")
    shape = np.frombuffer(data, ">u4", dimensions, 4).astype(np.int64).tolist()
    count = 1
    for side in shape:
        count *= side
    if count != len(data) - 4 - 4 * dimensions:
        raise InvalidInput(
            f"{name} says {' x '.join(map(str, shape))} and holds {len(data) - 4 - 4 * dimensions} bytes"
        )
    return np.frombuffer(data, np.uint8, offset=4 + 4 * dimensions).reshape(shape)


def read_idx_pair(path: Path, limits: Limits = LIMITS) -> Labelled:
    """Read idx images, and the labels in the file with "labels-idx1" in place of "images-idx3" in its name."""
    images = parse_idx(_unpacked(path, limits), path.name)
    if images.ndim != 3:
        raise InvalidInput(f"{path.name} holds labels; name the file of the images")
    beside = path.with_name(path.name.replace("images", "labels").replace("idx3", "idx1"))
    if beside == path or not beside.is_file():
        return Labelled(images[:, None], np.full(len(images), -1), ())
    return Labelled(images[:, None], *_numbered(parse_idx(_unpacked(beside, limits), beside.name), beside.name))


def _unpacked(path: Path, limits: Limits) -> bytes:
    most = TIMES * limits.bytes
    data = read_file(path, most)
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        most = min(most, max(ALWAYS, MAX_RATIO * len(data)))
        data = gzip.GzipFile(fileobj=io.BytesIO(data)).read(most + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise InvalidInput(f"{path} is a damaged gzip file") from error
    if len(data) > most:
        raise LimitExceeded(f"{path} unpacks to more than the {most >> 20} MiB accepted of a file of its size")
    return data


def read_arrays(path: Path, limits: Limits = LIMITS) -> Labelled:
    """Read `images` (n, h, w), (n, h, w, c) or (n, c, h, w), uint8 or floats in [0, 1], and `labels` if there are."""
    most = TIMES * limits.bytes
    try:
        arrays = read_npz(read_file(path, most), most, {"images", "labels"})
    except NpzTooLarge as error:
        raise LimitExceeded(f"{path} unpacks to {error}, more than is accepted of a file of its size") from None
    except NpzError as error:
        raise InvalidInput(f"{path} is not an .npz file of numbers") from error
    if "images" not in arrays:
        raise InvalidInput(f'{path} holds no array "images"')
    labels = arrays.get("labels")
    pixels = _as_pixels(arrays["images"], path.name)
    if labels is None:
        return Labelled(pixels, np.full(len(pixels), -1), ())
    return Labelled(pixels, *_numbered(labels, path.name))


def _as_pixels(images: npt.NDArray[Any], name: str) -> Pixels:
    if images.ndim == 3:
        images = images[:, None]
    elif images.ndim == 4 and images.shape[3] in (1, 3) and images.shape[1] not in (1, 3):
        images = images.transpose(0, 3, 1, 2)
    if images.ndim != 4 or not images.size:
        raise InvalidInput(f"the images in {name} have shape {images.shape}; expected (n, h, w) or (n, h, w, c)")
    if images.dtype.kind == "f" and images.min() >= 0 and images.max() <= 1:
        images = np.rint(images * 255).astype(np.uint8)
    if images.dtype != np.uint8:
        raise InvalidInput(f"the images in {name} are {images.dtype}; expected uint8, or floats in [0, 1]")
    return np.ascontiguousarray(images)


def _numbered(labels: npt.NDArray[Any], name: str) -> tuple[Labels, tuple[str, ...]]:
    """Return class numbers, and the class names in the order of the labels, numbers or texts."""
    if labels.ndim != 1 or labels.dtype.kind not in "iuUS":
        raise InvalidInput(f"the labels in {name} must be one whole number or text an image")
    values, numbers = np.unique(labels, return_inverse=True)
    try:
        names = [composed(v.decode() if isinstance(v, bytes) else str(v)) for v in values.tolist()]
    except UnicodeDecodeError as error:
        raise InvalidInput(f"the labels in {name} are no UTF-8") from error
    classes = {one: i for i, one in enumerate(dict.fromkeys(names))}  # two spellings of one name are one class
    return np.array([classes[one] for one in names], np.int64)[numbers], tuple(classes)
