"""The output of all commands: latents, sheets, animations, folders and streams of pictures, text in a terminal."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from aetool.cli.failures import Failures
from aetool.cli.layout import provenance
from aetool.cli.preview import preview
from aetool.cli.target import Target, write_stdout, write_text
from aetool.errors import ReadWriteError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from aetool.arrays import Latents, Pixels
    from aetool.cli.console import Console
    from aetool.cli.options import LayoutOptions
    from aetool.images.files import Failure, FileBatch
    from aetool.images.folder import PictureWriter
    from aetool.images.layout import Layout
    from aetool.images.provenance import Provenance
    from aetool.latents.files import LatentBatch
    from aetool.model.model import Model


Item = TypeVar("Item")


def write_generated(
    batches: Iterable[LatentBatch],
    model: Model,
    target: Target,
    layout: Layout,
    options: LayoutOptions,
    console: Console,
    seed: int | None = None,
    cores: int | None = 1,
    failures: Failures | None = None,
) -> int:
    """Write latents, or the pictures decoded by the model, and return the count.

    `cores` bounds the cores of decoding into a folder, None for all. Names in a folder that cannot be written are
    `failures`; without these they raise `SomeInputsFailed` after the others.
    """
    if target.kind == "latents":
        return write_latents(model.signed(batches), target, model.bundle.manifest.latent_size)
    show = shown_channels(options, model, target)
    named = ((batch.latents, batch.titles) for batch in batches)
    made = provenance(model.bundle, seed, options)
    if target.kind == "folder":
        if failures is not None:
            return _decode_to_folder(named, model, target, made, cores, failures, show)
        failures = Failures(console)
        failures.done = _decode_to_folder(named, model, target, made, cores, failures, show)
        if failures.errors:
            failures.end()
        return failures.done
    parts = _decoded(named, model)
    if target.kind == "frames":
        return _write_frames(parts, layout, made, show)
    return write_pictures(parts, target, layout, made, console, options.max_frames, lambda _: None, show)


def shown_channels(options: LayoutOptions, model: Model, target: Target) -> tuple[int, ...] | None:
    """Return the channels to write of the images of a model, None for all; raises `UsageError` (see `--show`)."""
    return None if target.kind == "array" else options.shown(model.bundle.manifest.image.channels)


def _decode_to_folder(
    named: Iterable[tuple[Latents, Sequence[str]]],
    model: Model,
    target: Target,
    made: Provenance | None,
    cores: int | None,
    failures: Failures,
    show: tuple[int, ...] | None,
) -> int:
    from aetool.runtime.parallel import decode_to

    with _open_folder(target, made, failures.console, failures.add, show) as (place, write):
        return decode_to(write, named, place, model.codec, cores, failures.add)


def _decoded(named: Iterable[tuple[Latents, Sequence[str]]], model: Model) -> Iterator[tuple[Pixels, Sequence[str]]]:
    from aetool.arrays import to_pixels
    from aetool.runtime.parallel import pieces

    for latents, names in pieces(named, model.codec.batch):
        yield to_pixels(model.codec.decode(latents)), names


def write_latents(batches: Iterable[LatentBatch], target: Target, size: int) -> int:
    """Write latents of `size` numbers to the target, JSON Lines as a stream, and return the count."""
    from aetool.latents.files import to_jsonl
    from aetool.latents.files import write_latents as write_file

    if target.path is not None:
        return write_file(target.path, _guarded(batches, target, target.path), size)
    count = 0
    for batch in batches:
        write_stdout(to_jsonl(batch))
        count += len(batch.latents)
    return count


def write_pixels(
    batches: Iterable[FileBatch[tuple[LatentBatch, Pixels]]], target: Target, failures: Failures
) -> Iterator[FileBatch[LatentBatch]]:
    """Yield batches without their pixels, which are written to the folder of `target`: a file uint8 (c, h, w) each.

    Files that cannot be written are `failures`; their latents are not.
    """
    rest = iter(batches)
    first = next(rest, None)  # before the folder is made: nothing is, where nothing can be used
    while first is not None and not first.files:
        yield first.with_value(first.value[0])
        first = next(rest, None)
    if first is None:
        return
    with _open_folder(target, None, failures.console, failures.add, None) as (place, write):
        for batch in itertools.chain([first], rest):
            latents, pixels = batch.value
            failures.add(write(pixels, [place(file.relative) for file in batch.files]))
            yield batch.with_value(latents)


def _guarded(batches: Iterable[Item], target: Target, path: Path) -> Iterator[Item]:
    """Yield batches; raises `UsageError` at their end where the file to be replaced is among the inputs."""
    yield from batches
    target.read.refuse(path)


def write_pictures(
    parts: Iterable[tuple[Pixels, Sequence[str]]],
    target: Target,
    layout: Layout | Callable[[], Layout],
    made: Provenance | None,
    console: Console,
    max_frames: int,
    failed: Callable[[list[Failure]], None],
    show: tuple[int, ...] | None = None,
) -> int:
    """Write pictures (n, c, h, w) with their names to the target, a folder or array as a stream, and return the count.

    `failed` gets the names in a folder that could not be written; `show` are the channels to write, None for all. A
    function for `layout` is called when all pictures are there.
    """
    if target.kind == "folder":
        return _write_folder(parts, target, made, console, failed, show)
    if target.kind == "array":
        return write_array(parts, target, "images")
    whole = _gathered(parts if show is None else ((pixels[:, show], names) for pixels, names in parts))
    if whole is None:
        return 0
    shown = layout() if callable(layout) else layout
    if target.kind == "terminal":
        write_text(target, preview(whole, shown, console))
    else:
        _write_file(target, whole, shown, made, max_frames)
    return len(whole)


def _write_file(target: Target, pixels: Pixels, layout: Layout, made: Provenance | None, max_frames: int) -> None:
    from aetool.images.layout import encode_pictures
    from aetool.system.atomic import write_file
    from aetool.system.limits import Limits

    data = encode_pictures(pixels, target.suffix, layout, made, Limits(frames=max_frames))
    if target.path is None:
        write_stdout(data)
    else:
        target.read.refuse(target.path)
        write_file(target.path, data)


def _write_frames(
    parts: Iterable[tuple[Pixels, Sequence[str]]],
    layout: Layout,
    made: Provenance | None,
    show: tuple[int, ...] | None,
) -> int:
    """Write pictures to stdout as PNG files one behind the other, as a stream, and return the count."""
    from aetool.images.layout import encode_frame

    count = 0
    for pixels, _ in parts:
        for frame in pixels if show is None else pixels[:, show]:
            write_stdout(encode_frame(frame, layout, made))
            count += 1
    return count


def write_array(parts: Iterable[tuple[NDArray[Any], Sequence[str]]], target: Target, name: str) -> int:
    """Write rows of numbers with their names to an array, called `name` in an .npz, and return the count."""
    from aetool.images.stack_writer import write_stack

    assert target.path is not None
    return write_stack(target.path, _guarded(parts, target, target.path), name)


def _write_folder(
    parts: Iterable[tuple[Pixels, Sequence[str]]],
    target: Target,
    made: Provenance | None,
    console: Console,
    failed: Callable[[list[Failure]], None],
    show: tuple[int, ...] | None,
) -> int:
    """Write a PNG of native size for each picture, with sub-folders, and return the count."""
    count, rest = 0, iter(parts)
    first = next(rest, None)  # before the folder is made: nothing is, where nothing can be used
    with _open_folder(target, made, console, failed, show) as (place, write):
        for pixels, names in itertools.chain([first] if first else [], rest):
            failed(write(pixels, [place(name) for name in names]))
            count += len(names)
    return count


@contextlib.contextmanager
def _open_folder(
    target: Target,
    made: Provenance | None,
    console: Console,
    failed: Callable[[list[Failure]], None],
    show: tuple[int, ...] | None,
) -> Iterator[tuple[Callable[[str], str], PictureWriter]]:
    """Give the paths of pictures by name, "" for a name that has failed, and their writer.

    No input is replaced, and other pictures in the folder are told.
    """
    from aetool.images.files import Failure
    from aetool.images.folder import PNG, RAW, of_one_name, picture_folder
    from aetool.images.provenance import png_text
    from aetool.system.atomic import flushing

    assert target.path is not None
    folder = picture_folder(target.path, png_text(made), target.complete, show, RAW if target.suffix == RAW else PNG)
    with flushing(target.path), folder as (places, write):

        def place(name: str) -> str:
            try:
                path = places(name)
            except ReadWriteError as error:
                if not of_one_name(error):
                    raise
                failed([Failure(name, error)])
                return ""
            if not write.alone:
                target.read.refuse(path, one_of_many=True)
            return path

        yield place, write
    if not write.alone:
        what = ("a file", "files") if target.suffix == RAW else ("a picture", "pictures")
        _tell_others(*places.others(target.complete), target.path, what, console)


def _tell_others(count: int, example: str, folder: Path, what: tuple[str, str], console: Console) -> None:
    """Warn of files that were in an output folder before and are not among those written."""
    if count:
        found = what[0] if count == 1 else f"{count:,} {what[1]}"
        console.warn(f"{folder} holds {found} that this command did not write, such as {example}")


def _gathered(parts: Iterable[tuple[Pixels, Sequence[str]]]) -> Pixels | None:
    """Return all pictures as one array, None without a picture; raises `LimitExceeded` beyond a single file."""
    import numpy as np

    from aetool.images.sheet import check_size

    found: list[Pixels] = []
    values = 0
    for pixels, _ in parts:
        found.append(pixels)
        values += pixels.size
        check_size(values)
    return np.concatenate(found) if values else None
