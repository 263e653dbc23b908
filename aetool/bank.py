"""bank.npz: making, writing and reading the bank of a bundle."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from aetool.errors import BundleError
from aetool.neighbours import class_neighbours
from aetool.types import Bank, Labels, Latents, Mixtures

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
