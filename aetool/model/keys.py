"""Keys: images, latents, files of either and classes, in any order, as latents of a model."""

from __future__ import annotations

import itertools
import os
import warnings
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from PIL import Image

from aetool.arrays import Latents, check_latents
from aetool.bundle.bundle import Bundle
from aetool.choices import LATENT_SUFFIXES
from aetool.errors import InvalidInput, LevelsGuessed, UsageError
from aetool.images.files import Failure, ImageFile, find_images
from aetool.latents.files import LatentBatch, read_latents
from aetool.system.limits import LIMITS, Limits
from aetool.system.reading import reading

Source: TypeAlias = str | Path | bytes | Image.Image | ImageFile
"""An image: the path of a picture or folder, the bytes of a picture file, or a Pillow image."""

Key: TypeAlias = Source | LatentBatch | npt.NDArray[Any]
"""An image, a file of latents, "class:NAME" for the mean latent of a class, or latents (k,) or (n, k)."""

Part: TypeAlias = str | ImageFile | LatentBatch
"""A key, read as far as possible without a model; a text stands for a class."""

CLASS = "class:"


def image_files(sources: Iterable[Source]) -> Iterator[ImageFile]:
    """Yield the pictures of sources; folders are walked in sorted order."""
    for number, source in enumerate(sources):
        if isinstance(source, ImageFile):
            yield source
        elif isinstance(source, bytes):
            yield ImageFile(f"image {number}", f"image-{number}", data=source)
        elif isinstance(source, Image.Image):
            yield ImageFile(f"image {number}", f"image-{number}", picture=source)
        else:
            yield from find_images([os.fspath(source)])


def read_parts(keys: Iterable[Key], limits: Limits = LIMITS) -> list[Part]:
    """Return the pictures, latents and classes of keys; raises `ReadWriteError`, `InvalidInput`."""
    return [part for key in keys for part in _parts(key, limits)]


def _parts(key: Key, limits: Limits) -> Iterable[Part]:
    if isinstance(key, LatentBatch):
        return [key]
    if isinstance(key, np.ndarray):
        return [_given(key)]
    if isinstance(key, str) and key.startswith(CLASS):
        return [key]
    if isinstance(key, str | Path) and os.path.splitext(key)[1].lower() in LATENT_SUFFIXES:  # noqa: PTH122
        with reading(key), open(key, "rb") as stream:  # noqa: PTH123
            return list(read_latents(stream, str(key), None, limits))
    return image_files([key])


def _given(array: npt.NDArray[Any]) -> LatentBatch:
    latents = check_latents(np.atleast_2d(array), None)
    return LatentBatch(latents, tuple(f"latent {i}" for i in range(len(latents))), (None,) * len(latents), None)


def model_of(parts: Iterable[Part]) -> str | None:
    """Return the model identity of the first latents among the parts, None without latents."""
    return next((part.model for part in parts if isinstance(part, LatentBatch)), None)


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


def class_mean(key: str, bundle: Bundle) -> LatentBatch:
    """Return the mean latent of the class in "class:NAME"; raises `UsageError` for a class without a mean."""
    bank, name = bundle.bank(), key.removeprefix(CLASS)
    label = bank.class_index(name)
    if not bank.counts[-1 if label is None else label]:
        raise UsageError(f'there was no training image of class "{name}", so it has no mean')
    return LatentBatch(bank.mean(label)[None], (key,), (name,), None)


def grouped(parts: Iterable[Part]) -> Iterator[str | LatentBatch | list[ImageFile]]:
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
