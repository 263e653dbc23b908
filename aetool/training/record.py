"""The record of a run, config.json and images.jsonl: its settings, and the images that it was begun with.

images.jsonl has a line an image, training images first: name, sha256 of the prepared pixels, class, whether the image
is held out for testing, and whether it is one of the validation images. So images are known again wherever their files
are now.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from aetool.arrays import OneLine
from aetool.bundle.manifest import check_spec
from aetool.errors import BundleError, ReadWriteError
from aetool.images.spec import ImageSpec, spec_of
from aetool.system.atomic import write_file
from aetool.system.limits import LIMITS, Limits
from aetool.system.reading import read_file
from aetool.training.config import TrainConfig
from aetool.training.data.dataset import Dataset, Split
from aetool.training.data.named import DATASETS
from aetool.training.data.stored import AnyPixels, blocks

CONFIG, IMAGES = "config.json", "images.jsonl"
MAX_BYTES = 1 << 34
"""Bytes of the largest images.jsonl."""


@dataclass(frozen=True)
class RunImage:
    """An image of a run: its name, the sha256 of its prepared pixels, its class, and whether it tests or validates."""

    name: str
    sha256: str
    label: str | None
    held_out: bool
    validation: bool = False


@dataclass(frozen=True, repr=False)
class Record(OneLine):
    """What a run folder says about its data.

    name       of the data set
    sha256     of all pixels and labels
    beside     path of the data set relative to the run folder; None for a named data set
    spec, classes, limits   of the images, as prepared for training
    images     None for runs of aetool 0.1, which have no images.jsonl, and where that file is damaged
    left_out   number of files that could not be used
    whites     numbers that were white in pictures of more than 8 bits, by type
    named      whether the user named the run; its bundle is then called like the run
    """

    config: TrainConfig
    name: str
    sha256: str
    beside: str | None = None
    spec: ImageSpec | None = None
    classes: tuple[str, ...] = ()
    limits: Limits = LIMITS
    images: tuple[RunImage, ...] | None = None
    left_out: int = 0
    whites: tuple[tuple[str, int], ...] = ()
    named: bool = False


def digests(pixels: AnyPixels) -> Iterator[str]:
    """Yield the sha256 of each of the images (n, c, h, w)."""
    for block in blocks(pixels):
        for image in np.ascontiguousarray(block):
            yield hashlib.sha256(image).hexdigest()


def config_json(
    config: TrainConfig, dataset: Dataset, run: Path, limits: Limits, images: bytes, chosen: bool = False
) -> bytes:
    """Return config.json of a run in the folder `run`, named by the user or not, whose images.jsonl is `images`."""
    named = config.dataset in DATASETS
    data = {
        "config": config.to_dict(),
        "dataset": dataset.name,
        "sha256": dataset.sha256,
        "beside": None if named else os.path.relpath(os.path.realpath(config.dataset), os.path.realpath(run)),
        **dataset.spec.to_dict(),
        "classes": list(dataset.classes),
        "limits": asdict(limits),
        "named": chosen,
        "left_out": dataset.left_out,
        "whites": dict(dataset.whites),
        "images": hashlib.sha256(images).hexdigest(),
    }
    return json.dumps(data, indent=2).encode() + b"\n"


def extend(run: Path, epochs: int) -> None:
    """Add a continuation by `epochs` epochs to the configuration of a finished run."""
    data: dict[str, Any] = json.loads(read_file(run / CONFIG))
    data["config"]["more"] = [*data["config"].get("more", ()), epochs]
    write_file(run / CONFIG, json.dumps(data, indent=2).encode() + b"\n")


def images_jsonl(dataset: Dataset) -> bytes:
    """Return images.jsonl of a run."""
    rows = chain(_rows(dataset, dataset.train, held_out=False), _rows(dataset, dataset.test, held_out=True))
    if dataset.validation:
        chosen = _rows(dataset, dataset.validation, held_out=False)
        rows = chain(rows, (row | {"validation": True} for row in chosen))
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def _rows(dataset: Dataset, split: Split, held_out: bool) -> Iterator[dict[str, Any]]:
    names = [dataset.classes[label] if label >= 0 else None for label in split.labels.tolist()]
    for source, digest, label in zip(split.sources, digests(split.pixels), names, strict=True):
        yield {"name": source, "sha256": digest, "class": label, "held_out": held_out}


def read_record(run: Path) -> Record:
    """Return the record of the run folder `run`; raises `BundleError` for a damaged config.json."""
    try:
        data: dict[str, Any] = json.loads(read_file(run / CONFIG))
        config = TrainConfig.from_dict(data["config"])
        record = Record(config, str(data["dataset"]), str(data["sha256"]))
        if "image" not in data:
            return record
        check_spec(spec := spec_of(data))
        limits = Limits(**{name: int(value) for name, value in data["limits"].items()})
        images = _read_images(run / IMAGES, str(data["images"]))
        return Record(
            config, record.name, record.sha256, _text(data["beside"]), spec, tuple(data["classes"]), limits, images,
            int(data["left_out"]), tuple((str(kind), int(white)) for kind, white in data["whites"].items()),
            data.get("named") is True,
        )  # fmt: skip
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        if isinstance(error, BundleError):
            raise BundleError(f"{run / CONFIG}: {error}", fix=error.fix) from error
        raise BundleError(f"{run / CONFIG} is damaged") from error


def _text(value: Any) -> str | None:
    """Return a text or None; raises `TypeError` for anything else."""
    if value is not None and not isinstance(value, str):
        raise TypeError("a text expected")
    return value


def _read_images(path: Path, sha256: str) -> tuple[RunImage, ...] | None:
    """Return the images of an images.jsonl with this sha256, None where the file is missing or another."""
    try:
        data = read_file(path, MAX_BYTES)
    except ReadWriteError:
        return None
    if hashlib.sha256(data).hexdigest() != sha256:
        return None
    rows = map(json.loads, data.splitlines())
    return tuple(
        RunImage(row["name"], row["sha256"], row["class"], row["held_out"], row.get("validation", False))
        for row in rows
    )
