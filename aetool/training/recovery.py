"""Recovery: the images of a run found again, wherever their files are now, proven by the sha256 of their pixels."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aetool.arrays import OneLine
from aetool.errors import AetoolError, InvalidInput, UsageError, printable
from aetool.images.spec import FIRST, ImageSpec
from aetool.system.limits import Limits
from aetool.system.progress import Report
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, Split, load, read
from aetool.training.data.files import Labelled
from aetool.training.data.folder import FolderOptions
from aetool.training.data.listed import Listed, read_files
from aetool.training.data.named import DATASETS
from aetool.training.data.stored import taken
from aetool.training.record import Record, RunImage, digests

Rows = npt.NDArray[np.intp]


@dataclass(frozen=True, eq=False, repr=False)
class Recovered(OneLine):
    """The images of a run that are still there.

    dataset   in the order of training, with the classes and the sha256 that the run began with
    planned   numbers of training, held-out and validation images that the run began with
    rows      (n,) place of each found training image among those of the run
    notes     sentences for the user, on new, renamed and missing images
    """

    dataset: Dataset
    planned: tuple[int, int, int]
    rows: Rows
    notes: tuple[str, ...] = ()

    def filled(self) -> Dataset:
        """Return the data set with found images in place of missing training images, so that the steps stay the same.

        Raises `InvalidInput` without any training image.
        """
        train, count = self.dataset.train, self.planned[0]
        if len(self.rows) == count:
            return self.dataset
        if not len(self.rows):
            raise InvalidInput("no training image of this run is left", fix="run-data")
        chosen = np.resize(np.arange(len(self.rows)), count)
        chosen[self.rows] = np.arange(len(self.rows))
        sources = [train.sources[i] for i in chosen.tolist()]
        return replace(self.dataset, train=Split(taken(train.pixels, chosen), train.labels[chosen], sources))


def recover(
    run: Path, record: Record, place: str | None, report: Report, limits: Limits, needed: bool = True
) -> Recovered:
    """Return the images of a run, looked for at `place`, else where they were, there being relative to the run as well.

    Raises `InvalidInput` if no image is proven by its sha256, unless `needed` is False and no place is named; the
    error of a place that cannot be read.
    """
    limits = Limits(*(max(a, b) for a, b in zip(_values(limits), _values(record.limits), strict=True)))
    if record.images is None or record.spec is None:
        return _whole(run, record, place, report, limits)
    best: tuple[Labelled, Rows] | None = None
    errors: list[AetoolError] = []
    for config in _places(run, record, place):
        try:
            found = _prepared(config, _listed(run, config, place), record, record.spec, report, limits)
        except AetoolError as error:
            errors.append(error)
            continue
        rows = _matched(record.images, found)
        if best is None or (rows >= 0).sum() > (best[1] >= 0).sum():
            best = found, rows
        if (rows >= 0).all():
            break
    if best is None or not (best[1] >= 0).any():
        if needed or place is not None:
            raise _unproven(run, record, place, errors, best is not None)
        best = Labelled(np.empty((0, *record.spec.shape), np.uint8), np.empty(0, np.int64), ()), _none(record.images)
    return _recovered(record, record.spec, record.images, *best)


def _values(limits: Limits) -> tuple[int, int, int]:
    return limits.pixels, limits.frames, limits.bytes


def _none(images: tuple[RunImage, ...]) -> Rows:
    return np.full(len(images), -1, np.intp)


def _places(run: Path, record: Record, place: str | None) -> Iterator[TrainConfig]:
    """Yield the configuration for each place where the images may be."""
    config = record.config
    if place is not None:
        yield replace(config, dataset=place)
        return
    yield config
    if config.dataset in DATASETS:
        return
    inside = os.path.realpath(run)
    name = os.path.basename(config.dataset)  # noqa: PTH119
    for path in (record.beside, os.path.join("..", "..", name), os.path.join("..", name)):  # noqa: PTH118
        there = None if path is None else os.path.normpath(os.path.join(inside, path))  # noqa: PTH118
        if there is not None and there != inside and os.path.exists(there):  # noqa: PTH110
            yield replace(config, dataset=there)


def _listed(run: Path, config: TrainConfig, place: str | None) -> Listed | None:
    """Return the pictures of the list that a run was begun with; None for all, as at a place named by the user."""
    return read_files(run) if config.files_from and place is None else None


def _prepared(
    config: TrainConfig, listed: Listed | None, record: Record, spec: ImageSpec, report: Report, limits: Limits
) -> Labelled:
    """Return the images at a place, prepared as for training, whatever sizes and depths have come in since."""
    version = spec.preparation
    asked = FolderOptions(config.channels, config.size, config.background, layout=config.layout, preparation=version)
    whole = spec.height, spec.width
    exact = FolderOptions(spec.channels, whole, spec.background, record.whites, config.layout, version)
    found, _ = read(config.dataset, config.data_dir, report, asked, config.threads, limits, listed)
    wanted = (spec.shape, record.whites, spec.background)
    if (found.pixels.shape[1:], found.whites, found.background) != wanted and Path(config.dataset).exists():
        found, _ = read(config.dataset, config.data_dir, report, exact, config.threads, limits, listed)
    return found


def _matched(images: tuple[RunImage, ...], found: Labelled) -> Rows:
    """Return the row of each image of a run among the found images, -1 if missing; of equal images each counts once."""
    names = found.sources or [""] * len(found.pixels)
    by_digest: dict[str, dict[int, str]] = defaultdict(dict)
    for row, digest in enumerate(digests(found.pixels)):
        by_digest[digest][row] = names[row]
    rows = _none(images)
    for same_name in (True, False):
        for i, image in enumerate(images):
            there = by_digest.get(image.sha256, {})
            if rows[i] < 0 and there:
                row = next((row for row, name in there.items() if name == image.name or not same_name), -1)
                rows[i] = row
                there.pop(row, None)
    return rows


def _recovered(record: Record, spec: ImageSpec, images: tuple[RunImage, ...], found: Labelled, rows: Rows) -> Recovered:
    numbers = {name: i for i, name in enumerate(record.classes)}
    labels = np.array([-1 if image.label is None else numbers[image.label] for image in images], np.int64)
    held_out = np.array([image.held_out for image in images])
    choosing = np.array([image.validation for image in images])
    parts = [np.flatnonzero(part) for part in (~held_out & ~choosing, held_out, choosing)]
    splits = []
    for part in parts:
        there = part[rows[part] >= 0]
        splits.append(Split(taken(found.pixels, rows[there]), labels[there], [images[i].name for i in there]))
    train, test, validation = splits
    dataset = Dataset(
        record.name, record.classes, spec, train, test, record.sha256, found.skipped, found.listing,
        validation=validation if len(validation.labels) else None,
    )  # fmt: skip
    planned = len(parts[0]), len(parts[1]), len(parts[2])
    notes = tuple(_notes(images, found, rows, planned, [len(split.labels) for split in splits]))
    return Recovered(dataset, planned, np.flatnonzero(rows[parts[0]] >= 0), notes)


def _notes(
    images: tuple[RunImage, ...], found: Labelled, rows: Rows, planned: tuple[int, int, int], there: list[int]
) -> Iterator[str]:
    """Yield a sentence on new, on renamed, and on missing images."""
    new = len(found.pixels) - int((rows >= 0).sum())
    if new:
        yield f"{new:,} new {'picture is' if new == 1 else 'pictures are'} not part of this run"
    if found.sources:
        names = sum(row >= 0 and found.sources[row] != image.name for row, image in zip(rows, images, strict=True))
        if names:
            yield f"{names:,} {'picture has another name' if names == 1 else 'pictures have other names'} now"
    for kind, count, left in zip(("training", "held-out", "validation"), planned, there, strict=True):
        if left < count:
            yield f"{count - left:,} of {count:,} {kind} images are gone"


def _unproven(run: Path, record: Record, place: str | None, errors: list[AetoolError], readable: bool) -> AetoolError:
    """Return the error of a run without a proven image."""
    where = printable(place or record.config.dataset)
    if readable:
        return InvalidInput(f"no image of {run} is in {where}", fix="run-data")
    if place is None and record.config.dataset not in DATASETS:
        return InvalidInput(f"the images of {run} are no longer in {where}", fix="run-data")
    return errors[0]


def _whole(run: Path, record: Record, place: str | None, report: Report, limits: Limits) -> Recovered:
    """Return the data set of a run without images.jsonl, proven by the sha256 of all of its pixels."""
    errors: list[AetoolError] = []
    version, background = FIRST, record.config.background
    if record.spec is not None:
        version, background = record.spec.preparation, record.spec.background
    for config in _places(run, record, place):
        options = FolderOptions(config.channels, config.size, background, layout=config.layout, preparation=version)
        try:
            listed = _listed(run, config, place)
            data = load(
                config.dataset, config.seed, config.data_dir, report, options, config.threads, limits, listed,
                choosing=config.chooses,
            )  # fmt: skip
        except (UsageError, InvalidInput) as error:
            errors.append(error)
            continue
        if data.sha256 == record.sha256:
            counts = len(data.train.labels), len(data.test.labels), data.validation_count
            return Recovered(data, counts, np.arange(counts[0]))
    if errors and place is not None:
        raise errors[0]
    raise InvalidInput(f"the data set {record.config.dataset} is no longer what {run} began with", fix="run-place")
