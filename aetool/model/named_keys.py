"""Keys that are named: means of classes, rows and principal axes of the bank, and means of other keys."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable

import numpy as np

from aetool.bundle.bundle import Bundle
from aetool.errors import InvalidInput, UsageError
from aetool.generation.arithmetic import principal_axis
from aetool.images.files import Failure, FileBatch, ImageFile
from aetool.latents.bank import Bank
from aetool.latents.files import LatentBatch
from aetool.model.keys import check_model, unnamed

CLASS, ROW, AXIS = "class:", "bank:", "axis:"
ENDS = -2.0, 2.0
"""The ends of an axis, in standard deviations from the mean."""


def without_pictures(part: str | LatentBatch | Failure, bundle: Bundle) -> FileBatch[LatentBatch]:
    """Return the latents of a named key, latents, or a failure without any; raises `UsageError`, `InvalidInput`."""
    if isinstance(part, Failure):
        return FileBatch(unnamed(np.empty((0, bundle.manifest.latent_size), np.float32)), (), (part,))
    if isinstance(part, LatentBatch):
        return FileBatch(check_model(part, bundle), ())
    return FileBatch(TABLE[part[: part.index(":") + 1]](part, bundle), ())


def class_mean(key: str, bundle: Bundle) -> LatentBatch:
    """Return the mean latent of the class in "class:NAME"; raises `UsageError` for a class without a mean."""
    bank, name = bundle.bank(), key.removeprefix(CLASS)
    label = bank.class_index(name)
    if not bank.counts[-1 if label is None else label]:
        raise UsageError(f'there was no training image of class "{name}", so it has no mean')
    spelled = name if label is None else bank.classes[label]
    return LatentBatch(bank.mean(label)[None], (CLASS + spelled,), (spelled,), None)


def bank_row(key: str, bundle: Bundle) -> LatentBatch:
    """Return the latent of the training image in "bank:INDEX", counted from 0; raises `UsageError`."""
    bank, text = bundle.bank(), key.removeprefix(ROW)
    count = len(bank.latents)
    if not count:
        raise UsageError("this model was exported without the latents of its bank", fix="no-rows-key")
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and int(text) < count):
        raise UsageError(f'no latent "{key}"; the bank has bank:0 to bank:{count - 1}')
    row = int(text)
    label = bank.classes[bank.labels[row]] if bank.labels[row] >= 0 else None
    return LatentBatch(bank.latents[row : row + 1], (f"{ROW}{row}",), (label,), None)


def axis_ends(key: str, bundle: Bundle) -> LatentBatch:
    """Return the two latents of "axis:N[:FROM:TO][:class:NAME]": the ends of a principal axis; raises `UsageError`."""
    place, of_class, name = key.removeprefix(AXIS).partition(f":{CLASS}")
    number, ends = _axis(key, place.split(":"))
    bank = bundle.bank()
    label, spelled = _class(name, bank) if of_class else (None, None)
    bank.check_known(label)
    axis = principal_axis(bank.covariance(label), number)
    with np.errstate(over="ignore"):  # said below
        latents = (bank.mean(label) + np.outer(ends, axis)).astype(np.float32)
    if not np.isfinite(latents).all():
        raise InvalidInput(f"the ends of {key} are beyond the range of float32")
    after = "" if spelled is None else f":{CLASS}{spelled}"
    return LatentBatch(latents, tuple(f"{AXIS}{number}:{end:g}{after}" for end in ends), (spelled,) * 2, None)


def _axis(key: str, words: list[str]) -> tuple[int, tuple[float, float]]:
    """Return number and ends of an axis; raises `UsageError`."""
    try:
        number = int(words[0]) if words[0].isascii() and words[0].isdecimal() and len(words[0]) < 6 else 0
        ends = tuple(map(float, words[1:])) or ENDS
    except ValueError:
        number, ends = 0, ()
    if number < 1 or len(ends) != 2 or not all(map(math.isfinite, ends)):
        raise UsageError(f'a principal axis is axis:1, axis:1:-2:2 or axis:1:class:NAME, not "{key}"')
    return number, (ends[0], ends[1])


def _class(name: str, bank: Bank) -> tuple[int | None, str]:
    """Return the number of a class and its name as the bank spells it."""
    label = bank.class_index(name)
    return label, name if label is None else bank.classes[label]


def mean_of(name: str, batches: Iterable[FileBatch[LatentBatch]], size: int) -> FileBatch[LatentBatch]:
    """Return the mean latent, of `size` numbers, of batches with their failures; no latent where all failed.

    Raises `InvalidInput` where there was nothing at all.
    """
    total, count = np.zeros(size), 0
    seen = []
    for batch in batches:
        total += batch.value.latents.sum(0, dtype=np.float64)
        count += len(batch.value.latents)
        seen.append(batch.with_value(None))
    failures, sheets, guesses = (
        tuple(itertools.chain.from_iterable(getattr(batch, part) for batch in seen))
        for part in ("failures", "sheets", "guesses")
    )
    if not count and not failures:
        raise InvalidInput(f"{name} is the mean of nothing: no image and no latent is there")
    mean = (total[None] / count).astype(np.float32) if count else np.empty((0, size), np.float32)
    made, as_one = LatentBatch(mean, (name,) * len(mean), (None,) * len(mean), None), (ImageFile(name, name),)
    return FileBatch(made, as_one if count else (), failures, sheets, guesses)


TABLE: dict[str, Callable[[str, Bundle], LatentBatch]] = {CLASS: class_mean, ROW: bank_row, AXIS: axis_ends}
"""Latents of named keys, by their beginning."""
