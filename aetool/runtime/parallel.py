"""Parallel work: many images through a codec, in order, in one process for few images, else in workers on all cores.

The results do not depend on the number of workers or on the batch size.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Generic, TypeVar

import numpy as np

from aetool.arrays import Images, Latents, Pixels, batched, to_images, to_pixels
from aetool.bundle.bundle import Graphs
from aetool.errors import AetoolError
from aetool.images.decode import failure_of
from aetool.images.files import Failure, FileBatch, ImageFile, new_guesses, pixels_or_sheet, read_batches
from aetool.images.folder import PictureWriter
from aetool.images.spec import ImageSpec
from aetool.runtime.codec import Codec
from aetool.system.limits import LIMITS, Limits
from aetool.system.processes import MOST, all_cores, ordered

PATIENCE = 0.05
"""Seconds of work in one process before workers are started; starting them takes about as long.

Waiting for names does not count: a slow list of names is answered name by name.
"""

HELD = 1 << 24
"""Bytes of picture files that are enough for a task."""

Errors = dict[int, AetoolError]
"""Errors of the pictures of a chunk, by position."""
Found = tuple[int, bytes]
"""The position of a sheet in a chunk, and its bytes."""

Read = tuple[Pixels, Errors, Found | None, tuple[str, ...]]
"""Pixels, errors, the first sheet if any, and new guesses of levels."""

Value = TypeVar("Value")
Step = Callable[[Codec, Images], Value]
"""A function of a codec and images (n, c, h, w), as `Codec.encode`; at module level, since workers find it by name."""


def over_files(
    files: Iterable[ImageFile],
    codec: Codec,
    step: Step[Value],
    cores: int | None = None,
    limits: Limits = LIMITS,
) -> Iterator[FileBatch[Value]]:
    """Yield the results of `step` on pictures in order, the first alone, on at most `cores` cores (None: all).

    A guess of levels is told by each process that makes it.
    """
    rest = iter(files)
    begun = 0.0

    def alone() -> bool:
        return cores == 1 or not begun or time.process_time() - begun <= PATIENCE

    for batch in read_batches(_while(alone, rest), codec.spec, codec.batch, limits):
        yield batch.with_value(step(codec, batch.value))
        begun = begun or time.process_time()  # after the first, which opens sessions
    first = next(rest, None)
    if first is not None:
        left = itertools.chain([first], rest)
        yield from _by_workers(left, codec, step, cores or min(MOST, all_cores()), limits)


def _while(go_on: Callable[[], bool], files: Iterator[ImageFile]) -> Iterator[ImageFile]:
    """Yield files, asking between two of them: all tiles of a sheet are taken before a file is left to the workers."""
    while go_on() and (file := next(files, None)) is not None:
        yield file


def _by_workers(
    files: Iterator[ImageFile], codec: Codec, step: Step[Value], cores: int, limits: Limits
) -> Iterator[FileBatch[Value]]:
    """Process the remaining files: workers read, and on the processor also run the step.

    A worker stops its task at a sheet. The sheet and the rest of the task are processed here, a batch at a time.
    """
    tasks = ((chunk, [_light(file) for file in chunk]) for chunk in _chunks(files, codec.batch))
    if codec.on_processor:
        for chunk, (value, errors, sheet, guesses) in ordered(
            partial(_Worker, codec.graphs, codec.device, step, limits), tasks, cores
        ):
            yield from _until(chunk, value, errors, sheet, guesses)
            yield from _from(chunk, sheet, codec, step, limits)
    else:
        for chunk, (pixels, errors, sheet, guesses) in ordered(partial(_Reader, codec.spec, limits), tasks, cores):
            yield from _until(chunk, step(codec, to_images(pixels)), errors, sheet, guesses)
            yield from _from(chunk, sheet, codec, step, limits)


def _until(
    chunk: tuple[ImageFile, ...], value: Value, errors: Errors, sheet: Found | None, guesses: tuple[str, ...]
) -> Iterator[FileBatch[Value]]:
    """Yield the result of the files before a sheet, or of all."""
    done = chunk[: sheet[0]] if sheet else chunk
    if done:
        yield FileBatch(value, *_sorted(done, errors), guesses=guesses)


def _from(
    chunk: tuple[ImageFile, ...], sheet: Found | None, codec: Codec, step: Step[Value], limits: Limits
) -> Iterator[FileBatch[Value]]:
    """Yield the results of a sheet and of the files behind the sheet."""
    if sheet:
        start, data = sheet
        rest = (replace(chunk[start], data=data), *chunk[start + 1 :])
        for batch in read_batches(rest, codec.spec, codec.batch, limits):
            yield batch.with_value(step(codec, batch.value))


def _chunks(files: Iterable[ImageFile], size: int) -> Iterator[tuple[ImageFile, ...]]:
    """Yield files, `size` at a time; fewer of files with their bytes, which several tasks hold at once."""
    chunk: list[ImageFile] = []
    held = 0
    for file in files:
        chunk.append(file)
        held += len(file.data or b"") + (file.stacked.size if file.stacked is not None else 0)
        if len(chunk) >= size or held >= HELD:
            yield tuple(chunk)
            chunk, held = [], 0
    if chunk:
        yield tuple(chunk)


def decode_to(
    write: PictureWriter,
    latents: Iterable[tuple[Latents, Sequence[str]]],
    place: Callable[[str], str],
    codec: Codec,
    cores: int | None = None,
    failed: Callable[[list[Failure]], None] = lambda _: None,
) -> int:
    """Decode latents (n, k), write each picture to the path that `place` gives for its name, and return the count.

    `place` is called in order, shortly before a picture is written; "" leaves the picture out. `failed` gets the names
    that could not be written. `cores` bounds the cores, None for all.
    """
    placed = ((z, [place(name) for name in names]) for z, names in pieces(latents, codec.batch))
    first = list(itertools.islice(placed, 2))
    parts = itertools.chain(first, placed)
    if len(first) > 1 and cores != 1:
        return sum(_written_by_workers(write, parts, codec, cores or min(MOST, all_cores()), failed))
    count = 0
    for part, paths in parts:
        failures = write(to_pixels(codec.decode(part)), paths)
        failed(failures)
        count += _given(paths) - len(failures)
    return count


def _given(paths: Sequence[str]) -> int:
    return sum(path != "" for path in paths)


def _written_by_workers(
    write: PictureWriter,
    latents: Iterator[tuple[Latents, Sequence[str]]],
    codec: Codec,
    cores: int,
    failed: Callable[[list[Failure]], None],
) -> Iterator[int]:
    """Write pictures: decoded in the workers on the processor, else here; yield how many at a time."""
    if codec.on_processor:
        tasks = ((_given(p), (z, p)) for z, p in latents)
        done = ordered(partial(_Decoder, codec.graphs, codec.device, write), tasks, cores)
    else:
        drawn = ((_given(p), (to_pixels(codec.decode(z)), p)) for z, p in latents)
        done = ordered(partial(_Writer, write), drawn, cores)
    for count, failures in done:
        failed(failures)
        yield count - len(failures)


def pieces(latents: Iterable[tuple[Latents, Sequence[str]]], size: int) -> Iterator[tuple[Latents, Sequence[str]]]:
    """Yield latents with their names, `size` at a time, the last ones fewer."""
    rows = (row for part, names in latents for row in zip(part, names, strict=True))
    for chunk in batched(rows, size):
        yield np.stack([latent for latent, _ in chunk]), [name for _, name in chunk]


def _sorted(chunk: tuple[ImageFile, ...], errors: Errors) -> tuple[tuple[ImageFile, ...], tuple[Failure, ...]]:
    """Return the usable files of a chunk, and the failures."""
    used = tuple(file for i, file in enumerate(chunk) if i not in errors) if errors else chunk
    return used, tuple(Failure(chunk[i].path, error) for i, error in errors.items())


def _light(file: ImageFile) -> ImageFile | tuple[str, str | None]:
    """Return the part of a picture that a worker needs: its path and folder, unless the picture is no plain file."""
    plain = file.data is None and file.picture is None and not file.named and not file.whole and file.stacked is None
    return (file.path, file.folder) if plain else file


def _whole_file(file: ImageFile | tuple[str, str | None]) -> ImageFile:
    return ImageFile(file[0], file[0], folder=file[1]) if isinstance(file, tuple) else file


class _Reader:
    """A worker that reads pictures, within given limits."""

    def __init__(self, spec: ImageSpec, limits: Limits) -> None:
        self.spec, self.limits, self.guesses = spec, limits, new_guesses(limits)

    def __call__(self, chunk: list[ImageFile | tuple[str, str | None]]) -> Read:
        """Return pixels (n, c, h, w) of the usable pictures before a sheet, and what else was found (see `Read`)."""
        pixels: list[Pixels] = []
        errors: Errors = {}
        sheet: Found | None = None
        for i, file in enumerate(chunk):
            try:
                found = pixels_or_sheet(_whole_file(file), self.spec, self.limits, self.guesses)
                if isinstance(found, bytes):
                    sheet = i, found
                    break
                pixels.append(found)
            except Exception as error:  # of whatever kind: one picture never stops the others
                errors[i] = failure_of(error)
        stacked = np.stack(pixels) if pixels else np.empty((0, *self.spec.shape), np.uint8)
        return stacked, errors, sheet, self.guesses.new()


class _Worker(Generic[Value]):
    """A worker that reads pictures and runs a step on them."""

    def __init__(self, graphs: Graphs, device: str, step: Step[Value], limits: Limits) -> None:
        self.codec, self.step = Codec(graphs, device), step
        self.read = _Reader(self.codec.spec, limits)

    def __call__(
        self, chunk: list[ImageFile | tuple[str, str | None]]
    ) -> tuple[Value, Errors, Found | None, tuple[str, ...]]:
        """Return the result of the step on the usable pictures before a sheet, and what else was found."""
        pixels, errors, sheet, guesses = self.read(chunk)
        return self.step(self.codec, to_images(pixels)), errors, sheet, guesses


class _Decoder:
    """A worker that decodes latents and writes the pictures."""

    def __init__(self, graphs: Graphs, device: str, write: PictureWriter) -> None:
        self.codec, self.write = Codec(graphs, device), write

    def __call__(self, task: tuple[Latents, Sequence[str]]) -> list[Failure]:
        """Write the pictures of latents (n, k) to n paths, and return the names that failed."""
        latents, paths = task
        return self.write(to_pixels(self.codec.decode(latents)), paths)


class _Writer:
    """A worker that writes pictures."""

    def __init__(self, write: PictureWriter) -> None:
        self.write = write

    def __call__(self, task: tuple[Pixels, Sequence[str]]) -> list[Failure]:
        """Write pixels (n, c, h, w) to n paths, and return the names that failed."""
        return self.write(*task)
