"""Data sets: labelled images, split into train and test."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, OneLine
from aetool.errors import InvalidInput, UsageError, did_you_mean
from aetool.images.files import Failure
from aetool.images.spec import MOST_CHANNELS, SIDES, ImageSpec
from aetool.images.walk import Listing
from aetool.system.limits import LIMITS, Limits
from aetool.system.names import composed, existing
from aetool.system.progress import Report
from aetool.training.data.cache import read_folder, read_labelled
from aetool.training.data.files import Labelled, TooFewImages
from aetool.training.data.folder import FolderOptions
from aetool.training.data.listed import Listed
from aetool.training.data.named import DATASETS
from aetool.training.data.stored import AnyPixels, blocks, taken

CHOOSING = 100
"""Fewest images of which some are taken for validation."""
VALIDATION = 1000
"""Most validation images."""
DEFAULT_OPTIONS = FolderOptions()


@dataclass(frozen=True, eq=False, repr=False)
class Split(OneLine):
    """Training or test images of a data set: pixels (n, c, h, w), labels (n,), and n source names.

    The pixels of a large data set lie in a file (see `StoredPixels`).
    """

    pixels: AnyPixels
    labels: Labels
    sources: Sequence[str]


@dataclass(frozen=True, eq=False, repr=False)
class Dataset(OneLine):
    """A data set: training and test images, the sha256 of all pixels and labels, and the skipped files.

    The validation images are taken from the training images, to choose among networks and for nothing else; None for
    few images, where the test images choose, and for runs of older versions.
    """

    name: str
    classes: tuple[str, ...]
    spec: ImageSpec
    train: Split
    test: Split
    sha256: str
    skipped: tuple[Failure, ...] = ()
    listing: Listing = field(default_factory=Listing)
    whites: tuple[tuple[str, int], ...] = ()
    validation: Split | None = None

    @property
    def left_out(self) -> int:
        """The number of files of a folder that were not used."""
        return len(self.skipped) + sum(self.listing.left_out.values())

    @property
    def splits(self) -> tuple[Split, ...]:
        """Training, test and, if there are any, validation images."""
        return (self.train, self.test, *([self.validation] if self.validation else []))

    @property
    def validation_count(self) -> int:
        """The number of validation images."""
        return len(self.validation.labels) if self.validation else 0


def load(
    name: str,
    seed: int,
    data_dir: str | None = None,
    report: Report = lambda *_: None,
    options: FolderOptions = DEFAULT_OPTIONS,
    workers: int = 1,
    limits: Limits = LIMITS,
    listed: Listed | None = None,
    choosing: bool = False,
) -> Dataset:
    """Return the data set called `name`, or the folder, idx or .npz file at the path `name`, split into train and test.

    The test images are the official ones, else 10 % of each class by `seed`. Named sets are searched below `data_dir`,
    $AETOOL_DATA and the cache, then downloaded. A folder is read by `workers` threads, with `options`; `listed` names
    its pictures, None for all. A data set with a name comes before a folder of that name, which ./NAME stands for.
    With `choosing` a tenth of the training images is apart for validation, unless the images are few.
    Raises `UsageError`, `InvalidInput`, `ReadWriteError`.
    """
    labelled, title = read(name, data_dir, report, options, workers, limits, listed)
    _check(labelled, title)
    train, test = _split(labelled, seed)
    train, validation = apart(train, seed, len(labelled.labels)) if choosing else (train, None)
    _, channels, height, width = labelled.pixels.shape
    spec = ImageSpec(channels, height, width, labelled.background, options.preparation)
    whole, rest = _digest(labelled), (labelled.skipped, labelled.listing, labelled.whites)
    return Dataset(composed(title), labelled.classes, spec, train, test, whole, *rest, validation)


def read(
    name: str,
    data_dir: str | None = None,
    report: Report = lambda *_: None,
    options: FolderOptions = DEFAULT_OPTIONS,
    workers: int = 1,
    limits: Limits = LIMITS,
    listed: Listed | None = None,
) -> tuple[Labelled, str]:
    """Return all images of the data set `name`, in the order of the source, and its title; otherwise as `load`."""
    name = existing(name)
    path = Path(name)
    if name in DATASETS and listed is None:
        return DATASETS[name](data_dir, report), name
    if path.is_dir():
        return read_folder(name, options, workers, report, limits, listed), path.resolve().name
    if path.is_file():
        return read_labelled(path, options, report, limits), path.name.split(".")[0]
    hint = did_you_mean(name, list(DATASETS))
    there = ", ".join(DATASETS)
    raise UsageError(f'no data set "{name}"{hint}; there is {there}, or a folder, idx, .npz or .npy file')


def _check(data: Labelled, name: str) -> None:
    n, c, h, w = data.pixels.shape
    if not 1 <= c <= MOST_CHANNELS or h not in SIDES or w not in SIDES:
        wanted = f"1 to {MOST_CHANNELS} channels, sides from {SIDES[0]} to {SIDES[-1]}"
        raise InvalidInput(f"{name} has images of {c} x {h} x {w}; expected {wanted}")
    if n < 16:
        raise TooFewImages(f"{name} has {n} images; at least 16 are needed", data.skipped, data.listing)
    if len(data.labels) != n:
        raise InvalidInput(f"{name} has {n} images and {len(data.labels)} labels")


def _digest(data: Labelled) -> str:
    digest = hashlib.sha256(repr((data.pixels.shape, data.classes, data.train_count)).encode())
    for block in blocks(data.pixels):
        digest.update(np.ascontiguousarray(block).data)
    digest.update(np.ascontiguousarray(data.labels, dtype="<i8").data)
    return digest.hexdigest()


def _split(data: Labelled, seed: int) -> tuple[Split, Split]:
    if data.train_count is not None:
        cut = data.train_count
        numbered = [f"train/{i}" for i in range(cut)] + [f"test/{i}" for i in range(len(data.pixels) - cut)]
        names = data.sources or numbered
        return (
            Split(taken(data.pixels, slice(cut)), data.labels[:cut], names[:cut]),
            Split(taken(data.pixels, slice(cut, None)), data.labels[cut:], names[cut:]),
        )
    held_out = _stratified(data.labels, np.random.default_rng([seed, len(data.labels)]))
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    sources = data.sources or [str(i) for i in range(len(data.labels))]
    return (
        Split(taken(data.pixels, train), data.labels[train], [sources[i] for i in train]),
        Split(taken(data.pixels, test), data.labels[test], [sources[i] for i in test]),
    )


def apart(train: Split, seed: int, images: int) -> tuple[Split, Split | None]:
    """Return training images without a tenth of each class, at most `VALIDATION` in all, and these.

    None of less than `CHOOSING` images of the whole data set are taken.
    """
    n = len(train.labels)
    rng = np.random.default_rng([seed, n, VALIDATION])
    chosen = np.flatnonzero(_stratified(train.labels, rng))
    chosen = np.sort(rng.permutation(chosen)[:VALIDATION])
    if images < CHOOSING or not len(chosen):
        return train, None
    rest = np.delete(np.arange(n), chosen)
    return rows_of(train, rest), rows_of(train, chosen)


def rows_of(split: Split, rows: npt.NDArray[np.intp]) -> Split:
    """Return some rows of a split."""
    return Split(taken(split.pixels, rows), split.labels[rows], [split.sources[i] for i in rows.tolist()])


def _stratified(labels: Labels, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Mark a tenth of each class, at least one where a class has two, and never the only image of a class."""
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = max(round(len(rows) / 10), int(len(rows) > 1))
        held_out[rng.permutation(rows)[:count]] = True
    return held_out
