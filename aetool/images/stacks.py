"""Stacks: many images in one array, in an .npz file as `images` or alone in an .npy file, read in blocks.

Shapes are (n, h, w) for grey, (n, c, h, w) or (n, h, w, c). Where an array of four dimensions can be both, `--layout`
decides. Numbers of 8 bits are taken as they are, truth values are black and white, other numbers are scaled by the
rule of `aetool.images.levels`, with one white for all images of the stack, as for the pictures of a folder.
"""

from __future__ import annotations

import contextlib
import io
import os
import stat
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, BinaryIO

import numpy as np
import numpy.typing as npt

from aetool.arrays import OneLine, Pixels
from aetool.choices import ARRAY_SUFFIXES
from aetool.errors import AetoolError, InvalidInput, LimitExceeded, lookup, printable, some
from aetool.images.levels import Evidence, evidence_in, guess, levels_of
from aetool.images.spec import MOST_CHANNELS, SIDES
from aetool.system.limits import LIMITS, Limits, is_bomb
from aetool.system.npz import NpzError, Place, find_arrays
from aetool.system.reading import READ_ONLY, read_file, reading
from aetool.system.special import open_named

Array = npt.NDArray[Any]

STARTS = (b"PK\x03\x04", b"\x93NUMPY")
"""First bytes of the files that may hold a stack."""
LAYOUTS = {"nchw": (1, 2, 3), "nhwc": (3, 1, 2)}
"""Orders of the dimensions of a stack, by name: where channels, height and width are."""
TIMES = 8
"""Ratio of the largest stack to the largest file of latents."""
BLOCK = 1 << 22
"""Bytes of a block, by default."""
EXPECTED = f"(n, c, h, w) or (n, h, w, c) with 1 to {MOST_CHANNELS} channels, or (n, h, w)"
NOT_FINITE = "the images in {} hold numbers that are not finite"
KINDS = frozenset("buif")
"""Kinds of numbers, as NumPy calls them: truth values, whole numbers without and with sign, floats."""


@dataclass(frozen=True, eq=False, repr=False)
class Stack(OneLine):
    """An opened stack of n images.

    name     of its file
    shape    (n, c, h, w)
    layout   "nchw", "nhwc", or "nhw" for grey images without an axis of channels
    labels   the array `labels` of an .npz file as it is there, None without it
    white    the number that is white, None for numbers of 8 bits and truth values
    note     a sentence on a guessed white, None where nothing was guessed
    """

    name: str
    shape: tuple[int, int, int, int]
    layout: str
    labels: Array | None
    white: int | None
    note: str | None
    _file: BinaryIO
    _place: Place

    def __len__(self) -> int:
        """Return n."""
        return self.shape[0]

    @property
    def in_place(self) -> bool:
        """Whether any images can be read alone (see `rows`): the numbers are not compressed."""
        return self._place.start is not None and not self._place.fortran

    @property
    def start(self) -> int | None:
        """Where the images begin in the file, if they lie there as uint8 one after the other, as `layout` says."""
        return self._place.start if self.in_place and self._place.dtype == np.uint8 else None

    def blocks(self, count: int | None = None) -> Iterator[Pixels]:
        """Yield all images in order, `count` at a time, as uint8 (b, c, h, w), by default of about 4 MiB.

        Raises `InvalidInput` for damage and for numbers that are not finite.
        """
        for values in _numbers(self.name, self._file, self._place, count):
            yield self._pixels(values)

    def rows(self, wanted: npt.NDArray[np.integer[Any]]) -> Pixels:
        """Return the images with the numbers `wanted` (b,), as uint8 (b, c, h, w), for a stack that is `in_place`.

        Raises `InvalidInput` for damage and for numbers that are not finite.
        """
        place = self._place
        if place.start is None or place.fortran:
            raise ValueError("the images of a compressed stack cannot be read alone")
        size = place.dtype.itemsize * int(np.prod(place.shape[1:]))
        numbers = np.empty((len(wanted), size), np.uint8)
        with _unpacking(self.name, self._file, replace(place, member=None)) as stream:
            for into, row in zip(numbers, wanted.tolist(), strict=True):
                stream.seek(place.start + row * size)
                _fill(stream, into)
        return self._pixels(numbers.view(place.dtype).reshape(len(wanted), *place.shape[1:]))

    def _pixels(self, values: Array) -> Pixels:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InvalidInput(NOT_FINITE.format(self.name))
        if values.dtype.kind == "b":
            values = values * np.uint8(255)
        elif self.white is not None:
            values = levels_of(values, self.white)
        if self.layout == "nhw":
            return values[:, None]
        return np.ascontiguousarray(values.transpose(0, 3, 1, 2) if self.layout == "nhwc" else values)


@contextlib.contextmanager
def open_stack(
    source: str | Path | bytes,
    limits: Limits = LIMITS,
    layout: str | None = None,
    channels: int | None = None,
    white: int | None = None,
    name: str | None = None,
) -> Iterator[Stack]:
    """Give the stack in a file, or in the bytes of a file; the file stays open meanwhile.

    `layout` is a name of `LAYOUTS`; `channels` is the number that the images must have, None for any; `white` is the
    number that is white, None for a guess, for which all numbers are read once. `name` stands for the file in errors.
    Raises `InvalidInput`, `LimitExceeded`, `ReadWriteError`, `UsageError`.
    """
    lookup(LAYOUTS, layout or "nchw", "layout")
    name = name or ("-" if isinstance(source, bytes) else printable(str(source)))
    with io.BytesIO(source) if isinstance(source, bytes) else _opened(source) as file:
        places = _found(file, name)
        place = _images(places, name)
        _check_size(place, name, TIMES * limits.bytes)
        order, shape = _shape(place.shape, layout, channels, name)
        labels = _labels(file, places, name, limits)
        note = None
        if place.dtype.kind == "b" or place.dtype == np.uint8:
            white = None
        elif white is None:
            white, note = _guessed(_numbers(name, file, place), name)
        yield Stack(name, shape, order, labels, white, note, file, place)


def holds_stack(path: str | Path) -> bool:
    """Return whether a name is that of a file that may hold a stack: .npz or .npy."""
    return os.path.splitext(path)[1].lower() in ARRAY_SUFFIXES  # noqa: PTH122


def _opened(path: str | Path) -> BinaryIO:
    """Return a file opened to read, the content of a FIFO in memory; raises `ReadWriteError`."""
    with reading(path):
        if stat.S_ISREG(os.stat(path).st_mode):  # noqa: PTH116
            return os.fdopen(open_named(path, READ_ONLY), "rb")
    return io.BytesIO(read_file(path, fifo=True))


def _found(file: BinaryIO, name: str) -> dict[str, Place | None]:
    try:
        return find_arrays(file)
    except NpzError as error:
        raise InvalidInput(f"{name} is not an .npz or .npy file of numbers") from error


def _images(places: dict[str, Place | None], name: str) -> Place:
    """Return where the images are; raises `InvalidInput` where there are none, or latents in their place."""
    place = places.get("images", places.get(""))
    if place is None:
        if "latents" in places:
            raise InvalidInput(f"{name} holds latents, not images", fix="latents")
        there = printable(some(key for key in places if key))
        raise InvalidInput(f'{name} holds no array "images" of numbers among {there or "none"}')
    if len(place.shape) == 2 and not place.member:
        raise InvalidInput(f"{name} is of shape {place.shape}, as latents are; images are {EXPECTED}", fix="latents")
    if place.dtype.kind in KINDS:
        return place
    raise InvalidInput(f"the images in {name} are {place.dtype}; expected whole numbers or floats")


def _check_size(place: Place, name: str, most: int) -> None:
    """Raise `LimitExceeded` for an array of more than `most` bytes, or one packed as no honest array is."""
    if place.unpacked > most:
        raise LimitExceeded(f"{name} unpacks to {place.unpacked >> 20:,} MiB, over {most >> 20:,} MiB", fix="bytes")
    if is_bomb(place.packed, place.unpacked):
        raise LimitExceeded(f"{name} unpacks to more than is accepted of a file of its size")


def _shape(
    shape: tuple[int, ...], layout: str | None, channels: int | None, name: str
) -> tuple[str, tuple[int, int, int, int]]:
    """Return the layout of an array of images, and its shape as (n, c, h, w)."""
    if 0 not in shape and len(shape) == 3 and channels in (None, 1):
        return "nhw", (shape[0], 1, shape[1], shape[2])
    fitting = {}
    if 0 not in shape and len(shape) == 4:
        turned = {order: (shape[0], *(shape[i] for i in axes)) for order, axes in LAYOUTS.items()}
        fitting = {order: s for order, s in turned.items() if _may_be(s[1], channels) and layout in (None, order)}
        if len(fitting) > 1:
            usual = {order: s for order, s in fitting.items() if s[2] in SIDES and s[3] in SIDES}
            fitting = usual if usual or channels is None else fitting
    if len(fitting) > 1:
        raise InvalidInput(f"the images in {name}, of shape {shape}, can be {' and '.join(LAYOUTS)}", fix="layout")
    if not fitting:
        wanted = EXPECTED if channels is None else f"(n, {channels}, h, w) or (n, h, w, {channels})"
        raise InvalidInput(
            f"the images in {name} have shape {shape}; expected {wanted}{f' as {layout}' * bool(layout)}"
        )
    return fitting.popitem()  # type: ignore[return-value]


def _may_be(count: int, channels: int | None) -> bool:
    return 1 <= count <= MOST_CHANNELS if channels is None else count == channels


def _labels(file: BinaryIO, places: dict[str, Place | None], name: str, limits: Limits) -> Array | None:
    if "labels" not in places:
        return None
    place = places["labels"]
    if place is None:
        raise InvalidInput(f"the labels in {name} are no numbers or texts")
    _check_size(place, name, limits.bytes)
    return _whole(name, file, place)


def _guessed(parts: Iterator[Array], name: str) -> tuple[int, str | None]:
    """Return the number that is white, and a sentence where it is no usual one, judged by the numbers of all images.

    The brightest image decides, each judged as a picture is. Raises `InvalidInput` for numbers that are not finite.
    """
    found, cut = Evidence("u2", 0), ""
    for values in parts:
        if values.dtype.kind == "f" and not np.isfinite(values).all():
            raise InvalidInput(NOT_FINITE.format(name))
        cut = "; smaller ones become black" if (values < 0).any() else cut
        for image in values:
            seen = evidence_in(image.reshape(image.shape[0], -1))
            found = Evidence(seen.kind, max(found.top, seen.top))
        if found.settled:
            break
    white = guess(found)
    if white == found.usual and not cut:
        return white, None
    return white, f"{name}: {values.dtype.name} numbers are read as levels from 0 to {white:,}, a guess{cut}"


def _numbers(name: str, file: BinaryIO, place: Place, count: int | None = None) -> Iterator[Array]:
    """Yield the images of a stack as they are in the file, `count` at a time, by default about 4 MiB."""
    n, *rest = place.shape
    size = place.dtype.itemsize * int(np.prod(rest))
    count = count or max(1, BLOCK // size)
    if place.fortran:
        whole = _whole(name, file, place)
        yield from (np.ascontiguousarray(whole[start : start + count]) for start in range(0, n, count))
        return
    with _unpacking(name, file, place) as stream:
        for start in range(0, n, count):
            block = np.empty(min(count, n - start) * size, np.uint8)
            _fill(stream, block)
            yield block.view(place.dtype).reshape(-1, *rest)
        stream.read(1)  # at the end of a member its checksum is compared


@contextlib.contextmanager
def _unpacking(name: str, file: BinaryIO, place: Place) -> Iterator[IO[bytes]]:
    """Give the numbers of an array as a stream; raises `InvalidInput` where they are damaged."""
    try:
        if place.member is None:
            file.seek(place.start or 0)
            yield file
            return
        with zipfile.ZipFile(file) as archive, archive.open(place.member) as member:
            skipped = place.unpacked - place.dtype.itemsize * int(np.prod(place.shape))
            member.read(skipped)
            yield member
    except AetoolError:
        raise
    except Exception as error:  # whatever zipfile and its decompressors raise
        raise InvalidInput(f"{name} is damaged") from error


def _fill(stream: IO[bytes], block: npt.NDArray[np.uint8]) -> None:
    """Read into the whole of `block`; raises `EOFError`."""
    view = block.data
    while view:
        count = stream.readinto(view)  # type: ignore[attr-defined]
        if not count:
            raise EOFError
        view = view[count:]


def _whole(name: str, file: BinaryIO, place: Place) -> Array:
    """Return an array read at once, a view of its bytes."""
    with _unpacking(name, file, place) as stream:
        return np.frombuffer(stream.read(), place.dtype).reshape(place.shape, order="F" if place.fortran else "C")
