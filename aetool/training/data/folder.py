"""A folder of pictures as a data set: a common image spec, and all pictures decoded on all cores."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TypeVar

import numpy as np

from aetool.arrays import Pixels
from aetool.choices import IMAGE_FORMATS
from aetool.errors import AetoolError
from aetool.images.decode import Kind, failure_of, kind_of
from aetool.images.drawing import NAMES, background_for
from aetool.images.files import Failure, ImageFile, new_guesses, pixels_of, read_image
from aetool.images.guesses import Guesses
from aetool.images.spec import CURRENT, MOST_CHANNELS, PICTURED, SIDES, ImageSpec
from aetool.images.tiff import samples_of
from aetool.system.limits import LIMITS, Limits
from aetool.system.progress import Report
from aetool.training.data.files import Labelled, TooFewImages
from aetool.training.data.room import Place, room_for
from aetool.training.data.stored import AnyPixels

LARGEST = 128
"""The largest side of equally sized images that stays unchanged."""
SMALLEST = 8
"""The smallest side of training images."""
USUAL = 64
"""The side of images of different sizes, and of too large or too small images."""
BLOCK = 1024
"""Files decoded at a time."""

BANDED = range(5, MOST_CHANNELS + 1)
"""Channels of a TIFF that can be no picture: fewer are grey or colour, with transparency, unless --channels says so."""

T = TypeVar("T")


@dataclass(frozen=True)
class FolderOptions:
    """The user's options for the images of a folder or a file; None leaves the choice to the files.

    channels from 1 to 16, size (height, width), background the grey level 0-255 behind transparent pixels, whites the
    numbers that are white, by type (see `Guesses`), as pairs, layout the order of the dimensions of an array (see
    `LAYOUTS`), preparation its version (see `ImageSpec`), never None
    """

    channels: int | None = None
    size: tuple[int, int] | None = None
    background: int | None = None
    whites: tuple[tuple[str, int], ...] = ()
    layout: str | None = None
    preparation: int = CURRENT


def decode_folder(
    files: Sequence[ImageFile],
    options: FolderOptions,
    workers: int,
    report: Report,
    limits: Limits = LIMITS,
    place: Place | None = None,
) -> Labelled:
    """Return the usable pictures of `files`, with sub-folders as classes, and the skipped files.

    Many pictures go to a file in the folder that `place` gives (see `room_for`). Raises `TooFewImages` without a usable
    picture.
    """
    drawn = options.background is None
    look = partial(_kind, channels=options.channels, limits=limits, drawn=drawn)
    kinds = list(_parallel(look, files, workers, "looking at images", report))
    if not any(kinds):
        raise TooFewImages(f"no usable image in the folder; expected {IMAGE_FORMATS}", _reasons(files, options, limits))
    spec = common_spec(known := [kind for kind in kinds if kind is not None], options)
    if options.size is None and (line := smaller(known, spec)):
        report(line, 0, None, "")
    if drawn:
        spec = replace(spec, background=_background([kind.drawing for kind in known], report))
    room = room_for(len(known), spec.shape, place)
    used: list[ImageFile] = []
    skipped: list[Failure] = []
    guesses = new_guesses(limits, dict(options.whites))
    results = _parallel(lambda file: _decoded(file, spec, limits, guesses), files, workers, "reading images", report)
    for file, result in zip(files, results, strict=True):
        if isinstance(result, AetoolError):
            skipped.append(Failure(file.path, result))
        else:
            room.add(result[None])
            used.append(file)
    for line in guesses.new():
        report(line, 0, None, "")
    labelled = _labelled(room.done(), used, spec, tuple(skipped))
    return replace(labelled, whites=tuple(sorted(guesses.whites.items())))


def _labelled(pixels: AnyPixels, files: Sequence[ImageFile], spec: ImageSpec, skipped: tuple[Failure, ...]) -> Labelled:
    classes = tuple(sorted({file.label for file in files if file.label is not None}))
    numbers = {name: i for i, name in enumerate(classes)}
    labels = np.array([-1 if file.label is None else numbers[file.label] for file in files], np.int64)
    sources = tuple(file.relative for file in files)
    count = sum(file.part != "test" for file in files)
    official = count if 2 <= count < len(files) else None  # a part without a usable picture makes no split
    return Labelled(pixels, labels, classes, official, sources, spec.background, skipped)


def common_spec(kinds: Sequence[Kind], options: FolderOptions) -> ImageSpec:
    """Return the common image spec: grey if all images are grey, and their common size if suitable."""
    sizes = {kind.size for kind in kinds}
    size = options.size or (sizes.pop() if len(sizes) == 1 else (USUAL, USUAL))
    if options.size is None and not SMALLEST <= min(size) <= max(size) <= LARGEST:
        size = (USUAL, USUAL)
    banded = {kind.channels for kind in kinds}
    only = banded.pop() if len(banded) == 1 else None
    channels = options.channels or only or (1 if all(kind.grey for kind in kinds) else 3)
    return ImageSpec(channels, *size, background=options.background or 0, preparation=options.preparation)


def smaller(kinds: Sequence[Kind], spec: ImageSpec) -> str | None:
    """Return a sentence where pictures are larger than their images of `spec`, None where none is."""
    larger = [kind.size for kind in kinds if kind.size[0] > spec.height or kind.size[1] > spec.width]
    if not larger:
        return None
    height, width = max(larger, key=lambda size: size[0] * size[1])
    every = f"all {len(kinds):,}" if len(larger) == len(kinds) else f"{len(larger):,} of {len(kinds):,}"
    more = f"--size, up to {SIDES[-1]}, keeps more"
    return f"{every} pictures, of up to {height}x{width} pixels, become {spec.height}x{spec.width}; {more}"


def _background(drawings: Sequence[float | None], report: Report) -> int:
    """Return the background on which the drawings of transparent pictures are seen, and tell it where there are any."""
    levels = [level for level in drawings if level is not None]
    background = background_for(levels)
    if levels:
        pictures = "1 transparent picture" if len(levels) == 1 else f"{len(levels):,} transparent pictures"
        drawn = f"what is drawn has a mean level of {sum(levels) / len(levels):.0f} of 255"
        report(f"{pictures} on {NAMES[background]}, level {background}: {drawn}", 0, None, "")
    return background


def _kind(file: ImageFile, channels: int | None, limits: Limits, drawn: bool) -> Kind | None:
    try:
        data = read_image(file)
        if channels in PICTURED or (channels is None and samples_of(data) not in BANDED):
            return kind_of(data, limits, drawn)
        from aetool.images.bands import kind_of_bands

        return kind_of_bands(data, channels, limits)
    except Exception:  # of whatever kind: one picture never stops the others
        return None  # named when it is decoded


def _reasons(files: Sequence[ImageFile], options: FolderOptions, limits: Limits) -> tuple[Failure, ...]:
    """Return why no file can be used."""
    guesses = new_guesses(limits)
    results = ((file, _decoded(file, _usable(file, options), limits, guesses)) for file in files)
    return tuple(Failure(file.path, result) for file, result in results if isinstance(result, AetoolError))


def _usable(file: ImageFile, options: FolderOptions) -> ImageSpec:
    """Return the smallest spec that a file can have."""
    samples = None
    with contextlib.suppress(AetoolError):
        samples = samples_of(read_image(file))
    channels = options.channels or (samples if samples in BANDED else 1)
    return ImageSpec(channels or 1, SMALLEST, SMALLEST)


def _decoded(file: ImageFile, spec: ImageSpec, limits: Limits, guesses: Guesses) -> Pixels | AetoolError:
    try:
        return pixels_of(file, spec, limits, guesses)
    except Exception as error:
        return failure_of(error)


def _parallel(
    function: Callable[[ImageFile], T], files: Sequence[ImageFile], workers: int, title: str, report: Report
) -> Iterator[T]:
    """Yield function(file) in the order of the files, computed by `workers` threads (Pillow lets others run)."""
    with ThreadPoolExecutor(workers) as pool:
        for start in range(0, len(files), BLOCK):
            for done, result in enumerate(pool.map(function, files[start : start + BLOCK]), start + 1):
                if not done % 64 or done == len(files):
                    report(title, done, len(files), f"{done} of {len(files)}")
                yield result
