"""Data sets: a name, or the path of a file, to uint8 images with labels, split into train and test."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, Pixels
from aetool.datafiles import Labelled, parse_idx, read_idx_pair, read_npz
from aetool.errors import InvalidInput, ReadWriteError, UsageError, did_you_mean
from aetool.folders import Wishes
from aetool.imagecache import read_folder
from aetool.images.files import Failure
from aetool.images.spec import ImageSpec
from aetool.system.downloads import Pinned, fetch, unpack
from aetool.system.paths import cache_folder
from aetool.system.progress import Report

SIDES = range(8, 129)
"""Heights and widths that can be trained on."""
AS_THEY_ARE = Wishes()


@dataclass(frozen=True, eq=False)
class Split:
    """One side of a data set: pixels (n, c, h, w), labels (n,), and n source names."""

    pixels: Pixels
    labels: Labels
    sources: Sequence[str]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Images kept apart for training and for testing, the sha256 of all that was read, and what was skipped."""

    name: str
    classes: tuple[str, ...]
    spec: ImageSpec
    train: Split
    test: Split
    sha256: str
    skipped: tuple[Failure, ...] = ()


def load(
    name: str,
    seed: int,
    data_dir: str | None = None,
    report: Report = lambda *_: None,
    wishes: Wishes = AS_THEY_ARE,
    workers: int = 1,
) -> Dataset:
    """Return the data set called `name`, or the folder, idx or .npz file at that path, with its test images apart.

    The official test images where there are some, else 10 % of each class by `seed`. Named sets are looked for below
    `data_dir`, $AETOOL_DATA and the cache, then downloaded. A folder is read with `workers` threads into images as
    `wishes` has them. Raises `UsageError`, `InvalidInput`, `ReadWriteError`.
    """
    path = Path(name)
    if name in DATASETS:
        labelled, title = DATASETS[name](data_dir, report), name
    elif path.is_dir():
        labelled, title = read_folder(name, wishes, workers, report), path.resolve().name
    elif path.is_file():
        labelled, title = (read_npz if path.suffix.lower() == ".npz" else read_idx_pair)(path), path.name.split(".")[0]
    else:
        hint = did_you_mean(name, list(DATASETS))
        raise UsageError(f"no data set «{name}»{hint}; there is {', '.join(DATASETS)}, or a folder, idx or .npz file")
    _check(labelled, title)
    train, test = _split(labelled, seed)
    _, channels, height, width = labelled.pixels.shape
    spec = ImageSpec(channels, height, width, labelled.background)
    return Dataset(title, labelled.classes, spec, train, test, _digest(labelled), labelled.skipped)


def _check(data: Labelled, name: str) -> None:
    n, c, h, w = data.pixels.shape
    if c not in (1, 3) or h not in SIDES or w not in SIDES:
        raise InvalidInput(f"{name} has images of {c} x {h} x {w}; expected 1 or 3 channels, sides from 8 to 128")
    if n < 16:
        raise InvalidInput(f"{name} has {n} images; at least 16 are needed")
    if len(data.labels) != n:
        raise InvalidInput(f"{name} has {n} images and {len(data.labels)} labels")


def _digest(data: Labelled) -> str:
    digest = hashlib.sha256(repr((data.pixels.shape, data.classes, data.train_count)).encode())
    digest.update(np.ascontiguousarray(data.pixels).data)
    digest.update(np.ascontiguousarray(data.labels, dtype="<i8").data)
    return digest.hexdigest()


def _split(data: Labelled, seed: int) -> tuple[Split, Split]:
    if data.train_count is not None:
        cut = data.train_count
        names = [f"train/{i}" for i in range(cut)], [f"test/{i}" for i in range(len(data.pixels) - cut)]
        return (
            Split(data.pixels[:cut], data.labels[:cut], names[0]),
            Split(data.pixels[cut:], data.labels[cut:], names[1]),
        )
    held_out = _stratified(data.labels, np.random.default_rng([seed, len(data.labels)]))
    train, test = np.flatnonzero(~held_out), np.flatnonzero(held_out)
    sources = data.sources or [str(i) for i in range(len(data.labels))]
    return (
        Split(data.pixels[train], data.labels[train], [sources[i] for i in train]),
        Split(data.pixels[test], data.labels[test], [sources[i] for i in test]),
    )


def _stratified(labels: Labels, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
    """Mark a tenth of each class, at least one where a class has two."""
    held_out = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        rows = np.flatnonzero(labels == label)
        count = max(round(len(rows) / 10), int(len(rows) > 1))
        held_out[rng.permutation(rows)[:count]] = True
    if not held_out.any():  # every class has one image
        held_out[rng.permutation(len(labels))[: max(1, len(labels) // 10)]] = True
    return held_out


def _digits(data_dir: str | None, report: Report) -> Labelled:
    """Scikit-learn's 1,797 handwritten digits of 8x8 (UCI optical recognition): no file, no download."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[:, None]
    return Labelled(pixels, data.target.astype(np.int64), tuple("0123456789"))


def _idx_set(name: str, mirrors: Sequence[str], classes: tuple[str, ...], pins: Sequence[Pinned]) -> Loader:
    """Return the loader of a set in MNIST's four files: train images and labels, test images and labels."""

    def loader(data_dir: str | None, report: Report) -> Labelled:
        arrays = [parse_idx(unpack(_find(name, mirrors, pin, data_dir, report), pin), pin.name) for pin in pins]
        pixels = np.concatenate([arrays[0], arrays[2]])[:, None]
        labels = np.concatenate([arrays[1], arrays[3]]).astype(np.int64)
        return Labelled(pixels, labels, classes, len(arrays[0]))

    return loader


def _find(name: str, mirrors: Sequence[str], pin: Pinned, data_dir: str | None, report: Report) -> Path:
    """Return where a pinned file is, after downloading it to the cache if it is nowhere."""
    folders = [Path(place) / name for place in (data_dir, os.environ.get("AETOOL_DATA")) if place]
    cache = cache_folder() / name
    for folder in [*folders, cache]:
        for path in (folder / f"{pin.name}.gz", folder / pin.name):
            if path.is_file():
                return path
    try:
        fetch(mirrors, pin, cache / f"{pin.name}.gz", report)
    except ReadWriteError as error:
        raise ReadWriteError(f"{error}; or put the files into DIR/{name}/ and pass --data-dir DIR") from error
    return cache / f"{pin.name}.gz"


Loader = Callable[[str | None, Report], Labelled]

MNIST = _idx_set(
    "mnist",
    ("https://storage.googleapis.com/cvdf-datasets/mnist/", "https://ossci-datasets.s3.amazonaws.com/mnist/"),
    tuple("0123456789"),
    (
        Pinned(
            "train-images-idx3-ubyte",
            47040016,
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
        ),
        Pinned(
            "train-labels-idx1-ubyte",
            60008,
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
        ),
        Pinned(
            "t10k-images-idx3-ubyte",
            7840016,
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
        ),
        Pinned(
            "t10k-labels-idx1-ubyte",
            10008,
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    ),
)
FASHION_MNIST = _idx_set(
    "fashion-mnist",
    (
        "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
        "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
    ),
    ("t-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle-boot"),
    (
        Pinned(
            "train-images-idx3-ubyte",
            47040016,
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        Pinned(
            "train-labels-idx1-ubyte",
            60008,
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        Pinned(
            "t10k-images-idx3-ubyte",
            7840016,
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        Pinned(
            "t10k-labels-idx1-ubyte",
            10008,
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    ),
)

DATASETS: dict[str, Loader] = {"digits": _digits, "mnist": MNIST, "fashion-mnist": FASHION_MNIST}
