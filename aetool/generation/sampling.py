"""Samplers: new latents of a class. A sampler is a frozen dataclass of its options with `draw(bank, label, n, rng)`.

`label` is a class number, or None for the whole bank; `rng` is always passed, and the same seed gives the same latents.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from aetool.arrays import Labels, Latents
from aetool.errors import UsageError
from aetool.latents.bank import Bank
from aetool.latents.neighbours import Index, nearest_rows, others_nearest

CHECKED = 10
"""Nearest latents of the bank in the check of a new latent's class."""
PROBES = 256
"""Latents whose neighbourhoods measure the local variance of a class."""
ROUNDS = 20
"""Most repetitions for a doubtful latent: in overlapping classes every latent may be doubtful."""


class Sampler(Protocol):
    """The interface of samplers."""

    def draw(self, bank: Bank, label: int | None, n: int, rng: np.random.Generator) -> Latents:
        """Return n new latents (n, k) of class `label`; raises `UsageError` where the bank cannot serve."""
        ...


@dataclass(frozen=True)
class Neighbours:
    """A random latent a mixed with a random one of its `count` nearest of the same class, b: (1 - w) a + w b.

    w is uniform in [low, high]. Few neighbours stay close to known latents, many give more novelty.
    """

    count: int = 50
    low: float = 0.3
    high: float = 0.7

    def draw(self, bank: Bank, label: int | None, n: int, rng: np.random.Generator) -> Latents:
        """Return n latents (n, k) between neighbours."""
        if self.count < 1 or not 0 <= self.low <= self.high <= 1:
            raise UsageError("neighbours needs count >= 1 and 0 <= low <= high <= 1")
        latents = bank.latents[bank.rows(label)]
        first = rng.integers(len(latents), size=n)
        if len(latents) == 1:
            return latents[first]
        near = others_nearest(latents, first, self.count)
        second = near[np.arange(n), rng.integers(near.shape[1], size=n)]
        weights = rng.uniform(self.low, self.high, (n, 1)).astype(np.float32)
        mixed: Latents = latents[first] * (1 - weights) + latents[second] * weights
        return mixed


@dataclass(frozen=True)
class Mix:
    """Random convex combinations of `m` random latents of the class, weights from a symmetric Dirichlet.

    A small concentration favours a single latent of the m, a large concentration their mean.
    """

    m: int = 2
    concentration: float = 1.0

    def draw(self, bank: Bank, label: int | None, n: int, rng: np.random.Generator) -> Latents:
        """Return n latents (n, k) in the convex hull of the class."""
        if not 1 <= self.m <= 1000 or not 0 < self.concentration <= 1e12:
            raise UsageError("mix needs m from 1 to 1,000 and a concentration above 0, at most 1e12")
        latents = bank.latents[bank.rows(label)]
        chosen = latents[rng.integers(len(latents), size=(n, self.m))]
        weights = rng.dirichlet([self.concentration] * self.m, size=n).astype(np.float32)
        mixed: Latents = np.einsum("nm,nmk->nk", weights, chosen)
        return mixed


@dataclass(frozen=True)
class Gaussian:
    """A normal distribution with the mean and covariance of the class; needs no latents in the bank."""

    def draw(self, bank: Bank, label: int | None, n: int, rng: np.random.Generator) -> Latents:
        """Return n latents (n, k), normally distributed."""
        bank.check_known(label)
        mean, covariance = bank.mean(label), bank.covariance(label)
        drawn = rng.multivariate_normal(mean, covariance, n, check_valid="ignore", method="eigh")
        return drawn.astype(np.float32)


@dataclass(frozen=True)
class Local:
    """A random latent a of the class with noise of the shape of its neighbourhood: a smoothed bootstrap.

    z = m + (a + bandwidth s - m) / sqrt(1 + bandwidth^2 r), with s normal of the covariance of the `count` nearest to
    a, m the mean of the class, and r the variance of neighbourhoods over the variance of the class. The division keeps
    the variance of the class, which mixing would shrink and noise widen (Silverman, "Density estimation", 1986, section
    6.4.1). bandwidth 0 repeats the latent; larger values give more novelty. A latent with less than a share `pure` of
    its nearest latents in the class is drawn again, as in nearest-neighbour editing (Wilson, IEEE Transactions on
    Systems, Man and Cybernetics 2(3), 1972).
    """

    count: int = 20
    bandwidth: float = 0.75
    pure: float = 0.7

    def draw(self, bank: Bank, label: int | None, n: int, rng: np.random.Generator) -> Latents:
        """Return n latents (n, k) of the class's own spread; of all, each is of the class of a random latent."""
        if self.count < 2 or not (0 <= self.bandwidth <= 100 and 0 <= self.pure <= 1):
            raise UsageError("local needs count >= 2, a bandwidth from 0 to 100 and pure from 0 to 1")
        rows = bank.rows(label)
        if label is None and not bank.classes:
            return self._from(_Group(bank.latents, self._shrink(bank, bank.latents, None)), n, rng)
        labels = bank.labels[rng.choice(rows, n)] if label is None else np.full(n, label)
        groups: dict[int, _Group] = {}
        for one in sorted(set(labels.tolist())):
            latents = bank.latents[bank.labels == one]
            groups[one] = _Group(latents, self._shrink(bank, latents, one))
        return self._of_classes(bank, groups, labels, rng)

    def _of_classes(self, bank: Bank, groups: dict[int, _Group], labels: Labels, rng: np.random.Generator) -> Latents:
        """Return a latent of the class of each label (n,); doubtful latents are drawn again."""
        drawn = np.empty((len(labels), bank.latents.shape[1]), np.float32)
        sizes = np.array([len(groups[one].latents) for one in labels.tolist()])
        again = np.arange(len(labels))
        for _ in range(ROUNDS):
            for one, group in groups.items():
                of_one = again[labels[again] == one]
                drawn[of_one] = self._from(group, len(of_one), rng)
            again = again[_shares(bank, drawn[again], labels[again], sizes[again]) < self.pure]
            if not len(again):
                break
        return drawn

    def _from(self, group: _Group, n: int, rng: np.random.Generator) -> Latents:
        """Return n latents of a class, doubtful ones among them."""
        chosen = rng.integers(len(group.latents), size=n)
        noise = np.float32(self.bandwidth) * self._noise(group, chosen, rng)
        drawn: Latents = group.mean + group.shrink * (group.latents[chosen] + noise - group.mean)
        return drawn

    def _shrink(self, bank: Bank, latents: Latents, label: int | None) -> np.float32:
        """Return 1 / sqrt(1 + bandwidth^2 r), r stored in the bank for the default count."""
        if bank.local_variances is not None and self.count == Local.count:
            r = bank.local_variances[-1 if label is None else label]
        else:
            r = local_variance(latents, self.count)
        return np.float32(1 / np.sqrt(1 + self.bandwidth**2 * r))

    def _noise(self, group: _Group, chosen: npt.NDArray[np.int64], rng: np.random.Generator) -> Latents:
        """Return noise (n, k), normal with the covariance of the latents around each of the `chosen` (n,)."""
        around = group.latents[group.index.rows(group.latents[chosen], self.count)]
        weights = rng.standard_normal(around.shape[:2], np.float32) / np.float32(np.sqrt(max(1, around.shape[1] - 1)))
        noise: Latents = np.einsum("nm,nmk->nk", weights, around - around.mean(1, keepdims=True))
        return noise


class _Group:
    """The latents (m, k) of a class, prepared for `Local`; `shrink` keeps their variance."""

    def __init__(self, latents: Latents, shrink: np.float32) -> None:
        self.latents, self.shrink = latents, shrink
        self.mean, self.index = latents.mean(0), Index(latents)


def _shares(bank: Bank, latents: Latents, labels: Labels, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
    """Return the share (n,) of the nearest latents of the bank in the class of each of the latents (n, k).

    The nearest are `CHECKED`, or as many as the class has latents in the bank (`sizes`).
    """
    near = bank.index.rows(latents, CHECKED)
    counted = np.arange(near.shape[1]) < sizes[:, None]
    share: npt.NDArray[np.float64] = ((bank.labels[near] == labels[:, None]) & counted).sum(1) / counted.sum(1)
    return share


def local_variance(latents: Latents, count: int) -> np.float32:
    """Return the variance of the `count` latents around a latent, over the variance of all latents (n, k).

    The mean over at most `PROBES` latents at regular places; 0 where nothing varies.
    """
    variance = latents.var(0).sum()
    if not variance:
        return np.float32(0)
    probes = latents[np.linspace(0, len(latents) - 1, min(PROBES, len(latents))).astype(np.intp)]
    around = latents[nearest_rows(probes, latents, count)]
    return np.float32(around.var(1, ddof=1).sum(1).mean() / variance)


def stored_variances(bank: Bank) -> npt.NDArray[np.float32] | None:
    """Return the local variances of each class and of all as a bank stores them, None for a bank without rows."""
    if not len(bank.latents):
        return None
    groups = [bank.latents[bank.labels == label] for label in range(len(bank.classes))] + [bank.latents]
    found = [local_variance(group, Local.count) if len(group) > 1 else 0.0 for group in groups]
    return np.array(found, np.float32)


@dataclass(frozen=True)
class Gmm:
    """A mixture of normal distributions, fitted to the latents of the class at export; needs no latents in the bank."""

    def draw(self, bank: Bank, label: int | None, n: int, rng: np.random.Generator) -> Latents:
        """Return n latents (n, k) of the mixture of `label`, or of all classes by their counts."""
        weights = bank.mixtures.weights
        if label is not None:
            weights = np.where(np.arange(len(weights))[:, None] == label, weights, 0)
        elif bank.classes:
            weights = weights * bank.counts[:-1, None]
        bank.check_known(label)
        if not weights.sum() > 0:
            raise UsageError("this bank holds no mixture to draw from", fix="no-mixture")
        flat = weights.ravel() / weights.sum(dtype=np.float64)
        chosen = np.unravel_index(rng.choice(len(flat), size=n, p=flat / flat.sum()), weights.shape)
        noise = rng.standard_normal((n, bank.means.shape[1]), np.float32)
        drawn: Latents = bank.mixtures.means[chosen] + np.einsum("nij,nj->ni", bank.mixtures.roots[chosen], noise)
        return drawn


def rng_for(*seed: int) -> np.random.Generator:
    """Return the generator of a seed, or of a seed and its parts."""
    return np.random.default_rng(seed)


SAMPLERS: dict[str, Local | Neighbours | Mix | Gmm | Gaussian] = {
    "local": Local(),
    "neighbours": Neighbours(),
    "mix": Mix(),
    "gmm": Gmm(),
    "gaussian": Gaussian(),
}
