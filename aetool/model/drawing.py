"""Drawing: new latents of classes, in blocks of bounded memory, and the bank of a reader's own pictures."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterable, Iterator, Mapping

import numpy as np

from aetool.arrays import batched
from aetool.choices import IMAGE_SUFFIXES
from aetool.errors import InvalidInput
from aetool.generation.arithmetic import perturb
from aetool.generation.sampling import Sampler, rng_for
from aetool.latents.bank import Bank, make_bank
from aetool.latents.files import LatentBatch

BLOCK = 10_000
"""Latents per draw; bounds the memory. Another size gives other latents for the same seed."""


def fresh_seed() -> int:
    """Return an unpredictable seed, from 0 to 2^32 - 1."""
    return secrets.randbelow(2**32)


def numbered(name: str, count: int) -> Iterator[str]:
    """Yield `count` names of pictures, "NAME-01" and so on, all of the same width."""
    width = len(str(count))
    return (f"{name}-{i:0{width}}" for i in range(1, count + 1))


def drawn(
    sampler: Sampler, bank: Bank, labels: Mapping[str | None, int | None], count: int, seed: int
) -> Iterator[LatentBatch]:
    """Yield `count` latents of each class, a block at a time; `labels` maps class names to class numbers."""
    rng = rng_for(seed)
    for name, label in labels.items():
        names = numbered(name or "new", count)
        for block in batched(names, BLOCK):
            yield LatentBatch(sampler.draw(bank, label, len(block), rng), block, (name,) * len(block), None)


def perturbed(batches: Iterable[LatentBatch], bank: Bank, sigma: float, count: int, seed: int) -> Iterator[LatentBatch]:
    """Yield `count` variations of each latent; the seed gives the same variations for batches of any size."""
    rng, covariance = rng_for(seed), bank.covariance(None)
    for batch in batches:
        for latent, title, label in zip(batch.latents, batch.titles, batch.classes, strict=True):
            names = tuple(numbered(_stem(title), count))
            yield LatentBatch(perturb(latent[None], covariance, sigma, count, rng), names, (label,) * count, None)


def _stem(name: str) -> str:
    """Return the name of a picture file without its suffix."""
    stem, suffix = os.path.splitext(name)  # noqa: PTH122
    return stem if suffix.lower() in IMAGE_SUFFIXES else name


def bank_of(batches: Iterable[LatentBatch]) -> Bank:
    """Return the bank of pictures unknown to the model: the reader's own class.

    Raises `InvalidInput` for fewer than two pictures.
    """
    parts = list(batches)
    sources = [source for part in parts for source in part.sources]
    if len(sources) == 1:
        raise InvalidInput("there is one usable image; at least two are needed to combine")
    if not sources:
        raise InvalidInput("there is no usable image; at least two are needed to combine")
    latents = np.concatenate([part.latents for part in parts])
    return make_bank(latents, np.full(len(sources), -1), sources, (), seed=0)
