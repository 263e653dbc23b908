"""Images, latents and the bank: the one place where shapes, dtype and range are written down."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, Latents
from aetool.errors import BundleError, UsageError, did_you_mean
from aetool.latents.neighbours import class_neighbours


@dataclass(frozen=True, eq=False)
class Mixtures:
    """Mixtures of m normal distributions: one for each of the c classes, or one for all where there are no classes.

    weights   (c, m) shares that sum to 1 in each mixture; m is 0 where none was fitted
    means     (c, m, k)
    roots     (c, m, k, k) lower triangular L with L L^T the covariance
    """

    weights: npt.NDArray[np.float32]
    means: npt.NDArray[np.float32]
    roots: npt.NDArray[np.float32]

    @classmethod
    def none(cls, classes: int, k: int) -> Mixtures:
        """Return mixtures of no components."""
        shapes = ((max(1, classes), 0), (max(1, classes), 0, k), (max(1, classes), 0, k, k))
        return cls(*(np.zeros(shape, np.float32) for shape in shapes))


@dataclass(frozen=True, eq=False)
class Bank:
    """Latents of training images: the material that samplers and class means are made of.

    latents      (n, k); no rows where the bundle was exported without them
    labels       (n,) class number of each, -1 for none
    neighbours   (n, m) rows of the m nearest of the same class, nearest first, -1 where a class has fewer
    sources      n names: an index into the data set («train/17») or a relative path
    classes      names of the c classes
    counts, means, covariances   (c + 1,), (c + 1, k), (c + 1, k, k): of each class, and last of all images
    mixtures     see `Mixtures`
    """

    latents: Latents
    labels: Labels
    neighbours: npt.NDArray[np.int32]
    sources: Sequence[str]
    classes: tuple[str, ...]
    counts: npt.NDArray[np.int64]
    means: Latents
    covariances: npt.NDArray[np.float32]
    mixtures: Mixtures

    def class_index(self, name: str | None) -> int | None:
        """Return the number of the class `name`; None stands for the whole bank. Raises `UsageError`."""
        if name is None:
            return None
        if not self.classes:
            raise UsageError("this model knows no classes; leave --class and --digit out")
        if name not in self.classes:
            hint = did_you_mean(name, list(self.classes))
            raise UsageError(f"no class «{name}»{hint}; there is {', '.join(self.classes)}")
        return self.classes.index(name)

    def rows(self, label: int | None) -> npt.NDArray[np.intp]:
        """Return the rows of class `label`, or all; raises `UsageError` where the bank has none."""
        rows = np.arange(len(self.latents)) if label is None else np.flatnonzero(self.labels == label)
        if not len(rows):
            other = "gmm" if self.mixtures.weights.size else "gaussian"
            hint = f"; --method {other} needs none" if self.counts[-1 if label is None else label] else ""
            raise UsageError(f"the bank of this model has no latents to draw from{hint}")
        return rows

    def mean(self, label: int | None) -> Latents:
        """Return the mean latent (k,) of class `label`, or of all."""
        mean: Latents = self.means[-1 if label is None else label]
        return mean

    def covariance(self, label: int | None) -> npt.NDArray[np.float32]:
        """Return the covariance (k, k) of class `label`, or of all."""
        covariance: npt.NDArray[np.float32] = self.covariances[-1 if label is None else label]
        return covariance


MAX_ROWS = 20_000
NEIGHBOURS = 10


def make_bank(
    latents: Latents,
    labels: Labels,
    sources: Sequence[str],
    classes: tuple[str, ...],
    seed: int,
    rows: bool = True,
    mixtures: Mixtures | None = None,
) -> Bank:
    """Return the bank of all given latents: statistics of all, and at most `MAX_ROWS` rows chosen by `seed`."""
    groups = [latents[labels == label] for label in range(len(classes))] + [latents]
    chosen = np.sort(np.random.default_rng(seed).permutation(len(latents))[: MAX_ROWS if rows else 0])
    return Bank(
        latents=latents[chosen],
        labels=labels[chosen],
        neighbours=class_neighbours(latents[chosen], labels[chosen], NEIGHBOURS),
        sources=[sources[i] for i in chosen],
        classes=classes,
        counts=np.array([len(group) for group in groups]),
        means=np.stack([_mean(group) for group in groups]),
        covariances=np.stack([_covariance(group) for group in groups]),
        mixtures=mixtures or Mixtures.none(len(classes), latents.shape[1]),
    )


def _mean(group: Latents) -> Latents:
    return (
        group.mean(0, dtype=np.float64).astype(np.float32) if len(group) else np.zeros_like(group, shape=group.shape[1])
    )


def _covariance(group: Latents) -> npt.NDArray[np.float32]:
    k = group.shape[1]
    if len(group) < 2:
        return np.zeros((k, k), np.float32)
    return np.cov(group, rowvar=False, dtype=np.float64).reshape(k, k).astype(np.float32)


def write_bank(bank: Bank) -> bytes:
    """Return bank.npz: uncompressed, the same bank as the same bytes."""
    arrays = {
        "latents": bank.latents,
        "labels": bank.labels,
        "neighbours": bank.neighbours,
        "sources": np.frombuffer("\0".join(bank.sources).encode("utf-8", "surrogateescape"), np.uint8),
        "counts": bank.counts,
        "means": bank.means,
        "covariances": bank.covariances,
        "mixture_weights": bank.mixtures.weights,
        "mixture_means": bank.mixtures.means,
        "mixture_roots": bank.mixtures.roots,
    }
    stream = io.BytesIO()
    np.savez(stream, **arrays)  # type: ignore[arg-type]
    return stream.getvalue()


def read_bank(data: bytes, classes: tuple[str, ...], k: int) -> Bank:
    """Return the bank in `data` for a model with these classes and latents of k numbers; raises `BundleError`."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(info.file_size for info in archive.infolist()) > len(data):
                raise ValueError("it is not stored as it is")
        with np.load(io.BytesIO(data), allow_pickle=False) as arrays:
            parts = {name: arrays[name] for name in arrays.files}
        if not all(isinstance(array, np.ndarray) and array.ndim for array in parts.values()):
            raise ValueError("no array")
        text = parts.pop("sources").tobytes().decode("utf-8", "surrogateescape")
        mixtures = Mixtures(*(parts.pop(f"mixture_{name}") for name in ("weights", "means", "roots")))
        bank = Bank(mixtures=mixtures, classes=classes, sources=text.split("\0") if text else [], **parts)
    except Exception as error:  # whatever NumPy, zipfile and its decompressors raise
        raise BundleError("bank.npz is damaged or incomplete") from error
    _check(bank, k)
    return bank


def _check(bank: Bank, k: int) -> None:
    n, c = len(bank.latents), len(bank.classes) + 1
    g, m = max(1, c - 1), bank.mixtures.weights.shape[-1]
    expected: list[tuple[npt.NDArray[Any], type, tuple[int, ...]]] = [
        (bank.latents, np.float32, (n, k)),
        (bank.labels, np.int64, (n,)),
        (bank.neighbours, np.int32, (n, NEIGHBOURS)),
        (bank.counts, np.int64, (c,)),
        (bank.means, np.float32, (c, k)),
        (bank.covariances, np.float32, (c, k, k)),
        (bank.mixtures.weights, np.float32, (g, m)),
        (bank.mixtures.means, np.float32, (g, m, k)),
        (bank.mixtures.roots, np.float32, (g, m, k, k)),
    ]
    fits = all(array.dtype == dtype and array.shape == shape for array, dtype, shape in expected)
    if not fits or len(bank.sources) != n:
        raise BundleError("bank.npz does not fit its manifest")
    if not all(np.isfinite(array).all() for array, dtype, _ in expected if dtype is np.float32):
        raise BundleError("bank.npz holds numbers that are not finite")
    if n and not (bank.labels.min() >= -1 and bank.labels.max() < c - 1 and -1 <= bank.neighbours.min() < n):
        raise BundleError("bank.npz names classes or rows that there are not")
    weights = bank.mixtures.weights
    if weights.min(initial=0) < 0 or (m and not ((weights.sum(1) == 0) | (abs(weights.sum(1) - 1) < 1e-4)).all()):
        raise BundleError("bank.npz holds mixtures whose weights do not sum to 1")
    if n and bank.neighbours.max() >= n:
        raise BundleError("bank.npz names classes or rows that there are not")
