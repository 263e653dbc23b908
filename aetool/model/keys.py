"""Keys: images, latents, files of either and classes, in any order, as latents of a model."""

from __future__ import annotations

import io
import itertools
import os
import stat
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool.arrays import Latents, OneLine, check_latents
from aetool.bundle.bundle import Bundle
from aetool.choices import KEY_STARTS, LATENT_SUFFIXES
from aetool.errors import AetoolError, InvalidInput, LevelsGuessed
from aetool.images.files import Failure, FileBatch, ImageFile, find_images
from aetool.images.names import Folders
from aetool.images.scaled import stored_bytes
from aetool.images.walk import Listing
from aetool.latents.files import LatentBatch, holds_latents, read_latents
from aetool.system.limits import LIMITS, Limits
from aetool.system.paths import LEAST_DIGITS, digits
from aetool.system.reading import read_file, reading

Source: TypeAlias = str | Path | bytes | Image.Image | ImageFile
"""An image: the path of a picture or folder, the bytes of a picture file, or a Pillow image."""


@dataclass(frozen=True, eq=False, repr=False)
class Mean(OneLine):
    """A key that is the mean of others, which are keys, or parts once they are read."""

    name: str
    of: tuple[Any, ...]


Key: TypeAlias = Source | LatentBatch | Mean | npt.NDArray[Any]
"""An image, a file of latents, latents (k,) or (n, k), or a text as in `choices.KEYS`, such as "class:NAME"."""

Part: TypeAlias = str | ImageFile | LatentBatch | Mean | Failure
"""A key, read as far as possible without a model; a text needs the bank of a model, a failure is bad latents."""

MEAN = "mean:"


def listed(sources: Any) -> Iterable[Any]:
    """Return a single source as a list, and several sources unchanged."""
    return [sources] if isinstance(sources, str | Path | bytes | Image.Image) else sources


def image_files(sources: Iterable[Source], listing: Listing | None = None) -> Iterator[ImageFile]:
    """Yield the pictures of sources; folders are walked in sorted order, `listing` takes account of the rest.

    The pictures of several files and folders keep their folders in their names (see `Folders`).
    """
    folders = Folders(_paths(sources) if isinstance(sources, list | tuple) else None)
    for number, source in enumerate(sources):
        yield from _pictures(source, number, folders, listing)


def _pictures(source: Source, number: int, folders: Folders, listing: Listing | None) -> Iterable[ImageFile]:
    """Return the pictures of source `number`."""
    if isinstance(source, ImageFile):
        return [source]
    name = f"image-{number:0{LEAST_DIGITS}}"
    if isinstance(source, bytes):
        return [ImageFile(f"image {number}", name, data=source)]
    if isinstance(source, Image.Image):
        data = stored_bytes(source)
        picture = source if data is None else None
        return [ImageFile(f"image {number}", name, data=data, picture=picture, whole=True)]
    path = os.fspath(source)
    return folders.named(path, find_images([path], listing))


def _paths(keys: Iterable[Key]) -> list[str]:
    """Return the paths of pictures and folders among keys."""
    paths = [os.fspath(key) for key in keys if isinstance(key, str | Path)]
    return [path for path in paths if not path.startswith(KEY_STARTS) and not _names_latents(path)]


def _names_latents(path: str) -> bool:
    return os.path.splitext(path)[1].lower() in LATENT_SUFFIXES  # noqa: PTH122


def read_parts(keys: Iterable[Key], limits: Limits = LIMITS, listing: Listing | None = None) -> list[Part]:
    """Return the pictures, latents and classes of keys; raises `ReadWriteError`, `InvalidInput`."""
    given = list(keys)
    folders = Folders(_paths(given))
    return [part for number, key in enumerate(given) for part in _parts(key, number, folders, limits, listing)]


def _parts(key: Key, number: int, folders: Folders, limits: Limits, listing: Listing | None) -> Iterable[Part]:
    if isinstance(key, LatentBatch):
        return [key]
    if isinstance(key, np.ndarray):
        return [_given(key)]
    if isinstance(key, str) and key.startswith(MEAN):
        key = Mean(key, (key.removeprefix(MEAN),))
    if isinstance(key, Mean):
        return [Mean(key.name, tuple(read_parts(key.of, limits, listing)))]
    if isinstance(key, str) and key.startswith(KEY_STARTS):
        return [key]
    if isinstance(key, str | Path) and not os.path.isdir(key):  # noqa: PTH112
        found = _of_file(str(key), limits)
        return _pictures(key, number, folders, listing) if found is None else found
    return _pictures(key, number, folders, listing)


def _of_file(name: str, limits: Limits) -> Iterable[Part] | None:
    """Return the latents in a file, told by its first bytes, or the picture in a pipe; None for another picture.

    What cannot be read counts as a picture, whose reader says why.
    """
    try:
        stream, once = _opened(name)
    except (OSError, ValueError):
        return None
    with stream:
        start = stream.read(8)
        stream.seek(0)
        if holds_latents(start) or (not start and _names_latents(name)):
            try:
                with reading(name):
                    return list(read_latents(stream, name, None, limits))
            except AetoolError as error:
                return [Failure(name, error)]
        return [ImageFile(name, Path(name).name, data=stream.read())] if once else None


def _opened(name: str) -> tuple[BinaryIO, bool]:
    """Return a file as a stream that can seek, and whether it can be read only once, as a FIFO; raises `OSError`."""
    if stat.S_ISREG(os.stat(name).st_mode):  # noqa: PTH116
        return open(name, "rb"), False  # noqa: PTH123
    return io.BytesIO(read_file(name, fifo=True)), True


def _given(array: npt.NDArray[Any]) -> LatentBatch:
    latents = check_latents(np.atleast_2d(array), None)
    n, width = len(latents), digits(len(latents))
    names = tuple(f"latent {i:0{width}}" for i in range(n))
    return LatentBatch(latents, tuple(f"latent {i}" for i in range(n)), (None,) * n, None, names)


def model_of(parts: Iterable[Part]) -> str | None:
    """Return the model identity of the first latents among the parts, None without latents."""
    return next((part.model for part in flat(parts) if isinstance(part, LatentBatch)), None)


def flat(parts: Iterable[Part]) -> Iterator[Part]:
    """Yield the parts, and in place of a mean those that it is the mean of."""
    for part in parts:
        yield from flat(part.of) if isinstance(part, Mean) else [part]


def check_model(batch: LatentBatch, bundle: Bundle) -> LatentBatch:
    """Return the batch; raises `InvalidInput` for latents with another model's identity or size."""
    if batch.model is not None and batch.model != bundle.identity:
        raise InvalidInput(
            f"these latents are of model {batch.model}, not of {bundle.name} ({bundle.identity})", fix="other-model"
        )
    size = bundle.manifest.latent_size
    if batch.latents.shape[1] != size:
        raise InvalidInput(f"{bundle.name} has latents of {size} numbers, these have {batch.latents.shape[1]}")
    return batch


def grouped(parts: Iterable[Part]) -> Iterator[str | LatentBatch | Mean | Failure | list[ImageFile]]:
    """Yield the parts in order, neighbouring pictures as one list."""
    for are_files, group in itertools.groupby(parts, lambda part: isinstance(part, ImageFile)):
        if are_files:
            yield [part for part in group if isinstance(part, ImageFile)]
        else:
            yield from (part for part in group if not isinstance(part, ImageFile))


def raise_first(failures: Iterable[Failure]) -> None:
    """Raise the error of the first failure, with the path of the picture."""
    for failure in failures:
        text = str(failure.error)
        named = text if failure.path in text else f"{failure.path} cannot be used: {text}"
        raise type(failure.error)(named, failure.error.fix)


def warn_of(guesses: Iterable[str]) -> None:
    """Warn of guessed levels: `LevelsGuessed`."""
    for sentence in guesses:
        warnings.warn(sentence, LevelsGuessed, stacklevel=4)


def latents_of(files: Iterable[ImageFile], latents: Latents, identity: str) -> LatentBatch:
    """Return latents (n, k) of n picture files, with the names of the files and the identity of the model."""
    columns = [(file.path, file.label, file.relative) for file in files]
    sources, classes, names = zip(*columns, strict=True) if columns else ((), (), ())
    return LatentBatch(latents, sources, classes, identity, names)


def joined(batches: Iterable[LatentBatch]) -> LatentBatch:
    """Return all batches as a single batch; raises `InvalidInput` without a batch."""
    parts = list(batches)
    if not parts:
        raise InvalidInput("no keys came; expected images, latents, or class:NAME")
    sources, classes, titles = (
        tuple(value for part in parts for value in getattr(part, name)) for name in ("sources", "classes", "titles")
    )
    latents: Latents = np.concatenate([part.latents for part in parts])
    return LatentBatch(latents, sources, classes, parts[0].model, titles)


def values(batches: Iterable[FileBatch[Any]]) -> Iterator[Any]:
    """Yield the values of batches; raises the error of the first failed file, and warns of guessed levels."""
    for batch in batches:
        raise_first(batch.failures)
        warn_of(batch.guesses)
        yield batch.value


def unnamed(latents: Latents) -> LatentBatch:
    """Return latents (n, k) with their numbers, from 1, as names."""
    n, width = len(latents), digits(len(latents))
    return LatentBatch(latents, tuple(f"{i:0{width}}" for i in range(1, n + 1)), (None,) * n, None)
