"""The bank of a bundle: latents of training images, their statistics and neighbours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import overload

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, Latents, OneLine
from aetool.errors import UsageError, did_you_mean, printable, some
from aetool.latents.neighbours import Index, class_neighbours
from aetool.latents.placing import Positions
from aetool.metrics import covariance
from aetool.system.names import composed


@dataclass(frozen=True, eq=False, repr=False)
class Mixtures(OneLine):
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


@dataclass(frozen=True, eq=False, repr=False)
class Edges(OneLine):
    """The neighbour graph of a bank of n rows, each edge in both directions.

    starts   (n + 1,) int32: the edges of row i are ends[starts[i] : starts[i + 1]]
    ends     (e,) uint16: the row that each edge leads to
    """

    starts: npt.NDArray[np.int32]
    ends: npt.NDArray[np.uint16]


class Names(Sequence[str]):
    """Texts joined by NUL bytes, split on first access."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._count = data.count(b"\0") + 1 if data else 0

    def __len__(self) -> int:
        """Return the number of texts."""
        return self._count

    @cached_property
    def _texts(self) -> list[str]:
        text = self._data.decode("utf-8", "surrogateescape")
        return text.split("\0") if text else []

    @overload
    def __getitem__(self, index: int) -> str: ...
    @overload
    def __getitem__(self, index: slice) -> list[str]: ...
    def __getitem__(self, index: int | slice) -> str | list[str]:
        """Return one text, or several."""
        return self._texts[index]


@dataclass(frozen=True, eq=False)
class Bank:
    """Latents of training images: the material that samplers and class means are made of.

    latents      (n, k); no rows where the bundle was exported without them
    labels       (n,) class number of each, -1 for none
    neighbours   (n, m) rows of the m nearest of the same class, nearest first, -1 where a class has fewer
    sources      n names: an index into the data set ("train/17") or a relative path
    classes      names of the c classes
    counts, means, covariances   (c + 1,), (c + 1, k), (c + 1, k, k): of each class, and last of all images
    mixtures     see `Mixtures`
    edges        the neighbour graph, None where not stored: in banks made by hand, and in format 1
    local_variances   (c + 1,) float32: variance around a latent over the variance of its class, for the sampler
                 `local`; None where not stored
    positions    (n, 2) float32: places of the rows on a map; None where not stored
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
    edges: Edges | None = None
    local_variances: npt.NDArray[np.float32] | None = None
    positions: Positions | None = None

    def __repr__(self) -> str:
        """Return one line."""
        n, k = self.latents.shape
        return f"<bank of {int(self.counts[-1]):,} images, {len(self.classes)} classes: {n:,} latents of {k}>"

    @cached_property
    def index(self) -> Index:
        """The latents, prepared for nearest-neighbour searches."""
        return Index(self.latents)

    def class_index(self, name: str | None) -> int | None:
        """Return the number of the class `name`; None stands for the whole bank. Raises `UsageError`."""
        if name is None:
            return None
        if not self.classes:
            raise UsageError("this model knows no classes", fix="no-classes")
        if name in self.classes:
            return self.classes.index(name)
        spelled = [composed(known) for known in self.classes]
        if composed(name) not in spelled:
            hint = did_you_mean(name, list(self.classes))
            raise UsageError(f'no class "{name}"{hint}; there is {some(self.classes)}')
        return spelled.index(composed(name))

    def rows(self, label: int | None) -> npt.NDArray[np.intp]:
        """Return the rows of class `label`, or all; raises `UsageError` where the bank has none."""
        rows = np.arange(len(self.latents)) if label is None else np.flatnonzero(self.labels == label)
        if not len(rows):
            self.check_known(label)
            other = "gmm" if self.mixtures.weights.size else "gaussian"
            raise UsageError("the bank of this model has no latents to draw from", fix=other)
        return rows

    def known_classes(self) -> tuple[str, ...]:
        """Return the names of the classes of which images were there at export."""
        return tuple(name for name, count in zip(self.classes, self.counts[:-1], strict=True) if count)

    def check_known(self, label: int | None) -> None:
        """Raise `UsageError` where no image of class `label`, or no image at all, was there at export."""
        if not self.counts[-1 if label is None else label]:
            what = "" if label is None else f' of class "{printable(self.classes[label])}"'
            raise UsageError(f"this model has no latents{what}: no image{what} was there when it was exported")

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
    groups = partial(_groups, latents, labels, len(classes))
    chosen = _chosen(labels, np.random.default_rng(seed).permutation(len(latents)), MAX_ROWS if rows else 0)
    return Bank(
        latents=latents[chosen],
        labels=labels[chosen],
        neighbours=class_neighbours(latents[chosen], labels[chosen], NEIGHBOURS),
        sources=[sources[i] for i in chosen],
        classes=classes,
        counts=np.array([len(group) for group in groups()]),
        means=np.stack([_mean(group) for group in groups()]),
        covariances=np.stack([covariance(group).astype(np.float32) for group in groups()]),
        mixtures=mixtures or Mixtures.none(len(classes), latents.shape[1]),
    )


def _groups(latents: Latents, labels: Labels, classes: int) -> Iterator[Latents]:
    """Yield the latents of each class, and all at last."""
    yield from (latents[labels == label] for label in range(classes))
    yield latents


def _chosen(labels: Labels, order: npt.NDArray[np.intp], most: int) -> npt.NDArray[np.intp]:
    """Return the first `most` rows of `order`, sorted; of a class that would be missing, the first row instead."""
    chosen = order[:most]
    if len(np.unique(labels[chosen])) < len(np.unique(labels)) <= most:
        firsts = order[np.sort(np.unique(labels[order], return_index=True)[1])]
        chosen = np.concatenate([firsts, order[~np.isin(order, firsts)]])[:most]
    return np.sort(chosen)


def _mean(group: Latents) -> Latents:
    return (
        group.mean(0, dtype=np.float64).astype(np.float32) if len(group) else np.zeros_like(group, shape=group.shape[1])
    )
