"""Data sets with a name: digits, MNIST and Fashion-MNIST."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from aetool.errors import ReadWriteError
from aetool.system.downloads import Pinned, fetch, unpack
from aetool.system.paths import cache_folder
from aetool.system.progress import Report
from aetool.training.data.files import Labelled, parse_idx


def _digits(_data_dir: str | None, _report: Report) -> Labelled:
    """Scikit-learn's 1,797 handwritten digits of 8x8 (UCI optical recognition): no file, no download."""
    from sklearn.datasets import load_digits

    data = load_digits()
    pixels = np.rint(data.images * (255 / 16)).astype(np.uint8)[:, None]
    return Labelled(pixels, data.target.astype(np.int64), tuple("0123456789"))


def _idx_set(name: str, mirrors: Sequence[str], classes: tuple[str, ...], pins: Sequence[Pinned]) -> Loader:
    """Return the loader of a set in MNIST's four files: train images and labels, test images and labels."""

    def loader(data_dir: str | None, report: Report) -> Labelled:
        arrays = [parse_idx(_content(name, mirrors, pin, data_dir, report), pin.name) for pin in pins]
        pixels = np.concatenate([arrays[0], arrays[2]])[:, None]
        labels = np.concatenate([arrays[1], arrays[3]]).astype(np.int64)
        return Labelled(pixels, labels, classes, len(arrays[0]))

    return loader


def _content(name: str, mirrors: Sequence[str], pin: Pinned, data_dir: str | None, report: Report) -> bytes:
    """Return the content of a pinned file, downloaded (and kept in the cache) if missing."""
    folders = [Path(place) / name for place in (data_dir, os.environ.get("AETOOL_DATA")) if place]
    cache = cache_folder() / name
    for folder in [*folders, cache]:
        for path in (folder / f"{pin.name}.gz", folder / pin.name):
            if path.is_file():
                return unpack(path, pin)
    try:
        return fetch(mirrors, pin, cache / f"{pin.name}.gz", report)
    except ReadWriteError as error:
        raise ReadWriteError(str(error), fix="data-dir") from error


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
